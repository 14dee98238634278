"""A counting memory with its mixture: write, read and fit stretches of text.

This is the bridge between arrays of tokens and the jitted functions of the
package; it knows nothing of torch, plugins or documents.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from lior.counting import addresses, layout, locations, stream
from lior.counting.layout import TRAIL, Learned, Plan, Rates, Work
from lior.counting.locations import MAX_VOCAB, Packed, Store
from lior.counting.stream import Alphabet, Stretch

AHEAD = 1 << 15
"""How far after its last token a memory that stands still is taken to be read, in tokens.

What was written last is then a little old, as it is for most of the text that follows.
"""

BLOCK = 2048
"""Most tokens that are prepared at once; the budget is seen to after each block."""
PRUNE_TO = 0.92

NO_STEP = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

Ints = NDArray[np.int64]

Sets = tuple[Learned, Learned]
"""Numbers learned for usual places, and for strange ones: where the memory does not know what came before."""


@attrs.frozen
class Schedule:
    """Step sizes over a training run, from the first to the last, geometrically."""

    weight: tuple[float, ...]
    token: tuple[float, ...]
    table: tuple[float, ...]
    logit: tuple[float, ...] | None = None
    """None leaves the counters alone: they serve every use of the memory, and so do their logits."""
    bias: float = 2e-3
    secondary: float = 2e-3

    def at(self, progress: float) -> Rates:
        """The step sizes when a share ``progress`` of the run is over."""
        ends = (self.weight, self.token, self.table, self.logit or (0.0, 0.0))
        moving = (first * (last / first) ** progress if first else 0.0 for first, last in ends)
        weight, token, table, logit = moving
        return Rates(weight, token, table, logit, self.bias, self.secondary)


class Read(NamedTuple):
    """What is expected at ``B`` positions."""

    p: NDArray[np.float32]
    """Distributions ``(B, A)``."""
    served: Ints
    """Which of the two sets each comes from, ``(B,)``."""


def nothing(positions: int, alphabet: int) -> Read:
    """Room for what is expected at so many positions."""
    return Read(np.empty((positions, alphabet), np.float32), np.zeros(positions, np.int64))


@attrs.define
class Piece:
    """A stretch of one document: context first, then from ``start`` on what the memory is to hold."""

    tokens: Ints
    depth: Ints
    start: int
    cell: Ints | None = None
    """Cell of the geometric gate of each told token, 0 without one."""
    kept: NDArray[np.bool_] | None = None
    """Which of the told tokens are to be learned from when the memory stands still; all without it."""

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Bounds of consecutive parts of at most ``size`` tokens."""
        return [(lo, min(lo + size, len(self.tokens))) for lo in range(self.start, len(self.tokens), size)]


class Engine:
    """The counters, the numbers learned, and what a recipe fixes.

    With more than one thread it reads several blocks at once, and works out the next block's addresses while
    one is fitted or written; results are the same.
    """

    def __init__(self, plan: Plan, patterns: tuple[str, ...], *, window: int, budget: int, threads: int = 1):
        self.plan, self.patterns, self.window, self.budget = plan, patterns, window, budget
        self.threads = threads
        self.store: Store = locations.empty()
        self.clock = 0
        self._known = 1  # no token is larger
        self._alphabet: Alphabet | None = None
        self._work: dict[tuple[int, int, int], Work] = {}

    def clear(self) -> None:
        """Forget all tokens."""
        self.store, self.clock, self._known = locations.empty(), 0, 1

    def hold(self, store: Store, clock: int) -> None:
        """Have ``store`` as memory, of ``clock`` tokens."""
        self.store, self.clock = store, clock
        self._known = int(store.counters["token"][: store.used[1]].max(initial=0)) + 1

    def packed(self) -> Packed:
        """The memory in canonical order."""
        return locations.pack(self.store)

    def write(self, piece: Piece) -> None:
        """Count the tokens of ``piece`` without reading them."""
        for lo, hi, here in self._stretches(piece, BLOCK, None):
            first = 0
            self._expect(here)
            while (first := stream.write(self.plan, self.store, here, first, self._known)) < hi - lo:
                self._make_room()
            self._pass(hi - lo)

    def read(
        self,
        tokens: Ints,
        depth: Ints,
        positions: Ints,
        alphabet: Ints,
        learned: Sets,
        *,
        ahead: int,
        cell: Ints | None = None,
    ) -> Read:
        """What is expected at ``positions`` of a text, ``ahead`` tokens from now; nothing changes.

        ``cell (B,)`` is the cell of the geometric gate at each position, 0 without one.
        """
        out = nothing(len(positions), len(alphabet))
        if not out.p.size:
            return out
        known = self._columns(alphabet)

        def block(begin: int, end: int, chosen: Ints, work: Work) -> None:
            whole = self._stretch(tokens[:end], depth[:end], begin, self.clock + ahead)
            here = some_of(whole, chosen, positions - begin, cell)
            rows = nothing(len(chosen), len(alphabet))
            stream.run(
                self.plan, self.store, learned, (NO_STEP, NO_STEP), here, 0, known, self._known,
                work, self._sums(1), False, False, *rows,
            )  # fmt: skip
            out.p[chosen], out.served[chosen] = rows

        parts = blocks_of(positions)
        threads = min(self.threads, len(parts))
        rooms = [self._room(1, len(alphabet), number) for number in range(threads)]

        def some(number: int) -> None:
            for part in parts[number::threads]:
                block(*part, rooms[number])

        with ThreadPoolExecutor(max(threads - 1, 1)) as pool:
            others = [pool.submit(some, number) for number in range(1, threads)]
            some(0)
            for other in others:
                other.result()
        return out

    def partial_fit(
        self, piece: Piece, alphabet: Ints, learned: Sets, rates: tuple[Rates, Rates], *, write: bool
    ) -> Read:
        """What is expected in a piece, each window read before ``learned`` moves by it.

        ``write`` says whether its tokens are counted as well.
        """
        out = nothing(len(piece.tokens) - piece.start, len(alphabet))
        if not len(alphabet):
            if write:
                self.write(piece)
            return out
        known, work = self._columns(alphabet), self._room(self.window, len(alphabet))
        size = BLOCK // self.window * self.window
        for lo, hi, here in self._stretches(piece, size, None if write else self.clock + AHEAD):
            if piece.cell is not None:
                here = here._replace(cell=piece.cell[lo - piece.start : hi - piece.start])
            self._expect(here)
            if piece.kept is not None:
                kept = piece.kept[lo - piece.start : hi - piece.start]
                here = here._replace(tokens=np.where(kept, here.tokens, -1))
            rows, first = [part[lo - piece.start : hi - piece.start] for part in out], 0
            while first < hi - lo:
                first = stream.run(
                    self.plan, self.store, learned, rates, here, first, known, self._known,
                    work, self._sums(self.window), True, write, *rows,
                )  # fmt: skip
                if first < hi - lo:
                    self._make_room()
            if write:
                self._pass(hi - lo)
        return out

    def _expect(self, here: Stretch) -> None:
        self._known = max(self._known, int(here.tokens.max(initial=0)) + 1)

    def _pass(self, tokens: int) -> None:
        """Note that a block of so many tokens was counted; keep within the budget."""
        self.clock += tokens
        if self.budget and locations.size(self.store) > self.budget:
            self.store = locations.prune(self.store, int(self.budget * PRUNE_TO), self.clock)

    def _make_room(self) -> None:
        writes = self.window * len(self.plan.parent)
        self.store = locations.reserve(self.store, writes, writes * 2 * (self._known + self.window + 2))

    def _stretches(self, piece: Piece, size: int, clock: int | None) -> Iterator[tuple[int, int, Stretch]]:
        """The blocks of a piece one after the other; without ``clock`` it must go on between them."""
        blocks = piece.blocks(size)

        def made(lo: int, hi: int) -> Stretch:
            return self._stretch(piece.tokens[:hi], piece.depth[:hi], lo, clock)

        with ThreadPoolExecutor(1) as pool:
            pending: Future[Stretch] | None = None
            for (lo, hi), after in itertools.zip_longest(blocks, blocks[1:]):
                here = pending.result() if pending else made(lo, hi)
                pending = pool.submit(made, *after) if after and self.threads > 1 else None
                if clock is None:  # it was worked out before the clock came here
                    here = here._replace(time=self.clock + np.arange(hi - lo))
                yield lo, hi, here

    def _stretch(self, tokens: Ints, depth: Ints, start: int, clock: int | None) -> Stretch:
        """``tokens[start:]`` with addresses and fields; without ``clock`` time goes on token by token."""
        now = self.clock if clock is None else clock
        return stretch(self.plan, self.patterns, tokens, depth, start, now, still=clock is not None)

    def _columns(self, tokens: Ints) -> Alphabet:
        if self._alphabet is None or not np.array_equal(self._alphabet.tokens, tokens):
            self._alphabet = _alphabet(tokens)
        return self._alphabet

    def _room(self, window: int, alphabet: int, thread: int = 0) -> Work:
        key = window, alphabet, thread
        if key not in self._work:
            self._work = {k: w for k, w in self._work.items() if k[1] == alphabet}
            self._work[key] = layout.work(self.plan, window, alphabet)
        return self._work[key]

    def _sums(self, window: int) -> NDArray[np.float32]:
        return stream.sums(window, len(self.plan.parent))


def blocks_of(positions: Ints) -> list[tuple[int, int, Ints]]:
    """Blocks ``begin .. end - 1`` of a text, and which of ``positions (B,)`` are in each; none is empty."""
    lo, hi = int(positions.min()), int(positions.max()) + 1
    bounds = ((begin, min(begin + BLOCK, hi)) for begin in range(lo, hi, BLOCK))
    parts = ((lo, hi, np.flatnonzero((positions >= lo) & (positions < hi))) for lo, hi in bounds)
    return [part for part in parts if len(part[2])]


def some_of(whole: Stretch, chosen: Ints, places: Ints, cell: Ints | None) -> Stretch:
    """Those of a block's positions that are at ``places[chosen]`` in it, with their cells."""
    here = Stretch(*(column[places[chosen]] for column in whole))
    return here if cell is None else here._replace(cell=cell[chosen])


def stretch(
    plan: Plan,
    patterns: tuple[str, ...],
    tokens: Ints,
    depth: Ints,
    start: int,
    clock: int,
    *,
    still: bool,
) -> Stretch:
    """``tokens[start:]`` with addresses and fields; time goes on from ``clock``, or stands ``still``."""
    first = max(start - TRAIL, 0)
    found = addresses.locate(tokens, depth, first, patterns)
    trail = _trail(found.where[:, plan.base], depth[first:], start - first)
    where, fields = (part[start - first :] for part in found)
    here = np.arange(start, len(tokens))
    before = np.zeros((len(here), 2), np.int64)
    for k in (1, 2):
        before[:, k - 1] = np.where(depth[here] >= k, tokens[np.maximum(here - k, 0)] + 1, 0)
    time = np.full(len(here), clock) if still else clock + here - start
    return Stretch(where, fields, before, np.zeros(len(here), np.int64), trail, tokens[start:], time)


def _trail(addresses: Ints, depth: Ints, start: int) -> Ints:
    """For the positions ``start ..`` the :data:`TRAIL` addresses before each, -1 where there is none."""
    padded = np.concatenate([np.full(TRAIL, -1), addresses])
    out = np.lib.stride_tricks.sliding_window_view(padded, TRAIL)[start : len(addresses)].copy()
    out[depth[start:, None] < np.arange(TRAIL, 0, -1)] = -1
    return out


def _alphabet(tokens: Ints) -> Alphabet:
    column = np.full(MAX_VOCAB, -1, np.int32)
    column[tokens] = np.arange(len(tokens), dtype=np.int32)
    return Alphabet(tokens, column)
