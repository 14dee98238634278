"""A problem solved again and again by the reference, with options of the dot or numbers of the configuration
varied: levels with error bars and exact derivatives, in milliseconds; with ``solver.network`` also by
networks that are trained for each point."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np

from lior.config import schema_keys
from lior.config import values as _values
from lior.errors import LiorError, UsageError, did_you_mean, sentences
from lior.workers import Where, Workers
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.problem import Problem, devices
from lior_ritz.reports.observables import dipoles, left_weight
from lior_ritz.sweeps.tracking import Sampled, follow
from lior_ritz.training.solution import train
from lior_ritz.verification import box, reference
from lior_ritz.verification.gradients import gradients, listed
from lior_ritz.verification.reference.measuring import measure
from lior_ritz.verification.spin import spins

FORMAT = 3
_MOST = 10_000
"""Points of a sweep."""

Row: TypeAlias = "dict[str, Any]"
"""The numbers of a point, ready for JSON."""


@attrs.frozen
class Axis:
    """A varied option or key, with its values."""

    name: str
    """An option of the potential, or a dotted key of the configuration."""
    values: tuple[float | str, ...]
    """Words only of a key of the configuration that has some."""

    @property
    def is_key(self) -> bool:
        """Whether it is a key of the configuration."""
        return "." in self.name


@attrs.frozen(kw_only=True)
class Point:
    """One problem of a sweep."""

    index: int
    """Its place in the order of the axes, the last of which is the fastest."""
    values: dict[str, float | str]
    assignments: tuple[str, ...]
    """The assignments for ``--set`` of ``lior ritz run``."""
    problem: Problem
    config: RitzConfig
    """The configuration of the point, except for options of the potential, which :attr:`problem` has."""


@attrs.frozen(kw_only=True)
class Plan:
    """All that is to be solved."""

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    base: RitzConfig
    notes: tuple[str, ...] = ()
    """The settings that were added to give the options an effect."""


def plan(axes: Sequence[Axis], *layers: Any, overrides: Iterable[str] = ()) -> Plan:
    """Work out and check every point of a sweep.

    Raises ``UsageError`` when an option is unknown or means nothing, or a configuration is wrong: before
    anything is solved.

    ``axes``: what is varied; every combination of their values is a point. ``layers``, ``overrides``: as for
    :func:`lior_ritz.config.load`.
    """
    axes = tuple(attrs.evolve(axis, name=devices.option(axis.name)) for axis in axes)
    _check_axes(axes)
    first = {axis.name: _real(axis.name, axis.values[0]) for axis in axes if not axis.is_key}
    base, problem, assignments = devices.open_device(layers, overrides, list(first), first)
    added = assignments[len(list(overrides)) :]
    keys = [axis.name for axis in axes if axis.is_key]
    whole = _whole_keys(base, keys)
    _check_read(base, keys)
    bases: dict[tuple[str, ...], tuple[RitzConfig, Problem]] = {}
    points = []
    for index, place in enumerate(itertools.product(*(axis.values for axis in axes))):
        values = dict(zip((axis.name for axis in axes), place, strict=True))
        own = {name: _assign(problem, name, value, whole) for name, value in values.items()}
        set_keys = tuple(own[name] for name in keys)
        if set_keys not in bases:
            config = configuration.load(layers, [*assignments, *set_keys]).config
            bases[set_keys] = config, configuration.problem(config)
        config, here = bases[set_keys]
        here = here.varied({name: float(value) for name, value in values.items() if name in first})
        said = devices.settle([*added, *own.values()])
        points.append(Point(index=index, values=values, assignments=said, problem=here, config=config))
    return Plan(axes=axes, points=tuple(points), base=base, notes=tuple(added))


def _check_read(base: RitzConfig, keys: Sequence[str]) -> None:
    """Refuse keys that a point without a network does not depend on: it has no arrays on ``domain.nq``."""
    unread = [key for key in keys if configuration.is_networks(key) or key == "domain.nq"]
    if unread and not base.solver.network:
        raise UsageError(f"{unread[0]} is of the network, which is not trained; add --network")


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
    """Those of the keys that are whole numbers.

    Raises ``UsageError`` when one is no key.
    """
    known = {key.dotted: key.allowed for key in schema_keys(type(config))}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, list(known)) or "`lior ritz config explain` lists all."
            raise UsageError(sentences(f"no key {name!r} in the configuration.", hint))
    return {name for name in names if "whole" in known[name]}


def _real(name: str, value: float | str) -> float:
    if isinstance(value, str):
        raise UsageError(f"{name} = {value!r}: allowed is a number")
    return value


def _assign(problem: Problem, name: str, value: float | str, whole: set[str]) -> str:
    if "." not in name:
        return devices.assignment(devices.key(problem, name), _real(name, value))
    if isinstance(value, str):
        return f"{name}={value}"
    if name in whole:
        if value != int(value):
            raise UsageError(f"{name} = {value:g}: allowed is a whole number")
        value = int(value)
    return devices.assignment(name, value)


# --- solving ---


@attrs.frozen(kw_only=True)
class Answers:
    """The results of a sweep, in the order of its points."""

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
            "config": _values(plan.base),
            "points": self.rows,
            "failures": self.failures,
            "missing": len(plan.points) - done,
            "seconds": sum(row["seconds"] for row in self.rows),
        }


def run(
    plan: Plan, *, stop: Callable[[int], bool] = lambda index: False, workers: Where | None = None
) -> Answers:
    """Solve the points, until ``stop``, which is asked before each by its number, returns true; one that
    fails is noted, and the others are solved. ``workers`` solve them side by side, as
    :class:`lior.workers.Workers` takes them; without any this process does."""

    def tasks() -> Iterator[tuple[Point]]:
        yield from ((point,) for point in itertools.takewhile(lambda p: not stop(p.index), plan.points))

    if workers is None:
        solved = list(itertools.starmap(_solve, tasks()))
    else:
        with Workers(workers) as team:
            solved = [each for _, each in team.map(_solve, tasks())]
    solved.sort(key=lambda each: each[0]["index"])
    done = [(row, states) for row, states in solved if states is not None]
    found = Answers(
        plan=plan, rows=[row for row, _ in done], failures=[row for row, states in solved if states is None]
    )
    _number_curves(found, [states for _, states in done])
    return found


def _number_curves(found: Answers, sampled: Sequence[Sampled]) -> None:
    """Give each row the numbers of the curves that its states lie on."""
    for group in groups(found.plan.axes, found.rows):
        chosen = [k for k, _ in group]
        for k, curves in zip(chosen, follow([sampled[k] for k in chosen]), strict=True):
            found.rows[k]["curve"] = curves[: len(found.rows[k]["E_meV"])]


def _solve(point: Point) -> tuple[Row, Sampled | None]:
    """Return the row of a point and its states; if it fails, its values with the error, and no states."""
    begin = time.process_time()
    known = {"index": point.index, "values": point.values}
    try:
        answer, states = _answer(point)
    except LiorError as error:
        return known | {"error": " ".join(str(error).split())}, None
    seconds = round(time.process_time() - begin, 4)
    return known | {"set": list(point.assignments)} | answer | {"seconds": seconds}, states


def groups(axes: Sequence[Axis], rows: Sequence[Row]) -> list[list[tuple[int, Row]]]:
    """Rows along the first axis, with their numbers: a list for each combination of the other values."""
    along, *others = axes
    found: dict[tuple[Any, ...], list[tuple[int, Row]]] = {}
    for k, row in enumerate(rows):
        found.setdefault(tuple(row["values"][axis.name] for axis in others), []).append((k, row))
    order = sorted(along.values) if not any(isinstance(x, str) for x in along.values) else list(along.values)
    return [
        sorted(group, key=lambda each: order.index(each[1]["values"][along.name])) for group in found.values()
    ]


def _answer(point: Point) -> tuple[Row, Sampled]:
    """Return the reference's numbers, and the network's if one is trained; energies in meV unless a name
    says otherwise. Also the states, to follow them."""
    problem, count = point.problem, point.config.solver.K
    unit, found = problem.units.E0_meV, box.widened(problem, reference.solve(problem, count + 1))
    states = measure(problem, found, count)
    energies, bars = found.energies[:count], found.errors[:count]
    names = [name for name in point.values if "." not in name]
    slopes = dict(zip(names, gradients(problem, found, count, names, states) * unit, strict=True))
    psi, weights, points = states.psi, states.rule.weights, states.rule.points
    both = spins(problem, found, count)
    spin = both.report(problem.units) if both else {}
    dipole = float(dipoles(psi, weights, points)[0, 0, 1]) if count > 1 else None
    row = {
        "E_E0": energies.tolist(),
        "E_meV": (energies * unit).tolist(),
        "error_meV": (bars * unit).tolist(),
        "relative_error": (bars / np.maximum(np.abs(energies), 1.0)).tolist(),
        "splitting_meV": (np.diff(energies) * unit).tolist(),
        "splitting_error_meV": (found.splitting_errors[: count - 1] * unit).tolist(),
        "dE_meV": {name: listed(row) for name, row in slopes.items()},
        "dsplitting_meV": {name: listed(np.diff(row)) for name, row in slopes.items()},
        "dipole_x_01_nm": None if dipole is None else abs(dipole) * problem.units.L0_nm,
        "left_weight": left_weight(psi, weights, points).tolist(),
        "good": not found.misses(count),
    } | {f"spin_{name}": value for name, value in spin.items()}
    if point.config.solver.network:
        row |= _train(point)
    return row, Sampled.of(problem, found, count + 1)  # one more, so that fewer states are lost


def _train(point: Point) -> Row:
    """Return the numbers of a network that is trained for this point."""
    found = train(point.config, point.problem)
    assert found.network
    return {
        "network_E_meV": found.energies_meV.tolist(),
        "network_steps": found.network.trainer.progress.step,
        "network_relative_error": found.relative_errors.tolist(),
        "network_seconds": round(found.seconds, 4),
        "network_missed": len(found.missed),
    }
