"""Levels where V jumps along curves in the plane: sines, and functions with the jump of a state's curvature.

Across such a curve a state ψ and its slope are continuous, and its second derivative jumps. What ψ differs by
from a smooth continuation of it from one side vanishes there to second order: it is ``φ₊² g`` with a smooth
g, φ being any smooth function that changes its sign on the curve, and ``φ₊`` its positive part. Sines and
``φ₊²`` times polynomials (enrichment: J. M. Melenk and I. Babuška, Comput. Methods Appl. Mech. Eng. 139, 289,
1996) then converge exponentially; where curves meet or have corners, only with a power. The integrals are
those of :mod:`lior_ritz.verification.reference.cells`. The levels are upper bounds, since all functions are
continuous."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.polynomial import legendre as polynomials

from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import Rule
from lior_ritz.verification.reference.averaged import counts_of, cutoff_for
from lior_ritz.verification.reference.cells import Curves, cut_rule
from lior_ritz.verification.reference.lowest import lowest
from lior_ritz.verification.reference.modes import Array, cosines, first_mode, moments, values
from lior_ritz.verification.reference.products import evaluator, gather
from lior_ritz.verification.reference.result import Answer, Bars, sample
from lior_ritz.verification.reference.sines import functions_of
from lior_ritz.verification.reference.tensors import blocks, kinetic_energies, matrix

DIMENSIONS = (2,)
SIZES = ((800, 8), (1600, 12), (2800, 16), (4400, 20), (6400, 24), (8800, 28))
"""Sines of all symmetries, and degrees of the polynomials, that are tried in turn."""
LARGEST = 4500
"""Sines of one symmetry at most."""
_NODES = 14
"""Nodes along each axis of a cell ..."""
_PHASE = 8.0
"""... which is so wide that the fastest sine turns by this, in radians."""
_NOTHING = 1e-8
"""Relative difference below which two functions on the curve's side are the same; one is left out."""
_SMOOTH = 1e-14
"""The same for the square of what sines leave of a function: below it is rounding."""
_ROUNDING = 100
"""Rounding error over the precision of the largest energy: larger than for sines, whose remainders are not
divided by."""
_SLOW = 0.25
"""How far a step's change may be over that of the last before the convergence is called slow."""
_TABLE = 1 << 23
"""Largest table of bumps at points, in numbers."""
_CHUNK = 1 << 20
"""Elements of a table of sines at a time."""


class Bump(NamedTuple):
    """One side of a curve, on which ``φ₊² / top²`` times polynomials of a rectangle are functions."""

    curve: int
    """Its index."""
    sign: int
    """Which side."""
    top: float
    low: Array
    high: Array
    """Corners of the rectangle, ``[2]``."""


class Bumps(NamedTuple):
    """The functions of all curves."""

    curves: Curves
    each: tuple[Bump, ...]
    degree: int

    @classmethod
    def of(cls, curves: Curves, degree: int, points: Array, weights: Array) -> Bumps:
        """Make the bumps of the smaller side of each curve; points and weights are of the whole box."""
        found: list[Bump] = []
        for index, height in enumerate(curves.heights(points)):
            smooth = np.isfinite(height).all() and np.ptp(np.abs(height)) > 0
            areas = [float(weights[sign * height > 0].sum()) for sign in (1, -1)]
            if smooth and min(areas):
                sign = 1 if areas[0] < areas[1] else -1
                on = sign * height > 0
                top = float(np.abs(height[on]).max())
                found.append(Bump(index, sign, top, points[on].min(0), points[on].max(0)))
        return cls(curves, tuple(found), degree)

    @property
    def functions(self) -> int:
        """How many functions there are."""
        return len(self.each) * (self.degree + 1) * (self.degree + 2) // 2

    def touch(self, points: Array) -> Array:
        """Whether points ``[N, 2]`` are on a side that has functions; ``[N]``."""
        heights = self.curves.heights(points)
        return np.any([each.sign * heights[each.curve] > 0 for each in self.each], axis=0)

    def at(self, points: Array) -> Array:
        """The functions and their slopes along both axes, ``[3, N, n]``."""
        heights, slopes = self.curves.heights(points), self.curves.slopes(points)
        rim = _rim(self.curves.problem, points)
        return np.concatenate([self._one(each, points, heights, slopes, rim) for each in self.each], -1)

    def _one(self, bump: Bump, points: Array, heights: Array, slopes: Array, rim: Array) -> Array:
        height = np.maximum(bump.sign * heights[bump.curve], 0) / bump.top
        slope = bump.sign / bump.top * slopes[bump.curve].T
        square = np.stack([height**2, *(2 * height * slope)])
        unit = np.where(height[:, None] > 0, (2 * points - bump.low - bump.high) / (bump.high - bump.low), 0)
        ups = _polynomials(unit, self.degree, 2 / (bump.high - bump.low))
        return np.asarray(_product(_product(square, rim)[..., None], ups))


def _product(a: Array, b: Array) -> Array:
    """Return the product of two functions with their slopes, ``[3, ...]``."""
    return np.stack([a[0] * b[0], a[1] * b[0] + a[0] * b[1], a[2] * b[0] + a[0] * b[2]])


def _rim(problem: Problem, points: Array) -> Array:
    """Return a factor that vanishes on the box's edge, and its slopes, ``[3, N]``."""
    half, one = np.array(problem.half_widths), np.ones(len(points))
    if problem.boundary == "natural":
        return np.stack([one, 0 * one, 0 * one])
    (x, y), (dx, dy) = 1 - (points / half).T ** 2, -2 * points.T / half[:, None] ** 2
    return np.stack([x * y, dx * y, x * dy])


def _polynomials(unit: Array, degree: int, factors: Array) -> Array:
    """Products of Legendre polynomials up to a total degree, and their slopes, ``[3, N, n]``."""
    i, j = np.nonzero(np.add.outer(np.arange(degree + 1), np.arange(degree + 1)) <= degree)
    derive = polynomials.legder(np.eye(degree + 1))
    x, y = (polynomials.legvander(each, degree) for each in unit.T)
    dx, dy = (each[:, :degree] @ derive * factor for each, factor in zip((x, y), factors, strict=True))
    return np.stack([x[:, i] * y[:, j], dx[:, i] * y[:, j], x[:, i] * dy[:, j]])


class Basis(NamedTuple):
    """One size: what all symmetries have in common."""

    problem: Problem
    cutoff: float
    counts: tuple[int, ...]
    rule: tuple[Array, Array]
    """Points of the part of the box above 0 along mirrored axes, and weights."""
    spectrum: Array
    """Cosine coefficients of V."""
    potential: Array
    """V where there are bumps, ``[N]``."""
    at: tuple[Array, Array]
    """Points and weights there."""
    bumps: Bumps
    images: Array
    """Bumps and slopes at the images of these points by the mirrors, ``[2^mirrors, 3, N, n]``, slopes by the
    points' own coordinates."""

    @classmethod
    def of(cls, problem: Problem, rows: int, degree: int) -> Basis | None:
        cutoff = cutoff_for(problem, rows)
        counts = counts_of(problem, cutoff)
        curves = Curves.of(problem)
        points, weights = cut_rule(curves, _PHASE / cutoff, _NODES)
        everywhere, shares = whole(problem, points, weights)
        bumps = Bumps.of(curves, degree, everywhere, shares)
        potential = sample(problem, points)
        if not bumps.each:
            return None
        on = np.any([bumps.touch(points * flip) for flip in _flips(problem)], axis=0)
        if on.sum() * bumps.functions * len(_flips(problem)) > _TABLE:
            return None
        images = np.stack([bumps.at(points[on] * flip) for flip in _flips(problem)])
        for image, flip in zip(images, _flips(problem), strict=True):
            image[1:] *= flip[:, None, None]
        spectrum = _spectrum(problem, points, weights * potential, counts)
        at = (points[on], weights[on])
        return cls(problem, cutoff, counts, (points, weights), spectrum, potential[on], at, bumps, images)


def _flips(problem: Problem) -> list[Array]:
    """Signs of the coordinates by each mirror."""
    return [
        np.array(each) for each in itertools.product(*((1, -1)[: 1 + (a in problem.mirrors)] for a in (0, 1)))
    ]


def whole(problem: Problem, points: Array, weights: Array) -> tuple[Array, Array]:
    """A rule of all the box from one of its part above 0 along mirrored axes."""
    flips = _flips(problem)
    return np.concatenate([points * flip for flip in flips]), np.tile(weights / len(flips), len(flips))


def _spectrum(problem: Problem, points: Array, weighted: Array, counts: tuple[int, ...]) -> Array:
    """Cosine coefficients of V, as of :func:`tensors.transform`, from V times the weights at points."""
    kept = [np.arange(2 * n + 1) % (1 + (axis in problem.mirrors)) == 0 for axis, n in enumerate(counts)]
    total = np.zeros([2 * n + 1 for n in counts])
    for few in np.array_split(np.arange(len(points)), 1 + len(points) * max(counts) // _CHUNK):
        x, y = (
            cosines(points[few, axis] / half, len(own)) * own
            for axis, (half, own) in enumerate(zip(problem.half_widths, kept, strict=True))
        )
        total += (x * weighted[few, None]).T @ y
    return total / (4 * np.prod(problem.half_widths))


class Sector(NamedTuple):
    """The lowest levels of one symmetry."""

    energies: Array
    sines: Array
    """Coefficients of the sines, ``[n, k]``, ..."""
    bumps: Array
    """... and of the bumps at all images, ``[images, e, k]``."""
    overlap: Array
    """``∫ ψ exp(x/X + y/Y)`` of the bumps' share, ``[k]``."""


def _sector(basis: Basis, modes: Array, k: int) -> Sector:
    """The ``k`` lowest levels in the sines ``modes``, ``[n, 2]``, and the bumps of their symmetry."""
    problem, (points, weights) = basis.problem, basis.at
    odd = (modes[0] - first_mode(problem.boundary)) % 2
    signs = np.array([np.where(flip < 0, 1 - 2 * odd, 1).prod() for flip in _flips(problem)])
    bumps = np.tensordot(signs, basis.images, 1) * np.sqrt(weights)[:, None]
    own, raw = _orthonormal(bumps[0])
    slopes = bumps[1:] @ raw
    weighted = basis.potential[:, None] * own
    overlap, potential = _against(basis, modes, own, weighted)
    block = matrix(problem, basis.spectrum, modes)
    mixed = kinetic_energies(problem, modes)[:, None] * overlap + potential
    inner = sum(slope.T @ slope for slope in slopes) + own.T @ weighted
    shares, turn = scipy.linalg.eigh(np.eye(own.shape[1]) - overlap.T @ overlap)
    # the orthonormal remainders of the bumps: turned bumps without their sines
    turn = turn[:, shares > _SMOOTH] / np.sqrt(shares[shares > _SMOOTH])
    image = block @ overlap
    between = (mixed - image) @ turn
    rest = turn.T @ (inner - overlap.T @ mixed - mixed.T @ overlap + overlap.T @ image) @ turn
    energies, vectors = lowest(np.block([[block, between], [between.T, (rest + rest.T) / 2]]), k)
    sines, others = vectors[: len(modes)], turn @ vectors[len(modes) :]
    tilt = signs @ [np.exp((points * flip / problem.half_widths).sum(1)) for flip in _flips(problem)]
    moment = (np.sqrt(weights) * tilt / len(signs)) @ own
    coefficients = np.multiply.outer(signs, raw @ others)
    return Sector(energies, sines - overlap @ others, coefficients, moment @ others)


def _orthonormal(functions: Array) -> tuple[Array, Array]:
    """Orthonormal combinations of columns, ``[N, m]``, without those that others nearly are; and from the
    columns to them, ``[n, m]``."""
    norms = np.linalg.norm(functions, axis=0)
    some = np.flatnonzero(norms > _NOTHING * norms.max())
    first, triangle = np.linalg.qr(functions[:, some] / norms[some])
    turn, triangle, order = scipy.linalg.qr(triangle, pivoting=True)
    rank = int((np.abs(triangle.diagonal()) > _NOTHING).sum())
    raw = np.zeros((len(norms), rank))
    some = some[order[:rank]]
    raw[some] = scipy.linalg.solve_triangular(triangle[:rank, :rank], np.eye(rank)) / norms[some, None]
    return first @ turn[:, :rank], raw


def _against(basis: Basis, modes: Array, *functions: Array) -> list[Array]:
    """Integrals of the sines ``modes`` with functions on the rule, ``[n, m]`` each."""
    problem, (points, weights) = basis.problem, basis.at
    result = [np.zeros((len(modes), each.shape[1])) for each in functions]
    step = max(1, _CHUNK // len(modes))
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        sines = np.sqrt(weights[part])[:, None]
        for axis, half in enumerate(problem.half_widths):
            own, place = np.unique(modes[:, axis], return_inverse=True)
            sines = sines * values(points[part, axis], half, own, problem.boundary)[:, place]
        for total, each in zip(result, functions, strict=True):
            total += sines.T @ each[part]
    return result


class Found(NamedTuple):
    """The lowest levels of all symmetries in one basis."""

    basis: Basis
    energies: Array
    """``[k]``."""
    sines: Array
    """``[k, n1, n2]``."""
    bumps: Array
    """``[k, images, e]``."""
    rounding: float

    def evaluate(self, points: Array, by: int | None = None) -> Array:
        """The states, or their slopes, ``[k, N]``."""
        problem = self.basis.problem
        axes = [functions_of(problem, axis, count) for axis, count in enumerate(self.basis.counts)]
        result = evaluator(self.sines, axes)(points, by)
        for flip, coefficients in zip(_flips(problem), self.bumps.transpose(1, 0, 2), strict=True):
            near = np.flatnonzero(self.basis.bumps.touch(points * flip))
            for few in np.array_split(near, 1 + len(near) * coefficients.shape[1] // _CHUNK):
                sign = 1 if by is None else flip[by]
                table = self.basis.bumps.at(points[few] * flip)[0 if by is None else 1 + by]
                result[:, few] += sign * (coefficients @ table.T)
        return result


def ritz(problem: Problem, rows: int, degree: int, k: int) -> Found | None:
    """Return the ``k`` lowest levels in about ``rows`` sines of each symmetry and bumps of a degree, or
    ``None`` if there is no curve or the table of bumps would be too large."""
    if (basis := Basis.of(problem, rows, degree)) is None:
        return None
    parts = list(blocks(problem, basis.counts, basis.cutoff))
    found = [_sector(basis, modes, k) for modes in parts]
    low = first_mode(problem.boundary)
    energies, sines = gather(
        [(m - low).T for m in parts], [(s.energies, s.sines) for s in found], basis.counts, k
    )
    shape = found[0].bumps.shape[:2]
    everything = np.indices(shape).reshape(2, -1)
    flat = [(s.energies, s.bumps.reshape(-1, s.bumps.shape[2])) for s in found]
    bumps = gather([everything] * len(found), flat, shape, k)[1]
    order = np.argsort(np.concatenate([s.energies for s in found]), kind="stable")[:k]
    overlap = np.concatenate([s.overlap for s in found])[order]
    lines = [
        moments(np.arange(n) + low, half, problem.boundary)
        for n, half in zip(basis.counts, problem.half_widths, strict=True)
    ]
    signs = np.where(overlap + sines @ lines[1] @ lines[0] < 0, -1.0, 1.0)
    largest = basis.cutoff**2 + float(np.abs(basis.potential).max())
    rounding = _ROUNDING * np.finfo(float).eps * largest
    return Found(basis, energies, signs[:, None, None] * sines, signs[:, None, None] * bumps, rounding)


def enriched(problem: Problem, k: int, tolerance: float) -> Answer | None:
    """The ``k`` lowest levels, and how far they may be off; ``None`` where both sides of a curve are so
    wide that its functions would be too many.

    Raises ``UsageError`` where V is not a finite number.
    """
    best: tuple[Found, Bars] | None = None
    before, last = None, np.inf
    for rows, degree in SIZES:
        own = max(rows // 2 ** len(problem.mirrors), 4 * k)
        if own > LARGEST or (found := ritz(problem, own, degree, k)) is None:
            break
        if before is not None:
            bars = Bars.of(before.energies, found.energies, found.rounding, problem, tolerance)
            best = min(best or (found, bars), (found, bars), key=lambda one: float(one[1].errors.max()))
            change = float(np.abs(found.energies - before.energies).max())
            if bars.good or change > _SLOW * last:
                break
            last = change
        before = found
    if best is None:
        return None
    found, bars = best
    rule = Rule(*whole(problem, *found.basis.rule))
    return Answer(found.energies, bars, found.basis.counts, found.evaluate, rule)
