"""Pictures of a sweep: levels, followed through their crossings, and splittings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lior.plots import CURVE_COLOURS, Curve, Finish, Panel, Picture
from lior_ritz.reports.charts import Beside, label
from lior_ritz.sweeps.sweep import Answers, Axis, Row, groups

_MOST, _FEW, _PANELS = 60, 12, 6
"""States in a panel; curves of another; panels, one for each combination of the values not along the axis."""


class Fan(Beside):
    """Curves some of which begin and end inside; coloured by spin where there are two."""

    def _missing(self) -> str:
        return ""

    def draw(self, axis: Any) -> Finish:
        """Curves, and a legend right of the axes."""
        finish = super().draw(axis)
        named = {line.get_label(): line for line in axis.get_lines()}
        if any("spin" in name for name in named):
            for name, line in named.items():
                line.set(color=CURVE_COLOURS["spin up" in name], linestyle="-", marker="")
            self.name_curves(axis, {name.partition(", ")[2]: line for name, line in named.items()})
        return finish


def _label(axis: Axis, found: Answers) -> str:
    return label(axis.name, getattr(found.plan.points[0].problem.potential, "gates", None) or ())


def pictures(found: Answers) -> list[Picture]:
    """Levels and splittings over the first axis; words, and fewer than two points, leave nothing to draw."""
    along = found.plan.axes[0]
    if len(found.rows) < 2 or any(isinstance(value, str) for value in along.values):
        return []
    made = {"levels": _levels(found), "splittings": _splittings(found)}
    over = _label(along, found).partition(" (")[0]
    if "network_steps" in found.rows[0]:
        made["errors"] = _errors(found)
    return [
        Picture(name=f"sweep-{name}", title=f"{name} over {over}", panels=panels)
        for name, panels in made.items()
        if panels
    ]


def _panels(found: Answers) -> list[tuple[str, list[Row], list[float]]]:
    """Return the common values of each panel, its rows, and their places along the first axis."""
    along, *others = found.plan.axes
    parts = []
    for group in groups(found.plan.axes, found.rows)[:_PANELS]:
        rows = [row for _, row in group]
        same = (f"{axis.name} = {_said(rows[0]['values'][axis.name])}" for axis in others)
        parts.append((", ".join(same), rows, [float(row["values"][along.name]) for row in rows]))
    return parts


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _chart(found: Answers, title: str, unit: str, curves: list[Curve], *, log: bool) -> Fan:
    along = found.plan.axes[0]
    return Fan(
        title=title,
        x_label=_label(along, found),
        y_label=unit,
        log_y=log,
        curves=curves,
        log_x=_is_geometric([float(value) for value in along.values]),
    )


def _levels(found: Answers) -> list[Panel]:
    """Return a curve for each state, or one for each spin of it."""
    return [
        _chart(found, said, "E in meV", _spins(rows, x) or _states(rows, x), log=False)
        for said, rows, x in _panels(found)
    ]


def _states(rows: Sequence[Row], x: Sequence[float]) -> list[Curve]:
    """The curve of a state is interrupted where the state is not among the levels of a point."""
    names = sorted({name for row in rows for name in row["curve"]})[:_MOST]
    energies = [dict(zip(row["curve"], row["E_meV"], strict=True)) for row in rows]
    return [Curve(name=f"state {k}", x=x, y=[each.get(k, math.nan) for each in energies]) for k in names]


def _spins(rows: Sequence[Row], x: Sequence[float]) -> list[Curve]:
    """Both spins of each state; none where a spin is not clearly one of both, or there are none."""
    if not any("spin_E_meV" in row for row in rows):
        return []
    found: dict[tuple[int, str], list[float]] = {}
    for i, row in enumerate(rows):
        for spin, sign in (("up", 1), ("down", -1)):
            pairs = zip(row.get("spin_E_meV", ()), row.get("spin_sigma_z", ()), strict=True)
            energies = sorted(energy for energy, sigma in pairs if sign * sigma > 0)
            energies = energies or row["E_meV"]  # nothing tells them apart there
            for name, energy in zip(row["curve"], energies, strict=False):
                found.setdefault((name, spin), [math.nan] * len(rows))[i] = energy
    chosen = sorted(found)[:_MOST]
    return [Curve(name=f"state {name}, spin {spin}", x=x, y=found[name, spin]) for name, spin in chosen]


def _splittings(found: Answers) -> list[Panel]:
    """Between levels by their order; where a logarithm has nothing to show, a curve is interrupted."""
    if not found.rows[0]["splitting_meV"]:
        return []
    panels: list[Panel] = []
    for said, rows, x in _panels(found):
        columns = zip(*(row["splitting_meV"] for row in rows), strict=False)
        curves = [
            Curve(name=f"E{k + 1} - E{k}", x=x, y=[y if y > 0 else math.nan for y in column])
            for k, column in enumerate(columns)
        ]
        panels.append(_chart(found, said, "splitting in meV", curves[:_FEW], log=True))
    return panels


def _errors(found: Answers) -> list[Panel]:
    """How far networks are from the reference."""
    panels: list[Panel] = []
    for said, rows, x in _panels(found):
        columns = zip(*(row["network_relative_error"] for row in rows), strict=False)
        curves = [Curve(name=f"E{k}", x=x, y=list(map(abs, column))) for k, column in enumerate(columns)]
        panels.append(_chart(found, said, "relative error", curves[:_FEW], log=True))
    return panels


def _is_geometric(values: Sequence[float]) -> bool:
    """Whether values are as far apart by their ratios."""
    if len(values) < 3 or min(values) <= 0:
        return False
    ratios = [high / low for low, high in pairwise(values)]
    return max(ratios) - min(ratios) < 1e-6 * max(ratios)
