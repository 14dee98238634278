"""Centres of the geometric gate: k-means in mapped coordinates (S. Lloyd, 1982)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lior.geometry.gram import squared_distances

_ROUNDS = 8


def cell_centres(z: Tensor, root: Tensor, count: int, *, generator: Generator) -> Tensor:
    """``count`` centres ``(J, n)`` of the coordinates ``z (N, n)``, ``J = min(count, N)``.

    Distances are taken under the metric with the given ``root (m, n)``; a cell
    that loses all its points keeps its centre.
    """
    count = min(count, len(z))
    pick = torch.randperm(len(z), generator=generator, device=generator.device)[:count]
    centres, y = z[pick], z @ root.T
    for _ in range(_ROUNDS):
        cell = squared_distances(y, centres @ root.T).argmin(1)
        size = torch.bincount(cell, minlength=count).to(z.dtype)
        sums = torch.zeros_like(centres).index_add_(0, cell, z)
        centres = torch.where(size[:, None] > 0, sums / size.clamp(min=1)[:, None], centres)
    return centres
