"""``sdm``: sparse distributed memory with selected-coordinate addresses and a mixture of its own.

Every address pattern selects one hard location for a context; a location holds token counters (P. Kanerva,
*Sparse Distributed Memory*, 1988; patterns after Jaeckel). A read looks at one location per pattern,
``O(S)`` for any size of the memory, and mixes them into one distribution. The mixture learns while the
memory is written (:mod:`lior_plugins.counting.mixture`), on the CPU. The device of the model counts totals,
and reads several contexts at once (:mod:`lior_plugins.counting.mirror`).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior.compiling import compiled
from lior.config.options import option
from lior.errors import UsageError
from lior.interfaces import Abilities, CellTable, Evidence, Items, Query, Race, Session, State, Trace
from lior.tensors import all_threads, check
from lior_plugins.counting import (
    addresses,
    batch_counting,
    batch_drawing,
    layout,
    locations,
    sampling,
    totals,
    tracing,
)
from lior_plugins.counting.cursor import NO_CELLS, Cells, Cursor
from lior_plugins.counting.engine import (
    AHEAD,
    FROZEN,
    PRUNE_TO,
    Engine,
    Prediction,
    Schedule,
    Segment,
    WeightSets,
)
from lior_plugins.counting.fields import REACH
from lior_plugins.counting.journal import Journal, JournalMemory, StoredSpan, spans
from lior_plugins.counting.layout import TRAIL, WIDEST, Weights
from lior_plugins.counting.mirror import Mirror
from lior_plugins.counting.packed import Packed
from lior_plugins.counting.sampling import SURE_BINS
from lior_plugins.memories.sdm_options import (
    JOINTS,
    NOT_SETTLED,
    ORDERS,
    PATTERNS,
    SNAPSHOT,
    check_options,
    settle_in,
    weights_in,
)


@attrs.define(kw_only=True)
class Sdm(JournalMemory):
    """Counters at selected-coordinate addresses, and a mixture of their distributions."""

    name: ClassVar[str] = "sdm"

    orders: tuple[int, ...] = option(ORDERS, help="lengths of the nested contexts, ascending from 0")
    patterns: tuple[str, ...] = option(PATTERNS, help="further address patterns")
    joint: tuple[str, ...] = option(JOINTS, help="groups of six patterns whose states are looked up together")
    gates: tuple[str, ...] = option(
        ("longest", "previous", "words", "position", "layout", "pair", "expected", "always"),
        help="selectors of the mixture's weights; cell is the geometry's cell",
    )
    cells: int = option(64, help="values of the gate cell; a geometry with more cells shares them", low=1)
    base_order: int = option(3, help="nested context under the further patterns", low=0)
    discounts: tuple[float, ...] = option((0.7, 0.95, 1.1), help="discounts of counts 1, 2, 3 and more")
    novel_discounts: tuple[float, ...] = option((0.7, 1.0, 1.2), help="the same for continuation counts")
    recent: float = option(0.35, help="share of recent occurrences in a distribution", low=0.0, high=1.0)
    static_recent: float = option(0.0, help="the same while nothing is written", low=0.0, high=1.0)
    slowest: float = option(0.075, help="least rate at which recent occurrences fade", low=1e-4, high=0.5)
    unseen_contexts: int = option(
        2,
        help=f"unseen contexts among the last {TRAIL} up to which weights learned on clean text are used",
        low=0,
        high=TRAIL,
    )
    window: int = option(4, help="tokens read before they are learned", low=1, high=64)
    counts: str = option(
        "sequence",
        help="counting method: sequence walks through the text; totals is faster and uses all cores",
        choices=("sequence", "totals"),
    )
    budget: int = option(0, help="bytes for locations and counters; 0 is no limit", low=0)
    weight_rate: tuple[float, ...] = option((5e-4, 3e-5), help="step size of weights, first and last")
    token_rate: tuple[float, ...] = option((1e-3, 1e-4), help="step size of tokens' weights, first and last")
    table_rate: tuple[float, ...] = option((3e-3, 3e-4), help="step size of state tables, first and last")
    logit_rate: tuple[float, ...] = option((8e-3, 2e-3), help="step size of counters' logits, first and last")
    static_weight_rate: tuple[float, ...] = option((1e-4, 5e-6), help="weight_rate while nothing is written")
    static_token_rate: tuple[float, ...] = option((5e-4, 2.5e-5), help="token_rate while none is written")
    static_table_rate: tuple[float, ...] = option((1e-3, 5e-5), help="table_rate while nothing is written")

    _engine: Engine = attrs.field(init=False, repr=False, eq=False)
    _settled: int = attrs.field(default=0, init=False, repr=False, eq=False)
    """Number of the journal's first tokens that were counted from totals."""
    _until: tuple[int, int] | None = attrs.field(default=None, init=False, repr=False, eq=False)
    """Document and place at the end of the training's text; None before a training ended."""
    _device: torch.device = attrs.field(default=totals.CPU, init=False, repr=False, eq=False)
    """The device of the text, which counts totals."""
    _mirror: Mirror = attrs.field(factory=Mirror, init=False, repr=False, eq=False)
    """The copy on the model's device."""
    _learned: dict[str, Weights] = attrs.field(factory=dict, init=False, repr=False, eq=False)
    """Weights by mode, see ``_MODES``."""

    def __attrs_post_init__(self) -> None:
        check_options(self, self._address_patterns)
        plan = layout.plan(
            self._address_patterns,
            nested=len(self.orders),
            base=self.orders.index(self.base_order),
            joint=[[self._number(part) for part in group.split("|")] for group in self.joint],
            gates=self.gates,
            cells=self.cells,
            discounts=self.discounts,
            novel_discounts=self.novel_discounts,
            recent=self.recent,
            slowest=self.slowest,
        )
        self._engine = Engine(
            plan, self._address_patterns, window=self.window, budget=self.budget, threads=all_threads()
        )
        self._learned = {"online": layout.fresh(plan, _VOCAB)}

    def _number(self, pattern: str) -> int:
        parsed = [addresses.parse(p) for p in self._address_patterns]
        try:
            return parsed.index(addresses.parse(pattern.strip()))
        except ValueError:
            raise UsageError(f"joint: {pattern.strip()!r} is not among the address patterns") from None

    @property
    def abilities(self) -> Abilities:
        """One expert, the mixture of all patterns, and a gate: its confidence × its weight set."""
        return Abilities(
            context=REACH,
            experts=("counts",),
            gates=(2 * SURE_BINS,),
            vocab=locations.MAX_VOCAB,
            geometry="cell" in self.gates,
            whole=self._totals,
            compiled=compiled.COUNTING,
        )

    @property
    def _address_patterns(self) -> tuple[str, ...]:
        return (*(f"1-{m}" if m else "" for m in self.orders), *self.patterns)

    @property
    def _totals(self) -> bool:
        return self.counts == "totals"

    # --- writing ---

    def _spans(self, batch: Sequence[Items]) -> list[StoredSpan]:
        self._device = next((items.text.tokens.device for items in batch), self._device)
        return super()._spans(batch)

    def learn(self, batch: Sequence[Items]) -> None:
        """Count the items."""
        self._count(self._spans(batch))

    def _count(self, spans: Sequence[StoredSpan]) -> None:
        rewrite = False
        try:
            for span in spans:
                follows = self._journal.add(span)
                rewrite = rewrite or not follows or self._settled != self._to_settle
                if not rewrite:
                    self._engine.write(span.segment())
        finally:
            if rewrite:
                self._renew()

    @property
    def _to_settle(self) -> int:
        """Number of the journal's tokens to count from totals; the rest are counted in sequence."""
        if not self._totals:
            return 0
        if self._until is None:
            return batch_counting.settle(len(self._journal))
        tokens = self._journal.before(self._until)
        return tokens if tokens <= batch_counting.MOST else 0

    def rewrite(self, batch: Sequence[Items]) -> None:
        """Replace all items; learned parameters stay.

        Raises
        ------
        UsageError
            When items overlap; the memory is then unchanged.
        """
        self._journal = Journal.of(self._spans(batch))
        self._renew()

    def finish(self, batch: Sequence[Items]) -> None:
        """Count the items; with ``counts = totals`` count all items from totals, and no later ones.

        Later items come after them in the order of the documents.
        """
        spans = self._spans(batch)
        if self._totals:
            self._until = max([self._journal.end, *((each.document, each.end) for each in spans)])
        self._count(spans)
        if self._settled != self._to_settle:
            self._renew()

    def _renew(self) -> None:
        """Count the whole journal again; existing counters keep their learned logits."""
        before = self._engine.store
        self._engine.clear()
        self._settled = self._to_settle
        settled, rest = self._journal.divided(self._settled, REACH)
        if settled:
            self._settle([span.segment() for span in settled])
        for span in rest:
            self._engine.write(span.segment())
        if locations.size(before):
            self._engine.load(locations.inherit(self._engine.store, before), self._engine.clock)

    def _settle(self, segments: Sequence[Segment]) -> None:
        """Replace the memory by the totals of a text."""
        store = totals.build(
            segments,
            self._engine.plan,
            self._address_patterns,
            device=self._device,
            threads=all_threads(),
        )
        tokens = sum(len(each.tokens) - each.start for each in segments)
        if self.budget and locations.size(store) > self.budget:
            store = locations.prune(store, int(self.budget * PRUNE_TO), tokens)
        self._engine.load(store, tokens)

    # --- reading and learning ---

    def predict(self, query: Query, alphabet: Tensor) -> Evidence:
        """Return the mixture's distribution."""
        self._widen(alphabet)
        sets = self._weight_sets(self._read_mode())
        text, depth, _ = (part.cpu().numpy().astype(np.int64) for part in query.text)
        at, cell = (text, depth, query.positions.cpu().numpy()), self._cells(query.cell)
        if self._mirror.serves(alphabet, len(query.positions)):
            block = self._engine.positions(*at, ahead=AHEAD, cell=cell)
            return _distributions(*self._mirror.read(self._engine, sets, block, alphabet))
        found = self._engine.read(*at, alphabet.cpu().numpy(), sets, ahead=AHEAD, cell=cell)
        return _evidence([found], alphabet)

    def _read_mode(self) -> str:
        """Return the mode whose weights a read uses."""
        return next(mode for mode in reversed(_MODES) if mode in self._learned)

    def session(self, cells: CellTable | None) -> Session:
        """Return a session at the beginning of a text, to follow it token by token."""
        table = cells and Cells(*(part.cpu().double().numpy() for part in cells))
        return _Session(self, self._engine.cursor(table or NO_CELLS, self.cells))

    def _next(self, cursors: Sequence[Cursor], alphabet: Tensor, cell: Tensor | None) -> Evidence:
        self._widen(alphabet)
        sets = self._weight_sets(self._read_mode())
        known = self._cells(cell)
        if self._mirror.serves(alphabet, len(cursors)):
            block = self._engine.block_at(cursors, ahead=AHEAD, cell=known)
            return _distributions(*self._mirror.read(self._engine, sets, block, alphabet))
        found = self._engine.read_at(cursors, alphabet.cpu().numpy(), sets, ahead=AHEAD, cell=known)
        return _evidence([found], alphabet)

    def _draw(
        self, cursors: Sequence[Cursor], alphabet: Tensor, races: Sequence[Race], thread: int
    ) -> list[list[int]]:
        self._widen(alphabet)
        sets = self._weight_sets(self._read_mode())
        if self._mirror.serves(alphabet, len(cursors)):
            return batch_drawing.draw(self._mirror, self._engine, cursors, alphabet, sets, races, ahead=AHEAD)
        known = alphabet.cpu().numpy()
        return [
            sampling.draw(self._engine, cursor, known, sets, race, ahead=AHEAD, thread=thread)
            for cursor, race in zip(cursors, races, strict=True)
        ]

    def trace(self, query: Query, tokens: Tensor, alphabet: Tensor) -> Trace:
        """Return the places that wrote the counters in favour of the token; see
        :mod:`lior_plugins.counting.tracing`."""
        self._widen(alphabet)
        sets = self._weight_sets(self._read_mode())
        text, depth, places, targets, known = (
            part.cpu().numpy().astype(np.int64)
            for part in (query.text.tokens, query.text.depth, query.positions, tokens, alphabet)
        )
        found = tracing.trace(
            self._engine,
            text,
            depth,
            places,
            targets,
            known,
            sets,
            [p.segment() for p in self._journal.spans],
            cell=self._cells(query.cell),
        )
        row, share, stored = (torch.from_numpy(part) for part in (found.row, found.share, found.stored))
        document, offset = self._journal.locate(found.segment, found.at)
        return Trace(row, torch.zeros_like(row), document, offset, share, stored[:, None])

    def fit(self, items: Items, alphabet: Tensor, *, progress: float, write: bool) -> Evidence:
        """Predict ``items``, each window before it is learned.

        With ``write`` the items are written and the parameters for online reading are learned. Without it
        the memory does not change and the static parameters are learned; from text with errors, the
        parameters for reads after unseen contexts.
        """
        if write and items.kept is not None:
            raise UsageError("items with errors are not to be written")
        self._widen(alphabet)
        mode = "online" if write else "static" if items.kept is None else "unseen"
        sets = self._weight_sets(mode)
        here = self._schedule(mode).at(progress)
        rates = (FROZEN if mode == "unseen" else here, here)
        found: list[Prediction] = []
        cells, kept = self._cells(items.cell), None if items.kept is None else items.kept.cpu().numpy()
        end, long = 0, len(items.text.tokens) - items.start >= LONG
        for span in spans(items, REACH):
            segment = span.segment()
            begin, end = end, end + len(segment.tokens) - segment.start
            segment.cell = None if cells is None else cells[begin:end]
            segment.kept = None if kept is None else kept[begin:end]
            if write:
                if not self._journal.follows(span):
                    raise UsageError("a memory fits its documents in order, each once")
                self._journal.add(span)
            found.append(
                self._engine.partial_fit(segment, alphabet.cpu().numpy(), sets, rates, write=write, long=long)
            )
        return _evidence(found, alphabet)

    def trial(self, *, geometry: bool) -> Sdm:
        """Return a memory of the same counters, with copies of the learned parameters."""
        other = copy.copy(self)
        other._engine, other._mirror = copy.copy(self._engine), Mirror()
        other._learned = {mode: _copy(learned) for mode, learned in self._learned.items()}
        if not geometry and "cell" in self.gates:
            first, end = self._engine.plan.gate_begin[self.gates.index("cell") :][:2]
            for learned in other._learned.values():
                for table in (learned.gate_weight[first:end], learned.gate_square[first:end]):
                    table[:] = table.mean(0)
        return other

    def without(self, first: int, end: int) -> Sdm:
        """Return a memory of all tokens but ``first .. end - 1``, counted from totals unless they are too
        many; it shares the learned parameters."""
        other = copy.copy(self)
        other._engine, other._mirror = copy.copy(self._engine), Mirror()
        before, rest = self._journal.divided(first, REACH)
        _, after = Journal(rest).divided(end - first, REACH)
        segments = [span.segment() for span in (*before, *after)]
        if len(self._journal) - (end - first) <= batch_counting.MOST:
            other._settle(segments)
            return other
        other._engine.clear()
        for segment in segments:
            other._engine.write(segment)
        return other

    def _weight_sets(self, mode: str) -> WeightSets:
        """Return the two weight sets of a mode; new ones begin as copies of the previous mode's."""
        learned = self._learned
        for before, name in itertools.pairwise(_MODES[: _MODES.index(mode) + 1]):
            if name not in learned:
                learned[name] = _copy(learned[before])
        if mode == "online" and "static" in learned and not learned[mode].secondary_curvature.any():
            # The training only counted (recipe fast): static weights are nearer than fresh ones.
            learned[mode] = _copy(learned["static"])
        unseen = mode == "unseen"
        self._engine.plan = self._engine.plan._replace(
            recent=self.recent if mode == "online" else self.static_recent,
            unseen_contexts=self.unseen_contexts if unseen else TRAIL,
        )
        return learned["static" if unseen else mode], learned[mode]

    def _cells(self, cell: Tensor | None) -> NDArray[np.int64] | None:
        return None if cell is None else cell.cpu().numpy() % self.cells

    def _widen(self, alphabet: Tensor) -> None:
        vocab = min(int(alphabet[-1]) + 1, WIDEST) if len(alphabet) else 0
        if any(len(learned.bias) < vocab for learned in self._learned.values()):
            self._learned |= {mode: layout.widen(learned, vocab) for mode, learned in self._learned.items()}

    def _schedule(self, mode: str) -> Schedule:
        if mode == "online":
            return Schedule(self.weight_rate, self.token_rate, self.table_rate, self.logit_rate)
        return Schedule(self.static_weight_rate, self.static_token_rate, self.static_table_rate)

    # --- state ---

    def snapshot(self) -> State:
        """Return journal, counters in canonical order, and learned parameters."""
        packed = self._engine.packed()
        state = self._journal.snapshot() | {"clock": torch.tensor(self._engine.clock)}
        if self._totals:
            state["settled"] = torch.tensor([self._settled, *(self._until or NOT_SETTLED)])
        state |= {name: torch.from_numpy(value) for name, value in packed._asdict().items()}
        for mode, learned in self._learned.items():
            state |= {f"{mode}.{k}": torch.from_numpy(v.copy()) for k, v in learned._asdict().items()}
        return state

    def restore(self, snapshot: State) -> None:
        """Become the memory of ``snapshot``; an empty one is that of a new memory.

        Raises
        ------
        UsageError
            When it is no snapshot of a memory with these options; the memory is then unchanged.
        """
        snapshot = snapshot or attrs.evolve(self).snapshot()
        check(snapshot, SNAPSHOT, of="memory sdm")
        learned = weights_in(snapshot, self._engine.plan)
        store = locations.unpack(Packed(*(snapshot[k].cpu().numpy() for k in Packed._fields)))
        journal = Journal.restored(snapshot)
        clock = int(snapshot["clock"])
        if clock != len(journal):
            raise UsageError(f"memory sdm: clock is {clock}, and {len(journal)} tokens were written")
        self._settled, self._until = settle_in(snapshot)
        self._journal, self._learned = journal, learned
        self._engine.load(store, clock)


@attrs.frozen
class _Session:
    """A document that grows, and the memory that predicts what follows."""

    _memory: Sdm
    _cursor: Cursor

    @property
    def finds_cells(self) -> bool:
        return self._cursor.finds_cells

    def feed(self, tokens: Sequence[int]) -> None:
        self._cursor.feed(tokens)

    def next(self, alphabet: Tensor, cell: Tensor | None, beside: Sequence[Any] = ()) -> Evidence:
        cursors = [self._cursor, *(each._cursor for each in beside)]
        return self._memory._next(cursors, alphabet, cell)

    def draw(
        self, alphabet: Tensor, races: Sequence[Race], thread: int, beside: Sequence[Any] = ()
    ) -> list[list[int]]:
        cursors = [self._cursor, *(each._cursor for each in beside)]
        return self._memory._draw(cursors, alphabet, races, thread)


_MODES = ("online", "static", "unseen")
"""Modes with weights of their own: writing, reading a fixed memory, reading after unseen contexts."""
LONG = 4096
"""Minimum tokens that are fitted as a long text, of one or several documents; online it is fewer at once."""
_VOCAB = 256
"""Initial number of tokens in the learned tables."""


def _evidence(found: Sequence[Prediction], alphabet: Tensor) -> Evidence:
    if len(found) == 1:
        rows, weight_set = found[0]
    else:
        rows = np.concatenate([np.empty((0, len(alphabet)), np.float32), *(each.p for each in found)])
        weight_set = np.concatenate([np.empty(0, np.int64), *(each.weight_set for each in found)])
    log_p, (sure,) = _distributions(torch.from_numpy(rows), torch.from_numpy(weight_set))
    return Evidence(log_p.to(alphabet.device), (sure.to(alphabet.device),))


def _distributions(p: Tensor, weight_set: Tensor) -> Evidence:
    """Return the evidence of distributions ``p (B, A)``, which are overwritten."""
    log_p = p.log_()
    top = log_p.amax(1).exp() if p.shape[1] else p.new_zeros(len(p))
    sure = (top * SURE_BINS).long().clamp(max=SURE_BINS - 1) + SURE_BINS * weight_set
    return Evidence(log_p[:, None], (sure,))


def _copy(learned: Weights) -> Weights:
    return Weights(*(part.copy() for part in learned))
