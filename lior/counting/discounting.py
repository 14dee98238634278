"""From token counts to distributions: absolute discounting with a shorter context as base.

``p(y) = max(c_y - D(c_y), 0) / n + (Σ_y D(c_y) / n) p_base(y)`` with a discount
``D`` that depends on the count (Ney, Essen and Kneser, 1994; three discounts
as in Chen and Goodman, 1999). A location that was never written passes its
base on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def discount(counts: Tensor, base: Tensor, discounts: Sequence[float]) -> Tensor:
    """One level: counts ``(..., B, A)`` over base distributions ``(B, A)``."""
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
