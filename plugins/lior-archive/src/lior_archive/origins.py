"""Attribution of ∞-gram probabilities: the places of texts behind each, and their shares.

A probability is a sum over context lengths: the share from a length's counts, times the share left by the
longer ones. The places where the token followed a context of a length share its summand equally.
"""

# mypy: disallow-untyped-defs=False
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lior.compiling import entry
from lior_archive import suffixes
from lior_archive.suffixes import BREAK, TOKENS, Shard, add_counts, search, shard_at

MOST = 64
"""Maximum number of listed places after a context; with more, only places of a longer context are listed."""
_WIDEST = 1 << 22
"""Maximum number of suffixes to search."""


class Origins(NamedTuple):
    """The ``K`` listed places behind the probabilities of ``B`` tokens."""

    row: NDArray[np.int64]
    expert: NDArray[np.int64]
    shard: NDArray[np.int64]
    place: NDArray[np.int64]
    """Place of the token in the text of the shard, ``(K,)``."""
    share: NDArray[np.float64]
    """Share of the expert's probability, ``(K,)``."""
    stored: NDArray[np.float64]
    """Total share of all places, listed or not, ``(B, E)``."""


def trace(
    shards: Sequence[Shard],
    tokens: NDArray[np.int64],
    depth: NDArray[np.int64],
    positions: NDArray[np.int64],
    predicted: NDArray[np.int64],
    alphabet: NDArray[np.int64],
    lengths: Sequence[int],
    discounts: Sequence[float],
) -> Origins:
    """Return the places behind the probabilities of ``predicted (B,)``, tokens of the alphabet.

    The other parameters are as in :class:`~lior_archive.infinigram.Reader` and its ``read``.
    """
    lo, hi = np.zeros((2, len(positions), len(shards), lengths[-1] + 1), np.int64)
    counts = np.zeros((len(positions), lengths[-1] + 1, TOKENS), np.int64)
    look_up(suffixes.table(shards), tokens, depth, positions, lo, hi, counts)
    counts[:, :, BREAK] = 0
    stored, found = np.zeros((len(positions), len(lengths))), list[tuple[NDArray[np.float64], ...]]()
    for row, token in enumerate(predicted.tolist()):
        known = counts[row][:, alphabet]
        column = int(np.searchsorted(alphabet, token))
        parts = np.array(list(_parts(known, column, lengths, discounts)))
        stored[row] = parts.sum(1)
        each = parts / np.maximum(known[:, column], 1)
        for s, shard in enumerate(shards):
            ranges = lo[row, s], hi[row, s]
            listed = _list_suffixes(shard, *ranges, known[:, column], hi[row].sum(0) - lo[row].sum(0), token)
            inside = (listed[:, None] >= ranges[0]) & (listed[:, None] < ranges[1])
            share = inside @ each.T
            at, expert = share.nonzero()
            place = shard.order[listed[at]].astype(np.int64) - 1
            found.append((np.full(len(at), row), expert, np.full(len(at), s), place, share[at, expert]))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)] or [np.zeros(0)] * 5
    whole = [column.astype(np.int64) for column in columns[:4]]
    return Origins(whole[0], whole[1], whole[2], whole[3], columns[4], stored)


@entry
def look_up(table, tokens, depth, positions, lo, hi, counts):
    """Find contexts: their suffixes ``lo`` and ``hi (B, S, L + 1)``; adds to ``counts (B, L + 1, 256)``."""
    near = np.empty((4, TOKENS), np.uint32)
    for row in range(len(positions)):
        at = positions[row]
        for s in range(len(table.sizes)):
            shard = shard_at(table, s)
            search(shard, tokens, at, min(lo.shape[2] - 1, depth[at]), lo[row, s], hi[row, s])
            for k in range(lo.shape[2]):
                if lo[row, s, k] < hi[row, s, k]:
                    near[:] = 0
                    add_counts(shard, lo[row, s, k], hi[row, s, k], near)
                    for token in range(TOKENS):
                        rows = near[0, token] + near[1, token] + near[2, token] + near[3, token]
                        counts[row, k, token] += np.uint32(rows)


def _parts(
    counts: NDArray[np.int64], column: int, lengths: Sequence[int], discounts: Sequence[float]
) -> Iterator[NDArray[np.float64]]:
    """Return the share of each context length in an expert's probability, ``(L + 1,)``, for each expert."""
    totals = np.append(counts.sum(1), 0)
    parts, rest = np.zeros(len(counts)), 1 / counts.shape[1]
    taken = np.array([0.0, *discounts])[np.minimum(counts, len(discounts))]
    for k in range(len(counts)):
        if totals[k] and (totals[k + 1] != totals[k] or k in lengths):
            left = taken[k].sum() / totals[k]
            parts, rest = parts * left, rest * left
            parts[k] = (counts[k, column] - taken[k, column]) / totals[k]
        if k in lengths:
            yield parts / (parts.sum() + rest)


def _list_suffixes(
    shard: Shard,
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
    counts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    token: int,
) -> NDArray[np.int64]:
    """List the suffixes that a token follows, of the shortest context after which it has few places."""
    few = ((counts > 0) & (counts <= MOST) & (sizes <= _WIDEST)).nonzero()[0]
    if not len(few):
        return np.zeros(0, np.int64)
    begin, end = lo[few[0]], hi[few[0]]
    listed = begin + np.flatnonzero(shard.following[begin:end] == token)
    # In a damaged archive the order of the suffixes may lead to another token.
    places = shard.order[listed].astype(np.int64) - 1
    sound = (places >= 0) & (places < len(shard.text))
    sound[sound] = shard.text[places[sound]] == token
    return listed[sound]


def locate(ends: NDArray[np.int64], places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the document, and the offset in it, of places of a text from
    :func:`~lior_archive.suffixes.laid_out`.

    ``ends`` holds the cumulative lengths of the documents with their breaks, in their order, ``(D,)``.
    """
    backwards = ends[-1] - 1 - places  # each document behind its break
    document = np.searchsorted(ends, backwards, side="right")
    return document, backwards - np.append(0, ends)[document] - 1
