"""A law, and helpers to build laws."""

from __future__ import annotations

from typing import NamedTuple

import attrs
import torch
from torch import Tensor

from lior.plots import Curve, LineChart

_FLOOR = 1e-17


class Law(NamedTuple):
    """A number with the bound that a law sets."""

    name: str
    says: str
    measured: float
    bound: float
    panel: LineChart

    @property
    def holds(self) -> bool:
        """Whether the number is within its bound."""
        return self.measured <= self.bound


def chart(title: str, x: str, y: str, *curves: Curve, log_x: bool = False, log_y: bool = False) -> LineChart:
    """Return a panel of curves; a logarithmic axis draws smaller numbers as :data:`_FLOOR`."""
    if log_y:
        curves = tuple(attrs.evolve(each, y=[max(value, _FLOOR) for value in each.y]) for each in curves)
    return LineChart(title=title, x_label=x, y_label=y, curves=curves, log_x=log_x, log_y=log_y)


def noise(*shape: int) -> Tensor:
    """Return complex normal numbers in float64, always the same."""
    maker = torch.Generator().manual_seed(0)
    return torch.view_as_complex(torch.randn(*shape, 2, generator=maker, dtype=torch.float64))
