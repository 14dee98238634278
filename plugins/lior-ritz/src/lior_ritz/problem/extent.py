"""How far the lowest states reach along each axis, from one-dimensional problems; a guess, never an answer.

Along axis i the potential is replaced by its least value over the other coordinates. The sums of the levels
of these problems stand for the levels of the whole, and say how high a state is wanted and where it turns.
"""

from __future__ import annotations

from itertools import product

import attrs
import numpy as np

from lior_ritz.problem import Problem

_SAMPLES = {1: 401, 2: 161, 3: 41, 4: 17}
"""Samples on each axis by the number of axes."""
_GRID = 201
_DECAY = 6.0
"""A state counts as far as it has decayed to ``exp(-6)`` behind its turning point (WKB)."""


@attrs.frozen
class Extent:
    """The expected extent of the lowest states."""

    reach: tuple[float, ...]
    """Half-width of where they live on each axis, in ``L0``; at most that of the box."""
    alpha: tuple[float, ...]
    """Rates of Gaussian envelopes as wide as they are, in ``L0⁻²``."""


def estimate(problem: Problem, count: int) -> Extent:
    """Work out the extent of the ``count`` lowest states."""
    lines = _profiles(problem)
    solved = [_levels(width, line, count) for width, line in zip(problem.half_widths, lines, strict=True)]
    # The states lowest in the sum; `count` levels on each axis are enough for `count` sums.
    sums = sorted(
        (sum(solved[axis][0][n] for axis, n in enumerate(state)), state)
        for state in product(range(min(count, 8)), repeat=problem.dim)
    )[:count]
    reach, alpha = [], []
    for axis, (levels, spread, x, line) in enumerate(solved):
        highest = max(state[axis] for _, state in sums)
        reach.append(_reach(levels[highest], x, line, problem.half_widths[axis]))
        alpha.append(1 / (4 * max(spread[: highest + 1])))
    return Extent(tuple(reach), tuple(alpha))


def _profiles(problem: Problem) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coordinates, and the least potential over the other coordinates, for each axis."""
    n = _SAMPLES[problem.dim]
    axes = [np.linspace(-width, width, n) for width in problem.half_widths]
    points = np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], 1)
    turning = (problem.terms.strength(problem.units) / 2) ** 2 * np.square(points).sum(1)
    energy = (problem.energy(points) + turning).reshape((n,) * problem.dim)
    found = []
    for axis in range(problem.dim):
        others = tuple(other for other in range(problem.dim) if other != axis)
        found.append((axes[axis], energy.min(others)))
    return found


def _levels(
    half_width: float, line: tuple[np.ndarray, np.ndarray], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Levels and mean squared coordinates of a one-dimensional problem, by finite differences."""
    x = np.linspace(-half_width, half_width, _GRID + 2)[1:-1]
    step = x[1] - x[0]
    energy = np.interp(x, *line)
    matrix = np.diag(energy + 2 / step**2) - (np.eye(_GRID, k=1) + np.eye(_GRID, k=-1)) / step**2
    levels, states = np.linalg.eigh(matrix)
    return levels[:count], (states[:, :count] ** 2 * x[:, None] ** 2).sum(0), x, energy


def _reach(level: float, x: np.ndarray, energy: np.ndarray, half_width: float) -> float:
    """Return the places where a state has decayed on both sides."""
    step = x[1] - x[0]
    action = np.sqrt(np.maximum(energy - level, 0)) * step
    outward = [np.cumsum(side) for side in (_behind_turning(action), _behind_turning(action[::-1]))]
    beyond = [np.argmax(sum_ > _DECAY) if (sum_ > _DECAY).any() else len(x) - 1 for sum_ in outward]
    return float(min(half_width, max(x[beyond[0]], -x[::-1][beyond[1]])))


def _behind_turning(action: np.ndarray) -> np.ndarray:
    """The action where the state is forbidden up to that end of the axis."""
    allowed = np.flatnonzero(action == 0)
    kept = action.copy()
    kept[: allowed[-1] + 1 if len(allowed) else 0] = 0
    return kept
