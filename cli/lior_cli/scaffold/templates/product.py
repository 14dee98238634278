"""The squared distance, ``s max(qq + kk − 2qk, 0)``: the weights of the items are a Gaussian kernel."""

from __future__ import annotations

from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config import option
from lior.interfaces import CostPartials, State

LARGEST = 1e30
"""Bound of squares and costs, so that results computed from them fit float32."""


@attrs.frozen(kw_only=True)
class Mine:
    """The squared metric distance of query and item; nothing is learned."""

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ()

    scale: float = option(0.5, help="factor s of the squared distance", low=1e-6, high=1e6)

    def init(self, m: int, *, generator: Generator) -> State:
        """An empty state."""
        return {}

    def lift(self, params: State, y: Tensor, *, query: bool) -> Tensor:
        """``y`` itself: its dot products are the Gram products."""
        return y

    def lift_pullback(self, params: State, y: Tensor, df: Tensor, *, query: bool) -> tuple[State, Tensor]:
        """No derivatives of parameters, and ``df`` itself."""
        return {}, df

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Return the costs of all pairs, in the broadcast shape of the Gram products."""
        return _bound(self.scale * _square_distance(qq, qk, kk))

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Partial derivatives of :meth:`cost`: 0 where it is bounded."""
        cost = self.scale * _square_distance(qq, qk, kk)
        slope = torch.where(_bound(cost) == cost, self.scale, 0.0).to(cost)
        return CostPartials(qq=slope, qk=-2 * slope, kk=slope, params={})

    def project(self, state: State) -> State:
        """``state``: there is nothing to keep in range."""
        return state


def _square_distance(qq: Tensor, qk: Tensor, kk: Tensor) -> Tensor:
    """``|q − k|²``; rounding can make it negative, and it is infinite where it exceeds float32."""
    return torch.add(kk, qk, alpha=-2) + qq


def _bound(square: Tensor) -> Tensor:
    return square.clamp(min=0, max=LARGEST)
