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

LENGTHS = np.array([1, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128])
"""Lengths of a match at which its classes begin; the class of no match is 0."""
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
    missed: NDArray[np.int64]
    """Number of written tokens that the matches with the text before them did not predict, by the class of
    their length; tokens after no match, or after matches that disagree, are in class 0."""
    shortest: int
    """Length of the shortest match in tokens; so many tokens are hashed."""
    longest: int
    """Maximum number of tokens to compare."""
    candidates: int
    """Maximum number of places to compare, the latest first."""


class Matches(NamedTuple):
    """The longest matches of ``B`` contexts."""

    places: NDArray[np.int64]
    """The latest places after the longest match, followed by zeros, ``(B, candidates)``."""
    lengths: NDArray[np.int64]
    """Length of the match in tokens, 0 without any, ``(B,)``."""


def empty(shortest: int, longest: int, candidates: int, size: int) -> HashChains:
    """Return chains without tokens, with memory for ``size`` of them."""
    slots = 1 << max(size - 1, 1).bit_length()
    tokens, written = np.full(size, BREAK, np.int32), np.zeros(size, np.bool_)
    previous, last = np.zeros(size, np.int32), np.zeros(slots, np.int32)
    used, missed = np.ones(1, np.int64), np.zeros(len(LENGTHS) + 1, np.int64)
    return HashChains(tokens, written, previous, last, used, missed, shortest, longest, candidates)


def append(chains: HashChains, tokens: NDArray[np.int64], written: NDArray[np.bool_]) -> HashChains:
    """Append tokens to the chains, and count those that the text before them did not predict.

    Returns ``chains`` itself, or a larger copy.
    """
    begin, end = int(chains.used[0]), int(chains.used[0]) + len(tokens)
    first = begin
    if end > len(chains.tokens):
        larger = empty(chains.shortest, chains.longest, chains.candidates, int(end * _SPARE))
        larger.tokens[:begin], larger.written[:begin] = chains.tokens[:begin], chains.written[:begin]
        larger.missed[:] = chains.missed
        chains, first = larger, 1
    chains.tokens[begin:end], chains.written[begin:end] = tokens, written
    chains.used[0] = end
    _link(chains, first, begin)
    return chains


@njit(inline="always")
def _hash(tokens, end, length, slots):
    value = int64(length)
    for p in range(end - length, end):
        value = mix(value, int64(tokens[p]))
    return (value >> 8) & (slots - 1)


@inner
def _length(chains, p, tokens, at, longest):
    """Return how many tokens before place ``p`` equal those before ``tokens[at]``, at most ``longest``."""
    n = 0
    while n < longest and chains.tokens[p - 1 - n] >= 0 and chains.tokens[p - 1 - n] == tokens[at - 1 - n]:
        n += 1
    return n


@inner
def _search(chains, tokens, at, depth, places):
    """Find the latest places after the longest match of the context of ``tokens[at]``; returns its length."""
    places[:] = 0
    most = min(chains.longest, depth)
    if most < chains.shortest:
        return 0
    p = int64(chains.last[_hash(tokens, at, chains.shortest, len(chains.last))])
    compared, found, longest = 0, 0, 0
    while p > 0 and compared < len(places):
        n = _length(chains, p, tokens, at, most)
        if n >= chains.shortest:
            compared += 1
            if n > longest:
                longest = n
                places[:found] = 0
                found = 0
            if n == longest:
                places[found] = p
                found += 1
        p = int64(chains.previous[p])
    return longest


@inner
def _count(chains, p, depth, places):
    """Count the token at place ``p`` unless the longest matches before it agree on it."""
    length = _search(chains, chains.tokens, p, depth, places)
    predicted = chains.tokens[places[0]]
    for place in places:
        if place > 0 and chains.tokens[place] != predicted:
            length = 0
    if not length or predicted != chains.tokens[p]:
        chains.missed[np.searchsorted(LENGTHS, length, side="right")] += 1


@entry
def _link(chains, begin, counted):
    """Enter the places from ``begin`` on that ``shortest`` tokens of their span precede.

    Tokens from ``counted`` on are first compared with the prediction of the text before them.
    """
    run, places = 0, np.zeros(chains.candidates, np.int64)
    for p in range(begin - 1, max(begin - 1 - chains.longest, -1), -1):
        if chains.tokens[p] < 0:
            break
        run += 1  # noqa: SIM113 (numba)
    for p in range(begin, chains.used[0]):
        if chains.tokens[p] < 0:
            run = 0
            continue
        if chains.written[p]:
            if p >= counted:
                _count(chains, p, run, places)
            if run >= chains.shortest:
                slot = _hash(chains.tokens, p, chains.shortest, len(chains.last))
                chains.previous[p] = chains.last[slot]
                chains.last[slot] = p
        run += 1


@entry
def find(chains, tokens, depth, positions, out):
    """Find the longest matches of the contexts of ``positions (B,)`` in a text; the latest places first.

    Parameters
    ----------
    tokens, depth
        The text; the tokens at the positions are not read.
    out
        Receives the matches.
    """
    for row in range(len(positions)):
        at = positions[row]
        out.lengths[row] = _search(chains, tokens, at, depth[at], out.places[row])
