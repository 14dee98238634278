"""The metric ``g = Ω² Q diag(λ) Qᵀ + U diag(D) Uᵀ`` and what is computed from it.

Every function is pure, keeps dtype and device, and never forms an ``n × n``
matrix where a factor will do. The root ``A = [Ω Λ^½ Qᵀ ; D^½ Uᵀ]`` satisfies
``AᵀA = g``, so that distances under ``g`` are Euclidean distances between
``A z``; it is ``(n + r, n)``, so no factorisation is needed.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


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
