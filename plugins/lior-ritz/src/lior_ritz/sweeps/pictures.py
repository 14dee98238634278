"""Pictures of a sweep: levels and splittings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from lior.plots.panels import Curve, LineChart, Panel, Picture
from lior_ritz.sweeps.sweep import Answers, Axis, Row

_FEW, _PANELS = 6, 6
"""Levels in a picture; its panels, one for each combination of the values that are not along its axis."""
_TABLE = {
    "sweep-levels": ("levels", "E_meV", "E{0}", "E in meV", False),
    "sweep-splittings": ("splittings", "splitting_meV", "E{1} - E{0}", "meV", True),
}
"""Name -> title, numbers of a row, name of a curve, label, whether the axis is logarithmic."""


def pictures(found: Answers) -> list[Picture]:
    """Levels and splittings over the first axis; fewer than two points leave nothing to draw."""
    along = found.plan.axes[0]
    return [
        Picture(
            name=name, title=f"{title} over {along.name}",
            panels=_panels(found.plan.axes, found.rows, title, key, curve, label, log),
        )
        for name, (title, key, curve, label, log) in _TABLE.items()
        if len(found.rows) > 1 and found.rows[0][key]
    ]  # fmt: skip


def _panels(
    axes: Sequence[Axis], rows: Sequence[Row], title: str, key: str, curve: str, label: str, log: bool
) -> list[Panel]:
    along, *others = axes
    groups: dict[str, list[Row]] = {}
    for row in rows:
        said = ", ".join(f"{axis.name} = {row['values'][axis.name]:g}" for axis in others)
        groups.setdefault(said, []).append(row)
    panels: list[Panel] = []
    for said, group in list(groups.items())[:_PANELS]:
        group.sort(key=lambda row: row["values"][along.name])
        x = [row["values"][along.name] for row in group]
        columns = list(zip(*(row[key] for row in group), strict=True))[:_FEW]
        curves = [
            # Where a logarithm has nothing to show, a curve is interrupted.
            Curve(name=curve.format(k, k + 1), x=x, y=[y if y > 0 or not log else math.nan for y in column])
            for k, column in enumerate(columns)
        ]
        panels.append(
            LineChart(
                title=said or title, x_label=along.name, y_label=label, log_y=log, curves=curves,
                log_x=_is_geometric(along.values),
            )
        )  # fmt: skip
    return panels


def _is_geometric(values: Sequence[float]) -> bool:
    """Whether values are as far apart by their ratios."""
    if len(values) < 3 or min(values) <= 0:
        return False
    ratios = [high / low for low, high in pairwise(values)]
    return max(ratios) - min(ratios) < 1e-6 * max(ratios)
