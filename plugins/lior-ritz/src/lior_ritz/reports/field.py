"""The panel that lior does not have: a function of two coordinates over the plane."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import attrs
import numpy as np
from scipy.ndimage import maximum_filter

from lior.plots import Finish, LeftOut, Panel, Table, format_number

_SIDE, _NARROW, _AROUND = 4.2, 1.6, (1.9, 1.1)
"""Inches: the longer side of a field, the least shorter one, and the room for labels and the colour bar."""
_NOISE, _REACH = 1e-3, 5
"""A contour is of rounding errors where no number of so many places around is this share of the range."""


def _table(rows: Iterable[Iterable[float]]) -> list[list[float]]:
    return [[float(value) for value in row] for row in rows]


@attrs.frozen(kw_only=True)
class Field(Panel):
    """Numbers on a rectangular grid, as colours; both axes have the same scale.

    Raises ``LeftOut`` when a number is not finite.
    """

    kind: ClassVar[str] = "field"

    x_label: str
    y_label: str
    unit: str
    """Quantity and unit of the numbers, beside the colour bar."""
    x: Sequence[float]
    y: Sequence[float]
    """Places along each axis, in the same unit and rising: ``nx`` and ``ny`` numbers."""
    values: Sequence[Sequence[float]] = attrs.field(converter=_table)
    """The number at ``(x[j], y[i])`` is ``values[i][j]``."""
    low: float | None = None
    high: float | None = None
    """Numbers with the first and the last colour, which those beyond have as well; ``None``: the least and
    the greatest."""
    diverging: bool = False
    """Whether the sign matters: 0 is in the middle of the colours, and a line is drawn where it is."""

    smooth: bool = True
    """Whether colours change gradually between places."""

    def __attrs_post_init__(self) -> None:
        if not all(math.isfinite(value) for row in self.values for value in row):
            raise LeftOut(f"{self.title}: not all numbers are finite")

    def limits(self) -> tuple[float, float]:
        """The numbers of the first and the last colour, the lesser first."""
        low, high = min(map(min, self.values)), max(map(max, self.values))
        low, high = (low if self.low is None else self.low), (high if self.high is None else self.high)
        if self.diverging:
            most = max(abs(low), abs(high)) or 1.0
            return -most, most
        return (low, high) if low < high else (low, low + 1.0)

    def inches(self) -> tuple[float, float]:
        """The field with labels and colour bar."""
        width, height = self.x[-1] - self.x[0], self.y[-1] - self.y[0]
        scale = _SIDE / max(width, height)
        return max(scale * width, _NARROW) + _AROUND[0], max(scale * height, _NARROW) + _AROUND[1]

    def draw(self, axis: Any) -> Finish:
        """Colours, a bar, and the line of 0."""
        low, high = self.limits()
        image = axis.pcolormesh(
            self.x,
            self.y,
            self.values,
            shading="gouraud" if self.smooth else "nearest",
            cmap="PuOr" if self.diverging else "viridis",
            vmin=low,
            vmax=high,
            rasterized=True,
        )
        axis.set_aspect("equal")
        axis.locator_params(nbins=6)
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        beyond = max(map(max, self.values)) > high
        axis.figure.colorbar(
            image, ax=axis, label=self.unit, extend="max" if beyond else "neither", shrink=0.8
        )
        if self.diverging:
            values = np.asarray(self.values)
            shown = np.ma.masked_where(maximum_filter(abs(values), _REACH) < _NOISE * high, values)
            if shown.count() and shown.min() < 0 < shown.max():
                axis.contour(self.x, self.y, shown, levels=[0.0], colors="black", linewidths=0.8)
        return None

    def table(self) -> Table:
        """The least and the greatest number and where they are, and the mean of all."""
        cells = [
            (v, x, y)
            for y, row in zip(self.y, self.values, strict=True)
            for x, v in zip(self.x, row, strict=True)
        ]
        rows = [
            [name, *map(format_number, (x, y, value))]
            for name, (value, x, y) in (("least", min(cells)), ("greatest", max(cells)))
        ]
        mean = math.fsum(value for value, _, _ in cells) / len(cells)
        return Table(
            ["", self.x_label, self.y_label, self.unit], [*rows, ["mean", "", "", format_number(mean)]]
        )
