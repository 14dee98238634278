"""The metric ``g = Ω² Q diag(λ) Qᵀ + U diag(D) Uᵀ`` and what is computed from it.

Every function is pure, keeps dtype and device, and forms an ``n × n`` matrix
only where that is the result. The root ``A = [Ω Λ^½ Qᵀ ; D^½ Uᵀ]`` satisfies
``AᵀA = g``, so that distances under ``g`` are Euclidean distances between
``A z``; it is ``(n + r, n)``, so no factorisation is needed.

The inverse is Woodbury's identity and the determinant the matrix determinant
lemma, both with ``W = U D^½``, which stays valid at ``D = 0`` (Golub and Van
Loan, *Matrix Computations*, 4th ed., section 2.1.4).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SCALE_MIN, SCALE_MAX = 1e-2, 1e2
"""Range of each ``λ`` and of ``Ω²``."""
WEIGHT_MIN, WEIGHT_MAX = 1e-8, 1e2
"""Range of each ``D`` of a frame; not 0, where ``D^½`` has no derivative."""


class MetricForm(NamedTuple):
    """A symmetric positive definite form on ``R^n``, in factors."""

    q: Tensor | None
    """Rotation ``Q (n, n)``, or ``None`` for the identity."""
    lam: Tensor
    """Scales ``λ > 0 (n,)``."""
    omega2: Tensor
    """Overall scale ``Ω² > 0``, a scalar tensor."""
    u: Tensor
    """Directions of the low-rank part, unit columns ``(n, r)``; ``r`` may be 0."""
    d: Tensor
    """Weights ``D >= 0 (r,)`` of these directions."""


def identity_form(
    n: int, rank: int = 0, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> MetricForm:
    """The Euclidean metric on ``R^n``, with ``rank`` directions of weight 0."""
    eye = torch.eye(n, dtype=dtype, device=device)
    return MetricForm(
        q=None,
        lam=eye.new_ones(n),
        omega2=eye.new_ones(()),
        u=eye[:, torch.arange(rank, device=device) % n],
        d=eye.new_zeros(rank),
    )


def cast(form: MetricForm, dtype: torch.dtype) -> MetricForm:
    """The same metric with every field in ``dtype``."""
    q = None if form.q is None else form.q.to(dtype)
    return MetricForm(q, *(field.to(dtype) for field in (form.lam, form.omega2, form.u, form.d)))


def rotate(form: MetricForm, v: Tensor) -> Tensor:
    """``Qᵀv`` for ``v (..., n)``: coordinates in the frame; same shape."""
    return v if form.q is None else v @ form.q


def apply_root(form: MetricForm, v: Tensor) -> Tensor:
    """``A v`` for ``v (..., n)``, shape ``(..., n + r)``, in ``O(n r)`` when ``Q`` is the identity."""
    return torch.cat([rotate(form, v) * _axis_scales(form), (v @ form.u) * form.d.sqrt()], dim=-1)


def root(form: MetricForm) -> Tensor:
    """The rectangular root ``A (n + r, n)`` with ``AᵀA = g``."""
    scales = _axis_scales(form)
    top = scales.diag() if form.q is None else scales[:, None] * form.q.mT
    return torch.cat([top, form.d.sqrt()[:, None] * form.u.mT])


def inner(form: MetricForm, v: Tensor, w: Tensor) -> Tensor:
    """``g(v, w)`` for broadcastable ``v``, ``w`` ``(..., n)``, shape ``(...)``."""
    return (apply_root(form, v) * apply_root(form, w)).sum(-1)


def quad(form: MetricForm, v: Tensor) -> Tensor:
    """``g(v, v) >= 0`` for ``v (..., n)``, shape ``(...)``; a sum of squares, so never below 0."""
    return apply_root(form, v).square().sum(-1)


def dense(form: MetricForm) -> Tensor:
    """The matrix ``g (n, n)``."""
    axes = form.omega2 * form.lam
    g = axes.diag() if form.q is None else (form.q * axes) @ form.q.mT
    return g + (form.u * form.d) @ form.u.mT


def inverse_mul(form: MetricForm, v: Tensor) -> Tensor:
    """``g⁻¹ v`` for ``v (..., n)``, same shape, in ``O(n r)`` a vector when ``Q`` is the identity.

    Notes
    -----
    ``g⁻¹ = B − B W (I + Wᵀ B W)⁻¹ Wᵀ B`` with ``B = (Ω² Q Λ Qᵀ)⁻¹``. Computed
    in float64 and rounded once, since the subtraction loses about
    ``log10(1 + max D / (Ω² min λ))`` digits: up to six within the ranges above.
    """
    wide = cast(form, torch.float64)
    w = wide.u * wide.d.sqrt()
    bv = _axes_inverse_mul(wide, v.double()).reshape(-1, v.shape[-1])
    solved = torch.cholesky_solve((bv @ w).mT, _capacitance_factor(wide, w)).mT
    return (bv - _axes_inverse_mul(wide, solved @ w.mT)).reshape(v.shape).to(v.dtype)


def logdet(form: MetricForm) -> Tensor:
    """``log det g``, a scalar tensor, in ``O(n r²)`` when ``Q`` is the identity.

    Computed in float64 and rounded once, for the reason given at :func:`inverse_mul`.
    """
    wide = cast(form, torch.float64)
    factor = _capacitance_factor(wide, wide.u * wide.d.sqrt())
    total = (wide.omega2.log() + wide.lam.log()).sum() + 2 * factor.diagonal().log().sum()
    return total.to(form.lam.dtype)


def root_pullback(form: MetricForm, droot: Tensor) -> MetricForm:
    """Derivatives of ``sum(droot * root(form))`` with respect to the fields of ``form``.

    Parameters
    ----------
    form
        Where to differentiate.
    droot
        Derivatives with respect to the root, ``(n + r, n)``.

    Returns
    -------
    MetricForm
        One derivative per field, of the field's shape; ``q`` is ``None`` when
        ``form.q`` is. At ``D < WEIGHT_MIN`` the derivative of ``D^½``, which
        has no bound, is taken at ``WEIGHT_MIN``.
    """
    scales, n = _axis_scales(form), form.lam.shape[0]
    dtop, dbottom = droot[:n], droot[n:]
    dscales = dtop.diagonal() if form.q is None else (dtop * form.q.mT).sum(1)
    weights = form.d.clamp(min=WEIGHT_MIN).sqrt()
    return MetricForm(
        q=None if form.q is None else (scales[:, None] * dtop).mT,
        lam=dscales * scales / (2 * form.lam),
        omega2=(dscales * scales).sum() / (2 * form.omega2),
        u=(form.d.sqrt()[:, None] * dbottom).mT,
        d=(dbottom * form.u.mT).sum(1) / (2 * weights),
    )


def _axis_scales(form: MetricForm) -> Tensor:
    return (form.omega2 * form.lam).sqrt()


def _axes_inverse_mul(form: MetricForm, v: Tensor) -> Tensor:
    scaled = rotate(form, v) / (form.omega2 * form.lam)
    return scaled if form.q is None else scaled @ form.q.mT


def _capacitance_factor(form: MetricForm, w: Tensor) -> Tensor:
    """Cholesky factor of Woodbury's capacitance matrix ``I + Wᵀ (Ω² Q Λ Qᵀ)⁻¹ W (r, r)``."""
    whitened = rotate(form, w.mT) / _axis_scales(form)
    eye = torch.eye(w.shape[1], dtype=w.dtype, device=w.device)
    return torch.linalg.cholesky(eye + whitened @ whitened.mT)
