"""Missing cells that few rows of the model lack: what stands in for them, and the error that they cause.

A missing number is replaced by its linear regression on the other coordinates, the mean that a normal
distribution with their covariances has, given the others.

Leave-one-out residuals belong to rows whose cells are there. So rows of the model are predicted with the
same cells hidden, by the model solved without them. Their errors and values serve where those of complete
rows serve otherwise (missing data augmentation: M. Zaffran, A. Dieuleveut, J. Josse, Y. Romano, *Conformal
prediction with missing values*, 2023). That assumes that cells are missing whatever their value is. If 20
rows of the model lack a cell, the gap has a coordinate that the model learned, and a level of its own in
:mod:`lior_tables.intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import attrs
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior_tables.blocks import Blocks
from lior_tables.calibration import Calibration
from lior_tables.columns import CLIP, Columns
from lior_tables.intervals import LEAST, find_quantile
from lior_tables.model import TableModel

_ROWS, _PARTS = 1_000, 5
"""Number of rows to hide cells in, if there are as many, and maximum number of parts of the rows."""
_RIDGE = 1e-3
"""What is added to the variances, which are 1: it keeps regressions on alike coordinates small."""

Gap = tuple[int, ...]
"""Places of the columns whose cells are missing."""


@attrs.frozen(eq=False)
class Gaps:
    """What stands in for missing numbers."""

    rare: NDArray[np.bool_]
    """Which columns hold numbers that few rows of the model lack, ``(columns,)``."""
    origins: Tensor
    """The column of each coordinate, int64 ``(n,)``."""
    centre: Tensor
    """Mean coordinates of the rows of the model ``(n,)``, float64."""
    covariance: Tensor
    """Their covariance ``(n, n)``."""

    @classmethod
    def of(cls, columns: Columns, table: pd.DataFrame, z: Tensor, weights: Tensor) -> Gaps:
        """Take the moments of the coordinates ``z (N, n)`` of a ``table`` with sample ``weights (N,)``."""
        numbers = [each.levels is None and each.used.any() for each in columns.encodings]
        rare = np.array(numbers) & (table.isna().sum().to_numpy() < LEAST)
        origins = torch.from_numpy(columns.origins)
        z, share = z[:, : len(origins)].double().cpu(), weights[:, None] / weights.sum()
        centre = (share * z).sum(0)
        return cls(rare, origins, centre, (z - centre).mT @ (share * (z - centre)))

    def find(self, rows: pd.DataFrame) -> dict[Gap, list[int]]:
        """Return the places of ``rows`` that lack such cells, by the cells they lack."""
        found: dict[Gap, list[int]] = {}
        for place, lacks in enumerate(rows.isna().to_numpy() & self.rare):
            if lacks.any():
                found.setdefault(tuple(np.flatnonzero(lacks).tolist()), []).append(place)
        return found

    def fill(self, z: Tensor, gap: Gap) -> Tensor:
        """Return coordinates ``z (B, n)`` of rows with a gap, with those of its columns replaced."""
        gone = torch.isin(self.origins, torch.tensor(gap))
        known, across = self.covariance[~gone][:, ~gone], self.covariance[~gone][:, gone]
        slopes = torch.linalg.solve(known + _RIDGE * torch.eye(len(known), dtype=known.dtype), across)
        filled = self.centre[gone] + (z[:, ~gone] - self.centre[~gone]).to(slopes) @ slopes
        found = z.clone()
        found[:, gone] = filled.clamp(-CLIP, CLIP).to(z)
        return found


@attrs.frozen(eq=False)
class GapErrors:
    """Rows of the model, predicted without their cells of some columns and without themselves."""

    z: Tensor
    """Their coordinates, filled ``(rows, n)``."""
    values: Tensor
    """Their values ``(rows, targets)``, float64."""
    y: Tensor
    """Their targets, of the same shape."""
    weights: Tensor
    """Their sample weights ``(rows,)``."""
    groups: int | None
    """Number of groups, if the errors of a group are correlated and other groups will come."""

    @classmethod
    def fit(
        cls,
        model: TableModel,
        gaps: Gaps,
        hidden: Sequence[Gap],
        y: Tensor,
        weights: Tensor,
        blocks: Blocks | None,
    ) -> list[GapErrors]:
        """Predict rows of ``model`` with each of the ``hidden`` gaps.

        Parameters
        ----------
        y
            Targets of the rows of the model ``(N, targets)``.
        weights
            Their sample weights ``(N,)``.
        blocks
            Rows that belong together.
        """
        alone = blocks or Blocks(torch.arange(len(y)), ordered=False)
        parts = alone.parts(_PARTS, torch.Generator().manual_seed(0))
        if blocks is None:
            parts = parts[: -(-_ROWS * len(parts) // len(y))]
        models = [model.solved_on(known) for known, _ in parts]
        asked = torch.cat([places for _, places in parts])
        groups = None if blocks is None or blocks.ordered else len(blocks.codes[asked].unique())
        found = []
        for gap in hidden:
            z = gaps.fill(model.coordinates[asked], gap)
            divided = z.split([len(places) for _, places in parts])
            values = torch.cat([one.predict(part) for one, part in zip(models, divided, strict=True)])
            found.append(cls(z, values.double().cpu(), y[asked], weights[asked], groups))
        return found

    def quantile(self, scale: Tensor, alpha: float) -> Tensor:
        """Return the ratio of errors to ``scale (rows, targets)``, as :meth:`Spread.quantile` does."""
        ratios = (self.y - self.values).abs() / scale
        count = self.groups or len(ratios)
        return torch.stack([find_quantile(each, self.weights, alpha, count) for each in ratios.T])

    @cached_property
    def calibration(self) -> Calibration:
        """Return the calibration of the values of such rows, for classes."""
        return Calibration.fit(self.values, self.y, self.weights)
