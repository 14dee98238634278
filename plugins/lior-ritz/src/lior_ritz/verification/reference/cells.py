"""A quadrature rule of high order for functions that jump, or have a kink, along curves in the plane.

The box is divided into cells. A cell that a curve cuts as a graph over one of its sides has Gauss rules on
lines across the curve, divided where they meet it, and between the places where the curve leaves the cell
(R. I. Saye, SIAM J. Sci. Comput. 37, A993, 2015). Other cells that are cut are divided into four, until what
is left, at a corner of curves, is of no size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lior_ritz.problem import Problem, arrays
from lior_ritz.problem.quadrature import legendre
from lior_ritz.verification.reference.modes import Array

_ACROSS = 9
"""Places along each side of a cell at which curves are looked for: what is smaller is not seen."""
_STEEP = 0.5
"""Smallest slope of a height along the lines across its curve, relative to its slope along the curve's side.
A graph with a steeper end is not smooth for a Gauss rule."""
_DEPTH = 14
"""Times that a cell may be halved."""
_MOST = 10_000
"""Cells that are halved at a time."""
_PROBES = 500
"""Random points at which heights are compared."""
_HALVINGS = 53
"""Number of halvings of an interval that contains a curve."""


class Curves(NamedTuple):
    """The known jumps of V: the places at which each of ``S`` heights is 0."""

    problem: Problem
    kept: list[int]
    """Indices of heights that are no multiples of others: formulas repeat their tests."""

    @classmethod
    def of(cls, problem: Problem) -> Curves:
        """The different ones of a problem."""
        unit = np.random.default_rng(0).uniform(-1, 1, (_PROBES, problem.dim))
        heights = problem.heights(unit * problem.half_widths)
        shapes: list[Array] = []
        kept: list[int] = []
        for index, height in enumerate(heights):
            shape = height / (height[np.abs(height).argmax()] or 1.0)
            if not any(np.allclose(shape, other) for other in shapes):
                shapes.append(shape)
                kept.append(index)
        return cls(problem, kept)

    def heights(self, points: Array) -> Array:
        """How far points are above each, in its own measure, ``[S, ...]``; ``points``: ``[..., 2]``."""
        found = self.problem.heights(points.reshape(-1, 2))[self.kept]
        return found.reshape(len(self.kept), *points.shape[:-1])

    def slopes(self, points: Array) -> Array:
        """The gradients of the heights, ``[S, ..., 2]``."""
        found = arrays.slopes(self.problem.heights, points.reshape(-1, 2))[self.kept]
        return found.reshape(len(self.kept), *points.shape)


def cut_rule(curves: Curves, size: float, count: int) -> tuple[Array, Array]:
    """Points ``[N, 2]`` and weights ``[N]``; of a mirrored axis the half above 0, with twice the weight.

    ``size``: of the cells, in ``L0``. ``count``: nodes of the Gauss rules.
    """
    problem = curves.problem
    half = np.array(problem.half_widths)
    start = np.where(np.isin([0, 1], sorted(problem.mirrors)), 0.0, -half)
    numbers = np.maximum(1, np.ceil((half - start) / size - 1e-9).astype(int))
    sides = (half - start) / numbers
    lows = start + _products(*map(np.arange, numbers)) * sides
    nodes, weights = legendre(count)
    line = ((nodes + 1) / 2, weights / 2)
    pieces = []
    for left in reversed(range(_DEPTH + 1)):
        seen = _look(curves, lows, sides)
        cut = seen.cut if left and seen.cut.sum() <= _MOST else np.zeros(len(lows), dtype=bool)
        pieces.append(_whole(lows[~cut], sides, line))
        for axis in (1, 0):
            if (fit := cut & seen.is_graph[axis]).any():
                pieces.append(
                    _fitted(curves, _Graphs(lows[fit], sides, axis, seen.own[fit], seen.up[fit]), line)
                )
                cut &= ~fit
        if not cut.any():
            break
        sides = sides / 2
        lows = (lows[cut][:, None] + _products([0, 1], [0, 1]) * sides).reshape(-1, 2)
    points, parts = (np.concatenate(each) for each in zip(*pieces, strict=True))
    return points, parts * 2.0 ** len(problem.mirrors)


def _products(*lines: ArrayLike) -> Array:
    """All pairs of places of two lines, ``[n1 n2, 2]``."""
    return np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 2)


def _whole(lows: Array, sides: Array, line: tuple[Array, Array]) -> tuple[Array, Array]:
    """The rule of cells without a curve."""
    nodes, weights = line
    points = (lows[:, None] + _products(nodes, nodes) * sides).reshape(-1, 2)
    return points, np.tile(np.outer(weights, weights).ravel() * sides.prod(), len(lows))


class _Seen(NamedTuple):
    """A grid of places in each of ``m`` cells."""

    cut: Array
    """Whether a curve goes through the cell, ``[m]``."""
    is_graph: tuple[Array, Array]
    """Whether it is one curve, which each line along the first or the second axis meets at most once, and
    each side across that axis too; ``[m]``."""
    own: Array
    """The index of the curve, ``[m]``."""
    up: Array
    """Whether places are above it, ``[m, n, n]``."""


def _look(curves: Curves, lows: Array, sides: Array) -> _Seen:
    line = np.linspace(0, 1, _ACROSS)
    points = lows[:, None, None] + np.stack(np.meshgrid(line, line, indexing="ij"), -1) * sides
    up, slopes = curves.heights(points) > 0, curves.slopes(points)
    if not len(up):
        up, slopes = np.zeros((1, *points.shape[:-1]), dtype=bool), np.zeros((1, *points.shape))
    cutting = (up != up[:, :, :1, :1]).any((2, 3))
    graphs = []
    for axis in (0, 1):
        along, steep = slopes[..., axis], _STEEP * np.abs(slopes[..., 1 - axis])
        steady = (along > steep).all((2, 3)) | (along < -steep).all((2, 3))
        ends = np.take(up, [0, -1], axis=2 + axis)
        once = (np.diff(ends, axis=3 - axis).sum(3 - axis) <= 1).all(-1)
        graphs.append(((steady & once) | ~cutting).all(0) & (cutting.sum(0) == 1))
    own = cutting.argmax(0)
    return _Seen(cutting.any(0), (graphs[0], graphs[1]), own, up[own, np.arange(len(lows))])


class _Graphs(NamedTuple):
    """``m`` cells through each of which goes one curve, a graph over the other axis than ``axis``."""

    lows: Array
    sides: Array
    axis: int
    own: Array
    up: Array

    def points(self, over: Array, along: Array) -> Array:
        """From coordinates in the cells, 0 to 1, ``[m, ...]``, to places, ``[m, ..., 2]``."""
        places = np.stack((over, along) if self.axis else (along, over), -1)
        return self.lows.reshape(-1, *[1] * (over.ndim - 1), 2) + places * self.sides

    def above(self, curves: Curves, over: Array, along: Array) -> Array:
        """Whether such places are above the curve."""
        heights = curves.heights(self.points(over, along))[self.own, np.arange(len(self.lows))]
        return np.asarray(heights > 0)


def _fitted(curves: Curves, cells: _Graphs, line: tuple[Array, Array]) -> tuple[Array, Array]:
    """The rule of cells with a curve."""
    nodes, weights = line
    places, count = np.linspace(0, 1, _ACROSS), len(cells.lows)
    leaves = [np.zeros(count)]
    for end in (0, 1):
        side = np.take(cells.up, -end, axis=1 + cells.axis)
        change = side[:, 1:] != side[:, :-1]
        first, above = change.argmax(1), partial(cells.above, curves, along=np.full(count, float(end)))
        found = _bisect(above, places[first], places[first + 1])
        leaves.append(np.where(change.any(1), found, 1.0))
    bounds = np.sort(np.stack([*leaves, np.ones(count)], 1), 1)
    lengths = np.diff(bounds)
    over = bounds[:, :-1, None] + lengths[..., None] * nodes
    low, high = np.zeros_like(over), np.ones_like(over)
    crossed = cells.above(curves, over, low) != cells.above(curves, over, high)
    graph = np.where(crossed, _bisect(partial(cells.above, curves, over), low, high), 1.0)
    ends = np.stack([low, graph, high], -1)
    along = ends[..., :-1, None] + np.diff(ends)[..., None] * nodes
    parts = (lengths[..., None] * weights)[..., None, None] * np.diff(ends)[..., None] * weights
    points = cells.points(np.broadcast_to(over[..., None, None], along.shape), along)
    kept = parts.ravel() > 0
    return points.reshape(-1, 2)[kept], parts.ravel()[kept] * cells.sides.prod()


def _bisect(above: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Return the place where ``above`` changes between ``low`` and ``high``, elementwise."""
    start = above(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        same = above(middle) == start
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return (low + high) / 2
