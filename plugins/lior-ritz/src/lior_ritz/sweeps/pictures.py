"""Pictures of a sweep: levels, splittings, and how accurate they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from lior.plots.panels import Curve, LineChart, Panel, Picture
from lior_ritz.sweeps.seeds import over_seeds
from lior_ritz.sweeps.sweep import SEED, Axis, Row

_FEW, _PANELS = 6, 6
"""Levels in a picture; its panels, one for each combination of the values that are not along its axis."""
_TABLE: dict[str, tuple[str, str, str, bool, Callable[[Any], list[float]]]] = {
    "sweep-levels": ("levels", "E{0}", "E in meV", False, lambda row: row["E_meV"]),
    "sweep-splittings": ("splittings", "E{1} - E{0}", "meV", True, lambda row: row["splitting_meV"]),
    "sweep-errors": (
        "relative errors", "E{0}", "relative error", True, lambda row: list(map(abs, row["relative_error"])),
    ),
}  # fmt: skip
"""Name -> title, name of a curve, label, whether the axis is logarithmic, and the numbers of a row."""


def pictures(axes: Sequence[Axis], rows: Sequence[Row]) -> list[Picture]:
    """What there is to draw: levels and splittings over an option of the dot, errors over anything else.

    Parameters
    ----------
    rows
        Of :class:`lior_ritz.sweeps.sweep.Keeper`; fewer than two leave nothing to draw.
    """
    if len(rows) < 2:
        return []
    options = [axis for axis in axes if not axis.is_key]
    along = (options or [axis for axis in axes if axis.name != SEED] or axes)[0]
    several = over_seeds(axes, rows) if along.name != SEED else []
    found = []
    for name, (title, curve, label, log, numbers) in _TABLE.items():
        trained = rows[0]["by"] != "referee"
        if (along.is_key and trained and name != "sweep-errors") or not all(map(numbers, rows)):
            continue
        if several and name == "sweep-errors":
            rest = [axis for axis in axes if axis.name != SEED]
            panels = _panels(along, rest, several, f"{title}, mean over seeds", label, False, _means)
        else:
            draw = partial(_curves, along=along, name=curve, numbers=numbers, log=log)
            panels = _panels(along, axes, rows, title, label, log, draw)
        found.append(Picture(name=name, title=f"{title} over {along.name}", panels=panels))
    return found


def _panels(
    along: Axis, axes: Sequence[Axis], rows: Sequence[Any], title: str, label: str, log: bool,
    curves: Callable[[Any], Any],
) -> list[Panel]:  # fmt: skip
    groups: dict[str, list[Any]] = {}
    for row in rows:
        others = [f"{axis.name} = {row['values'][axis.name]:g}" for axis in axes if axis.name != along.name]
        groups.setdefault(", ".join(others), []).append(row)
    return [
        LineChart(
            title=said or title, x_label=along.name, y_label=label, log_y=log,
            log_x=_is_geometric(along.values),
            curves=curves(sorted(group, key=lambda row: row["values"][along.name])),
            error_bars="seeds" in group[0],
        )
        for said, group in list(groups.items())[:_PANELS]
    ]  # fmt: skip


def _curves(
    group: Sequence[Row], along: Axis, name: str, numbers: Callable[[Any], list[float]], log: bool
) -> list[Curve]:
    """A curve for each level; where a logarithm has nothing to show, it is interrupted."""
    count = min(_FEW, *(len(numbers(row)) for row in group)) if len(group) > 1 else len(numbers(group[0]))
    x = [row["values"][along.name] for row in group]
    columns = [[numbers(row)[k] for row in group] for k in range(count)]
    return [
        Curve(name=name.format(k, k + 1), x=x, y=[y if y > 0 or not log else math.nan for y in column])
        for k, column in enumerate(columns)
    ]


def _means(group: Sequence[Any]) -> list[Curve]:
    """Means over the seeds with their standard errors."""
    along = next(iter(group[0]["values"]))
    errors = [each["relative_error"] for each in group]
    return [
        Curve(
            name=f"E{k}", x=[each["values"][along] for each in group], y=[each["mean"][k] for each in errors],
            error=[each["standard_error"][k] or math.nan for each in errors],
        )
        for k in range(min(_FEW, *(len(each["mean"]) for each in errors), _FEW))
    ]  # fmt: skip


def _is_geometric(values: Sequence[float]) -> bool:
    """Whether values are as far apart by their ratios."""
    if len(values) < 3 or min(values) <= 0:
        return False
    ratios = [high / low for low, high in pairwise(values)]
    return max(ratios) - min(ratios) < 1e-6 * max(ratios)
