"""Two electrons in the states of a run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg

from lior.errors import UsageError
from lior_ritz.electrons.coulomb import NotOrthonormal
from lior_ritz.electrons.interaction import Orbitals, TwoElectrons, two_electrons
from lior_ritz.problem import Problem
from lior_ritz.problem.arrays import Array
from lior_ritz.training.solution import Solution

GRIDS = (64, 96, 128, 192)
"""Points on each axis of the repulsion's grid that are tried in turn."""


def orbitals(solution: Solution, count: int, grid: int | None = None) -> Orbitals:
    """Return the ``count`` lowest one-electron states in the run's trial space, on a uniform grid.

    Raises ``UsageError`` when the problem is not two-dimensional, ψ does not vanish on the edge, there are
    too few states, or the grid is too coarse.

    ``grid``: points on each axis, on which the functions and their products must be smooth; the first of
    :data:`GRIDS` that will do if not given.
    """
    require_plane(solution.problem)
    space = solution.space.widened(count)
    overlap, hamiltonian = space.matrices
    levels, vectors = scipy.linalg.eigh(hamiltonian, overlap)
    turn = vectors[:, :count].T
    return on_grid(solution.problem, lambda at: turn @ space.basis(at), levels[:count], grid)


def on_grid(
    problem: Problem, functions: Callable[[Array], Array], energies: Array, grid: int | None = None
) -> Orbitals:
    """Orthonormal functions on the first grid that is fine enough, or on that of ``grid`` points each way.

    Raises ``UsageError`` as :func:`orbitals`.

    ``functions``: values ``[k, N]`` at points ``[N, 2]``. ``energies``: theirs, ``[k]``, or 0.
    """
    require_plane(problem)
    sizes = GRIDS if grid is None else (grid,)
    for size in sizes:
        x, y = (np.arange(size) * (2 * w / size) - w for w in problem.half_widths)
        rows, columns = np.meshgrid(y, x, indexing="ij")
        values = functions(np.stack([columns.ravel(), rows.ravel()], 1)).reshape(-1, size, size)
        hx, hy = (2 * width / size for width in problem.half_widths)
        try:
            return Orbitals(values, energies, hx, hy, -problem.half_widths[0])
        except NotOrthonormal as error:
            off = error.off
    raise UsageError(
        f"{len(energies)} orbitals wave too fast for a grid of {sizes[-1]} points on each axis (overlaps off "
        f"by {off:.1e}): take fewer orbitals, or a finer grid, such as {3 * sizes[-1] // 2} (--grid)"
    )


def require_plane(problem: Problem) -> None:
    """Refuse problems that no electrons are put into; raises ``UsageError``."""
    problem.require_plain("electrons")
    if problem.dim != 2:
        raise UsageError(f"domain.dim = {problem.dim}: electrons are put into dots of 2 dimensions only")
    if problem.boundary != "dirichlet":
        raise UsageError('domain.boundary = "natural": states must vanish on the edge; solve with dirichlet')


def exchange(solution: Solution, count: int = 28, grid: int | None = None) -> TwoElectrons:
    """Full configuration interaction of two electrons in ``count`` orbitals of a run.

    Raises ``UsageError`` as :func:`orbitals`.
    """
    return two_electrons(orbitals(solution, count, grid), solution.problem.units.repulsion)
