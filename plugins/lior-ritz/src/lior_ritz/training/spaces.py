"""The functions that a run's states are made of without a network: the reference's own states."""

from __future__ import annotations

import attrs
import numpy as np

from lior_ritz.problem import Problem
from lior_ritz.problem.arrays import Array
from lior_ritz.problem.quadrature import Rule, whole_rule
from lior_ritz.verification import reference
from lior_ritz.verification.reference import Reference
from lior_ritz.verification.reference.measuring import sizes

MOST = {1: 1000, 2: 200, 3: 48, 4: 20}
"""Most nodes on each axis of a rule for products of states, by dimension."""


@attrs.frozen(kw_only=True, slots=False)
class Classical:
    """The space of the reference's states, which are their own eigenfunctions."""

    problem: Problem
    reference: Reference
    count: int
    """K."""

    @property
    def energies(self) -> Array:
        """The reference's."""
        return self.reference.energies[: self.count]

    @property
    def rule(self) -> Rule:
        """The reference's, with edges on the jumps of V, or a rule that resolves its functions."""
        most = MOST[self.problem.dim]
        nodes = [min(most, size) for size in sizes(self.problem, self.reference)]
        return self.reference.rule or whole_rule(self.problem.half_widths, nodes)

    @property
    def matrices(self) -> tuple[Array, Array]:
        """1 and the levels."""
        kind = self.reference.functions(np.zeros((1, self.problem.dim))).dtype
        one = np.eye(len(self.reference.energies), dtype=kind)
        return one, one * self.reference.energies

    def basis(self, points: Array, *, order: int = 0) -> Array:
        """The functions at ``points [N, d]``: ``[M, N]``, or with slopes, ``[1 + order·d, M, N]``."""
        values = self.reference.functions(points)
        return np.concatenate([values[None], self.reference.slopes(points)]) if order else values

    def widened(self, count: int) -> Classical:
        """More states of the reference."""
        return attrs.evolve(self, reference=reference.solve(self.problem, max(count, self.count)))
