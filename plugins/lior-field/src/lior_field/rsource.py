"""The resilience source ``field``: the cost of a point grows with the strength of the field.

A coordinate is what is read from the components of a field, so its length under the metric is the local norm
of that field. With ``ℓ`` the root mean square length over the memory,

    R(z) = (1/ℓ) (|A z|²/ℓ² + ε)^{p/2},

homogeneous of degree ``p`` in the field for ``ε = 0``. ``p`` is learned; at ``p = 0`` it is a constant, and
below 0 weak fields cost more.
"""

from __future__ import annotations

from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.geometry.gram import tree_sum
from lior.interfaces import MetricForm, ResiliencePullback, State
from lior_plugins.rsources.coordinates import mapped

MAX_POWER = 4.0
_MOST = 1e6
"""Largest ``|A z|²/ℓ²``: a point further out is as good as at this distance."""


@attrs.frozen(kw_only=True)
class FieldNorm:
    """A power of the local norm. State: ``power``, learned, and ``length``, which is observed."""

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("power",)

    power: float = option(1.0, help="exponent with which learning begins", low=-MAX_POWER, high=MAX_POWER)
    eps: float = option(0.05, help="added to the squared norm, in mean squared norms", low=1e-6)

    def init(self, n: int, *, generator: Generator) -> State:
        """The option's exponent, and length 1."""
        one = torch.ones((), device=generator.device)
        return {"power": self.power * one, "length": one}

    def observe(self, state: State, z: Tensor, form: MetricForm, *, total: int) -> State:
        """Measure ``ℓ`` on ``z (N, n)``; without a point of any length it stays."""
        squares = mapped(z, form).y.square().sum(-1)
        mean = (tree_sum(squares) / max(len(squares), 1)).sqrt()
        return {**state, "length": torch.where(mean > 0, mean, state["length"]).to(state["length"])}

    def resilience(self, state: State, z: Tensor, form: MetricForm) -> Tensor:
        """``R`` at ``z (..., n)``, shape ``(...)``, in units of 1/length."""
        return self._law(state, mapped(z, form).y)[1].reshape(z.shape[:-1])

    def pullback(self, state: State, z: Tensor, form: MetricForm, dr: Tensor) -> ResiliencePullback:
        """Derivatives of ``sum(dr * R)``; ``ℓ`` is a constant."""
        points = mapped(z, form)
        squares, r = self._law(state, points.y)
        dlog_r, base = dr.reshape(-1) * r, squares + self.eps
        slope = torch.where(squares < _MOST, state["power"] * dlog_r / (base * state["length"].square()), 0.0)
        dy = slope[:, None] * points.y
        return ResiliencePullback(
            params={"power": tree_sum(dlog_r * base.log()) / 2},
            z=(dy @ points.root).reshape(z.shape),
            root=dy.mT @ points.z,
        )

    def project(self, state: State) -> State:
        """Clamp ``power`` to [−4, 4]."""
        return {**state, "power": state["power"].clamp(-MAX_POWER, MAX_POWER)}

    def _law(self, state: State, y: Tensor) -> tuple[Tensor, Tensor]:
        """``|A z|²/ℓ²`` and ``R`` of mapped points ``(N, m)``."""
        squares = (y / state["length"]).square().sum(-1).clamp(max=_MOST)
        return squares, (squares + self.eps).pow(state["power"] / 2) / state["length"]
