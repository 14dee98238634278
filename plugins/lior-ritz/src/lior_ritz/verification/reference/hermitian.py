"""Rayleigh-Ritz with a magnetic field and with masses that depend on the axis or the place.

The functions are products of eigenfunctions of one axis each, of the problem on the lines through the lowest
point of V with the field's ``b² r²/4`` about the middle of the lowest: elements of high degree with their
edges on the jumps of V and of the masses (:mod:`lior_ritz.verification.reference.elements`), so that the weak
form has the jump of the slope by itself. They are real; the field makes the matrix Hermitian, with ``∫ aᵢ/μᵢ
(∂ᵢφ_p φ_q - φ_p ∂ᵢφ_q)`` for its imaginary part. The gauge has its origin in that middle, and the states get
the phase of the one that was asked for (F. London, J. Phys. Radium 8, 397, 1937), so that levels and
densities do not depend on it. The levels are upper bounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import attrs
import numpy as np
import scipy.linalg

from lior.errors import UsageError
from lior_ritz.problem import Problem
from lior_ritz.verification.reference.elements import Line, edges, tensor_rule
from lior_ritz.verification.reference.modes import FEWEST, Array
from lior_ritz.verification.reference.products import Functions, evaluator, gather, orient
from lior_ritz.verification.reference.result import Answer, Bars, sample

_SIZES = ((8, 60), (10, 100), (13, 170), (17, 280), (22, 460), (28, 760), (36, 1250), (46, 2000))
"""Degrees of the elements, and products of functions of the axes, that are tried in turn: both grow, or what
one of them leaves would not be seen."""
_ALL = 10**6
_JUMPS = ((4, _ALL), (6, _ALL), (8, _ALL), (10, _ALL), (13, _ALL), (17, _ALL), (22, _ALL), (28, _ALL))
"""The same where something jumps: only all products have the slopes' jumps at every place."""
LARGEST = 2000
"""Products of one symmetry at most."""
_MIDDLE = 2
"""Functions of an axis whose mean place is the middle that the field turns about."""
_EVEN = 1e-6
"""How far a function may be from even or odd by rounding."""
_MORE = 3
"""Products for each level that is wanted, at least."""


class Axis(NamedTuple):
    """The lowest functions of one axis, in rising order of their energies."""

    line: Line
    energies: Array
    """``[n]``."""
    vectors: Array
    """From the functions of the line to these, ``[m, n]``."""
    parity: Array
    """1 or -1 of each function, where they have one; else 0."""
    middle: float

    def at(self, x: Array, order: int) -> Array:
        """The functions, or their slopes, ``[len(x), n]``."""
        return self.line.at(x, order) @ self.vectors


class Found(NamedTuple):
    """The lowest levels in one basis."""

    energies: Array
    """``[k]``, ascending."""
    states: Array
    """``[k, n1]`` or ``[k, n1, n2]``, real or complex, in the functions of the axes."""
    axes: tuple[Axis, ...]
    rounding: float
    turn: Array
    """``∇λ`` of the phases ``exp(-i λ)`` that bring the states to the gauge that was asked for, ``[d]``."""
    largest: int
    """Products of one symmetry."""


def hermitian(problem: Problem, k: int, tolerance: float) -> Answer:
    """The ``k`` lowest levels, and how far they may be off.

    Raises ``UsageError`` when there are not so many levels in the largest basis.
    """
    smaller: Found | None = None
    bars: Bars | None = None
    for degree, products in _JUMPS if any(problem.jumps) else _SIZES:
        larger = ritz(problem, degree, max(products, _MORE * k), k)
        if smaller is not None and len(smaller.energies) == k:
            bars = Bars.of(smaller.energies, larger.energies, larger.rounding, problem, tolerance)
            if bars.good or larger.largest * 1.3**problem.dim > LARGEST:
                break
        smaller = larger
    if bars is None:
        raise UsageError(f"k = {k}: method 'hermitian' has {len(larger.energies)} levels at most")
    functions = [_turned(*each) for each in zip(larger.axes, larger.turn, strict=True)]
    rule = tensor_rule([axis.line for axis in larger.axes])
    sizes, evaluate = larger.states.shape[1:], evaluator(larger.states, functions)
    return Answer(larger.energies, bars, sizes, evaluate, rule)


def ritz(problem: Problem, degree: int, products: int, k: int) -> Found:
    """The ``k`` lowest levels with that many products, or all there are, of elements of one degree."""
    fewest = FEWEST[problem.dim - 1]
    lines = [Line.of(each, degree, problem.boundary, fewest) for each in edges(problem)]
    axes = [_axis(problem, line, i) for i, line in enumerate(lines)]
    sums = axes[0].energies
    for axis in axes[1:]:
        sums = (sums[:, None] + axis.energies).ravel()
    chosen = np.argsort(sums, kind="stable")[:products]
    at = np.stack(np.unravel_index(chosen, [len(axis.energies) for axis in axes]))
    axes = [a._replace(vectors=a.vectors[:, : n.max() + 1]) for a, n in zip(axes, at, strict=True)]
    centred, turn = problem, np.zeros(problem.dim)
    if problem.terms.field_tesla:
        place = (axes[0].middle, axes[1].middle)
        turn = problem.vector(np.array([place]))[0]
        centred = attrs.evolve(problem, terms=attrs.evolve(problem.terms, gauge_origin=place))
    parts = _parts(problem, axes, at)
    matrices, size = _matrices(centred, axes, parts)
    solved = [
        scipy.linalg.eigh(matrix, subset_by_index=[0, min(k, len(matrix)) - 1], check_finite=False)
        for matrix in matrices
    ]
    energies, states = gather(parts, solved, [axis.vectors.shape[1] for axis in axes], k)
    oriented = orient(states, [_moment(*each) for each in zip(axes, turn, strict=True)])
    largest = max(part.shape[1] for part in parts)
    rounding = 8 * np.finfo(float).eps * size
    return Found(energies, oriented, tuple(axes), rounding, turn, largest)


def _parts(problem: Problem, axes: Sequence[Axis], at: Array) -> list[Array]:
    """The products ``at``, ``[d, n]``, by parity along the mirrored axes, or by that of both where a field
    couples them."""
    known = [axis.parity if number in problem.images else 0 * axis.parity for number, axis in enumerate(axes)]
    signs = np.array([each[n] for each, n in zip(known, at, strict=True)])
    if problem.terms.field_tesla:
        signs = signs.prod(0, keepdims=True)
    _, which = np.unique(signs, axis=1, return_inverse=True)
    return [at[:, which.ravel() == part] for part in range(which.max() + 1)]


def _axis(problem: Problem, line: Line, number: int) -> Axis:
    """The functions of one axis, from the line through the lowest of a few points of V."""
    grid = np.stack(
        np.meshgrid(*(np.linspace(-h, h, 65)[1:-1] for h in problem.half_widths), indexing="ij"), -1
    )
    points = grid.reshape(-1, problem.dim)
    centre = points[np.argmin(sample(problem, points) + 1e-9 * np.square(points).sum(1))]
    points = np.tile(centre, (len(line.nodes), 1))
    points[:, number] = line.nodes
    inverse = problem.inverse_mass(points)[:, number]
    potential, kinetic = sample(problem, points), line.at(line.nodes, 1)
    matrix = _weigh(kinetic, line.weights * inverse) + _weigh(line.table, line.weights * potential)
    energies, vectors = scipy.linalg.eigh(matrix, check_finite=False)
    densities = np.square(line.table @ vectors[:, :_MIDDLE])
    middle = float(((line.weights * line.nodes) @ densities).mean())
    if problem.terms.field_tesla:
        square = np.square(problem.terms.strength(problem.units) / 2 * (line.nodes - middle))
        matrix += _weigh(line.table, line.weights * inverse * square)
        energies, vectors = scipy.linalg.eigh(matrix, check_finite=False)
    table = line.table @ vectors
    parity = np.zeros(len(energies), dtype=int)
    if number in problem.images and line.parity.all():
        middle, overlap = 0.0, (line.weights[:, None] * table * table[::-1]).sum(0)
        if np.abs(np.abs(overlap) - 1).max() < _EVEN:
            parity = np.rint(overlap).astype(int)
    return Axis(line, energies, vectors, parity, middle)


def _weigh(table: Array, weights: Array) -> Array:
    return np.asarray((table * weights[:, None]).T @ table)


def _matrices(problem: Problem, axes: Sequence[Axis], parts: Sequence[Array]) -> tuple[list[Array], float]:
    """The Hamiltonian in the products of each part, and what its rounding errors are relative to."""
    tables = [[axis.at(axis.line.nodes, order) for order in (0, 1)] for axis in axes]
    grid = tensor_rule([axis.line for axis in axes])
    points, weights = grid.points, grid.weights
    inverse, potential = problem.inverse_mass(points), sample(problem, points)
    found = [np.zeros((part.shape[1],) * 2) for part in parts]
    used = [[np.unique(each, return_inverse=True) for each in part] for part in parts]
    integrals = partial(_integrals, tables, used, weights)
    none = [0] * problem.dim
    once = [[int(i == axis) for i in range(problem.dim)] for axis in range(problem.dim)]
    for axis, by in enumerate(once):
        found = [one + more for one, more in zip(found, integrals(inverse[:, axis], by, by), strict=True)]
    size = max(float(np.abs(one).max()) for one in found) + float(np.abs(potential).max())
    if problem.terms.field_tesla:
        vector = problem.vector(points)
        potential = potential + (np.square(vector) * inverse).sum(1)
        for axis, by in enumerate(once):
            turning = integrals(vector[:, axis] * inverse[:, axis], by, none)
            found = [one + 1j * (more - more.T) for one, more in zip(found, turning, strict=True)]
    rest = integrals(potential, none, none)
    return [one + more for one, more in zip(found, rest, strict=True)], size


def _integrals(
    tables: Sequence[Sequence[Array]],
    used: Sequence[Sequence[Any]],
    weights: Array,
    values: Array,
    left: Sequence[int],
    right: Sequence[int],
) -> list[Array]:
    """``∫ values ∂φ_p ∂φ_q`` of each part, with the orders of the derivatives by axis.

    ``used``: for each part and axis, the functions that occur and where, as ``np.unique`` gives them.
    """
    whole, result = (values * weights).reshape([len(each[0]) for each in tables]), []
    for part in used:
        if len(part) == 1:  # pairs of the functions of one axis would take too much memory
            ((own, n),) = part
            a, b = (tables[0][order][:, own] for order in (left[0], right[0]))
            result.append(((a * whole[:, None]).T @ b)[np.ix_(n, n)])
            continue
        pairs = [
            (each[p][:, own, None] * each[q][:, None, own]).reshape(len(each[0]), -1)
            for each, p, q, (own, _) in zip(tables, left, right, part, strict=True)
        ]
        both = pairs[0].T @ whole @ pairs[1]
        result.append(both[tuple(n[:, None] * len(own) + n for own, n in part)])
    return result


def _turned(axis: Axis, turn: float) -> Functions:
    """The functions of an axis with the phase that brings them to the gauge that was asked for."""

    def at(x: Array, order: int) -> Array:
        values = axis.at(x, 0) if order and turn else 0.0
        return (axis.at(x, order) - 1j * turn * values) * np.exp(-1j * turn * x)[:, None]

    return at if turn else axis.at


def _moment(axis: Axis, turn: float) -> Array:
    """``∫ φ exp(x/X)`` of the functions with their phases."""
    x = axis.line.nodes
    weights = axis.line.weights * np.exp(x / axis.line.edges[-1])
    return np.asarray((weights * np.exp(-1j * turn * x) if turn else weights) @ axis.at(x, 0))
