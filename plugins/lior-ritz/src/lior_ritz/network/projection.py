"""The Rayleigh-Ritz step: the lowest states in the span of trial functions.

The functions are orthonormalised by a QR factorisation of their values and not of the overlap matrix, whose
condition number is the square: the columns of a network are nearly dependent (Å. Björck, *Numerical Methods
for Least Squares Problems*, 1996, §1.4). Directions that rounding has eaten are dropped, which can only raise
energies (the min-max principle), and nothing is added to a diagonal, which could lower them.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

_TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-4}
"""Singular values of the normalised functions below this share of the largest are rounding errors."""


@attrs.frozen
class Projection:
    """The Ritz states of a span of F functions."""

    energies: Tensor
    """``[rank]``, ascending, float64, in ``E0``."""
    coefficients: Tensor
    """``[F, rank]``: state k is ``functions @ coefficients[:, k]``, of norm 1."""
    overlap: Tensor
    """Eigenvalues of the functions' overlap, those that vanish everywhere left out."""


@attrs.frozen(kw_only=True, eq=False)
class Whitened:
    """An orthonormal basis of a span of F functions, which does not depend on V."""

    basis: Tensor
    """``[F, rank]``: function j is ``functions @ basis[:, j]``."""
    value: Tensor
    """``[N, rank]``, float64: the basis at the nodes, times the roots of the weights."""
    kinetic: Tensor
    """``∫ ∇χᵢ·∇χⱼ``, ``[rank, rank]``."""
    lower: Tensor
    """Cholesky factor of the overlap of the basis: the identity but for rounding."""
    overlap: Tensor
    """As :attr:`Projection.overlap`."""

    def form(self, potential: Tensor) -> Tensor:
        """``-∇² + V`` in the basis, ``[rank, rank]``, or ``[P, rank, rank]`` with P potentials ``[P, N]``."""
        if potential.dim() > 1:
            return torch.stack([self.form(one) for one in potential])
        return self.value.T @ (self.value * potential.double()[:, None]) + self.kinetic

    def solve(self, form: Tensor) -> tuple[Tensor, Tensor]:
        """Energies ``[..., rank]`` of one form or several, ``[..., rank, rank]``, and the coefficients of the
        states in terms of the basis, ``[..., rank, rank]``."""
        # Products, for triangular solutions with many matrices take several times as long.
        identity = torch.eye(len(self.lower), dtype=self.lower.dtype, device=form.device)
        inverse = torch.linalg.solve_triangular(self.lower, identity, upper=False)
        inverse = inverse.to(form.dtype)
        matrix = inverse @ form @ inverse.T
        energies, vectors = torch.linalg.eigh((matrix + matrix.mH) / 2)
        return energies, inverse.T @ vectors


def project(
    jet: Tensor,
    weights: Tensor,
    potential: Tensor,
    inverse: Tensor | None = None,
    vector: Tensor | None = None,
) -> Projection:
    """Solve the Ritz problem of ``-∇² + V``, or with a field or masses, in the span of functions.

    Raises ``torch.linalg.LinAlgError`` when values are not finite.

    ``jet``: values and slopes ``[1 + d, N, F]``; the form is ``∫ ∇φᵢ·∇φⱼ + V φᵢ φⱼ``. ``weights``,
    ``potential``: ``[N]``, weights not negative. ``inverse``, ``vector``: ``[N, d]``: inverse masses, and the
    vector potential, whose square is in ``potential``. With it the form is Hermitian and the coefficients are
    complex.
    """
    span = whiten(jet, weights, inverse)
    form = span.form(potential)
    if vector is not None:
        slopes = (jet[1:].double() * weights.double().sqrt()[:, None]) @ span.basis
        pull = vector if inverse is None else vector * inverse
        turning = torch.einsum("dni,nd,nj->ij", slopes, pull.double(), span.value)
        form = form + 1j * (turning - turning.T)
    energies, vectors = span.solve(form)
    return Projection(energies, span.basis.to(vectors.dtype) @ vectors, span.overlap)


def whiten(jet: Tensor, weights: Tensor, inverse_mass: Tensor | None = None) -> Whitened:
    """Orthonormalise functions; parameters and errors as :func:`project`."""
    tolerance = _TOLERANCE[jet.dtype]
    scaled = jet.double() * weights.double().sqrt()[:, None]
    norms = scaled[0].norm(dim=0)
    inverse = torch.where(norms > norms.max() * 1e-150, 1 / norms, 0.0)
    triangle = torch.linalg.qr(scaled[0] * inverse, mode="r").R
    _, singular, right = torch.linalg.svd(triangle, full_matrices=False)  # with fewer nodes than functions
    keep = singular > singular[0] * tolerance
    basis = inverse[:, None] * (right[keep].T / singular[keep])
    orthonormal = scaled @ basis
    value, slopes = orthonormal[0], orthonormal[1:]
    present = inverse > 0
    moved = slopes if inverse_mass is None else slopes * inverse_mass.double().T[:, :, None]
    return Whitened(
        basis=basis,
        value=value,
        kinetic=torch.einsum("dni,dnj->ij", moved, slopes),
        lower=torch.linalg.cholesky(value.T @ value),
        overlap=torch.linalg.svdvals((triangle * norms)[:, present]).square(),
    )
