"""A family beside a reduced basis and the referee, at devices that neither was made from."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from lior.config import resolving
from lior.plots.panels import Curve, LineChart, Panel, Picture
from lior_ritz.family import FORMAT, Family, referee
from lior_ritz.problem import AXES
from lior_ritz.reduced import ReducedBasis
from lior_ritz.shared import Values, rows

METHODS = ("network", "reduced")
"""What is compared with the referee."""
_REPEATS = 5
_DRAWN = 81
"""Places along a curve."""
_FEW = 6
"""Levels in a picture."""
_NOTHING = 1e-16
"""What an error of 0 is drawn as, on a logarithmic axis."""


@attrs.frozen(kw_only=True, eq=False)
class Comparison:
    """Levels of T devices by three methods, ``[T, K]`` each, float64, in ``E0``."""

    family: Family
    reduced_basis: ReducedBasis
    values: Values
    """The devices, ``[T]`` of each option."""
    network: Tensor
    reduced: Tensor
    exact: Tensor
    """The referee's."""
    error_bars: Tensor
    """Of the referee."""
    seconds: dict[str, float]
    """Processor seconds for one device: ``network``, ``reduced`` and ``referee``."""

    @property
    def unit(self) -> float:
        """``E0`` in meV."""
        return self.family.problem.units.E0_meV

    def level_errors(self, method: str) -> Tensor:
        """Relative to the referee's levels, but at least to 1 ``E0``; ``[T, K]``."""
        return (getattr(self, method) - self.exact) / self.exact.abs().clamp_min(1.0)

    def splitting_errors(self, method: str) -> Tensor | None:
        """Of ``E1 - E0``, relative, ``[T]``; NaN where the referee cannot tell it from 0, and ``None`` with
        one level."""
        if self.exact.shape[1] < 2:
            return None
        split = self.exact[:, 1] - self.exact[:, 0]
        known = split > self.error_bars[:, 0] + self.error_bars[:, 1]
        found = getattr(self, method)
        return torch.where(known, (found[:, 1] - found[:, 0]) / split - 1, torch.nan)

    def largest(self, method: str) -> dict[str, float | None]:
        """The largest error of a splitting and of a level; ``None`` where there is none."""
        split = self.splitting_errors(method)
        sizes = [] if split is None else split[split.isfinite()].abs().tolist()
        return {
            "splitting": max(sizes, default=None),
            "level": float(self.level_errors(method).abs().max()),
        }

    @property
    def variational(self) -> bool:
        """Whether no level of the network lies below the referee's by more than both their errors."""
        slack = self.error_bars + self.family.quadrature_error
        return bool((self.network >= self.exact - slack).all())

    def report(self) -> dict[str, Any]:
        """Ready for JSON."""
        family, basis = self.family, self.reduced_basis
        interpolation = family.space.interpolation
        return {
            "format": FORMAT.version,
            "ranges": [attrs.asdict(each) for each in family.ranges],
            "K": self.exact.shape[1],
            "mirrors": "".join(AXES[axis] for axis in family.ansatz.mirrored),
            "network": {
                "trained": rows(family.trained),
                "functions": family.space.size,
                "terms_of_V": None if interpolation is None else len(interpolation.points),
                "steps": family.steps,
                "seconds_offline": family.seconds,
                "seconds_online": self.seconds["network"],
                "quadrature_error_E0": family.quadrature_error,
                "sound": family.sound,
                "variational": self.variational,
                "largest_relative_error": self.largest("network"),
            },
            "reduced_basis": {
                "snapshots": rows(basis.snapshots),
                "functions": basis.space.size,
                "seconds_offline": basis.seconds,
                "seconds_online": self.seconds["reduced"],
                "error_at_snapshots_E0": basis.reproduced,
                "largest_relative_error": self.largest("reduced"),
            },
            "referee": {"seconds_online": self.seconds["referee"]},
            "devices": self.table(),
            "config": resolving.values(family.config),
        }

    def table(self) -> list[dict[str, Any]]:
        """One table of numbers for each device; energies in meV, the splitting in µeV."""
        found = []
        for index, device in enumerate(rows(self.values)):
            row: dict[str, Any] = {"values": device}
            for name, levels in (("referee", self.exact), *((m, getattr(self, m)) for m in METHODS)):
                row[f"{name}_meV"] = (levels[index] * self.unit).tolist()
                if levels.shape[1] > 1:
                    row[f"{name}_splitting_ueV"] = (
                        float(levels[index, 1] - levels[index, 0]) * self.unit * 1e3
                    )
            for method in METHODS:
                split = self.splitting_errors(method)
                if split is not None:
                    error = float(split[index])
                    row[f"{method}_splitting_error"] = error if error == error else None
                row[f"{method}_level_error"] = float(self.level_errors(method)[index].abs().max())
            found.append(row)
        return found

    def csv(self) -> str:
        """:meth:`table` as CSV, a column for each level."""
        flat = []
        for row in self.table():
            line: dict[str, Any] = dict(row["values"])
            for name, value in row.items():
                if isinstance(value, list):
                    line |= {f"{name}_{k}": number for k, number in enumerate(value)}
                elif name != "values":
                    line[name] = value
            flat.append(line)
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        return stream.getvalue()


def compare(family: Family, basis: ReducedBasis, values: Values) -> Comparison:
    """Solve the devices ``values``, ``[T]`` of each option, by all methods.

    Raises
    ------
    UsageError
        When a value is outside of its range.
    """
    begin = time.process_time()
    exact, error_bars = referee(family.problem, values, family.config.solver.K)
    seconds = {"referee": (time.process_time() - begin) / len(exact)}
    network, reduced = family.energies(values), basis.energies(values)
    seconds["network"] = _seconds(family.energies, values)
    seconds["reduced"] = _seconds(basis.energies, values)
    return Comparison(
        family=family, reduced_basis=basis, values=values, network=network, reduced=reduced, exact=exact,
        error_bars=error_bars, seconds=seconds,
    )  # fmt: skip


def _seconds(solve: Callable[[Values], Tensor], values: Values) -> float:
    """Processor seconds for one device, each solved by itself: the least mean of a few rounds."""
    count = len(next(iter(values.values())))
    singles = [{name: each[i : i + 1] for name, each in values.items()} for i in range(count)]
    rounds = []
    for _ in range(_REPEATS):
        begin = time.process_time()
        for single in singles:
            solve(single)
        rounds.append((time.process_time() - begin) / count)
    return min(rounds)


def picture(found: Comparison) -> Picture:
    """Levels and splitting over the first option, the others in the middle, and the errors at all devices."""
    family = found.family
    first, *others = family.ranges
    shares = torch.linspace(0, 1, _DRAWN, dtype=torch.float64)
    fixed = {each.name: float(each.at(torch.tensor(0.5, dtype=torch.float64))) for each in others}
    places: dict[str, Any] = {first.name: first.at(shares), **fixed}
    levels = family.energies(places) * found.unit
    x = places[first.name].tolist()
    where = ", ".join(f"{name} = {value:.4g}" for name, value in fixed.items())
    panels: list[Panel] = [
        LineChart(
            title=f"levels, {where}" if where else "levels",
            x_label=first.name, y_label="E in meV", log_x=first.log,
            curves=[
                Curve(name=f"E{k}", x=x, y=column.tolist()) for k, column in enumerate(levels.T[:_FEW])
            ],
        )
    ]  # fmt: skip
    if levels.shape[1] > 1:
        split = (levels[:, 1] - levels[:, 0]) * 1e3
        panels.append(
            LineChart(
                title=f"splitting, {where}" if where else "splitting",
                x_label=first.name, y_label="µeV", log_x=first.log, log_y=True,
                curves=[Curve(name="E1 - E0", x=x, y=split.tolist())],
            )
        )  # fmt: skip
        panels.append(_errors(found, "splitting, relative error", found.splitting_errors))
    panels.append(
        _errors(found, "worst level, relative error", lambda m: found.level_errors(m).abs().amax(1))
    )
    return Picture(
        name="family", title=f"family over {', '.join(each.name for each in family.ranges)}", panels=panels
    )


def _errors(found: Comparison, title: str, errors: Callable[[str], Tensor | None]) -> LineChart:
    first = found.family.ranges[0]
    named: Mapping[str, str] = {"network": "network", "reduced": "reduced basis"}
    curves = []
    for method, name in named.items():
        sizes = errors(method)
        assert sizes is not None
        x = found.values[first.name].tolist()
        curves.append(Curve(name=name, x=x, y=sizes.abs().clamp_min(_NOTHING).tolist()))
    return LineChart(
        title=title, x_label=first.name, y_label="relative error", log_x=first.log, log_y=True, dots=True,
        curves=curves,
    )  # fmt: skip
