"""Suffix arrays: how often every token followed every context of a text, whatever the context's length.

A text stands backwards in a shard, so that a context is where a suffix begins, and a longer context is a
narrower range of the sorted suffixes (U. Manber and G. Myers, 1993). Beside each suffix stands the token that
followed its context, as in the transform of M. Burrows and D. Wheeler (1994), with running sums at regular
distances: counts of a range are a difference of two sums and the tokens at its ends (P. Ferragina and
G. Manzini, 2000). Counts of shards add, so a text gives the same counts however it is divided; as n-grams
without a limit, these are the ∞-gram of J. Liu et al. (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numba import int64, uint8, uint32
from numpy.typing import NDArray

from lior.counting.compiled import entry, inner
from lior.errors import MissingPackage

BREAK = 0
"""Stands between documents. In a document it ends the contexts before it, and is never predicted."""
TOKENS = 256
MOST = (1 << 31) - 2
"""Largest number of tokens of a shard, with a break for each document."""
BLOCK = 1 << 11
"""Suffixes between two running sums."""
_PAIRS = TOKENS * TOKENS
KEPT = 1 << 9
"""Counts of large ranges that a call keeps."""
_DISCOUNTS = 3
_LEAST = 1e-30
"""Least probability, so that logarithms are finite in float32."""


class Shard(NamedTuple):
    """A text of ``N`` tokens and breaks, and its suffixes in their order."""

    text: NDArray[np.uint8]
    """The tokens backwards, a break behind each document, ``(N,)``."""
    order: NDArray[np.uint32]
    """Where each suffix begins, ``(N,)``."""
    following: NDArray[np.uint8]
    """The token before each suffix, which followed its context; a break for none, ``(N,)``."""
    sums: NDArray[np.uint32]
    """How often each token is among the first ``BLOCK * i`` of ``following``, ``(N // BLOCK + 1, 256)``."""
    pairs: NDArray[np.uint32]
    """First suffix that begins with each two tokens or what comes after them, ``(256² + 1,)``."""


def check_installed() -> None:
    """Raise ``MissingPackage`` where pydivsufsort, which sorts suffixes, is not installed."""
    if find_spec("pydivsufsort") is None:
        raise MissingPackage("suffixes are sorted by pydivsufsort; install it: pip install 'lior[suffix]'")


def build(text: NDArray[np.uint8], unwritten: NDArray[np.int64] | None = None) -> Shard:
    """The shard of a text.

    Parameters
    ----------
    text
        Tokens backwards, with a break at the end.
    unwritten
        Places of tokens that are context and were not written: they follow nothing.

    Raises
    ------
    MissingPackage
        When pydivsufsort, which sorts the suffixes, is not installed.
    """
    check_installed()
    from pydivsufsort import divsufsort

    return completed(
        text, divsufsort(text).view(np.uint32) if len(text) else np.zeros(0, np.uint32), unwritten
    )


def completed(
    text: NDArray[np.uint8], order: NDArray[np.uint32], unwritten: NDArray[np.int64] | None = None
) -> Shard:
    """The shard of a text whose suffixes are sorted; parameters as of :func:`build`."""
    sums = np.zeros((len(text) // BLOCK + 1, TOKENS), np.uint32)
    shard = Shard(text, order, np.empty(len(text), np.uint8), sums, np.zeros(_PAIRS + 1, np.uint32))
    kept = text if unwritten is None else text.copy()
    if unwritten is not None:
        kept[unwritten] = BREAK
    _fill(shard, kept)
    return shard


@entry
def _fill(shard, kept):
    """Work out what stands beside the suffixes; ``kept`` has a break for each token that follows nothing."""
    text, order = shard.text, shard.order
    totals = np.zeros(TOKENS, np.uint32)
    for i in range(len(order)):
        if i % BLOCK == 0:
            shard.sums[i // BLOCK, :] = totals
        place = int64(order[i])
        token = kept[place - 1] if place else uint8(BREAK)
        shard.following[i] = token
        totals[token] += uint32(1)
    if len(order) % BLOCK == 0:
        shard.sums[len(order) // BLOCK, :] = totals
    for place in range(len(text)):
        shard.pairs[int64(text[place]) * TOKENS + _at(text, place + 1) + 1] += uint32(1)
    for pair in range(_PAIRS):
        shard.pairs[pair + 1] += shard.pairs[pair]


# --- contexts ---


@inner
def _at(text, place):
    """The token at a place; a break behind the end, where only a damaged file leads."""
    return int64(text[place]) if place < len(text) else int64(BREAK)


@inner
def _bound(shard, lo, hi, depth, token):
    """The first suffix of a range whose token at ``depth`` is at least ``token``; those before it agree."""
    while lo < hi:
        middle = (lo + hi) >> 1
        if _at(shard.text, int64(shard.order[middle]) + depth) < token:
            lo = middle + 1
        else:
            hi = middle
    return lo


@inner
def _narrowed(shard, lo, hi, depth, token, before):
    """The suffixes of a range, which share ``depth`` tokens, the first being ``before``, that go on so."""
    if depth == 0:
        return int64(shard.pairs[token * TOKENS]), int64(shard.pairs[(token + 1) * TOKENS])
    if depth == 1:
        pair = before * TOKENS + token
        return int64(shard.pairs[pair]), int64(shard.pairs[pair + 1])
    first = _bound(shard, lo, hi, depth, token)
    return first, _bound(shard, first, hi, depth, token + 1)


@inner
def _counts_of(shard, lo, hi, out):
    """How often each token follows the contexts of a range of several blocks."""
    # From the sums that are nearest to the ends: on average half a block is read.
    first, last = (lo + BLOCK // 2) // BLOCK, min((hi + BLOCK // 2) // BLOCK, len(shard.sums) - 1)
    for token in range(TOKENS):
        out[token] = shard.sums[last, token] - shard.sums[first, token]
    for i in range(lo, first * BLOCK):
        out[shard.following[i]] += uint32(1)
    for i in range(first * BLOCK, lo):
        out[shard.following[i]] -= uint32(1)
    for i in range(last * BLOCK, hi):
        out[shard.following[i]] += uint32(1)
    for i in range(hi, last * BLOCK):
        out[shard.following[i]] -= uint32(1)


@inner
def _add(shard, reached, lo, hi, known, ranges, near, out):
    """Add how often each token follows the contexts of each length, ``out (L + 1, 256)``.

    A range holds those of longer contexts: of small ones only what is not in the next smaller is read.
    Counts of large ones, which are those of short contexts and come again, are kept in ``known (K, 256)``,
    and what they are of in ``ranges (K, 2)``; ``near (256,)`` is work space.
    """
    near[:] = uint32(0)
    begin, end = lo[reached], lo[reached]
    for k in range(reached, -1, -1):
        if hi[k] - lo[k] <= BLOCK:
            for i in range(lo[k], begin):
                near[shard.following[i]] += uint32(1)
            for i in range(end, hi[k]):
                near[shard.following[i]] += uint32(1)
            begin, end = lo[k], hi[k]
            for token in range(TOKENS):
                out[k, token] += near[token]
        else:
            at = (lo[k] * 31 + hi[k]) % len(known)
            if ranges[at, 0] != lo[k] or ranges[at, 1] != hi[k]:
                _counts_of(shard, lo[k], hi[k], known[at])
                ranges[at, 0], ranges[at, 1] = lo[k], hi[k]
            for token in range(TOKENS):
                out[k, token] += known[at, token]


@inner
def _searched(shard, tokens, at, longest, lo, hi):
    """Find the suffixes of the contexts before ``at``; returns the length of the longest that occurred."""
    last = int64(0)
    for k in range(longest):
        token = tokens[at - 1 - k]
        if token == BREAK:
            return int64(k)
        lo[k + 1], hi[k + 1] = _narrowed(shard, lo[k], hi[k], k, token, last)
        if lo[k + 1] == hi[k + 1]:
            return int64(k)
        last = tokens[at - 1]
    return int64(longest)


@inner
def _within(shard, token, begin, end):
    """How often a token follows suffixes of a range."""
    found = int64(0)
    for i in range(begin, end):
        found += shard.following[i] == token
    return found


@inner
def _before(shard, token, i):
    """How often a token follows the first ``i`` suffixes: from the sum that is nearest."""
    block = min((i + BLOCK // 2) // BLOCK, len(shard.sums) - 1)
    return (
        int64(shard.sums[block, token])
        + _within(shard, token, block * BLOCK, i)
        - _within(shard, token, i, block * BLOCK)
    )


@inner
def _stepped(shard, token, longest, reached, lo, hi):
    """Replace the suffixes of contexts by those of the contexts that end one token later.

    The suffixes that ``token`` follows are in the order of those that begin with it: the step of Ferragina
    and Manzini (2000), without a search. Returns the length of the longest context that occurred.
    """
    if token == BREAK:
        return int64(0)
    begin, end = int64(shard.pairs[token * TOKENS]), int64(shard.pairs[(token + 1) * TOKENS])
    last = lo[0], hi[0]
    for k in range(min(reached + 1, longest)):
        first = begin + _before(shard, token, last[0])
        if last[1] - last[0] <= BLOCK:
            behind = first + _within(shard, token, last[0], last[1])
        else:
            behind = begin + _before(shard, token, last[1])
        last = lo[k + 1], hi[k + 1]
        # Whatever a damaged file says, a range is one of the suffixes that begin with the token.
        lo[k + 1] = min(max(first, begin), end)
        hi[k + 1] = min(max(behind, begin), end)
        if lo[k + 1] >= hi[k + 1]:
            return int64(k)
    return int64(min(reached + 1, longest))


@inner
def _steps(shard, rest):
    """Whether all tokens of a text follow something, so that steps are exact; ``rest (256,)`` is 0."""
    for i in range((len(shard.sums) - 1) * BLOCK, len(shard.following)):
        rest[shard.following[i]] += 1
    for token in range(TOKENS):
        have = int64(shard.pairs[(token + 1) * TOKENS]) - int64(shard.pairs[token * TOKENS])
        if have != int64(shard.sums[-1, token]) + rest[token]:
            return False
    return True


@entry
def count(shard, tokens, depth, positions, counts):
    """Add how often each token followed the contexts of ``positions (B,)``.

    ``counts (B, L + 1, 256)`` gets those of the last 0, 1, … ``L`` tokens of each document. Where
    positions stand one after the other, neither the text nor the order of its suffixes is read.
    """
    lo, hi = np.zeros(counts.shape[1], np.int64), np.zeros(counts.shape[1], np.int64)
    known, ranges = np.empty((KEPT, TOKENS), np.uint32), np.zeros((KEPT, 2), np.int64)
    near = np.empty(TOKENS, np.uint32)
    hi[0] = len(shard.order)
    steps, reached = _steps(shard, np.zeros(TOKENS, np.int64)), int64(0)
    for row in range(len(positions)):
        at = positions[row]
        longest = min(counts.shape[1] - 1, depth[at])
        if steps and row and longest and positions[row - 1] == at - 1:
            reached = _stepped(shard, tokens[at - 1], longest, reached, lo, hi)
        else:
            reached = _searched(shard, tokens, at, longest, lo, hi)
        _add(shard, reached, lo, hi, known, ranges, near, counts[row])


# --- distributions ---


@entry
def blend(counts, columns, lengths, discounts, out, longest, sure):
    """Distributions from counts, by absolute discounting interpolated over the lengths of the context.

    A length whose context occurred as often as the next longer one tells nothing of its own, since the same
    places have both; it is left out. Discounts of 1, 2 and more are those of S. Chen and J. Goodman (1999).

    Parameters
    ----------
    counts
        ``(B, L + 1, 256)``, as :func:`count` gives them.
    columns
        Tokens of the alphabet, ``(A,)``.
    lengths
        Most tokens of the context that each expert looks at, ascending, at most ``L``, ``(E,)``.
    discounts
        ``(3,)``
    out
        Gets the distributions, float32 ``(B, E, A)``.
    longest, sure
        Get for each position the length of the longest context that occurred, and whether one token followed
        it once (0), one several times (1), or several did (2).
    """
    size = len(columns)
    p, total = np.empty(size), np.zeros(counts.shape[1] + 1, np.int64)
    for row in range(len(counts)):
        p[:] = 1.0 / size
        longest[row], sure[row], expert = 0, 0, 0
        total[0] = _sum(counts[row, 0], columns)
        for k in range(counts.shape[1]):
            if total[k] == 0:
                break
            if k + 1 < counts.shape[1]:
                total[k + 1] = _sum(counts[row, k + 1], columns)
            end = k + 1 == counts.shape[1] or total[k + 1] == 0
            if end:
                longest[row], sure[row] = k, _sure(counts[row, k], columns, total[k])
            if end or total[k + 1] != total[k] or k == lengths[expert]:
                _interpolate(counts[row, k], columns, total[k], discounts, p)
            if k == lengths[expert]:
                _copy(p, out[row, expert])
                expert += 1
        for e in range(expert, len(lengths)):
            _copy(p, out[row, e])


@inner
def _copy(p, out):
    for j in range(len(p)):
        out[j] = max(p[j], _LEAST)


@inner
def _sum(counts, columns):
    total = int64(0)
    for j in range(len(columns)):
        total += int64(counts[columns[j]])
    return total


@inner
def _interpolate(counts, columns, total, discounts, p):
    """Replace ``p``, the distribution of a shorter context, by that of a context with these counts."""
    left = 0.0
    for j in range(len(columns)):
        c = int64(counts[columns[j]])
        left += discounts[min(c, _DISCOUNTS) - 1] if c else 0.0
    left /= total
    for j in range(len(columns)):
        c = int64(counts[columns[j]])
        own = (c - discounts[min(c, _DISCOUNTS) - 1]) / total if c else 0.0
        p[j] = own + left * p[j]


@inner
def _sure(counts, columns, total):
    kinds = 0
    for j in range(len(columns)):
        kinds += counts[columns[j]] > 0
    return 0 if total == 1 else 1 if kinds == 1 else 2


def laid_out(documents: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Documents as the text of a shard: the last first, each backwards, a break behind each."""
    out = np.empty(sum(map(len, documents)) + len(documents), np.uint8)
    end = len(out)
    for document in documents:
        out[end - 1] = BREAK
        out[end - 1 - len(document) : end - 1] = document[::-1]
        end -= len(document) + 1
    return out
