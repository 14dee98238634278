"""Unconstrained numbers for the factors of a metric, shared by the frames.

========== ===================== ==========================================
entry      shape                 factor
========== ===================== ==========================================
log_lam    ``(n,)``              ``λ = exp(log_lam)``
log_omega  scalar                ``Ω² = exp(2 log_omega)``
u          ``(n, r)``            ``U``; :func:`project` keeps columns unit
raw_d      ``(r,)``              ``D = softplus(raw_d)``
========== ===================== ==========================================

Every metric built so is positive definite. The rotation is the frame's own.
``dD^½/d raw_d`` tends to 0 with ``D``, so all derivatives stay finite.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.geometry.metric import SCALE_MAX, SCALE_MIN, WEIGHT_MAX, WEIGHT_MIN
from lior.interfaces import MetricForm, State

__all__ = ["RANK", "form", "init", "project", "pullback", "unit_columns"]

RANK = 4
"""The default number of directions, which coordinates of any dimension may have."""
_INITIAL_WEIGHT = 0.1
"""Initial ``D``: a small part of the metric, yet far from 0, where its gradient vanishes."""


def init(n: int, *, rank: int = 0, spread: float = 0.0, generator: Generator) -> State:
    """Return initial entries, float32 on the generator's device.

    Parameters
    ----------
    n
        Dimension of a coordinate, at least 2.
    rank
        Number ``r`` of directions of the low-rank part, at most ``n`` or :data:`RANK`.
    spread
        Standard deviation of ``log λ`` around 0.
    generator
        Source of ``log_lam`` and of the directions ``u``.

    Raises
    ------
    UsageError
        When ``n < 2``, or ``rank`` is too large.
    """
    if n < 2:
        raise UsageError(f"n = {n}: a metric needs coordinates of at least 2 dimensions")
    if rank > (most := max(n, RANK)):
        raise UsageError(f"rank = {rank}: allowed is 0 to {most}, as coordinates have {n} dimensions")
    device = generator.device
    return {
        "log_lam": spread * torch.randn(n, generator=generator, device=device),
        "log_omega": torch.zeros((), device=device),
        "u": unit_columns(torch.randn(n, rank, generator=generator, device=device)),
        "raw_d": torch.full((rank,), _inverse_softplus(_INITIAL_WEIGHT), device=device),
    }


def form(state: State, q: Tensor | None = None) -> MetricForm:
    """Return the metric of the entries in ``state`` and of the rotation ``q``."""
    return MetricForm(
        q=q,
        lam=state["log_lam"].exp(),
        omega2=(2 * state["log_omega"]).exp(),
        u=state["u"],
        d=_softplus(state["raw_d"]),
    )


def pullback(state: State, dform: MetricForm) -> State:
    """Return derivatives with respect to the four entries, given those with respect to the form."""
    return {
        "log_lam": dform.lam * state["log_lam"].exp(),
        "log_omega": dform.omega2 * 2 * (2 * state["log_omega"]).exp(),
        "u": dform.u,
        "raw_d": dform.d * state["raw_d"].sigmoid(),
    }


def project(state: State) -> State:
    """Return ``state`` with the four entries in range: ``λ``, ``Ω²`` and ``D`` clamped, columns of ``U``
    unit."""
    low, high = math.log(SCALE_MIN), math.log(SCALE_MAX)
    return {
        **state,
        "log_lam": state["log_lam"].clamp(low, high),
        "log_omega": state["log_omega"].clamp(low / 2, high / 2),
        "u": unit_columns(state["u"]),
        "raw_d": state["raw_d"].clamp(_inverse_softplus(WEIGHT_MIN), _inverse_softplus(WEIGHT_MAX)),
    }


def unit_columns(u: Tensor) -> Tensor:
    """Normalise the columns of ``u (n, r)`` to length 1.

    A column that is unit up to rounding is returned bit for bit. A zero column, which has no direction,
    becomes the first basis vector.
    """
    peak = u.abs().amax(dim=0)
    first = torch.zeros_like(u)
    first[0] = 1
    # Scaling by the largest entry first keeps the squares from over- and underflowing.
    scaled = torch.where(peak > 0, u / peak, first)
    unit = scaled / torch.linalg.vector_norm(scaled, dim=0)
    already = (torch.linalg.vector_norm(u, dim=0) - 1).abs() <= 8 * torch.finfo(u.dtype).eps
    return torch.where(already, u, unit)


def _softplus(x: Tensor) -> Tensor:
    # torch switches to x at the threshold; at its default of 20 that has an error of 2e-9.
    return torch.nn.functional.softplus(x, threshold=40)


def _inverse_softplus(y: float) -> float:
    return y + math.log(-math.expm1(-y))
