"""Two electrons in the states of a run."""

from __future__ import annotations

import attrs
import torch

from lior.errors import UsageError
from lior_ritz.coulomb import NotOrthonormal
from lior_ritz.electrons import Orbitals, TwoElectrons, two_electrons
from lior_ritz.solution import Solution


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


def orbitals(solution: Solution, count: int, grid: int) -> Orbitals:
    """The ``count`` lowest one-electron states in the run's trial space, on a uniform grid.

    Parameters
    ----------
    grid
        Points on each axis; the functions and their products must be smooth on it.

    Raises
    ------
    UsageError
        When the problem is not two-dimensional, ψ does not vanish on the edge, there are not so many states,
        or the grid is too coarse for them.
    """
    problem = solution.problem
    if problem.dim != 2:
        raise UsageError(f"domain.dim = {problem.dim}: two electrons are put into dots of 2 dimensions only")
    if problem.boundary != "dirichlet":
        raise UsageError('domain.boundary = "natural": states must vanish on the edge; solve with dirichlet')
    wide = widened(solution, count)
    axes = [
        torch.arange(grid, dtype=torch.float64) * (2 * width / grid) - width for width in problem.half_widths
    ]
    y, x = torch.meshgrid(axes[1], axes[0], indexing="ij")
    values = wide.basis(torch.stack([x.reshape(-1), y.reshape(-1)], 1)).reshape(-1, grid, grid)
    overlap, hamiltonian = wide.matrices()
    steps = [float(axis[1] - axis[0]) for axis in axes]
    try:
        return Orbitals.from_basis(values, hamiltonian, overlap, count, steps[0], steps[1], float(axes[0][0]))
    except NotOrthonormal as error:
        raise UsageError(
            f"{count} orbitals wave too fast for a grid of {grid} points on each axis (overlaps off by "
            f"{error.off:.1e}): take fewer orbitals, or a finer grid, such as {3 * grid // 2} (--grid)"
        ) from None


def exchange(solution: Solution, count: int = 28, grid: int = 64) -> TwoElectrons:
    """Full configuration interaction of two electrons in ``count`` orbitals of a run.

    Raises
    ------
    UsageError
        As :func:`orbitals`.
    """
    return two_electrons(orbitals(solution, count, grid), solution.problem.units.repulsion)
