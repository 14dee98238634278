"""The model: tokens → coordinates → memories → experts → mixer → probabilities.

The parts are plugins; the model connects them. No method builds a graph for autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.compiling.repetition import Repeats
from lior.errors import BrokenPlugin, PluginError
from lior.geometry.retrieval import Geometry
from lior.interfaces import Abilities, Evidence, FittedMemory, Items, Memory, Query, State, Text, Tokenizer
from lior.model import memories, mixer
from lior.model.kneser_ney import unseen_share
from lior.model.space import Space
from lior.tensors import threads

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
    memories: dict[str, Memory]
    geometry: Geometry | None
    state: State = attrs.field(repr=False)
    weights: State = attrs.field(factory=dict, repr=False)
    cells: Tensor | None = attrs.field(default=None, repr=False)
    token_counts: Tensor = attrs.field(repr=False)
    """Number of occurrences of each token in the memories, int64 ``(V,)``."""
    repeats: Callable[[], Repeats] | None = attrs.field(default=None, eq=False, repr=False)
    """Function that returns how often the text in the memories repeats each unit; ``None`` if unknown."""
    space: Space = attrs.field(init=False, repr=False)
    """The coordinates of contexts under ``state``, and the nearest of ``cells``."""
    _counted: Known | None = attrs.field(default=None, init=False, repr=False)
    _pending: list[tuple[Items, Collection[str]]] = attrs.field(factory=list, init=False, repr=False)
    """Items that were written and not committed, and the memories that hold them already."""

    def __attrs_post_init__(self) -> None:
        self.set_geometry(self.state)

    @property
    def device(self) -> torch.device:
        """The device of all tensors."""
        return self.token_counts.device

    @property
    def alphabet(self) -> Tensor:
        """Token ids in the memories, ascending, int64 ``(A,)``."""
        return self.known.tokens

    @property
    def known(self) -> Known:
        """The values derived from the token counts, which are replaced and never written into."""
        if self._counted is None or self._counted.counts is not self.token_counts:
            tokens = self.token_counts.nonzero()[:, 0]
            others, share = (self.token_counts == 0).nonzero()[:, 0], unseen_share(self.token_counts)
            kept, escape = torch.log1p(-share).float(), (share / max(len(others), 1)).log().float()
            self._counted = Known(self.token_counts, tokens, kept, escape, others, float(share))
        return self._counted

    @property
    def context(self) -> int:
        """Number of tokens before a position that a prediction depends on."""
        reach = self.geometry.encoder.reach if self.geometry else 1
        return max(reach, *(each.context for each in self.abilities))

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the mixer's experts."""
        return tuple(f"{name}: {e}" for name, m in self.memories.items() for e in m.abilities.experts)

    @torch.no_grad()
    def set_geometry(self, state: State) -> None:
        """Use the geometry ``state`` from now on; the memories' stored coordinates are not recomputed."""
        self.state = state
        self.space = Space.of(self.geometry, state, self.tokenizer.vocab, self.cells)

    @torch.no_grad()
    def set_cells(self, contexts: Tensor, count: int, *, generator: Generator) -> None:
        """Place ``count`` centres of the geometric gate among the coordinates of ``contexts (N, reach)``."""
        self.space = self.space.with_cells(contexts, count, generator=generator)
        self.cells = self.space.cells

    # --- memory ---

    @property
    def abilities(self) -> list[Abilities]:
        """The abilities of each memory."""
        return [memory.abilities for memory in self.memories.values()]

    @property
    def fitted(self) -> dict[str, FittedMemory]:
        """The memories with learned parameters of their own, by name."""
        return memories.fitted(self.memories)

    # ``z`` are the coordinates of the positions, from :class:`DocumentCoordinates`; without them the encoder
    # computes coordinates from the last tokens before each position.

    @torch.no_grad()
    def items(self, text: Text, start: int = 0, z: Tensor | None = None) -> Items:
        """Return the tokens ``text[start:]`` with coordinates and cells, in the form that memories take."""
        if z is None:
            z = self.space.coordinates(text, torch.arange(start, len(text.tokens), device=text.tokens.device))
        with threads((len(text.tokens) - start) * _PRODUCTS):
            return Items(text, start, z, self.space.nearest(z))

    def _written(self, text: Text, start: int, skip: Collection[str] = (), z: Tensor | None = None) -> Items:
        """Return :meth:`items`, without coordinates, which take time, if only ``skip`` stores any."""
        if any(m.abilities.coordinates for name, m in self.memories.items() if name not in skip):
            return self.items(text, start, z)
        return Items(text, start, None)

    @torch.no_grad()
    def query(self, text: Text, positions: Tensor, z: Tensor | None = None) -> Query:
        """Return a query for the next tokens at ``positions``."""
        with threads(len(positions) * _PRODUCTS):
            if z is None:
                z = self.space.coordinates(text, positions)
            return Query(text, positions, z, self.space.nearest(z), self.space.scorer)

    @torch.no_grad()
    def write(
        self, text: Text, start: int = 0, *, skip: Collection[str] = (), z: Tensor | None = None
    ) -> None:
        """Give the tokens of ``text[start:]`` to the memories, except those in ``skip``, which hold them
        already.

        They can be read after :meth:`commit`.
        """
        self._pending.append((self._written(text, start, skip, z), frozenset(skip)))

    @torch.no_grad()
    def fit(self, items: Items, alphabet: Tensor, *, progress: float, write: bool) -> dict[str, Evidence]:
        """Let the fitted memories read ``items`` and learn from them; returns their evidence by name."""
        with threads((len(items.text.tokens) - items.start) * _PRODUCTS):
            return {
                name: memory.fit(items, alphabet, progress=progress, write=write)
                for name, memory in self.fitted.items()
            }

    @torch.no_grad()
    def commit(self, *, last: bool = False) -> None:
        """Make everything written readable; ``last`` says that it completes the text of a training."""
        pending, self._pending = self._pending, []
        for name, memory in self.memories.items():
            batch = [items for items, skip in pending if name not in skip]
            if batch or last:
                memories.finish(memory, batch) if last else memory.learn(batch)
        self.token_counts = self.token_counts + self._count(items for items, _ in pending)

    @torch.no_grad()
    def rewrite(self, pieces: Iterable[tuple[Text, int]], since: Mapping[str, int] | None = None) -> None:
        """Let the memories hold exactly ``text[start:]`` of every piece; learned parameters stay.

        ``since`` is the first document that a memory holds, by its name; the other memories hold all.
        """
        items = [self._written(text, start) for text, start in pieces]
        for name, memory in self.memories.items():
            first = (since or {}).get(name, 0)
            held = [each for each in items if int(each.text.document[each.start]) >= first]
            memories.rewrite(memory, held)
        self.token_counts, self._pending = self._count(items), []

    @torch.no_grad()
    def rollback(self) -> None:
        """Drop everything written since the last :meth:`commit`."""
        self._pending = []

    def _count(self, items: Iterable[Items]) -> Tensor:
        counts = (torch.bincount(e.text.tokens[e.start :], minlength=self.tokenizer.vocab) for e in items)
        return sum(counts, torch.zeros_like(self.token_counts))

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
            check_evidence(
                name, m, given.get(name) or m.predict(query, alphabet), len(positions), len(alphabet)
            )
            for name, m in self.memories.items()
        ]
        return evidence, self.space.gate(query.z) if "cells" in self.weights else None

    @torch.no_grad()
    def log_probs(
        self,
        text: Text,
        positions: Tensor,
        z: Tensor | None = None,
        given: Mapping[str, Evidence] | None = None,
        *,
        vote: bool = False,
    ) -> Tensor:
        """Return log-probabilities of every token id, ``(B, V)``; the exponentials of a row sum to 1.

        ``given`` is the evidence of memories that were read already. With ``vote`` they are the unweighted
        average of the experts.
        """
        _, alphabet, kept, escape, *_ = self.known
        with threads(len(positions) * _PRODUCTS):
            full = escape.expand(len(positions), self.tokenizer.vocab).clone()  # others share the escape
            if len(alphabet):
                inputs = self.inputs(text, positions, alphabet, given, z)
                found = mixer.vote(inputs) if vote else mixer.log_probs(self.weights, inputs)
                _check_numbers(self.memories, found, inputs)
                full.index_copy_(1, alphabet, found + kept)
            return full

    @torch.no_grad()
    def score(self, text: Text, positions: Tensor, z: Tensor | None = None) -> Tensor:
        """Return log-probabilities in nats of the tokens at ``positions``, ``(B,)``."""
        alphabet = self.alphabet
        if not len(alphabet):
            return self.known.escape.expand(len(positions))
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
        _, _, kept, escape, *_ = self.known
        known = mixer.log_probs(self.weights, inputs) + kept
        padded = torch.cat([known, escape.expand(len(known), 1)], 1)  # the last column, -1, is the escape
        found = padded.gather(1, targets[:, None] % padded.shape[1])[:, 0]
        _check_numbers(self.memories, found, inputs)  # a row with one such value has no others
        return found


class Known(NamedTuple):
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


def check_evidence(name: str, memory: Memory, evidence: Evidence, rows: int, columns: int) -> Evidence:
    """Return ``evidence``, or raise an error that names the memory if the mixer cannot use its shapes."""
    if not isinstance(evidence, Evidence):
        given = type(evidence).__name__
        raise BrokenPlugin(f"memory {name!r} violates its interface: predict gave {given}, not Evidence.")
    wanted = rows, len(memory.abilities.experts), columns
    found = tuple(evidence.log_p.shape)
    if found != wanted or any(tuple(gate.shape) != (rows,) for gate in evidence.gates):
        gates = ", ".join(str(tuple(gate.shape)) for gate in evidence.gates) or "none"
        raise BrokenPlugin(
            f"memory {name!r} violates its interface: log_p has shape {found} and gates have "
            f"{gates}; they should have {wanted} and ({rows},)."
        )
    return evidence


def _check_numbers(memories: Mapping[str, Memory], found: Tensor, inputs: mixer.Inputs) -> None:
    """Refuse log-probabilities that are not numbers."""
    if bool(found.isnan().any()):
        raise PluginError(f"the prediction is not a number; {without_numbers(memories, inputs.log_p)}")


def without_numbers(memories: Mapping[str, Memory], log_p: Tensor) -> str:
    """Name the memories whose evidence ``log_p (B, E, A)`` has values that are not numbers."""
    names = [name for name, memory in memories.items() for _ in memory.abilities.experts]
    wrong = log_p.isnan().any(2).any(0).tolist()
    found = sorted({name for name, bad in zip(names, wrong, strict=True) if bad}) or ["none by itself"]
    return f"memories that gave no numbers: {', '.join(found)}"
