"""The longest matches of a context in a text, by chains of equal hashes.

As in J. Ziv and A. Lempel (1977), with the chains of deflate (RFC 1951, section 4); as a predictor, the
match model of M. Mahoney's PAQ and the ∞-gram of J. Liu et al. (2024).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int64, njit
from numpy.typing import NDArray

from lior.compiling.compiled import entry, inner
from lior_plugins.counting.fields import mix

BREAK = -1
"""Separator before each span, so that no match continues into the span before."""

_SPARE = 1.5


class HashChains(NamedTuple):
    """A text with a link from each place to the last earlier one that follows the same few tokens."""

    tokens: NDArray[np.int32]
    """``(N,)``, with :data:`BREAK` before each span."""
    written: NDArray[np.bool_]
    """Mask of the written tokens; the others are only context, ``(N,)``."""
    previous: NDArray[np.int32]
    """The last earlier place after tokens of the same hash, 0 for none, ``(N,)``."""
    last: NDArray[np.int32]
    """The last place of each hash, 0 for none; the size is a power of two."""
    used: NDArray[np.int64]
    """Number of tokens, ``(1,)``; place 0 is none."""
    shortest: int
    """Length of the shortest match in tokens; so many tokens are hashed."""


class Matches(NamedTuple):
    """The longest matches of ``B`` contexts."""

    places: NDArray[np.int64]
    """The latest places after the longest match, followed by zeros, ``(B, candidates)``."""
    lengths: NDArray[np.int64]
    """Length of the match in tokens, 0 without any, ``(B,)``."""


def empty(shortest: int, size: int) -> HashChains:
    """Return chains without tokens, with memory for ``size`` of them."""
    slots = 1 << max(size - 1, 1).bit_length()
    tokens, written = np.full(size, BREAK, np.int32), np.zeros(size, np.bool_)
    previous, last = np.zeros(size, np.int32), np.zeros(slots, np.int32)
    return HashChains(tokens, written, previous, last, np.ones(1, np.int64), shortest)


def append(chains: HashChains, tokens: NDArray[np.int64], written: NDArray[np.bool_]) -> HashChains:
    """Append tokens to the chains; returns ``chains`` itself, or a larger copy."""
    begin, end = int(chains.used[0]), int(chains.used[0]) + len(tokens)
    first = begin
    if end > len(chains.tokens):
        larger = empty(chains.shortest, int(end * _SPARE))
        larger.tokens[:begin], larger.written[:begin] = chains.tokens[:begin], chains.written[:begin]
        chains, first = larger, 1
    chains.tokens[begin:end], chains.written[begin:end] = tokens, written
    chains.used[0] = end
    _link(chains, first)
    return chains


@njit(inline="always")
def _hash(tokens, end, length, slots):
    value = int64(length)
    for p in range(end - length, end):
        value = mix(value, int64(tokens[p]))
    return (value >> 8) & (slots - 1)


@entry
def _link(chains, begin):
    """Enter the places from ``begin`` on that ``shortest`` tokens of their span precede."""
    shortest, run = chains.shortest, 0
    for p in range(begin - 1, max(begin - 1 - shortest, -1), -1):
        if chains.tokens[p] < 0:
            break
        run += 1  # noqa: SIM113 (numba)
    for p in range(begin, chains.used[0]):
        if chains.tokens[p] < 0:
            run = 0
            continue
        if run >= shortest and chains.written[p]:
            slot = _hash(chains.tokens, p, shortest, len(chains.last))
            chains.previous[p] = chains.last[slot]
            chains.last[slot] = p
        run += 1


@inner
def _length(chains, p, tokens, at, longest):
    """Return how many tokens before place ``p`` equal those before ``tokens[at]``, at most ``longest``."""
    n = 0
    while n < longest and chains.tokens[p - 1 - n] >= 0 and chains.tokens[p - 1 - n] == tokens[at - 1 - n]:
        n += 1
    return n


@entry
def find(chains, tokens, depth, positions, longest, out):
    """Find the longest matches of the contexts of ``positions (B,)`` in a text; the latest places first.

    Parameters
    ----------
    tokens, depth
        The text; the tokens at the positions are not read.
    longest
        Maximum number of tokens to compare.
    out
        Receives the matches; as many places as it has columns are compared.
    """
    places, lengths = out.places, out.lengths
    for row in range(len(positions)):
        at = positions[row]
        most = min(longest, depth[at])
        places[row, :] = 0
        lengths[row] = 0
        if most < chains.shortest:
            continue
        p = int64(chains.last[_hash(tokens, at, chains.shortest, len(chains.last))])
        compared, found = 0, 0
        while p > 0 and compared < places.shape[1]:
            n = _length(chains, p, tokens, at, most)
            if n >= chains.shortest:
                compared += 1
                if n > lengths[row]:
                    lengths[row] = n
                    places[row, :found] = 0
                    found = 0
                if n == lengths[row]:
                    places[row, found] = p
                    found += 1
            p = int64(chains.previous[p])
