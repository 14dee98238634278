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


def project(jet: Tensor, weights: Tensor, potential: Tensor) -> Projection:
    """Solve the Ritz problem of ``-∇² + V`` in the span of functions.

    Parameters
    ----------
    jet
        Values and slopes ``[1 + d, N, F]``; the form is ``∫ ∇φᵢ·∇φⱼ + V φᵢ φⱼ``.
    weights, potential
        ``[N]``, weights not negative.

    Raises
    ------
    torch.linalg.LinAlgError
        When values are not finite.
    """
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
    overlap = value.T @ value
    form = value.T @ (value * potential.double()[:, None]) + torch.einsum("dni,dnj->ij", slopes, slopes)
    lower = torch.linalg.cholesky(overlap)  # the identity but for rounding
    half = torch.linalg.solve_triangular(lower, form, upper=False)
    present = inverse > 0
    spread = torch.linalg.svdvals((triangle * norms)[:, present]).square()
    energies, vectors = torch.linalg.eigh(
        _symmetric(torch.linalg.solve_triangular(lower, half.T, upper=False))
    )
    return Projection(energies, basis @ torch.linalg.solve_triangular(lower.T, vectors, upper=True), spread)


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.T) / 2
