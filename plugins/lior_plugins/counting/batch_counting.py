"""Counts from totals: the counts of a text depend on the text alone, not on the order of counting.

:func:`part` turns a part of a text into rows. Each row of a pattern has a context and a token, how often
and where last the token followed it, and the address of the parent context there. Rows are sorted by
context and token, so that parts merge (:func:`merge`): counts add, the later place stays. Any split of a
text into parts, merged in any order, gives the same rows and so the same store to the last bit.

:func:`store` needs the totals of all parts: it keeps a context that occurred twice, or whose parent did. So
most contexts that occur once take no memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import int64, uint32, uint64
from numpy.typing import NDArray

from lior.compiling.compiled import entry, inner
from lior_plugins.counting import addresses, locations
from lior_plugins.counting.addresses import ADDRESS_BITS
from lior_plugins.counting.engine import Segment
from lior_plugins.counting.fields import REACH
from lior_plugins.counting.kernels import prefetch
from lior_plugins.counting.layout import Ints, Plan
from lior_plugins.counting.locations import (
    HASH_MULTIPLIER,
    MAX_COUNT,
    MAX_VOCAB,
    ONCE_RECENCY,
    TICK_BITS,
    TICKS,
    TOKEN_BITS,
    Store,
)
from lior_plugins.counting.packed import MAX_SIZE, Packed

PART = 1 << 20
"""Maximum tokens of a part in one memory. Counting uses ten bytes a token and pattern."""

_BLOCK = 8192
_BUCKET = 4096
_DIVIDE = 10
"""Maximum places in a bucket, unless that takes more than ``2^_DIVIDE`` buckets."""
_DIGIT = 8
_PASSES = -(-(ADDRESS_BITS + TOKEN_BITS) // _DIGIT)
_AHEAD = 24
_MOST_NOVEL = 255
_BYTES = locations.COUNTER.itemsize
_RECENCY_ONE = int(locations.RECENCY_ONE)
_HASH = (1 << ADDRESS_BITS) - 1

T = TypeVar("T")


class Piece(NamedTuple):
    """A segment, and the place of its first counted token in the order of the whole text."""

    segment: Segment
    time: int


class Rows(NamedTuple):
    """The counts of a pattern in a text: ``M`` pairs of a context and a token."""

    keys: NDArray[np.uint64]
    """``address << 16 | token``, ascending, distinct, ``(M,)``."""
    counts: NDArray[np.uint32]
    """Number of times that the token followed the context, ``(M,)``."""
    last: NDArray[np.int64]
    """Place of its last occurrence in the order of the text, ``(M,)``."""
    parent: NDArray[np.int64]
    """Address of the parent context at that place, ``(M,)``; the context's own without a parent."""


MOST = 1 << 24
"""Maximum tokens of a memory that are counted from totals; the rows of more would take gigabytes."""
_REST = 4
"""Logarithm of the steps per leading power of two in a memory's size, for counting from totals."""


def settle(tokens: int) -> int:
    """Return how many of a memory's first tokens are counted from totals: all but a sixteenth.

    The number grows by steps that grow with the memory. Later text is counted in sequence until a step is
    full, and then all of it is counted again. So the contents of a memory depend on its text alone. A
    memory of more than :data:`MOST` tokens is not counted from totals.
    """
    step = 1 << max(tokens.bit_length() - 1 - _REST, 0)
    return tokens - tokens % step if tokens <= MOST else 0


Counts = tuple[Rows, ...]
"""The rows of every pattern."""


def parents(plan: Plan) -> Ints:
    """Return each pattern's parent, -1 for none; the parent of a nested context is the next shorter one."""
    nested = np.arange(-1, plan.nested - 1)
    return np.concatenate([nested, plan.parent[plan.nested :]])


def pieces(segments: Sequence[Segment], parts: int) -> list[list[Piece]]:
    """Divide a text into ``parts`` parts of about the same number of tokens, in its order; none is empty."""
    sizes = [len(each.tokens) - each.start for each in segments]
    bounds = np.linspace(0, sum(sizes), parts + 1).astype(np.int64).tolist()
    found: list[list[Piece]] = [[] for _ in range(parts)]
    time = 0
    for segment, size in zip(segments, sizes, strict=True):
        begin, number = 0, bisect_right(bounds, time) - 1
        while begin < size:
            end = min(bounds[number + 1] - time, size)
            if begin < end:
                found[number].append(Piece(_cut(segment, begin, end), time + begin))
            begin, number = end, number + 1
        time += size
    return [each for each in found if each]


def _cut(segment: Segment, begin: int, end: int) -> Segment:
    """Return the tokens ``begin .. end - 1`` that a segment counts, with the context that they depend on."""
    first = max(segment.start + begin - REACH, 0)
    part = slice(first, segment.start + end)
    return Segment(segment.tokens[part], segment.depth[part], segment.start + begin - first)


# --- a part ---


def part(some: Sequence[Piece], patterns: tuple[str, ...], parent: Ints, threads: int = 1) -> Counts:
    """Return the rows of a part of a text; no place is in two pieces.

    Parameters
    ----------
    parent
        See :func:`parents`.
    """
    some = sorted(some, key=lambda piece: piece.time)
    where, tokens, times = _locate(some, patterns, threads)
    size, bits = len(tokens), max(int(tokens.max(initial=0)).bit_length(), 1)

    def count(patterns: Sequence[int]) -> list[Rows]:
        scratch, out, found = (np.empty(size, np.int64), np.empty(size, np.uint32)), _empty(size), []
        for s in patterns:
            above = where[parent[s] if parent[s] >= 0 else s]
            rows = _count(where[s], tokens, bits, *scratch, above, times, out)
            found.append(_first_rows(out, rows))
        return found

    shares = [range(number, len(patterns), threads) for number in range(threads)]
    found = list(_each(count, shares, threads))
    return tuple(found[s % threads][s // threads] for s in range(len(patterns)))


def _empty(size: int) -> Rows:
    keys, counts = np.empty(size, np.uint64), np.empty(size, np.uint32)
    return Rows(keys, counts, np.empty(size, np.int64), np.empty(size, np.int64))


def _first_rows(rows: Rows, size: int) -> Rows:
    """Return a copy of the first of ``rows``."""
    keys, counts, last, parent = rows
    return Rows(keys[:size].copy(), counts[:size].copy(), last[:size].copy(), parent[:size].copy())


def _each(task: Callable[[Any], T], many: Sequence[Any], threads: int) -> Iterator[T]:
    """Apply ``task`` to each of ``many`` in ``threads`` threads."""
    if threads == 1:
        yield from map(task, many)
    else:
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(task, many)


def _locate(
    some: Sequence[Piece], patterns: tuple[str, ...], threads: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return addresses ``(S, N)``, tokens and places of all counted tokens."""
    blocks, size = [], 0
    for segment, time in some:
        for lo, hi in segment.blocks(_BLOCK):
            blocks.append((segment, lo, hi, size, time + lo - segment.start))
            size += hi - lo
    where = np.empty((len(patterns), size), np.int64)
    tokens, times = np.empty(size, np.int64), np.empty(size, np.int64)

    def locate(block: tuple[Segment, int, int, int, int]) -> None:
        segment, lo, hi, at, time = block
        here = slice(at, at + hi - lo)
        where[:, here] = addresses.locate(segment.tokens[:hi], segment.depth[:hi], lo, patterns).where.T
        tokens[here], times[here] = segment.tokens[lo:hi], np.arange(time, time + hi - lo)

    list(_each(locate, blocks, threads))
    return where, tokens, times


@entry
def _count(where, tokens, bits, keys, places, parent, times, out):
    """Fill ``out`` with the rows of one pattern, ascending; returns their number.

    A key is the address without its pattern, then ``bits`` bits of the token. The places are divided by the
    first bits of their keys into buckets that the cache holds, and counted there.
    """
    size, low = len(tokens), ADDRESS_BITS + bits
    while low > ADDRESS_BITS + bits - _DIVIDE and (size >> (ADDRESS_BITS + bits - low)) > _BUCKET:
        low -= 1
    begin = np.zeros((1 << (ADDRESS_BITS + bits - low)) + 1, np.int64)
    for t in range(size):
        begin[(((where[t] & _HASH) << bits) >> low) + 1] += 1
    most = int64(0)
    for b in range(1, len(begin)):
        most = max(most, begin[b])
        begin[b] += begin[b - 1]
    end = begin[:-1].copy()
    for t in range(size):
        key = ((where[t] & _HASH) << bits) | tokens[t]
        to = end[key >> low]
        keys[to], places[to], end[key >> low] = key, t, to + 1
    table = np.empty(_table_size(most), np.int32)
    found, last = np.empty((2, most), np.int64), np.empty((2, most), np.uint32)
    number, rows = np.empty((2, most), np.uint32), int64(0)
    digits = np.zeros((_PASSES, 1 << _DIGIT), np.int64)
    for b in range(len(end)):
        here = slice(begin[b], begin[b + 1])
        distinct = _tally(keys[here], places[here], table, found[0], number[0], last[0])
        k = _sort(found, number, last, distinct, low, digits)
        for j in range(distinct):
            place, key = int64(last[k, j]), found[k, j]
            out.keys[rows] = _key(where[place], key & ((1 << bits) - 1))
            out.counts[rows], out.last[rows], out.parent[rows] = number[k, j], times[place], parent[place]
            rows += 1
    return rows


@inner
def _table_size(rows):
    size = 2
    while size < 2 * rows:
        size *= 2
    return size


@inner
def _tally(keys, places, table, found, number, last):
    """Collect the distinct keys of a bucket, their counts and last places; returns the number of keys."""
    size, distinct = _table_size(len(keys)), int64(0)
    table[:size] = -1
    for j in range(len(keys)):
        mixed = (uint64(keys[j]) * uint64(HASH_MULTIPLIER)) >> uint64(32)
        p = int64((mixed * uint64(size)) >> uint64(32))
        while table[p] >= 0 and found[table[p]] != keys[j]:
            p = p + 1 if p + 1 < size else 0
        row = int64(table[p])
        if row < 0:
            row, table[p] = distinct, distinct
            found[row], number[row] = keys[j], 0
            distinct += 1
        number[row] += uint32(1)
        last[row] = places[j]
    return distinct


@inner
def _sort(found, number, last, size, bits, digits):
    """Radix-sort the first of two rows of arrays by ``bits``-bit keys; returns the row with the result."""
    digits[:] = 0
    passes, mask = (bits + _DIGIT - 1) // _DIGIT, (1 << _DIGIT) - 1
    for j in range(size):
        for k in range(passes):
            digits[k, (found[0, j] >> (k * _DIGIT)) & mask] += 1
    here = 0
    for k in range(passes):
        total, most = int64(0), int64(0)
        for digit in range(mask + 1):
            count = digits[k, digit]
            digits[k, digit], total, most = total, total + count, max(most, count)
        if most == size:
            continue
        there = 1 - here
        for j in range(size):
            digit = (found[here, j] >> (k * _DIGIT)) & mask
            to = digits[k, digit]
            digits[k, digit] = to + 1
            found[there, to], number[there, to], last[there, to] = (
                found[here, j],
                number[here, j],
                last[here, j],
            )
        here = there
    return here


# --- merging ---


def merge(parts: Iterable[Counts], threads: int = 1) -> Counts:
    """Return the rows of all parts together; no place may be in two of them."""
    columns = [list(rows) for rows in zip(*parts, strict=True)]
    return tuple(_each(_merged, columns, threads))


def _merged(rows: list[Rows]) -> Rows:
    """Return all rows together; the list is emptied, so that each is freed once it is merged."""
    while len(rows) > 1:
        rows.append(_pair(rows.pop(0), rows.pop(0)))
    return rows.pop()


def _pair(first: Rows, second: Rows) -> Rows:
    out = _empty(_together(first.keys, second.keys))
    _merge(first, second, out)
    return out


@entry
def _together(first, second):
    """Return the number of distinct keys of two sorted arrays."""
    i, j, number = 0, 0, 0
    while i < len(first) and j < len(second):
        low, high = first[i] <= second[j], second[j] <= first[i]
        i, j, number = i + low, j + high, number + 1
    return number + len(first) - i + len(second) - j


@entry
def _merge(first, second, out):
    i, j = 0, 0
    for k in range(len(out.keys)):
        low = j == len(second.keys) or (i < len(first.keys) and first.keys[i] <= second.keys[j])
        high = i == len(first.keys) or (j < len(second.keys) and second.keys[j] <= first.keys[i])
        if low:
            out.keys[k], out.counts[k] = first.keys[i], first.counts[i]
            out.last[k], out.parent[k] = first.last[i], first.parent[i]
        if high and not low:
            out.keys[k], out.counts[k] = second.keys[j], second.counts[j]
            out.last[k], out.parent[k] = second.last[j], second.parent[j]
        elif high:
            out.counts[k] += second.counts[j]
            if second.last[j] > out.last[k]:
                out.last[k], out.parent[k] = second.last[j], second.parent[j]
        i, j = i + low, j + high


# --- the store ---


def store(counts: Counts, plan: Plan, threads: int = 1) -> Store:
    """Select the locations to store from all rows of a text.

    The counter of a location's last token comes first, then that of the token before it, and so on. In a
    nested context, the novel occurrences of a token count the next longer contexts that it followed; in the
    longest context they are all occurrences. Recency is the share of the occurrences, as if they were
    evenly spread.
    """
    parent, patterns = parents(plan), range(len(counts))
    indices = list(_each(_index_of, counts, threads))

    def mark(s: int) -> tuple[NDArray[np.bool_], Ints]:
        above = parent[s] if parent[s] >= 0 else s
        keep, size = np.zeros(len(counts[s].keys), np.bool_), np.zeros(2, np.int64)
        _keep(counts[s], counts[above], indices[above], bool(parent[s] < 0), keep, size)
        return keep, size

    marks = list(_each(mark, patterns, threads))

    def locate(s: int) -> Packed:
        return _locations(s, counts, plan, indices[s], *marks[s])

    number, counters = (sum(int(size[k]) for _, size in marks) for k in range(2))
    out = locations.reserve(locations.empty(), number, 2 * counters + 64)
    for found in _each(locate, patterns, threads):  # this thread inserts what the others write
        locations.insert(out, found)
    return out


def _locations(
    s: int, counts: Counts, plan: Plan, index: _Index, keep: NDArray[np.bool_], size: Ints
) -> Packed:
    """Return the marked locations of pattern ``s``; ``size (2,)`` counts locations and counters."""
    rows = counts[s]
    novel = np.zeros(len(rows.keys), np.uint8)
    if s == plan.nested - 1:
        novel[:] = np.minimum(rows.counts, _MOST_NOVEL)
    elif s < plan.nested:
        _novel(counts[s + 1].keys, counts[s + 1].parent, rows.keys, index, novel)
    out = Packed(
        np.empty(size[0], np.int64), np.empty(size[0], np.int32), np.empty((size[1], _BYTES), np.uint8)
    )
    _write(rows, novel, keep, out.addresses, out.sizes, out.counters.view(np.uint32))
    return out


class _Index(NamedTuple):
    """An index of sorted rows, which narrows the search for a key; about as many entries as rows."""

    shift: int
    """Number of a hash's low bits that do not select an entry."""
    starts: NDArray[np.uint32]
    """The first row of each entry, then the number of rows."""


def _index_of(rows: Rows) -> _Index:
    bits = min(len(rows.keys).bit_length(), ADDRESS_BITS)
    index = _Index(ADDRESS_BITS - bits, np.zeros((1 << bits) + 1, np.uint32))
    _fill(rows.keys, index)
    return index


@inner
def _entry(key, index):
    """Return the entry of an index for a key."""
    return int64(((key >> uint64(TOKEN_BITS)) & uint64(_HASH)) >> uint64(index.shift))


@entry
def _fill(keys, index):
    for key in keys:
        index.starts[_entry(key, index) + 1] += uint32(1)
    for b in range(1, len(index.starts)):
        index.starts[b] += index.starts[b - 1]


@inner
def _first(keys, index, key):
    """Return the first row whose key is at least ``key``, if its hash is in the index."""
    e = _entry(key, index)
    lo, hi = int64(index.starts[e]), int64(index.starts[e + 1])
    while lo < hi:
        middle = (lo + hi) >> 1
        if keys[middle] < key:
            lo = middle + 1
        else:
            hi = middle
    return lo


@inner
def _key(address, token):
    return (uint64(address) << uint64(TOKEN_BITS)) | uint64(token)


@inner
def _fetch(keys, index, parent, i):
    """Prefetch the rows of the parent contexts that the rows after ``i`` will look up."""
    if i + 2 * _AHEAD < len(parent):
        prefetch(index.starts, _entry(_key(parent[i + 2 * _AHEAD], 0), index))
    if i + _AHEAD < len(parent):
        prefetch(keys, int64(index.starts[_entry(_key(parent[i + _AHEAD], 0), index)]))


@entry
def _novel(longer, parent, keys, index, novel):
    """Count for each row the next longer contexts that its token followed."""
    for i in range(len(longer)):
        _fetch(keys, index, parent, i)
        key = _key(parent[i], longer[i] & uint64(MAX_VOCAB - 1))
        row = _first(keys, index, key)
        if novel[row] < _MOST_NOVEL:
            novel[row] += 1


@inner
def _end(keys, begin):
    """Return the row after the context that begins at row ``begin``."""
    end, context = begin + 1, keys[begin] >> uint64(TOKEN_BITS)
    while end < len(keys) and keys[end] >> uint64(TOKEN_BITS) == context:
        end += 1
    return end


@inner
def _again(keys, counts, row, end):
    """Return whether the context that begins at a row occurred twice."""
    context = keys[row] >> uint64(TOKEN_BITS)
    return counts[row] > 1 or (row + 1 < end and keys[row + 1] >> uint64(TOKEN_BITS) == context)


@entry
def _keep(rows, above, index, every, keep, size):
    """Mark the first row of each context that is kept; ``size (2,)`` gets the numbers of contexts and rows.

    ``above`` holds the rows of the parent pattern; ``every`` says that there is no parent.
    """
    begin = 0
    while begin < len(keep):
        end = _end(rows.keys, begin)
        _fetch(above.keys, index, rows.parent, begin)
        if every or _again(rows.keys, rows.counts, begin, end):
            keep[begin] = True
        else:
            row = _first(above.keys, index, _key(rows.parent[begin], 0))
            keep[begin] = _again(above.keys, above.counts, row, len(above.keys))
        if keep[begin]:
            size[0] += 1
            size[1] += min(end - begin, MAX_SIZE)
        begin = end


@entry
def _write(rows, novel, keep, where, sizes, words):
    """Write the kept contexts: their addresses, numbers of counters, and counters."""
    order = np.empty(MAX_VOCAB, np.int64)
    begin, location, k = 0, 0, 0
    while begin < len(keep):
        end = _end(rows.keys, begin)
        if keep[begin]:
            total = int64(0)
            for j in range(end - begin):
                order[j] = begin + j
                total += int64(rows.counts[begin + j])
            _sort_by_time(rows.last, order, end - begin)
            sizes[location] = min(end - begin, MAX_SIZE)
            where[location] = int64(rows.keys[begin] >> uint64(TOKEN_BITS))
            for j in range(sizes[location]):
                _write_counter(rows, order[j], total, novel, words[k + j])
            k += int64(sizes[location])
            location += 1
        begin = end


@inner
def _sort_by_time(last, order, size):
    """Sort the rows ``order[:size]`` by time, the latest first (D. L. Shell, 1959)."""
    gap = 1
    while gap < size // 3:
        gap = 3 * gap + 1
    while gap:
        for i in range(gap, size):
            row, j = order[i], i
            while j >= gap and last[order[j - gap]] < last[row]:
                order[j] = order[j - gap]
                j -= gap
            order[j] = row
        gap //= 3


@inner
def _write_counter(rows, row, total, novel, out):
    count = int64(rows.counts[row])
    recency = ONCE_RECENCY if total == 1 else (count * _RECENCY_ONE + total // 2) // total
    token = int64(rows.keys[row] & uint64(MAX_VOCAB - 1))
    out[0] = token | min(count, MAX_COUNT) << 16
    out[1] = recency
    out[2] = ((rows.last[row] >> TICK_BITS) & TICKS) | int64(novel[row]) << 24
