"""A counting memory with its mixture: write, read and fit text.

This is the bridge between arrays of tokens and the compiled functions of the package; it knows nothing of
torch, plugins or documents.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from lior.counting import addresses, layout, locations, stream
from lior.counting.cursor import NO_CELLS, Cells, Cursor
from lior.counting.layout import (
    DENSE,
    TRAIL,
    Alphabet,
    Block,
    Buffers,
    Ints,
    Learner,
    Memory,
    Plan,
    Rates,
    Weights,
)
from lior.counting.locations import MAX_VOCAB, Store
from lior.counting.packed import Packed
from lior.counting.pipeline import ONE, WORTH, Halves

AHEAD = 1 << 15
"""How far after its last token a memory that stands still is taken to be read, in tokens.

What was written last is then a little old, as it is for most of the text that follows.
"""

BLOCK = 2048
"""Most tokens that are prepared at once; the budget is enforced after each block."""
PRUNE_TO = 0.92
"""Share of the budget that pruning leaves in use."""

_GIVEN = -1
"""Number of the buffers in which a second thread finds what it mixes."""

FROZEN = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

WeightSets = tuple[Weights, Weights]
"""Two weight sets; the second is used after unseen contexts, see :class:`layout.Learner`."""


@attrs.frozen
class Schedule:
    """Learning rates over a training run, which fall from the first to the last geometrically."""

    weight: tuple[float, ...]
    token: tuple[float, ...]
    table: tuple[float, ...]
    logit: tuple[float, ...] | None = None
    """None leaves the counters' logits alone: they serve every use of the memory."""
    bias: float = 2e-3
    secondary: float = 1.0

    def at(self, progress: float) -> Rates:
        """The learning rates when a share ``progress`` of the run is over."""
        ends = (self.weight, self.token, self.table, self.logit or (0.0, 0.0))
        moving = (first * (last / first) ** progress if first else 0.0 for first, last in ends)
        weight, token, table, logit = moving
        return Rates(weight, token, table, logit, self.bias, self.secondary)


class Prediction(NamedTuple):
    """Distributions at ``B`` positions."""

    p: NDArray[np.float32]
    """``(B, A)``."""
    weight_set: Ints
    """Which of the two weight sets was used at each position, ``(B,)``."""

    @classmethod
    def empty(cls, positions: int, alphabet: int) -> Prediction:
        """Arrays for the distributions at so many positions."""
        return cls(np.empty((positions, alphabet), np.float32), np.zeros(positions, np.int64))


@attrs.define
class Segment:
    """A segment of one document: context, then from ``start`` on the tokens to be written or fitted."""

    tokens: Ints
    depth: Ints
    """How many tokens of the document precede each."""
    start: int
    cell: Ints | None = None
    """Cell of the geometry of each token from ``start`` on; all 0 without it."""
    kept: NDArray[np.bool_] | None = None
    """Which tokens from ``start`` on to learn from when the memory stands still; all without it."""

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Bounds of consecutive parts of at most ``size`` tokens."""
        return [(lo, min(lo + size, len(self.tokens))) for lo in range(self.start, len(self.tokens), size)]

    def prepared(self, block: Block, lo: int, hi: int) -> Block:
        """The block of the tokens ``lo .. hi - 1`` with their cells, and -1 for tokens not to be learned."""
        part = slice(lo - self.start, hi - self.start)
        if self.cell is not None:
            block = block._replace(cell=self.cell[part])
        if self.kept is not None:
            block = block._replace(tokens=np.where(self.kept[part], block.tokens, -1))
        return block


class Engine:
    """A counting memory with the options of a recipe; the weights are passed to each call.

    With more than one thread it reads several blocks at once, works out the next block's addresses while
    one is fitted or written, and fits a long text by two threads; results are the same.
    """

    def __init__(self, plan: Plan, patterns: tuple[str, ...], *, window: int, budget: int, threads: int = 1):
        self.plan, self.patterns, self.window, self.budget = plan, patterns, window, budget
        self.threads = threads
        self._halves = Halves()
        self._alphabet: Alphabet | None = None
        self._buffers: dict[tuple[int, int, int], Buffers] = {}
        self.clear()

    def clear(self) -> None:
        """Forget all tokens."""
        self.load(locations.empty(), 0)

    def load(self, store: Store, clock: int) -> None:
        """Replace the memory by ``store``, of ``clock`` tokens."""
        self.store, self.clock = store, clock
        self._vocab = locations.vocab(store)

    def packed(self) -> Packed:
        """The memory in canonical order."""
        return locations.pack(self.store)

    def write(self, segment: Segment) -> None:
        """Count the tokens of ``segment`` without reading them."""
        for lo, hi, block in self._blocks(segment, BLOCK, None):
            first = 0
            self._expect(block)
            while (first := stream.write(self.memory, block, first)) < hi - lo:
                self.grow()
            self.advance(hi - lo)

    def read(
        self,
        tokens: Ints,
        depth: Ints,
        positions: Ints,
        alphabet: Ints,
        learned: WeightSets,
        *,
        ahead: int,
        cell: Ints | None = None,
    ) -> Prediction:
        """Distributions at ``positions (B,)`` of a text, ``ahead`` tokens from now; nothing changes.

        ``cell (B,)`` is the cell of the geometry at each position, 0 without it.
        """
        out = Prediction.empty(len(positions), len(alphabet))
        if not out.p.size:
            return out
        columns = self.columns(alphabet)
        parts = split_blocks(positions)
        threads = min(self.threads, len(parts))
        scratch = [self.buffers(1, len(alphabet), number) for number in range(threads)]

        def read_some(number: int) -> None:
            for begin, end, chosen in parts[number::threads]:
                whole = self.block(tokens[:end], depth[:end], begin, self.clock + ahead)
                block = select(whole, chosen, positions - begin, cell)
                found = Prediction.empty(len(chosen), len(alphabet))
                self.read_block(learned, block, columns, scratch[number], found)
                out.p[chosen], out.weight_set[chosen] = found

        if threads == 1:
            read_some(0)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(read_some, range(threads)))
        return out

    def cursor(self, cells: Cells = NO_CELLS, shared: int = 1) -> Cursor:
        """The beginning of a document, from which a text can be followed.

        ``cells`` finds the cell of the geometry, of which the memory tells ``shared`` apart.
        """
        return Cursor(self.patterns, self.plan.base, cells, shared)

    def read_at(
        self,
        cursors: Sequence[Cursor],
        alphabet: Ints,
        learned: WeightSets,
        *,
        ahead: int,
        cell: Ints | None = None,
    ) -> Prediction:
        """What :meth:`read` gives for the places of ``cursors``, each in a text of its own."""
        found = Prediction.empty(len(cursors), len(alphabet))
        if found.p.size:
            rows = [cursor.block for cursor in cursors]
            block = rows[0] if len(rows) == 1 else Block(*map(np.concatenate, zip(*rows, strict=True)))
            block.time[:] = self.clock + ahead
            if cell is not None:
                block.cell[:] = cell
            self.read_block(learned, block, self.columns(alphabet), self.buffers(1, len(alphabet)), found)
        return found

    def partial_fit(
        self,
        segment: Segment,
        alphabet: Ints,
        learned: WeightSets,
        rates: tuple[Rates, Rates],
        *,
        write: bool,
        long: bool = False,
    ) -> Prediction:
        """Predict the tokens of a segment, each window before ``learned`` is updated by it.

        ``write`` says whether the tokens are counted as well, ``long`` whether the segment is of a long text:
        logits of counters move some windows late then, so that two threads can do a half of the work each.
        """
        out = Prediction.empty(len(segment.tokens) - segment.start, len(alphabet))
        if not len(alphabet):
            if write:
                self.write(segment)
            return out
        columns, own = self.columns(alphabet), self.buffers(self.window, len(alphabet))
        learner, size = Learner(learned, rates), BLOCK // self.window * self.window
        late = stream.LATE if long else 0
        both = long and self.threads > 1 and len(alphabet) <= DENSE
        for lo, hi, block in self._blocks(segment, size, None if write else self.clock + AHEAD):
            self._expect(block)
            block = segment.prepared(block, lo, hi)
            part, first = slice(lo - segment.start, hi - segment.start), 0
            found = Prediction(out.p[part], out.weight_set[part])
            while first < hi - lo:
                way = self._halves.way(first, two=both and hi - lo >= WORTH)
                given = own if way == ONE else self.buffers(self.window, len(alphabet), _GIVEN)
                task = learner, block, first, columns, own, given, found, write, late
                first = self._halves.run(way, partial(stream.run, self.memory, *task), first)
                if first < hi - lo:
                    self.grow()
            if write:
                self.advance(hi - lo)
        return out

    def read_block(
        self, learned: WeightSets, block: Block, columns: Alphabet, buffers: Buffers, out: Prediction
    ) -> None:
        """Distributions at the positions of a block; nothing is learned or counted."""
        still = Learner(learned, (FROZEN, FROZEN))
        stream.run(
            self.memory,
            still,
            block,
            0,
            columns,
            buffers,
            buffers,
            out,
            False,
            0,
            stream.BOTH,
            stream.signs(),
        )

    @property
    def memory(self) -> Memory:
        """The counters as compiled functions take them."""
        return Memory(self.plan, self.store, self._vocab)

    def block(self, tokens: Ints, depth: Ints, start: int, clock: int | None) -> Block:
        """The block of ``tokens[start:]``; without ``clock`` the time advances by one for each token."""
        now = self.clock if clock is None else clock
        return prepare(self.plan, self.patterns, tokens, depth, start, now, still=clock is not None)

    def columns(self, tokens: Ints) -> Alphabet:
        """The alphabet of ``tokens (A,)``."""
        if self._alphabet is None or self._alphabet.tokens.tobytes() != tokens.tobytes():
            column = np.full(MAX_VOCAB, -1, np.int32)
            column[tokens] = np.arange(len(tokens), dtype=np.int32)
            self._alphabet = Alphabet(tokens, column)
        return self._alphabet

    def buffers(self, window: int, alphabet: int, thread: int = 0) -> Buffers:
        """Scratch arrays, kept for the next call."""
        key = window, alphabet, thread
        if key not in self._buffers:
            self._buffers = {k: w for k, w in self._buffers.items() if k[1] == alphabet}
            self._buffers[key] = layout.buffers(self.plan, window, alphabet)
        return self._buffers[key]

    def _expect(self, block: Block) -> None:
        self._vocab = max(self._vocab, int(block.tokens.max(initial=0)) + 1)

    def advance(self, tokens: int) -> None:
        """Note that a block of so many tokens was counted; keep within the budget."""
        self.clock += tokens
        if self.budget and locations.size(self.store) > self.budget:
            self.store = locations.prune(self.store, int(self.budget * PRUNE_TO), self.clock)

    def room_for(self, known: int) -> Memory:
        """The memory, of which no location will know more than ``known`` tokens."""
        self._vocab = max(self._vocab, known)
        return Memory(self.plan, self.store, known)

    def grow(self) -> None:
        """Let the store have space for a window."""
        writes = self.window * len(self.plan.parent)
        self.store = locations.reserve(self.store, writes, writes * 2 * (self._vocab + self.window + 2))

    def _blocks(self, segment: Segment, size: int, clock: int | None) -> Iterator[tuple[int, int, Block]]:
        """The blocks of a segment one after the other; without ``clock`` it must advance between them."""
        bounds = segment.blocks(size)

        def made(lo: int, hi: int) -> Block:
            return self.block(segment.tokens[:hi], segment.depth[:hi], lo, clock)

        with ThreadPoolExecutor(1) as pool:
            pending: Future[Block] | None = None
            for (lo, hi), after in itertools.zip_longest(bounds, bounds[1:]):
                block = pending.result() if pending else made(lo, hi)
                pending = pool.submit(made, *after) if after and self.threads > 1 else None
                if clock is None:  # the block was prepared before the clock came here
                    block = block._replace(time=self.clock + np.arange(hi - lo))
                yield lo, hi, block


def split_blocks(positions: Ints) -> list[tuple[int, int, Ints]]:
    """Blocks ``begin .. end - 1`` of a text, and which of ``positions (B,)`` are in each; none is empty."""
    lo, hi = int(positions.min()), int(positions.max()) + 1
    bounds = ((begin, min(begin + BLOCK, hi)) for begin in range(lo, hi, BLOCK))
    parts = ((lo, hi, np.flatnonzero((positions >= lo) & (positions < hi))) for lo, hi in bounds)
    return [part for part in parts if len(part[2])]


def select(whole: Block, chosen: Ints, places: Ints, cell: Ints | None) -> Block:
    """The positions at ``places[chosen]`` of a block, with their cells."""
    block = Block(*(column[places[chosen]] for column in whole))
    return block if cell is None else block._replace(cell=cell[chosen])


def prepare(
    plan: Plan, patterns: tuple[str, ...], tokens: Ints, depth: Ints, start: int, clock: int, *, still: bool
) -> Block:
    """The block of ``tokens[start:]``; the time starts at ``clock`` and advances unless it is ``still``."""
    first = max(start - TRAIL, 0)
    found = addresses.locate(tokens, depth, first, patterns)
    trail = _trail(found.where[:, plan.base], depth[first:], start - first)
    where, fields = (part[start - first :] for part in found)
    here = np.arange(start, len(tokens))
    before = np.zeros((len(here), 2), np.int64)
    for k in (1, 2):
        before[:, k - 1] = np.where(depth[here] >= k, tokens[np.maximum(here - k, 0)] + 1, 0)
    time = np.full(len(here), clock) if still else clock + here - start
    return Block(where, fields, before, np.zeros(len(here), np.int64), trail, tokens[start:], time)


def _trail(addresses: Ints, depth: Ints, start: int) -> Ints:
    """For the positions ``start ..`` the :data:`TRAIL` addresses before each, -1 where there is none."""
    padded = np.concatenate([np.full(TRAIL, -1), addresses])
    out = np.lib.stride_tricks.sliding_window_view(padded, TRAIL)[start : len(addresses)].copy()
    out[depth[start:, None] < np.arange(TRAIL, 0, -1)] = -1
    return out
