"""Canonical variates of the distant context: the few sums that predict the next token best.

``f_v = Σ_l λ^l 1[x_{t−l} = v]`` are decayed counts of the tokens before a position, ``y`` is the token that
follows. The canonical variates of the two (H. Hotelling, *Biometrika* 28 (1936) 321) are the sums ``u · f``
that correlate most with sums over the classes of ``y``. The information in the last tokens is left out:
both are measured from their means over the positions with the same last tokens (fixed effects).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

_RIDGE = 1e-3
"""A constant added to the variance of each count, which is 1."""
_CONSTANT = 1e-9
"""Minimum standard deviation of counts that vary."""


class Variates(NamedTuple):
    """The leading canonical variates."""

    weights: Tensor
    """``u``, float64 ``(V, k)``: within groups the sums have variance 1, and no correlation."""
    correlations: Tensor
    """Correlations with the next token, float64 ``(k,)``, descending; about ``√(V/N)`` by chance."""


def variates(counts: Tensor, groups: Tensor, tokens: Tensor, k: int) -> Variates:
    """Return the ``k`` variates of ``counts (N, V)`` and ``tokens (N,)`` within ``groups (N,)``.

    A constant column has the weight 0, and so have variates beyond the rank. The classes of the tokens are
    treated as uncorrelated, each with its variance within the groups.
    """
    _, group, sizes = groups.unique(return_inverse=True, return_counts=True)
    _, label = tokens.unique(return_inverse=True)
    size, classes = len(sizes), int(label.max()) + 1
    spread = counts.std(0).double()
    live = (spread > _CONSTANT).nonzero()[:, 0]
    x = counts[:, live] / spread[live].to(counts.dtype)
    x -= (x.new_zeros(size, len(live)).index_add_(0, group, x) / sizes[:, None])[group]
    joint = x.new_zeros(size, classes).index_put_((group, label), x.new_ones(()), accumulate=True)
    within = (joint - joint.square() / sizes[:, None]).sum(0).clamp(min=1).sqrt()
    cross = x.new_zeros(classes, len(live)).index_add_(0, label, x).mT / within
    ridge = _RIDGE * torch.eye(len(live), dtype=torch.float64, device=x.device)
    root = torch.linalg.cholesky((x.mT @ x).double() / len(x) + ridge)
    scaled = torch.linalg.solve_triangular(root, cross.double() / len(x) ** 0.5, upper=False)
    u, s, _ = torch.linalg.svd(scaled, full_matrices=False)
    found = min(k, len(s))
    weights = spread.new_zeros(counts.shape[1], k)
    directions = torch.linalg.solve_triangular(root.mT, u[:, :found], upper=True)
    weights[live, :found] = directions / spread[live, None]
    return Variates(weights, pad(s[:found], (0, k - found)))
