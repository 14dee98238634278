"""The metric ``g = Ω² Q diag(λ) Qᵀ + U diag(D) Uᵀ``, its matrix, its root and distances.

Every function is pure and preserves dtype and device. The root ``A = [Ω Λ^½ Qᵀ ; D^½ Uᵀ]`` satisfies ``AᵀA
= g``, so distances under ``g`` are Euclidean distances between ``A z``. It is ``(n + r, n)`` and needs no
factorisation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lior.interfaces import MetricForm

__all__ = [
    "SCALE_MAX",
    "SCALE_MIN",
    "WEIGHT_MAX",
    "WEIGHT_MIN",
    "cast",
    "dense",
    "root",
    "root_pullback",
    "square_distances",
]


SCALE_MIN, SCALE_MAX = 1e-2, 1e2
"""Range of each ``λ`` and of ``Ω²``."""
WEIGHT_MIN, WEIGHT_MAX = 1e-8, 1e2
"""Range of each ``D`` of a frame; not 0, where ``D^½`` has no derivative."""


def cast(form: MetricForm, dtype: torch.dtype) -> MetricForm:
    """Return the same metric with every field in ``dtype``."""
    q = None if form.q is None else form.q.to(dtype)
    return MetricForm(q, *(field.to(dtype) for field in (form.lam, form.omega2, form.u, form.d)))


def root(form: MetricForm) -> Tensor:
    """Return the rectangular root ``A (n + r, n)`` with ``AᵀA = g``."""
    scales = _axis_scales(form)
    top = scales.diag() if form.q is None else scales[:, None] * form.q.mT
    return torch.cat([top, form.d.sqrt()[:, None] * form.u.mT])


def dense(form: MetricForm) -> Tensor:
    """Return the matrix ``g (n, n)``."""
    axes = form.omega2 * form.lam
    g = axes.diag() if form.q is None else (form.q * axes) @ form.q.mT
    return g + (form.u * form.d) @ form.u.mT


def root_pullback(form: MetricForm, droot: Tensor) -> MetricForm:
    """Return derivatives of ``sum(droot * root(form))`` with respect to the fields of ``form``.

    Parameters
    ----------
    form
        Metric at which to differentiate.
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


def square_distances(x: Tensor, c: Tensor) -> Tensor:
    """Return ``|x_i − c_j|² >= 0`` for ``x (N, m)`` and ``c (J, m)``, shape ``(N, J)``, by one matmul.

    The mean of ``c`` is subtracted from both first: the rounding error grows with
    the distance from the origin.
    """
    mean = c.mean(dim=0)
    x, c = x - mean, c - mean
    square = torch.addmm(c.square().sum(-1), x, c.mT, alpha=-2)
    return square.add_(x.square().sum(-1, keepdim=True)).clamp_(min=0)


def _axis_scales(form: MetricForm) -> Tensor:
    return (form.omega2 * form.lam).sqrt()
