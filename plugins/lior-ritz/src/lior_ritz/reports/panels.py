"""The panel that lior does not have: a field over the plane."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, ClassVar

import attrs

from lior.plots.panels import LeftOut, Panel, Settle
from lior.plots.scales import number
from lior.plots.sketch import Frame, Pen, Ruler

DIVERGING = (
    "#1F59A1", "#637DB6", "#96A4CC", "#C6CCE1", "#F6F6F6", "#E5C7B8", "#CF987E", "#B46B46", "#963F0E",
)  # fmt: skip
"""Blue over white to orange, equal steps in CIELAB: L* 38 to 97 and back, chroma 45 to 0 to 56."""

# Files; lengths in inches.
_FIELD_SIDE, _NARROW, _LONGEST = 4.2, 1.0, 7.0
"""The longer side of a field or a large matrix; the least shorter side of a field, as long as its longer side
is not greater than the last number."""
_LEAST_SIZE = (1.6, 1.2)
"""Least width and height; a smaller field is in the middle of this area."""
_PER_TICK = 0.55
_BAR_GAP, _BAR_WIDTH = 0.17, 0.21
"""The gap between axes and colour bar, and the width of the bar."""
_AROUND = (1.9, 1.1)
"""Room for labels and the colour bar: beside, and above and below."""
_NOISE, _REACH = 1e-3, 2
"""A contour is of rounding errors where all numbers so many places around differ from it by less than this
share of the range."""

# Text; lengths in characters.
_TALLEST, _NARROWEST, _LOWEST = 20, 8, 3
_BELOW, _ASCII_BELOW = " ·∘○●", " -=oO"
"""Shades of negative numbers, where these are told apart from positive ones."""


def _row(values: Iterable[float]) -> list[float]:
    """Plain numbers of any array."""
    return [float(value) for value in values]


def _table(rows: Iterable[Iterable[float]]) -> list[list[float]]:
    return [_row(row) for row in rows]


def _check_table(title: str, values: Sequence[Sequence[float]], rows: int, columns: int) -> None:
    """Check the shape of a table, and that its numbers are finite."""
    if rows < 1 or [len(row) for row in values] != [columns] * rows:
        sizes = sorted({len(row) for row in values})
        raise ValueError(f"{title}: {rows} x {columns} numbers needed, not {len(values)} rows of {sizes}")
    _check_finite(title, [value for row in values for value in row])


def _check_finite(title: str, values: Sequence[float]) -> None:
    if bad := sum(not math.isfinite(value) for value in values):
        raise LeftOut(f"{title}: {bad:,} of {len(values):,} numbers are not finite")


def field_map(diverging: bool) -> Any:
    """A perceptually uniform colour map of Matplotlib, with 0 in the middle if ``diverging``."""
    if not diverging:
        return "viridis"
    colors = import_module("matplotlib.colors")
    return colors.LinearSegmentedColormap.from_list("blue to orange", DIVERGING)


def _colour_bar(axis: Any, image: Any, label: str, width: float, extend: str = "neither") -> None:
    """A colour bar as tall as axes of an equal aspect, for axes of ``width`` inches."""
    beside = axis.inset_axes((1 + _BAR_GAP / width, 0.0, _BAR_WIDTH / width, 1.0))
    axis.figure.colorbar(image, cax=beside, label=label, extend=extend)


def _shade(pen: Pen, value: float, low: float, high: float, diverging: bool) -> str:
    """The character of a number within the limits."""
    shades = pen.shades
    if not diverging:
        return shades[min(int(len(shades) * (value - low) / (high - low)), len(shades) - 1)]
    if value < 0:
        shades = _below(pen)
    return shades[round((len(shades) - 1) * abs(value) / high)]


def _below(pen: Pen) -> str:
    return _BELOW if pen.blocks else _ASCII_BELOW


@attrs.frozen(kw_only=True)
class Field(Panel):
    """A function of two variables on a rectangular grid, as colours; both axes have the same scale.

    Raises
    ------
    ValueError
        When an axis has fewer than two places or does not rise, when ``values`` has another shape than
        the grid, or ``low`` is not below ``high``.
    LeftOut
        When a number is not finite.
    """

    kind: ClassVar[str] = "field"
    equal_aspect: ClassVar[bool] = True

    x_label: str
    y_label: str
    unit: str
    """Quantity and unit of the numbers, beside the colour bar."""
    x: Sequence[float] = attrs.field(converter=_row)
    y: Sequence[float] = attrs.field(converter=_row)
    """Places of the grid along each axis, both in the same unit and rising: ``nx`` and ``ny`` numbers."""
    values: Sequence[Sequence[float]] = attrs.field(converter=_table)
    """The number at ``(x[j], y[i])`` is ``values[i][j]``: ``ny`` rows of ``nx``."""
    low: float | None = None
    high: float | None = None
    """Numbers with the first and the last colour. Numbers beyond have the same colours, and the bar says how
    far they go. ``None``: the least and the greatest number."""
    diverging: bool = False
    """Whether the sign matters: 0 is in the middle of the colours, and the range is symmetric."""
    contours: Sequence[float] = attrs.field(default=(), converter=_row)
    """Numbers along which a line is drawn, such as 0 for the nodes of a wave; in files only. There is no line
    where all numbers around differ from it by less than a thousandth of the range: rounding errors."""

    def __attrs_post_init__(self) -> None:
        for name, places in (("x", self.x), ("y", self.y)):
            if len(places) < 2 or any(b <= a for a, b in itertools.pairwise(places)):
                raise ValueError(f"{self.title}: {name} must be two or more places that rise")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"{self.title}: low {self.low} must be below high {self.high}")
        _check_finite(self.title, [*self.x, *self.y, *self.contours])
        _check_table(self.title, self.values, len(self.y), len(self.x))

    def extremes(self) -> tuple[float, float]:
        """The least and the greatest number."""
        return min(map(min, self.values)), max(map(max, self.values))

    def limits(self) -> tuple[float, float]:
        """The numbers of the first and the last colour; the first is always the lesser."""
        low, high = self.extremes()
        low = low if self.low is None else self.low
        high = high if self.high is None else self.high
        if self.diverging:
            given = [abs(value) for value in (self.low, self.high) if value is not None]
            most = max(given or (abs(low), abs(high))) or 1.0
            return -most, most
        if low < high:
            return low, high
        # All numbers are equal, or a limit is beyond all of them: a limit that was given stays.
        width = abs(low) or 1.0
        return (high - width, high) if self.low is None and self.high is not None else (low, low + width)

    def beyond(self) -> str:
        """How far numbers beyond the limits go; empty if there are none."""
        (low, high), (least, most) = self.limits(), self.extremes()
        said = [f"down to {number(least, 3)}"] * (least < low) + [f"up to {number(most, 3)}"] * (most > high)
        return ", ".join(said)

    def _area(self) -> tuple[float, float]:
        """Width and height in inches of the field alone."""
        width, height = self.x[-1] - self.x[0], self.y[-1] - self.y[0]
        # Narrow fields are longer, so that their labels have room.
        scale = max(_FIELD_SIDE / max(width, height), _NARROW / min(width, height))
        scale = min(scale, _LONGEST / max(width, height))
        return scale * width, scale * height

    def inches(self) -> tuple[float, float]:
        """The area with labels and colour bar."""
        width, height = self._area()
        return max(width, _LEAST_SIZE[0]) + _AROUND[0], max(height, _LEAST_SIZE[1]) + _AROUND[1]

    def draw(self, axis: Any) -> Settle:
        """Colours, a bar and contours."""
        (low, high), (least, most) = self.limits(), self.extremes()
        image = axis.pcolormesh(
            self.x, self.y, self.values, shading="nearest", cmap=field_map(self.diverging),
            vmin=low, vmax=high, rasterized=True,
        )  # fmt: skip
        axis.set_aspect("equal")
        scales = ((axis.xaxis, self.x), (axis.yaxis, self.y))
        for (scale, places), inches in zip(scales, self._area(), strict=True):
            if inches < 2 * _PER_TICK:  # no room for two numbers
                scale.set_ticks(places[:1], [number(places[0])])
            else:
                most_ticks = min(int(inches / _PER_TICK), 6)
                scale.set_major_locator(import_module("matplotlib.ticker").MaxNLocator(most_ticks))
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(
            (least < low, most > high), "neither"
        )
        label = "; ".join(filter(None, (self.unit, self.beyond())))
        _colour_bar(axis, image, label, self._area()[0], extend)
        for value in self.contours:
            self._contour(axis, value)
        return None

    def _contour(self, axis: Any, value: float) -> None:
        """The line where the field has that value, black with a white edge to be seen on any colour."""
        np = import_module("numpy")
        effects = import_module("matplotlib.patheffects")
        away = np.asarray(self.values) - value
        shown = np.ma.masked_where(_largest_around(abs(away)) < _NOISE * abs(away).max(), away)
        if shown.count() and shown.min() < 0 < shown.max():
            drawn = axis.contour(self.x, self.y, shown, levels=[0.0], colors="black", linewidths=1.0)
            drawn.set_path_effects([effects.withStroke(linewidth=2.4, foreground="white")])

    def sketch(self, pen: Pen) -> list[str]:
        """Shades; a character is twice as tall as it is wide."""
        low, high = self.limits()
        slope = (self.y[-1] - self.y[0]) / (self.x[-1] - self.x[0]) / 2
        rows = round(min(pen.columns * slope, _TALLEST))
        columns = min(round(_TALLEST / slope), pen.columns) if rows == _TALLEST else pen.columns
        rows, columns = max(rows, _LOWEST), max(columns, _NARROWEST)
        frame = Frame(pen, Ruler.over(self.x), Ruler.over(self.y), rows=rows, columns=columns)
        parts = _parts(self.x, columns)
        for row, group in enumerate(_parts(self.y, rows)):
            means = [
                # Numbers beyond the limits must not outweigh those within.
                sum(min(max(self.values[i][j], low), high) for i in group for j in part)
                / (len(group) * len(part))
                for part in parts
            ]
            frame.text(0, row, "".join(_shade(pen, mean, low, high, self.diverging) for mean in means))
        return frame.lines([f"x: {self.x_label}", f"y: {self.y_label}", self._legend(pen), self.beyond()])

    def _legend(self, pen: Pen) -> str:
        """The numbers of the shades."""
        low, high = self.limits()
        if self.diverging:
            above, below, most = pen.shades[1:], _below(pen)[1:], number(high, 3)
            return f"{self.unit}: blank at 0, {above} above it to {most}, {below} below it to -{most}"
        edges = [low + (high - low) * i / len(pen.shades) for i in range(len(pen.shades))]
        shades = [
            f"{shade} from {number(edge, 3)}" for shade, edge in zip(pen.shades[1:], edges[1:], strict=True)
        ]
        return f"{self.unit}: blank from {number(low, 3)}, {', '.join(shades)} to {number(high, 3)}"


def _largest_around(sizes: Any) -> Any:
    """The greatest number in the neighbourhood of each place of the grid."""
    np = import_module("numpy")
    for direction in (0, 1):
        margins = [(_REACH, _REACH) if each == direction else (0, 0) for each in (0, 1)]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(sizes, margins, mode="edge"), 2 * _REACH + 1, axis=direction
        )
        sizes = windows.max(-1)
    return sizes


def _parts(places: Sequence[float], count: int) -> list[list[int]]:
    """The indices of the places in each of ``count`` equal parts of their range; the nearest one if none."""
    low, width = places[0], (places[-1] - places[0]) / count
    parts: list[list[int]] = [[] for _ in range(count)]
    for i, place in enumerate(places):
        parts[min(int((place - low) / width), count - 1)].append(i)
    return [
        part or [min(range(len(places)), key=lambda i: abs(places[i] - middle))]
        for part, middle in zip(parts, [low + width * (k + 0.5) for k in range(count)], strict=True)
    ]
