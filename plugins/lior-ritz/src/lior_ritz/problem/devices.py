"""Options of a dot that can be varied: their names, their values, and the derivatives of V."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import combinations, product
from typing import Any

import attrs
import numpy as np

from lior.errors import UsageError, did_you_mean, sentences
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.problem import Problem, place
from lior_ritz.problem.arrays import STEP, Array

_KEY = re.compile(r"(?:potential\.)?gates\.(\w+)\.voltage|potential\.(?:parameters\.|base\.)*(\w+)")
_PROBES = 64
_SAME = 1e-9
"""How far V may be, relatively, from what it is without an option that is given its own value."""
_MODE = "param_mode"
"""Option that says by which others a potential is given, as that of the biquadratic dot."""


def parameters(problem: Problem) -> dict[str, float]:
    """The options that can be varied, with their values; those that its mode does not use are
    left out.

    A value that was not given is the one that follows from others, as the potential reports it.
    """
    points = _probes(problem)
    here = problem.energy(points)
    found = {}
    for name in problem.potential.device:
        value = _value(problem, name)
        if value is None:
            continue
        try:
            there = problem.energy(points, {name: value})
        except UsageError:
            continue
        if _is_same(there, here):
            found[name] = value
    return found


def require_parameters(problem: Problem, names: Iterable[str]) -> None:
    """Refuse options that cannot be varied.

    Raises ``UsageError`` naming the first one, and what may be varied.
    """
    used = parameters(problem)
    for name in names:
        if name in used:
            continue
        if name in problem.potential.device:
            # The potential knows best why; where it would take the option, its value is the trouble.
            value = _value(problem, name)
            problem.energy(_probes(problem), {name: 1.0 if value is None else value})
            raise UsageError(f"{name}: not given, and its value does not follow from other options; give it")
        allowed = f"Allowed: {', '.join(used)}." if used else "This potential has none."
        hint = did_you_mean(name, problem.potential.device)
        raise UsageError(sentences(f"no option {name!r} of the potential can be varied.", hint, allowed))


def sensitivity(problem: Problem, name: str, points: Array) -> Array:
    """``∂V/∂p`` at ``points``, ``[N, d]``, of the option ``name``; ``[N]`` in ``E0`` per unit of the option.

    Raises ``UsageError`` when the option cannot be varied, or the derivative is not finite somewhere.
    """
    require_parameters(problem, [name])
    value: Any = _value(problem, name)
    found = problem.energy(points, {name: value + 1j * STEP}).imag / STEP
    if not np.isfinite(found).all():
        raise UsageError(f"{name}: the derivative of the potential is not finite everywhere in the box")
    return found


def key(problem: Problem, name: str) -> str:
    """The configuration key of an option of the potential."""
    return ".".join(("potential", *place(problem.potential, name)))


def option(name: str) -> str:
    """The option that a key of the potential is of; any other name as it is.

    >>> option("potential.gates.left.voltage"), option("potential.parameters.k"), option("domain.nq")
    ('left', 'k', 'domain.nq')
    """
    found = _KEY.fullmatch(name)
    return next(filter(None, found.groups())) if found else name


def assignment(key: str, value: float) -> str:
    """``key=value`` that gives back the very number.

    >>> assignment("potential.a", 1.5), assignment("solver.M", 8)
    ('potential.a=1.5', 'solver.M=8')
    """
    return f"{key}={value!r}"


def settle(assignments: Iterable[str]) -> tuple[str, ...]:
    """The last assignment of each key, which is the one that counts.

    >>> settle(["a=1", "b=2", "a=3"])
    ('a=3', 'b=2')
    """
    return tuple({text.partition("=")[0]: text for text in assignments}.values())


def in_mode(config: RitzConfig, problem: Problem, names: Iterable[str]) -> list[str]:
    """Return the settings that give ``names`` an effect, if no mode was chosen.

    The dot stays the same: it is only given by other numbers. Nothing is set where all names mean something
    already, where the mode was chosen, or where no other helps.

    Returns ``"key=value"``.
    """
    wanted = [name for name in names if name in problem.potential.device]
    used = parameters(problem)
    fields = attrs.fields_dict(type(problem.potential))  # type: ignore[arg-type]
    if all(name in used for name in wanted) or _MODE not in fields or _MODE in config.potential.options:
        return []
    report = problem.potential.report(problem.units)
    others = [name for name in problem.potential.device if name in report and name not in {*used, *wanted}]
    sets = [more for size in range(len(others) + 1) for more in combinations(others, size)]
    for mode, more in product(fields[_MODE].metadata["choices"], sets):
        given = {name: float(f"{report[name]:.12g}") for name in (*wanted, *more) if name in report}
        if _same_dot(problem, {_MODE: mode, **given}, wanted):
            numbers = [assignment(f"potential.{name}", value) for name, value in given.items()]
            return [f"potential.{_MODE}={mode}", *numbers]
    return []


def _same_dot(problem: Problem, changes: Mapping[str, Any], wanted: Iterable[str]) -> bool:
    """Whether the potential is the same with these options, and lets those that are wanted vary."""
    points = _probes(problem)
    try:
        other = attrs.evolve(problem, potential=attrs.evolve(problem.potential, **changes))  # type: ignore[misc]
        for name in wanted:
            other.varied({name: 1.01 * changes.get(name, 1.0)})
    except UsageError:
        return False
    here = problem.energy(points)
    return _is_same(other.energy(points), here) and {*wanted} <= parameters(other).keys()


def _is_same(there: Array, here: Array) -> bool:
    return bool(np.abs(there - here).max() <= _SAME * max(1.0, np.abs(here).max()))


def open_device(
    layers: Iterable[Any], overrides: Iterable[str], names: Iterable[str], first: Mapping[str, float]
) -> tuple[RitzConfig, Problem, list[str]]:
    """A configuration whose potential has ``names`` to vary.

    Raises ``UsageError`` when the configuration is wrong, or a name cannot be varied.

    Returns ``config, problem``: of the dot to begin with; ``overrides``: the given ones, and what
    :func:`in_mode` adds.

    ``layers``, ``overrides``: as for :func:`lior_ritz.config.load`. ``names``: options of the potential.
    ``first``: values for some of them, for a configuration that is complete only with these.
    """
    layers, overrides = list(layers), list(overrides)
    try:
        config = configuration.load(layers, overrides).config
    except UsageError:
        if not first:
            raise
        values = [assignment(f"potential.{name}", value) for name, value in first.items()]
        config = configuration.load(layers, [*overrides, *values]).config
        overrides += values
    problem = configuration.problem(config)
    names = list(names)
    if extra := in_mode(config, problem, names):
        overrides += extra
        config = configuration.load(layers, overrides).config
        problem = configuration.problem(config)
    require_parameters(problem, names)
    return config, problem, overrides


def _value(problem: Problem, name: str) -> float | None:
    """Return the value of an option, if it is known."""
    potential: Any = problem.potential
    head, *rest = place(potential, name)
    given = getattr(potential, head)
    for each in rest:
        given = (given or {}).get(each)
    if given is not None:
        return float(given)
    report = potential.report(problem.units)
    follows = report.get(name, report.get(f"{name}_dimless"))
    return None if follows is None else float(f"{follows:.12g}")  # 3 and not 2.9999999999999996


def _probes(problem: Problem) -> Array:
    """A few points in the box, always the same."""
    return np.random.default_rng(0).uniform(-1, 1, (_PROBES, problem.dim)) * problem.half_widths
