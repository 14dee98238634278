"""The model: tokens → coordinates → memories → experts → mixer → probabilities.

The parts are plugins; the model connects them. No method builds a graph for autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import attrs
import torch
from torch import Generator, Tensor

from lior.config.sampling import Sampling
from lior.counting.kneser_ney import unseen_share
from lior.counting.sampling import Race
from lior.data.corpus import gather_contexts
from lior.errors import BrokenPlugin
from lior.geometry.neighbours import cell_centres
from lior.geometry.retrieval import Geometry, Retrieval
from lior.interfaces import (
    AdaptiveMemory,
    CellTable,
    DrawingMemory,
    Evidence,
    FollowingMemory,
    Items,
    MemoryBackend,
    Query,
    SelfWeightedMemory,
    State,
    StreamingEncoder,
    Text,
    Tokenizer,
)
from lior.model import mixer
from lior.tensors import sub, threads

_PRODUCTS = 1 << 13
"""Approximate multiplications for a position: its coordinates are mapped and compared with 64 cells."""
_MIXED = 1 << 9
"""Number of positions whose experts are mixed at once: they fit the processor's cache."""


@attrs.define(kw_only=True)
class Model:
    """A language model over the tokens of its tokenizer.

    ``state`` holds the parameters of the geometry, ``weights`` those of the mixer, and ``cells`` the
    centres of the geometric gate ``(J, n)``.
    """

    tokenizer: Tokenizer
    memories: dict[str, MemoryBackend]
    geometry: Geometry | None
    state: State = attrs.field(repr=False)
    weights: State = attrs.field(factory=dict, repr=False)
    cells: Tensor | None = attrs.field(default=None, repr=False)
    token_counts: Tensor = attrs.field(repr=False)
    """Number of occurrences of each token in the memories, int64 ``(V,)``."""
    _scorer: Retrieval | None = attrs.field(default=None, init=False, repr=False)
    _exact_scorer: Retrieval | None = attrs.field(default=None, init=False, repr=False)
    _table: CellTable | None = attrs.field(default=None, init=False, repr=False)
    _counted: _Known | None = attrs.field(default=None, init=False, repr=False)
    _pending_counts: Tensor = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._pending_counts = torch.zeros_like(self.token_counts)
        self.set_geometry(self.state)

    @property
    def device(self) -> torch.device:
        """The device of all tensors."""
        return self.token_counts.device

    @property
    def alphabet(self) -> Tensor:
        """Token ids in the memories, ascending, int64 ``(A,)``."""
        return self._known().tokens

    def _known(self) -> _Known:
        """Return values derived from the token counts, which are replaced and never written into."""
        if self._counted is None or self._counted.counts is not self.token_counts:
            tokens = self.token_counts.nonzero()[:, 0]
            others, share = (self.token_counts == 0).nonzero()[:, 0], unseen_share(self.token_counts)
            kept, escape = torch.log1p(-share).float(), (share / max(len(others), 1)).log().float()
            self._counted = _Known(self.token_counts, tokens, kept, escape, others, float(share))
        return self._counted

    @property
    def context(self) -> int:
        """Number of tokens before a position that a prediction depends on."""
        reach = self.geometry.encoder.reach if self.geometry else 1
        return max(reach, *(m.context for m in self.memories.values()))

    def cursors(self) -> dict[str, Any]:
        """Return a cursor at the beginning of a text for each memory that can follow it, by name."""
        if self._table is None and self.cells is not None and self._exact_scorer is not None:
            self._table = self._exact_scorer.cell_table(self.cells.double())
        memories = {name: m for name, m in self.memories.items() if isinstance(m, FollowingMemory)}
        found = {name: m.cursor(self._table) for name, m in memories.items()}
        return {name: cursor for name, cursor in found.items() if cursor is not None}

    @property
    def drawing(self) -> DrawingMemory | None:
        """The memory that draws text in a loop of its own, if it alone forms the model."""
        (memory, *others), experts = self.memories.values(), self.experts
        return memory if isinstance(memory, DrawingMemory) and not others and len(experts) == 1 else None

    def reach(self, cursors: Mapping[str, Any]) -> int:
        """Return the number of tokens before a position that must be given if ``cursors`` follow the text."""
        needed = [m.context for name, m in self.memories.items() if name not in cursors]
        found = all(cursor.finds_cells for cursor in cursors.values())
        if self.geometry and (needed or "cells" in self.weights or (self.cells is not None and not found)):
            needed.append(self.geometry.encoder.reach)
        return max(needed, default=0)

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the mixer's experts."""
        return tuple(f"{name}: {e}" for name, m in self.memories.items() for e in m.experts)

    @torch.no_grad()
    def set_geometry(self, state: State) -> None:
        """Use the geometry ``state`` from now on; the memories' stored coordinates are not recomputed."""
        self.state, self._table = state, None
        self._scorer = self.geometry.scorer(state) if self.geometry else None
        exact = {k: v.double() if v.is_floating_point() else v for k, v in state.items()}
        self._exact_scorer = self.geometry.scorer(exact) if self.geometry else None
        for memory in self.memories.values():
            memory.attach(self._scorer)

    @torch.no_grad()
    def set_cells(self, contexts: Tensor, count: int, *, generator: Generator) -> None:
        """Place ``count`` centres of the geometric gate among the coordinates of ``contexts (N, reach)``."""
        if self.geometry is None or self._scorer is None:
            return
        z = self.geometry.encoder.encode(sub(self.state, "encoder"), contexts)
        self._table = None
        self.cells = cell_centres(z, self._scorer.root, count, generator=generator)

    def first_weights(self, memories: Mapping[str, MemoryBackend], cells: int) -> State:
        """Return a mixer of ``memories`` that averages the adaptive ones, or else all experts."""
        vocab = self.tokenizer.vocab
        sizes = tuple(n for m in memories.values() for n in m.gate_sizes(vocab))
        names = [name for name, m in memories.items() for _ in m.experts]
        strong = [i for i, name in enumerate(names) if name in self.adaptive]
        # A single expert needs no weights by place.
        cells = 0 if len(names) == 1 else cells
        weights = mixer.init(len(names), sizes, cells, device=self.device, strong=strong)
        gate = expert = 0
        for memory in memories.values():
            if isinstance(memory, SelfWeightedMemory):
                own = slice(expert, expert + len(memory.experts))
                for number, table in enumerate(memory.trust(vocab), gate):
                    weights[f"gate{number}"][:, own] += table.to(self.device)
            gate += len(memory.gate_sizes(vocab))
            expert += len(memory.experts)
        return weights

    def reset_mixer(self) -> None:
        """Set the mixer to its first weights."""
        self.weights = self.first_weights(self.memories, 0 if self.cells is None else len(self.cells))

    @property
    def _gates(self) -> int:
        """Return the number of hard gates of the memories."""
        return sum(len(memory.gate_sizes(self.tokenizer.vocab)) for memory in self.memories.values())

    def add_memory(self, name: str, memory: SelfWeightedMemory) -> None:
        """Add one more memory, which has one expert and one gate, with the weights that it sets itself.

        Fitted parameters do not change, and :meth:`drop_memory` undoes it to the last bit.
        """
        (table,) = memory.trust(self.tokenizer.vocab)
        self.weights = mixer.widen(self.weights, self._gates, table)
        memory.attach(self._scorer)
        self.memories = {**self.memories, name: memory}

    def drop_memory(self, name: str) -> None:
        """Remove the memory that was added last."""
        self.weights = self.weights_before()
        self.memories = {each: memory for each, memory in self.memories.items() if each != name}

    def weights_before(self) -> State:
        """Return the weights without the memory that was added last."""
        return mixer.narrow(self.weights, self._gates - 1)

    # --- memory ---

    @torch.no_grad()
    def coordinates(self, text: Text, positions: Tensor) -> Tensor | None:
        """Return coordinates ``(B, n)`` of the contexts at ``positions``; ``None`` without a geometry."""
        if self.geometry is None:
            return None
        encoder = self.geometry.encoder
        context = gather_contexts(
            text.tokens, positions, text.depth[positions], encoder.reach, self.tokenizer.vocab
        )
        return encoder.encode(sub(self.state, "encoder"), context)

    @property
    def adaptive(self) -> dict[str, AdaptiveMemory]:
        """The memories with learned parameters of their own, by name."""
        return {name: m for name, m in self.memories.items() if isinstance(m, AdaptiveMemory)}

    # ``z`` are the coordinates of the positions, from :class:`DocumentCoordinates`; without them the encoder
    # computes coordinates from the last tokens before each position.

    @torch.no_grad()
    def items(self, text: Text, start: int = 0, z: Tensor | None = None) -> Items:
        """Return the tokens ``text[start:]`` with coordinates and cells, in the form that memories take."""
        if z is None:
            z = self.coordinates(text, torch.arange(start, len(text.tokens), device=text.tokens.device))
        with threads((len(text.tokens) - start) * _PRODUCTS):
            return Items(text, start, z, self._cell(z))

    def _written(
        self, text: Text, start: int, memories: Iterable[MemoryBackend], z: Tensor | None = None
    ) -> Items:
        """Return :meth:`items`, without coordinates, which take time, if none of ``memories`` stores any."""
        if any(memory.stores_coordinates for memory in memories):
            return self.items(text, start, z)
        return Items(text, start, None)

    @torch.no_grad()
    def query(self, text: Text, positions: Tensor, z: Tensor | None = None) -> Query:
        """Return a query for the next tokens at ``positions``."""
        with threads(len(positions) * _PRODUCTS):
            if z is None:
                z = self.coordinates(text, positions)
            return Query(text, positions, z, self._cell(z))

    @torch.no_grad()
    def write(
        self, text: Text, start: int = 0, *, skip: Collection[str] = (), z: Tensor | None = None
    ) -> None:
        """Give the tokens of ``text[start:]`` to the memories, except those in ``skip``, which hold them
        already.

        They can be read after :meth:`commit`.
        """
        waiting = [memory for name, memory in self.memories.items() if name not in skip]
        if waiting:
            items = self._written(text, start, waiting, z)
            for memory in waiting:
                memory.write(items)
        self._pending_counts = self._pending_counts + self._count(text.tokens[start:])

    @torch.no_grad()
    def partial_fit(
        self, items: Items, alphabet: Tensor, *, progress: float, write: bool
    ) -> dict[str, Evidence]:
        """Let the adaptive memories read ``items`` and learn from them; returns their evidence by name."""
        with threads((len(items.text.tokens) - items.start) * _PRODUCTS):
            return {
                name: memory.partial_fit(items, alphabet, progress=progress, write=write)
                for name, memory in self.adaptive.items()
            }

    @torch.no_grad()
    def commit(self) -> None:
        """Make everything written readable."""
        for memory in self.memories.values():
            memory.commit()
        self.token_counts = self.token_counts + self._pending_counts
        self._pending_counts = torch.zeros_like(self.token_counts)

    @torch.no_grad()
    def rewrite(self, pieces: Iterable[tuple[Text, int]], since: Mapping[str, int] | None = None) -> None:
        """Let the memories hold exactly ``text[start:]`` of every piece; learned parameters stay.

        ``since`` is the first document that a memory holds, by its name; the other memories hold all.
        """
        items = [self._written(text, start, self.memories.values()) for text, start in pieces]
        for name, memory in self.memories.items():
            first = (since or {}).get(name, 0)
            memory.rewrite([each for each in items if int(each.text.document[each.start]) >= first])
        counts = (self._count(each.text.tokens[each.start :]) for each in items)
        self.token_counts = sum(counts, torch.zeros_like(self.token_counts))
        self._pending_counts = torch.zeros_like(self.token_counts)

    @torch.no_grad()
    def rollback(self) -> None:
        """Drop everything written since the last :meth:`commit`."""
        for memory in self.memories.values():
            memory.rollback()
        self._pending_counts = torch.zeros_like(self.token_counts)

    def _count(self, tokens: Tensor) -> Tensor:
        return torch.bincount(tokens, minlength=self.tokenizer.vocab)

    # --- prediction ---

    @torch.no_grad()
    def inputs(
        self,
        text: Text,
        positions: Tensor,
        alphabet: Tensor,
        given: Mapping[str, Evidence] | None = None,
        z: Tensor | None = None,
    ) -> mixer.Inputs:
        """Return the evidence at ``positions``; ``given`` is the evidence of memories already read."""
        return mixer.beside(*self._evidence(text, positions, alphabet, given, z))

    def _evidence(
        self,
        text: Text,
        positions: Tensor,
        alphabet: Tensor,
        given: Mapping[str, Evidence] | None,
        z: Tensor | None,
    ) -> tuple[list[Evidence], Tensor | None]:
        """Return the evidence of each memory at ``positions``, and the geometric gate."""
        given = given or {}
        needed = "cells" in self.weights or not given.keys() >= self.memories.keys()  # coordinates cost time
        query = self.query(text, positions, z) if needed else Query(text, positions, None)
        evidence = [
            _check(name, m, given.get(name) or m.read(query, alphabet), len(positions), len(alphabet))
            for name, m in self.memories.items()
        ]
        return evidence, self.cell_weights(query.z) if "cells" in self.weights else None

    def cell_weights(self, z: Tensor | None) -> Tensor | None:
        """Return the geometric gate ``(B, J)``: a softmax of the scores of the centres for each query."""
        if self.cells is None or z is None or self._scorer is None:
            return None
        queries = self._scorer.features(z, query=True)
        return torch.softmax(self._scorer.scores(queries, self._scorer.fixed(self.cells)), 1)

    def _cell(self, z: Tensor | None) -> Tensor | None:
        """Return the nearest centre, ``(B,)``; in float64, so that the number of queries does not matter."""
        if self.cells is None or z is None or self._exact_scorer is None:
            return None
        return self._exact_scorer.nearest(z.double(), self._exact_scorer.fixed(self.cells))

    def follow(
        self, cursors: Sequence[Mapping[str, Any]], text: Text, positions: Tensor, z: Tensor | None
    ) -> dict[str, Evidence]:
        """Return the evidence at ``positions (B,)`` of the memories whose :meth:`cursors` follow the text."""
        names = cursors[0].keys() if len(self.alphabet) else ()
        if not names:
            return {}
        cell = None
        if self.cells is not None and not all(cursor.finds_cells for cursor in cursors[0].values()):
            cell = self._cell(self.coordinates(text, positions) if z is None else z)
        alphabet, memories = self.alphabet, cast("dict[str, FollowingMemory]", self.memories)
        return {
            name: memories[name].read_at([each[name] for each in cursors], alphabet, cell) for name in names
        }

    def draw(
        self,
        memory: DrawingMemory,
        cursor: Any,
        sampling: Sampling,
        generator: Generator,
        *,
        count: int,
        thread: int,
    ) -> list[int] | None:
        """Draw the next ``count`` tokens after ``cursor``, which moves on, in one compiled call.

        ``memory`` is :attr:`drawing`; only ``temperature`` and ``min_p`` of ``sampling`` are used. Returns
        ``None`` while the memory is empty.
        """
        known = self._known()
        if not len(known.tokens):
            return None
        fresh = torch.empty(count, self.tokenizer.vocab, dtype=torch.float64, device=generator.device)
        drawn = fresh.exponential_(1, generator=generator), self.weights["gate0"][:, 0], known.others
        noise, mixing, others = (part.cpu().numpy() for part in drawn)
        least = float(sampling.min_p)  # compiled code is of one type
        race = Race(noise, 1 / sampling.temperature, least, mixing, others, known.unseen)
        return memory.draw(cursor, known.tokens, race, thread)

    @torch.no_grad()
    def log_probs(
        self,
        text: Text,
        positions: Tensor,
        z: Tensor | None = None,
        given: Mapping[str, Evidence] | None = None,
    ) -> Tensor:
        """Return log-probabilities of every token id, ``(B, V)``; the exponentials of a row sum to 1.

        ``given`` is the evidence of memories that were read already.
        """
        predict = lambda inputs: mixer.log_probs(self.weights, inputs)  # noqa: E731
        return self._of_all_tokens(predict, text, positions, z, given)

    @torch.no_grad()
    def vote(
        self,
        text: Text,
        positions: Tensor,
        z: Tensor | None = None,
        given: Mapping[str, Evidence] | None = None,
    ) -> Tensor:
        """Log of the unweighted average of the experts for every token id, ``(B, V)``."""
        return self._of_all_tokens(mixer.vote, text, positions, z, given)

    def _of_all_tokens(
        self,
        predict: Callable[[mixer.Inputs], Tensor],
        text: Text,
        positions: Tensor,
        z: Tensor | None,
        given: Mapping[str, Evidence] | None,
    ) -> Tensor:
        """Extend ``predict``, log-probabilities over the alphabet, to all tokens; others share the escape."""
        _, alphabet, kept, escape, *_ = self._known()
        with threads(len(positions) * _PRODUCTS):
            full = escape.expand(len(positions), self.tokenizer.vocab).clone()
            if len(alphabet):
                full.index_copy_(
                    1, alphabet, predict(self.inputs(text, positions, alphabet, given, z)) + kept
                )
            return full

    @torch.no_grad()
    def score(self, text: Text, positions: Tensor, z: Tensor | None = None) -> Tensor:
        """Return log-probabilities in nats of the tokens at ``positions``, ``(B,)``."""
        alphabet = self.alphabet
        if not len(alphabet):
            return self._known().escape.expand(len(positions))
        targets = mixer.columns(alphabet, text.tokens[positions])
        with threads(len(positions) * _PRODUCTS):
            evidence, cells = self._evidence(text, positions, alphabet, None, z)
            found = []
            for begin in range(0, max(len(positions), 1), _MIXED):
                part = slice(begin, begin + _MIXED)
                inputs = mixer.beside(
                    [e.rows(part) for e in evidence], None if cells is None else cells[part]
                )
                found.append(self.score_inputs(inputs, targets[part], alphabet))
            return torch.cat(found)

    @torch.no_grad()
    def score_inputs(self, inputs: mixer.Inputs, targets: Tensor, alphabet: Tensor) -> Tensor:
        """Return log-probabilities of ``targets (B,)``, columns of ``alphabet`` or -1, given the inputs."""
        _, _, kept, escape, *_ = self._known()
        known = mixer.log_probs(self.weights, inputs) + kept
        padded = torch.cat([known, escape.expand(len(known), 1)], 1)  # the last column, -1, is the escape
        return padded.gather(1, targets[:, None] % padded.shape[1])[:, 0]


class DocumentCoordinates:
    """The coordinates of one document while it is read, from an encoder that sees all of it.

    An encoder of limited context has none: the model computes them from the last tokens.
    """

    def __init__(self, model: Model) -> None:
        encoder = model.geometry.encoder if model.geometry else None
        self._encoder = encoder if isinstance(encoder, StreamingEncoder) else None
        self.next: Tensor | None = None
        """Coordinate of the next position, ``(1, n)``."""
        if self._encoder:
            self._state = sub(model.state, "encoder")
            self._stream = self._encoder.stream(self._state)
            before = torch.full((1, self._encoder.reach), model.tokenizer.vocab, device=model.device)
            self.next = self._encoder.encode(self._state, before)

    @torch.no_grad()
    def read(self, tokens: Tensor) -> Tensor | None:
        """Read ``tokens (T,)``, int64; returns the coordinates of their positions, ``(T, n)``."""
        if self._encoder is None or self.next is None or not len(tokens):
            return None
        self._stream, after = self._encoder.scan(self._state, self._stream, tokens)
        here, self.next = torch.cat([self.next, after[:-1]]), after[-1:]
        return here


class _Known(NamedTuple):
    """Values derived from the token counts."""

    counts: Tensor
    tokens: Tensor
    """The tokens seen, ascending."""
    kept: Tensor
    """Logarithm of their share."""
    escape: Tensor
    """Logarithm of the share of each token never seen."""
    others: Tensor
    """The tokens never seen, ascending."""
    unseen: float
    """Their total share."""


def _check(name: str, memory: MemoryBackend, evidence: Evidence, rows: int, columns: int) -> Evidence:
    """Return ``evidence``, or raise an error that names the memory if the mixer cannot use its shapes."""
    wanted = rows, len(memory.experts), columns
    found = tuple(evidence.log_p.shape)
    if found != wanted or any(tuple(gate.shape) != (rows,) for gate in evidence.gates):
        gates = ", ".join(str(tuple(gate.shape)) for gate in evidence.gates) or "none"
        raise BrokenPlugin(
            f"memory {name!r} violates its interface: log_p has shape {found} and gates have "
            f"{gates}; they should have {wanted} and ({rows},)."
        )
    return evidence
