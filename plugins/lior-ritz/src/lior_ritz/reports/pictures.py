"""The pictures of a run, from one table: name -> title, and the function that makes the panels.

Lengths are in nm and energies in meV.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs
import numpy as np

from lior.plots import Curve, LeftOut, LineChart, Panel, Picture
from lior_ritz.problem import AXES
from lior_ritz.problem.arrays import Array
from lior_ritz.reports.charts import Beside
from lior_ritz.reports.field import Field
from lior_ritz.reports.ladder import Ladder, Step
from lior_ritz.reports.observables import squared
from lior_ritz.reports.samples import Sampler, Slice, slices
from lior_ritz.reports.verdicts import History
from lior_ritz.training.solution import Solution
from lior_ritz.verification.gradients import group
from lior_ritz.verification.reference import Reference

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=[mµnp]?eV\b|nm\b|E0\b|L0\b|s\b)")
_ACROSS, _ALONG = 161, 601
"""Points on each axis of a plane, and on a line; odd, so that the middle is one of them."""
_FEW = 8
"""Maximum number of levels that have a curve each."""
_SHOWN = 95
"""Percentile of V along x at which its picture ends, unless the levels need more."""
_STEP = "step of training"
_ROOTS = {1: "√nm", 2: "nm", 3: "√nm³", 4: "nm²"}
_VOLUMES = {1: "nm", 2: "nm²", 3: "nm³", 4: "nm⁴"}
"""By dimension, what a wave function and what a density is one over."""


@attrs.define(kw_only=True, eq=False, slots=False)
class PictureSource:
    """The data of a run's pictures."""

    solution: Solution
    history: History = ()
    label: str = ""
    """The beginning of each title; the name of the potential if it is empty."""

    @cached_property
    def sampler(self) -> Sampler:
        """The states."""
        return Sampler(solution=self.solution)

    @cached_property
    def near(self) -> list[Slice]:
        """The line in one dimension, else every plane through the middle, as far as the states are expected
        to reach. It never touches the edge of the box, where a state that is 0 there has the sign of a
        rounding error."""
        problem = self.solution.problem
        small = attrs.evolve(problem, half_widths=self.solution.extent.reach)
        return slices(small, _ALONG if problem.dim == 1 else _ACROSS)

    @cached_property
    def states(self) -> list[Array]:
        """Values on :attr:`near`, ``[K, ...]`` each, in ``nm^-d/2``."""
        return [each.shaped(self.psi(each)) for each in self.near]

    def psi(self, where: Slice) -> Array:
        """The states on a slice, ``[K, N]`` in ``nm^-d/2``."""
        return self.nm ** (-self.dim / 2) * self.sampler.states(where.points)

    def potential(self, where: Slice) -> Array:
        """V on a slice, in meV."""
        return self.unit * where.shaped(self.sampler.potential(where.points))

    def most(self, k: int) -> float:
        """The greatest value of a state."""
        return max(float(np.abs(values[k]).max()) for values in self.states)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.solution.problem.dim

    @property
    def unit(self) -> float:
        """meV in an ``E0``."""
        return self.solution.problem.units.E0_meV

    @property
    def nm(self) -> float:
        """nm in an ``L0``."""
        return self.solution.problem.units.L0_nm

    @property
    def exact(self) -> list[float]:
        """The reference's levels of those that have a curve, in meV."""
        count = min(len(self.solution.energies), _FEW)
        return (self.unit * self.solution.reference.energies[:count]).tolist()


Panels: TypeAlias = "list[Panel]"


def names(states: int = 4) -> tuple[str, ...]:
    """The names of all pictures of a run with so many states."""
    return tuple(expand(",".join(_PICTURES), states).split(","))


def names_of(solution: Solution) -> tuple[str, ...]:
    """The names of the pictures that a run has numbers for; those of training are of a network."""
    every = names(len(solution.energies))
    return every if solution.network else tuple(name for name in every if name not in _OF_TRAINING)


def expand(only: str, states: int) -> str:
    """A comma-separated list of names; ``psi_state`` stands for ``psi_state_0``, ``psi_state_1``, ..., and so
    do the others of a state."""
    found: list[str] = []
    for name in (each.strip() for each in only.split(",")):
        found += [f"{name}_{k}" for k in range(states)] if name in _OF_STATES else [name]
    return ",".join(found)


def picture(name: str, source: PictureSource) -> Picture:
    """One picture, of those of :func:`names`; ``LeftOut`` when the run has nothing to show there."""
    family, _, number = name.rpartition("_")
    if family in _OF_STATES:
        what, build = _PICTURES[family]
        k = int(number)
        what = f"{what.format(k)}, {float(source.solution.energies_meV[k]):.6g} meV"
        panels = build(source, k)
    else:
        what, build = _PICTURES[name]
        panels = build(source)
    label = source.label or source.solution.config.potential.name
    title = unbroken(f"{label}: {what}")
    return Picture(
        name=name, title=title, panels=[attrs.evolve(panel, title=unbroken(panel.title)) for panel in panels]
    )


def unbroken(title: str) -> str:
    """A title that is not broken between a number and its unit, where it takes several lines.

    >>> unbroken("E0 = 3 meV in 30 nm").split(" ")
    ['E0', '=', '3\\xa0meV', 'in', '30\\xa0nm']
    """
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", title)


# --- potential and states ---


def _plane(source: PictureSource, plane: Slice, values: Array, what: str, unit: str, **style: Any) -> Panel:
    """A field, or a curve in one dimension."""
    x = (source.nm * plane.places[0]).tolist()
    title = f"{what}{_where(source, plane)}"
    if len(plane.axes) == 1:
        curves = [Curve(name=what, x=x, y=values.tolist())]
        return LineChart(title=title, x_label="x in nm", y_label=unit, curves=curves)
    return Field(
        title=title,
        x_label=f"{plane.name[0]} in nm",
        y_label=f"{plane.name[1]} in nm",
        unit=unit,
        x=x,
        y=(source.nm * plane.places[1]).tolist(),
        values=values.tolist(),
        **style,
    )


def _where(source: PictureSource, plane: Slice) -> str:
    """Return the values of the other coordinates, in words."""
    others = [AXES[axis] for axis in range(source.dim) if axis not in plane.axes]
    return f", {' = '.join(others)} = 0" if others else ""


def _map(source: PictureSource) -> Panels:
    """V where the states are."""
    return [_plane(source, plane, source.potential(plane), "V", "V in meV") for plane in source.near]


def _slice(source: PictureSource) -> Panels:
    """V along x, with the levels."""
    line = Slice.central(source.solution.problem, (0,), _ALONG)
    values = source.potential(line)
    levels = {f"E{k}": energy for k, energy in enumerate(source.solution.energies_meV.tolist())}
    low, top = min(float(values.min()), *levels.values()), max(levels.values())
    cut = float(np.percentile(values, _SHOWN))
    high = max(min(cut, top + 1.5 * (top - low)), top + 0.3 * (top - low))
    return [
        LineChart(
            title=f"V(x){_where(source, line)}, and the levels (dashed)",
            x_label="x in nm",
            y_label="E in meV",
            levels=levels,
            low=low - 0.05 * (high - low),
            high=high,
            curves=[Curve(name="V", x=(source.nm * line.places[0]).tolist(), y=values.tolist())],
        )
    ]


def _density(source: PictureSource, k: int) -> Panels:
    unit, most = f"|ψ|² in 1/{_VOLUMES[source.dim]}", source.most(k) ** 2
    return [
        _plane(source, plane, squared(values[k]), f"|ψ{k}|²", unit, low=0.0, high=most)
        for plane, values in zip(source.near, source.states, strict=True)
    ]


def _refuse_complex(source: PictureSource) -> None:
    if source.solution.problem.terms.field_tesla:
        raise LeftOut("states in a magnetic field are complex; density_state shows them")


def _psi(source: PictureSource, k: int) -> Panels:
    _refuse_complex(source)
    unit, most = f"ψ in 1/{_ROOTS[source.dim]}", source.most(k)
    return [
        _plane(source, plane, values[k], f"ψ{k}", unit, high=most, diverging=True)
        for plane, values in zip(source.near, source.states, strict=True)
    ]


# --- levels ---


def _spectrum(source: PictureSource) -> Panels:
    """The reference's levels with the next ones, and a network's beside them."""
    reference, unit = source.solution.reference, source.unit
    columns = {}
    if source.solution.network:
        energies = (unit * source.solution.energies).tolist()
        columns["network"] = [Step(name=f"E{k}", energy=energy) for k, energy in enumerate(energies)]
    columns["reference"] = [
        Step(
            name=f"E{group[0]}" + (f" to E{group[-1]}" if group[1:] else ""),
            energy=unit * float(reference.energies[group[0]]),
            count=len(group),
            more=group[-1] + 1 == len(reference.energies),
        )
        for group in degenerate(reference)
    ]
    return [Ladder(title=f"levels (reference: {reference.method})", unit="meV", columns=columns)]


def degenerate(reference: Reference) -> list[list[int]]:
    """Numbers of the levels that are one, as far as the reference's error bars tell."""
    return group((np.diff(reference.energies) <= reference.splitting_errors).tolist())


# --- training, from the lines of its metrics ---


def _metric(
    source: PictureSource, key: str, name: str, scale: float = 1.0, index: int | None = None
) -> Curve:
    """A number of the metrics over the steps; lines without it are passed over."""
    if not source.history:
        raise LeftOut("no metrics of training are at hand")
    pairs = [(line["step"], line.get(key)) for line in source.history]
    if index is not None:
        pairs = [(step, values[index]) for step, values in pairs if values and index < len(values)]
    known = [(step, value) for step, value in pairs if value is not None]
    return Curve(name=name, x=[step for step, _ in known], y=[scale * value for _, value in known])


def _chart(title: str, label: str, curves: Sequence[Curve], **style: Any) -> LineChart:
    return Beside(title=title, x_label=_STEP, y_label=label, curves=list(curves), **style)


def _convergence(source: PictureSource) -> Panels:
    """How far each level is from the reference's, on the training nodes and on independent ones."""
    panels: Panels = []
    for key, where in (("eigvals", "the training nodes"), ("eval_energies", "independent nodes")):
        curves = [
            _away(_metric(source, key, f"E{k}", source.unit, k), level)
            for k, level in enumerate(source.exact)
        ]
        panels.append(_chart(f"on {where}", "|E − reference| in meV", curves, log_x=True, log_y=True))
    return panels


def _away(curve: Curve, exact: float) -> Curve:
    return Curve(name=curve.name, x=curve.x, y=[abs(y - exact) for y in curve.y])


_OF_STATES = ("density_state", "psi_state")
"""Pictures that are made once for each state, whose number, from 0, follows the name after ``_``."""
_OF_TRAINING = ("convergence",)
"""Pictures of a network; a run by the reference has no numbers for them."""
_PICTURES: dict[str, tuple[str, Callable[..., Panels]]] = {
    "potential_map": ("potential where the states are", _map),
    "potential_slice_y0": ("potential along x", _slice),
    "density_state": ("density of state {}", _density),
    "psi_state": ("wave function of state {}", _psi),
    "energy_spectrum": ("levels", _spectrum),
    "convergence": ("distance of each level to the reference's", _convergence),
}
"""Name -> title, and the function that makes the panels."""
