"""Levels where V jumps along curves: sines, V by averages over cells, and the limit of three basis sizes.

No tensor rule is exact for such a V, and a level found with a poor rule may lie on either side of the true
one. Averages over cells know how much of each cell is on which side of the jump; divided by the transform of
a cell they give the cosine coefficients of V, from which all elements of the matrix follow. What is left is
the basis: across a jump the second derivative of a state jumps, so that its coefficients at the wave number κ
add up to a kinetic energy that falls as ``κ⁻⁴ dκ``, and levels converge as ``K⁻³`` with the largest wave
number K. Two sizes give the limit (L. F. Richardson, Phil. Trans. R. Soc. A 226, 299, 1927), and a third says
how far it may be off."""

from __future__ import annotations

import itertools
import math

import numpy as np

from lior_ritz.problem import Problem
from lior_ritz.verification.reference.modes import Array, first_mode
from lior_ritz.verification.reference.result import Answer, Bars, sample, scale
from lior_ritz.verification.reference.sines import Levels, ritz
from lior_ritz.verification.reference.tensors import PotentialGrid, blocks

ORDER = 3
"""Levels converge with this power of the largest wave number."""
_CELLS = {2: 2048, 3: 160}
"""Along the longest axis, by dimension."""
DIMENSIONS = tuple(_CELLS)
_INSIDE = {2: 48, 3: 12}
"""Points along each axis of a cell through which V jumps."""
_RATIO = 1.3
"""Ratio of the wave numbers of successive sizes."""
_ROWS = (600, 2000, 6000)
"""Functions of one symmetry at most, tried in turn."""
_CAUTION = 1.5
"""Error bar over the change of the limit: a size more takes about half of what is left away."""
_LEAST = 0.05
"""Least error bar, as a share of what the limit differs from the largest size by."""
_CHUNK = 1 << 22
"""Points at which V is evaluated at a time."""


def applies(problem: Problem) -> bool:
    """Whether V is known to jump along curves, in a dimension that averages are made for."""
    return problem.dim in DIMENSIONS and problem.curved


def average(problem: Problem, k: int, tolerance: float) -> Answer:
    """The ``k`` lowest levels, and how far they may be off; the states are those of the largest basis.

    Raises ``UsageError`` where V is not a finite number.
    """
    means = averages(problem)
    for rows in _ROWS:
        found, bars = _extrapolate(problem, means, cutoff_for(problem, max(rows, 4 * k)), k, tolerance)
        if bars.good:
            break
    return found.answer(problem, bars)


def _extrapolate(
    problem: Problem, means: Array, cutoff: float, k: int, tolerance: float
) -> tuple[Levels, Bars]:
    accuracy = 0.02 * tolerance * float(scale(np.zeros(1), problem)[0])
    sizes = [_levels(problem, means, cutoff / _RATIO**back, k, accuracy) for back in (2, 1, 0)]
    coarse, limit = (_limit(a.energies, b.energies) for a, b in itertools.pairwise(sizes))
    largest = sizes[-1]
    # Two limits may agree by chance, so that a share of what was added counts as well.
    off = np.maximum(np.abs(limit - coarse), _LEAST * np.abs(limit - largest.energies))
    errors = _CAUTION * off + largest.rounding
    bars = Bars.judged(errors, limit, largest.rounding, problem, tolerance)
    return largest._replace(energies=limit), bars


def _limit(smaller: Array, larger: Array) -> Array:
    return larger - (smaller - larger) / (_RATIO**ORDER - 1)


def _levels(problem: Problem, means: Array, cutoff: float, k: int, accuracy: float) -> Levels:
    counts = counts_of(problem, cutoff)
    return ritz(problem, counts, k, accuracy, cutoff=cutoff, grid=grid_of(problem, means, counts))


def counts_of(problem: Problem, cutoff: float) -> tuple[int, ...]:
    """Functions of each axis up to a wave number, in 1/``L0``."""
    natural = 1 - first_mode(problem.boundary)
    return tuple(int(cutoff * 2 * half / math.pi) + natural for half in problem.half_widths)


def cutoff_for(problem: Problem, rows: int) -> float:
    """The wave number up to which the largest symmetry has about so many functions."""
    low, high = math.pi / (2 * min(problem.half_widths)), 1e4
    for _ in range(40):
        middle = math.sqrt(low * high)
        # a bound of the number of functions first: that of very many is not counted
        most = math.prod(counts_of(problem, middle)) / 2 ** len(problem.mirrors)
        full = most > 3 * rows or max(map(len, blocks(problem, counts_of(problem, middle), middle))) > rows
        low, high = (low, middle) if full else (middle, high)
    return low


def averages(problem: Problem) -> Array:
    """Return the means of V over equal cells, ``[m1, m2, ...]``.

    The rule has 2 points along each axis in cells where V is smooth, and many in cells through which it
    jumps.

    Raises ``UsageError`` where V is not a finite number.
    """
    widest, most = max(problem.half_widths), _CELLS[problem.dim]
    shape = tuple(max(64, round(most * half / widest)) for half in problem.half_widths)
    sizes = np.array([2 * half / m for half, m in zip(problem.half_widths, shape, strict=True)])
    two = _offsets(np.array([-1, 1]) / math.sqrt(12), problem.dim)
    corners = _offsets(np.array([-0.5, 0.5]), problem.dim)
    many = _offsets((np.arange(_INSIDE[problem.dim]) + 0.5) / _INSIDE[problem.dim] - 0.5, problem.dim)
    means = np.empty(math.prod(shape))
    for cells in _chunks(np.arange(means.size), len(two)):
        middles = _middles(problem, cells, shape, sizes)
        means[cells] = _mean(problem, middles, two * sizes)
        cut = _cut(problem, middles, corners * sizes)
        for few in _chunks(np.flatnonzero(cut), len(many)):
            means[cells[few]] = _mean(problem, middles[few], many * sizes)
    return means.reshape(shape)


def _offsets(line: Array, dim: int) -> Array:
    """Products of places in a cell, ``[p, d]``."""
    return np.stack(np.meshgrid(*[line] * dim, indexing="ij"), -1).reshape(-1, dim)


def _chunks(cells: Array, points: int) -> list[Array]:
    return np.array_split(cells, math.ceil(len(cells) * points / _CHUNK)) if len(cells) else []


def _middles(problem: Problem, cells: Array, shape: tuple[int, ...], sizes: Array) -> Array:
    return (np.stack(np.unravel_index(cells, shape), -1) + 0.5) * sizes - np.array(problem.half_widths)


def _mean(problem: Problem, middles: Array, offsets: Array) -> Array:
    points = (middles[:, None] + offsets).reshape(-1, problem.dim)
    mean: Array = sample(problem, points).reshape(-1, len(offsets)).mean(1)
    return mean


def _cut(problem: Problem, middles: Array, corners: Array) -> Array:
    """Whether the corners of a cell lie on different sides of a jump."""
    points = (middles[:, None] + corners).reshape(-1, problem.dim)
    sides = (problem.heights(points) > 0).reshape(-1, len(middles), len(corners))
    cut: Array = (sides != sides[..., :1]).any((0, 2))
    return cut


def grid_of(problem: Problem, means: Array, counts: tuple[int, ...]) -> PotentialGrid:
    """V, with the waves that products of so many functions see, at equally spaced nodes."""
    import scipy.fft  # a twentieth of the start, for curves alone

    spectrum = scipy.fft.dctn(means, type=2)
    nodes, weights = [], []
    for axis, (count, cells) in enumerate(zip(counts, means.shape, strict=True)):
        many = 2 * count + 2  # of so many equally spaced nodes products are integrated exactly
        smoothed = np.sinc(np.arange(cells) / (2 * cells))  # what the mean over a cell leaves of a wave
        shape = [-1 if a == axis else 1 for a in range(problem.dim)]
        spectrum = spectrum / (cells * smoothed.reshape(shape))
        kept = np.take(spectrum, np.arange(min(many, cells)), axis)
        padding = [(0, many - kept.shape[axis] if a == axis else 0) for a in range(problem.dim)]
        spectrum = many * np.pad(kept, padding)
        nodes.append((np.arange(many) + 0.5) * 2 / many - 1)
        weights.append(np.full(many, 2 / many))
    potential = scipy.fft.idctn(spectrum, type=2)
    for axis in problem.mirrors:
        half = len(nodes[axis]) // 2
        nodes[axis], weights[axis] = nodes[axis][half:], 2 * weights[axis][half:]
        potential = np.take(potential, np.arange(half, 2 * half), axis)
    return PotentialGrid(tuple(nodes), tuple(weights), np.ascontiguousarray(potential))
