"""How levels answer to the options of the dot: the theorem of Hellmann and Feynman on the network's states.

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

from lior_ritz.devices import parameters, require_parameters, sensitivity
from lior_ritz.samples import Sampler
from lior_ritz.solution import Solution
from lior_ritz.units import Units

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

    @property
    def derivatives_meV(self) -> Tensor:
        """The same in meV per unit of the option."""
        return self.derivatives * self.units.E0_meV

    @property
    def splittings(self) -> Tensor:
        """Derivatives of ``E_{k+1} - E_k``, ``[P, K - 1]`` in ``E0`` per unit of the option."""
        return self.derivatives.diff(dim=1)

    def of(self, name: str) -> Tensor:
        """The derivatives by one option, ``[K]``; ``KeyError`` when it was not asked for."""
        return self.derivatives[list(self.parameters).index(name) if name in self.parameters else _no(name)]

    def report(self) -> dict[str, Any]:
        """Ready for JSON; a number that is not known is ``None``."""
        found: dict[str, Any] = {}
        for row, (name, value) in enumerate(self.parameters.items()):
            found[name] = {
                "value": value,
                "dE_E0": _list(self.derivatives[row]),
                "dE_meV": _list(self.derivatives_meV[row]),
                "dsplitting_E0": _list(self.splittings[row]),
                "dsplitting_meV": _list(self.splittings[row] * self.units.E0_meV),
            }
        return {"by": found, "levels": [list(level) for level in self.levels], "cut": list(self.cut)}


def gradients(
    solution: Solution, names: Iterable[str] | None = None, *, sampler: Sampler | None = None
) -> Gradients:
    """Derivatives of the levels of a solution.

    Parameters
    ----------
    names
        Options of the potential; all that its mode uses if not given (:func:`lior_ritz.devices.parameters`).
    sampler
        Of the solution, where there is one already.

    Raises
    ------
    UsageError
        When an option cannot be varied, or the derivative of V by it is not finite.
    """
    problem = solution.problem
    known = parameters(problem)
    wanted = list(known if names is None else dict.fromkeys(names))
    require_parameters(problem, wanted)
    states = (sampler or Sampler(solution=solution)).measured
    levels, cut = _levels(solution)
    rows = []
    for name in wanted:
        slope = sensitivity(problem, name, states.points)
        row = first_order((states.psi * (states.weights * slope)) @ states.psi.T, levels)
        row[list(cut)] = torch.nan
        rows.append(row)
    return Gradients(
        units=problem.units,
        parameters={name: known[name] for name in wanted},
        derivatives=torch.stack(rows) if rows else torch.empty(0, len(states.psi), dtype=torch.float64),
        levels=levels,
        cut=cut,
    )


def _levels(solution: Solution) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """States by level, and those of a level that goes on beyond the last state.

    Which states belong together is read off the referee, which knows also the states beyond, and off the
    network's own levels, which it may have wrong.
    """
    count = len(solution.energies)
    exact, own = solution.referee.energies.tolist(), solution.energies.tolist()
    together = {k for energies in (exact, own) for k in range(1, count) if near(energies[k - 1], energies[k])}
    groups = grouped(count, together)
    beyond = len(exact) > count and near(exact[count - 1], exact[count])
    return groups, groups[-1] if beyond else ()


def near(low: float, high: float) -> bool:
    """Whether two successive levels count as one."""
    return high - low <= DEGENERATE * max(1.0, abs(low))


def grouped(count: int, together: Collection[int]) -> tuple[tuple[int, ...], ...]:
    """The numbers below ``count`` in groups; those in ``together`` are of the group of the one before.

    >>> grouped(4, {2})
    ((0,), (1, 2), (3,))
    """
    groups: list[list[int]] = [[0]]
    for k in range(1, count):
        groups[-1].append(k) if k in together else groups.append([k])
    return tuple(map(tuple, groups))


def first_order(matrix: Tensor, levels: Iterable[Sequence[int]]) -> Tensor:
    """Derivatives of the levels from the elements ``∫ ψ_i ψ_j ∂V/∂p``, ``[K, K]``; ``[K]``."""
    row = torch.empty(len(matrix), dtype=matrix.dtype)
    for level in map(list, levels):
        block = matrix[level][:, level]
        row[level] = torch.linalg.eigvalsh((block + block.T) / 2)
    return row


def _no(name: str) -> int:
    raise KeyError(name)


def _list(values: Tensor) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
