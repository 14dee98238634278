"""Trial spaces that every device of a family shares, and the reduced basis: one that is made of snapshots.

A reduced basis is the span of the referee's states at a few devices. It is what a network for a family has to
be compared with (A. Quarteroni, A. Manzoni and F. Negri, *Reduced Basis Methods for Partial Differential
Equations*, 2016; for eigenproblems L. Machiels et al., C. R. Acad. Sci. Paris 331, 153, 2000).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs
import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from lior_ritz import reference
from lior_ritz.problem import Problem
from lior_ritz.projection import Whitened, whiten
from lior_ritz.quadrature import Rule, grid_rule
from lior_ritz.reference.measuring import sizes
from lior_ritz.shared import Picks, Range, Values, columns, lowest, rows, unseen

_SNAPSHOTS = 48
"""Potentials that an interpolation is made from."""
_CHECKS = 8
"""Others that it is checked with."""
_NEGLECTED = 1e-13
"""Singular values of these, relative to the largest, that are left out."""
_EXACT = 1e-11
"""Largest relative difference of an energy by interpolation."""
_MORE = 2
"""States of a snapshot beyond those wanted: where levels cross between snapshots, one that is wanted there is
not among the lowest here."""
SHARP = 1e-12
"""Tolerance of the referee, below its usual one: a basis is no better than its snapshots, and spaces for
families are nearer to the truth than that."""


@attrs.frozen(kw_only=True, eq=False)
class Interpolation:
    """V at all nodes from V at a few of them, as if exact.

    Where V is a sum of functions of the place, times functions of the options, it is: with as many nodes as
    terms. Nodes are chosen by a pivoted QR factorisation (Z. Drmač and S. Gugercin, *A new selection operator
    for the discrete empirical interpolation method*, SIAM J. Sci. Comput. 38, A631, 2016).
    """

    points: Tensor
    """``[R, d]``."""
    solver: Tensor
    """From V at these points to the coefficients of the terms, ``[R, R]``."""
    forms: tuple[Tensor, ...]
    """The terms in the functions of each sector, ``[R, rank, rank]``."""

    def assembled(self, problem: Problem, values: Values, spans: Sequence[Whitened]) -> list[Tensor]:
        """``-∇² + V`` in each sector, ``[P, rank, rank]``."""
        weights = problem.energy(self.points, columns(values)) @ self.solver.T
        return [
            torch.tensordot(weights, form, 1) + span.kinetic
            for span, form in zip(spans, self.forms, strict=True)
        ]


@attrs.frozen(kw_only=True, eq=False)
class Space:
    """Functions that do not depend on the device, in which every device is solved; energies are upper bounds.

    All numbers are float64 on the CPU.
    """

    problem: Problem
    rule: Rule
    spans: tuple[Whitened, ...]
    """Of each parity, at the nodes of the rule."""
    interpolation: Interpolation | None = None
    """``None`` where V has to be integrated for each device."""

    @classmethod
    def of(cls, problem: Problem, rule: Rule, spans: Sequence[Whitened], ranges: Sequence[Range]) -> Space:
        """With an interpolation of V, if there is one that changes no energy."""
        plain = cls(problem=problem, rule=rule, spans=tuple(spans))
        interpolation = _interpolation(plain, ranges)
        if interpolation is None:
            return plain
        quick = attrs.evolve(plain, interpolation=interpolation)
        checks = unseen(ranges, _CHECKS, seed=1)
        exact, found = plain.lowest(checks, 1)[0], quick.lowest(checks, 1)[0]
        return quick if bool(((found - exact).abs() <= _EXACT * exact.abs().clamp_min(1)).all()) else plain

    @property
    def size(self) -> int:
        """Number of independent functions."""
        return sum(len(span.lower) for span in self.spans)

    def forms(self, values: Values) -> list[Tensor]:
        """``-∇² + V`` in each sector, ``[P, rank, rank]``."""
        if self.interpolation is not None:
            return self.interpolation.assembled(self.problem, values, self.spans)
        potentials = self.problem.energy(self.rule.points, columns(values))
        return [span.form(potentials) for span in self.spans]

    def lowest(self, values: Values, count: int) -> tuple[Tensor, list[Picks]]:
        """The ``count`` lowest states of P devices; see :func:`lior_ritz.shared.lowest`."""
        return lowest(zip(self.spans, self.forms(values), strict=True), count)


def _interpolation(space: Space, ranges: Sequence[Range]) -> Interpolation | None:
    """From potentials all over the ranges; ``None`` where as many terms are needed as there are of these."""
    points = space.rule.points
    snapshots = space.problem.energy(points, columns(unseen(ranges, _SNAPSHOTS, seed=0)))
    _, singular, terms = torch.linalg.svd(snapshots, full_matrices=False)
    count = int((singular > _NEGLECTED * singular[0]).sum())
    if count > _SNAPSHOTS // 2 or not count:
        return None
    terms = terms[:count]
    _, _, order = scipy.linalg.qr(terms.numpy(), mode="economic", pivoting=True)
    chosen = torch.from_numpy(np.ascontiguousarray(order[:count])).long()
    return Interpolation(
        points=points[chosen],
        solver=torch.linalg.inv(terms[:, chosen].T),
        forms=tuple(span.form(terms) - span.kinetic for span in space.spans),
    )


@attrs.frozen(kw_only=True, eq=False)
class ReducedBasis:
    """The span of the referee's lowest states at some devices."""

    space: Space
    count: int
    """K, the levels that are wanted."""
    snapshots: Values
    """The devices."""
    reproduced: float
    """Largest difference to the referee's levels at these, in ``E0``."""
    seconds: float
    """Processor seconds it took, those of the referee among them."""

    def energies(self, values: Values) -> Tensor:
        """The K lowest levels of P devices, ``[P, K]``, float64, in ``E0``; from above."""
        return self.space.lowest(values, self.count)[0]


def reduced_basis(problem: Problem, ranges: Sequence[Range], snapshots: Values, count: int) -> ReducedBasis:
    """Make a reduced basis of the ``count + 2`` lowest states at the devices ``snapshots``.

    Raises
    ------
    UsageError
        What :func:`lior_ritz.reference.solve` raises.
    """
    begin = time.process_time()
    found = [
        reference.solve(problem, count + _MORE, tolerance=SHARP, device=device) for device in rows(snapshots)
    ]
    rule = grid_rule("gauss_legendre", sizes(problem, *found), problem.half_widths)
    jets = [torch.cat([each.functions(rule.points)[None], each.slopes(rule.points)]) for each in found]
    space = Space.of(problem, rule, [whiten(torch.cat(jets, 1).mT, rule.weights)], ranges)
    exact = torch.stack([each.energies[:count] for each in found])
    reproduced = float((space.lowest(snapshots, count)[0] - exact).abs().max())
    return ReducedBasis(
        space=space, count=count, snapshots=snapshots, reproduced=reproduced,
        seconds=time.process_time() - begin,
    )  # fmt: skip
