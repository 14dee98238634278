"""A problem solved again and again by the referee, with options of the dot or numbers of the configuration
varied: levels with error bars and exact derivatives, in milliseconds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import attrs

from lior.config import components, resolving
from lior.errors import LiorError, UsageError, did_you_mean, sentences
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.judge import reference
from lior_ritz.judge.gradients import gradients
from lior_ritz.judge.reference.measuring import measured
from lior_ritz.judge.spin import spins
from lior_ritz.problem import Problem, devices
from lior_ritz.reports.observables import dipoles, left_weight

FORMAT = 3
_NETWORKS = ("solver.", "model.", "training.", "domain.nq", "domain.eval_nq")
"""How the keys begin that the referee does not read."""
_NUMBERS = ("a number", "a finite number", "a whole number")
"""How it begins what is said to be allowed of a number."""
_MOST = 10_000
"""Points of a sweep."""

Row: TypeAlias = "dict[str, Any]"
"""What is kept of a point, ready for JSON."""


@attrs.frozen
class Axis:
    """What is varied, and through which values."""

    name: str
    """An option of the potential, or a dotted key of the configuration."""
    values: tuple[float, ...]

    @property
    def is_key(self) -> bool:
        """Whether it is a key of the configuration."""
        return "." in self.name


@attrs.frozen(kw_only=True)
class Point:
    """One problem of a sweep."""

    index: int
    """Its place in the order of the axes, the last of which is the fastest."""
    values: dict[str, float]
    assignments: tuple[str, ...]
    """What ``lior ritz run`` needs in ``--set``."""
    problem: Problem


@attrs.frozen(kw_only=True)
class Plan:
    """All that is to be solved."""

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    base: RitzConfig
    notes: tuple[str, ...] = ()
    """What was set so that the options mean something."""


def plan(axes: Sequence[Axis], *layers: Any, overrides: Iterable[str] = ()) -> Plan:
    """Work out and check every point of a sweep.

    Raises ``UsageError`` when an option is unknown or means nothing, or a configuration is wrong: before
    anything is solved.

    ``axes``: what is varied; every combination of their values is a point. ``layers``, ``overrides``: as for
    :func:`lior_ritz.config.load`.
    """
    axes = tuple(attrs.evolve(axis, name=devices.option(axis.name)) for axis in axes)
    _check_axes(axes)
    first = {axis.name: axis.values[0] for axis in axes if not axis.is_key}
    base, problem, assignments = devices.opened(layers, overrides, list(first), first)
    added = assignments[len(list(overrides)) :]
    keys = [axis.name for axis in axes if axis.is_key]
    whole = _whole_keys(base, keys)
    bases: dict[tuple[str, ...], Problem] = {}
    points = []
    for index, place in enumerate(itertools.product(*(axis.values for axis in axes))):
        values = dict(zip((axis.name for axis in axes), place, strict=True))
        own = {name: _assigned(problem, name, value, whole) for name, value in values.items()}
        set_keys = tuple(own[name] for name in keys)
        if set_keys not in bases:
            config = configuration.load(layers, [*assignments, *set_keys]).config
            bases[set_keys] = configuration.problem(config)
        here = bases[set_keys].varied({name: value for name, value in values.items() if name in first})
        said = devices.settled([*added, *own.values()])
        points.append(Point(index=index, values=values, assignments=said, problem=here))
    return Plan(axes=axes, points=tuple(points), base=base, notes=tuple(added))


def _check_axes(axes: Sequence[Axis]) -> None:
    if not axes:
        raise UsageError("a sweep needs an option to vary")
    count = 1
    for number, axis in enumerate(axes):
        if axis.name in [other.name for other in axes[:number]]:
            raise UsageError(f"{axis.name} is varied twice; give its values at once")
        if len(set(axis.values)) != len(axis.values) or not axis.values:
            raise UsageError(f"{axis.name}: its values have to differ, and there has to be one")
        count *= len(axis.values)
    if count > _MOST:
        raise UsageError(f"{count:,} combinations; a sweep has at most {_MOST:,}")


def _whole_keys(config: RitzConfig, names: Iterable[str]) -> set[str]:
    """Which of these keys are whole numbers.

    Raises ``UsageError`` when one is no key, or none with a number.
    """
    known = {key.dotted: key.allowed for key in components.keys(type(config))}
    numbers = [name for name, allowed in known.items() if allowed.startswith(_NUMBERS)]
    for name in names:
        if name.startswith(_NETWORKS):
            raise UsageError(
                f"{name} is of the network, and a sweep asks the referee: set it for `lior ritz run`, and "
                "set the runs side by side with `lior ritz compare`"
            )
        if name in known and name not in numbers:
            raise UsageError(f"{name} is {known[name]}; only numbers are varied, such as domain.X")
        if name not in known:
            hint = did_you_mean(name, numbers) or "`lior ritz config explain` lists all."
            raise UsageError(sentences(f"no key {name!r} in the configuration.", hint))
    return {name for name in names if "whole" in known[name]}


def _assigned(problem: Problem, name: str, value: float, whole: set[str]) -> str:
    if "." not in name:
        return devices.assignment(devices.key(problem, name), float(value))
    if name in whole:
        if value != int(value):
            raise UsageError(f"{name} = {value:g}: allowed is a whole number")
        value = int(value)
    return devices.assignment(name, value)


# --- solving ---


@attrs.frozen(kw_only=True)
class Answers:
    """What came of a sweep, by the order of its points."""

    plan: Plan
    rows: list[Row] = attrs.field(factory=list)
    failures: list[Row] = attrs.field(factory=list)
    """The values of a point, and what went wrong."""

    def report(self) -> Row:
        """Ready for JSON."""
        plan, done = self.plan, len(self.rows)
        return {
            "format": FORMAT,
            "axes": [{"name": axis.name, "values": list(axis.values)} for axis in plan.axes],
            "config": resolving.values(plan.base), "points": self.rows, "failures": self.failures,
            "missing": len(plan.points) - done, "seconds": sum(row["seconds"] for row in self.rows),
        }  # fmt: skip


def run(plan: Plan, *, stop: Callable[[int], bool] = lambda index: False) -> Answers:
    """Solve the points, until ``stop``, which is asked before each by its number, returns true; one that
    fails is noted, and the others are solved."""
    found = Answers(plan=plan)
    for point in plan.points:
        if stop(point.index):
            break
        begin = time.process_time()
        known = {"index": point.index, "values": point.values}
        try:
            answer = _answered(point, plan.base.solver.K)
        except LiorError as error:
            found.failures.append(known | {"error": " ".join(str(error).split())})
            continue
        seconds = round(time.process_time() - begin, 4)
        found.rows.append(known | {"set": list(point.assignments)} | answer | {"seconds": seconds})
    return found


def _answered(point: Point, count: int) -> Row:
    """What the referee says; energies in meV unless a name says otherwise."""
    problem = point.problem
    unit, found = problem.units.E0_meV, reference.solve(problem, count + 1)
    states = measured(problem, found, count)
    energies, bars = found.energies[:count], found.errors[:count]
    names = [name for name in point.values if "." not in name]
    by = gradients(problem, found, count, names, states).report()
    psi, weights, points = states.psi, states.rule.weights, states.rule.points
    both = spins(problem, found, count)
    spin = both.report(problem.units) if both else {}
    dipole = float(dipoles(psi, weights, points)[0, 0, 1]) if count > 1 else None
    return {
        "E_E0": energies.tolist(), "E_meV": (energies * unit).tolist(), "error_meV": (bars * unit).tolist(),
        "relative_error": (bars / energies.abs().clamp_min(1.0)).tolist(),
        "splitting_meV": (energies.diff() * unit).tolist(),
        "splitting_error_meV": (found.splitting_errors[: count - 1] * unit).tolist(),
        "dE_meV": {name: each["dE_meV"] for name, each in by.items()},
        "dsplitting_meV": {name: each["dsplitting_meV"] for name, each in by.items()},
        "dipole_x_01_nm": None if dipole is None else abs(dipole) * problem.units.L0_nm,
        "left_weight": left_weight(psi, weights, points).tolist(), "good": found.converged,
    } | {f"spin_{name}": value for name, value in spin.items()}  # fmt: skip
