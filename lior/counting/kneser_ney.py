"""Modified Kneser–Ney smoothing in torch, for the n-gram baseline; Good and Turing's share of unseen tokens.

Counts are sparse, sorted tables: the address of a counter is ``location * 2^16 + token``, and the addresses
that are not zero are kept in ascending order, 12 bytes each. Absolute discounting turns counts ``c`` of a
context into a distribution over a shorter context's distribution ``p_base``:
``p(y) = max(c_y - D(c_y), 0) / n + (Σ_y D(c_y) / n) p_base(y)``, with a discount ``D`` that depends on the
count (Ney, Essen and Kneser, 1994; three discounts as in Chen and Goodman, 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lior.counting.locations import MAX_VOCAB, TOKEN_BITS


class CountTable(NamedTuple):
    """A sparse, sorted array of counters."""

    keys: Tensor
    """``location << 16 | token``, int64 ``(M,)``, ascending, distinct."""
    counts: Tensor
    """int32 ``(M,)``, none of them 0."""


def tally(keys: Tensor) -> CountTable:
    """Occurrences of each of ``keys (N,)``."""
    unique, counts = torch.unique_consecutive(keys.sort().values, return_counts=True)
    return CountTable(unique, counts.int())


def continuations(keys: Tensor, longer: Tensor) -> CountTable:
    """Number of distinct longer keys that each key occurs with (Kneser and Ney, 1995).

    ``keys (N,)`` and ``longer (N,)`` are the keys of the same ``N`` positions
    in a context and in the context one token longer.
    """
    ordered, position = longer.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=first[1:])
    return tally(keys[position[first]])


def accumulate(table: CountTable, locations: Tensor, column_of: Tensor, out: Tensor) -> None:
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


def discount(counts: Tensor, base: Tensor, discounts: Sequence[float]) -> Tensor:
    """Discount counts ``(..., B, A)`` over base distributions ``(B, A)``; without counts the base itself."""
    total = counts.sum(-1, keepdim=True)
    table = counts.new_tensor([0.0, *discounts])
    taken = table[counts.clamp(max=len(discounts)).long()]
    scale = 1.0 / total.clamp(min=1.0)
    share = torch.where(total > 0, taken.sum(-1, keepdim=True) * scale, torch.ones_like(total))
    return (counts - taken) * scale + share * base


def estimated_discounts(counts: Tensor) -> tuple[float, float, float]:
    """Discounts of counts 1, 2 and 3 or more from the counts of counts (Chen and Goodman, 1999, eq. 26)."""
    n1, n2, n3, n4 = (max(float((counts == k).sum()), 1.0) for k in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    raw = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    d1, d2, d3 = (min(max(d, 0.1), k - 0.1) for k, d in enumerate(raw, 1))
    return d1, d2, d3


def unseen_share(counts: Tensor) -> Tensor:
    """Probability of all unseen tokens together, given how often each was seen; float64 ``()``.

    Good and Turing's estimate, the number of tokens seen once over the number
    seen (I. J. Good, 1953), kept above 0 while there are unseen tokens; 1 when
    nothing was seen, 0 when every token was. ``counts`` are integers ``(V,)``.
    """
    once, total = (counts == 1).sum().double(), counts.sum().double()
    share = torch.where(total > 0, (once + 1) / (total + 2), 1.0)
    return torch.where((counts == 0).any(), share, 0.0)
