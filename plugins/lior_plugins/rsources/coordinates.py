"""Mapped coordinates of points, for the resilience sources."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from lior.errors import UsageError
from lior.geometry.metric import root
from lior.interfaces import MetricForm

LIMIT = 1e12
"""Clamp of coordinates: far outside any medium, and their squares fit float32."""


class Mapped(NamedTuple):
    """A batch of points before and after the metric's root."""

    z: Tensor
    """Clamped coordinates ``(N, n)``."""
    root: Tensor
    """``A (m, n)``."""
    y: Tensor
    """``A z (N, m)``."""


def mapped(z: Tensor, form: MetricForm) -> Mapped:
    """Return coordinates ``z (..., n)`` as one batch, clamped and mapped by the root of ``form``.

    Raises
    ------
    UsageError
        When ``z`` and ``form`` differ in dimension.
    """
    n = form.lam.shape[0]
    if z.shape[-1] != n:
        raise UsageError(
            f"coordinates of {z.shape[-1]} dimensions with a metric on {n}:"
            " both must come from models with the same n"
        )
    flat = z.reshape(-1, n).clamp(-LIMIT, LIMIT)
    a = root(form)
    return Mapped(flat, a, flat @ a.mT)
