"""Counts of a text from the totals of its parts, on the CPU or on another device, with equal rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lior.plugins.devices import block_entries, fit_blocks
from lior_plugins.counting import addresses, fields, locations
from lior_plugins.counting.batch_counting import (
    PART,
    Counts,
    Piece,
    Rows,
    merge,
    parents,
    part,
    pieces,
    store,
)
from lior_plugins.counting.engine import Segment
from lior_plugins.counting.layout import Ints, Plan
from lior_plugins.counting.locations import TOKEN_BITS, Store

CPU = torch.device("cpu")
_ON_DEVICE = 1 << 16
"""Number of tokens located at a time on a device, and of the smallest part there; chosen by hand, because
their fields take 13 MB."""


def part_on(some: Sequence[Piece], patterns: tuple[str, ...], parent: Ints, device: torch.device) -> Counts:
    """Return the rows of :func:`part`, to the last bit, by torch on any device.

    The CPU computes the fields only, since each follows from those of the position before.
    """
    some = sorted(some, key=lambda piece: piece.time)
    segments = [piece.segment for piece in some]
    tokens = _joined([each.tokens[each.start :] for each in segments], device)
    times = _joined([time + np.arange(len(each.tokens) - each.start) for each, time in some], device)
    where = tokens.new_empty(len(patterns), len(tokens))
    for block in pieces(segments, -(-len(tokens) // _ON_DEVICE)):
        found = _locate_on([piece.segment for piece in block], patterns, device)
        where[:, block[0].time :][:, : found.shape[1]] = found
    above = [s if up < 0 else up for s, up in enumerate(parent.tolist())]
    return tuple(_count_on(where[s], tokens, where[above[s]], times) for s in range(len(patterns)))


def _joined(columns: Sequence[Ints], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate(columns)).to(device)


def _locate_on(segments: Sequence[Segment], patterns: tuple[str, ...], device: torch.device) -> Tensor:
    """Return the addresses ``(S, B)`` of the tokens that segments count."""
    columns, size = [], 0
    for tokens, depth, start in ((each.tokens, each.depth, each.start) for each in segments):
        at = np.arange(start, len(tokens))
        values = np.zeros((len(at), len(fields.FIELDS)), np.int64)
        fields.compute(tokens, depth, start, values)
        columns.append((tokens, size + at, np.minimum(depth[start:], at), values))
        size += len(tokens)
    return addresses.locate_on(patterns, *(_joined(each, device) for each in zip(*columns, strict=True)))


def _count_on(where: Tensor, tokens: Tensor, above: Tensor, times: Tensor) -> Rows:
    """Return the rows of one pattern; ``above`` holds the addresses of the parent contexts."""
    keys, order = (where << TOKEN_BITS | tokens).sort(stable=True)
    keys, counts = keys.unique_consecutive(return_counts=True)
    last = order[counts.cumsum(0) - 1]  # places ascend, so the last of equal keys is the latest
    key, count, *rest = (each.cpu().numpy() for each in (keys, counts, times[last], above[last]))
    return Rows(key.view(np.uint64), count.astype(np.uint32), *rest)


def build(
    segments: Sequence[Segment],
    plan: Plan,
    patterns: tuple[str, ...],
    *,
    device: torch.device = CPU,
    parts: int = 1,
    threads: int = 1,
) -> Store:
    """Return the store of a text.

    Parameters
    ----------
    segments
        The text in its order; the first counted token has time 0.
    device
        Device that counts the parts: compiled code on the CPU, torch elsewhere, with equal rows. Out of
        memory halves the parts.
    parts
        Minimum number of parts.
    """
    size, parent = sum(len(each.tokens) - each.start for each in segments), parents(plan)
    compiled = device.type == "cpu"

    def count(some: Sequence[Piece]) -> Counts:
        if compiled:
            return part(some, patterns, parent, threads)
        return part_on(some, patterns, parent, device)

    def count_all() -> list[Counts]:
        most = max(block_entries(device, PART * len(patterns)) // len(patterns), _ON_DEVICE)
        return [count(each) for each in pieces(segments, max(parts, -(-size // most)))]

    counts = merge(count_all() if compiled else fit_blocks(count_all, device), threads)
    return store(counts, plan, threads) if counts else locations.empty()
