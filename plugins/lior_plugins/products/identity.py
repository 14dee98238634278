"""The identity as lift, for products in the metric's own space."""

from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from lior.interfaces import State


class IdentityLift:
    """A part of products whose features are the mapped coordinates, without learned parameters."""

    learned: ClassVar[tuple[str, ...]] = ()

    def init(self, m: int, *, generator: Generator) -> State:
        """Return an empty state."""
        return {}

    def lift(self, params: State, y: Tensor, *, query: bool) -> Tensor:
        """Return ``y`` itself."""
        return y

    def lift_pullback(self, params: State, y: Tensor, df: Tensor, *, query: bool) -> tuple[State, Tensor]:
        """Return no derivatives of parameters, and ``df`` itself."""
        return {}, df

    def project(self, state: State) -> State:
        """Return ``state`` unchanged."""
        return state
