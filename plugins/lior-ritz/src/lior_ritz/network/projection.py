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
    scaled = jet.double() * weights.double().sqrt()[:, None]
    norms = scaled[0].norm(dim=0)
    scale = torch.where(norms > norms.max() * 1e-150, 1 / norms, 0.0)
    triangle = torch.linalg.qr(scaled[0] * scale, mode="r").R
    _, singular, right = torch.linalg.svd(triangle, full_matrices=False)  # with fewer nodes than functions
    keep = singular > singular[0] * _TOLERANCE[jet.dtype]
    basis = scale[:, None] * (right[keep].T / singular[keep])
    orthonormal = scaled @ basis
    value, slopes = orthonormal[0], orthonormal[1:]
    moved = slopes if inverse is None else slopes * inverse.double().T[:, :, None]
    form = value.T @ (value * potential.double()[:, None]) + torch.einsum("dni,dnj->ij", moved, slopes)
    if vector is not None:
        pull = vector if inverse is None else vector * inverse
        turning = torch.einsum("dni,nd,nj->ij", slopes, pull.double(), value)
        form = form + 1j * (turning - turning.T)
    energies, vectors = _solve(form, value.T @ value)
    overlap = torch.linalg.svdvals((triangle * norms)[:, scale > 0]).square()
    return Projection(energies, basis.to(vectors.dtype) @ vectors, overlap)


def _solve(form: Tensor, overlap: Tensor) -> tuple[Tensor, Tensor]:
    """Return energies and coefficients of the states; the overlap is the identity but for rounding."""
    identity = torch.eye(len(overlap), dtype=overlap.dtype, device=overlap.device)
    inverse = torch.linalg.solve_triangular(torch.linalg.cholesky(overlap), identity, upper=False)
    inverse = inverse.to(form.dtype)
    matrix = inverse @ form @ inverse.T
    energies, vectors = torch.linalg.eigh((matrix + matrix.mH) / 2)
    return energies, inverse.T @ vectors
