"""Resilience that grows with the distance from the middle of the memory.

With ``μ`` the mean of the stored coordinates, ``A`` the root of the metric and ``ℓ²`` the mean of
``|A(z − μ)|²`` over them,

    R(z) = 1 + w u / (1 + u),    u = |A(z − μ)|² / ℓ²

lies between 1 and ``1 + w``. ``w`` is learned.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.config import option
from lior.geometry.metric import root
from lior.interfaces import MetricForm, ResiliencePullback, State

MAX_WEIGHT = 10.0
"""Bound of the learned weight."""
_LIMIT = 1e12
"""Coordinates are clamped to ±this: far outside any memory, yet the squares fit float32."""
_LEAST = 1e-6
"""Lower bound of ``ℓ²``, for a memory whose items all have the same coordinate."""


@attrs.frozen(kw_only=True)
class Mine:
    """A constant, and a learned share of the distance from the mean.

    State: ``weight ()`` is learned; ``mean (n,)`` and ``square ()``, which is ``ℓ²``, are statistics.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("weight",)

    weight: float = option(1.0, help="how much the distance counts before learning", low=0, high=MAX_WEIGHT)

    def init(self, n: int, *, generator: Generator) -> State:
        """The mean at the origin, distances of about 1."""
        device = generator.device
        return {
            "weight": torch.tensor(self.weight, device=device),
            "mean": torch.zeros(n, device=device),
            "square": torch.ones((), device=device),
        }

    def observe(self, state: State, z: Tensor, form: MetricForm, *, total: int) -> State:
        """Take the mean of ``z (N, n)`` and the mean square of the distances from it."""
        if not len(z):
            return state
        mean = z.clamp(-_LIMIT, _LIMIT).mean(0)
        centred = {**state, "mean": mean, "square": torch.ones_like(state["square"])}
        return {**centred, "square": self._place(centred, z, form).u.mean().clamp(min=_LEAST)}

    def resilience(self, state: State, z: Tensor, form: MetricForm) -> Tensor:
        """``R`` at ``z (..., n)``, shape ``(...)``."""
        u = self._place(state, z, form).u
        return 1 + state["weight"] * u / (1 + u)

    def pullback(self, state: State, z: Tensor, form: MetricForm, dr: Tensor) -> ResiliencePullback:
        """Derivatives of ``sum(dr * R)``; the statistics are constants."""
        offset, y, u = self._place(state, z, form)
        du = dr * state["weight"] / (1 + u).square()
        dy = (2 * du / state["square"])[..., None] * y
        return ResiliencePullback(
            params={"weight": (dr * u / (1 + u)).sum()},
            z=torch.where(z.abs() < _LIMIT, dy @ root(form), 0.0),
            root=dy.reshape(-1, dy.shape[-1]).mT @ offset.reshape(-1, offset.shape[-1]),
        )

    def project(self, state: State) -> State:
        """Clamp the weight."""
        return {**state, "weight": state["weight"].clamp(0, MAX_WEIGHT)}

    def _place(self, state: State, z: Tensor, form: MetricForm) -> _Place:
        offset = z.clamp(-_LIMIT, _LIMIT) - state["mean"]
        y = offset @ root(form).mT
        return _Place(offset, y, y.square().sum(-1) / state["square"])


class _Place(NamedTuple):
    """The positions of points relative to the mean."""

    offset: Tensor
    """``z − μ (..., n)``."""
    y: Tensor
    """``A(z − μ) (..., m)``."""
    u: Tensor
    """``|y|² / ℓ² (...)``."""
