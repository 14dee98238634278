"""Elements with their edges on the jumps of V: piecewise polynomials of high degree, in one and two
dimensions.

Sines, which know nothing of where V jumps, are good to some digits there. Inside an element all is smooth,
and errors fall exponentially with the degree; at the corner of a well they still fall with its eighth power
(I. Babuška and B. Q. Guo, *The h, p and h-p version of the finite element method*, Adv. Eng. Software 15,
159, 1992). The levels are upper bounds, since the functions are continuous."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.polynomial import legendre as polynomials

from lior.errors import UsageError
from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import Rule, legendre
from lior_ritz.verification.reference.lowest import lowest
from lior_ritz.verification.reference.modes import FEWEST, Array
from lior_ritz.verification.reference.products import evaluator, gather, orient
from lior_ritz.verification.reference.result import Answer, Bars, sample

DEGREES = (6, 8, 10, 13, 17, 22, 28)
"""Degrees that are tried in turn."""
LARGEST = 2600
"""Products of one symmetry at most."""
_LONGEST = 0.5
"""Longest element, as a share of the half-width of the box."""


class Line(NamedTuple):
    """Orthonormal functions of one axis, in which ``-d²`` is diagonal."""

    edges: Array
    """Edges of the elements, ascending."""
    degree: int
    natural: bool
    kinetic: Array
    """``[n]``, ascending."""
    vectors: Array
    """From the functions of the elements to these, ``[m, n]``."""
    nodes: Array
    weights: Array
    """Weights of Gauss-Legendre rules on the elements, ``[q]``."""
    table: Array
    """The functions at the nodes, ``[q, n]``."""
    parity: Array
    """1 or -1 of each function, where the elements are a mirror image of themselves; else 0."""

    @classmethod
    def of(cls, edges: Array, degree: int, boundary: str, fewest: int = 0) -> Line:
        """Functions of ``degree`` on each element, continuous, 0 at the ends unless these are natural, with
        at least ``fewest`` nodes."""
        t, w = legendre(degree + 12 + math.ceil(fewest / (len(edges) - 1)))
        halves, middles = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
        nodes = (middles[:, None] + halves[:, None] * t).ravel()
        weights = (halves[:, None] * w).ravel()
        natural = boundary == "natural"
        values, slopes = (_pieces(nodes, edges, degree, natural, order) for order in (0, 1))
        overlap, stiffness = ((each * weights[:, None]).T @ each for each in (values, slopes))
        kinetic, vectors = scipy.linalg.eigh(stiffness, overlap)
        table = values @ vectors
        parity = np.zeros(len(kinetic), dtype=int)
        if np.allclose(edges, -edges[::-1], rtol=0, atol=1e-12 * edges[-1]):
            parity = np.rint((weights[:, None] * table * table[::-1]).sum(0)).astype(int)
        return cls(edges, degree, natural, np.maximum(kinetic, 0.0), vectors, nodes, weights, table, parity)

    def at(self, x: Array, order: int) -> Array:
        """The functions, or their slopes, at any points, ``[len(x), n]``."""
        return _pieces(x, self.edges, self.degree, self.natural, order) @ self.vectors


def _pieces(x: Array, edges: Array, degree: int, natural: bool, order: int) -> Array:
    """Hats between elements and bubbles inside them (integrated Legendre polynomials), or their slopes."""
    count = len(edges) - 1
    own = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, count - 1)
    halves = np.diff(edges)[own] / 2
    t = (x - edges[own]) / halves - 1
    result = np.zeros((len(x), count + 1 + count * (degree - 1)))
    rows = np.arange(len(x))
    result[rows, own] = (1 - t) / 2 if order == 0 else -0.5 / halves
    result[rows, own + 1] = (1 + t) / 2 if order == 0 else 0.5 / halves
    values = polynomials.legvander(t, degree)
    for k in range(2, degree + 1):
        norm = math.sqrt((2 * k - 1) / 2)
        bubble = (values[:, k] - values[:, k - 2]) / (2 * k - 1) if order == 0 else values[:, k - 1] / halves
        result[rows, count + 1 + own * (degree - 1) + k - 2] = norm * bubble
    return result if natural else np.delete(result, [0, count], axis=1)


class Found(NamedTuple):
    """The lowest levels for one degree."""

    energies: Array
    """``[k]``, ascending."""
    states: Array
    """``[k, n1]`` or ``[k, n1, n2]``, in the functions of the lines."""
    lines: tuple[Line, ...]
    rounding: float


def edges(problem: Problem) -> tuple[Array, ...]:
    """Edges of the elements of each axis: the jumps, the middle and the ends, and more where these are far
    apart."""
    found = []
    for half, jumps in zip(problem.half_widths, problem.jumps, strict=True):
        inside = sorted({-half, 0.0, half, *(x for x in jumps if abs(x) < half)})
        kept = [inside[0]]
        for x in inside[1:]:
            if x - kept[-1] > 1e-9 * half:
                pieces = math.ceil((x - kept[-1]) / (_LONGEST * half) - 1e-9)
                kept += list(np.linspace(kept[-1], x, pieces + 1)[1:])
        found.append(np.array(kept))
    return tuple(found)


def ritz(problem: Problem, places: Sequence[Array], degree: int, k: int) -> Found:
    """The ``k`` lowest levels with elements of one degree."""
    fewest = FEWEST[problem.dim - 1]
    lines = tuple(Line.of(each, degree, problem.boundary, fewest) for each in places)
    grid = np.stack(np.meshgrid(*(line.nodes for line in lines), indexing="ij"), -1)
    shape = grid.shape[:-1]
    potential = sample(problem, grid.reshape(-1, problem.dim)).reshape(shape)
    for axis, line in enumerate(lines):
        potential = potential * line.weights.reshape([-1 if a == axis else 1 for a in range(problem.dim)])
    parts, solved = [], []
    for chosen in _sectors(problem, lines):
        tables = [line.table[:, own] for line, own in zip(lines, chosen, strict=True)]
        matrix = _matrix(potential, tables)
        kinetic = lines[0].kinetic[chosen[0]]
        for line, own in zip(lines[1:], chosen[1:], strict=True):
            kinetic = (kinetic[:, None] + line.kinetic[own]).ravel()
        matrix[np.diag_indices(len(matrix))] += kinetic
        order = np.argsort(kinetic, kind="stable")  # what the iteration on large matrices begins with
        solved.append(lowest(matrix[np.ix_(order, order)], k))
        parts.append(np.stack([each.ravel()[order] for each in np.meshgrid(*chosen, indexing="ij")]))
    energies, states = gather(parts, solved, [len(line.kinetic) for line in lines], k)
    top = sum(float(line.kinetic[-1]) for line in lines)
    rounding = 8 * np.finfo(float).eps * (math.sqrt(top * max(1.0, abs(energies[0]))) + np.ptp(potential))
    weighted = [line.weights * np.exp(line.nodes / line.edges[-1]) for line in lines]
    moments = [line.table.T @ each for line, each in zip(lines, weighted, strict=True)]
    return Found(energies, orient(states, moments), lines, rounding)


def _sectors(problem: Problem, lines: Sequence[Line]) -> list[tuple[Array, ...]]:
    """Functions of each axis that are combined, by parity along the mirrored ones."""
    each = []
    for axis, line in enumerate(lines):
        split = axis in problem.mirrors and bool(line.parity.all())
        parts = [np.flatnonzero(line.parity == sign) for sign in (1, -1)] if split else []
        each.append([part for part in parts if len(part)] or [np.arange(len(line.kinetic))])
    return list(itertools.product(*each))


def _matrix(potential: Array, tables: Sequence[Array]) -> Array:
    """V in products of functions, from its values times the weights."""
    if len(tables) == 1:
        return np.asarray((tables[0] * potential[:, None]).T @ tables[0])
    pairs = [(table[:, :, None] * table[:, None, :]).reshape(len(table), -1) for table in tables]
    sizes = [table.shape[1] for table in tables]
    both = (pairs[0].T @ (potential @ pairs[1])).reshape(sizes[0], sizes[0], sizes[1], sizes[1])
    return np.ascontiguousarray(both.transpose(0, 2, 1, 3)).reshape([math.prod(sizes)] * 2)


def elements(problem: Problem, k: int, tolerance: float) -> Answer:
    """The ``k`` lowest levels, and how far they may be off.

    Raises ``UsageError`` in more than two dimensions, or where V is not a finite number.
    """
    if problem.dim > 2:
        raise UsageError(f"method 'elements' is of 1 and 2 dimensions, not {problem.dim}; use sine")
    places, smaller = edges(problem), None
    for degree in DEGREES:
        larger = ritz(problem, places, degree, k)
        if smaller is None:
            smaller = larger
            continue
        bars = Bars.of(smaller.energies, larger.energies, larger.rounding, problem, tolerance)
        rows = max(math.prod(map(len, sector)) for sector in _sectors(problem, larger.lines))
        if bars.good or rows * (1.3**problem.dim) > LARGEST:
            break
        smaller = larger
    evaluate = evaluator(larger.states, [line.at for line in larger.lines])
    return Answer(larger.energies, bars, larger.states.shape[1:], evaluate, tensor_rule(larger.lines))


def tensor_rule(lines: Sequence[Line]) -> Rule:
    """The rule on products of elements, with which products of the states and V are integrated."""
    mesh = np.meshgrid(*(line.nodes for line in lines), indexing="ij")
    weights = lines[0].weights
    for line in lines[1:]:
        weights = (weights[:, None] * line.weights).ravel()
    return Rule(np.stack([each.ravel() for each in mesh], 1), weights)
