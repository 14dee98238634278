"""One-electron functions that all devices of two or more ranges of options share.

They are combinations of the reference's states at a few devices, a reduced basis (A. Quarteroni, A. Manzoni
and F. Negri, *Reduced Basis Methods for Partial Differential Equations*, 2016), reduced again to those that
the lowest states occupy most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import attrs
import numpy as np

from lior_ritz.problem import Problem
from lior_ritz.problem.arrays import Array
from lior_ritz.problem.quadrature import Rule, whole_rule
from lior_ritz.verification import reference
from lior_ritz.verification.reference import Reference
from lior_ritz.verification.reference.measuring import sizes

_SHARES = (0.0, 0.5, 1.0)
"""Values of each option at which the reference is solved, as shares of its range; in all combinations."""
_STATES, _MORE = 8, 2
"""Number of lowest states of a device that the functions describe, and of further states that are added. If
levels cross between two devices, a low state of one is a higher state of the other."""
_TOLERANCE = 1e-9
"""The reference's tolerance: less would take a minute for splines of files, and the error of the repulsion
is larger."""
_ROUNDING = 1e-9
"""Singular values of the normalised states below this share of the largest are rounding errors."""


@attrs.frozen(kw_only=True, eq=False)
class SharedFunctions:
    """B orthonormal functions, real and float64."""

    problem: Problem
    """One device."""
    ranges: Mapping[str, tuple[float, float]]
    """Option -> its least and its greatest value."""
    states: Sequence[Reference]
    """The reference's states, with F functions in all."""
    mixture: Array
    """``[F, B]``: the functions in terms of the states."""
    points: Array
    """Nodes of the quadrature, ``[N, 2]``."""
    products: Array
    """Products of two functions, times the weights of the nodes, ``[N, B²]``."""
    kinetic: Array
    """``∫ ∇χᵢ·∇χⱼ``, ``[B, B]``."""

    @classmethod
    def make(cls, problem: Problem, ranges: Mapping[str, tuple[float, float]], count: int) -> SharedFunctions:
        """Solve some devices, and choose ``count`` functions."""
        ends = np.array(list(ranges.values()))
        chosen = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * _SHARES
        devices = [dict(zip(ranges, map(float, each), strict=True)) for each in product(*chosen)]
        states = [
            reference.solve(problem, _STATES + _MORE, tolerance=_TOLERANCE, device=device)
            for device in devices
        ]
        rule = _rule(problem, states)
        values, slopes = _values(states, rule.points), _slopes(states, rule.points)
        basis = _orthonormal(values * np.sqrt(rule.weights))
        value, kinetic = basis.T @ values, np.zeros((basis.shape[1],) * 2)
        for slope in slopes:
            moved = basis.T @ slope
            kinetic += (moved * rule.weights) @ moved.T
        occupied = np.zeros_like(kinetic)
        for device in devices:
            potential = problem.energy(rule.points, device)
            form = (value * (rule.weights * potential)) @ value.T + kinetic
            lowest = np.linalg.eigh(form)[1][:, :_STATES]
            occupied += lowest @ lowest.T
        turn = np.linalg.eigh(occupied)[1][:, ::-1][:, :count]
        functions = turn.T @ value
        products = (functions[:, None] * functions).reshape(-1, len(rule.points)) * rule.weights
        return cls(
            problem=problem,
            ranges=ranges,
            states=states,
            mixture=basis @ turn,
            points=rule.points,
            products=products.T,
            kinetic=turn.T @ kinetic @ turn,
        )

    @property
    def size(self) -> int:
        """B."""
        return self.mixture.shape[1]

    def functions(self, points: Array) -> Array:
        """Values ``[B, N]`` at ``points``, ``[N, 2]``."""
        return self.mixture.T @ _values(self.states, points)

    def forms(self, values: Mapping[str, Array]) -> Array:
        """``-∇² + V`` of P devices in the functions, ``[P, B, B]`` in ``E0``.

        ``values``: option -> its values, ``[P]``.
        """
        potential = self.problem.energy(self.points, {name: each[:, None] for name, each in values.items()})
        return (potential @ self.products).reshape(-1, self.size, self.size) + self.kinetic


def _rule(problem: Problem, states: Sequence[Reference]) -> Rule:
    """Return a rule that resolves all states. If V jumps, it is the finest of their own, with edges on the
    jumps; it serves all devices as long as no option moves the jumps."""
    own = [each.rule for each in states if each.rule is not None]
    finest = max(own, key=lambda each: len(each.weights), default=None)
    return finest or whole_rule(problem.half_widths, sizes(problem, *states))


def _values(states: Sequence[Reference], points: Array) -> Array:
    return np.concatenate([each.functions(points) for each in states])


def _slopes(states: Sequence[Reference], points: Array) -> Array:
    return np.concatenate([each.slopes(points) for each in states], 1)


def _orthonormal(rows: Array) -> Array:
    """The combinations of ``rows [F, N]`` that are orthonormal, ``[F, rank]``; dependent ones are left out.

    The product of the second step removes what rounding left of the overlaps after the first.
    """
    scale = 1 / np.linalg.norm(rows, axis=1)
    left, singular, _ = np.linalg.svd(rows * scale[:, None], full_matrices=False)
    keep = singular > singular[0] * _ROUNDING
    basis = scale[:, None] * (left[:, keep] / singular[keep])
    value = basis.T @ rows
    return np.asarray(basis @ np.linalg.inv(np.linalg.cholesky(value @ value.T)).T)
