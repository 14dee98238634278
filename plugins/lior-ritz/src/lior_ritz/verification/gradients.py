"""How levels answer to the options of the dot: the theorem of Hellmann and Feynman on the referee's states.

``dE_k/dp = ∫ ψ_k² ∂V/∂p`` (R. P. Feynman, *Forces in Molecules*, Phys. Rev. 56, 340, 1939): the box does not
move with the options, and the kinetic energy does not know of them. In a degenerate level the derivatives
are the eigenvalues of ``∫ ψ_i ψ_j ∂V/∂p`` over its states (first-order perturbation theory; L. D. Landau and
E. M. Lifshitz, *Quantum Mechanics*, §39).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from lior_ritz.problem import Problem
from lior_ritz.problem.devices import parameters, require_parameters, sensitivity
from lior_ritz.problem.units import Units
from lior_ritz.verification.reference import Reference
from lior_ritz.verification.reference.measuring import Measured, measure

DEGENERATE = 1e-7
"""Levels count as one when they differ by less, as a share of their size, but at least of 1 ``E0``."""


@attrs.frozen(kw_only=True, eq=False)
class Gradients:
    """Derivatives of the K levels by options of the dot."""

    units: Units
    parameters: dict[str, float]
    """Option -> its value, in its own unit; in the order of the rows."""
    derivatives: Tensor
    """``[P, K]`` float64, in ``E0`` per unit of the option. Within a degenerate level they are in rising
    order, which is that of the levels when the option grows; NaN in one of which K cuts states off."""
    levels: tuple[tuple[int, ...], ...]
    """The states of each level; more than one are degenerate."""
    cut: tuple[int, ...] = ()
    """The states of a degenerate level that goes on beyond the K states."""

    def report(self) -> dict[str, Any]:
        """Option -> ``dE_meV`` and ``dsplitting_meV``, ready for JSON; what is not known is ``None``."""
        meV = self.derivatives * self.units.E0_meV
        return {
            name: {"dE_meV": _list(row), "dsplitting_meV": _list(row.diff())}
            for name, row in zip(self.parameters, meV, strict=True)
        }


def gradients(
    problem: Problem,
    found: Reference,
    count: int,
    names: Iterable[str] | None = None,
    states: Measured | None = None,
) -> Gradients:
    """Derivatives of the ``count`` lowest levels.

    Raises ``UsageError`` when an option cannot be varied, or the derivative of V by it is not finite.

    ``found``: of the problem, with one level more, which says whether the last is cut off. ``names``: options
    of the potential; all that its mode uses if not given (:func:`lior_ritz.problem.devices.parameters`).
    ``states``: of ``found``, where they were worked out already.
    """
    known = parameters(problem)
    wanted = list(known if names is None else dict.fromkeys(names))
    require_parameters(problem, wanted)
    states = states or measure(problem, found, count)
    exact = found.energies.tolist()
    groups = group(count, {k for k in range(1, count) if near(exact[k - 1], exact[k])})
    cut = groups[-1] if len(exact) > count and near(exact[count - 1], exact[count]) else ()
    rows = []
    for name in wanted:
        slope = sensitivity(problem, name, states.rule.points)
        row = first_order((states.psi.conj() * (states.rule.weights * slope)) @ states.psi.T, groups)
        row[list(cut)] = torch.nan
        rows.append(row)
    return Gradients(
        units=problem.units,
        parameters={name: known[name] for name in wanted},
        derivatives=torch.stack(rows) if rows else torch.empty(0, count, dtype=torch.float64),
        levels=groups,
        cut=cut,
    )


def near(low: float, high: float) -> bool:
    """Whether two successive levels count as one."""
    return high - low <= DEGENERATE * max(1.0, abs(low))


def group(count: int, together: Collection[int]) -> tuple[tuple[int, ...], ...]:
    """The numbers below ``count`` in groups; those in ``together`` are of the group of the one before.

    >>> group(4, {2})
    ((0,), (1, 2), (3,))
    """
    groups: list[list[int]] = [[0]]
    for k in range(1, count):
        groups[-1].append(k) if k in together else groups.append([k])
    return tuple(map(tuple, groups))


def first_order(matrix: Tensor, levels: Iterable[Sequence[int]]) -> Tensor:
    """Derivatives of the levels from the elements ``∫ ψ_i ψ_j ∂V/∂p``, ``[K, K]``; ``[K]``."""
    row = torch.empty(len(matrix), dtype=matrix.real.dtype)
    for level in map(list, levels):
        block = matrix[level][:, level]
        row[level] = torch.linalg.eigvalsh((block + block.mH) / 2)
    return row


def _list(values: Tensor) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
