"""A counting memory with its mixture: write, read and fit text.

This is the bridge between arrays of tokens and the compiled functions of the package; it does not depend on
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

from lior_plugins.counting import addresses, layout, locations, stream
from lior_plugins.counting.cursor import NO_CELLS, Cells, Cursor
from lior_plugins.counting.layout import (
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
from lior_plugins.counting.locations import MAX_VOCAB, Store
from lior_plugins.counting.packed import Packed
from lior_plugins.counting.pipeline import ONE, WORTH, Halves

AHEAD = 1 << 15
"""Assumed distance, in tokens, between the end of a memory that does not grow and the text that it reads.

So the most recent tokens seem a little old, as they are for most of the text that follows.
"""

BLOCK = 2048
"""Maximum tokens prepared at once; the budget is enforced after each block."""
PRUNE_TO = 0.92
"""Share of the budget that remains in use after pruning."""

_GIVEN = -1
"""Index of the buffers that pass features to a second thread, which mixes them."""

FROZEN = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

WeightSets = tuple[Weights, Weights]
"""Two weight sets; the second is used after unseen contexts, see :class:`layout.Learner`."""


@attrs.frozen
class Schedule:
    """Learning rates over a training run, which fall geometrically from the first to the last."""

    weight: tuple[float, ...]
    token: tuple[float, ...]
    table: tuple[float, ...]
    logit: tuple[float, ...] | None = None
    """``None`` freezes the counters' logits: they serve every use of the memory."""
    bias: float = 2e-3
    secondary: float = 1.0

    def at(self, progress: float) -> Rates:
        """Return the learning rates after the share ``progress`` of the run."""
        ends = (self.weight, self.token, self.table, self.logit or (0.0, 0.0))
        moving = (first * (last / first) ** progress if first else 0.0 for first, last in ends)
        weight, token, table, logit = moving
        return Rates(weight, token, table, logit, self.bias, self.secondary)


class Prediction(NamedTuple):
    """Distributions at ``B`` positions."""

    p: NDArray[np.float32]
    """``(B, A)``."""
    weight_set: Ints
    """Index (0 or 1) of the weight set used at each position, ``(B,)``."""

    @classmethod
    def empty(cls, positions: int, alphabet: int) -> Prediction:
        """Return arrays for the distributions at ``positions`` positions."""
        return cls(np.empty((positions, alphabet), np.float32), np.zeros(positions, np.int64))


@attrs.define
class Segment:
    """A segment of one document: context, then from ``start`` on the tokens to write or fit."""

    tokens: Ints
    depth: Ints
    """Number of tokens of the document before each token."""
    start: int
    cell: Ints | None = None
    """Cell of the geometry of each token from ``start`` on; all 0 by default."""
    kept: NDArray[np.bool_] | None = None
    """Mask of the tokens from ``start`` on to learn from when nothing is written; all by default."""

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Return the bounds of consecutive parts of at most ``size`` tokens."""
        return [(lo, min(lo + size, len(self.tokens))) for lo in range(self.start, len(self.tokens), size)]

    def prepared(self, block: Block, lo: int, hi: int) -> Block:
        """Return the block of tokens ``lo .. hi - 1`` with their cells, and -1 for tokens not to be
        learned."""
        part = slice(lo - self.start, hi - self.start)
        if self.cell is not None:
            block = block._replace(cell=self.cell[part])
        if self.kept is not None:
            block = block._replace(tokens=np.where(self.kept[part], block.tokens, -1))
        return block


class Engine:
    """A counting memory with the options of a recipe; the weights are passed to each call.

    With more than one thread it reads several blocks at once and computes the next block's addresses while
    a block is fitted or written. Two threads fit a long text. Results do not depend on the number of
    threads.
    """

    def __init__(self, plan: Plan, patterns: tuple[str, ...], *, window: int, budget: int, threads: int = 1):
        self.plan, self.patterns, self.window, self.budget = plan, patterns, window, budget
        self.threads = threads
        self._halves = Halves()
        self._alphabet: Alphabet | None = None
        self._buffers: dict[tuple[int, int, int], Buffers] = {}
        self.fitted = 0
        """Number of times that weights were updated."""
        self.clear()

    def clear(self) -> None:
        """Forget all tokens."""
        self.load(locations.empty(), 0)

    def load(self, store: Store, clock: int) -> None:
        """Replace the memory by ``store``, which has counted ``clock`` tokens."""
        self.store, self.clock = store, clock
        self._vocab = locations.vocab(store)

    def packed(self) -> Packed:
        """Return the memory in canonical order."""
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
        """Return the distributions at ``positions (B,)`` of a text, ``ahead`` tokens from now; nothing
        changes.

        ``cell (B,)`` is the cell of the geometry at each position, 0 by default.
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

    def positions(
        self, tokens: Ints, depth: Ints, positions: Ints, *, ahead: int, cell: Ints | None = None
    ) -> Block:
        """Return the block of at least one position, in their order; the arguments of :meth:`read`."""
        parts = split_blocks(positions)
        wholes = (self.block(tokens[:hi], depth[:hi], lo, self.clock + ahead) for lo, hi, _ in parts)
        blocks = [
            select(whole, chosen, positions - lo, cell)
            for whole, (lo, _, chosen) in zip(wholes, parts, strict=True)
        ]
        order = np.argsort(np.concatenate([chosen for *_, chosen in parts]))
        return Block(*(np.concatenate(columns)[order] for columns in zip(*blocks, strict=True)))

    def cursor(self, cells: Cells = NO_CELLS, shared: int = 1) -> Cursor:
        """Return a cursor at the beginning of a document, to follow its text.

        ``cells`` finds the cell of the geometry; the memory distinguishes ``shared`` cells.
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
        """Return the distributions at ``cursors``, each in a text of its own, as :meth:`read` does."""
        found = Prediction.empty(len(cursors), len(alphabet))
        if found.p.size:
            block = self.block_at(cursors, ahead=ahead, cell=cell)
            self.read_block(learned, block, self.columns(alphabet), self.buffers(1, len(alphabet)), found)
        return found

    def block_at(self, cursors: Sequence[Cursor], *, ahead: int, cell: Ints | None = None) -> Block:
        """Return the block of at least one cursor's position; the arguments of :meth:`read_at`."""
        rows = [cursor.block for cursor in cursors]
        block = rows[0] if len(rows) == 1 else Block(*map(np.concatenate, zip(*rows, strict=True)))
        block.time[:] = self.clock + ahead
        if cell is not None:
            block.cell[:] = cell
        return block

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

        ``write`` says whether to count the tokens as well, ``long`` whether the segment belongs to a long
        text. In a long text the logits of counters are updated some windows late, so that two threads can
        do half of the work each.
        """
        out = Prediction.empty(len(segment.tokens) - segment.start, len(alphabet))
        self.fitted += 1
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
        """Compute the distributions at the positions of a block; nothing is learned or counted."""
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
        """Return the counters as compiled functions take them."""
        return Memory(self.plan, self.store, self._vocab)

    def block(self, tokens: Ints, depth: Ints, start: int, clock: int | None) -> Block:
        """Return the block of ``tokens[start:]``; without ``clock`` the time advances by one a token."""
        now = self.clock if clock is None else clock
        return prepare(self.plan, self.patterns, tokens, depth, start, now, still=clock is not None)

    def columns(self, tokens: Ints) -> Alphabet:
        """Return the alphabet of ``tokens (A,)``."""
        if self._alphabet is None or self._alphabet.tokens.tobytes() != tokens.tobytes():
            column = np.full(MAX_VOCAB, -1, np.int32)
            column[tokens] = np.arange(len(tokens), dtype=np.int32)
            self._alphabet = Alphabet(tokens, column)
        return self._alphabet

    def buffers(self, window: int, alphabet: int, thread: int = 0) -> Buffers:
        """Return scratch arrays, which later calls reuse."""
        key = window, alphabet, thread
        if key not in self._buffers:
            self._buffers = {k: w for k, w in self._buffers.items() if k[1] == alphabet}
            self._buffers[key] = layout.buffers(self.plan, window, alphabet)
        return self._buffers[key]

    def _expect(self, block: Block) -> None:
        self._vocab = max(self._vocab, int(block.tokens.max(initial=0)) + 1)

    def advance(self, tokens: int) -> None:
        """Note that a block of ``tokens`` tokens was counted, and enforce the budget."""
        self.clock += tokens
        if self.budget and locations.size(self.store) > self.budget:
            self.store = locations.prune(self.store, int(self.budget * PRUNE_TO), self.clock)

    def grow(self) -> None:
        """Reserve space in the store for a window."""
        writes = self.window * len(self.plan.parent)
        self.store = locations.reserve(self.store, writes, writes * 2 * (self._vocab + self.window + 2))

    def _blocks(self, segment: Segment, size: int, clock: int | None) -> Iterator[tuple[int, int, Block]]:
        """Yield the blocks of a segment in turn; without ``clock`` the memory must advance between them."""
        bounds = segment.blocks(size)

        def made(lo: int, hi: int) -> Block:
            return self.block(segment.tokens[:hi], segment.depth[:hi], lo, clock)

        with ThreadPoolExecutor(1) as pool:
            pending: Future[Block] | None = None
            for (lo, hi), after in itertools.zip_longest(bounds, bounds[1:]):
                block = pending.result() if pending else made(lo, hi)
                pending = pool.submit(made, *after) if after and self.threads > 1 else None
                if clock is None:  # the block was prepared before the clock reached its beginning
                    block = block._replace(time=self.clock + np.arange(hi - lo))
                yield lo, hi, block


def split_blocks(positions: Ints) -> list[tuple[int, int, Ints]]:
    """Return the blocks ``begin .. end - 1`` of a text with their ``positions (B,)``; none is empty."""
    lo, hi = int(positions.min()), int(positions.max()) + 1
    bounds = ((begin, min(begin + BLOCK, hi)) for begin in range(lo, hi, BLOCK))
    parts = ((lo, hi, np.flatnonzero((positions >= lo) & (positions < hi))) for lo, hi in bounds)
    return [part for part in parts if len(part[2])]


def select(whole: Block, chosen: Ints, places: Ints, cell: Ints | None) -> Block:
    """Return the positions at ``places[chosen]`` of a block, with their cells."""
    block = Block(*(column[places[chosen]] for column in whole))
    return block if cell is None else block._replace(cell=cell[chosen])


def prepare(
    plan: Plan, patterns: tuple[str, ...], tokens: Ints, depth: Ints, start: int, clock: int, *, still: bool
) -> Block:
    """Return the block of ``tokens[start:]``; the time starts at ``clock`` and advances unless ``still``."""
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
    """Return the :data:`TRAIL` addresses before each position ``start ..``, -1 where there is none."""
    padded = np.concatenate([np.full(TRAIL, -1), addresses])
    out = np.lib.stride_tricks.sliding_window_view(padded, TRAIL)[start : len(addresses)].copy()
    out[depth[start:, None] < np.arange(TRAIL, 0, -1)] = -1
    return out
