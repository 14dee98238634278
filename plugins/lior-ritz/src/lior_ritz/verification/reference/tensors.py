"""The basis of products of modes, and ``-∇² + V`` in it: as a matrix, and as an operation on vectors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import legendre
from lior_ritz.verification.reference.modes import (
    Array,
    cosines,
    first_mode,
    kinetic,
    nodes_for,
    scales,
    values,
)
from lior_ritz.verification.reference.result import sample

_CHUNK = 1 << 20
"""Points at which V is evaluated at a time."""
_SPARE = (40, 40, 24, 12)
"""Nodes beyond those that resolve the functions, by dimension: fewer where there are many axes."""


class PotentialGrid(NamedTuple):
    """V on a tensor Gauss-Legendre grid; of a mirrored axis only the half ``x > 0``."""

    nodes: tuple[Array, ...]
    """In ``[-1, 1]``, one array for each axis."""
    weights: tuple[Array, ...]
    """Weights of these nodes; twice as large along a mirrored axis."""
    potential: Array
    """V in ``E0``, ``[q1, q2, ...]``."""


def ellipsoid(problem: Problem, counts: Sequence[int], cutoff: float | None = None) -> Array:
    """Indices of the basis, ``[n, d]``, in the order of growing radius: in the ellipsoid of semi-axes
    ``counts``, or with wave numbers up to ``cutoff``, in 1/``L0``.

    The coefficients of smooth bound states fall about as a Gaussian of the momentum, so that the corners of
    the full product are of no use: it has 4/π times as many functions in two dimensions, 32/π² in four.
    """
    low = first_mode(problem.boundary)
    axes = [np.arange(count) + low for count in counts]
    modes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(counts))
    if cutoff is None:
        radius = np.square((modes - low) / np.array(counts)).sum(1)
    else:
        radius = kinetic_energies(problem, modes) / cutoff**2
    order = np.argsort(radius, kind="stable")
    return modes[order[radius[order] <= 1]]


def blocks(problem: Problem, counts: Sequence[int], cutoff: float | None = None) -> Iterator[Array]:
    """The basis divided by parities along the mirrored axes; each part is closed under ``-∇² + V``."""
    modes, mirrored = ellipsoid(problem, counts, cutoff), sorted(problem.mirrors)
    for parities in itertools.product((0, 1), repeat=len(mirrored)):
        part = modes[(modes[:, mirrored] % 2 == parities).all(1)]
        if len(part):
            yield part


def potential_grid(problem: Problem, counts: Sequence[int]) -> PotentialGrid:
    """V on a grid that integrates products of ``counts`` modes.

    Raises ``UsageError`` where V is not a finite number.
    """
    mirrors, spare = problem.mirrors, _SPARE[problem.dim - 1]
    nodes, weights = [], []
    for axis, count in enumerate(counts):
        t, w = legendre(nodes_for(count, spare, problem.dim))
        half = len(t) // 2 if axis in mirrors else 0
        nodes.append(t[half:])
        weights.append(2 * w[half:] if half else w)
    points = [half * t for half, t in zip(problem.half_widths, nodes, strict=True)]
    potential = np.empty([len(t) for t in nodes])
    step = max(1, _CHUNK * len(nodes[0]) // potential.size)
    for start in range(0, len(nodes[0]), step):
        grid = np.stack(np.meshgrid(points[0][start : start + step], *points[1:], indexing="ij"), -1)
        potential[start : start + step] = sample(problem, grid.reshape(-1, problem.dim)).reshape(
            grid.shape[:-1]
        )
    return PotentialGrid(tuple(nodes), tuple(weights), potential)


def transform(problem: Problem, grid: PotentialGrid, counts: Sequence[int]) -> Array:
    """Cosine coefficients of V, ``[2 N1 + 1, 2 N2 + 1, ...]``; the odd ones of a mirrored axis are 0."""
    result = grid.potential
    for axis, (t, weights, count) in enumerate(zip(grid.nodes, grid.weights, counts, strict=True)):
        table = cosines(t, 2 * count + 1) * (weights / 2)[:, None]
        if axis in problem.mirrors:
            table[:, 1::2] = 0
        result = np.tensordot(result, table, (0, 0))  # the axis done goes last, so that the next is first
    return np.ascontiguousarray(result)


def matrix(problem: Problem, spectrum: Array, modes: Array) -> Array:
    """``-∇² + V`` in the products ``modes``, ``[n, n]``, from the cosine coefficients of V."""
    sign = -1.0 if problem.boundary == "dirichlet" else 1.0
    flat, choices = spectrum.ravel(), []
    for axis in range(problem.dim):
        m = modes[:, axis].astype(np.int32)
        stride = np.int32(np.prod(spectrum.shape[axis + 1 :]))
        choices.append(((1.0, np.abs(m[:, None] - m) * stride), (sign, (m[:, None] + m) * stride)))
    result = np.zeros((len(modes), len(modes)))
    for combination in itertools.product(*choices):
        index = combination[0][1]
        for _, other in combination[1:]:
            index = index + other
        if np.prod([factor for factor, _ in combination]) > 0:
            result += flat.take(index)
        else:
            result -= flat.take(index)
    factors = scales(modes).prod(1)
    result *= factors[:, None] * factors
    result[np.diag_indices(len(modes))] += kinetic_energies(problem, modes)
    return result


def kinetic_energies(problem: Problem, modes: Array) -> Array:
    """The diagonal of ``-∇²``, ``[n]``."""
    return np.sum([kinetic(modes[:, axis], half) for axis, half in enumerate(problem.half_widths)], axis=0)


class Operator:
    """``-∇² + V`` in the products ``modes`` of one symmetry, applied through the grid."""

    def __init__(self, problem: Problem, grid: PotentialGrid, modes: Array) -> None:
        self._potential = grid.potential
        self.kinetic = kinetic_energies(problem, modes)
        """The diagonal of ``-∇²``, ``[n]``."""
        self._tables, self._at = [], []
        for axis, (half, t, weights) in enumerate(
            zip(problem.half_widths, grid.nodes, grid.weights, strict=True)
        ):
            own, at = np.unique(modes[:, axis], return_inverse=True)
            table = values(half * t, half, own, problem.boundary)
            self._tables.append(table * np.sqrt(half * weights)[:, None])
            self._at.append(at)

    def __call__(self, vectors: Array) -> Array:
        """``H v`` for the columns of ``vectors``, ``[n, b]``."""
        result = self.kinetic[:, None] * vectors
        tensor = np.zeros([table.shape[1] for table in self._tables])
        for column in range(vectors.shape[1]):
            tensor[tuple(self._at)] = vectors[:, column]
            on_grid = tensor
            for table in self._tables:
                on_grid = np.tensordot(on_grid, table, (0, 1))
            on_grid = on_grid * self._potential
            for table in self._tables:
                on_grid = np.tensordot(on_grid, table, (0, 0))
            result[:, column] += on_grid[tuple(self._at)]
        return result
