"""Finite differences of order 2, 4 or 8 on a uniform grid: a method that shares nothing with the other two.

Beyond the edge, where ψ = 0, the stencil meets the odd continuation of ψ, which is exact for a box without
potential. Two grids give the limit of vanishing spacing (Richardson). The energies are no bounds. The
stencils are those of B. Fornberg, Math. Comp. 51, 699, 1988, table 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from lior.errors import UsageError
from lior_ritz.judge.reference.modes import Array
from lior_ritz.judge.reference.result import sampled
from lior_ritz.problem import Problem

STENCILS: Mapping[int, Sequence[float]] = {
    2: (2, -1),
    4: (5 / 2, -4 / 3, 1 / 12),
    8: (205 / 72, -8 / 5, 1 / 5, -8 / 315, 1 / 560),
}
"""Order -> coefficients of ``-h² d²`` at distance 0, 1, ...."""
POINTS: Mapping[int, Sequence[int]] = {1: (799, 1199), 2: (71, 107)}
"""Points inside along each axis in the two grids, by dimension."""


def on_grid(problem: Problem, k: int, points: int, order: int = 8) -> Array:
    """The ``k`` lowest levels with ``points`` inner points along each axis, ``[k]``.

    Raises
    ------
    UsageError
        For natural boundaries, more than two dimensions, an order that is not 2, 4 or 8, or more levels than
        the grid can have.
    """
    _refuse(problem, k, points, order)
    lines = [half * np.arange(1 - points, points, 2) / (points + 1) for half in problem.half_widths]
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, problem.dim)
    potential = sampled(problem, grid)
    matrix = scipy.sparse.diags(potential)
    for axis, half in enumerate(problem.half_widths):
        factors = [scipy.sparse.eye(points)] * problem.dim
        factors[axis] = _second_difference(points, 2 * half / (points + 1), order)
        term = factors[0]
        for factor in factors[1:]:
            term = scipy.sparse.kron(term, factor)
        matrix = matrix + term
    # Below V everywhere, so that the shifted matrix is positive and its inverse has the lowest levels first.
    shift = float(potential.min()) - 1e-3
    start = np.random.default_rng(0).standard_normal(matrix.shape[0])
    found = scipy.sparse.linalg.eigsh(
        matrix.tocsc(), k=k, sigma=shift, which="LM", return_eigenvectors=False, v0=start
    )
    return np.sort(found)


def differences(
    problem: Problem, k: int, order: int = 8, points: Sequence[int] | None = None
) -> tuple[Array, Array, int]:
    """The ``k`` lowest levels extrapolated from two grids, their error bars ``[k]``, and the finer grid.

    The bar is what the extrapolation changes, which overstates the error that is left where V is smooth.
    """
    coarse, fine = sorted(POINTS[min(problem.dim, 2)] if points is None else points)
    first, second = on_grid(problem, k, coarse, order), on_grid(problem, k, fine, order)
    ratio = ((fine + 1) / (coarse + 1)) ** order
    limit = second + (second - first) / (ratio - 1)
    widest = max(sum(STENCILS[order][:1]) * ((fine + 1) / (2 * half)) ** 2 for half in problem.half_widths)
    return limit, np.abs(limit - second) + 64 * np.finfo(float).eps * widest, fine


def _second_difference(points: int, spacing: float, order: int) -> scipy.sparse.spmatrix:
    """``-d²`` for functions that are odd about both edges."""
    matrix = scipy.sparse.lil_matrix((points, points))
    for distance, value in enumerate(STENCILS[order]):
        matrix.setdiag(value, distance)
        matrix.setdiag(value, -distance)
        for row in range(distance - 1):
            # ψ(-j h) = -ψ(j h): what reaches j points beyond the edge comes back with the other sign.
            matrix[row, distance - 2 - row] -= value
            matrix[points - 1 - row, points - 1 - (distance - 2 - row)] -= value
    return matrix.tocsr() / spacing**2


def _refuse(problem: Problem, k: int, points: int, order: int) -> None:
    if problem.boundary != "dirichlet":
        raise UsageError(f"method 'differences' has no {problem.boundary} boundary; use sine")
    if problem.dim > 2:
        raise UsageError(f"method 'differences' is of 1 and 2 dimensions, not {problem.dim}; use sine")
    if order not in STENCILS:
        raise UsageError(f"order = {order!r}: allowed is one of {', '.join(map(str, STENCILS))}")
    if points < 2 * len(STENCILS[order]) or k >= points**problem.dim - 1:
        raise UsageError(f"points = {points}: too few for {k} levels with differences of order {order}")
