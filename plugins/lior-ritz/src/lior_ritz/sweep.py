"""A problem solved again and again, with options of the dot or numbers of the configuration varied."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from lior.config import resolving
from lior.errors import LiorError, Stopped, UsageError, did_you_mean, sentences
from lior_ritz import assembly, continuation, devices
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.continuation import Start
from lior_ritz.gradients import gradients
from lior_ritz.observables import dipoles, left_weight
from lior_ritz.problem import Problem
from lior_ritz.samples import Sampler
from lior_ritz.solution import Solution
from lior_ritz.training import Trainer

SEED = "training.seed"
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
    config: RitzConfig
    symmetry: tuple[int, ...]
    """The axes of built-in parity."""
    after: int | None
    """Index of the point where training goes on from; ``None`` where it begins anew."""


@attrs.frozen(kw_only=True)
class Plan:
    """All that is to be solved."""

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    """In the order in which they are solved."""
    base: RitzConfig
    notes: tuple[str, ...] = ()
    """What was set so that the options mean something."""

    def identity(self) -> dict[str, Any]:
        """What makes it this sweep and no other, ready for JSON."""
        return {
            "axes": [{"name": axis.name, "values": list(axis.values)} for axis in self.axes],
            "warm": any(point.after is not None for point in self.points),
            "config": resolving.values(self.base),
        }


def plan(
    axes: Sequence[Axis],
    *layers: Any,
    overrides: Iterable[str] = (),
    cold: bool = False,
) -> Plan:
    """Work out and check every configuration of a sweep.

    Points that differ in options of the dot alone are solved one after the other, each a neighbour of the one
    before, and go on from it. Keys of the configuration are there to compare trainings: each begins anew.

    Parameters
    ----------
    axes
        What is varied; every combination of their values is a point.
    layers, overrides
        As for :func:`lior_ritz.config.load`.
    cold
        Whether every training begins anew.

    Raises
    ------
    UsageError
        When an option is unknown or means nothing, or a configuration is wrong: before anything is solved.
    """
    axes = tuple(_plain(axis) for axis in axes)
    _check_axes(axes)
    names = [axis.name for axis in axes if not axis.is_key]
    first = {axis.name: axis.values[0] for axis in axes if not axis.is_key}
    base, problem, assignments = devices.opened(layers, overrides, names, first)
    added = assignments[len(list(overrides)) :]
    whole = _whole_keys(base, [axis.name for axis in axes if axis.is_key])
    points: list[Point] = []
    before: dict[tuple[int, ...], dict[tuple[int, ...] | None, int]] = {}
    for place in _walk(axes):
        values = {axis.name: axis.values[i] for axis, i in zip(axes, place, strict=True)}
        own = tuple(_assigned(problem, name, value, whole) for name, value in values.items())
        index = 0
        for axis, i in zip(axes, place, strict=True):
            index = index * len(axis.values) + i
        group = tuple(i for axis, i in zip(axes, place, strict=True) if axis.is_key)
        config = configuration.load(layers, [*assignments, *own]).config
        symmetry = assembly.mirrored(config, configuration.problem(config))
        known = before.setdefault(group, {})
        points.append(
            Point(
                index=index,
                values=values,
                assignments=devices.settled([*added, *own]),
                config=config,
                symmetry=symmetry,
                # A network for one symmetry is a poor start for another, but better than none.
                after=None if cold or not names else known.get(symmetry, known.get(None)),
            )
        )
        known |= {symmetry: index, None: index}
    return Plan(axes=axes, points=tuple(points), base=points[0].config, notes=tuple(added))


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


def _walk(axes: Sequence[Axis]) -> list[tuple[int, ...]]:
    """Places of all points, keys of the configuration changing slowest, each beside the one before: the
    options of the dot go to and fro."""
    order = sorted(range(len(axes)), key=lambda i: not axes[i].is_key)
    walked: list[tuple[int, ...]] = [()]
    for i in order:
        size, longer = len(axes[i].values), []
        for number, begun in enumerate(walked):
            there = number % 2 and not axes[i].is_key
            longer += [(*begun, step) for step in (reversed(range(size)) if there else range(size))]
        walked = longer
    inverse = [order.index(i) for i in range(len(axes))]
    return [tuple(place[i] for i in inverse) for place in walked]


# --- solving ---


class Keeper:
    """Where the rows of a sweep are kept; this one keeps them in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        """Index of a point -> its row."""
        self.failures: dict[int, Row] = {}
        """Index of a point -> its values, and what went wrong."""
        self.starts: dict[tuple[int, ...], tuple[int, Start]] = {}
        """Symmetry -> the last point with it, and what that one handed on."""

    def add(self, point: Point, row: Row, start: Start) -> None:
        """Keep a point that is done, and what later ones begin from."""
        self.rows[point.index] = row
        self.failures.pop(point.index, None)
        self.starts[point.symmetry] = point.index, start

    def fail(self, point: Point, row: Row) -> None:
        """Keep that a point failed."""
        self.failures[point.index] = row

    def start(self, index: int) -> Start | None:
        """What the point of an index handed on, if that is still known."""
        return next((start for known, start in self.starts.values() if known == index), None)


Watch: TypeAlias = "Callable[[Point, int, Trainer], None]"
"""Is called after every step with the point, how many are done or failed, and the trainer."""


def run(plan: Plan, keeper: Keeper, *, watch: Watch | None = None) -> None:
    """Solve what is not done yet; ``keeper`` has the rows.

    A point that fails is noted, and the others are solved; the one after it begins anew.

    Raises
    ------
    Stopped
        When ``watch`` does; what is done is kept.
    """
    for number, point in enumerate(plan.points):
        if point.index in keeper.rows:
            continue
        start = None if point.after is None else keeper.start(point.after)

        def step(trainer: Trainer, point: Point = point, number: int = number) -> None:
            if watch:
                watch(point, number, trainer)

        begin = time.perf_counter()
        try:
            solution, following = continuation.solve(point.config, start, watch=step)
            found = row(point, solution, warm=start is not None)
        except Stopped:
            raise
        except LiorError as error:
            why = " ".join(str(error).split())
            keeper.fail(point, {"index": point.index, "values": point.values, "error": why})
            continue
        found["wall_seconds"] = round(time.perf_counter() - begin, 4)
        keeper.add(point, found, following)


def row(point: Point, solution: Solution, *, warm: bool) -> Row:
    """What is kept of a solution; energies in meV unless a name says otherwise."""
    unit, units = solution.problem.units.E0_meV, solution.problem.units
    count = len(solution.energies)
    sampler = Sampler(solution=solution)
    states, bounds = sampler.measured, solution.bounds
    exact = solution.referee.energies[:count]
    split, exact_split = solution.energies.diff() * unit, exact.diff() * unit
    dipole = dipoles(states.psi, states.weights, states.points)
    names = [name for name in point.values if "." not in name]
    by = gradients(solution, names, sampler=sampler).report()["by"]
    return {
        "index": point.index,
        "values": point.values,
        "set": list(point.assignments),
        "E_E0": solution.energies.tolist(),
        "E_meV": solution.energies_meV.tolist(),
        "lower_meV": None if bounds.lower is None else (bounds.lower * unit).tolist(),
        "upper_meV": (bounds.upper * unit).tolist(),
        "referee_meV": (exact * unit).tolist(),
        "error_meV": (solution.errors * unit).tolist(),
        "relative_error": solution.relative_errors.tolist(),
        "splitting_meV": split.tolist(),
        "splitting_error_meV": (split - exact_split).tolist(),
        "dipole_x_01_nm": abs(float(dipole[0, 0, 1])) * units.L0_nm if count > 1 else None,
        "left_weight": left_weight(states.psi, states.weights, states.points).tolist(),
        "dE_meV": {name: found["dE_meV"] for name, found in by.items()},
        "dsplitting_meV": {name: found["dsplitting_meV"] for name, found in by.items()},
        "warm": warm,
        "steps": solution.trainer.progress.step,
        "nq": solution.trainer.progress.nq,
        "sound": solution.evaluation.sound,
        "seconds": round(solution.seconds, 4),
    }


def in_order(rows: Mapping[int, Row]) -> list[Row]:
    """Rows by the values of their points."""
    return [rows[index] for index in sorted(rows)]
