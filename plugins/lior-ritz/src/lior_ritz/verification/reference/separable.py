"""Problems whose potential is a sum of functions of one coordinate each: every axis by itself, exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lior.errors import UsageError
from lior_ritz.problem import Part, Problem
from lior_ritz.verification.reference.axis import AxisLevels, axis_levels
from lior_ritz.verification.reference.modes import Array, moments, slopes, values
from lior_ritz.verification.reference.result import Answer, Bars, Evaluate, sample

_START = 32
"""Functions of an axis to begin with."""
_GROWTH = 1.3
LARGEST = 1500
"""Functions of an axis at most."""


def is_separable(problem: Problem) -> bool:
    """Whether this method applies: V is known to be a sum, or there is one dimension."""
    return problem.dim == 1 or problem.parts is not None


def separable(problem: Problem, k: int, tolerance: float) -> Answer:
    """The ``k`` lowest levels, and how far they may be off.

    Raises ``UsageError`` when V is not known to be a sum.
    """
    potentials = _potentials(problem)
    counts = [max(_START, k + 8)] * problem.dim
    solved = [_solve(problem, potentials, axis, counts[axis], k) for axis in range(problem.dim)]
    while True:
        grown = [int(_GROWTH * count) + 2 for count in counts]
        better = [_solve(problem, potentials, axis, grown[axis], k) for axis in range(problem.dim)]
        energies, numbers = lowest_sums([axis.energies for axis in better], k)
        before = np.sum([axis.energies[numbers[:, i]] for i, axis in enumerate(solved)], axis=0)
        bars = Bars.of(before, energies, sum(axis.rounding for axis in better), problem, tolerance)
        if bars.good or max(grown) > LARGEST:
            sizes, evaluate = [len(axis.modes) for axis in better], _evaluator(problem, better, numbers)
            return Answer(energies, bars, sizes, evaluate)
        counts, solved = grown, better


def lowest_sums(levels: Sequence[Array], k: int) -> tuple[Array, Array]:
    """The ``k`` lowest sums of one number of each list, ``[k]``, and which numbers they are of, ``[k, d]``.

    Each list is ascending and has at least ``k`` numbers, or all there are. Only partial sums that are among
    the ``k`` lowest can be part of one that is.
    """
    energies, numbers = np.zeros(1), np.zeros((1, 0), dtype=int)
    for axis in levels:
        sums = (energies[:, None] + axis[:k]).ravel()
        order = np.argsort(sums, kind="stable")[:k]
        before, own = np.divmod(order, len(axis[:k]))
        energies, numbers = sums[order], np.column_stack([numbers[before], own])
    return energies, numbers


def _evaluator(problem: Problem, axes: Sequence[AxisLevels], numbers: Array) -> Evaluate:
    """The products of the axes' functions, ``numbers`` of each, ``[k, d]``."""

    def evaluate(points: Array, by: int | None = None) -> Array:
        result = np.ones((len(numbers), len(points)))
        for i, (axis, half) in enumerate(zip(axes, problem.half_widths, strict=True)):
            coefficients = axis.coefficients
            signs = np.sign(moments(axis.modes, half, problem.boundary) @ coefficients)
            # On a grid every coordinate comes many times.
            x, place = np.unique(points[:, i], return_inverse=True)
            table = (slopes if i == by else values)(x, half, axis.modes, problem.boundary)
            result *= (table @ (coefficients * signs)).T[numbers[:, i]][:, place]
        return result

    return evaluate


def _potentials(problem: Problem) -> list[Callable[[Array], Array]]:
    if problem.dim == 1:
        return [lambda x: sample(problem, x[:, None])]
    parts = problem.parts
    if parts is None:
        raise UsageError(
            "method 'separable': the potential is not known to be a sum of functions of one coordinate each; "
            "use sine"
        )
    return [_as_array(part) for part in parts]


def _as_array(part: Part) -> Callable[[Array], Array]:
    def values_at(x: Array) -> Array:
        result: Array = part(x) + np.zeros(len(x))
        if not np.isfinite(result).all():
            raise UsageError(
                f"the potential is not finite at {x[~np.isfinite(result)][0]:.4g}, inside the box"
            )
        return result

    return values_at


def _solve(
    problem: Problem, potentials: Sequence[Callable[[Array], Array]], axis: int, count: int, k: int
) -> AxisLevels:
    return axis_levels(potentials[axis], problem.half_widths[axis], problem.boundary, count, k)
