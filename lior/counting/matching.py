"""Where the end of a context stood before: the longest matches in a text, by chains of equal hashes.

As in J. Ziv and A. Lempel (1977), with the chains of deflate (RFC 1951, section 4); as a predictor, the
match model of M. Mahoney's PAQ and the ∞-gram of J. Liu et al. (2024).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int64, njit
from numpy.typing import NDArray

from lior.counting.compiled import entry, inner
from lior.counting.fields import mix

BREAK = -1
"""Stands before each passage, so that no match goes on into the one before."""

_SPARE = 1.5


class Index(NamedTuple):
    """A text and, for each of its places, the one before it after the same few tokens."""

    tokens: NDArray[np.int32]
    """``(N,)``, with :data:`BREAK` before each passage."""
    told: NDArray[np.bool_]
    """Which of them are places; the others are only context, ``(N,)``."""
    before: NDArray[np.int32]
    """The last earlier place after tokens of the same hash, 0 for none, ``(N,)``."""
    last: NDArray[np.int32]
    """The last place of each hash, 0 for none; the size is a power of two."""
    used: NDArray[np.int64]
    """How many of the tokens there are, ``(1,)``."""


def empty(size: int = 1024) -> Index:
    """An index with room for so many tokens; place 0 is never one."""
    slots = 1 << max(size - 1, 1).bit_length()
    tokens, told = np.full(size, BREAK, np.int32), np.zeros(size, np.bool_)
    return Index(tokens, told, np.zeros(size, np.int32), np.zeros(slots, np.int32), np.ones(1, np.int64))


def with_room(index: Index, more: int, shortest: int) -> Index:
    """An index with room for so many more tokens."""
    used = int(index.used[0])
    if used + more <= len(index.tokens):
        return index
    larger = empty(int((used + more) * _SPARE))
    larger.tokens[:used], larger.told[:used] = index.tokens[:used], index.told[:used]
    larger.used[0] = used
    link(larger, 1, shortest)
    return larger


@njit(inline="always")
def _hash(tokens, end, length, slots):
    value = int64(length)
    for p in range(end - length, end):
        value = mix(value, int64(tokens[p]))
    return (value >> 8) & (slots - 1)


@entry
def link(index, begin, shortest):
    """Enter the places from ``begin`` on that ``shortest`` tokens of their passage precede."""
    run = 0
    for p in range(begin - 1, max(begin - 1 - shortest, -1), -1):
        if index.tokens[p] < 0:
            break
        run += 1  # noqa: SIM113 (numba)
    for p in range(begin, index.used[0]):
        if index.tokens[p] < 0:
            run = 0
            continue
        if run >= shortest and index.told[p]:
            slot = _hash(index.tokens, p, shortest, len(index.last))
            index.before[p] = index.last[slot]
            index.last[slot] = p
        run += 1


@inner
def _length(index, p, tokens, at, longest):
    """How many tokens before place ``p`` are those before ``tokens[at]``, at most ``longest``."""
    n = 0
    while n < longest and index.tokens[p - 1 - n] >= 0 and index.tokens[p - 1 - n] == tokens[at - 1 - n]:
        n += 1
    return n


@entry
def find(index, tokens, depth, positions, shortest, longest, candidates, places, lengths):
    """The latest places with the longest common past with each of ``positions (B,)``.

    Parameters
    ----------
    tokens, depth
        The text that is asked about; what stands at a position itself is not looked at.
    candidates
        How many places with a match are compared at most, the latest first.
    places
        Gets the places with the longest match, 0 behind the last, ``(B, candidates)``.
    lengths
        Gets the length of that, 0 without any, ``(B,)``.
    """
    for row in range(len(positions)):
        at = positions[row]
        most = min(longest, depth[at])
        places[row, :] = 0
        lengths[row] = 0
        if most < shortest:
            continue
        p = int64(index.last[_hash(tokens, at, shortest, len(index.last))])
        seen, found = 0, 0
        while p > 0 and seen < candidates:
            n = _length(index, p, tokens, at, most)
            if n >= shortest:
                seen += 1
                if n > lengths[row]:
                    lengths[row] = n
                    places[row, :found] = 0
                    found = 0
                if n == lengths[row]:
                    places[row, found] = p
                    found += 1
            p = int64(index.before[p])
