"""Sums whose order does not depend on the number of threads."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

_ROW = 1024
_SERIAL = 32768
"""Most numbers that torch sums to one in one thread on a CPU; it shares out more, and adds the parts."""


def tree_sum(x: Tensor) -> Tensor:
    """The sum of all entries, a scalar tensor; row by row when there are many."""
    x = x.reshape(-1)
    while len(x) > _SERIAL:
        x = pad(x, (0, -len(x) % _ROW)).view(-1, _ROW).sum(1)
    return x.sum()
