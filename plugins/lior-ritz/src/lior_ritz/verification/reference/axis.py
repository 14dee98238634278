"""One dimension: the levels of ``-d² + V(x)`` in a box by Rayleigh-Ritz with sines or cosines."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from lior_ritz.problem.quadrature import panels
from lior_ritz.verification.reference.modes import Array, cosines, first_mode, kinetic, nodes_for, scales


class AxisLevels(NamedTuple):
    """The lowest levels of one axis."""

    energies: Array
    """``[k]``, ascending."""
    coefficients: Array
    """``[count, k]``: column j is state j."""
    modes: Array
    """Indices of the functions, ``[count]``."""
    rounding: float
    """Rounding error of the energies."""


def axis_levels(
    potential: Callable[[Array], Array], half_width: float, boundary: str, count: int, k: int
) -> AxisLevels:
    """The ``min(k, count)`` lowest levels with ``count`` functions.

    Parameters
    ----------
    potential
        V in ``E0`` at points in ``L0``, elementwise.
    half_width
        The box is ``|x| <= half_width``.
    boundary
        ``dirichlet`` or ``natural``.
    count, k
        Functions, and levels asked for.
    """
    t, weights = panels(nodes_for(count))
    sampled = potential(half_width * t)
    coefficients = cosines(t, 2 * count + 1).T @ (sampled * weights / 2)
    modes = np.arange(count) + first_mode(boundary)
    apart, together = np.abs(modes[:, None] - modes), modes[:, None] + modes
    sign = -1.0 if boundary == "dirichlet" else 1.0
    matrix = coefficients[apart] + sign * coefficients[together]
    matrix *= scales(modes)[:, None] * scales(modes)
    energies = kinetic(modes, half_width)
    matrix[np.diag_indices(count)] += energies
    rounding = 8 * np.finfo(float).eps * (energies[-1] + float(np.abs(sampled).max()))
    found = scipy.linalg.eigh(matrix, subset_by_index=[0, min(k, count) - 1], check_finite=False)
    return AxisLevels(found[0], found[1], modes, rounding)
