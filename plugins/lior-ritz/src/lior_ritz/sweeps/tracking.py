"""Tracking of levels through a sweep: states are followed through crossings.

A state continues as the one with the largest overlap. Within a degenerate level the choice of states is
arbitrary, so a state continues as its projection onto the level, and is identified again behind it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import whole_rule
from lior_ritz.verification.gradients import group
from lior_ritz.verification.reference import Reference

_NODES = {1: 96, 2: 24, 3: 12, 4: 8}
"""On each axis, by dimension: overlaps need not be exact."""
_CLEAR = 0.4
"""A state of which less than this goes on has left the levels that are kept."""
_SAME = 1e-8
"""Levels as near as this, relatively, are one."""

Array: TypeAlias = "NDArray[Any]"


@attrs.frozen(eq=False)
class Sampled:
    """States on few nodes, times the roots of the weights."""

    energies: Array
    psi: Array
    """``[k, N]``."""

    @classmethod
    def of(cls, problem: Problem, found: Reference, count: int) -> Sampled:
        """The ``count`` lowest of the reference's; nodes are alike in all boxes."""
        rule = whole_rule(problem.half_widths, [_NODES[problem.dim]] * problem.dim)
        psi = found.functions(rule.points)[:count] * np.sqrt(rule.weights)
        return cls(found.energies[:count], psi)

    def groups(self) -> list[list[int]]:
        """Numbers of the levels that are one."""
        return group(b - a <= _SAME * max(1.0, abs(b)) for a, b in pairwise(self.energies))


def follow(points: list[Sampled]) -> list[list[int]]:
    """Return for each point the curve numbers of its levels.

    The first point's are numbered by their energy; what comes anew gets the next number. A state that left
    the levels that are kept is remembered, so that it has its number when it is back.
    """
    curves: list[list[int]] = []
    last: dict[int, Array] = {}
    number = 0
    for point in points:
        shares = np.zeros((len(last), len(point.psi)))
        old, groups = list(last), point.groups()
        for i, name in enumerate(old):
            for members in groups:
                inside = point.psi[members].conj() @ last[name]
                shares[i, members] = np.square(np.abs(inside)).sum()
        own = [-1] * len(point.psi)
        for i, k in zip(*linear_sum_assignment(-shares), strict=True):
            if shares[i, k] >= _CLEAR:
                own[k] = old[i]
        for members in groups:
            for k in members:
                if own[k] < 0:
                    own[k], number = number, number + 1
                    last[own[k]] = point.psi[k]
                    continue
                level = point.psi[members]
                state = (level.conj() @ last[own[k]]) @ level
                last[own[k]] = state / np.linalg.norm(state)
        curves.append(own)
    return curves
