"""The effect of the box on the levels: how far they would move in a larger one.

To first order a level falls by what its state pushes against the wall (J. Hadamard, *Mémoire sur le problème
d'analyse relatif à l'équilibre des plaques élastiques encastrées*, 1908): for ψ = 0 there, each wall that
moves outwards by δ lowers it by ``δ ∮ |∂ψ/∂n|² dS``; for the natural condition it changes by
``δ ∮ (|∇ψ|² + (V − E) |ψ|²) dS``.
"""

from __future__ import annotations

import attrs
import numpy as np

from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import legendre
from lior_ritz.verification.reference.modes import Array
from lior_ritz.verification.reference.result import CAUTION, Reference, scale

SHARE = 0.1
"""By how much of its half-widths the box is made larger."""
NOTED = 1e-3
"""Relative move of a level above which a warning names the box."""
_EQUAL = 1e-10
"""Relative gap of two levels that are equal to rounding."""
_SMALL = 1e-9
"""Relative shift below which there is no warning: the default tolerance of the reference."""
_SHOWN = 4
_NODES = {1: 1, 2: 240, 3: 40, 4: 12}  # a wall of one dimension is a point
"""Along each axis of a wall, by dimension of the box."""


def moves(problem: Problem, found: Reference) -> Array | None:
    """Return how far each level moves, to first order, when all half-widths grow by :data:`SHARE`.

    Float64 ``[k]``, in ``E0``. ``None`` with a field or masses, and for a box that is empty.
    """
    if not problem.terms.plain or _empty(problem):
        return None
    total = np.zeros_like(found.energies)
    for axis, half in enumerate(problem.half_widths):
        for sign in (-1.0, 1.0):
            points, weights = _wall(problem, axis, sign)
            slopes = np.square(found.slopes(points))
            if problem.boundary == "natural":
                psi = np.square(found.functions(points))
                change = slopes.sum(0) + (problem.energy(points) - found.energies[:, None]) * psi
            else:
                change = -slopes[axis]
            total += SHARE * half * (change @ weights)
    return total


def _open(problem: Problem) -> bool:
    """Return whether V does not rise at a wall: by less, over a tenth, than the lowest level of the box."""
    walls = [_wall(problem, axis, sign)[0] for axis in range(problem.dim) for sign in (-1.0, 1.0)]
    points = np.concatenate(walls)
    return bool((problem.energy(points) - problem.energy(0.9 * points) < scale(np.zeros(1), problem)).any())


def _empty(problem: Problem) -> bool:
    """Whether V is the same at all of a few points: then the walls are what is asked about."""
    places = np.random.default_rng(0).uniform(-1, 1, (64, problem.dim)) * np.array(problem.half_widths)
    values = problem.energy(places)
    return bool((values == values[0]).all())


def _wall(problem: Problem, axis: int, sign: float) -> tuple[Array, Array]:
    """Nodes ``[N, d]`` and weights of one wall."""
    t, w = legendre(_NODES[problem.dim])
    others = [half for a, half in enumerate(problem.half_widths) if a != axis]
    mesh = np.meshgrid(*(half * t for half in others), indexing="ij")
    weights = np.ones(1)
    for half in others:
        weights = (weights[:, None] * (half * w)).ravel()
    points = np.stack([each.ravel() for each in mesh], -1) if others else np.zeros((1, 0))
    points = np.insert(points, axis, sign * problem.half_widths[axis], 1)
    return points, weights


def widened(problem: Problem, found: Reference, tolerance: float = _SMALL) -> Reference:
    """Return the levels with error bars that include the walls.

    The bar of a level grows by :data:`CAUTION` times its move, if V does not rise at a wall or the level is
    one that :func:`warning` names. ``tolerance``: maximum of a bar, relative to :func:`scale`.
    """
    by = moves(problem, found)
    if by is None:
        return found
    size = scale(found.energies, problem)
    by = CAUTION * np.where(_open(problem) | (np.abs(by) > NOTED * size), by, 0.0)
    if not by.any():
        return found
    errors = found.errors + np.abs(by)
    return attrs.evolve(
        found,
        errors=errors,
        splitting_errors=found.splitting_errors + np.abs(np.diff(by)),
        within=found.within & (np.abs(by) <= tolerance * size),
    )


def warning(problem: Problem, found: Reference, count: int) -> str:
    """Return a line about the effect of the walls on the lowest ``count`` levels; empty if there is none.

    It names levels that would move by more than :data:`NOTED`, relative to :func:`scale`, and pairs that
    differ by no more than the walls explain. Otherwise it gives the largest shift, if V does not rise at
    a wall.
    """
    by = moves(problem, found)
    if by is None:
        return ""
    size = scale(found.energies, problem)
    noted = np.flatnonzero((np.abs(by) > NOTED * size)[:count])
    shown = [f"E{k} by about {float(by[k]) * problem.units.E0_meV:+.2g} meV" for k in noted]
    said = []
    if shown:
        more = f" and {len(shown) - _SHOWN} more" * (len(shown) > _SHOWN)
        moved = ", ".join(shown[:_SHOWN]) + more
        said.append(f"the box is part of the answer: a tenth larger, it would move {moved}")
    gaps = np.diff(found.energies)[: count - 1]
    split = (gaps > _EQUAL * size[1:count]) & (gaps <= CAUTION * np.abs(np.diff(by)[: count - 1]))
    for k in np.flatnonzero(split):
        if k not in noted and k + 1 not in noted:
            pair = f"E{k} and E{k + 1} differ by {gaps[k]:.1e} E0, no more than the walls explain"
            said.append(f"{pair}: they may be one level twice")
    if said:
        return f"WARNING: {'; '.join(said)}; make the box larger (domain.X, ...)"
    shift = CAUTION * np.abs(by[:count])
    if not (shift > _SMALL * size[:count]).any() or not _open(problem):
        return ""
    return f"V does not rise at a wall, which may shift levels by {shift.max():.1e} E0; enlarge domain.X, ..."
