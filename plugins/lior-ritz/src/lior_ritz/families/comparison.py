"""A family beside the reference, at devices that it was not made from."""

from __future__ import annotations

import time
from typing import Any

import attrs
import torch
from torch import Tensor

from lior.config import resolving
from lior.plots.panels import Curve, LineChart, Panel, Picture
from lior_ritz.families.family import FORMAT, Family, exact_levels
from lior_ritz.families.reduced import EXACT
from lior_ritz.families.shared import Values, rows
from lior_ritz.reports.charts import label

_DRAWN, _FEW = 81, 6
"""Places along a curve, and levels in a picture."""
_NOTHING = 1e-16
"""What an error of 0 is drawn as, on a logarithmic axis."""


@attrs.frozen(kw_only=True, eq=False)
class Comparison:
    """Levels of T devices by both methods, ``[T, K]`` each, float64, in ``E0``."""

    family: Family
    values: Values
    """The devices, ``[T]`` of each option."""
    found: Tensor
    exact: Tensor
    """The reference's."""
    bars: Tensor
    """Of the reference."""
    seconds: float
    """Processor seconds of the family for one device, each solved by itself."""
    reference_seconds: float

    @property
    def level_errors(self) -> Tensor:
        """Relative to the reference's levels, but at least to 1 ``E0``; ``[T, K]``."""
        return (self.found - self.exact) / self.exact.abs().clamp_min(1.0)

    @property
    def splitting_errors(self) -> Tensor:
        """Of ``E1 - E0``, relative, ``[T]``; NaN where there is none that the reference can tell from 0."""
        if self.exact.shape[1] < 2:
            return torch.full((len(self.exact),), torch.nan, dtype=torch.float64)
        split = self.exact[:, 1] - self.exact[:, 0]
        known = split > self.bars[:, 0] + self.bars[:, 1]
        return torch.where(known, (self.found[:, 1] - self.found[:, 0]) / split - 1, torch.nan)

    @property
    def variational(self) -> bool:
        """Whether no level lies below the reference's by more than its error and that of the integrals."""
        slack = self.bars + self.family.reproduced + EXACT * self.exact.abs().clamp_min(1.0)
        return bool((self.found >= self.exact - slack).all())

    def report(self) -> dict[str, Any]:
        """Ready for JSON; energies in meV, the splitting in µeV."""
        family, unit = self.family, self.family.problem.units.E0_meV
        inner, splits = family.space.interpolation, self.splitting_errors
        known = splits[splits.isfinite()].abs().tolist()
        table = []
        for index, device in enumerate(rows(self.values)):
            row: dict[str, Any] = {"values": device}
            for name, levels in (("reference", self.exact[index]), ("family", self.found[index])):
                row[f"{name}_meV"] = (levels * unit).tolist()
                row[f"{name}_splitting_ueV"] = (
                    float(levels[1] - levels[0]) * unit * 1e3 if len(levels) > 1 else None
                )
            row["splitting_error"] = float(splits[index]) if splits[index].isfinite() else None
            row["level_error"] = float(self.level_errors[index].abs().max())
            table.append(row)
        return {
            "format": FORMAT.version,
            "ranges": [attrs.asdict(each) for each in family.ranges],
            "K": self.exact.shape[1],
            "snapshots": rows(family.trained),
            "functions": family.space.size,
            "terms_of_V": None if inner is None else len(inner.points),
            "error_at_snapshots_E0": family.reproduced,
            "seconds_before": family.seconds,
            "seconds_a_device": self.seconds,
            "reference_seconds_a_device": self.reference_seconds,
            "variational": self.variational,
            "largest_relative_error": {
                "splitting": max(known, default=None),
                "level": float(self.level_errors.abs().max()),
            },
            "devices": table,
            "config": resolving.values(family.config),
        }


def compare(family: Family, values: Values) -> Comparison:
    """Solve the devices ``values``, ``[T]`` of each option, by both; ``UsageError`` outside of the ranges."""
    count, begin = len(next(iter(values.values()))), time.process_time()
    exact, bars = exact_levels(family.problem, values, family.config.solver.K)
    apart = time.process_time()
    for i in range(count):
        family.energies({name: each[i : i + 1] for name, each in values.items()})
    return Comparison(
        family=family,
        values=values,
        found=family.energies(values),
        exact=exact,
        bars=bars,
        reference_seconds=(apart - begin) / count,
        seconds=(time.process_time() - apart) / count,
    )


def picture(found: Comparison) -> Picture:
    """Levels and splitting over the first option, the others in the middle, and the errors at all devices."""
    family = found.family
    first, *others = family.ranges
    fixed = {each.name: float(each.at(torch.tensor(0.5, dtype=torch.float64))) for each in others}
    along = first.at(torch.linspace(0, 1, _DRAWN, dtype=torch.float64))
    levels = family.energies({first.name: along, **fixed}) * family.problem.units.E0_meV
    where = "".join(f", {name} = {value:.4g}" for name, value in fixed.items())

    style: dict[str, Any] = {"x_label": label(first.name)}

    def curves(x: Tensor, of: dict[str, Tensor], *, dots: bool = False) -> list[Curve]:
        return [Curve(name=name, x=x.tolist(), y=y.tolist(), dots=dots) for name, y in of.items()]

    few = curves(along, {f"E{k}": y for k, y in enumerate(levels.T[:_FEW])})
    panels: list[Panel] = [LineChart(title=f"levels{where}", y_label="E in meV", curves=few, **style)]
    errors = {"worst level": found.level_errors.abs().amax(1)}
    style["log_y"] = True
    if levels.shape[1] > 1:
        split = curves(along, {"E1 - E0": (levels[:, 1] - levels[:, 0]) * 1e3})
        panels.append(LineChart(title=f"splitting{where}", y_label="E1 - E0 in µeV", curves=split, **style))
        errors["splitting"] = found.splitting_errors.abs()
    drawn = {name: each.clamp_min(_NOTHING) for name, each in errors.items()}
    dots = curves(found.values[first.name], drawn, dots=True)
    panels.append(
        LineChart(title="distance to the reference", y_label="relative error", curves=dots, **style)
    )
    names = ", ".join(label(each.name).partition(" (")[0] for each in family.ranges)
    return Picture(name="family", title=f"family over {names}", panels=panels)
