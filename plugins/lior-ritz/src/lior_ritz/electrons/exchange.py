"""Two electrons in the states of a run."""

from __future__ import annotations

import attrs
import torch

from lior.errors import UsageError
from lior_ritz.electrons.coulomb import NotOrthonormal
from lior_ritz.electrons.interaction import Orbitals, TwoElectrons, two_electrons
from lior_ritz.training.solution import Solution

GRIDS = (64, 96, 128, 192)
"""Points on each axis of the repulsion's grid that are tried in turn."""


def widened(solution: Solution, basis: int) -> Solution:
    """The same network with more basis functions: a solved head takes as many as its trial space has.

    Raises
    ------
    UsageError
        When there are not so many.
    """
    trainer = solution.trainer
    if trainer.ansatz.heads is not None:
        outputs = sum(trainer.ansatz.heads)
        if basis > outputs:
            raise UsageError(
                f"{basis} orbitals: the trained head has {outputs} outputs; take fewer, or a solved head"
            )
    evaluator = attrs.evolve(trainer.evaluator, basis=basis, limits=None)
    found = evaluator(solution.evaluation.params, solution.evaluation.nq, final=True)
    if len(found.head.sectors) < basis:
        raise UsageError(
            f"{basis} orbitals: the trial space has {len(found.head.sectors)} functions; take fewer, or "
            "raise model.hidden_features"
        )
    return attrs.evolve(solution, evaluation=found)


def orbitals(solution: Solution, count: int, grid: int | None = None) -> Orbitals:
    """The ``count`` lowest one-electron states in the run's trial space, on a uniform grid.

    Parameters
    ----------
    grid
        Points on each axis, on which the functions and their products must be smooth; the first of
        :data:`GRIDS` that will do if not given.

    Raises
    ------
    UsageError
        When the problem is not two-dimensional, ψ does not vanish on the edge, there are not so many states,
        or the grid is too coarse for them.
    """
    problem = solution.problem
    problem.require_plain("two electrons")
    if problem.dim != 2:
        raise UsageError(f"domain.dim = {problem.dim}: two electrons are put into dots of 2 dimensions only")
    if problem.boundary != "dirichlet":
        raise UsageError('domain.boundary = "natural": states must vanish on the edge; solve with dirichlet')
    wide = widened(solution, count)
    sizes = GRIDS if grid is None else (grid,)
    for size in sizes:
        try:
            return _on_grid(wide, count, size)
        except NotOrthonormal as error:
            off = error.off
    raise UsageError(
        f"{count} orbitals wave too fast for a grid of {sizes[-1]} points on each axis (overlaps off by "
        f"{off:.1e}): take fewer orbitals, or a finer grid, such as {3 * sizes[-1] // 2} (--grid)"
    )


def _on_grid(wide: Solution, count: int, grid: int) -> Orbitals:
    axes = [
        torch.arange(grid, dtype=torch.float64) * (2 * width / grid) - width
        for width in wide.problem.half_widths
    ]
    y, x = torch.meshgrid(axes[1], axes[0], indexing="ij")
    values = wide.basis(torch.stack([x.reshape(-1), y.reshape(-1)], 1)).reshape(-1, grid, grid)
    overlap, hamiltonian = wide.matrices()
    steps = [float(axis[1] - axis[0]) for axis in axes]
    return Orbitals.from_basis(values, hamiltonian, overlap, count, steps[0], steps[1], float(axes[0][0]))


def exchange(solution: Solution, count: int = 28, grid: int | None = None) -> TwoElectrons:
    """Full configuration interaction of two electrons in ``count`` orbitals of a run.

    Raises
    ------
    UsageError
        As :func:`orbitals`.
    """
    return two_electrons(orbitals(solution, count, grid), solution.problem.units.repulsion)
