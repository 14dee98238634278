"""The lift of the products that live in the metric's own space: none."""

from __future__ import annotations

from typing import ClassVar

from torch import Generator, Tensor

from lior.interfaces import State


class IdentityLift:
    """Part of a product whose features are the mapped coordinates and that learns nothing."""

    learned: ClassVar[tuple[str, ...]] = ()

    def init(self, m: int, *, generator: Generator) -> State:
        """An empty state."""
        return {}

    def lift(self, params: State, y: Tensor, *, query: bool) -> Tensor:
        """``y`` itself."""
        return y

    def lift_pullback(self, params: State, y: Tensor, df: Tensor, *, query: bool) -> tuple[State, Tensor]:
        """No derivatives of parameters, and ``df`` itself."""
        return {}, df

    def project(self, state: State) -> State:
        """``state``."""
        return state
