"""A problem solved again and again, with options of the dot or numbers of the configuration varied.

Options of the dot, units and the box are the referee's: levels with error bars, and exact derivatives, in
milliseconds. Where a key of the network or of its training is varied, every point is a training, and its
errors are distances to the referee's levels."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from lior.config import resolving
from lior.errors import LiorError, Stopped, UsageError, did_you_mean, sentences
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.judge import reference
from lior_ritz.judge.gradients import gradients
from lior_ritz.judge.reference.measuring import measured
from lior_ritz.judge.spin import spins
from lior_ritz.problem import Problem, devices
from lior_ritz.reports.observables import dipoles, left_weight
from lior_ritz.reports.samples import Sampler
from lior_ritz.training.solution import solve
from lior_ritz.training.trainer import Trainer

SEED = "training.seed"
_TRAINED = ("solver.", "model.", "training.", "domain.nq", "domain.eval_nq")
"""How the keys begin that only a network answers to."""
_NUMBERS = ("a number", "a finite number", "a whole number")
"""How it begins what is said to be allowed of a number."""
_MOST = 10_000
"""Points of a sweep."""

Row: TypeAlias = "dict[str, Any]"
"""What is kept of a point, ready for JSON."""
Watch: TypeAlias = "Callable[[Point, Trainer | None], None]"
"""Is called after every point, and every step of a training; what it raises ends the sweep."""


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
    config: RitzConfig | None
    """Of its training; ``None`` where the referee answers."""


@attrs.frozen(kw_only=True)
class Plan:
    """All that is to be solved."""

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    base: RitzConfig
    notes: tuple[str, ...] = ()
    """What was set so that the options mean something."""

    def identity(self) -> dict[str, Any]:
        """What makes it this sweep and no other, ready for JSON."""
        return {
            "axes": [{"name": axis.name, "values": list(axis.values)} for axis in self.axes],
            "config": resolving.values(self.base),
        }


def plan(axes: Sequence[Axis], *layers: Any, overrides: Iterable[str] = ()) -> Plan:
    """Work out and check every point of a sweep.

    Parameters
    ----------
    axes
        What is varied; every combination of their values is a point.
    layers, overrides
        As for :func:`lior_ritz.config.load`.

    Raises
    ------
    UsageError
        When an option is unknown or means nothing, or a configuration is wrong: before anything is solved.
    """
    axes = tuple(_plain(axis) for axis in axes)
    _check_axes(axes)
    first = {axis.name: axis.values[0] for axis in axes if not axis.is_key}
    base, problem, assignments = devices.opened(layers, overrides, list(first), first)
    added = assignments[len(list(overrides)) :]
    keys = [axis.name for axis in axes if axis.is_key]
    whole, trained = _whole_keys(base, keys), any(name.startswith(_TRAINED) for name in keys)
    bases: dict[tuple[str, ...], Problem] = {}
    points = []
    for index, place in enumerate(itertools.product(*(axis.values for axis in axes))):
        values = dict(zip((axis.name for axis in axes), place, strict=True))
        own = {name: _assigned(problem, name, value, whole) for name, value in values.items()}
        config = None
        if trained:
            config = configuration.load(layers, [*assignments, *own.values()]).config
            here = configuration.problem(config)
        else:
            set_keys = tuple(own[name] for name in keys)
            if set_keys not in bases:
                bases[set_keys] = configuration.problem(
                    configuration.load(layers, [*assignments, *set_keys]).config
                )
            here = bases[set_keys].varied({name: value for name, value in values.items() if name in first})
        points.append(
            Point(
                index=index, values=values, assignments=devices.settled([*added, *own.values()]),
                problem=here, config=config,
            )
        )  # fmt: skip
    return Plan(axes=axes, points=tuple(points), base=base, notes=tuple(added))


def _plain(axis: Axis) -> Axis:
    """An option of the potential by its own name, also where it was written as a key."""
    for prefix in ("potential.parameters.", "potential."):
        if axis.name.startswith(prefix):
            return Axis(axis.name.removeprefix(prefix), axis.values)
    return axis


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

    Raises
    ------
    UsageError
        When one is no key, or none with a number.
    """
    known = {key.dotted: key.allowed for key in resolving.keys(type(config))}
    numbers = [name for name, allowed in known.items() if allowed.startswith(_NUMBERS)]
    for name in names:
        if name in known and name not in numbers:
            raise UsageError(f"{name} is {known[name]}; only numbers are varied, such as domain.nq or {SEED}")
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


class Keeper:
    """Where the rows of a sweep are kept; this one keeps them in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        """Index of a point -> its row."""
        self.failures: dict[int, Row] = {}
        """Index of a point -> its values, and what went wrong."""

    def add(self, point: Point, row: Row) -> None:
        """Keep a point that is done."""
        self.rows[point.index] = row
        self.failures.pop(point.index, None)

    def fail(self, point: Point, why: str) -> None:
        """Keep that a point failed."""
        self.failures[point.index] = {"index": point.index, "values": point.values, "error": why}


def run(plan: Plan, keeper: Keeper, *, watch: Watch = lambda point, trainer: None) -> None:
    """Solve what is not done yet; ``keeper`` has the rows. A point that fails is noted, and the others are
    solved.

    Raises
    ------
    Stopped
        When ``watch`` does; what is done is kept.
    """
    for point in plan.points:
        if point.index in keeper.rows:
            continue
        begin = time.process_time()
        try:
            found = _trained(point, watch) if point.config else _answered(point, plan.base.solver.K)
        except Stopped:
            raise
        except LiorError as error:
            keeper.fail(point, " ".join(str(error).split()))
            continue
        seconds = round(time.process_time() - begin, 4)
        known = {"index": point.index, "values": point.values, "set": list(point.assignments)}
        keeper.add(point, known | found | {"seconds": seconds})
        watch(point, None)


def _answered(point: Point, count: int) -> Row:
    """What the referee says; energies in meV unless a name says otherwise."""
    problem = point.problem
    unit, found = problem.units.E0_meV, reference.solve(problem, count + 1)
    states = measured(problem, found, count)
    energies, bars = found.energies[:count], found.errors[:count]
    names = [name for name in point.values if "." not in name]
    by = gradients(problem, found, count, names, states).report()
    return (
        {
            "by": "referee",
            "E_E0": energies.tolist(),
            "E_meV": (energies * unit).tolist(),
            "lower_meV": ((energies - bars) * unit).tolist(),
            "upper_meV": ((energies + bars) * unit).tolist(),
            "relative_error": (bars / energies.abs().clamp_min(1.0)).tolist(),
            "error_meV": (bars * unit).tolist(),
            "splitting_meV": (energies.diff() * unit).tolist(),
            "splitting_error_meV": (found.splitting_errors[: count - 1] * unit).tolist(),
            "dE_meV": {name: each["dE_meV"] for name, each in by.items()},
            "dsplitting_meV": {name: each["dsplitting_meV"] for name, each in by.items()},
            "good": found.converged,
            "steps": 0,
        }
        | _spin(problem, found, count)
        | _seen(problem, states.psi, states.rule.weights, states.rule.points)
    )


def _spin(problem: Problem, found: reference.Reference, count: int) -> Row:
    """The levels of both spins and their g-factors, where there are such."""
    known = spins(problem, found, count)
    return (
        {}
        if known is None
        else {f"spin_{name}": value for name, value in known.report(problem.units).items()}
    )


def _trained(point: Point, watch: Watch) -> Row:
    """What a network says, and how far it is from the referee."""
    assert point.config is not None
    solution = solve(point.config, watch=lambda trainer: watch(point, trainer))
    unit, bounds = solution.problem.units.E0_meV, solution.bounds
    states = Sampler(solution=solution).measured
    exact = solution.referee.energies[: len(solution.energies)]
    return {
        "by": "network",
        "E_E0": solution.energies.tolist(),
        "E_meV": solution.energies_meV.tolist(),
        "lower_meV": None if bounds.lower is None else (bounds.lower * unit).tolist(),
        "upper_meV": (bounds.upper * unit).tolist(),
        "relative_error": solution.relative_errors.tolist(),
        "error_meV": (solution.errors * unit).tolist(),
        "splitting_meV": (solution.energies.diff() * unit).tolist(),
        "splitting_error_meV": ((solution.energies.diff() - exact.diff()) * unit).tolist(),
        "good": solution.evaluation.sound and not solution.missed,
        "steps": solution.trainer.progress.step,
    } | _seen(solution.problem, states.psi, states.weights, states.points)


def _seen(problem: Problem, psi: Any, weights: Any, points: Any) -> Row:
    dipole = dipoles(psi, weights, points)
    single = len(psi) < 2
    return {
        "dipole_x_01_nm": None if single else float(dipole[0, 0, 1].abs()) * problem.units.L0_nm,
        "left_weight": left_weight(psi, weights, points).tolist(),
    }


def in_order(rows: Mapping[int, Row]) -> list[Row]:
    """Rows by the values of their points."""
    return [rows[index] for index in sorted(rows)]
