"""What is read from a field ``T (Nx, Ny, D, D)``: densities, entropies, expectation values, measurements.

The density matrix of the components is ``ρ = Σ_x √g T T†`` over its trace (J. von Neumann, 1927). Operators
``(D, D)`` act on the first component index, ``O T``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior_field.grid import Grid, spread


def density(grid: Grid, t: Tensor) -> Tensor:
    """``ρ (D, D)``: Hermitian, positive, of trace 1.

    Raises
    ------
    UsageError
        When the field is 0 everywhere, or has not two component dimensions.
    """
    if t.ndim != 4:
        raise UsageError(f"a field of shape {tuple(t.shape)}: a density matrix needs (Nx, Ny, D, D)")
    rho = torch.einsum("xyab,xycb->ac", spread(grid.volume.to(t.device), t) * t, t.conj())
    trace = rho.diagonal().real.sum()
    if not float(trace) > 0:
        raise UsageError("a field that is 0 everywhere has no density matrix")
    return (rho + rho.mH) / (2 * trace)


def entropy(rho: Tensor) -> Tensor:
    """``−Tr ρ ln ρ`` in nats, between 0 and ``ln D``."""
    p = torch.linalg.eigvalsh(rho).clamp(min=0)
    return -torch.special.xlogy(p, p).sum()


class VariableEntropy(NamedTuple):
    """``H_ν`` and its derivative to the order ``ν``."""

    value: Tensor
    slope: Tensor


def variable_entropy(grid: Grid, psi: Tensor, order: float, weight: Tensor | float = 1.0) -> VariableEntropy:
    """``H_ν = Σ_x √g φ (|ψ|²)^ν`` and ``∂H_ν/∂ν = Σ_x √g φ (|ψ|²)^ν ln|ψ|²``.

    Parameters
    ----------
    psi
        Field ``(Nx, Ny, ...)``; where it is 0 it adds nothing.
    order
        ``ν > 0``.
    weight
        ``φ``, a number or ``(Nx, Ny)``.

    Raises
    ------
    UsageError
        When the order is not above 0.
    """
    if not order > 0:
        raise UsageError(f"order of the entropy {order}: allowed is a number above 0")
    p = psi.abs().square()
    measure = spread(grid.volume.to(psi.device) * torch.as_tensor(weight, device=psi.device), psi)
    powers = measure * p**order
    return VariableEntropy(powers.sum(), torch.special.xlogy(powers, p).sum())


def expectation(grid: Grid, t: Tensor, operator: Tensor) -> Tensor:
    """``Re Σ Tr(T† O T) / Σ Tr(T† T)``: real, and within the spectrum of a Hermitian ``O (D, D)``."""
    return (grid.inner(t, operator.to(t.dtype) @ t) / grid.norm(t).square()).real


def softly_projected(t: Tensor, projector: Tensor, strength: float) -> Tensor:
    """``(1 − s) T + s P T P†``: ``T`` at ``s = 0``; idempotent at ``s = 1``; the norm does not grow.

    Raises
    ------
    UsageError
        If ``s`` is not in [0, 1], or ``P (D, D)`` is not an orthogonal projector.
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"strength of a projection {strength}: allowed is a number from 0 to 1")
    p = projector.to(t.dtype)
    if not (torch.allclose(p @ p, p) and torch.allclose(p, p.mH)):
        raise UsageError("not an orthogonal projector: P P = P = P† is asked for")
    return (1 - strength) * t + strength * (p @ t @ p.mH)


def collapse(grid: Grid, t: Tensor, basis: Tensor, *, generator: Generator) -> tuple[int, Tensor]:
    """Measure the first component in a basis: the outcome, and the field after it with its norm.

    The outcome ``k`` is drawn with the probability ``⟨b_k|ρ|b_k⟩`` (Born's rule).

    Parameters
    ----------
    basis
        Orthonormal columns ``b_k``, ``(D, D)``.
    """
    b = basis.to(t.dtype)
    chances = torch.einsum("ak,ab,bk->k", b.conj(), density(grid, t), b).real.clamp(min=0)
    outcome = int(torch.multinomial(chances, 1, generator=generator))
    one = b[:, outcome]
    after = torch.outer(one, one.conj()) @ t
    return outcome, after * (grid.norm(t) / grid.norm(after))


class Spectrum(NamedTuple):
    """Singular values of a matrix, and what they say."""

    values: Tensor
    """``σ``, largest first."""
    effective_rank: float
    """``(Σσ²)²/Σσ⁴``: the number of values, if all were equal."""
    errors: Tensor
    """``√(Σ_{i>=r} σ_i² / Σσ²)`` for ``r = 0 .. len(σ)``.

    The relative error of the best matrix of rank ``r``.
    """


def spectrum(matrix: Tensor) -> Spectrum:
    """The spectrum of ``matrix (m, n)``, real or complex; that of zeros has effective rank 0 and errors 0."""
    values = torch.linalg.svdvals(matrix)
    squares = values.double().square()
    total = squares.sum()
    if not float(total) > 0:
        return Spectrum(values, 0.0, squares.new_zeros(len(values) + 1))
    left = torch.cat([squares.flip(0).cumsum(0).flip(0), squares.new_zeros(1)])
    return Spectrum(values, float(total**2 / squares.square().sum()), (left / total).sqrt())
