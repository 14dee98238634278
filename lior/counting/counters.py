"""Token counters of hard locations as a sorted table.

A counter is addressed by ``location * 2^16 + token``. The table keeps the
addresses that are not zero, ascending, with their counts: 12 bytes a counter.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

TOKEN_BITS = 16

MAX_VOCAB = 1 << TOKEN_BITS
"""Most token ids that a counter's address has room for."""


class Counters(NamedTuple):
    """A sparse, sorted array of counters."""

    keys: Tensor
    """``location << 16 | token``, int64 ``(M,)``, ascending, distinct."""
    counts: Tensor
    """int32 ``(M,)``, none of them 0."""


def tally(keys: Tensor) -> Counters:
    """The table that counts each of ``keys (N,)`` once per occurrence."""
    unique, counts = torch.unique_consecutive(keys.sort().values, return_counts=True)
    return Counters(unique, counts.int())


def continuations(keys: Tensor, longer: Tensor) -> Counters:
    """Count each key once per distinct longer key it occurs with (Kneser and Ney, 1995).

    ``keys (N,)`` and ``longer (N,)`` are the keys of the same ``N`` positions
    in a context and in the context one token longer.
    """
    ordered, position = longer.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=first[1:])
    return tally(keys[position[first]])


def accumulate(table: Counters, locations: Tensor, column_of: Tensor, out: Tensor) -> None:
    """Add the counters at ``locations (R,)`` to the rows of ``out (R, A)``.

    Parameters
    ----------
    column_of
        Column of each token id in ``out``, int64 ``(V,)``; -1 leaves the token out.
    """
    if not len(table.keys):
        return
    begin = torch.searchsorted(table.keys, locations << TOKEN_BITS)
    length = torch.searchsorted(table.keys, (locations + 1) << TOKEN_BITS) - begin
    row = torch.repeat_interleave(length)
    before = torch.cumsum(length, 0) - length
    entry = torch.arange(len(row), device=row.device) + (begin - before)[row]
    column = column_of[table.keys[entry] & (MAX_VOCAB - 1)]
    known = column >= 0
    target = (row * out.shape[1] + column)[known]
    out.view(-1)[target] += table.counts[entry][known].to(out.dtype)  # targets are distinct
