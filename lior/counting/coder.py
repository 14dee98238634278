"""A range coder: choices to code words and back (G. N. N. Martin, 1979).

The state is an interval of 64 bits. Each choice takes a part of it in proportion to its probability, in
shares of ``2^-24``; every choice has at least one share. When the length of the interval fits into 32 bits,
the upper 32 bits of its start are written as a word. A carry goes into the words before. Encoder and
decoder are one function, so that both use the same shares.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from lior.counting.compiled import entry, inner

_SHARE_BITS = 24
_WORD = 32
_LOW, _RANGE = range(2)
_WORDS, DECODES = range(2)
_ROOM = 1 << 12


class Coder(NamedTuple):
    """Code words and the state of the coder, as compiled functions see them."""

    words: NDArray[np.uint32]
    state: NDArray[np.uint64]
    """Start of the interval (in a decoder: offset of the code in the interval), and its length."""
    place: NDArray[np.int64]
    """Number of words written or read; then 1 in a decoder, 0 in an encoder."""
    bits: NDArray[np.float64]
    """Sum of ``-log2 p`` of all choices, ``(1,)``."""


@inner
def choose(coder, chances, size, choice):
    """Code one of ``size`` choices, in proportion to ``chances``; a decoder returns the one that it reads."""
    if size < 2:
        return 0
    total = 0.0
    for s in range(size):
        total += chances[s]
    scale = ((1 << _SHARE_BITS) - size) / total
    # The mode is read here; otherwise the compiler makes a separate loop for each mode.
    decodes = coder.place[DECODES] == 1
    unit = coder.state[_RANGE] >> uint64(_SHARE_BITS)
    target = int64(coder.state[_LOW] // unit) if decodes else int64(0)
    begin, s = int64(0), 0
    share = int64(chances[0] * scale) + 1
    while s < size - 1 and (target >= begin + share if decodes else s != choice):
        begin += share
        s += 1
        share = int64(chances[s] * scale) + 1
    coder.bits[0] -= math.log2(max(chances[s] / total, 2.0**-_SHARE_BITS))
    before = unit * uint64(begin)
    if decodes:
        coder.state[_LOW] -= before
    else:
        coder.state[_LOW] += before
        if coder.state[_LOW] < before:
            _carry(coder)
    coder.state[_RANGE] = unit * uint64(share)
    if coder.state[_RANGE] >> uint64(_WORD) == 0:
        _shift(coder, decodes)
    return s


@inner
def _shift(coder, decodes):
    """Move the interval by one word."""
    at, low = coder.place[_WORDS], coder.state[_LOW]
    coder.state[_LOW] = low << uint64(_WORD)
    coder.state[_RANGE] <<= uint64(_WORD)
    if not decodes:
        coder.words[at] = low >> uint64(_WORD)
    elif at < len(coder.words):
        coder.state[_LOW] |= uint64(coder.words[at])
    coder.place[_WORDS] += 1


@inner
def _carry(coder):
    """Add 1 to the words written so far, as one number."""
    k = coder.place[_WORDS] - 1
    while k >= 0:
        coder.words[k] += np.uint32(1)
        if coder.words[k] != 0:
            break
        k -= 1


@entry
def _choose(coder, chances, choice):
    return choose(coder, chances, len(chances), choice)


@entry
def _finish(coder):
    """Write one more word: the interval is long enough to hold a multiple of 2^32."""
    low = coder.state[_LOW]
    coder.state[_LOW] = low + uint64((1 << _WORD) - 1)
    if coder.state[_LOW] < low:
        _carry(coder)
    _shift(coder, False)


class RangeCoder:
    """An encoder, or with ``words`` a decoder of these."""

    def __init__(self, words: bytes | None = None) -> None:
        state, place = np.array([0, 2**64 - 1], np.uint64), np.zeros(2, np.int64)
        given = np.frombuffer(words or b"", "<u4").astype(np.uint32)
        if words is not None:
            first, second = (int(w) for w in [*given[:2], 0, 0][:2])
            state[_LOW], place[:] = first << _WORD | second, (2, 1)
        self.decodes, self._given = words is not None, len(given)
        self.arrays = Coder(given, state, place, np.zeros(1))
        self.make_room(_ROOM)

    def make_room(self, choices: int) -> None:
        """Reserve space in the encoder for ``choices`` more choices."""
        words, used = self.arrays.words, int(self.arrays.place[_WORDS])
        if not self.decodes and used + choices > len(words):
            larger = np.zeros(2 * used + choices, np.uint32)
            larger[:used] = words[:used]
            self.arrays = self.arrays._replace(words=larger)

    def choose(self, chances: NDArray[np.float64], choice: int = 0) -> int:
        """Code the choice with index ``choice`` among ``chances (n,)``; a decoder returns the index that it
        reads.

        The chances are positive and need not sum to 1.
        """
        self.make_room(1)
        return int(_choose(self.arrays, chances, choice))

    @property
    def bits(self) -> float:
        """Sum of ``-log2 p`` of all choices."""
        return float(self.arrays.bits[0])

    @property
    def overdrawn(self) -> bool:
        """Whether a decoder has read more words than its encoder can have written."""
        return self.decodes and int(self.arrays.place[_WORDS]) > self._given + 1

    def finish(self) -> bytes:
        """Return the code words, little-endian; nothing can be coded after it."""
        self.make_room(1)
        _finish(self.arrays)
        return self.arrays.words[: self.arrays.place[_WORDS]].astype("<u4").tobytes()
