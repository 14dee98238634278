"""Values of a solution's states where reports, arrays and pictures want them, all with the same signs.

Rules in here are of the whole box, whatever symmetry training was folded by.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import combinations

import attrs
import numpy as np

from lior_ritz.problem import AXES, Problem
from lior_ritz.problem.arrays import Array, slopes
from lior_ritz.problem.quadrature import Rule
from lior_ritz.reports.observables import States, fix_signs
from lior_ritz.training.solution import Solution

_FEWEST = 64
"""Fewest points on each axis of the grid of the arrays, or structure between them would be missed."""
_BATCH = 16384
"""Points at which the network is evaluated at once."""


def grid_size(nq: int) -> int:
    """Return the points on each axis of the arrays' grid: ``domain.nq``, but at least 64."""
    return max(nq, _FEWEST)


@attrs.frozen(kw_only=True, eq=False)
class Slice:
    """A uniform grid through the middle of the box, along one axis or two; other coordinates are 0.

    It begins and ends on the edge.
    """

    axes: tuple[int, ...]
    """Along which it goes: one, or two in rising order."""
    places: tuple[Array, ...]
    """Coordinates along each of them, in ``L0``."""
    points: Array
    """``[N, d]``; the first of the axes is the fastest."""

    @classmethod
    def central(cls, problem: Problem, axes: Sequence[int], size: int) -> Slice:
        """The grid of ``size`` points on each of ``axes``."""
        unit = np.linspace(-1, 1, size)
        unit = (unit - unit[::-1]) / 2  # symmetric to the last bit, so that the middle is 0
        places = tuple(unit * problem.half_widths[axis] for axis in axes)
        mesh = np.meshgrid(*places[::-1], indexing="ij")[::-1]
        points = np.zeros((mesh[0].size, problem.dim))
        for axis, values in zip(axes, mesh, strict=True):
            points[:, axis] = values.reshape(-1)
        return cls(axes=tuple(axes), places=places, points=points)

    @property
    def name(self) -> str:
        """Letters of its axes, such as ``xy``."""
        return "".join(AXES[axis] for axis in self.axes)

    def shaped(self, values: Array) -> Array:
        """``[..., N]`` as ``[..., n]`` along one axis, or as ``[..., rows, columns]``: rows are the second
        axis, columns the first."""
        return values.reshape(*values.shape[:-1], *(len(places) for places in self.places[::-1]))


def slices(problem: Problem, size: int) -> list[Slice]:
    """The line in one dimension, else the plane of every two axes, ``xy`` first."""
    if problem.dim == 1:
        return [Slice.central(problem, (0,), size)]
    return [Slice.central(problem, pair, size) for pair in combinations(range(problem.dim), 2)]


@attrs.define(kw_only=True, eq=False, slots=False)
class Sampler:
    """The states of a solution; what is worked out once is kept."""

    solution: Solution

    @property
    def problem(self) -> Problem:
        """What was solved."""
        return self.solution.problem

    @cached_property
    def rule(self) -> Rule:
        """The rule that observables are integrated with."""
        return self.solution.space.rule

    @cached_property
    def _jet(self) -> Array:
        """Basis functions and slopes at the nodes of :attr:`rule`, ``[1 + d, M, N]``."""
        return self.basis(self.rule.points, order=1)

    @cached_property
    def coefficients(self) -> Array:
        """The K states in terms of the basis, ``[M, K]``, of the sign that ``observables.fix_signs`` gives
        them at the nodes of :attr:`rule`."""
        vectors = self.solution.coefficients()
        psi = vectors.T @ self._jet[0]
        turns = (fix_signs(psi, self.rule.points) * psi.conj()).sum(1)
        signs = turns / np.abs(turns)
        return np.asarray(vectors * signs)

    def basis(self, points: Array, *, order: int = 0) -> Array:
        """The M basis functions at ``points``, ``[N, d]``: ``[M, N]``, or ``[1 + order·d, M, N]``."""
        batches = [points[i : i + _BATCH] for i in range(0, len(points), _BATCH)]
        return np.concatenate([self.solution.basis(batch, order=order) for batch in batches], -1)

    def states(self, points: Array) -> Array:
        """The K states at ``points``, ``[K, N]`` in ``L0^-d/2``, of norm 1 in the box."""
        return self.coefficients.T @ self.basis(points)

    def potential(self, points: Array) -> Array:
        """V at ``points`` in ``E0``, ``[N]``."""
        return np.asarray(self.problem.energy(points))

    @cached_property
    def measured(self) -> States:
        """All that observables need, at the nodes of :attr:`rule`."""
        rule, dim = self.rule, self.problem.dim
        jet = self.coefficients.T @ self._jet
        plain, turns = self.problem.terms.plain, 1 - 2 * np.eye(dim)
        return States(
            energies=self.solution.energies,
            psi=jet[0],
            weights=rule.weights,
            points=rule.points,
            gradients=jet[1:].transpose(1, 2, 0) if plain else None,
            potential=self.potential(rule.points),
            forces=slopes(self.problem.energy, rule.points),
            mirrored=[self.states(rule.points * turn) for turn in turns],
        )
