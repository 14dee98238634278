"""Inverse design: which dot has the levels that are wanted.

Levels and their exact derivatives by the options of the dot (:mod:`lior_ritz.gradients`) come from a network
that is trained on, from one dot to the next. One option for one quantity is found by Newton's method in
bounds, several by that of Gauss and Newton in a trust region (M. A. Branch, T. F. Coleman and Y. Li, *A
subspace, interior, and conjugate gradient method for large-scale bound-constrained minimization problems*,
SIAM J. Sci. Comput. 21, 1, 1999). The referee has the last word.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from lior.errors import RunError, Stopped, UsageError
from lior_ritz import assembly, continuation, devices, reference
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.continuation import Start
from lior_ritz.gradients import gradients
from lior_ritz.problem import Problem
from lior_ritz.roots import root
from lior_ritz.solution import Solution
from lior_ritz.training import Trainer
from lior_ritz.wants import Want

TOLERANCE = 1e-7
"""How far a quantity may be off, relatively; of a level, as a share of at least 1 ``E0``."""
_MOST = 40
"""Dots that are tried."""
_FACTOR = 5.0
"""An option without a range may become so many times larger or smaller."""
_INSIDE = 1e-3
"""Share of a range at its ends in which the search of several options does not begin."""
_ALMOST = 1e-4
"""A search that comes so near failed for want of digits; one that does not, because there is no such dot."""
_SURE = 1e-5
"""Relative distance to the referee's value above which something is wrong."""

Array: TypeAlias = "NDArray[np.float64]"
Watch: TypeAlias = "Callable[[int, dict[str, float], Trainer], None]"
"""Is called after every step with the number of the dot, counted from 0, its options, and the trainer."""


@attrs.frozen(kw_only=True, eq=False)
class Trial:
    """A dot that was tried."""

    options: dict[str, float]
    values: tuple[float, ...]
    """The quantities, each in its unit."""
    residuals: tuple[float, ...]
    """See :meth:`lior_ritz.wants.Want.residual`."""
    slopes: tuple[tuple[float, ...], ...]
    """Derivatives of the residuals by the options, a row for each residual."""
    steps: int

    @property
    def off(self) -> float:
        """The largest residual, by its size."""
        return max(map(abs, self.residuals))


@attrs.frozen(kw_only=True, eq=False)
class Design:
    """A dot that has what was wanted."""

    found: dict[str, float]
    """Option -> its value, in its own unit."""
    assignments: tuple[str, ...]
    """What ``lior ritz run`` needs in ``--set``."""
    wants: tuple[Want, ...]
    got: tuple[float, ...]
    """By the network, each in its unit."""
    referee: tuple[float, ...]
    """By the referee."""
    off: float
    """The largest relative distance of what was got from what was wanted."""
    confirmed: bool
    """Whether the referee agrees."""
    trials: tuple[Trial, ...]
    solution: Solution
    """Of the dot that was found."""
    seconds: float
    """Processor seconds, the referee's included."""

    def report(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "found": self.found,
            "set": list(self.assignments),
            "wants": [
                {"quantity": want.quantity, "wanted": want.wanted, "got": got, "referee": exact}
                for want, got, exact in zip(self.wants, self.got, self.referee, strict=True)
            ],
            "largest_relative_residual": self.off,
            "confirmed_by_referee": self.confirmed,
            "trials": [
                {"options": trial.options, "values": list(trial.values), "steps": trial.steps}
                for trial in self.trials
            ],
            "steps": sum(trial.steps for trial in self.trials),
            "seconds": round(self.seconds, 4),
        }


def design(
    vary: Mapping[str, tuple[float, float] | None],
    wants: Iterable[Want | str],
    *layers: Any,
    overrides: Iterable[str] = (),
    tolerance: float = TOLERANCE,
    watch: Watch | None = None,
) -> Design:
    """Find the dot.

    Parameters
    ----------
    vary
        Option of the potential -> the range in which it may be; ``None`` for a fifth to five times its value
        (of one that may be negative, five either way, at least).
    wants
        What it is to have; see :meth:`lior_ritz.wants.Want.parse`.
    layers, overrides
        As for :func:`lior_ritz.config.load`: the dot to begin with.
    tolerance
        See :data:`TOLERANCE`.

    Raises
    ------
    UsageError
        When an option cannot be varied, a level is not among those that are solved for, or no dot within the
        ranges has what is wanted.
    RunError
        When the search came near, but not to the tolerance.
    Stopped
        When ``watch`` does; the message has the nearest dot.
    """
    begin = time.process_time()
    wanted = tuple(want if isinstance(want, Want) else Want.parse(want) for want in wants)
    if not vary or not wanted:
        raise UsageError("a design needs an option to vary and a quantity that is wanted")
    first = {name: sum(ends) / 2 for name, ends in vary.items() if ends}
    given = list(overrides)
    config, problem, assignments = devices.opened(layers, given, vary, first)
    _check_levels(wanted, config.solver.K)
    search = _Search(
        ranges={name: ends or _range(problem, name) for name, ends in vary.items()},
        wants=wanted,
        make=lambda own: configuration.load(layers, [*assignments, *own]).config,
        problem=problem,
        watch=watch,
    )
    try:
        search.run(tolerance)
    except Stopped:
        raise Stopped(search.stopped()) from None
    search.refuse_unreached(tolerance)
    return search.result(assignments[len(given) :], tolerance, begin)


def _check_levels(wants: Iterable[Want], count: int) -> None:
    for want in wants:
        if want.upper >= count:
            raise UsageError(
                f"{want.quantity}: only E0 to E{count - 1} are solved for; "
                f"--set solver.K={want.upper + 1} or more"
            )


def _range(problem: Problem, name: str) -> tuple[float, float]:
    """Where an option may be when nothing is said."""
    value = devices.parameters(problem)[name]
    field = attrs.fields_dict(type(problem.potential)).get(name)  # type: ignore[arg-type]
    low = field.metadata.get("low") if field else None
    if low is not None and low >= 0 and value > 0:
        return max(low, value / _FACTOR), value * _FACTOR
    width = _FACTOR * max(1.0, abs(value))
    return value - width if low is None else max(low, value - width), value + width


@attrs.define(kw_only=True, eq=False)
class _Search:
    """The dots that were tried, and where to look."""

    ranges: dict[str, tuple[float, float]]
    wants: tuple[Want, ...]
    make: Callable[[Sequence[str]], RitzConfig]
    problem: Problem
    watch: Watch | None
    trials: list[Trial] = attrs.field(factory=list)
    solution: Solution | None = None
    """Of the best dot so far; those of the others are let go."""
    _starts: dict[tuple[int, ...], Start] = attrs.field(factory=dict)

    @property
    def best(self) -> Trial:
        return min(self.trials, key=lambda trial: trial.off)

    @property
    def nearest(self) -> str:
        """The best dot in words."""
        values = zip(self.wants, self.best.values, strict=True)
        got = ", ".join(f"{want.quantity} = {value:.6g}" for want, value in values)
        return f"{', '.join(f'{name} = {x:.9g}' for name, x in self.best.options.items())} with {got}"

    def stopped(self) -> str:
        """What there is to keep when the search is stopped."""
        count = len(self.trials)
        return f"stopped after {count} dots" + (f"; the nearest is {self.nearest}" if count else "")

    def assigned(self, options: Mapping[str, float]) -> list[str]:
        return [devices.assignment(devices.key(self.problem, n), value) for n, value in options.items()]

    def run(self, tolerance: float) -> None:
        start = [self._begin(name) for name in self.ranges]
        if len(self.ranges) == len(self.wants) == 1:
            (low, high), *_ = self.ranges.values()
            root(self._line, start[0], low, high, tolerance=tolerance, most=_MOST)
            return
        lows, highs = np.array(list(self.ranges.values())).T
        share = np.clip((np.array(start) - lows) / (highs - lows), _INSIDE, 1 - _INSIDE)
        known: dict[bytes, Trial] = {}

        def at(u: Array) -> Trial:
            if u.tobytes() not in known:
                known[u.tobytes()] = self.tried(lows + u * (highs - lows))
                if known[u.tobytes()].off <= tolerance:
                    raise _Reached
            return known[u.tobytes()]

        with contextlib.suppress(_Reached):
            least_squares(
                lambda u: np.array(at(u).residuals),
                share,
                jac=lambda u: np.array(at(u).slopes) * (highs - lows),
                bounds=(0, 1),
                xtol=1e-12,
                ftol=1e-15,
                gtol=1e-15,
                max_nfev=_MOST,
            )

    def _begin(self, name: str) -> float:
        """The value that there is, if it is in the range; else the middle."""
        low, high = self.ranges[name]
        value = devices.parameters(self.problem)[name]
        return value if low <= value <= high else (low + high) / 2

    def _line(self, x: float) -> tuple[float, float]:
        trial = self.tried(np.array([x]))
        return trial.residuals[0], trial.slopes[0][0]

    def tried(self, x: Array) -> Trial:
        """Solve for a dot."""
        options = dict(zip(self.ranges, map(float, x), strict=True))
        config = self.make(self.assigned(options))
        symmetry = assembly.mirrored(config, configuration.problem(config))
        number = len(self.trials)

        def step(trainer: Trainer) -> None:
            if self.watch:
                self.watch(number, options, trainer)

        start = self._starts.get(symmetry) or next(iter(self._starts.values()), None)
        solution, self._starts[symmetry] = continuation.solve(config, start, watch=step)
        units = solution.problem.units
        by = gradients(solution, options).derivatives
        values = [float(want.of(solution.energies, units)) for want in self.wants]
        slopes = []
        for want, value in zip(self.wants, values, strict=True):
            row = want.of(by, units).tolist()
            if not all(map(math.isfinite, row)):
                raise UsageError(
                    f"{want.quantity}: its level is degenerate with one that is not solved for; "
                    f"--set solver.K={config.solver.K + 1} or more"
                )
            slopes.append(tuple(want.slope(value, each, units) for each in row))
        residuals = [want.residual(value, units) for want, value in zip(self.wants, values, strict=True)]
        trial = Trial(
            options=options, values=tuple(values), residuals=tuple(residuals), slopes=tuple(slopes),
            steps=solution.trainer.progress.step,
        )  # fmt: skip
        self.trials.append(trial)
        if trial is self.best:
            self.solution = solution
        return trial

    def result(self, added: Sequence[str], tolerance: float, begin: float) -> Design:
        """The best dot, after the referee has seen it."""
        assert self.solution is not None
        units, best = self.problem.units, self.best
        exact = reference.solve(self.solution.problem, len(self.solution.energies)).energies
        values = tuple(float(want.of(exact, units)) for want in self.wants)
        apart = [want.residual(value, units) for want, value in zip(self.wants, values, strict=True)]
        return Design(
            found=best.options,
            assignments=devices.settled([*added, *self.assigned(best.options)]),
            wants=self.wants,
            got=best.values,
            referee=values,
            off=best.off,
            confirmed=max(map(abs, apart)) <= max(_SURE, 2 * tolerance),
            trials=tuple(self.trials),
            solution=self.solution,
            seconds=time.process_time() - begin,
        )

    def refuse_unreached(self, tolerance: float) -> None:
        """Say what there is instead of what is wanted."""
        best = self.best
        if best.off <= tolerance:
            return
        where = ", ".join(f"{name} from {low:.6g} to {high:.6g}" for name, (low, high) in self.ranges.items())
        if best.off < max(_ALMOST, 100 * tolerance):
            raise RunError(
                f"not found within {tolerance:g} in {len(self.trials)} dots; the nearest is {self.nearest}, "
                f"off by {best.off:.1e}; raise --tolerance, or --set training.lbfgs_refine.steps"
            )
        said = []
        for i, want in enumerate(self.wants):
            low, high = (extreme(trial.values[i] for trial in self.trials) for extreme in (min, max))
            said.append(f"{want.quantity} = {want.wanted:.6g} (found: {low:.6g} to {high:.6g})")
        raise UsageError(
            f"no dot with {' and '.join(said)} for {where}; the nearest is {self.nearest}; widen a range, as "
            f"with --vary {next(iter(self.ranges))}=LOW:HIGH, or vary something else"
        )


class _Reached(Exception):
    """What is wanted was found; least squares would go on."""
