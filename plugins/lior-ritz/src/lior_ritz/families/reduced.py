"""Reduced bases: trial spaces that every device of a family shares, made of the reference's states at a few.

(A. Quarteroni, A. Manzoni and F. Negri, *Reduced Basis Methods for Partial Differential
Equations*, 2016; for eigenproblems L. Machiels et al., C. R. Acad. Sci. Paris 331, 153, 2000).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from lior_ritz.families.shared import Range, Values, columns, rows, unseen
from lior_ritz.network.projection import Whitened, whiten
from lior_ritz.problem import Problem
from lior_ritz.problem.arrays import Array
from lior_ritz.problem.quadrature import Rule, grid_rule
from lior_ritz.verification import reference
from lior_ritz.verification.reference import Reference
from lior_ritz.verification.reference.measuring import sizes

_SNAPSHOTS = 48
"""Potentials that an interpolation is made from."""
_CHECKS = 8
"""Others that it is checked with."""
_NEGLECTED = 1e-13
"""Singular values of these, relative to the largest, that are left out."""
EXACT = 1e-11
"""Largest relative difference of an energy by interpolation."""
_MORE = 2
"""States of a snapshot beyond those wanted: where levels cross between snapshots, one that is wanted there is
not among the lowest here."""
SHARP = 1e-12
"""Tolerance of the reference, below its usual one: a basis is no better than its snapshots, and spaces for
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
    terms: Tensor
    """These in the functions of the space, ``[R, rank, rank]``."""

    def form(self, potential: Tensor) -> Tensor:
        """V in the functions, ``[P, rank, rank]``, from its values at the points, ``[P, R]``."""
        return torch.tensordot(potential @ self.solver.T, self.terms, 1)


@attrs.frozen(kw_only=True, eq=False)
class ReducedSpace:
    """Functions that do not depend on the device, in which every device is solved; energies are upper bounds.

    All numbers are float64 on the CPU.
    """

    problem: Problem
    rule: Rule
    span: Whitened
    """At the nodes of the rule."""
    interpolation: Interpolation | None = None
    """``None`` where V has to be integrated for each device."""

    @classmethod
    def of(cls, problem: Problem, rule: Rule, span: Whitened, ranges: Sequence[Range]) -> ReducedSpace:
        """With an interpolation of V, if there is one that changes no energy."""
        plain = cls(problem=problem, rule=rule, span=span)
        interpolation = _interpolation(plain, ranges)
        if interpolation is None:
            return plain
        quick = attrs.evolve(plain, interpolation=interpolation)
        checks = unseen(ranges, _CHECKS, seed=1)
        exact, found = plain.lowest(checks, 1)[0], quick.lowest(checks, 1)[0]
        return quick if bool(((found - exact).abs() <= EXACT * exact.abs().clamp_min(1)).all()) else plain

    @property
    def size(self) -> int:
        """Number of independent functions."""
        return len(self.span.lower)

    def potential(self, values: Mapping[str, float | Tensor]) -> Tensor:
        """What :meth:`form` needs of V: its values at a few points or at the nodes."""
        points = self.rule.points if self.interpolation is None else self.interpolation.points
        return self.problem.energy(points, values)

    def form(self, potential: Tensor) -> Tensor:
        """V in the functions, ``[P, rank, rank]``, from :meth:`potential`, ``[P, ...]``."""
        if self.interpolation is not None:
            return self.interpolation.form(potential)
        return self.span.form(potential) - self.span.kinetic

    def lowest(self, values: Values, count: int) -> tuple[Tensor, Tensor]:
        """The ``count`` lowest levels of P devices, ``[P, count]``, and their states in terms of the span's
        basis, ``[P, rank, count]``."""
        energies, vectors = self.span.solve(self.form(self.potential(columns(values))) + self.span.kinetic)
        return energies[:, :count], vectors[:, :, :count]


def _interpolation(space: ReducedSpace, ranges: Sequence[Range]) -> Interpolation | None:
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
        terms=space.span.form(terms) - space.span.kinetic,
    )


def snapshots(problem: Problem, values: Values, count: int, tolerance: float = SHARP) -> list[Reference]:
    """The ``count + 2`` lowest states at the devices ``values``; errors as of
    :func:`lior_ritz.verification.reference.solve`."""
    more = count + _MORE
    return [reference.solve(problem, more, tolerance=tolerance, device=device) for device in rows(values)]


def span_at(found: Sequence[Reference], points: Array) -> Tensor:
    """All their states with slopes, ``[1 + d, N, F]``."""
    jets = [np.concatenate([each.functions(points)[None], each.slopes(points)]) for each in found]
    return torch.from_numpy(np.concatenate(jets, 1)).mT


def reduced_space(problem: Problem, ranges: Sequence[Range], found: Sequence[Reference]) -> ReducedSpace:
    """The span of snapshots, on a rule that resolves them: where V jumps the finest of their own, which knows
    where (and serves all devices as long as no option moves the jumps)."""
    own = [each.rule for each in found if each.rule is not None]
    rule = max(own, key=lambda each: len(each.weights), default=None)
    rule = rule or grid_rule("gauss_legendre", sizes(problem, *found), problem.half_widths)
    span, rule = span_at(found, rule.points), rule.to(torch.device("cpu"), torch.float64)
    return ReducedSpace.of(problem, rule, whiten(span, rule.weights), ranges)
