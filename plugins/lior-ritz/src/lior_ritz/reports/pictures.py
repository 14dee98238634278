"""The pictures of a run: panels of lior and of :mod:`lior_ritz.reports.panels`.

Lengths are in nm and energies in meV; the title says which units of the problem these are multiples of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import attrs
import torch
from torch import Tensor

from lior.errors import UsageError, did_you_mean, sentences
from lior.plots.panels import BarChart, Curve, LeftOut, LineChart, Panel, Picture
from lior_ritz.reports import field_pictures, training_pictures
from lior_ritz.reports.field_pictures import Built, Source
from lior_ritz.reports.panels import Field
from lior_ritz.reports.training_pictures import History
from lior_ritz.training.solution import Solution

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=[mµnp]?eV\b|nm\b|E0\b|L0\b|s\b)")
_FEW = 20
"""Most levels that have a bar."""


def names(states: int = 4) -> tuple[str, ...]:
    """The names of all pictures of a run with so many states."""
    each = [f"{family}_{k}" for family in _OF_STATES for k in range(states)]
    return (*list(_BUILDERS)[:_BEFORE], *each, *list(_BUILDERS)[_BEFORE:])


def chosen(only: str | None, states: int) -> tuple[str, ...]:
    """The names in a comma-separated list, for a run with so many states; ``None`` is all.

    ``psi_state`` stands for ``psi_state_0``, ``psi_state_1``, ..., and so do the others of a state.

    Raises
    ------
    UsageError
        When there is no picture of a name.
    """
    known = names(states)
    if only is None:
        return known
    found: list[str] = []
    for name in (each.strip() for each in only.split(",")):
        if name in _OF_STATES:
            found += [f"{name}_{k}" for k in range(states)]
        elif name in known:
            found.append(name)
        else:
            raise UsageError(_unknown(name, states))
    return tuple(dict.fromkeys(found))


def _unknown(name: str, states: int) -> str:
    family, _, number = name.rpartition("_")
    if family in _OF_STATES and number.isdecimal():
        return f"no picture {name!r}: the states of this run are 0 to {states - 1}"
    known = names(states)
    return sentences(f"no picture {name!r}.", did_you_mean(name, known) or f"There are {', '.join(known)}.")


def picture(name: str, source: Source) -> Picture:
    """One picture.

    Raises
    ------
    LeftOut
        When the run has nothing to show there.
    UsageError
        When there is no picture of that name.
    """
    count = len(source.solution.energies)
    if name not in names(count):
        raise UsageError(_unknown(name, count))
    family, _, number = name.rpartition("_")
    if family in _OF_STATES:
        what, panels = _OF_STATES[family](source, int(number))
    else:
        what, panels = _BUILDERS[name](source)
    title = unbroken(source.title(what, units=name not in _BARE))
    return Picture(
        name=name, title=title, panels=[attrs.evolve(panel, title=unbroken(panel.title)) for panel in panels]
    )


def unbroken(title: str) -> str:
    """A title that is not broken between a number and its unit, where it takes several lines.

    >>> unbroken("E0 = 3 meV in 30 nm").split(" ")
    ['E0', '=', '3\\xa0meV', 'in', '30\\xa0nm']
    """
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", title)


def pictures(solution: Solution, history: History = (), *, label: str = "") -> Iterator[Picture]:
    """All pictures of a run, in the order of :func:`names`; those that it has no numbers for are left out."""
    source = Source(solution=solution, history=history, label=label)
    for name in names(len(solution.energies)):
        try:
            yield picture(name, source)
        except LeftOut:
            continue


# --- levels ---


def _spectrum(source: Source) -> Built:
    solution = source.solution
    curves = [
        Curve(name=name, x=list(range(len(energies))), y=(energies * source.unit).tolist())
        for name, energies in (("computed", solution.energies), ("referee", solution.referee.energies))
    ]
    more = len(solution.referee.energies) - len(solution.energies)
    title = f"the referee's (method {solution.referee.method}) with the next {more}"
    panel = LineChart(
        title=title, x_label="number of the level", y_label="E in meV", curves=curves, dots=True
    )
    return "levels, computed and by the referee", [panel]


def _bounds(source: Source) -> Built:
    """How far the bounds are from the referee's levels."""
    solution, known = source.solution, source.solution.bounds
    count = min(len(solution.energies), _FEW)
    exact = solution.referee.energies[:count]
    above = known.upper[:count] - exact
    few = f", the {_FEW} lowest" if len(solution.energies) > _FEW else ""
    if known.lower is None:
        none = "none from below, for states are not exactly flat at the edge"
        return "bounds of the levels" + few, [
            _gaps(source, f"upper bound above the referee's level; {none}", above)
        ]
    panels: list[Panel] = [
        _gaps(source, "upper bound above the referee's level", above),
        _gaps(source, "lower bound below the referee's level", exact - known.lower[:count]),
    ]
    return "bounds of the levels from both sides" + few, panels


def _gaps(source: Source, title: str, gaps: Tensor) -> BarChart:
    """Distances in ``E0``; one below 0 is a bound on the wrong side."""
    values = gaps * source.unit
    most = float(values.abs().max()) or 1.0
    scale, unit = next(
        ((s, u) for s, u in ((1.0, "meV"), (1e3, "µeV"), (1e6, "neV")) if s * most >= 1), (1e9, "peV")
    )
    bars = source.solution.referee.errors[: len(gaps)]
    return BarChart(
        title=title,
        x_label=f"distance in {unit}",
        names=[f"E{k}" for k in range(len(gaps))],
        values=(scale * values).clamp_min(0).tolist(),
        notes=[
            f"{scale * value:.3g}" + _verdict(gap, bar)
            for value, gap, bar in zip(values.tolist(), gaps.tolist(), bars.tolist(), strict=True)
        ],
    )


def _verdict(gap: float, bar: float) -> str:
    """What to say of a bound on the wrong side of a level with that error bar."""
    if gap >= 0:
        return ""
    return " (within the referee's error)" if gap >= -bar else " (on the WRONG side)"


# --- matrices ---


def _overlap(source: Source) -> Built:
    return "overlap of the basis functions", [
        _matrix("S", source.sampler.matrices[0], "⟨φi|φj⟩", "basis function")
    ]


def _orthonormality(source: Source) -> Built:
    states = source.sampler.measured
    overlap = (states.psi.conj() * states.weights) @ states.psi.T - torch.eye(len(states.psi))
    panel = _matrix("overlap of the states, minus 1", overlap, "⟨ψi|ψj⟩ − δij", "state")
    return "orthonormality of the states", [panel]


def _matrix(title: str, values: Tensor, unit: str, of: str) -> Field:
    if len(values) < 2:
        raise LeftOut(f"a matrix of one {of} is a number")
    places = list(range(len(values)))
    return Field(
        title=title, x_label=f"{of} j", y_label=f"{of} i", unit=unit, x=places, y=places,
        values=values.real.tolist(), diverging=True,
    )  # fmt: skip


# --- training ---


def _training(make: Callable[[Solution, History], list[Panel]], what: str) -> Callable[[Source], Built]:
    return lambda source: (what, make(source.solution, source.history))


_OF_STATES: dict[str, Callable[[Source, int], Built]] = {
    "density_state": field_pictures.density,
    "psi_state": field_pictures.psi,
    "slice_y0_state": field_pictures.state_slice,
}
"""Pictures that each state has one of; the state's number, from 0, follows with ``_`` before it."""
_BUILDERS: dict[str, Callable[[Source], Built]] = {
    "potential_map_full": lambda source: field_pictures.potential_map(source, focus=False),
    "potential_map_focus": lambda source: field_pictures.potential_map(source, focus=True),
    "potential_map": lambda source: field_pictures.potential_map(source, focus=True),
    "potential_slice_y0": field_pictures.potential_slice,
    "energy_spectrum": _spectrum,
    "bounds": _bounds,
    "overlap_S_heatmap": _overlap,
    "psi_overlap_minus_identity": _orthonormality,
    "training_losses": _training(training_pictures.losses, "loss while training"),
    "training_eigsum": _training(training_pictures.eigsum, "sum of the energies while training"),
    "training_conditioning": _training(training_pictures.conditioning, "conditioning while training"),
    "training_step_time": _training(training_pictures.step_time, "time of training"),
    "training_energies": _training(training_pictures.energies, "levels while training"),
    "training_dashboard": _training(training_pictures.dashboard, "training at a glance"),
    "convergence": _training(training_pictures.convergence, "distance of each level to the referee's"),
}
_BEFORE = 4
"""Builders before those of states."""
_BARE = ("overlap_S_heatmap", "psi_overlap_minus_identity", "training_step_time", "training_conditioning")
"""Pictures without lengths and energies."""
