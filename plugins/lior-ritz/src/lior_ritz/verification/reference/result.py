"""The result of the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from lior.errors import UsageError
from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import Rule
from lior_ritz.verification.reference.modes import Array

CAUTION = 3
"""Error bar over the last change. When errors fall as ``N^-p`` and N grows by 12 %, what is left is 0.8 times
the change for p = 7 (ψ = 0 at an edge where V has a slope), 1.3 for 5 (natural there), 2.5 for 3 (V jumps);
when it grows by 30 %, or with the degree of elements, less. The rest of the factor is for the
quadrature of a jump."""
Flags: TypeAlias = "NDArray[np.bool_]"
Evaluate = Callable[[Array, int | None], Array]
"""Points ``[N, d]`` -> values of the states, ``[k, N]``, or their derivatives by one coordinate."""


@attrs.frozen(kw_only=True, eq=False)
class Reference:
    """The lowest levels of a problem, with error bars."""

    energies: Array
    """In ``E0``, ascending, float64 ``[k]``."""
    errors: Array
    """Error bars of the levels, float64 ``[k]``, from a smaller calculation and from rounding."""
    splitting_errors: Array
    """Error bars of the differences of successive levels, ``[k - 1]``. If all levels are within the
    tolerance, the common part of two errors cancels; else the bar is the sum of both."""
    method: str
    """``separable``, ``sine``, ``elements``, ``enriched``, ``averaged`` or ``hermitian``."""
    sizes: tuple[int, ...]
    """Basis functions along each axis of the largest calculation."""
    within: Flags
    """Whether each error bar is within the tolerance, bool ``[k]``."""
    seconds: float
    """Processor seconds."""
    _evaluate: Evaluate = attrs.field(repr=False)
    rule: Rule | None = attrs.field(default=None, repr=False)
    """A rule for products of the states, where one of smooth functions would not do."""

    @property
    def converged(self) -> bool:
        """Whether every error bar is within the tolerance."""
        return bool(self.within.all())

    def misses(self, count: int) -> str:
        """The end of a line: which of the lowest ``count`` error bars are not within the tolerance."""
        names = ", ".join(f"E{k}" for k in np.flatnonzero(~self.within[:count]))
        return f"; NOT within the tolerance: {names}" if names else ""

    def functions(self, points: Array) -> Array:
        """The eigenfunctions at ``points``, ``[N, d]`` in ``L0``; float64 ``[k, N]``, or complex128 with a
        field.

        They are orthonormal in the box, and of the sign or phase that makes ``∫ ψ exp(Σ xᵢ/Xᵢ)`` positive.
        Within levels that are equal to rounding any orthonormal set is as good as another.
        """
        return np.ascontiguousarray(self._evaluate(points, None))

    def slopes(self, points: Array) -> Array:
        """The gradients of :meth:`functions`, ``[d, k, N]``."""
        return np.stack([self._evaluate(points, axis) for axis in range(points.shape[1])])


class Bars(NamedTuple):
    """How far levels may be off, from their change between two calculations, and rounding."""

    errors: Array
    """``[k]``."""
    splitting_errors: Array
    """Errors of their differences, ``[k - 1]``: at most the sum of both levels' errors."""
    within: Flags
    """Whether each level is within the tolerance, relative to :func:`scale`, ``[k]``."""
    good: bool
    """Whether all levels are, or as good as rounding lets them be: a larger calculation gains nothing."""

    @classmethod
    def of(cls, before: Array, now: Array, rounding: float, problem: Problem, tolerance: float) -> Bars:
        """From ``[k]`` levels of a smaller calculation and of the last one."""
        bars = cls.judged(CAUTION * np.abs(before - now) + rounding, now, rounding, problem, tolerance)
        if not bars.good:  # changes of levels that are not near their limits have nothing in common
            return bars
        changes = np.abs(np.diff(before) - np.diff(now))
        return bars._replace(
            splitting_errors=np.minimum(CAUTION * changes + 2 * rounding, bars.splitting_errors)
        )

    @classmethod
    def judged(
        cls, errors: Array, energies: Array, rounding: float, problem: Problem, tolerance: float
    ) -> Bars:
        """From the errors of ``[k]`` levels, of which ``rounding`` is a part."""
        allowed = tolerance * scale(energies, problem)
        good = bool((errors <= np.maximum(allowed, 2 * rounding)).all())
        return cls(errors, errors[1:] + errors[:-1], errors <= allowed, good)


class Answer(NamedTuple):
    """The levels and states of a method."""

    energies: Array
    """``[k]``, ascending."""
    bars: Bars
    sizes: Sequence[int]
    """As :attr:`Reference.sizes`."""
    evaluate: Evaluate
    rule: Rule | None = None
    """As :attr:`Reference.rule`."""


def scale(energies: Array, problem: Problem) -> Array:
    """The scale of relative errors, ``[k]``: ``|E|``, but at least the lowest level of the empty box."""
    least = sum((np.pi / (2 * half)) ** 2 for half in problem.half_widths)
    return np.maximum(np.abs(energies), least)


def sample(problem: Problem, points: Array) -> Array:
    """V in ``E0`` at ``points``, ``[N, d]``; ``[N]``.

    Raises ``UsageError`` where V is not a finite number.
    """
    values: Array = problem.energy(points)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        where = ", ".join(f"{x:.4g}" for x in points[bad[0]])
        raise UsageError(
            f"the potential is {values[bad[0]]} at ({where}); it has to be finite inside the box"
        )
    return values
