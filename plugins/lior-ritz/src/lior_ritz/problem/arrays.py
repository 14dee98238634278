"""Functions of the place, written once for arrays of NumPy and tensors of torch; derivatives for arrays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Numbers: TypeAlias = Any
"""An array, or a tensor; of functions that take it, what they return is of the same kind."""
STEP = 1e-30
"""Imaginary part with which a function is asked for its derivative (W. Squire and G. Trapp, SIAM Rev. 40,
110, 1998). No difference is taken, so that no digits cancel, and the next term is below rounding."""


def namespace(*values: object) -> Any:
    """The module whose functions take these: torch where one of them is a tensor, else NumPy."""
    torch = sys.modules.get("torch")  # before it is imported, there are no tensors
    return torch if torch and any(isinstance(each, torch.Tensor) for each in values) else np


def slopes(function: Callable[[Array], Array], points: Array) -> Array:
    """The derivatives of a real function of the place by each coordinate, ``[..., N, d]``, at ``points``,
    ``[N, d]``."""
    steps = 1j * STEP * np.eye(points.shape[1])
    return np.stack([function(points + step).imag / STEP for step in steps], -1)
