"""Inverse design: which dot has the levels that are wanted.

Levels and their exact derivatives by the options of the dot come from the reference. The method is that of
Gauss and Newton in a trust region (M. A. Branch, T. F. Coleman and Y. Li, *A subspace, interior, and
conjugate gradient method for large-scale bound-constrained minimization problems*, SIAM J. Sci. Comput. 21,
1, 1999), from the dot that there is, and from the ends of the ranges when that leads nowhere."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from lior.errors import RunError, UsageError
from lior_ritz.problem import Problem, devices
from lior_ritz.sweeps.wants import Want
from lior_ritz.verification import reference
from lior_ritz.verification.gradients import gradients

TOLERANCE = 1e-7
"""How far a quantity may be off, relatively; of a level, as a share of at least 1 ``E0``."""
_SHARP = 1e-3
"""Share of it that the reference may be off, but not below the second number."""
_LEAST = 1e-12
_MOST = 40
"""Dots that are tried from one start."""
_FACTOR = 5.0
"""An option without a range may become so many times larger or smaller."""
_INSIDE = 1e-3
"""Share of a range at its ends in which a search does not begin."""
_ALMOST = 1e-4
"""A search that comes so near failed for want of digits; one that does not, because there is no such dot."""

Array: TypeAlias = "NDArray[np.float64]"


@attrs.frozen(eq=False)
class Trial:
    """A dot that was tried."""

    options: dict[str, float]
    values: tuple[float, ...]
    """The quantities, each in its unit."""
    bars: tuple[float, ...]
    """How far the reference may be off about these."""
    residuals: tuple[float, ...]
    """See :meth:`lior_ritz.sweeps.wants.Want.off`."""
    slopes: tuple[tuple[float, ...], ...]
    """Derivatives of the residuals by the options, a row for each residual."""

    @property
    def off(self) -> float:
        """The largest residual, by its size."""
        return max(map(abs, self.residuals))


@attrs.frozen(kw_only=True, eq=False)
class Design:
    """A dot that has what was wanted."""

    assignments: tuple[str, ...]
    """What ``lior ritz run`` needs in ``--set``."""
    wants: tuple[Want, ...]
    best: Trial
    trials: tuple[Trial, ...]
    seconds: float
    """Processor seconds."""

    def report(self) -> dict[str, Any]:
        """Ready for JSON."""
        rows = zip(self.wants, self.best.values, self.best.bars, strict=True)
        return {
            "found": self.best.options,
            "set": list(self.assignments),
            "wants": [
                {"quantity": want.quantity, "wanted": want.wanted, "got": got, "error_bar": bar}
                for want, got, bar in rows
            ],
            "largest_relative_residual": self.best.off,
            "trials": [{"options": trial.options, "values": list(trial.values)} for trial in self.trials],
            "seconds": round(self.seconds, 4),
        }


def design(
    vary: Mapping[str, tuple[float, float] | None],
    wants: Iterable[Want | str],
    *layers: Any,
    overrides: Iterable[str] = (),
    tolerance: float = TOLERANCE,
) -> Design:
    """Find the dot.

    Raises ``UsageError`` when an option cannot be varied, or no dot within the ranges has what is wanted;
    ``RunError`` when the search came near, but not to the tolerance.

    Parameters
    ----------
    vary
        Option of the potential -> the range in which it may be; ``None`` for a fifth to five times its value
        (of one that may be negative, five either way, at least).
    wants
        What it is to have; see :meth:`lior_ritz.sweeps.wants.Want.parse`.
    layers, overrides
        As for :func:`lior_ritz.config.load`: the dot to begin with.
    tolerance
        See :data:`TOLERANCE`.
    """
    begin = time.process_time()
    wanted = tuple(want if isinstance(want, Want) else Want.parse(want) for want in wants)
    if not vary or not wanted:
        raise UsageError("a design needs an option to vary and a quantity that is wanted")
    vary = {devices.option(name): ends for name, ends in vary.items()}
    first = {name: sum(ends) / 2 for name, ends in vary.items() if ends}
    given = list(overrides)
    _, problem, assignments = devices.open_device(layers, given, vary, first)
    ranges = {name: ends or _range(problem, name) for name, ends in vary.items()}
    search = _Search(ranges=ranges, wants=wanted, problem=problem, tolerance=tolerance)
    search.run()
    search.refuse_unreached()
    best, added = search.best, assignments[len(given) :]
    own = [devices.assignment(devices.key(problem, name), x) for name, x in best.options.items()]
    return Design(
        assignments=devices.settle([*added, *own]),
        wants=wanted,
        best=best,
        trials=tuple(search.trials),
        seconds=time.process_time() - begin,
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
    problem: Problem
    tolerance: float
    trials: list[Trial] = attrs.field(factory=list)

    @property
    def best(self) -> Trial:
        return min(self.trials, key=lambda trial: trial.off)

    def run(self) -> None:
        lows, highs = np.array(list(self.ranges.values())).T
        known: dict[bytes, Trial] = {}

        def at(u: Array) -> Trial:
            if u.tobytes() not in known:
                known[u.tobytes()] = self.tried(lows + u * (highs - lows))
                if known[u.tobytes()].off <= self.tolerance:
                    raise _Reached
            return known[u.tobytes()]

        given = np.array([self._begin(name) for name in self.ranges])
        starts = [(given - lows) / (highs - lows), np.zeros(len(lows)), np.ones(len(lows))]
        with contextlib.suppress(_Reached):
            for start in starts:
                least_squares(
                    lambda u: np.array(at(u).residuals),
                    np.clip(start, _INSIDE, 1 - _INSIDE),
                    jac=lambda u: np.array(at(u).slopes) * (highs - lows),
                    bounds=(0, 1),
                    max_nfev=_MOST,
                    xtol=1e-12,
                    ftol=1e-15,
                    gtol=1e-15,
                )

    def _begin(self, name: str) -> float:
        """The value that there is, if it is in the range; else the middle."""
        low, high = self.ranges[name]
        value = devices.parameters(self.problem)[name]
        return value if low <= value <= high else (low + high) / 2

    def tried(self, x: Array) -> Trial:
        """Solve for a dot."""
        options = dict(zip(self.ranges, map(float, x), strict=True))
        problem, units = self.problem.varied(options), self.problem.units
        count = 1 + max(want.upper for want in self.wants)
        found = reference.solve(problem, count + 1, tolerance=max(_LEAST, _SHARP * self.tolerance))
        by, measured = gradients(problem, found, count, options), []
        for want in self.wants:
            value, row = float(want.of(found.energies, units)), want.of(by, units).tolist()
            if not all(map(math.isfinite, row)):
                raise UsageError(
                    f"{want.quantity}: its level is degenerate with the next one at "
                    f"{_said(options)}; its derivative is not known there"
                )
            low = want.lower
            bar = found.errors[want.upper] if low is None else found.splitting_errors[low : want.upper].sum()
            off, rate = want.off(value, units)
            measured.append((value, float(bar) * want.scale(units), off, tuple(rate * each for each in row)))
        self.trials.append(Trial(options, *zip(*measured, strict=True)))
        return self.trials[-1]

    def refuse_unreached(self) -> None:
        """Say what there is instead of what is wanted."""
        best, tolerance = self.best, self.tolerance
        if best.off <= tolerance:
            return
        got = ", ".join(f"{w.quantity} = {v:.6g}" for w, v in zip(self.wants, best.values, strict=True))
        nearest = f"the nearest is {_said(best.options)} with {got}"
        if best.off < max(_ALMOST, 100 * tolerance):
            raise RunError(
                f"not found within {tolerance:g} in {len(self.trials)} dots; {nearest}, off by "
                f"{best.off:.1e}; raise --tolerance"
            )
        said = []
        for i, want in enumerate(self.wants):
            low, high = (extreme(trial.values[i] for trial in self.trials) for extreme in (min, max))
            said.append(f"{want.quantity} = {want.wanted:.6g} (found: {low:.6g} to {high:.6g})")
        where = ", ".join(f"{name} from {low:.6g} to {high:.6g}" for name, (low, high) in self.ranges.items())
        raise UsageError(
            f"no dot with {' and '.join(said)} for {where}; {nearest}; widen a range, as with "
            f"--vary {next(iter(self.ranges))}=LOW:HIGH, or vary something else"
        )


def _said(options: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {x:.9g}" for name, x in options.items())


class _Reached(Exception):
    """What is wanted was found; least squares would go on."""
