"""Numbers as colours, drawn with Matplotlib: fields over the plane, matrices, tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from lior.plots.colours import field_map
from lior.plots.panels import Field, Heat, Matrix
from lior.plots.scales import Cells, beyond, cells, greatest, labelled, number

_NUMBERED = 24
"""Most columns of a heat map with its numbers written into it."""
_NUMBERED_MATRIX = 12
_SIDE = 4.2
"""Inches of the longer side of a field, and of a matrix of many columns."""
_NARROW, _LONGEST = 1.0, 7.0
"""Inches of the shorter side, as long as the longer one is not longer than this."""
_LEAST = (1.6, 1.2)
"""Fewest inches of both; it is in the middle of what is left."""
_TICK = 0.55
"""Inches of an axis for each number at it."""
_BESIDE, _BAR = 0.17, 0.21
"""Inches before the colour bar, and its width."""
_CELL = 0.46
"""Inches of a cell of a matrix with its number."""
_AROUND = (1.9, 1.1)
"""Inches beside and above and below them, for labels and the colour bar."""
_NOISE, _REACH = 1e-3, 2
"""Contours are of rounding where no number so many places around is farther from theirs than this share
of the range."""


def size(panel: Field | Matrix) -> tuple[float, float]:
    """Width and height of a panel in inches."""
    if isinstance(panel, Field):
        width, height = _inches(panel)
    else:
        width = _cell(panel) * len(panel.columns) + 0.06 * max(map(len, panel.rows))
        height = _cell(panel) * len(panel.rows)
    return max(width, _LEAST[0]) + _AROUND[0], max(height, _LEAST[1]) + _AROUND[1]


def _cell(panel: Matrix) -> float:
    """Inches of a side of a cell."""
    many = max(len(panel.rows), len(panel.columns))
    return _CELL if many <= _NUMBERED_MATRIX else _SIDE / many


def _inches(panel: Field) -> tuple[float, float]:
    """Width and height of the field alone: narrow ones are longer, lest their labels lack room."""
    width, height = panel.x[-1] - panel.x[0], panel.y[-1] - panel.y[0]
    scale = min(max(_SIDE / max(width, height), _NARROW / min(width, height)), _LONGEST / max(width, height))
    return scale * width, scale * height


def field(axis: Any, panel: Field) -> None:
    """Draw a panel."""
    low, high = panel.limits()
    least, most = panel.extremes()
    image = axis.pcolormesh(
        panel.x, panel.y, panel.values, shading="nearest", cmap=field_map(panel.diverging),
        vmin=low, vmax=high, rasterized=True,
    )  # fmt: skip
    axis.set_aspect("equal")
    scales = ((axis.xaxis, panel.x), (axis.yaxis, panel.y))
    for (scale, places), inches in zip(scales, _inches(panel), strict=True):
        if inches < 2 * _TICK:  # no room for two numbers
            scale.set_ticks(places[:1], [number(places[0])])
        else:
            scale.set_major_locator(
                import_module("matplotlib.ticker").MaxNLocator(min(int(inches / _TICK), 6))
            )
    axis.set_ylabel(panel.y_label)
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(
        (least < low, most > high), "neither"
    )
    _bar(axis, image, "; ".join(filter(None, (panel.unit, beyond(panel)))), _inches(panel)[0], extend)
    for value in panel.contours:
        _contour(axis, panel, value)


def _bar(axis: Any, image: Any, label: str, width: float, extend: str = "neither") -> None:
    """A colour bar as tall as the axes are with an equal aspect, and about as many inches wide."""
    beside = axis.inset_axes((1 + _BESIDE / width, 0.0, _BAR / width, 1.0))
    axis.figure.colorbar(image, cax=beside, label=label, extend=extend)


def _contour(axis: Any, panel: Field, value: float) -> None:
    """The line where the field has that value, black with a white edge to be seen on any colour."""
    np = import_module("numpy")
    effects = import_module("matplotlib.patheffects")
    away = np.asarray(panel.values) - value
    shown = np.ma.masked_where(_widest(abs(away)) < _NOISE * abs(away).max(), away)
    if shown.count() and shown.min() < 0 < shown.max():
        drawn = axis.contour(panel.x, panel.y, shown, levels=[0.0], colors="black", linewidths=1.0)
        drawn.set_path_effects([effects.withStroke(linewidth=2.4, foreground="white")])


def _widest(sizes: Any) -> Any:
    """The greatest number in the neighbourhood of each place of the grid."""
    np = import_module("numpy")
    for direction in (0, 1):
        margins = [(_REACH, _REACH) if each == direction else (0, 0) for each in (0, 1)]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(sizes, margins, mode="edge"), 2 * _REACH + 1, axis=direction
        )
        sizes = windows.max(-1)
    return sizes


def matrix(axis: Any, panel: Matrix) -> None:
    """Draw a panel."""
    found = cells(panel.values)
    values = [[value / found.factor for value in row] for row in panel.values]
    most = greatest(values)
    image = axis.imshow(values, cmap=field_map(True), vmin=-most, vmax=most, interpolation="nearest")
    axis.set_ylabel(panel.y_label)
    for scale, names in ((axis.xaxis, panel.columns), (axis.yaxis, panel.rows)):
        places = labelled(len(names), 2 * _NUMBERED_MATRIX)
        scale.set_ticks(places, [names[i] for i in places], fontsize=8)
    if max(map(len, panel.columns)) > 4:
        axis.tick_params(axis="x", rotation=90)
    _bar(axis, image, found.label(panel.unit), _cell(panel) * len(panel.columns))
    if _cell(panel) == _CELL:
        _write(axis, values, most, Cells(0, found.decimals).text)


def heat(axis: Any, panel: Heat) -> None:
    """Draw a panel."""
    most = greatest(panel.values)
    image = axis.imshow(
        panel.values, aspect="auto", cmap="PuOr", vmin=-most, vmax=most, interpolation="nearest"
    )
    axis.set_yticks(range(len(panel.rows)), panel.rows)
    axis.locator_params(axis="x", integer=True)
    axis.figure.colorbar(image, ax=axis, label=panel.unit, pad=0.01)
    if len(panel.values[0]) > _NUMBERED:
        return
    axis.set_xticks(range(len(panel.values[0])))
    decimals = min(max(2 - math.floor(math.log10(most)), 0), 6)  # three digits of the greatest
    _write(axis, panel.values, most, Cells(0, decimals).text)


def _write(axis: Any, values: Sequence[Sequence[float]], most: float, text: Callable[[float], str]) -> None:
    """The numbers of a table into its cells."""
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            colour = "white" if abs(value) > 0.6 * most else "black"
            axis.text(j, i, text(value), ha="center", va="center", fontsize=7, color=colour)
