"""Cells of near coordinates: centres by k-means, and inverted lists for approximate nearest neighbours.

Centres come from Lloyd's algorithm (S. Lloyd, 1982). An inverted list (J. Sivic and A. Zisserman, 2003)
holds the items of a cell. The scorer compares a query with the items of the few cells whose centres are
nearest to it. The search is approximate: near features have a low cost under a product that is a distance;
under other products they may not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.geometry.metric import square_distances
from lior.interfaces import Features, Scorer

_ROUNDS = 8
"""Number of rounds of Lloyd's algorithm."""
_SAMPLE_PER_CELL = 16
_BLOCK = 1 << 22
"""Maximum number of distances in memory at a time."""


def cell_centres(z: Tensor, root: Tensor, count: int, *, generator: Generator) -> Tensor:
    """Return K-means centres ``(J, n)`` of the coordinates ``z (N, n)``, ``J = min(count, N)``.

    Distances are measured in the metric with ``root (m, n)``. A cell without points keeps its centre.
    """
    count = min(count, len(z))
    pick = torch.randperm(len(z), generator=generator, device=generator.device)[:count]
    centres, y = z[pick], z @ root.T
    for _ in range(_ROUNDS):
        cell = square_distances(y, centres @ root.T).argmin(1)
        size = torch.bincount(cell, minlength=count).to(z.dtype)
        sums = torch.zeros_like(centres).index_add_(0, cell, z)
        centres = torch.where(size[:, None] > 0, sums / size.clamp(min=1)[:, None], centres)
    return centres


class Visit(NamedTuple):
    """A cell and the queries that search it."""

    rows: Tensor
    """Indices of the queries, int64 ``(M,)``."""
    turn: Tensor
    """Rank of the cell among the cells of each query, int64 ``(M,)``."""
    items: slice
    """Its items, in the order of the index."""
    scores: Tensor
    """Scores, ``(M, items)``."""


@attrs.frozen
class CellIndex:
    """Items in the order of their cells."""

    scorer: Scorer
    centres: Tensor
    """Features of the centres ``(J, p)``."""
    features: Features
    """Features of the items, cell after cell."""
    position: Tensor
    """Number of each item in the text or in ``z``, int64 ``(N,)``, as the caller counts them."""
    begins: tuple[int, ...]
    """First item of each cell, and ``N`` at the end."""

    @classmethod
    def build(cls, scorer: Scorer, z: Tensor, position: Tensor, *, generator: Generator) -> CellIndex:
        """Index items of coordinates ``z (N, n)``, ``N >= 1``, in about ``√N / 2`` cells."""
        count = max(math.isqrt(len(z)) // 2, 1)
        sample = torch.randint(
            len(z), (min(_SAMPLE_PER_CELL * count, len(z)),), generator=generator, device=z.device
        )
        features = scorer.features(z, query=False)
        f = features.f
        centres = cell_centres(f[sample], torch.eye(f.shape[1]).to(f), count, generator=generator)
        cell = _nearest(f, centres, 1)[:, 0]
        order = cell.argsort(stable=True)
        sizes = torch.bincount(cell, minlength=len(centres))
        begins = (0, *sizes.cumsum(0).tolist())
        return cls(scorer, centres, features.rows(order), position[order], begins)

    def groups(self, count: int, size: int, *, generator: Generator) -> Tensor:
        """Draw ``count`` random items, int64, each run of ``size`` from the same cell.

        Each is uniform among the items: its cell is the cell of a random item, with replacement.
        """
        total, device = len(self.position), self.position.device
        seeds = torch.randint(total, (-(-count // size), 1), generator=generator, device=device)
        begins = torch.tensor(self.begins, device=device)
        cell = torch.searchsorted(begins, seeds, right=True) - 1
        low, high = begins[cell], begins[cell + 1]
        shares = torch.rand(len(seeds), size, generator=generator, device=device, dtype=torch.float64)
        return self.position[(low + (shares * (high - low)).long()).flatten()[:count]]

    def visits(self, z: Tensor, probes: int) -> Iterator[Visit]:
        """Yield queries ``z (Q, n)`` with the items of the ``probes`` cells nearest to each, cell by cell."""
        queries = self.scorer.features(z, query=True)
        probed = _nearest(queries.f, self.centres, min(probes, len(self.centres)))
        order = probed.flatten().argsort(stable=True)
        visitors = torch.bincount(probed.flatten(), minlength=len(self.centres)).tolist()
        for cell, pairs in enumerate(order.split(visitors)):
            items = slice(self.begins[cell], self.begins[cell + 1])
            if len(pairs) and items.stop > items.start:
                rows = pairs // probed.shape[1]
                scores = self.scorer.scores(queries.rows(rows), self.features.rows(items))
                yield Visit(rows, pairs % probed.shape[1], items, scores)

    def search(self, z: Tensor, at: Tensor, count: int, *, probes: int, exclude: int) -> Tensor:
        """Return the ``count`` items of highest score for each query, int64 ``(Q, count)``; -1 fills up.

        Parameters
        ----------
        z
            Coordinates of the queries, ``(Q, n)``.
        at
            Their positions, ``(Q,)``: items whose position is less than ``exclude`` away are left out.
        probes
            Number of cells searched for each query.
        """
        best = z.new_full((len(z), min(probes, len(self.centres)), count), -torch.inf)
        found = torch.full_like(best, -1, dtype=torch.int64)
        for rows, turn, items, scores in self.visits(z, probes):
            position = self.position[items]
            near = (position - at[rows, None]).abs() < exclude
            top = scores.masked_fill_(near, -torch.inf).topk(min(count, len(position)), dim=1)
            best[rows, turn, : top.values.shape[1]] = top.values
            found[rows, turn, : top.values.shape[1]] = position[top.indices]
        top = best.flatten(1).topk(count, dim=1)
        return torch.where(top.values > -torch.inf, found.flatten(1).gather(1, top.indices), -1)


def _nearest(f: Tensor, centres: Tensor, count: int) -> Tensor:
    """Return the nearest ``count`` of ``centres (J, p)`` to each of ``f (N, p)``, ``(N, count)``."""

    def nearest(part: Tensor) -> Tensor:
        distances = square_distances(part, centres)
        if count == 1:  # several times as fast as a partial sort
            return distances.argmin(1, keepdim=True)
        return distances.topk(count, largest=False).indices

    rows = max(_BLOCK // len(centres), 1)
    return torch.cat([nearest(part) for part in f.split(rows)])
