"""Suffix arrays: how often every token followed every context of a text, for any context length.

A shard stores its text backwards. So a context is the beginning of a suffix, and a longer context is a
narrower range of the sorted suffixes (U. Manber and G. Myers, 1993). Beside each suffix is the token that
followed its context, as in the transform of M. Burrows and D. Wheeler (1994), with running sums at regular
distances. The counts of a range are a difference of two sums and the tokens at its ends (P. Ferragina and
G. Manzini, 2000). Counts of shards add, so the counts of a text do not depend on its division.
"""

# mypy: disallow-untyped-defs=False
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import int64, uint8, uint32, uint64
from numpy.typing import NDArray
from pydivsufsort import divsufsort

from lior.compiling import entry, inner
from lior_plugins import array_at, prefetch

BREAK = 0
"""Separator between documents. It ends contexts, also inside a document, and is never predicted."""
TOKENS = 256
MOST = (1 << 31) - 2
"""Maximum number of tokens of a shard, including a break for each document."""
SPAN = 1 << 16
"""Number of suffixes between two running sums."""
BLOCK = 1 << 11
"""Number of suffixes between two sums that begin anew with each span, so that they fit 16 bits.

With 512, reading a text is 5 % faster, but takes 2 bytes instead of 1.25 for each byte of the archive's
text.
"""
_PAIRS = TOKENS * TOKENS
_LINE = 64
"""Bytes of a cache line of the processor."""


class Shard(NamedTuple):
    """A text of ``N`` tokens and breaks, and its suffixes in their order."""

    text: NDArray[np.uint8]
    """The tokens backwards, a break behind each document, ``(N,)``."""
    order: NDArray[np.uint32]
    """Start of each suffix in the text, ``(N,)``."""
    following: NDArray[np.uint8]
    """The token before each suffix, which followed its context; a break for none, ``(N,)``."""
    sums: NDArray[np.uint32]
    """Count of each token among the first ``SPAN * i`` of ``following``, ``(N // SPAN + 1, 256)``."""
    parts: NDArray[np.uint16]
    """Count of each token in the same span before ``BLOCK * i``, ``(N // BLOCK + 1, 256)``."""
    pairs: NDArray[np.uint32]
    """First suffix that begins with each pair of tokens or a later pair, ``(256² + 1,)``."""


READ = ("following", "sums", "parts", "pairs")
"""Arrays that steps read; text and order serve to name places, and for tokens that follow nothing."""


def build(text: NDArray[np.uint8], unwritten: NDArray[np.int64] | None = None) -> Shard:
    """Build the shard of a text.

    Parameters
    ----------
    text
        Tokens backwards, with a break at the end.
    unwritten
        Places of tokens that are context and were not written: they follow nothing.
    """
    return complete(text, order_of(text), unwritten)


def order_of(text: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Sort the suffixes of a text; returns the start of each."""
    return divsufsort(text).view(np.uint32) if len(text) else np.zeros(0, np.uint32)


def complete(
    text: NDArray[np.uint8], order: NDArray[np.uint32], unwritten: NDArray[np.int64] | None = None
) -> Shard:
    """Build the shard of a text whose suffixes are sorted; parameters as in :func:`build`."""
    zeros = {name: np.zeros(*of) for name, of in arrays_beside(len(text)).items()}
    shard = Shard(text=text, order=order, **zeros)
    kept = text if unwritten is None else text.copy()
    if unwritten is not None:
        kept[unwritten] = BREAK
    _fill(shard, kept)
    return shard


def arrays_beside(size: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shapes and types of the arrays beside the text and its suffix order, for ``size`` tokens."""
    return {
        "following": ((size,), "u1"),
        "sums": ((size // SPAN + 1, TOKENS), "u4"),
        "parts": ((size // BLOCK + 1, TOKENS), "u2"),
        "pairs": ((_PAIRS + 1,), "u4"),
    }


@entry
def _fill(shard, kept):
    """Compute the arrays beside the suffixes; ``kept`` has a break for each token that follows nothing."""
    text, order = shard.text, shard.order
    totals = np.zeros(TOKENS, np.uint32)
    for i in range(len(order) + 1):
        if i % BLOCK == 0:
            if i % SPAN == 0:
                shard.sums[i // SPAN, :] = totals
            for token in range(TOKENS):
                shard.parts[i // BLOCK, token] = totals[token] - shard.sums[i // SPAN, token]
        if i < len(order):
            place = int64(order[i])
            token = kept[place - 1] if place else uint8(BREAK)
            shard.following[i] = token
            totals[token] += uint32(1)
    for place in range(len(text)):
        shard.pairs[int64(text[place]) * TOKENS + _at(text, place + 1) + 1] += uint32(1)
    for pair in range(_PAIRS):
        shard.pairs[pair + 1] += shard.pairs[pair]


# --- several shards in one compiled function ---


class Table(NamedTuple):
    """Addresses of the arrays of ``S`` shards, which must outlive it, for compiled functions."""

    addresses: NDArray[np.int64]
    """Addresses in the order of a shard's fields, ``(S, 6)``."""
    sizes: NDArray[np.int64]
    """Number of tokens and breaks of each shard, ``(S,)``"""


def table(shards: Sequence[Shard]) -> Table:
    """Return the addresses of the arrays of shards."""
    addresses = [[array.ctypes.data for array in shard] for shard in shards]
    return Table(np.array(addresses, np.int64), np.array([len(shard.text) for shard in shards], np.int64))


@inner
def shard_at(table, s):
    """Return the shard number ``s``."""
    at, size = table.addresses[s], table.sizes[s]
    return Shard(
        array_at(at[0], (size,), np.uint8),
        array_at(at[1], (size,), np.uint32),
        array_at(at[2], (size,), np.uint8),
        array_at(at[3], (size // SPAN + 1, TOKENS), np.uint32),
        array_at(at[4], (size // BLOCK + 1, TOKENS), np.uint16),
        array_at(at[5], (_PAIRS + 1,), np.uint32),
    )


# --- contexts ---


@inner
def _at(text, place):
    """Return the token at a place; a break after the end, which only a damaged file reaches."""
    return int64(text[place]) if place < len(text) else int64(BREAK)


@inner
def _bound(shard, lo, hi, depth, token):
    """Return the first suffix of a range with a token of at least ``token`` at ``depth``; earlier ones
    agree."""
    while lo < hi:
        middle = (lo + hi) >> 1
        if _at(shard.text, int64(shard.order[middle]) + depth) < token:
            lo = middle + 1
        else:
            hi = middle
    return lo


@inner
def _narrow(shard, lo, hi, depth, token, before):
    """Narrow a range whose suffixes share ``depth`` tokens, ``before`` first, to those with ``token``
    next."""
    if depth == 0:
        return int64(shard.pairs[token * TOKENS]), int64(shard.pairs[(token + 1) * TOKENS])
    if depth == 1:
        pair = before * TOKENS + token
        return int64(shard.pairs[pair]), int64(shard.pairs[pair + 1])
    first = _bound(shard, lo, hi, depth, token)
    return first, _bound(shard, first, hi, depth, token + 1)


@inner
def search(shard, tokens, at, longest, lo, hi):
    """Find the suffixes of the contexts of ``0, 1, … longest`` tokens before ``at``; ``0, 0`` means none."""
    last = int64(0)
    lo[:], hi[:] = 0, 0
    hi[0] = len(shard.order)
    for k in range(longest):
        token = tokens[at - 1 - k]
        if token == BREAK:
            return
        found = _narrow(shard, lo[k], hi[k], k, token, last)
        if found[0] == found[1]:
            return
        lo[k + 1], hi[k + 1] = found
        last = tokens[at - 1]


@inner
def places(begin, end):
    """Return an unsigned range: an index that could be negative would be tested, one byte at a time."""
    return range(uint64(begin), uint64(end))


@inner
def within(shard, token, begin, end):
    """Count how often a token follows suffixes of a range."""
    found = int64(0)
    for i in places(begin, end):
        found += shard.following[i] == token
    return found


@inner
def _nearest(shard, i):
    """Return the block whose sums are nearest to the suffix ``i``."""
    return min((i + BLOCK // 2) // BLOCK, len(shard.parts) - 1)


@inner
def _before(shard, token, i):
    """Count how often a token follows the first ``i`` suffixes."""
    block = _nearest(shard, i)
    known = int64(shard.sums[block // (SPAN // BLOCK), token]) + int64(shard.parts[block, token])
    return known + within(shard, token, block * BLOCK, i) - within(shard, token, i, block * BLOCK)


@inner
def fetch(shard, token, i):
    """Prefetch the data that :func:`step` reads at the suffix ``i``."""
    block = _nearest(shard, i)
    prefetch(shard.parts, block * TOKENS + token)
    prefetch(shard.sums, block // (SPAN // BLOCK) * TOKENS + token)
    _fetch_following(shard, block, i)


@inner
def fetch_counts(shard, lo, hi):
    """Prefetch the data that :func:`add_counts` reads for a range."""
    for i in (lo, hi):
        block = _nearest(shard, i)
        for token in range(0, TOKENS, _LINE // 2):
            prefetch(shard.parts, block * TOKENS + token)
        _fetch_following(shard, block, i)


@inner
def _fetch_following(shard, block, i):
    """Prefetch the tokens that follow suffixes between ``i`` and the start of a block."""
    for place in range(min(i, block * BLOCK), max(i, block * BLOCK), _LINE):
        prefetch(shard.following, place)


@inner
def step(shard, token, lo, hi):
    """Return the suffixes of a context ``lo < hi`` extended by one token; ``0, 0`` if there are none.

    The suffixes that the token follows have the same order as those that begin with it: this is the step of
    Ferragina and Manzini (2000), without a search.
    """
    first = _before(shard, token, lo)
    count = within(shard, token, lo, hi) if hi - lo <= BLOCK else _before(shard, token, hi) - first
    return among(shard, token, first, count)


@inner
def among(shard, token, first, count):
    """Return ``count`` suffixes that begin with a token, from number ``first`` on; ``0, 0`` for none.

    Even in a damaged file they begin with the token.
    """
    begin, end = int64(shard.pairs[token * TOKENS]), int64(shard.pairs[(token + 1) * TOKENS])
    lo, hi = min(max(begin + first, begin), end), min(max(begin + first + count, begin), end)
    return (lo, hi) if lo < hi else (int64(0), int64(0))


@inner
def walk(shard, tokens, at, longest, lo, hi):
    """Search as :func:`search`, by steps from ``longest`` tokens before, without reading text and order."""
    lo[:], hi[:] = 0, 0
    hi[0] = len(shard.order)
    for n in range(longest):
        token = tokens[at - longest + n]
        for k in range(n, -1, -1):
            if token == BREAK or lo[k] == hi[k]:
                lo[k + 1], hi[k + 1] = 0, 0
            else:
                lo[k + 1], hi[k + 1] = step(shard, token, lo[k], hi[k])


@inner
def step_nested(shard, token, least, most, lo, hi, into_lo, into_hi, following):
    """Step as :func:`step` for the contexts of ``least`` to ``most`` tokens; each range contains the next.

    It prefetches the longest context's next data, also for a further step by the token ``following``.
    """
    while most >= least and lo[most] == hi[most]:
        into_lo[most + 1], into_hi[most + 1] = 0, 0
        most -= 1
    if most < least:
        return
    begin, end = lo[most], lo[most]
    first, count = _before(shard, token, begin), int64(0)
    fetch(shard, following, int64(shard.pairs[token * TOKENS]) + first)
    for k in range(most, least - 1, -1):
        left = within(shard, token, lo[k], begin)
        first -= left
        count += left + within(shard, token, end, hi[k])
        begin, end = lo[k], hi[k]
        into_lo[k + 1], into_hi[k + 1] = among(shard, token, first, count)


@inner
def add_counts(shard, lo, hi, out):
    """Count how often each token follows the suffixes of a range, in ``out (4, 256)``, whose rows are
    summands.

    Neighbours are often the same token: in a single row an increment would wait for the previous one.
    """
    # From the sums nearest to the ends: on average a quarter of a block is read at each.
    first, last = _nearest(shard, lo), _nearest(shard, hi)
    if hi - lo <= BLOCK:
        for i in places(lo, hi):
            out[i & 3, shard.following[i]] += uint32(1)
        return
    for token in range(TOKENS):
        out[0, token] += uint32(shard.parts[last, token]) - uint32(shard.parts[first, token])
    first_span, last_span = first // (SPAN // BLOCK), last // (SPAN // BLOCK)
    if first_span != last_span:
        for token in range(TOKENS):
            out[0, token] += shard.sums[last_span, token] - shard.sums[first_span, token]
    for i in places(lo, first * BLOCK):
        out[i & 3, shard.following[i]] += uint32(1)
    for i in places(first * BLOCK, lo):
        out[i & 3, shard.following[i]] -= uint32(1)
    for i in places(last * BLOCK, hi):
        out[i & 3, shard.following[i]] += uint32(1)
    for i in places(hi, last * BLOCK):
        out[i & 3, shard.following[i]] -= uint32(1)


@inner
def steps(shard, rest):
    """Return whether all tokens follow something, so that steps are exact; ``rest (256,)`` is scratch."""
    rest[:] = 0
    for i in range((len(shard.parts) - 1) * BLOCK, len(shard.following)):
        rest[shard.following[i]] += 1
    for token in range(TOKENS):
        have = int64(shard.pairs[(token + 1) * TOKENS]) - int64(shard.pairs[token * TOKENS])
        if have != int64(shard.sums[-1, token]) + int64(shard.parts[-1, token]) + rest[token]:
            return False
    return True


def laid_out(documents: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lay out documents as the text of a shard: the last first, each backwards, with a break after each."""
    out = np.empty(sum(map(len, documents)) + len(documents), np.uint8)
    end = len(out)
    for document in documents:
        out[end - 1] = BREAK
        out[end - 1 - len(document) : end - 1] = document[::-1]
        end -= len(document) + 1
    return out
