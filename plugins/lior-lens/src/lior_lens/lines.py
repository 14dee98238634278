"""Estimate of a lens from the straight lines of a picture: plumb lines, weighted by their trust.

Edges are followed to arcs with sub-pixel points (:mod:`lior_lens.edges`). A lens is likely under which many
arcs have no bow and those of a family meet (:mod:`lior_lens.meeting`). Each arc is straight in the world with
a probability, and otherwise bowed at random, so that circles have no influence (a mixture in place of
RANSAC's threshold). Over a grid of strengths and shapes this gives a posterior: an estimate and its spread.
A network's estimate can serve as the prior.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from lior_lens.arcs import Arcs
from lior_lens.geometry import MARGIN, Floats, Lens
from lior_lens.trust import Trust, Votes

STRENGTHS = np.linspace(-0.46, 0.36, 42)
"""Grid of displacements of the corner, as shares of its distance."""
SHAPES = np.linspace(-1, 1, 5)
_SHAPE_WIDTH = 0.5
_FINE = 33
"""At how many strengths the bulk of the posterior is looked at again."""
BENT = 0.15
"""Spread of the strengths that things which are bowed in the world seem to have."""
_DISAGREEING = 0.3
"""Probability of bowed things from which a warning is given."""
_OWN = 0.015
"""Spread that the lines of a picture have in common: photographs of the learning part were off by that."""
_TERMS = 9
"""Powers of the squared radius that undo most lenses of the grid to 1e-5 within the photograph."""
MISLED = 0.02
"""Probability that all bows, or all misses, of a direction say nothing of the lens; chosen on photographs."""
_DISTORTED, _WORTH = 0.3, 0.3
"""Prior probability that a photograph is distorted, and the least share of a strength that is worth a
correction; both chosen on photographs."""


def lens_of(strength: float, shape: float = 0.0) -> Lens:
    """The lens that displaces the corner by that share, with ``shape`` of it in the fourth power."""
    edge = 1 / (1 + strength)
    return Lens.brown(k1=(1 - shape) * strength / edge**2, k2=shape * strength / edge**4)


def strength_of(lens: Lens) -> float:
    """Inverse of :func:`lens_of`, for any lens; one that folds before the corner is the strongest."""
    r = np.linspace(0, 2.4, 1201)
    a0 = lens.radial[0]
    g = r * sum(a * (r / a0) ** i for i, a in enumerate(lens.radial)) / a0
    rising = np.maximum.accumulate(g)
    if rising[-1] < 1:
        return float(STRENGTHS[0])
    return float(1 / np.interp(1.0, rising, r) - 1)


@attrs.frozen(kw_only=True, eq=False)
class Grid:
    """Lenses that are thought of: each strength with each shape."""

    strengths: Floats
    shapes: Floats
    undoing: Floats
    """``[strengths, shapes, terms]``: what a point of the photograph is multiplied by, in powers of r²."""
    allowed: NDArray[np.bool_]
    """``[strengths, shapes]``: those that do not fold."""

    @classmethod
    def of(cls, strengths: Floats, shapes: Floats = SHAPES) -> Grid:
        """Work out how each is undone."""
        seen = np.sin(np.linspace(0, np.pi / 2, 3 * _TERMS + 1)[1:])
        fit = np.linalg.pinv(seen[:, None] ** (2 * np.arange(_TERMS))).T
        undoing = np.zeros((len(strengths), len(shapes), _TERMS))
        allowed = np.zeros(undoing.shape[:2], bool)
        u = np.linspace(0, 1.02, 256)
        for row, strength in enumerate(strengths.tolist()):
            edge = 1 / (1 + strength)
            for column, shape in enumerate(shapes.tolist()):
                a, b = (1 - shape) * strength, shape * strength
                g = u * (1 + u**2 * (a + b * u**2))  # both radii in units of what the corner comes from
                allowed[row, column] = (1 + 3 * a * u**2 + 5 * b * u**4).min() > MARGIN
                u_of = np.interp(seen, np.maximum.accumulate(g + 1e-9 * u) * edge, u * edge)
                undoing[row, column] = (u_of / seen) @ fit
        return cls(strengths=strengths, shapes=shapes, undoing=undoing, allowed=allowed)

    def around(self, found: _Posterior) -> Grid:
        """A finer one within this one, where the bulk of a posterior is."""
        return Grid.of(
            _within(self.strengths, found.strength, 4 * found.spread, _FINE),
            _within(self.shapes, found.shape, 2.5 * found.shape_spread, len(SHAPES)),
        )

    def log_prior(self, belief: Belief) -> Floats:
        """Logarithm of the prior ``[strengths, shapes]``, whose sum is 1."""
        logs = belief.log_prior(self.strengths)[:, None] - 0.5 * (self.shapes / _SHAPE_WIDTH) ** 2
        logs = np.where(self.allowed, logs, -np.inf)
        return logs - np.log(np.exp(logs).sum())


def _within(values: Floats, middle: float, half: float, count: int) -> Floats:
    return np.linspace(max(values[0], middle - half), min(values[-1], middle + half), count)


@attrs.frozen(kw_only=True)
class Belief:
    """A prior of a lens: a strength and its standard deviation."""

    strength: float = 0.0
    spread: float = 0.2

    def log_prior(self, strengths: Floats) -> Floats:
        """Logarithm of the density, with heavy tails, for who believes may be wrong."""
        z = (strengths - self.strength) / self.spread
        return np.log(0.9 * np.exp(-0.5 * z * z) / self.spread + 0.1 / 0.25)


@attrs.frozen(kw_only=True, eq=False)
class Verdict:
    """The posterior of a lens, given the lines and a prior."""

    lens: Lens
    strength: float
    spread: float
    """Standard deviation of the strength."""
    lines: float
    """How many arcs are straight under the lens."""
    arcs: int
    shape: float = 0.0
    but: str = ""
    """Reasons for doubt other than the spread, in words."""

    @property
    def expected(self) -> float:
        """The expected true strength as a share of :attr:`strength`, from 0 to 1.

        The prior is a spike and a slab (Mitchell and Beauchamp, 1988): a photograph is undistorted, or its
        strength is normal with the spread of :class:`Belief`.
        """
        noise, wide = self.spread**2, self.spread**2 + Belief().spread ** 2
        odds = np.log(_DISTORTED / (1 - _DISTORTED) * np.sqrt(noise / wide))
        odds += self.strength**2 * (1 / noise - 1 / wide) / 2
        return float((1 - noise / wide) / (1 + np.exp(-min(odds, 50.0))))

    @property
    def sure(self) -> bool:
        """Whether correcting is better than leaving the photograph alone."""
        return self.arcs > 0 and self.expected >= _WORTH

    @property
    def share(self) -> float:
        """The share of the lens that is corrected: all of it unless the verdict is sure."""
        return self.expected if self.sure else 1.0

    @property
    def words(self) -> str:
        """The verdict in a line."""
        strength = round(100 * self.strength, 1) + 0.0  # no minus before 0
        said = f"{strength:+.1f} % at the corner, give or take {100 * self.spread:.1f}"
        but = f"; {self.but}" if self.but else ""
        part = f"; {100 * self.share:.0f} % of it is corrected" if self.sure else ""
        return f"{said}; {self.lines:.0f} of {self.arcs} edges straight{but}{part}"


class _Posterior(NamedTuple):
    """Means and standard deviations."""

    strength: float
    spread: float
    shape: float
    shape_spread: float
    bent: Floats
    """Probability ``[pictures, directions]`` that all lines of a direction are bowed in the world."""


def judge(found: Arcs, belief: Belief | None = None, *, trust: Trust | None = None) -> Verdict:
    """The lens that makes edges straight, given a belief."""
    return judge_all([found], belief, trust=trust)


def judge_all(found: Sequence[Arcs], belief: Belief | None = None, *, trust: Trust | None = None) -> Verdict:
    """The lens that several photographs have in common; the posterior is refined around its bulk."""
    belief = belief or Belief()
    if not any(map(len, found)):
        return Verdict(
            lens=lens_of(belief.strength), strength=belief.strength, spread=belief.spread, lines=0.0, arcs=0
        )
    given = [trust.experts(each) if trust else [(each, Votes.constant(len(each)))] for each in found]
    doubt = np.mean([[votes.bent for _, votes in each] for each in given], 1)[:, None, None, None, None]
    grid = _coarse()
    logs = _by_group(given, grid)
    alone = _alone(logs, grid)
    now = _posterior(logs, alone, doubt, belief, grid)
    if now.spread <= 2 * (grid.strengths[1] - grid.strengths[0]):
        grid = grid.around(now)
        now = _posterior(_by_group(given, grid), alone, doubt, belief, grid)
    lens = lens_of(now.strength, now.shape).monotone(corner=max(1.0, 1 / (1 + now.strength)))
    agreeing = [straight(each, lens, votes) for (each, votes), *_ in given]
    directions = np.array(
        [(p @ each.direction, p @ ~each.direction) for p, each in zip(agreeing, found, strict=True)]
    )
    arcs_of = [len(each) for each in found]
    own = _OWN / np.sqrt(np.count_nonzero(arcs_of))
    return Verdict(
        lens=lens,
        strength=now.strength,
        spread=float(np.hypot(now.spread, own)),
        shape=now.shape,
        lines=float(directions.sum()),
        arcs=sum(arcs_of),
        but=_but(now, directions),
    )


def _but(now: _Posterior, straight: Floats) -> str:
    """Return reasons for doubt; ``straight`` counts the straight lines ``[pictures, directions]``."""
    if min(now.strength - STRENGTHS[0], STRENGTHS[-1] - now.strength) < now.spread + 0.01:
        return "at the end of the range, it may be more"
    if (now.bent.sum(1) > _DISAGREEING).all():
        return "one direction of lines disagrees"
    if (straight < 2).any(1).all():
        return "lines of one direction only"
    return ""


@functools.cache
def _coarse() -> Grid:
    return Grid.of(STRENGTHS, SHAPES)


def _posterior(logs: Floats, alone: Floats, doubt: Floats, belief: Belief, grid: Grid) -> _Posterior:
    """Return the posterior, given the log likelihoods of :func:`_by_group` and those of :func:`_alone`.

    The experts' evidence counts by its mean: a product of experts (Hinton 2002), each with an equal share.
    """
    groups = np.logaddexp(np.log1p(-MISLED) + logs, np.log(MISLED) + alone[:, :, :, 1:]).sum(3)
    nothing = np.log(doubt) + alone[:, :, :, 0]
    either = np.logaddexp(np.log(1 - doubt) + groups, nothing)
    total = grid.log_prior(belief) + either.mean(2).sum((0, 1))
    weight = np.exp(total - total.max())
    weight /= weight.sum()
    marginal, shapes = weight.sum(1), weight.sum(0)
    mean, shape = float(marginal @ grid.strengths), float(shapes @ grid.shapes)
    # the grid's own coarseness is part of the spread
    spread, shape_spread = (
        float(np.sqrt(m @ (v - c) ** 2 + (v[1] - v[0]) ** 2 / 12))
        for m, v, c in ((marginal, grid.strengths, mean), (shapes, grid.shapes, shape))
    )
    bent = (np.exp(nothing - either) * weight).sum((3, 4)).mean(2)
    return _Posterior(mean, spread, shape, shape_spread, bent)


def _by_group(given: Sequence[Sequence[tuple[Arcs, Votes]]], grid: Grid) -> Floats:
    """Log likelihoods of the bows and of the misses of each direction, as each expert sees them.

    ``[pictures, 2 directions, experts, 2 measures, strengths, shapes]``.
    """
    found = []
    for experts in given:
        logs = np.array([evidence(each, grid, votes) for each, votes in experts])
        direction = experts[0][0].direction
        found.append((logs @ direction, logs @ ~direction))
    return np.array(found)


def _alone(logs: Floats, grid: Grid) -> Floats:
    """Return log likelihoods under a lens of their own: all of a direction, its bows, and its misses.

    ``[pictures, 2 directions, experts, 3, 1, 1]``.
    """
    total = np.concatenate([logs.sum(3, keepdims=True), logs], 3) + grid.log_prior(Belief(spread=BENT))
    top = total.max((4, 5), keepdims=True)
    alone: Floats = top + np.log(np.exp(total - top).sum((4, 5), keepdims=True))
    return alone


def densities(measured: Any, length: Any, noise: Any, probable: Any) -> tuple[Any, Any]:
    """Densities of a bow or miss if the line is straight in the world, and if not; for arrays or tensors.

    Both are Cauchy's, for a few lines are off by far more than noise: as wide as it, and by a tenth of the
    length more.
    """
    wide = 0.1 * length + noise
    yes, no = (1 / (3.1416 * width * (1 + (measured / width) ** 2)) for width in (noise, wide))
    return probable * yes, (1 - probable) * no


def evidence(found: Arcs, grid: Grid, votes: Votes) -> Floats:
    """Log likelihoods of each edge's bow and miss, weighed by its votes: ``[2, strengths, shapes, arcs]``."""
    if not len(found):
        return np.zeros((2, *grid.allowed.shape, 0))
    measured = found.measured_over(grid.undoing)
    straight, weight, noise = (
        each[:, None, None] for each in (votes.straight, votes.weight, found.noise * votes.noisier)
    )
    # what changes within a cell of the grid is noise too
    steps = np.gradient(measured, axis=(1, 2))
    noise = np.sqrt(noise**2 + (steps[0] ** 2 + steps[1] ** 2) / 12)
    yes, no = densities(measured, found.length, noise, straight)
    logs: Floats = weight * np.log(yes + no)
    return logs


def straight(found: Arcs, lens: Lens, votes: Votes | None = None) -> Floats:
    """Probability ``[arcs]`` that each is straight in the world, if the lens is this one."""
    votes = votes or Votes.constant(len(found))
    noise, probable = found.noise * votes.noisier[0], votes.straight[0]
    yes, no = densities(found.bows(lens), found.length, noise, probable)
    share: Floats = yes / (yes + no)
    return share


def straightness(found: Arcs, lens: Lens | None = None, *, believed: Lens | None = None) -> float:
    """Median bow under a lens (without one: as photographed) of the arcs that are straight, in pixels.

    Straight arcs are chosen under ``believed``, by default the lens itself. The result is NaN without arcs.
    """
    if not len(found):
        return float("nan")
    lens = lens or Lens()
    weights = straight(found, believed or lens)
    bow = np.abs(found.bows(lens)) / found.pixel
    order = np.argsort(bow)
    share = np.cumsum(weights[order]) / max(weights.sum(), 1e-12)
    return float(bow[order][min(int(np.searchsorted(share, 0.5)), len(order) - 1)])


def in_words(bow: float, digits: int = 2) -> str:
    """A result of :func:`straightness` in words."""
    return "no line found" if math.isnan(bow) else f"median bow {bow:.{digits}f} px"
