"""Modified Kneser–Ney smoothing in torch, for the n-gram baseline, and Good and Turing's share of unseen
tokens.

Counts are sparse, sorted tables: the address of a counter is ``location * 2^16 + token``, and the non-zero
addresses are stored in ascending order, 12 bytes each. Absolute discounting interpolates the counts ``c``
of a context with ``p_base``, the distribution in a shorter context. The result is ``p(y) = max(c_y -
D(c_y), 0) / n + (Σ_y D(c_y) / n) p_base(y)``. The discount ``D`` depends on the count (Ney, Essen and
Kneser, 1994; three discounts as in Chen and Goodman, 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

TOKEN_BITS = 16
"""Bits of a token in a key."""


class CountTable(NamedTuple):
    """A sparse, sorted array of counters."""

    keys: Tensor
    """``location << 16 | token``, int64 ``(M,)``, ascending, distinct."""
    counts: Tensor
    """int32 ``(M,)``, none of them 0."""


def tally(keys: Tensor) -> CountTable:
    """Return occurrences of each of ``keys (N,)``."""
    unique, counts = torch.unique_consecutive(keys.sort().values, return_counts=True)
    return CountTable(unique, counts.int())


def continuations(keys: Tensor, longer: Tensor) -> CountTable:
    """Return the number of distinct longer keys that each key occurs with (Kneser and Ney, 1995).

    ``keys (N,)`` and ``longer (N,)`` are the keys of the same ``N`` positions
    in a context and in the context one token longer.
    """
    ordered, position = longer.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=first[1:])
    return tally(keys[position[first]])


def smooth(
    table: CountTable, discounts: Sequence[float], locations: Tensor, tokens: Tensor, base: Tensor
) -> Tensor:
    """Return the probabilities of tokens, each after a context of its own.

    Parameters
    ----------
    discounts
        Discounts of the counts 1, 2, …; the last one applies to larger counts too.
    locations, tokens
        The contexts and the tokens, int64 ``(B,)``.
    base
        Their probabilities after the shorter contexts, float64 ``(B,)``; returned for contexts without
        counts.
    """
    if not len(table.keys):
        return base
    begin, end = torch.searchsorted(table.keys, torch.stack([locations, locations + 1]) << TOKEN_BITS)
    asked = locations << TOKEN_BITS | tokens
    at = torch.searchsorted(table.keys, asked).clamp(max=len(table.keys) - 1)
    count = table.counts[at] * (table.keys[at] == asked)
    taken = base.new_tensor([0.0, *discounts])
    cut = taken[table.counts.clamp(max=len(discounts))]
    sums = torch.stack([table.counts.double(), cut]).cumsum(1)
    total, left = (torch.cat([row.new_zeros(1), row]) for row in sums)
    size = total[end] - total[begin]
    own = count - taken[count.clamp(max=len(discounts))]
    return torch.where(size > 0, (own + (left[end] - left[begin]) * base) / size.clamp(min=1.0), base)


def estimated_discounts(counts: Tensor) -> tuple[float, float, float]:
    """Estimate discounts of counts 1, 2, 3 or more from the counts of counts (Chen and Goodman, 1999, eq.
    26)."""
    n1, n2, n3, n4 = (max(float((counts == k).sum()), 1.0) for k in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    raw = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    d1, d2, d3 = (min(max(d, 0.1), k - 0.1) for k, d in enumerate(raw, 1))
    return d1, d2, d3


def unseen_share(counts: Tensor) -> Tensor:
    """Return the total probability of all unseen tokens, given how often each was seen; float64 ``()``.

    Good and Turing's estimate, the number of tokens seen once over the number
    seen (I. J. Good, 1953), kept above 0 while there are unseen tokens; 1 when
    nothing was seen, 0 when every token was. ``counts`` are integers ``(V,)``.
    """
    once, total = (counts == 1).sum().double(), counts.sum().double()
    share = torch.where(total > 0, (once + 1) / (total + 2), 1.0)
    return torch.where((counts == 0).any(), share, 0.0)
