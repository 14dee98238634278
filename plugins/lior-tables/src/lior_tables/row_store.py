"""Rows as a model stores them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Rows(NamedTuple):
    """Rows of a table: coordinates ``z (N, n)``, outputs ``y (N, C)`` and sample weights ``(N,)``, mean 1."""

    z: Tensor
    y: Tensor
    weights: Tensor

    def take(self, index: Tensor) -> Rows:
        """Return some of the rows."""
        return Rows(self.z[index], self.y[index], self.weights[index])

    def to(self, like: torch.dtype | Tensor) -> Rows:
        """Return the rows in a dtype, or in the dtype and on the device of a tensor."""
        return Rows(self.z.to(like), self.y.to(like), self.weights.to(like))

    def with_more(self, other: Rows) -> Rows:
        """Append the other rows to these."""
        return Rows(*(torch.cat(pair) for pair in zip(self, other, strict=True)))


def draw(rows: Rows, most: int, generator: Generator) -> Rows:
    """Return all rows, or ``most`` of them, drawn at random."""
    if len(rows.z) <= most:
        return rows
    return rows.take(torch.randperm(len(rows.z), generator=generator)[:most].to(rows.z.device))
