"""The reference's states on a rule that integrates products of them."""

from __future__ import annotations

import math
from typing import NamedTuple

from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import Rule, whole_rule
from lior_ritz.verification.reference.modes import Array
from lior_ritz.verification.reference.result import Reference

_NODES, _SPARE = 1.6, 30
"""Nodes on each axis per function of the reference on it, and further nodes. A polynomial needs π/2 degrees
for half a wave of a sine."""
_MOST = {1: 800, 2: 240, 3: 56, 4: 20}
"""Most nodes on each axis, by dimension."""


class Measured(NamedTuple):
    """States and the rule that they are integrated with."""

    rule: Rule
    psi: Array
    """``[k, N]``."""


def sizes(problem: Problem, *found: Reference) -> list[int]:
    """Nodes on each axis that resolve the states of all of these."""
    most = _MOST[problem.dim]
    return [
        min(most, math.ceil(_NODES * max(each.sizes[axis] for each in found)) + _SPARE)
        for axis in range(problem.dim)
    ]


def measure(problem: Problem, found: Reference, count: int) -> Measured:
    """The ``count`` lowest states, on a rule of which no node lies in the middle of an axis."""
    rule = found.rule or whole_rule(problem.half_widths, sizes(problem, found))
    return Measured(rule, found.functions(rule.points)[:count])
