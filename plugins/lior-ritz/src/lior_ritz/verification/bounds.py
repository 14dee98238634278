"""Two-sided bounds of the energies: variational from above, by residuals from below."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.states import alike, form
from lior_ritz.problem import Problem
from lior_ritz.verification.evaluation import Evaluation, basis_values, ritz
from lior_ritz.verification.intervals import Bounds
from lior_ritz.verification.reference import Reference

_ROUNDING = 1e-13
"""Relative error of the arithmetic, which both bounds are widened by."""


def bounds(ansatz: Ansatz, found: Evaluation, reference: Reference) -> Bounds:
    """Bounds from the states of an evaluation.

    ``reference``: at least one level more than there are states: where the next begins.
    """
    problem, count = ansatz.problem, len(found.energies)
    slack = found.quadrature_error + _ROUNDING * found.energies.abs().max()
    upper = found.energies + slack
    if why := _no_residuals(found, problem):
        return Bounds(upper=upper.cpu().numpy(), lower=None, residuals=None, beyond=None, why=why)
    with torch.no_grad():
        basis = basis_values(ansatz, found.params, found.head, found.nodes, order=2)
        pairs = alike(found.head.sectors).to(basis.device)
        energies, vectors = ritz(*form(basis, found.nodes, problem.dim, pairs))
        energies = energies[:count]
        gram = residual_gram(basis, vectors[:, :count], energies, found, pairs)
    residuals = gram.diagonal().real.clamp_min(0).sqrt()
    known = torch.from_numpy(reference.energies - reference.errors).to(energies)
    # A residual alone says that some level is near, not which: of a level that was missed it knows nothing.
    lower = energies - residuals
    lower = torch.where(lower <= known[:count], lower, floor(ansatz, found))
    for size in range(1, count + 1):
        beyond = float(known[size])
        if beyond > float(energies[size - 1]):
            lower[:size] = torch.maximum(lower[:size], lehmann(energies[:size], gram[:size, :size], beyond))
    lower = lower.cummax(0).values  # a level is no lower than the one before
    return Bounds(
        upper=upper.cpu().numpy(),
        lower=(lower - slack).cpu().numpy(),
        residuals=residuals.cpu().numpy(),
        beyond=float(known[count]),
    )


def _no_residuals(found: Evaluation, problem: Problem) -> str:
    """Why residuals of the functions bound nothing; empty when they do."""
    if problem.boundary != "dirichlet":
        return "the functions do not fulfil the natural boundary condition, so that residuals bound nothing"
    inverse = found.nodes.inverse
    if inverse is not None and bool((inverse != inverse[0]).any()):
        return (
            "the functions have no jump of the slope where the mass changes, so that residuals bound nothing"
        )
    return ""


def floor(ansatz: Ansatz, found: Evaluation) -> float:
    """Bound all levels from below: the lowest of an empty box as deep as V at its lowest node, in a field too
    (the diamagnetic inequality; E. H. Lieb and M. Loss, *Analysis*, section 7.21). It is what is left where a
    Ritz value is so poor that it lies above the next level."""
    problem, points = ansatz.problem, found.nodes.rule.points
    light = problem.inverse_mass(points).amin(0).tolist()
    boxes = zip(light, problem.half_widths, strict=True)
    empty = sum(each * (math.pi / (2 * width)) ** 2 for each, width in boxes)
    return empty + float(problem.energy(points).min())


def residual_gram(
    basis: Tensor, vectors: Tensor, energies: Tensor, found: Evaluation, pairs: Tensor
) -> Tensor:
    """``⟨r_k, r_l⟩`` of the residuals ``r_k = (H - E_k) ψ_k``, ``[K, K]``.

    Worked out from the residuals themselves: in ``⟨Hψ, Hψ⟩ - E²`` all digits would cancel.

    ``basis``: ``[1 + 2d, N, M]``. ``vectors``: ``[M, K]``. ``pairs``: see
    :func:`lior_ritz.network.states.alike`; a Ritz state is of one parity.
    """
    dim, nodes = (len(basis) - 1) // 2, found.nodes
    applied = nodes.potential[:, None] * basis[0]
    for axis in range(dim):
        bent = basis[1 + dim + axis]
        if nodes.vector is not None:
            bent = bent + 2j * nodes.vector[:, axis, None] * basis[1 + axis]
        applied = applied - (bent if nodes.inverse is None else bent * nodes.inverse[:, axis, None])
    residuals = applied @ vectors - (basis[0] @ vectors) * energies
    same = (vectors.abs().T @ pairs @ vectors.abs()) > 1e-9 * vectors.abs().max()
    return (residuals.mH @ (found.nodes.rule.weights[:, None] * residuals)) * same


def lehmann(energies: Tensor, gram: Tensor, beyond: float) -> Tensor:
    """Lower bounds of the n lowest levels from n Ritz states.

    N. J. Lehmann, *Optimale Eigenwerteinschließungen*, Numer. Math. 5, 246, 1963; for n = 1 it is G. Temple's
    inequality, ``E ≥ Λ - ‖r‖²/(ν - Λ)``. It holds when level n + 1 is at least ν.

    ``energies``: Ritz values below ``beyond``, ``[n]``. ``gram``: of their residuals, ``[n, n]``. ``beyond``:
    ν.
    """
    distance = energies - beyond
    # (A₁ - ν) x = τ (A₂ - 2ν A₁ + ν²) x, where A₂ is the residuals' matrix and the squared energies.
    roots = distance.abs()
    scaled = torch.eye(len(energies)).to(gram) + gram / (roots[:, None] * roots)
    lower = torch.linalg.cholesky(scaled)
    inverse = torch.linalg.solve_triangular(lower, torch.diag(roots.rsqrt()).to(lower), upper=False)
    tau = -torch.linalg.eigvalsh(inverse @ inverse.mH)
    return (beyond + 1 / tau).sort().values
