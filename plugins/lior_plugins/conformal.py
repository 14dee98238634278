"""Curvature of a conformal metric ``g(x) = e^{2φ(x)} ĝ`` in closed form.

A uniform metric is flat, so curvature needs a field: here

    φ = Σ_j k_j,   k_j = a_j exp(−½ u_j / s²),   u_j = ĝ(x − c_j, x − c_j),

a mixture over ``J`` centres. Its Ricci scalar and the resilience derived from it are

    R    = −e^{−2φ} [2(n−1) Δφ + (n−2)(n−1) |∇φ|²]
    Δφ   = Σ_j k_j (u_j/s⁴ − n/s²),    |∇φ|² = |Σ_j k_j (x − c_j)/s²|²
    R_sc = √(|R|/n² + ε)

with ``∇``, ``Δ`` and ``|·|`` of the constant metric ``ĝ`` (A. L. Besse, *Einstein Manifolds*, theorem
1.159). In mapped coordinates ``y = A x``, ``AᵀA = ĝ``, these are the Euclidean ones. ``y`` may have more
components than ``x``, since differences of ``y`` stay in the image of ``A``; ``n`` is the dimension of
``x``. The cost is that of matrix products, ``O(N J m)``; no tensor is larger than ``(N, J)`` or ``(N, m)``.

``φ`` is bounded by ``Σ_j |a_j|``. So bounding the amplitudes (see :func:`bound_amplitudes`) bounds
``e^{−2φ}`` and leaves the closed form exact. A saturating function of ``φ`` would add terms to ``∇φ`` and
``Δφ``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lior.geometry.metric import square_distances
from lior.interfaces import PrincipalPlanes
from lior.tensors import tree_sum

_FAR = 1e4
"""Maximum ``u/s²``: ``exp(−½ u/s²)`` is exactly 0 in float64 there, and larger values could overflow."""
_MARGIN = 1e-5
"""Relative distance of clamped amplitudes from the bound, more than their rounding error."""


class Mixture(NamedTuple):
    """The field ``φ``, or derivatives with respect to its parts."""

    centres: Tensor
    """Mapped centres ``A c_j (J, m)``."""
    amplitudes: Tensor
    """``a_j (J,)``, of either sign."""
    width: Tensor
    """``s > 0``, a length under ``ĝ``; scalar tensor."""


def scalar_curvature(y: Tensor, field: Mixture, n: int) -> Tensor:
    """Return the Ricci scalar ``R`` at ``y (N, m)``, shape ``(N,)``, in units of 1/length²."""
    y, field = _centre(y, field)
    return _scalar(_local(y, field, n), field, n)


def ricci_scalar(
    phi: Tensor, laplacian: Tensor, squared_gradient: Tensor, n: int, *, unit: Tensor | float = 1.0
) -> Tensor:
    """Return the Ricci scalar of any ``φ``, in units of 1/length².

    Parameters
    ----------
    phi, laplacian, squared_gradient
        ``φ``, ``Δφ`` and ``|∇φ|²``, of one shape.
    unit
        Unit of length of both derivatives.
    """
    bracket = 2 * (n - 1) * laplacian + (n - 2) * (n - 1) * squared_gradient
    return -(-2 * phi).exp() / unit**2 * bracket


def principal_planes(y: Tensor, field: Mixture, root: Tensor) -> PrincipalPlanes:
    """Return the spectrum of the curvature operator ``R_op[μν, ρσ] = R_μνρσ`` on planes, at ``y (N, m)``.

    A conformally flat metric has ``Riem = −e^{2φ} ĝ ∧ P``, where ``∧`` is the Kulkarni–Nomizu product and
    ``P = ∇²φ − ∇φ∇φᵀ + ½|∇φ|² ĝ`` (Besse, theorem 1.159). So each two eigenvectors ``e_a``, ``e_b`` of
    ``P`` span an eigenvector of ``R_op``; its eigenvalue is the sectional curvature ``−e^{−2φ}(p_a +
    p_b)``. This takes ``n³`` operations instead of ``n⁶`` for the matrix. Twice the sum is the Ricci
    scalar.

    Parameters
    ----------
    root
        ``A (m, n)`` of full column rank, by which ``y = A x``.
    """
    basis, mixed = torch.linalg.qr(root)  # coordinates in which ĝ is the identity
    w, centres = y @ basis, field.centres @ basis
    local = _local(w, field._replace(centres=centres), n := w.shape[-1])
    apart = (w[:, None] - centres) / field.width
    gradient = -torch.einsum("nj,nji->ni", local.k, apart) / field.width
    hessian = torch.einsum("nj,nja,njb->nab", local.k, apart, apart)
    eye = torch.eye(n, dtype=w.dtype, device=w.device)
    hessian = (hessian - local.phi[:, None, None] * eye) / field.width.square()
    half = 0.5 * gradient.square().sum(-1)[:, None, None] * eye
    p, vectors = torch.linalg.eigh(hessian - gradient[:, :, None] * gradient[:, None] + half)
    pairs = torch.triu_indices(n, n, 1, device=w.device)
    curvatures = -(-2 * local.phi).exp()[:, None] * (p[:, pairs[0]] + p[:, pairs[1]])
    axes = torch.linalg.solve_triangular(mixed, vectors, upper=True)
    return PrincipalPlanes(curvatures, axes, pairs)


def resilience(y: Tensor, field: Mixture, n: int, eps: float) -> Tensor:
    """Return ``R_sc = √(|R|/n² + ε)`` at ``y (N, m)``, shape ``(N,)``, in units of 1/length."""
    return (scalar_curvature(y, field, n).abs() / n**2 + eps).sqrt()


def resilience_pullback(y: Tensor, field: Mixture, n: int, eps: float, dr: Tensor) -> tuple[Tensor, Mixture]:
    """Return derivatives of ``sum(dr * R_sc)`` with respect to ``y (N, m)`` and to ``field``.

    Parameters
    ----------
    y, field, n, eps
        Arguments of :func:`resilience`.
    dr
        Derivatives with respect to its result, ``(N,)``. The derivative of ``|R|`` at 0 is taken as 0.
    """
    y, field = _centre(y, field)
    at, s = _local(y, field, n), field.width
    scalar = _scalar(at, field, n)
    dscalar = dr * scalar.sign() / (2 * n**2 * (scalar.abs() / n**2 + eps).sqrt())
    # From R to φ, s²Δφ and s∇φ.
    factor = -(n - 1) * (-2 * at.phi).exp() / s.square() * dscalar
    dphi, dlaplacian = -2 * scalar * dscalar, 2 * factor
    dgradient = (2 * (n - 2) * factor)[:, None] * at.gradient
    # From these to k_j and t_j = u_j/s², with k_j = a_j e_j.
    along = (dgradient * y).sum(-1, keepdim=True) - dgradient @ field.centres.mT
    dk = dphi[:, None] + dlaplacian[:, None] * (at.t - n) + along / s
    dt = at.k * (dlaplacian[:, None] - 0.5 * dk)
    # y and c_j enter only as differences: in u_j, and in the gradient.
    pull = dt * (2 / s.square())
    dy = pull.sum(1, keepdim=True) * y - pull @ field.centres
    dy = dy + at.k.sum(1, keepdim=True) * dgradient / s
    dcentres = pull.sum(0)[:, None] * field.centres - pull.mT @ y - at.k.mT @ dgradient / s
    dlog_width = -(
        2 * tree_sum(scalar * dscalar) + 2 * tree_sum(dt * at.t) + tree_sum(dgradient * at.gradient)
    )
    return dy, Mixture(dcentres, (dk * at.bumps).sum(0), dlog_width / s)


def bound_amplitudes(amplitudes: Tensor, limit: float) -> Tensor:
    """Scale ``amplitudes (J,)`` down where needed, so that ``Σ|a_j| <= limit``, hence ``|φ| <= limit``."""
    total = amplitudes.abs().sum()
    return torch.where(total > limit, amplitudes * (limit * (1 - _MARGIN) / total), amplitudes)


class _Local(NamedTuple):
    """The field at ``N`` points, in units of ``s``."""

    bumps: Tensor
    """``e_j = exp(−½ t_j) (N, J)``."""
    k: Tensor
    """``a_j e_j (N, J)``."""
    t: Tensor
    """``u_j/s² (N, J)``."""
    phi: Tensor
    """``φ (N,)``."""
    laplacian: Tensor
    """``s²Δφ (N,)``."""
    gradient: Tensor
    """``−s∇φ (N, m)``."""


def _centre(y: Tensor, field: Mixture) -> tuple[Tensor, Mixture]:
    """Shift both so that the mean of the centres is the origin, where rounding of differences is smallest."""
    mean = field.centres.mean(dim=0)
    return y - mean, field._replace(centres=field.centres - mean)


def _local(y: Tensor, field: Mixture, n: int) -> _Local:
    t = (square_distances(y, field.centres) / field.width.square()).clamp_(max=_FAR)
    bumps = (-0.5 * t).exp()
    k = bumps * field.amplitudes
    gradient = (k.sum(1, keepdim=True) * y - k @ field.centres) / field.width
    return _Local(bumps, k, t, k.sum(1), (k * (t - n)).sum(1), gradient)


def _scalar(at: _Local, field: Mixture, n: int) -> Tensor:
    return ricci_scalar(at.phi, at.laplacian, at.gradient.square().sum(-1), n, unit=field.width)
