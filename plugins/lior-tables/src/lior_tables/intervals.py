"""Intervals around predictions: leave-one-out residuals, scaled by the size of residuals nearby.

The solve gives each training row's prediction without that row at no cost. The scale at a point is the
softmax mean of the sizes of these residuals, with weights ``softmax(-β d)`` in the learned metric ``d``. It
is a resilience of the point, the expected size of the error there. An interval is the prediction ± the
scale times a quantile of ``|residual| / scale`` over the training rows. A row does not enter its own scale
(J. Lei et al., *Distribution-free predictive inference for regression*, 2018, section 5.2, with
leave-one-out in place of a split). The metric and the choices of a model know the rows that are left
out. With few rows that makes residuals too small, so those of models that were fitted without a part of the
rows serve (R. F. Barber et al., *Predictive inference with the jackknife+*, 2021, section 3).

The scale may miss that a level of an input, such as a word, has larger errors. So the intervals of levels
that hold too seldom or too often are multiplied by a factor of their own (C. Jung et al., *Batch multivalid
conformal prediction*, 2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import torch
from torch import Tensor

from lior.interfaces import State
from lior_tables.rows import Floats

BETAS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Inverse temperatures to try, in units of the median distance."""
_MOST = 4_000
"""Maximum number of rows whose residuals are stored as places; the quantile uses as many."""
_BLOCK = 1_000
_FLOOR = 1e-3
"""Minimum scale, as a share of the mean residual."""
_LEVELS, LEAST = 10, 20
"""Maximum number of values of a coordinate that has levels, and minimum number of rows of a level."""
_ROUNDS = 20
"""Maximum number of factors of levels, chosen by hand."""

Level = tuple[Tensor, Tensor]
"""Which rows ``(N,)``, and which new ones ``(B,)``, have one value of a coordinate."""


@attrs.frozen(eq=False)
class Spread:
    """The distribution of errors, as a function of point and probability."""

    points: Tensor
    """Mapped rows ``(N, m)``, float64: their Euclidean distances are those of the metric."""
    sizes: Tensor
    """Sizes of their leave-one-out residuals ``(N, targets)``."""
    weights: Tensor
    """Sample weights of the rows, ``(N,)``."""
    betas: Tensor
    """Inverse temperature of each target, per unit of distance ``(targets,)``."""
    ratios: Tensor
    """Residual over scale, ``(N, targets)``."""
    places: Tensor
    """Indices of these rows in the model, int64 ``(N,)``."""
    count: Tensor
    """Number of rows or groups with independent residuals, a scalar."""

    @classmethod
    def fit(
        cls,
        points: Tensor,
        residuals: Tensor,
        weights: Tensor,
        generator: torch.Generator,
        groups: int | None = None,
    ) -> Spread:
        """Choose the inverse temperature of each target, and store the ratios.

        The choice maximises the likelihood of the residuals under exponential distributions with these
        means, each row left out of its own mean.

        Parameters
        ----------
        points
            Mapped rows ``(N, m)``.
        residuals
            Target minus leave-one-out prediction, ``(N, targets)``.
        weights
            Positive, ``(N,)``.
        groups
            Number of groups, if the errors of a group are correlated and other groups will come.
        """
        places = torch.arange(len(points))
        if len(points) > _MOST:
            places = torch.randperm(len(points), generator=generator)[:_MOST]
        points, weights = points[places].double(), weights[places].double()
        sizes = residuals[places].double().abs()
        distance = torch.cdist(points, points)
        middle = distance[~torch.eye(len(points), dtype=torch.bool)].median().clamp_min(1e-12)
        floor = _FLOOR * sizes.mean(0).clamp_min(1e-300)
        best, betas = torch.full_like(floor, math.inf), torch.zeros_like(floor)
        scales = torch.ones_like(sizes)
        for beta in (0.0, *BETAS):
            score = (weights.log() - beta / middle * distance).fill_diagonal_(-math.inf)
            scale = (torch.softmax(score, 1) @ sizes).clamp_min(floor)
            loss = weights @ (scale.log() + sizes / scale) / weights.sum()
            better = loss < best
            best, betas = torch.where(better, loss, best), torch.where(better, beta / middle, betas)
            scales = torch.where(better, scale, scales)
        return cls(points, sizes, weights, betas, sizes / scales, places, torch.tensor(groups or len(points)))

    def scale(self, points: Tensor) -> Tensor:
        """Return the mean size of residuals near ``points (B, m)``, ``(B, targets)``."""
        floor = _FLOOR * self.sizes.mean(0).clamp_min(1e-300)
        found = torch.empty(len(points), self.sizes.shape[1], dtype=torch.float64)
        for start in range(0, len(points), _BLOCK):
            distance = torch.cdist(points[start : start + _BLOCK].double(), self.points)
            for target, beta in enumerate(self.betas):
                share = torch.softmax(self.weights.log() - beta * distance, 1)
                found[start : start + _BLOCK, target] = share @ self.sizes[:, target]
        return found.clamp_min(floor)

    def quantile(self, alpha: float) -> Tensor:
        """Return the ratio that a share ``1 - alpha`` of rows does not exceed, ``(targets,)``.

        It is infinite if there are too few rows or groups: the ``⌈(N + 1)(1 - alpha)⌉``-th of N.
        """
        return torch.stack(
            [find_quantile(each, self.weights, alpha, int(self.count)) for each in self.ratios.T]
        )

    def half_widths(self, points: Tensor, alpha: float, levels: Sequence[Level] = ()) -> Floats:
        """Return half the width of the intervals at ``points (B, m)``, ``(B, targets)``.

        ``levels`` are those of :meth:`levels`.
        """
        large = [each for each in levels if each[0].sum() >= 2 / alpha]
        factors = [self._factor(each, alpha, large, len(points)) for each in self.ratios.T]
        widths: Floats = (self.scale(points) * torch.stack(factors, 1)).numpy()
        return widths

    def levels(self, known: Tensor, asked: Tensor) -> list[Level]:
        """Return the levels of coordinates with few values.

        ``known`` are the coordinates of the rows of the model, ``asked (B, n)`` those of the new rows. There
        are none if the errors of a group are correlated.
        """
        if int(self.count) < len(self.points):
            return []
        found = []
        for own, new in zip(known[self.places].T, asked.T, strict=True):
            values = own.unique()
            if 1 < len(values) <= _LEVELS:
                cuts = (values[1:] + values[:-1]) / 2
                given, wanted = (torch.bucketize(each.to(cuts).contiguous(), cuts) for each in (own, new))
                found += [(given == level, wanted == level) for level in range(len(values))]
        return [each for each in found if each[0].sum() >= LEAST]

    def _factor(self, ratios: Tensor, alpha: float, levels: Sequence[Level], new: int) -> Tensor:
        """Return the quantile of one target for each of the new rows, by their levels."""
        ratios, factor = ratios.clone(), torch.ones(new, dtype=torch.float64)
        whole = find_quantile(ratios, self.weights, alpha, int(self.count))
        for _ in range(_ROUNDS if levels and 0 < whole < math.inf else 0):

            def off(own: Tensor, ratios: Tensor = ratios, whole: Tensor = whole) -> float:
                part = self.weights[own] @ (ratios[own] > whole).double() / self.weights[own].sum()
                return abs(float(part) - alpha) * math.sqrt(int(own.sum()))

            own, asked = max(levels, key=lambda level: off(level[0]))
            if off(own) < math.sqrt(alpha * (1 - alpha)):  # within one standard error
                break
            rows = int(own.sum())
            times = find_quantile(ratios[own], self.weights[own], alpha, rows) / whole
            times **= rows / (rows + LEAST)  # few rows say little
            ratios[own] /= times
            factor[asked] *= times
            whole = find_quantile(ratios, self.weights, alpha, int(self.count))
        return factor * whole

    def snapshot(self) -> State:
        """Return all of it as tensors."""
        return attrs.asdict(self, recurse=False)


def find_quantile(values: Tensor, weights: Tensor, alpha: float, count: int) -> Tensor:
    """Return the smallest of ``values (N,)`` that bounds a new one with probability ``1 - alpha``."""
    total = weights.sum()
    level = (1 - alpha) * (1 + 1 / count) * total
    ordered, order = values.sort()
    reached = torch.searchsorted(weights[order].cumsum(0), level - 1e-9 * total)
    return ordered[reached] if reached < len(ordered) else values.new_tensor(math.inf)
