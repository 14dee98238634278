"""Curvature of any metric field ``g(x)``, with every index: the reference for small ``n``.

With ``∂`` the partial derivatives and ``Γ`` the Levi-Civita connection::

    Γ^λ_μν  = ½ g^λρ (∂_μ g_νρ + ∂_ν g_μρ − ∂_ρ g_μν)
    R_ρσμν  = ½ (∂_σ∂_μ g_ρν + ∂_ρ∂_ν g_σμ − ∂_ρ∂_μ g_σν − ∂_σ∂_ν g_ρμ)
              + g_αβ (Γ^α_σμ Γ^β_ρν − Γ^α_σν Γ^β_ρμ)
    R_σν    = g^ρμ R_ρσμν,    R = g^σν R_σν

(C. W. Misner, K. S. Thorne, J. A. Wheeler, *Gravitation*, box 8.6 and exercise
11.3; a sphere of radius ``a`` has ``R = n(n−1)/a²``.) The tensors have ``n⁴`` entries
and the metric is evaluated ``(6n)²`` times, so this is for inspection and for
checking closed forms such as :mod:`lior_plugins.conformal`.

Work in float64: second differences lose about ``2·log10(1/step)`` digits, and
float32 has none left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

MetricField = Callable[[Tensor], Tensor]
"""A metric ``g(x)``: points ``(..., n)`` to symmetric positive definite matrices ``(..., n, n)``."""

_OFFSETS = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
_COEFFICIENTS = (-1 / 60, 3 / 20, -3 / 4, 3 / 4, -3 / 20, 1 / 60)


class Jet(NamedTuple):
    """A metric and its derivatives at one point; differentiation indices come first."""

    g: Tensor
    """``g_μν (n, n)``."""
    dg: Tensor
    """``∂_ρ g_μν (n, n, n)``."""
    d2g: Tensor
    """``∂_ρ ∂_σ g_μν (n, n, n, n)``."""


def metric_jet(metric: MetricField, x: Tensor, *, step: float = 1e-2) -> Jet:
    """Derivatives of ``metric`` at ``x (n,)`` by central differences of order 6.

    Parameters
    ----------
    metric
        The metric field; called with a batch of points.
    x
        Where, float64.
    step
        Spacing of the grid, in units of ``x``. The error is of order
        ``step⁶`` times the eighth derivative plus ``1e-16 / step²``.
    """
    first = _differences(metric, step)
    return Jet(metric(x), first(x), _differences(first, step)(x))


def christoffel(jet: Jet) -> Tensor:
    """``Γ^λ_μν (n, n, n)``, symmetric in its last two indices."""
    return torch.einsum("lr,rmn->lmn", torch.linalg.inv(jet.g), _christoffel_first(jet))


def riemann(jet: Jet) -> Tensor:
    """``R_ρσμν (n, n, n, n)``, all indices down."""
    second = jet.d2g
    linear = (
        torch.einsum("smrn->rsmn", second)
        + torch.einsum("rnsm->rsmn", second)
        - torch.einsum("rmsn->rsmn", second)
        - torch.einsum("snrm->rsmn", second)
    )
    lower, upper = _christoffel_first(jet), christoffel(jet)
    quadratic = torch.einsum("asm,arn->rsmn", upper, lower) - torch.einsum("asn,arm->rsmn", upper, lower)
    return 0.5 * linear + quadratic


def ricci(riemann: Tensor, g: Tensor) -> Tensor:
    """``R_σν = g^ρμ R_ρσμν (n, n)``, symmetric."""
    return torch.einsum("rm,rsmn->sn", torch.linalg.inv(g), riemann)


def scalar(riemann: Tensor, g: Tensor) -> Tensor:
    """The Ricci scalar ``R = g^ρμ g^σν R_ρσμν``, in units of 1/length²; a scalar tensor."""
    return (torch.linalg.inv(g) * ricci(riemann, g)).sum()


def _christoffel_first(jet: Jet) -> Tensor:
    """``Γ_ρμν = ½ (∂_μ g_νρ + ∂_ν g_μρ − ∂_ρ g_μν)``."""
    dg = jet.dg
    return 0.5 * (torch.einsum("mnr->rmn", dg) + torch.einsum("nmr->rmn", dg) - dg)


def _differences(f: MetricField, step: float) -> MetricField:
    """The field of the partial derivatives of ``f``, the new index right after the batch dimensions."""

    def derivative(x: Tensor) -> Tensor:
        n = x.shape[-1]
        offsets = step * torch.tensor(_OFFSETS, dtype=x.dtype, device=x.device)
        shifts = torch.eye(n, dtype=x.dtype, device=x.device)[:, None] * offsets[:, None]
        values = f(x[..., None, None, :] + shifts)
        weights = torch.tensor(_COEFFICIENTS, dtype=x.dtype, device=x.device) / step
        return torch.tensordot(values, weights, dims=([x.ndim], [0]))

    return derivative
