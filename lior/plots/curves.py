"""Curves in one pair of axes, drawn with Matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from itertools import cycle
from typing import Any

from lior.plots.colours import CURVES, LEVELS, STYLES
from lior.plots.ladders import MOST, Beside
from lior.plots.panels import Curve, Lines
from lior.plots.scales import Scale, labelled, level, scales

_MARKED = 40
"""Most points of a curve that are marked each."""
_TICKS = 9
"""About as many numbers stand at an axis that is logarithmic on both sides of 0."""


def lines(axis: Any, panel: Lines) -> Callable[[], None] | None:
    """Draw a panel; what is left to do when the layout is settled."""
    for i, (curve, colour) in enumerate(zip(panel.curves, cycle(CURVES), strict=False)):
        _curve(axis, panel, curve, colour, STYLES[i // len(CURVES) % len(STYLES)])
    aside = beside(panel)
    for (name, value), colour in zip(panel.levels.items(), cycle(LEVELS), strict=False):
        label = None if aside else level(name, value)
        axis.axhline(value, color=colour, linestyle="--", linewidth=1, label=label)
    for direction, label, scale in zip("xy", (panel.x_label, panel.y_label), scales(panel), strict=True):
        _scaled(axis, direction, scale)
        axis.set(**{f"{direction}label": "\n".join(filter(None, (label, scale.note)))})
    axis.set_ylim(panel.low, panel.high)
    axis.grid(True, alpha=0.3)
    if missing := panel.missing():
        place = 0.02 if math.isfinite(axis.dataLim.x0) else 0.5  # in the middle when there is nothing else
        axis.text(0.5, place, missing, transform=axis.transAxes, ha="center", fontsize=8)
    errors = any(curve.error for curve in panel.curves)
    if len(panel.curves) > 1 or (panel.levels and not aside) or errors:
        axis.legend(fontsize=8, framealpha=0.9)
    return _levels(axis, panel) if aside else None


def beside(panel: Lines) -> bool:
    """Whether the names of levels stand at their lines: a legend would have several of one colour."""
    return bool(panel.levels) and (panel.levels_beside or len(panel.levels) > len(LEVELS))


def _levels(axis: Any, panel: Lines) -> Callable[[], None]:
    """The names of levels that are in sight, right of the axes."""
    low, high = sorted(axis.get_ylim())
    found = sorted((value, name) for name, value in panel.levels.items() if low <= value <= high)
    labels = Beside(axis, "axes fraction")
    for i in labelled(len(found), MOST):
        value, name = found[i]
        labels.add(value, level(name, value), at=1.0, place=1.04)
    return labels.settle


def _curve(axis: Any, panel: Lines, curve: Curve, colour: str, style: str) -> None:
    marker = "." if panel.dots or len(curve.x) <= _MARKED else ""
    look = {"color": colour, "marker": marker, "linestyle": "none" if panel.dots else style}
    if curve.error and panel.error_bars:
        label = f"{curve.name} {panel.error_name}"
        axis.errorbar(curve.x, curve.y, yerr=curve.error, capsize=3, linewidth=1.2, label=label, **look)
        return
    axis.plot(curve.x, curve.y, label=curve.name, **look)
    if curve.error:
        low = [y - e for y, e in zip(curve.y, curve.error, strict=True)]
        high = [y + e for y, e in zip(curve.y, curve.error, strict=True)]
        axis.fill_between(curve.x, low, high, color=colour, alpha=0.25, linewidth=0, label=panel.error_name)


def _scaled(axis: Any, direction: str, scale: Scale) -> None:
    if scale.kind != "linear":
        logarithmic(axis, direction, scale.threshold if scale.kind == "symlog" else None)
    elif direction == "x":
        axis.xaxis.set_major_formatter(thousands())
        axis.locator_params(axis="x", nbins=6)
    else:
        axis.ticklabel_format(axis="y", useOffset=False)


def logarithmic(axis: Any, direction: str, threshold: float | None = None) -> None:
    """Have a logarithmic axis with plain numbers; Matplotlib's are formulas.

    Parameters
    ----------
    threshold
        The axis is linear about 0 within it, and logarithmic on both sides; ``None``: nowhere linear.
    """
    ticks = import_module("matplotlib.ticker")
    scale = axis.xaxis if direction == "x" else axis.yaxis
    if threshold is None:
        axis.set(**{f"{direction}scale": "log"})
        low, high = scale.get_data_interval()
        locator = ticks.LogLocator(subs=(1.0, 2.0, 5.0) if high < 500 * low else (1.0,))
    else:
        getattr(axis, f"set_{direction}scale")("symlog", linthresh=threshold)
        locator = ticks.SymmetricalLogLocator(base=10, linthresh=threshold)
        locator.set_params(numticks=_TICKS)
    scale.set_major_locator(locator)
    scale.set_major_formatter(thousands())
    scale.set_minor_formatter(ticks.NullFormatter())


def thousands() -> Any:
    """Numbers at an axis, as they are spoken."""
    return import_module("matplotlib.ticker").FuncFormatter(lambda value, _: f"{value:,.6g}")
