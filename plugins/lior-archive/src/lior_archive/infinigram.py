"""∞-gram distributions: the tokens after contexts in several shards, interpolated over all their lengths.

The longest context that occurred decides (J. Liu et al., 2024), smoothed by the shorter ones. A frequent
context recurs and costs most, so its distribution and its ranges in each shard are cached. The tokens after
a rare context are read beside its suffixes, each of which is read once for all lengths.
"""

# mypy: disallow-untyped-defs=False
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import attrs
import numpy as np
from numba import float32, int64, uint32, uint64
from numpy.typing import NDArray

from lior.compiling import entry, inner
from lior.tensors import all_threads
from lior_archive import suffixes
from lior_archive.suffixes import (
    BREAK,
    TOKENS,
    Shard,
    Table,
    add_counts,
    fetch,
    fetch_counts,
    places,
    search,
    shard_at,
    step,
    step_nested,
    steps,
    walk,
)

OFTEN = 1 << 11
"""Number of occurrences above which a context is cached."""
KEPT = 1 << 14
"""Number of contexts that a thread caches, four bytes each for every token of the alphabet."""
_OF_OTHER_USE = 3
_ROOT, _SPARE, _OTHER = -1, -2, -3
"""Rows of other use: no context at all, and two for contexts that are not cached."""
_NONE = -4
_LEAST = 1e-30
"""Minimum probability, so that logarithms are finite in float32."""
_PART = 1 << 8
"""Minimum number of positions that a thread reads at once."""


class Kept(NamedTuple):
    """A cache of frequent contexts, each in the row of its hash; the last three of ``R`` rows are special."""

    keys: NDArray[np.int64]
    """Length, shard and range there of the context without its last token, and that token, ``(R, 5)``."""
    ranges: NDArray[np.int64]
    """First suffix and the one after the last, in each shard, ``(R, S, 2)``."""
    p: NDArray[np.float32]
    """Distributions, ``(R, A)``."""
    facts: NDArray[np.int64]
    """How many tokens of the alphabet followed, and how many different ones, ``(R, 2)``."""


class _Found(NamedTuple):
    """The ranges of a position's contexts, and scratch arrays."""

    lo: NDArray[np.int64]
    hi: NDArray[np.int64]
    """Ranges at a position and at the one before, ``(2, S, L + 1)``; ``0, 0`` for contexts that do not
    occur."""
    totals: NDArray[np.int64]
    """Suffixes in all shards, ``(2, L + 1)``."""
    slots: NDArray[np.int64]
    """The row of :class:`Kept` that holds, or will hold, the context; ``_NONE`` for none, ``(L + 1,)``."""
    new: NDArray[np.uint8]
    """Whether the row must still be filled, ``(L + 1,)``."""
    near: NDArray[np.uint32]
    """Counts by token of the alphabet, 0 between positions, ``(A,)``."""
    seen: NDArray[np.int64]
    """Tokens of the alphabet that followed, in order of first occurrence, ``(A,)``."""
    values: NDArray[np.uint32]
    """Counts of ``seen`` for each length, ``(L + 1, A)``."""
    kinds: NDArray[np.int64]
    sums: NDArray[np.int64]
    """Number of ``seen`` for each length, and the sum of their counts, ``(L + 1,)``."""
    counts: NDArray[np.uint32]
    """``(4, 256)``"""
    p: NDArray[np.float64]
    """``(A,)``"""


@attrs.define
class Reader:
    """A reader of distributions from shards.

    Parameters
    ----------
    shards
        Texts whose counts are added.
    lengths
        Maximum length of the context of each expert, ascending.
    discounts
        Discounts of counts 1, 2 and more (S. Chen and J. Goodman, 1999).
    """

    shards: tuple[Shard, ...]
    lengths: tuple[int, ...]
    discounts: tuple[float, ...]
    _table: Table = attrs.field(init=False)
    _kept: dict[bytes, list[Kept]] = attrs.field(factory=dict, init=False)
    """Caches for the last alphabet; each reading thread takes one."""

    def __attrs_post_init__(self) -> None:
        self._table = suffixes.table(self.shards)

    def read(
        self,
        tokens: NDArray[np.int64],
        depth: NDArray[np.int64],
        positions: NDArray[np.int64],
        alphabet: NDArray[np.int64],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Return the distributions before ``positions (B,)``.

        A text whose tokens all follow something is not read, nor is the order of its suffixes.

        Parameters
        ----------
        tokens, depth
            Tokens of documents, and the number of tokens of its document before each.
        positions
            ``(B,)``
        alphabet
            Tokens below 256, ``(A,)``.

        Returns
        -------
        p
            ``(B, E, A)``
        longest
            Length of the longest context that occurred, ``(B,)``.
        sure
            0 if one token followed it once, 1 if one followed several times, 2 if several did, ``(B,)``.
        """
        available = self._kept.get(alphabet.tobytes())
        if available is None:
            self._kept = {alphabet.tobytes(): (available := [])}
        rows = len(positions)
        p = np.empty((rows, len(self.lengths), len(alphabet)), np.float32)
        longest, sure = np.zeros((2, rows), np.int64)
        size = max(-(-rows // (4 * all_threads())), _PART)

        def read_some(begin: int) -> None:
            part = slice(begin, begin + size)
            try:
                kept = available.pop()
            except IndexError:
                kept = nothing_kept(len(self.shards), len(alphabet))
            read(
                self._table,
                tokens,
                depth,
                positions[part],
                alphabet,
                np.array(self.lengths),
                np.array(self.discounts, np.float64),
                kept,
                p[part],
                longest[part],
                sure[part],
            )
            available.append(kept)

        if size >= rows:
            read_some(0)
        else:
            with ThreadPoolExecutor(all_threads()) as pool:
                list(pool.map(read_some, range(0, rows, size)))
        return p, longest, sure


def nothing_kept(shards: int, alphabet: int, rows: int = KEPT) -> Kept:
    """Return an empty cache of frequent contexts."""
    rows += _OF_OTHER_USE
    keys, facts = np.full((rows, 5), -1, np.int64), np.zeros((rows, 2), np.int64)
    return Kept(keys, np.zeros((rows, shards, 2), np.int64), np.empty((rows, alphabet), np.float32), facts)


@entry
def read(table, tokens, depth, positions, columns, lengths, discounts, kept, out, longest, sure):
    """Compute distributions before positions, by absolute discounting interpolated over the context
    lengths.

    A length whose context occurred as often as the next longer one adds no information, since both have the
    same places; it is left out. Parameters as in :meth:`Reader.read`; ``out``, ``longest`` and ``sure``
    receive its results.
    """
    count, size, most = len(table.sizes), len(columns), lengths[-1] + 1
    found = _Found(
        np.zeros((2, count, most), np.int64),
        np.zeros((2, count, most), np.int64),
        np.zeros((2, most), np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.uint8),
        np.zeros(size, np.uint32),
        np.empty(size, np.int64),
        np.empty((most, size), np.uint32),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty((4, TOKENS), np.uint32),
        np.empty(size),
    )
    column = np.full(TOKENS, -1, np.int64)
    for j in range(size):
        if columns[j] != BREAK:
            column[columns[j]] = j
    steps_in, rest = np.empty(count, np.uint8), np.empty(TOKENS, np.int64)
    for s in range(count):
        steps_in[s] = steps(shard_at(table, s), rest)
    _keep_root(table, columns, discounts, found, kept)
    now = 0
    for row in range(len(positions)):
        at = positions[row]
        most_now = min(lengths[-1], depth[at])
        if row and most_now and positions[row - 1] == at - 1:
            _step_all(table, steps_in, tokens, at, most_now, found, kept, now)
        else:
            _find_all(table, steps_in, tokens, at, most_now, found, now)
        now = 1 - now
        longest[row], sure[row] = _interpolated(
            table, columns, column, lengths, discounts, found, kept, now, out[row]
        )


# --- ranges of contexts ---


@inner
def _find_all(table, steps_in, tokens, at, longest, found, last):
    """Find the contexts of a position in all shards, without the ranges of the position before it."""
    now = 1 - last
    lo, hi = found.lo, found.hi
    found.slots[:] = _NONE
    for s in range(len(table.sizes)):
        if steps_in[s]:
            walk(shard_at(table, s), tokens, at, longest, lo[now, s], hi[now, s])
        else:
            search(shard_at(table, s), tokens, at, longest, lo[now, s], hi[now, s])
    _add_up(found, now, 0)


@inner
def _add_up(found, now, begin):
    """Sum over all shards how often the contexts of at least a length occurred."""
    for k in range(begin, found.totals.shape[1]):
        found.totals[now, k] = 0
        for s in range(found.lo.shape[1]):
            found.totals[now, k] += found.hi[now, s, k] - found.lo[now, s, k]


@inner
def _step_all(table, steps_in, tokens, at, longest, found, kept, last):
    """Find the contexts of a position from those of the one before it, ``last``."""
    now, token = 1 - last, tokens[at - 1]
    lo, hi = found.lo, found.hi
    found.slots[:] = _NONE
    lo[now], hi[now] = 0, 0
    for s in range(len(table.sizes)):
        hi[now, s, 0] = table.sizes[s]
        if not steps_in[s]:
            search(shard_at(table, s), tokens, at, longest, lo[now, s], hi[now, s])
    found.totals[now, 0] = found.totals[last, 0]
    k = 0
    while token != BREAK and k < longest and found.totals[last, k] > OFTEN:
        _step_kept(table, steps_in, token, k, found, kept, last)
        k += 1
    top = k
    while token != BREAK and top < longest and found.totals[last, top]:
        top += 1
    for s in range(len(table.sizes)):
        if steps_in[s] and k < top:
            shard = shard_at(table, s)
            step_nested(
                shard,
                token,
                k,
                top - 1,
                lo[last, s],
                hi[last, s],
                lo[now, s],
                hi[now, s],
                tokens[min(at, len(tokens) - 1)],
            )
    _add_up(found, now, k + 1)


@inner
def _step_kept(table, steps_in, token, k, found, kept, last):
    """Find a context that extends a frequent one by one token."""
    now = 1 - last
    lo, hi = found.lo, found.hi
    first = 0
    while lo[last, first, k] == hi[last, first, k]:
        first += 1
    slot = _slot(kept.keys, k, first, lo[last, first, k], hi[last, first, k], token)
    total = int64(0)
    if slot >= 0:
        for s in range(lo.shape[1]):
            lo[now, s, k + 1], hi[now, s, k + 1] = kept.ranges[slot, s, 0], kept.ranges[slot, s, 1]
            total += hi[now, s, k + 1] - lo[now, s, k + 1]
        found.new[k + 1] = 0
    else:
        for s in range(lo.shape[1]):
            shard = shard_at(table, s)
            fetch(shard, token, lo[last, s, k])
            fetch(shard, token, hi[last, s, k])
        for s in range(lo.shape[1]):
            if steps_in[s] and lo[last, s, k] < hi[last, s, k]:
                shard = shard_at(table, s)
                lo[now, s, k + 1], hi[now, s, k + 1] = step(shard, token, lo[last, s, k], hi[last, s, k])
            total += hi[now, s, k + 1] - lo[now, s, k + 1]
        slot = -1 - slot
        found.new[k + 1] = 1
        if total > OFTEN:
            key, ranges = kept.keys[slot], kept.ranges[slot]
            key[0], key[1], key[2], key[3], key[4] = k, first, lo[last, first, k], hi[last, first, k], token
            for s in range(lo.shape[1]):
                ranges[s, 0], ranges[s, 1] = lo[now, s, k + 1], hi[now, s, k + 1]
                fetch_counts(shard_at(table, s), lo[now, s, k + 1], hi[now, s, k + 1])
    found.totals[now, k + 1] = total
    if total > OFTEN:
        found.slots[k + 1] = slot


@inner
def _slot(keys, k, first, lo, hi, token):
    """Return the row of a key, or -1 less the row that it would have."""
    mixed = (uint64(lo) * uint64(0x9E3779B97F4A7C15)) ^ (uint64(hi) * uint64(0xC2B2AE3D27D4EB4F))
    mixed = (mixed ^ uint64(k * TOKENS + token)) * uint64(0xD6E8FEB86659FD93)
    slot = int64((mixed >> uint64(32)) % uint64(len(keys) - _OF_OTHER_USE))
    key = keys[slot]
    same = key[0] == k and key[1] == first and key[2] == lo and key[3] == hi and key[4] == token
    return slot if same else -1 - slot


# --- tokens after contexts ---


@inner
def _keep_root(table, columns, discounts, found, kept):
    """Put the distribution without a context in its row."""
    root = kept.p[_ROOT]
    for j in range(len(columns)):
        root[j] = 1.0 / len(columns)
    for s in range(len(table.sizes)):
        found.lo[0, s, 0], found.hi[0, s, 0] = 0, table.sizes[s]
    _add_up(found, 0, 0)
    if found.totals[0, 0] > OFTEN:
        _interpolate_often(table, columns, discounts, found, 0, 0, root, root, kept.facts[_ROOT])


@inner
def _interpolate_often(table, columns, discounts, found, now, k, shorter, p, facts):
    """Compute the distribution after a frequent context from the shorter one's; both may be one array."""
    counts, seen, values = found.counts, found.seen, found.values[k]
    counts[:] = 0
    for s in range(len(table.sizes)):
        if found.lo[now, s, k] < found.hi[now, s, k]:
            add_counts(shard_at(table, s), found.lo[now, s, k], found.hi[now, s, k], counts)
    counts[:, BREAK] = 0
    total, n = int64(0), int64(0)
    for j in range(len(columns)):
        token = columns[j]
        c = uint32(counts[0, token] + counts[1, token] + counts[2, token] + counts[3, token])
        seen[n], values[n] = j, c
        n += c > 0
        total += int64(c)
    facts[0], facts[1] = total, n
    _interpolate(discounts, seen, values, n, total, shorter, p)


@inner
def _interpolate(discounts, seen, values, n, total, shorter, p):
    """Compute the distribution after a context from that of the shorter one, which may be the same array.

    ``n`` tokens ``seen`` followed the context, with the counts ``values``, ``total`` times together.
    """
    ones, twos = int64(0), int64(0)
    for i in range(n):
        ones += values[i] == 1
        twos += values[i] == 2
    left = ones * discounts[0] + twos * discounts[1] + (n - ones - twos) * discounts[2]
    left = left / total if total else 1.0
    for j in range(len(p)):
        p[j] = left * shorter[j]
    for i in range(n):
        c = values[i]
        discount = discounts[0] if c == 1 else discounts[1] if c == 2 else discounts[2]
        p[seen[i]] += (c - discount) / total


@inner
def _look(following, begin, end, column, near, seen, n, total):
    """Count the tokens of a range; returns the number of tokens seen, and their sum."""
    for i in places(begin, end):
        j = column[following[i]]
        if j >= 0:
            if near[j] == 0:
                seen[n] = j
                n += 1
            near[j] += uint32(1)
            total += 1
    return n, total


@inner
def _gather(table, column, found, now, least, most):
    """Count the tokens after contexts of ``least`` to ``most`` tokens, each without the longer one's."""
    near, seen, n, total = found.near, found.seen, int64(0), int64(0)
    for k in range(most, least - 1, -1):
        for s in range(len(table.sizes)):
            lo, hi = found.lo[now, s, k], found.hi[now, s, k]
            begin, end = hi, hi
            if k < most and found.lo[now, s, k + 1] < found.hi[now, s, k + 1]:
                begin, end = found.lo[now, s, k + 1], found.hi[now, s, k + 1]
            if lo == begin and end == hi:
                continue
            following = shard_at(table, s).following
            n, total = _look(following, lo, begin, column, near, seen, n, total)
            n, total = _look(following, end, hi, column, near, seen, n, total)
        found.kinds[k], found.sums[k] = n, total
        if k == most or total != found.sums[k + 1]:
            for i in range(n):
                found.values[k, i] = near[seen[i]]
        else:
            for i in range(n):
                found.values[k, i] = found.values[k + 1, i]
    for i in range(n):
        near[seen[i]] = 0


@inner
def _copy(p, out):
    for j in range(len(p)):
        out[j] = p[j] if p[j] > _LEAST else float32(_LEAST)


@inner
def _sure(total, kinds):
    return int64(0) if total == 1 else int64(1) if kinds == 1 else int64(2)


@inner
def _without_collision(row, shorter, kept):
    if row >= 0 and row == shorter:  # of hashes: the shorter context may be needed again
        kept.keys[row, 0] = -1
        return _NONE
    return row


@inner
def _interpolated(table, columns, column, lengths, discounts, found, kept, now, out):
    """Compute the distributions of a position; returns the longest context that occurred, and its
    certainty."""
    k, expert, longest, sure, row, shorter, tells = int64(0), int64(0), int64(0), int64(0), _ROOT, _ROOT, True
    while k < found.totals.shape[1] and found.totals[now, k] > OFTEN:
        if k:
            if tells or found.totals[now, k] != found.totals[now, k - 1]:
                shorter = row
            row = _without_collision(found.slots[k], shorter, kept)
            if row == _NONE or found.new[k]:
                if row == _NONE:
                    row = _OTHER if shorter == _SPARE else _SPARE
                _interpolate_often(
                    table, columns, discounts, found, now, k, kept.p[shorter], kept.p[row], kept.facts[row]
                )
        tells = k == lengths[expert]
        if kept.facts[row, 0]:
            longest, sure = k, _sure(kept.facts[row, 0], kept.facts[row, 1])
        if k == lengths[expert]:
            _copy(kept.p[row], out[expert])
            expert += 1
        k += 1
    for j in range(len(columns)):
        found.p[j] = kept.p[row, j]
    most = k
    while most < found.totals.shape[1] and found.totals[now, most]:
        most += 1
    _gather(table, column, found, now, k, most - 1)
    while k < most and found.sums[k]:
        end = k + 1 == most or found.sums[k + 1] == 0
        if end:
            longest, sure = k, _sure(found.sums[k], found.kinds[k])
        if end or found.sums[k] != found.sums[k + 1] or k == lengths[expert]:
            _interpolate(
                discounts, found.seen, found.values[k], found.kinds[k], found.sums[k], found.p, found.p
            )
        if k == lengths[expert]:
            _copy(found.p, out[expert])
            expert += 1
        k += 1
    for e in range(expert, len(lengths)):
        _copy(found.p, out[e])
    return longest, sure
