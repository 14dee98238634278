"""The functions of the reference: sines of a box for ψ = 0 on its edge, cosines for the natural condition.

On ``|x| <= X`` they are ``sin(m π (x + X)/2X)/√X`` with ``m >= 1``, or ``cos(...)/√X`` with ``m >= 0``
where ``m = 0`` has a further ``1/√2``. They are orthonormal, and ``-d²`` is diagonal in them. A product of
two is half the difference, or the sum, of the cosines ``|m - m'|`` and ``m + m'``, so that all elements of V
follow from its cosine coefficients.
"""

from __future__ import annotations

import numpy as np

from lior_ritz.problem.arrays import Array as Array

_RESOLVE = 40
"""Nodes beyond those that resolve the functions, for V itself."""
FEWEST = (2000, 400, 96, 24)
"""Fewest nodes along an axis, by dimension: what V does within less of the box may be between them. More
functions have more nodes, so that levels change where V needs still more."""


def nodes_for(count: int, spare: int = _RESOLVE, dim: int = 1) -> int:
    """An even number of Gauss-Legendre nodes that integrates products of ``count`` modes, with V in between.

    A rule needs π nodes for each wave, and the fastest product has ``count`` waves.
    """
    return FEWEST[dim - 1] + 2 * int(np.ceil((np.pi * count + spare) / 2))


def first_mode(boundary: str) -> int:
    """The lowest ``m``."""
    return 1 if boundary == "dirichlet" else 0


def kinetic(modes: Array, half_width: float) -> Array:
    """``(m π / 2X)²``, the elements of ``-d²``."""
    return np.square(modes * (np.pi / (2 * half_width)))


def cosines(t: Array, count: int) -> Array:
    """``cos(j π (t + 1)/2)`` for ``j < count``, ``[len(t), count]``."""
    return np.cos(np.outer(t + 1, np.arange(count) * (np.pi / 2)))


def values(x: Array, half_width: float, modes: Array, boundary: str) -> Array:
    """The functions with indices ``modes`` at ``x``, ``[len(x), len(modes)]``."""
    angles = np.outer(x / half_width + 1, modes * (np.pi / 2))
    result = np.sin(angles) if boundary == "dirichlet" else np.cos(angles)
    return result * (scales(modes) / np.sqrt(half_width))


def slopes(x: Array, half_width: float, modes: Array, boundary: str) -> Array:
    """The derivatives of :func:`values`."""
    angles = np.outer(x / half_width + 1, modes * (np.pi / 2))
    result = np.cos(angles) if boundary == "dirichlet" else -np.sin(angles)
    return result * (modes * (np.pi / (2 * half_width)) / np.sqrt(half_width))


def scales(modes: Array) -> Array:
    """``1/√2`` for the constant, 1 for all others."""
    return np.where(modes == 0, np.sqrt(0.5), 1.0)


def moments(modes: Array, half_width: float, boundary: str) -> Array:
    """``∫ φ_m exp(x/X) dx``, up to a common factor: what the signs of states are chosen by."""
    a = modes * (np.pi / 2)
    sign = np.where(modes % 2 == 0, 1.0, -1.0)
    if boundary == "dirichlet":
        return np.sqrt(half_width) * a * (np.exp(-1) - np.e * sign) / (1 + a * a)
    return np.sqrt(half_width) * scales(modes) * (np.e * sign - np.exp(-1)) / (1 + a * a)
