"""How levels answer to the options of the dot: the theorem of Hellmann and Feynman on the reference's states.

``dE_k/dp = ∫ ψ_k² ∂V/∂p`` (R. P. Feynman, *Forces in Molecules*, Phys. Rev. 56, 340, 1939): the box does not
move with the options, and the kinetic energy does not know of them. In a degenerate level the derivatives
are the eigenvalues of ``∫ ψ_i ψ_j ∂V/∂p`` over its states (first-order perturbation theory; L. D. Landau and
E. M. Lifshitz, *Quantum Mechanics*, §39).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from lior_ritz.problem import Problem
from lior_ritz.problem.devices import require_parameters, sensitivity
from lior_ritz.verification.reference import Reference
from lior_ritz.verification.reference.measuring import Measured, measure
from lior_ritz.verification.reference.modes import Array

DEGENERATE = 1e-7
"""Levels count as one when they differ by less, as a share of their size, but at least of 1 ``E0``."""


def gradients(
    problem: Problem, found: Reference, count: int, names: Iterable[str], states: Measured | None = None
) -> Array:
    """Derivatives of the ``count`` lowest levels, ``[P, count]`` float64, in ``E0`` per unit of the option.

    Within a degenerate level they are in rising order, which is that of the levels when the option grows; NaN
    in one that goes on beyond these levels.

    Raises ``UsageError`` when an option cannot be varied, or the derivative of V by it is not finite.

    ``found``: of the problem, with one level more, which says whether the last is cut off. ``names``: options
    of the potential. ``states``: of ``found``, where they were worked out already.
    """
    names = list(names)
    require_parameters(problem, names)
    states, energies = states or measure(problem, found, count), found.energies[: count + 1].tolist()
    rows = np.empty((len(names), count))
    for row, name in enumerate(names):
        slope = sensitivity(problem, name, states.rule.points)
        elements = (states.psi.conj() * (states.rule.weights * slope)) @ states.psi.T
        rows[row] = _first_order(elements, energies)
    return rows


def _first_order(elements: Array, energies: Sequence[float]) -> Array:
    """Derivatives of K levels from the elements ``∫ ψ_i ψ_j ∂V/∂p``, ``[K, K]``; ``[K]``.

    ``energies``: of these levels and, where it is known, of the next.
    """
    row = np.full(len(elements), np.nan)
    for level in group(b - a <= DEGENERATE * max(1.0, abs(a)) for a, b in pairwise(energies)):
        if level[-1] < len(row):
            block = elements[np.ix_(level, level)]
            row[level] = np.linalg.eigvalsh((block + block.conj().T) / 2)
    return row


def group(joined: Iterable[bool]) -> list[list[int]]:
    """The numbers of levels that count as one, from whether each but the first is one with that before.

    >>> group([False, True, False])
    [[0], [1, 2], [3]]
    """
    groups = [[0]]
    for k, same in enumerate(joined, 1):
        groups[-1].append(k) if same else groups.append([k])
    return groups


def listed(values: Array) -> list[float | None]:
    """Numbers for JSON; ``None`` where one is not known."""
    return [None if value != value else value for value in values.tolist()]
