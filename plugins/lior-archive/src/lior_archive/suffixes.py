"""Suffix arrays: how often every token followed every context of a text, whatever the context's length.

A text stands backwards in a shard, so that a context is where a suffix begins, and a longer context is a
narrower range of the sorted suffixes (U. Manber and G. Myers, 1993). Beside each suffix stands the token that
followed its context, as in the transform of M. Burrows and D. Wheeler (1994), with running sums at regular
distances: counts of a range are a difference of two sums and the tokens at its ends (P. Ferragina and
G. Manzini, 2000). Counts of shards add, so a text gives the same counts however it is divided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import int64, uint8, uint32, uint64
from numpy.typing import NDArray
from pydivsufsort import divsufsort

from lior.counting.compiled import entry, inner
from lior.counting.kernels import array_at, prefetch

BREAK = 0
"""Stands between documents. In a document it ends the contexts before it, and is never predicted."""
TOKENS = 256
MOST = (1 << 31) - 2
"""Largest number of tokens of a shard, with a break for each document."""
SPAN = 1 << 16
"""Suffixes between two running sums."""
BLOCK = 1 << 11
"""Suffixes between two sums that begin anew with each span, so that 16 bits hold them.

With 512 a text is read a twentieth faster, but from 2 bytes a byte of the archive's text instead of 1.25.
"""
_PAIRS = TOKENS * TOKENS
_LINE = 64
"""Bytes that the processor brings near at once."""


class Shard(NamedTuple):
    """A text of ``N`` tokens and breaks, and its suffixes in their order."""

    text: NDArray[np.uint8]
    """The tokens backwards, a break behind each document, ``(N,)``."""
    order: NDArray[np.uint32]
    """Where each suffix begins, ``(N,)``."""
    following: NDArray[np.uint8]
    """The token before each suffix, which followed its context; a break for none, ``(N,)``."""
    sums: NDArray[np.uint32]
    """How often each token is among the first ``SPAN * i`` of ``following``, ``(N // SPAN + 1, 256)``."""
    parts: NDArray[np.uint16]
    """How often each is among those of the same span before ``BLOCK * i``, ``(N // BLOCK + 1, 256)``."""
    pairs: NDArray[np.uint32]
    """First suffix that begins with each two tokens or what comes after them, ``(256² + 1,)``."""


READ = ("following", "sums", "parts", "pairs")
"""What steps read; text and order are for places that are named, and tokens that follow nothing."""


def build(text: NDArray[np.uint8], unwritten: NDArray[np.int64] | None = None) -> Shard:
    """The shard of a text.

    Parameters
    ----------
    text
        Tokens backwards, with a break at the end.
    unwritten
        Places of tokens that are context and were not written: they follow nothing.
    """
    return complete(text, order_of(text), unwritten)


def order_of(text: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Where each suffix of a text begins, in their order."""
    return divsufsort(text).view(np.uint32) if len(text) else np.zeros(0, np.uint32)


def complete(
    text: NDArray[np.uint8], order: NDArray[np.uint32], unwritten: NDArray[np.int64] | None = None
) -> Shard:
    """The shard of a text whose suffixes are sorted; parameters as of :func:`build`."""
    zeros = {name: np.zeros(*of) for name, of in arrays_beside(len(text)).items()}
    shard = Shard(text=text, order=order, **zeros)
    kept = text if unwritten is None else text.copy()
    if unwritten is not None:
        kept[unwritten] = BREAK
    _fill(shard, kept)
    return shard


def arrays_beside(size: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shapes and types of what stands beside a text of ``size`` tokens and the order of its suffixes."""
    return {
        "following": ((size,), "u1"),
        "sums": ((size // SPAN + 1, TOKENS), "u4"),
        "parts": ((size // BLOCK + 1, TOKENS), "u2"),
        "pairs": ((_PAIRS + 1,), "u4"),
    }


@entry
def _fill(shard, kept):
    """Work out what stands beside the suffixes; ``kept`` has a break for each token that follows nothing."""
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
    """Where the arrays of ``S`` shards are, which must outlive it, for functions that read any number."""

    addresses: NDArray[np.int64]
    """In the order of the fields of a shard, ``(S, 6)``."""
    sizes: NDArray[np.int64]
    """``(S,)``"""


def table(shards: Sequence[Shard]) -> Table:
    """Where the arrays of shards are."""
    addresses = [[array.ctypes.data for array in shard] for shard in shards]
    return Table(np.array(addresses, np.int64), np.array([len(shard.text) for shard in shards], np.int64))


@inner
def shard_at(table, s):
    """The shard number ``s``."""
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
def _narrow(shard, lo, hi, depth, token, before):
    """The suffixes of a range, which share ``depth`` tokens, the first being ``before``, that go on so."""
    if depth == 0:
        return int64(shard.pairs[token * TOKENS]), int64(shard.pairs[(token + 1) * TOKENS])
    if depth == 1:
        pair = before * TOKENS + token
        return int64(shard.pairs[pair]), int64(shard.pairs[pair + 1])
    first = _bound(shard, lo, hi, depth, token)
    return first, _bound(shard, first, hi, depth, token + 1)


@inner
def search(shard, tokens, at, longest, lo, hi):
    """Find the suffixes of the contexts of ``0, 1, … longest`` tokens before ``at``, none being ``0, 0``."""
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
    """A range without a sign: an index that could be negative would be tested, one byte at a time."""
    return range(uint64(begin), uint64(end))


@inner
def within(shard, token, begin, end):
    """How often a token follows suffixes of a range."""
    found = int64(0)
    for i in places(begin, end):
        found += shard.following[i] == token
    return found


@inner
def _nearest(shard, i):
    """The block whose sums are nearest to the suffix ``i``."""
    return min((i + BLOCK // 2) // BLOCK, len(shard.parts) - 1)


@inner
def _before(shard, token, i):
    """How often a token follows the first ``i`` suffixes."""
    block = _nearest(shard, i)
    known = int64(shard.sums[block // (SPAN // BLOCK), token]) + int64(shard.parts[block, token])
    return known + within(shard, token, block * BLOCK, i) - within(shard, token, i, block * BLOCK)


@inner
def fetch(shard, token, i):
    """Have the processor bring near what :func:`step` reads at the suffix ``i``."""
    block = _nearest(shard, i)
    prefetch(shard.parts, block * TOKENS + token)
    prefetch(shard.sums, block // (SPAN // BLOCK) * TOKENS + token)
    _fetch_following(shard, block, i)


@inner
def fetch_counts(shard, lo, hi):
    """Have the processor bring near what :func:`add_counts` reads for a range."""
    for i in (lo, hi):
        block = _nearest(shard, i)
        for token in range(0, TOKENS, _LINE // 2):
            prefetch(shard.parts, block * TOKENS + token)
        _fetch_following(shard, block, i)


@inner
def _fetch_following(shard, block, i):
    """Have the processor bring near what follows suffixes between ``i`` and where a block begins."""
    for place in range(min(i, block * BLOCK), max(i, block * BLOCK), _LINE):
        prefetch(shard.following, place)


@inner
def step(shard, token, lo, hi):
    """The suffixes of a context, ``lo < hi``, that goes on by one token; ``0, 0`` if there are none.

    The suffixes that the token follows are in the order of those that begin with it: the step of Ferragina
    and Manzini (2000), without a search.
    """
    first = _before(shard, token, lo)
    count = within(shard, token, lo, hi) if hi - lo <= BLOCK else _before(shard, token, hi) - first
    return among(shard, token, first, count)


@inner
def among(shard, token, first, count):
    """So many suffixes that begin with a token, from the one of that number on; ``0, 0`` for none.

    Whatever a damaged file says, they are of those that begin with the token.
    """
    begin, end = int64(shard.pairs[token * TOKENS]), int64(shard.pairs[(token + 1) * TOKENS])
    lo, hi = min(max(begin + first, begin), end), min(max(begin + first + count, begin), end)
    return (lo, hi) if lo < hi else (int64(0), int64(0))


@inner
def walk(shard, tokens, at, longest, lo, hi):
    """As :func:`search`, by steps from ``longest`` tokens before, so that text and order are not read."""
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
    """As :func:`step` for the contexts of ``least`` to ``most`` tokens, each of whose ranges holds the next.

    What is read next of the longest is fetched, also for a further step by the token ``following``.
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
    """Add how often each token follows the suffixes of a range, to ``out (4, 256)``, whose rows are summands.

    Neighbours are often the same token: an increment would wait for the one before it, were there one row.
    """
    # From the sums that are nearest to the ends: on average a quarter of a block is read at each.
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
    """Whether all tokens of a text follow something, so that steps are exact; ``rest (256,)`` is scratch."""
    rest[:] = 0
    for i in range((len(shard.parts) - 1) * BLOCK, len(shard.following)):
        rest[shard.following[i]] += 1
    for token in range(TOKENS):
        have = int64(shard.pairs[(token + 1) * TOKENS]) - int64(shard.pairs[token * TOKENS])
        if have != int64(shard.sums[-1, token]) + int64(shard.parts[-1, token]) + rest[token]:
            return False
    return True


def laid_out(documents: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Documents as the text of a shard: the last first, each backwards, a break behind each."""
    out = np.empty(sum(map(len, documents)) + len(documents), np.uint8)
    end = len(out)
    for document in documents:
        out[end - 1] = BREAK
        out[end - 1 - len(document) : end - 1] = document[::-1]
        end -= len(document) + 1
    return out
