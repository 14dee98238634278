"""Rayleigh-Ritz with products of sines or cosines, in any number of dimensions, symmetry by symmetry."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lior_ritz.problem import Problem
from lior_ritz.verification.reference.axis import AxisLevels, axis_levels
from lior_ritz.verification.reference.lowest import lowest, lowest_of_operator
from lior_ritz.verification.reference.modes import Array, first_mode, kinetic, moments, slopes, values
from lior_ritz.verification.reference.products import Functions, evaluator, gather, orient
from lior_ritz.verification.reference.result import Answer, Bars, sample, scale
from lior_ritz.verification.reference.separable import lowest_sums
from lior_ritz.verification.reference.tensors import (
    Operator,
    PotentialGrid,
    blocks,
    ellipsoid,
    matrix,
    potential_grid,
    transform,
)

LARGEST = 20_000
"""Functions of one symmetry at most."""
DENSE = 2500
"""Functions of one symmetry up to which there is a matrix; beyond, only its leading block of that size."""
_LONGEST = 300
"""Functions along a line from which on it is not refined."""
_RIM = 0.85
"""Beginning of the end of the basis, which should contribute little to the states."""
_LOOSER = 1.3
_LOOSEST = 0.1
"""How tolerances are loosened for which there is no room, and how far."""
_BALL = (2.0, math.pi, 4 * math.pi / 3, math.pi**2 / 2)
"""Volume of the unit ball, by dimension."""
_COUNTED = 500_000
"""More functions than that are not counted one by one."""


class Levels(NamedTuple):
    """The lowest levels in one basis."""

    energies: Array
    """``[k]``, ascending."""
    states: Array
    """Coefficients, ``[k, N1, N2, ...]``."""
    rounding: float
    """Error of the energies from rounding, or from stopping an iteration."""

    def answer(self, problem: Problem, bars: Bars) -> Answer:
        """Return the answer with the states as functions of points."""
        counts = self.states.shape[1:]
        axes = [functions_of(problem, axis, count) for axis, count in enumerate(counts)]
        return Answer(self.energies, bars, counts, evaluator(self.states, axes))


def functions_of(problem: Problem, axis: int, count: int) -> Functions:
    modes = np.arange(count) + first_mode(problem.boundary)

    def at(x: Array, order: int) -> Array:
        return (slopes if order else values)(x, problem.half_widths[axis], modes, problem.boundary)

    return at


def ritz(
    problem: Problem,
    counts: tuple[int, ...],
    k: int,
    accuracy: float = 1e-11,
    *,
    cutoff: float | None = None,
    grid: PotentialGrid | None = None,
) -> Levels:
    """The ``k`` lowest levels in the basis of semi-axes ``counts``: upper bounds, lower for larger counts.

    Parameters
    ----------
    accuracy
        In ``E0``: where the iteration stops if the basis is too large for matrices.
    cutoff
        The largest wave number, in 1/``L0``, in place of the semi-axes.
    grid
        V, where that of a Gauss rule would not do.

    Raises ``UsageError`` where V is not a finite number.
    """
    grid = potential_grid(problem, counts) if grid is None else grid
    spectrum = transform(problem, grid, counts)
    top = max(float(kinetic(np.array(n), half)) for n, half in zip(counts, problem.half_widths, strict=True))
    rounding = 8 * np.finfo(float).eps * (top + float(np.abs(grid.potential).max()))
    parts = list(blocks(problem, counts, cutoff))
    leading = [matrix(problem, spectrum, modes[:DENSE]) for modes in parts]
    found = [lowest(block, k) for block in leading]
    if max(map(len, parts)) > DENSE:
        rounding += accuracy
        wanted = _wanted([energies for energies, _ in found], k)
        mean = float(spectrum.flat[0])
        for i, (modes, block) in enumerate(zip(parts, leading, strict=True)):
            if len(modes) > len(block) and wanted[i]:
                operator = Operator(problem, grid, modes)
                found[i] = lowest_of_operator(operator, operator.kinetic + mean, block, wanted[i], accuracy)
    low = first_mode(problem.boundary)
    energies, states = gather([(modes - low).T for modes in parts], found, counts, k)
    places = zip(counts, problem.half_widths, strict=True)
    oriented = orient(states, [moments(np.arange(n) + low, half, problem.boundary) for n, half in places])
    return Levels(energies, oriented, rounding)


def _wanted(estimates: list[Array], k: int) -> list[int]:
    """How many levels of each symmetry may be among the ``k`` lowest, going by estimates of them."""
    merged = np.sort(np.concatenate(estimates))
    highest = merged[min(k, len(merged)) - 1]
    margin = 0.1 * (highest - merged[0])
    return [min(k, int((energies <= highest + margin).sum())) for energies in estimates]


def sines(problem: Problem, k: int, tolerance: float, limit: int = LARGEST) -> Answer:
    """The ``k`` lowest levels, and how far they may be off.

    The basis grows until the levels change by no more than ``tolerance``, relatively, or a symmetry would
    have more than ``limit`` functions.
    """
    counts, within = _fitting(problem, k, tolerance, limit)
    accuracy = 0.02 * within * float(scale(np.zeros(1), problem)[0])
    smaller = ritz(problem, counts, k, accuracy)
    while True:
        grown = _grown(problem, counts, smaller)
        larger = ritz(problem, grown, k, accuracy)
        bars = Bars.of(smaller.energies, larger.energies, larger.rounding, problem, tolerance)
        if bars.good or _rows(problem, _grown(problem, grown, larger)) > limit:
            return larger.answer(problem, bars)
        counts, smaller = grown, larger


class Lines(NamedTuple):
    """The levels of V along the lines through its lowest point: what the basis is planned by."""

    levels: tuple[AxisLevels, ...]
    """By axis."""
    span: float
    """The spread of the ``k`` lowest levels if V were the sum of its values on the lines."""

    def counts(self, problem: Problem, tolerance: float) -> tuple[int, ...]:
        """How many functions along each axis the levels seem to need."""
        pairs = zip(self.levels, problem.half_widths, strict=True)
        least = [_least(half, self.span, tolerance) for half in problem.half_widths]
        needed = [
            _needed(line, half, self.span, each) for (line, half), each in zip(pairs, least, strict=True)
        ]
        return tuple(max(6, each + 1) for each in needed)


def lines(problem: Problem, k: int, tolerance: float) -> Lines:
    """Solve the lines finely enough for ``tolerance``, or with 300 functions."""
    center = _lowest_point(problem)
    found = [_line(problem, center, axis, max(48, 2 * k), k) for axis in range(problem.dim)]
    sums, _ = lowest_sums([line.energies for line in found], k)
    span = sums[-1] - sums[0]
    for axis, half in enumerate(problem.half_widths):
        least = _least(half, span, tolerance)
        while _needed(found[axis], half, span, least) > 0.9 * len(found[axis].modes) < _LONGEST:
            found[axis] = _line(problem, center, axis, 2 * len(found[axis].modes), k)
    return Lines(tuple(found), span)


def _least(half_width: float, span: float, tolerance: float) -> float:
    """Kinetic energy beyond the basis that does no harm."""
    return 0.1 * tolerance * max((np.pi / (2 * half_width)) ** 2, span)


def _line(problem: Problem, center: Array, axis: int, count: int, k: int) -> AxisLevels:
    """The levels of V along ``axis`` through ``center``."""

    def along(x: Array) -> Array:
        points = np.tile(center, (len(x), 1))
        points[:, axis] = x
        return sample(problem, points)

    return axis_levels(along, problem.half_widths[axis], problem.boundary, count, k)


def _needed(line: AxisLevels, half_width: float, span: float, least: float) -> int:
    """Functions beyond which levels within ``span`` of the lowest have at most ``least`` kinetic energy."""
    used = line.energies - line.energies[0] <= span * (1 + 1e-9)
    tails = kinetic(line.modes, half_width)[:, None] * np.square(line.coefficients[:, used])
    return int((np.cumsum(tails[::-1], 0)[::-1].max(1) > least).sum())


def _lowest_point(problem: Problem) -> Array:
    """Return the point of a coarse grid where V is lowest, the nearest to the centre of equal ones."""
    across = (65, 33, 17, 9)[problem.dim - 1]
    lines = [half * np.linspace(-1, 1, across + 2)[1:-1] for half in problem.half_widths]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, problem.dim)
    return points[np.lexsort((np.square(points).sum(1), sample(problem, points)))[0]]


def _rows(problem: Problem, counts: tuple[int, ...]) -> int:
    """Functions of the symmetry that has most; of very many about as many."""
    dim, mirrors = problem.dim, len(problem.mirrors)
    if (volume := math.prod(counts) * _BALL[dim - 1] / 2 ** (dim + mirrors)) > _COUNTED:
        return int(volume)
    return max(map(len, blocks(problem, counts)))


def _grown(problem: Problem, counts: tuple[int, ...], levels: Levels) -> tuple[int, ...]:
    """Larger counts: most along the axes of which the states have most near the end of it."""
    first = first_mode(problem.boundary)
    modes = np.meshgrid(*(np.arange(count) + first for count in counts), indexing="ij", sparse=True)
    shares = [np.square(each / count) for each, count in zip(modes, counts, strict=True)]
    radius = sum(shares)
    cost = sum(kinetic(each, half) for each, half in zip(modes, problem.half_widths, strict=True))
    rim = np.where(radius > _RIM**2, np.square(levels.states).max(0) * cost, 0.0)
    tails = [float((rim * share).sum()) for share in shares]
    # Steps are longer where each costs seconds.
    most, least = (1.25, 1.15) if _rows(problem, counts) > DENSE else (1.12, 1.06)
    strong = [tail >= 0.5 * max(tails) for tail in tails]
    return tuple(int(count * (most if yes else least)) + 2 for count, yes in zip(counts, strong, strict=True))


def _fitting(problem: Problem, k: int, tolerance: float, limit: int) -> tuple[tuple[int, ...], float]:
    """Counts that give at least ``3 k`` functions, and matrices that leave room to grow; and the tolerance
    that they are for.

    Where there is no room for ``tolerance`` a looser one comes first: all axes are then as good as each
    other, while the same share of each would leave some far behind.
    """
    room, plan = limit / 1.3**problem.dim, lines(problem, k, tolerance)
    counts = plan.counts(problem, tolerance)
    while _rows(problem, counts) > room and tolerance < _LOOSEST:
        tolerance *= _LOOSER
        counts = plan.counts(problem, tolerance)
    while len(ellipsoid(problem, counts)) < 3 * k:
        counts = tuple(count + max(1, count // 4) for count in counts)
    while _rows(problem, counts) > room and min(counts) > 2:
        counts = tuple(max(2, int(count * 0.95)) for count in counts)
    return counts, tolerance
