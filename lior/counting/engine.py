"""A counting memory with its mixture: write, read and study stretches of text.

This is the bridge between arrays of tokens and the jitted functions of the
package; it knows nothing of torch, plugins or documents.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from lior.counting import addresses, layout, locations, stream
from lior.counting.counters import MAX_VOCAB
from lior.counting.layout import Learned, Plan, Rates, Work
from lior.counting.locations import Packed, Store
from lior.counting.stream import Alphabet, Stretch

AHEAD = 1 << 15
"""How far after its last token a memory that stands still is taken to be read, in tokens.

What was written last is then a little old, as it is for most of the text that follows.
"""

BLOCK = 2048
"""Most tokens that are prepared at once; the budget is seen to after each block."""
PRUNE_TO = 0.8

NO_STEP = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

Ints = NDArray[np.int64]


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


@attrs.define
class Piece:
    """A stretch of one document: context first, then from ``start`` on what the memory is to hold."""

    tokens: Ints
    depth: Ints
    start: int
    cell: Ints | None = None
    """Cell of the geometric gate of each told token, 0 without one."""

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Bounds of consecutive parts of at most ``size`` tokens."""
        return [(lo, min(lo + size, len(self.tokens))) for lo in range(self.start, len(self.tokens), size)]


class Engine:
    """The counters, the numbers learned, and what a recipe fixes."""

    def __init__(self, plan: Plan, patterns: tuple[str, ...], *, window: int, budget: int):
        self.plan, self.patterns, self.window, self.budget = plan, patterns, window, budget
        self.store: Store = locations.empty()
        self.clock = 0
        self._known = 1  # no token is larger
        self._alphabet: Alphabet | None = None
        self._work: dict[tuple[int, int], Work] = {}

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
        for lo, hi in piece.blocks(BLOCK):
            here, first = self._stretch(piece.tokens[:hi], piece.depth[:hi], lo, None), 0
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
        learned: Learned,
        *,
        ahead: int,
        cell: Ints | None = None,
    ) -> NDArray[np.float32]:
        """Distributions ``(B, A)`` at ``positions`` of a text, ``ahead`` tokens from now; nothing changes.

        ``cell (B,)`` is the cell of the geometric gate at each position, 0 without one.
        """
        out = np.empty((len(positions), len(alphabet)), np.float32)
        if not out.size:
            return out
        known, work = self._columns(alphabet), self._room(1, len(alphabet))
        lo, hi = int(positions.min()), int(positions.max()) + 1
        for begin in range(lo, hi, BLOCK):
            end = min(begin + BLOCK, hi)
            chosen = np.flatnonzero((positions >= begin) & (positions < end))
            if len(chosen):
                here = self._stretch(tokens[:end], depth[:end], begin, self.clock + ahead)
                here = Stretch(*(column[positions[chosen] - begin] for column in here))
                if cell is not None:
                    here = here._replace(cell=cell[chosen])
                rows = np.empty((len(chosen), len(alphabet)), np.float32)
                stream.run(
                    self.plan, self.store, learned, NO_STEP, here, 0, known, self._known,
                    work, self._sums(1), False, False, rows,
                )  # fmt: skip
                out[chosen] = rows
        return out

    def study(
        self, piece: Piece, alphabet: Ints, learned: Learned, rates: Rates, *, write: bool
    ) -> NDArray[np.float32]:
        """Distributions ``(B, A)`` of a piece, each window read before ``learned`` moves by it.

        ``write`` says whether its tokens are counted as well.
        """
        out = np.empty((len(piece.tokens) - piece.start, len(alphabet)), np.float32)
        if not len(alphabet):
            if write:
                self.write(piece)
            return out
        known, work = self._columns(alphabet), self._room(self.window, len(alphabet))
        size = BLOCK // self.window * self.window
        for lo, hi in piece.blocks(size):
            now = None if write else self.clock + AHEAD
            here = self._stretch(piece.tokens[:hi], piece.depth[:hi], lo, now)
            if piece.cell is not None:
                here = here._replace(cell=piece.cell[lo - piece.start : hi - piece.start])
            self._expect(here)
            rows, first = out[lo - piece.start : hi - piece.start], 0
            while first < hi - lo:
                first = stream.run(
                    self.plan, self.store, learned, rates, here, first, known, self._known,
                    work, self._sums(self.window), True, write, rows,
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

    def _stretch(self, tokens: Ints, depth: Ints, start: int, clock: int | None) -> Stretch:
        """``tokens[start:]`` with addresses and fields; without ``clock`` time goes on token by token."""
        now = self.clock if clock is None else clock
        return stretch(tokens, depth, start, self.patterns, now, still=clock is not None)

    def _columns(self, tokens: Ints) -> Alphabet:
        if self._alphabet is None or not np.array_equal(self._alphabet.tokens, tokens):
            self._alphabet = _alphabet(tokens)
        return self._alphabet

    def _room(self, window: int, alphabet: int) -> Work:
        key = window, alphabet
        if key not in self._work:
            self._work = {k: w for k, w in self._work.items() if k[1] == alphabet}
            self._work[key] = layout.work(self.plan, window, alphabet)
        return self._work[key]

    def _sums(self, window: int) -> NDArray[np.float32]:
        return stream.sums(window, len(self.plan.parent))


def stretch(
    tokens: Ints, depth: Ints, start: int, patterns: tuple[str, ...], clock: int, *, still: bool = False
) -> Stretch:
    """``tokens[start:]`` with addresses and fields; time goes on from ``clock``, or stands ``still``."""
    found = addresses.locate(tokens, depth, start, patterns)
    here = np.arange(start, len(tokens))
    before = np.zeros((len(here), 2), np.int64)
    for k in (1, 2):
        before[:, k - 1] = np.where(depth[here] >= k, tokens[np.maximum(here - k, 0)] + 1, 0)
    time = np.full(len(here), clock) if still else clock + here - start
    return Stretch(found.where, found.fields, before, np.zeros(len(here), np.int64), tokens[start:], time)


def _alphabet(tokens: Ints) -> Alphabet:
    column = np.full(MAX_VOCAB, -1, np.int32)
    column[tokens] = np.arange(len(tokens), dtype=np.int32)
    return Alphabet(tokens, column)
