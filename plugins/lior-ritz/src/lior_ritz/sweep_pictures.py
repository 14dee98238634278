"""Pictures of a sweep: levels, splittings, and how accurate they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lior.plots.panels import Curve, LineChart, Panel, Picture
from lior_ritz.seeds import over_seeds
from lior_ritz.sweep import SEED, Axis, Row

_FEW = 6
"""Levels in a picture."""
_PANELS = 6
"""Panels of a picture, one for each combination of the values that are not along its axis."""


def pictures(axes: Sequence[Axis], rows: Sequence[Row]) -> list[Picture]:
    """What there is to draw: levels and splittings over an option of the dot, errors over anything else.

    Parameters
    ----------
    rows
        Of :func:`lior_ritz.sweep.row`; fewer than two leave nothing to draw.
    """
    if len(rows) < 2:
        return []
    options = [axis for axis in axes if not axis.is_key]
    others = [axis for axis in axes if axis.name != SEED]
    along = (options or others or axes)[0]
    found = []
    if not along.is_key:
        found.append(_levels(along, axes, rows))
        if all(row["splitting_meV"] for row in rows):
            found.append(_splittings(along, axes, rows))
    return [*found, _errors(along, axes, rows)]


def _levels(along: Axis, axes: Sequence[Axis], rows: Sequence[Row]) -> Picture:
    return _picture("sweep-levels", "levels", along, axes, rows, "E in meV", lambda group: [
        _curve(f"E{k}", along, group, [row["E_meV"][k] for row in group])
        for k in range(min(_FEW, *(len(row["E_meV"]) for row in group)))
    ])  # fmt: skip


def _splittings(along: Axis, axes: Sequence[Axis], rows: Sequence[Row]) -> Picture:
    return _picture("sweep-splittings", "splittings", along, axes, rows, "meV", lambda group: [
        _curve(f"E{k + 1} - E{k}", along, group, [row["splitting_meV"][k] for row in group])
        for k in range(min(_FEW, *(len(row["splitting_meV"]) for row in group)))
    ], log_y=True)  # fmt: skip


def _errors(along: Axis, axes: Sequence[Axis], rows: Sequence[Row]) -> Picture:
    """Relative errors; with several seeds their means."""
    title, name = "relative distance to the referee's levels", "sweep-errors"
    several = over_seeds(axes, rows) if along.name != SEED else []
    if not several:
        return _picture(name, title, along, axes, rows, "relative error", lambda group: [
            _curve(f"E{k}", along, group, [abs(row["relative_error"][k]) for row in group])
            for k in range(min(_FEW, *(len(row["relative_error"]) for row in group)))
        ], log_y=True)  # fmt: skip
    rest = [axis for axis in axes if axis.name != SEED]
    return _picture(name, f"{title}, mean over seeds", along, rest, several, "relative error", lambda group: [
        Curve(
            name=f"E{k}",
            x=[each["values"][along.name] for each in group],
            y=[each["relative_error"]["mean"][k] for each in group],
            error=[each["relative_error"]["standard_error"][k] or math.nan for each in group],
        )
        for k in range(min(_FEW, *(len(each["relative_error"]["mean"]) for each in group)))
    ], error_bars=True)  # fmt: skip


def _picture(
    name: str,
    title: str,
    along: Axis,
    axes: Sequence[Axis],
    rows: Sequence[Any],
    label: str,
    curves: Any,
    *,
    log_y: bool = False,
    error_bars: bool = False,
) -> Picture:
    """One panel for each combination of the other values."""
    groups: dict[str, list[Any]] = {}
    for row in rows:
        others = [f"{axis.name} = {row['values'][axis.name]:g}" for axis in axes if axis.name != along.name]
        groups.setdefault(", ".join(others), []).append(row)
    panels: list[Panel] = []
    for said, group in list(groups.items())[:_PANELS]:
        drawn = curves(group)
        if log_y and any(y <= 0 for curve in drawn for y in curve.y):
            drawn = [_positive(curve) for curve in drawn]
        panels.append(
            LineChart(
                title=said or title, x_label=along.name, y_label=label, curves=drawn,
                log_x=_is_geometric(along.values), log_y=log_y, error_bars=error_bars,
            )
        )  # fmt: skip
    shown = f", the first {_PANELS} of {len(groups)}" if len(groups) > _PANELS else ""
    return Picture(name=name, title=f"{title} over {along.name}{shown}", panels=panels)


def _curve(name: str, along: Axis, group: Sequence[Row], values: Sequence[float]) -> Curve:
    pairs = sorted((row["values"][along.name], value) for row, value in zip(group, values, strict=True))
    return Curve(name=name, x=[x for x, _ in pairs], y=[y for _, y in pairs])


def _positive(curve: Curve) -> Curve:
    """Where a logarithm has nothing to show, the curve is interrupted."""
    return Curve(name=curve.name, x=curve.x, y=[y if y > 0 else math.nan for y in curve.y])


def _is_geometric(values: Sequence[float]) -> bool:
    """Whether values are as far apart by their ratios."""
    if len(values) < 3 or min(values) <= 0:
        return False
    ratios = [high / low for low, high in pairwise(values)]
    return max(ratios) - min(ratios) < 1e-6 * max(ratios)
