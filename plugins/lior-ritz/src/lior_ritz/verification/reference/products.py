"""States as sums of products of one-coordinate functions, for all methods but the separable one.

Coefficients are ``[k, n1, n2, ...]`` with an index for each axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from lior_ritz.verification.reference.modes import Array
from lior_ritz.verification.reference.result import Evaluate

Functions: TypeAlias = Callable[[Array, int], Array]
"""The functions of an axis, or their slopes with 1 for 0, at its coordinates ``[N]``: ``[N, n]``."""
_CHUNK = 1 << 26
"""Bytes of an intermediate table of :func:`evaluator`."""


def gather(
    parts: Sequence[Array], found: Sequence[tuple[Array, Array]], shape: Sequence[int], k: int
) -> tuple[Array, Array]:
    """The ``k`` lowest levels of all symmetries, ascending, and their coefficients in the full product.

    ``parts``: of each symmetry the indices of its products, ``[d, n]``. ``found``: its energies, and the
    coefficients of the first of these products in columns. ``shape``: numbers of functions.
    """
    energies = np.concatenate([values for values, _ in found])
    order = np.argsort(energies, kind="stable")[:k]
    owner = np.repeat(np.arange(len(found)), [len(values) for values, _ in found])
    column = np.concatenate([np.arange(len(values)) for values, _ in found])
    states = np.zeros((len(order), *shape), dtype=np.result_type(*(vectors for _, vectors in found)))
    for state, at in zip(states, order, strict=True):
        vectors = found[owner[at]][1]
        state[tuple(parts[owner[at]][:, : len(vectors)])] = vectors[:, column[at]]
    return energies[order], states


def orient(states: Array, moments: Sequence[Array]) -> Array:
    """The states, of the sign or phase that makes ``∫ ψ exp(Σ xᵢ/Xᵢ)`` positive.

    ``moments``: that integral of the functions of each axis, up to a factor.
    """
    overlap = states
    for moment in reversed(moments):
        overlap = overlap @ moment
    size = np.abs(overlap)
    phases = np.where(size > 0, np.conj(overlap) / np.where(size > 0, size, 1), 1)
    return np.asarray(states * phases.reshape(-1, *[1] * len(moments)))


def evaluator(states: Array, axes: Sequence[Functions]) -> Evaluate:
    """The states with the given coefficients, as functions of points."""

    def evaluate(points: Array, by: int | None = None) -> Array:
        chunk = max(1, _CHUNK // states[..., 0].nbytes)
        pieces = [points[i : i + chunk] for i in range(0, max(1, len(points)), chunk)]
        return np.hstack([_at(states, axes, piece, by) for piece in pieces])

    return evaluate


def _at(states: Array, axes: Sequence[Functions], points: Array, by: int | None) -> Array:
    result: Array | None = None
    for axis, functions in reversed(list(enumerate(axes))):
        # On a grid every coordinate comes many times.
        x, place = np.unique(points[:, axis], return_inverse=True)
        table = functions(x, int(axis == by))[place]
        result = states @ table.T if result is None else np.einsum("...mn,nm->...n", result, table)
    return np.asarray(result)
