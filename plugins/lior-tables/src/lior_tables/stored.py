"""Rows as a model stores them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Rows(NamedTuple):
    """Rows of a table: coordinates ``z (N, n)``, outputs ``y (N, C)`` and sample weights ``(N,)``, mean 1."""

    z: Tensor
    y: Tensor
    weights: Tensor

    def take(self, index: Tensor) -> Rows:
        """Some of the rows."""
        return Rows(self.z[index], self.y[index], self.weights[index])
