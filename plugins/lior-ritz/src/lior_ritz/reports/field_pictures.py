"""Panels about potential and states: maps of the plane, and curves along a line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypeAlias

import attrs
import torch
from torch import Tensor

from lior.plots.panels import Curve, LeftOut, LineChart, Panel
from lior_ritz.network.states import squared
from lior_ritz.problem import AXES
from lior_ritz.reports.panels import Field
from lior_ritz.reports.samples import Sampler, Slice, slices
from lior_ritz.reports.training_pictures import History
from lior_ritz.reports.verdicts import focus_range
from lior_ritz.training.solution import Solution

_ACROSS, _ALONG = 161, 601
"""Points on each axis of a plane, and on a line; odd, so that the middle is one of them."""
_VISIBLE = 1e-3
"""Share of a range below which a difference cannot be seen."""
_NOTHING = 1e-6
"""A state whose values on a plane are below this share of its greatest has its node there."""

Built: TypeAlias = "tuple[str, list[Panel]]"
"""What is shown, and the panels."""


@attrs.define(kw_only=True, eq=False, slots=False)
class Source:
    """What pictures are made from."""

    solution: Solution
    history: History = ()
    """Lines of the metrics."""
    label: str = ""
    """What the title begins with; the name of the potential if it is empty."""

    @cached_property
    def sampler(self) -> Sampler:
        """The states."""
        return Sampler(solution=self.solution)

    @cached_property
    def planes(self) -> list[Slice]:
        """The line in one dimension, else every plane through the middle."""
        problem = self.solution.problem
        return slices(problem, _ALONG if problem.dim == 1 else _ACROSS)

    @cached_property
    def near(self) -> list[Slice]:
        """The same, as far as the states are expected to reach: never on the edge itself, where a state that
        is 0 there has the sign of a rounding error."""
        problem = self.solution.problem
        small = attrs.evolve(problem, half_widths=self.solution.trainer.extent.reach)
        return slices(small, _ALONG if problem.dim == 1 else _ACROSS)

    @cached_property
    def states(self) -> list[Tensor]:
        """Values on :attr:`near`, ``[K, ...]`` each, in ``nm^-d/2``."""
        scale = self.solution.problem.units.L0_nm ** (-self.solution.problem.dim / 2)
        return [scale * each.shaped(self.sampler.states(each.points)) for each in self.near]

    @property
    def unit(self) -> float:
        """meV in an ``E0``."""
        return self.solution.problem.units.E0_meV

    @property
    def nm(self) -> float:
        """nm in an ``L0``."""
        return self.solution.problem.units.L0_nm

    def title(self, what: str, *, units: bool) -> str:
        """A title; ``units`` says what the units of length and energy are."""
        label = self.label or self.solution.config.potential.name
        said = f" (units: {self.nm:g} nm, {self.unit:.5g} meV)" if units else ""
        return f"{label}: {what}{said}"


# --- the potential ---


def potential_map(source: Source, *, focus: bool) -> Built:
    """V in the whole box, or where the states are and up to the focus of
    :func:`lior_ritz.reports.verdicts.focus_range`."""
    cut = _cut(source)
    planes = source.near if focus else source.planes
    values = [plane.shaped(source.sampler.potential(plane.points)) * source.unit for plane in planes]
    low, top = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    limit = cut if focus and low < cut < top - _VISIBLE * (top - low) else None
    panels = [
        _of_plane(source, plane, v, "V", "V in meV", high=limit)
        for plane, v in zip(planes, values, strict=True)
    ]
    if not focus:
        return "potential in the whole box", panels
    return "potential where the states are" + (f", up to {cut:.4g} meV" if limit else ""), panels


def _cut(source: Source) -> float:
    """Where the focused picture ends, in meV."""
    problem = source.solution.problem
    values = torch.cat([source.sampler.potential(plane.points) for plane in source.planes])
    barrier = problem.potential.report(problem.units).get("barrier_dimless")
    return source.unit * focus_range(values, barrier)[2]


def _of_plane(
    source: Source,
    plane: Slice,
    values: Tensor,
    what: str,
    unit: str,
    *,
    low: float | None = None,
    high: float | None = None,
    diverging: bool = False,
    contours: Sequence[float] = (),
) -> Panel:
    """A field, or a curve in one dimension."""
    x = (source.nm * plane.places[0]).tolist()
    where = _where(source, plane)
    if len(plane.axes) == 1:
        return LineChart(
            title=f"{what}{where}",
            x_label="x in nm",
            y_label=unit,
            curves=[Curve(name=what, x=x, y=values.tolist())],
            low=low,
            high=high,
        )
    return Field(
        title=f"{what}{where}",
        x_label=f"{plane.name[0]} in nm",
        y_label=f"{plane.name[1]} in nm",
        unit=unit,
        x=x,
        y=(source.nm * plane.places[1]).tolist(),
        values=values.tolist(),
        low=low,
        high=high,
        diverging=diverging,
        contours=contours,
    )


def _where(source: Source, plane: Slice) -> str:
    """Where the other coordinates are."""
    others = [AXES[axis] for axis in range(source.solution.problem.dim) if axis not in plane.axes]
    return f", {' = '.join(others)} = 0" if others else ""


def _axis(source: Source, *, near: bool = False) -> tuple[Slice, str]:
    """The line along x through the middle, and what to say of it."""
    problem = source.solution.problem
    if near:
        width = float(source.near[0].places[0][-1])
        problem = attrs.evolve(problem, half_widths=(width, *problem.half_widths[1:]))
    line = Slice.central(problem, (0,), _ALONG)
    return line, _where(source, line)


def potential_slice(source: Source) -> Built:
    """V along x, with the levels."""
    line, where = _axis(source)
    values = source.sampler.potential(line.points) * source.unit
    levels = {f"E{k}": energy for k, energy in enumerate(source.solution.energies_meV.tolist())}
    low, _, cut = focus_range(values, None)
    low, top = min(low, *levels.values()), max(levels.values())
    high = max(min(cut, top + 1.5 * (top - low)), top + 0.3 * (top - low))
    room = 0.05 * (high - low)
    panel = LineChart(
        title=f"V(x){where}, and the levels (dashed)",
        x_label="x in nm",
        y_label="E in meV",
        curves=[Curve(name="V", x=(source.nm * line.places[0]).tolist(), y=values.tolist())],
        levels=levels,
        levels_beside=True,
        low=low - room,
        high=high,
    )
    return "potential along x", [panel]


# --- states ---


def density(source: Source, k: int) -> Built:
    """The density of a state."""
    most = max(float(squared(values[k]).max()) for values in source.states)
    unit = f"|ψ|² in 1/{_volume(source)}"
    high = 1.02 * most if source.solution.problem.dim == 1 else most
    panels = []
    for plane, values in zip(source.near, source.states, strict=True):
        what = f"|ψ{k}|²" + _node(source, k, values[k])
        panels.append(_of_plane(source, plane, squared(values[k]), what, unit, low=0.0, high=high))
    return f"density of state {k}, {_energy(source, k)}", panels


def _node(source: Source, k: int, psi: Tensor) -> str:
    """What there is to say of values of a state (in ``nm^-d/2``) that are rounding errors."""
    most = max(float(values[k].abs().max()) for values in source.states)
    return " (a node)" if float(psi.abs().max()) < _NOTHING * most else ""


def _refuse_complex(source: Source) -> None:
    if source.solution.problem.terms.field_tesla:
        raise LeftOut("states in a magnetic field are complex; density_state shows them")


def psi(source: Source, k: int) -> Built:
    """A state itself, and where it is 0."""
    _refuse_complex(source)
    most = max(float(values[k].abs().max()) for values in source.states)
    limit = None if source.solution.problem.dim == 1 else most
    panels = []
    for plane, values in zip(source.near, source.states, strict=True):
        node = _node(source, k, values[k])
        panels.append(
            _of_plane(
                source,
                plane,
                values[k],
                f"ψ{k}{node}",
                f"ψ in 1/{_root(source)}",
                low=None if limit is None else -limit,
                high=limit,
                diverging=True,
                contours=[] if node else [0.0],
            )
        )
    return f"wave function of state {k}, {_energy(source, k)}", panels


def state_slice(source: Source, k: int) -> Built:
    """A state and its density along x."""
    _refuse_complex(source)
    line, where = _axis(source, near=True)
    scale = source.nm ** (-source.solution.problem.dim / 2)
    values = scale * source.sampler.states(line.points)[k]
    node = _node(source, k, values)
    most = max(float(each[k].abs().max()) for each in source.states) if node else None
    x = (source.nm * line.places[0]).tolist()
    panels: list[Panel] = [
        LineChart(
            title=f"{name}(x){where}{node}",
            x_label="x in nm",
            y_label=unit,
            curves=[Curve(name=name, x=x, y=y.tolist())],
            low=None if most is None else low * most**power,
            high=None if most is None else most**power,
        )
        for name, unit, y, power, low in (
            (f"ψ{k}", f"ψ in 1/{_root(source)}", values, 1, -1.0),
            (f"|ψ{k}|²", f"|ψ|² in 1/{_volume(source)}", values.square(), 2, -0.05),
        )
    ]
    return f"state {k} along x, {_energy(source, k)}", panels


def _energy(source: Source, k: int) -> str:
    return f"{float(source.solution.energies_meV[k]):.6g} meV"


def _volume(source: Source) -> str:
    return {1: "nm", 2: "nm²", 3: "nm³", 4: "nm⁴"}[source.solution.problem.dim]


def _root(source: Source) -> str:
    """What a wave function is one over."""
    return {1: "√nm", 2: "nm", 3: "√nm³", 4: "nm²"}[source.solution.problem.dim]
