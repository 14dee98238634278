"""What the straight lines of a picture say about its lens: plumb lines, weighed by how much they can be
trusted.

Edges are followed to arcs with sub-pixel points (Canny 1986; Devernay and Faugeras 2001). A lens is likely
under which many arcs have no bow. Which arcs are straight in the world is not known: each is so with a
probability, and otherwise bowed at random, so that circles have no say (a mixture in place of RANSAC's
threshold). Over a grid of strengths and shapes this gives a posterior: an estimate, and how sure it is. What
a network says comes in as the prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from lior_lens.geometry import Floats, Lens, Size
from lior_lens.trust import Trust, Votes

LONG_SIDE = 1024
"""Pictures are made this small before edges are sought."""
_POINTS = 16
"""Points that stand for an arc."""
_SHORTEST = 0.07
"""Least length of an arc, in half-diagonals."""
_MOST = 400
_NOISE = 0.25
"""Pixels by which a straight edge seems bowed."""
STRENGTHS = np.linspace(-0.24, 0.24, 49)
SHAPES = np.linspace(-0.4, 0.4, 5)
_SHAPE_WIDTH = 0.2
SURE = 2.5
"""A strength that is so many times its spread is worth a correction: one in a hundred comes from nothing."""
_AGREEING = 0.4
"""Share of the edges that must be straight under the lens: of many bowed ones some agree by chance."""
_RADII = np.linspace(0, 1.7, 426)


def lens_of(strength: float, shape: float = 0.0) -> Lens:
    """The lens that displaces the corner by that share, with ``shape`` of it in the fourth power."""
    edge = 1 / (1 + strength)
    return Lens.brown(k1=(1 - shape) * strength / edge**2, k2=shape * strength / edge**4)


def strength_of(lens: Lens) -> float:
    """Inverse of :func:`lens_of`, for any lens; one that folds before the corner is the strongest."""
    r = np.linspace(0, 1.6, 801)
    a0 = lens.radial[0]
    g = r * sum(a * (r / a0) ** i for i, a in enumerate(lens.radial)) / a0
    rising = np.maximum.accumulate(g)
    if rising[-1] < 1:
        return float(STRENGTHS[0])
    return float(1 / np.interp(1.0, rising, r) - 1)


class _Arc(NamedTuple):
    """An edge, in pixels."""

    length: float
    points: Floats
    noise: float
    rough: float
    """How far points lie off the smooth course."""
    density: float
    """Points for each pixel of the length."""
    contrast: float
    """Mean steepness, in grey levels."""
    members: int = 1
    """How many edges it was put together from."""


@attrs.frozen(kw_only=True, eq=False)
class Arcs:
    """Edges of a picture that are smooth enough to be straight lines seen through a lens."""

    points: Floats
    """``[arcs, 16, 2]`` in half-diagonals."""
    noise: Floats
    """``[arcs]``: by how much a straight one would seem bowed, in half-diagonals."""
    pixel: float
    """A pixel of the examined picture, in half-diagonals."""
    looks: Floats
    """``[arcs, 4]``: how rough (pixels), dense, contrasty (grey levels) and put together (parts) each is."""

    def __len__(self) -> int:
        return len(self.points)

    def bows(self, *lenses: Lens) -> Floats:
        """Height of arcs over chords once a lens is undone: ``[arcs]``, of several ``[lenses, arcs]``."""
        q = np.stack([self._undone(lens) for lens in lenses])
        d = q - q.mean(2, keepdims=True)
        along = d[:, :, -1] - d[:, :, 0]
        length = np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-12)
        e = along / length[..., None]
        t = (d[..., 0] * e[..., None, 0] + d[..., 1] * e[..., None, 1]) / length[..., None] * 2
        s = d[..., 1] * e[..., None, 0] - d[..., 0] * e[..., None, 1]
        # the quadratic part of s over t, t² made orthogonal to 1 and to t, whose means are 0
        square = t * t
        variance = square.mean(-1, keepdims=True)
        t2 = square - variance
        t2 -= t * ((t2 * t).mean(-1, keepdims=True) / variance)
        first = self.points[:, -1] - self.points[:, 0]
        shrunk = np.hypot(first[:, 0], first[:, 1]) / length  # in units of the photograph
        bow: Floats = (s * t2).sum(-1) / (t2 * t2).sum(-1) * shrunk
        return bow[0] if len(lenses) == 1 else bow

    def _undone(self, lens: Lens) -> Floats:
        if lens.p1 or lens.p2 or lens.dcx or lens.dcy or lens.aspect != 1:
            x, y, found = lens.inverse(self.points[..., 0], self.points[..., 1])
            both = np.stack([x, y], -1)
            return np.where(found[..., None], both, self.points)
        g = _RADII * sum(a * _RADII**i for i, a in enumerate(lens.radial) if a)
        rising = np.maximum.accumulate(g + 1e-9 * _RADII)
        out = np.hypot(self.points[..., 0], self.points[..., 1])
        ratio = np.interp(out, rising, _RADII) / np.maximum(out, 1e-12)
        return self.points * ratio[..., None]


def arcs(picture: NDArray[np.generic]) -> Arcs:
    """Find the arcs of a picture ``[height, width]`` or ``[height, width, 3]`` of uint8, the longest 400."""
    grey = np.asarray(picture, np.uint8)
    if grey.ndim == 3:
        grey = cv2.cvtColor(np.ascontiguousarray(grey[..., :3]), cv2.COLOR_RGB2GRAY)
    fit = LONG_SIDE / max(grey.shape)
    if fit < 1:
        grey = cv2.resize(grey, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA)
    size = Size(width=grey.shape[1], height=grey.shape[0])
    pixel = 1 / size.half_diagonal
    found: list[_Arc] = []
    if min(grey.shape) >= 16:
        found = _followed(grey, _SHORTEST / pixel)
    found.sort(key=lambda each: -each.length)
    found = _joined(found[:_MOST])
    points = np.array([each.points for each in found]).reshape(-1, _POINTS, 2)
    x, y = size.to_unit(points[..., 0], points[..., 1])
    looks = np.array([(each.rough, each.density, each.contrast, each.members) for each in found], np.float64)
    return Arcs(
        points=np.stack([x, y], -1), noise=np.array([each.noise for each in found]) * pixel, pixel=pixel,
        looks=looks.reshape(-1, 4),
    )  # fmt: skip


def _followed(grey: NDArray[np.uint8], shortest: float) -> list[_Arc]:
    """The arcs, before any are joined."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    gx, gy = (cv2.Scharr(smooth, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    strong = np.hypot(gx, gy).astype(np.float32)
    high = max(160.0, float(np.percentile(strong, 92)))
    edges = cv2.Canny(gx, gy, 0.4 * high, high, L2gradient=True) > 0
    edges[:3] = edges[-3:] = False
    edges[:, :3] = edges[:, -3:] = False
    rows, columns = np.nonzero(edges)
    if not len(rows):
        return []
    ex, ey = gx[rows, columns].astype(np.float64), gy[rows, columns].astype(np.float64)
    angle = np.arctan2(ey, ex) % (2 * np.pi)
    fine = _subpixel(strong, rows, columns, ex, ey)
    used = np.zeros(grey.shape, bool)
    pieces: list[NDArray[np.intp]] = []
    for start in np.arange(16) * np.pi / 8:  # sectors of 45°, each overlapping the next by half
        inside = np.flatnonzero((angle - start) % (2 * np.pi) < np.pi / 4)
        mask = np.zeros(grey.shape, np.uint8)
        mask[rows[inside], columns[inside]] = 1
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        extent = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
        long = np.flatnonzero(extent[1:] >= shortest) + 1
        if not len(long):
            continue
        label = labels[rows[inside], columns[inside]]
        order = np.argsort(label, kind="stable")
        begin = np.searchsorted(label[order], long)
        end = np.searchsorted(label[order], long, side="right")
        pieces += [inside[order[a:b]] for a, b in zip(begin, end, strict=True)]
    pieces.sort(key=len, reverse=True)
    found = []
    for piece in pieces:
        if used[rows[piece], columns[piece]].mean() > 0.4:
            continue
        arc = _arc(fine[piece], shortest, float(strong[rows[piece], columns[piece]].mean()) / 32)
        if arc is not None:
            used[rows[piece], columns[piece]] = True
            found.append(arc)
    return found


def _subpixel(
    strong: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp], ex: Floats, ey: Floats
) -> Floats:
    """Where along its gradient the edge is steepest: the top of a parabola through three pixels."""
    length = np.maximum(np.hypot(ex, ey), 1e-9)
    nx, ny = ex / length, ey / length
    wide = np.abs(nx) >= np.abs(ny)
    sx, sy = np.where(wide, np.sign(nx), 0).astype(int), np.where(wide, 0, np.sign(ny)).astype(int)
    here = strong[rows, columns].astype(np.float64)
    before, after = strong[rows - sy, columns - sx], strong[rows + sy, columns + sx]
    bend = before - 2 * here + after
    shift = np.where(bend < -1e-6, 0.5 * (before - after) / np.where(bend < -1e-6, bend, 1), 0.0)
    shift = np.clip(shift, -0.6, 0.6)
    return np.stack([columns + shift * sx, rows + shift * sy], -1)


def _arc(points: Floats, shortest: float, contrast: float) -> _Arc | None:
    """An arc from the points of an edge, unless they are no smooth line."""
    middle = points.mean(0)
    _, _, axes = np.linalg.svd(points - middle, full_matrices=False)
    t, s = (points - middle) @ axes[0], (points - middle) @ axes[1]
    low, high = t.min(), t.max()
    length = float(high - low)
    if length < shortest or len(t) < 0.6 * length:
        return None
    u = (t - (low + high) / 2) / (length / 2)
    basis = np.stack([np.ones_like(u), u, u * u, u**3], -1)
    weight = np.ones_like(u)
    for _ in range(4):
        fit = np.linalg.lstsq(basis * weight[:, None], s * weight, rcond=None)[0]
        off = s - basis @ fit
        scale = max(0.1, 1.5 * float(np.median(np.abs(off))))
        weight = 1 / (1 + (off / (2 * scale)) ** 2)
    good = np.abs(off) < 0.8
    if scale > 0.6 or good.mean() < 0.8 or abs(fit[3]) > 0.02 * length:
        return None
    t, s = t[good], s[good]
    place = np.clip(((t - low) / length * _POINTS).astype(int), 0, _POINTS - 1)
    count = np.bincount(place, minlength=_POINTS)
    if (count == 0).sum() > 3:
        return None
    centres = low + (np.arange(_POINTS) + 0.5) / _POINTS * length
    mean_t = np.bincount(place, t, _POINTS) / np.maximum(count, 1)
    mean_s = np.bincount(place, s, _POINTS) / np.maximum(count, 1)
    filled = count > 0
    mean_s = np.interp(centres, mean_t[filled], mean_s[filled])
    arc = middle + centres[:, None] * axes[0] + mean_s[:, None] * axes[1]
    # a bow is worked out from 16 means: its noise is about 1.3 times that of one point over the root of all
    noise = float(np.hypot(_NOISE, 1.3 * scale / np.sqrt(max(len(t) / 4, 1))))
    return _Arc(length, arc, noise, scale, len(t) / length, contrast)


def _joined(found: list[_Arc]) -> list[_Arc]:
    """Arcs put together where several lie on one curve: the longest takes what fits its course best."""
    lengths = np.array([each.length for each in found])
    points = np.array([each.points for each in found]).reshape(-1, _POINTS, 2)
    free = np.ones(len(found), bool)
    out = []
    for first in range(len(found)):
        if not free[first]:
            continue
        free[first] = False
        members = [first]
        while free.any() and len(members) < 12:
            own = points[members].reshape(-1, 2)
            middle = own.mean(0)
            axes = np.linalg.svd(own - middle, full_matrices=False)[2]
            t, s = (own - middle) @ axes[0], (own - middle) @ axes[1]
            low, high = t.min(), t.max()
            length = high - low
            others = np.flatnonzero(free)
            ot, os = (points[others] - middle) @ axes[0], (points[others] - middle) @ axes[1]
            begin, end = ot.min(1), ot.max(1)
            gap = np.maximum(low - end, begin - high)
            near = (gap > -0.1 * lengths[others]) & (gap < 0.6 * length)
            fit = np.polynomial.polynomial.polyfit(t / length, s, 2)
            off = np.abs(os - np.polynomial.polynomial.polyval(ot / length, fit)).mean(1)
            near &= off < 0.8 + 0.02 * np.maximum(gap, 0) + 0.02 * (end - begin)
            if not near.any():
                break
            chosen = others[near][np.argmin((off + 0.02 * np.maximum(gap, 0))[near])]
            merged = np.concatenate([own, points[chosen]])
            if not _smooth(merged):
                break
            members.append(int(chosen))
            free[chosen] = False
        out.append(found[first] if len(members) == 1 else _one([found[i] for i in members]))
    return out


def _smooth(points: Floats) -> bool:
    """Whether points lie on one parabola within two thirds of a pixel."""
    middle = points.mean(0)
    axes = np.linalg.svd(points - middle, full_matrices=False)[2]
    t, s = (points - middle) @ axes[0], (points - middle) @ axes[1]
    basis = np.stack([np.ones_like(t), t, t * t], -1) / max(1.0, float(np.abs(t).max()))
    off = s - basis @ np.linalg.lstsq(basis, s, rcond=None)[0]
    return float(np.sqrt(np.mean(off * off))) < 0.65


def _one(members: list[_Arc]) -> _Arc:
    """One arc of several: 16 means of what lies along it, in gaps its course."""
    points = np.concatenate([each.points for each in members])
    middle = points.mean(0)
    axes = np.linalg.svd(points - middle, full_matrices=False)[2]
    t, s = (points - middle) @ axes[0], (points - middle) @ axes[1]
    order = np.argsort(t)
    t, s = t[order], s[order]
    low, length = t[0], t[-1] - t[0]
    place = np.clip(((t - low) / length * _POINTS).astype(int), 0, _POINTS - 1)
    count = np.bincount(place, minlength=_POINTS)
    filled = count > 0
    mean_t, mean_s = (np.bincount(place, v, _POINTS)[filled] / count[filled] for v in (t, s))
    centres = low + (np.arange(_POINTS) + 0.5) / _POINTS * length
    course = np.polynomial.polynomial.polyfit(mean_t / length, mean_s, 3)
    values = np.where(
        filled, np.interp(centres, mean_t, mean_s), np.polynomial.polynomial.polyval(centres / length, course)
    )
    arc = middle + centres[:, None] * axes[0] + values[:, None] * axes[1]
    share = np.array([each.length for each in members])
    rough, density, contrast = (
        float(np.average([getattr(each, name) for each in members], weights=share))
        for name in ("rough", "density", "contrast")
    )
    noise = min(each.noise for each in members)
    return _Arc(
        float(length), arc, noise, rough, density * min(1.0, share.sum() / length), contrast, len(members)
    )


# --- the posterior ---


@attrs.frozen(kw_only=True)
class Belief:
    """What is believed of a lens, as a strength and how far off it may be."""

    strength: float = 0.0
    spread: float = 0.1

    def log_prior(self, strengths: Floats) -> Floats:
        """Logarithm of the density, with heavy tails, for who believes may be wrong."""
        z = (strengths - self.strength) / self.spread
        return np.log(0.9 * np.exp(-0.5 * z * z) / self.spread + 0.1 / 0.25)


@attrs.frozen(kw_only=True, eq=False)
class Verdict:
    """What lines say, together with what was believed before."""

    lens: Lens
    strength: float
    spread: float
    """Standard deviation of the strength."""
    lines: float
    """How many arcs are straight under the lens."""
    arcs: int
    shape: float = 0.0

    @property
    def sure(self) -> bool:
        """Whether correcting is better than leaving the photograph alone."""
        enough = self.lines >= _AGREEING * self.arcs and self.arcs > 0
        return enough and abs(self.strength) > max(0.004, SURE * self.spread) and self.spread < 0.05

    @property
    def words(self) -> str:
        """The verdict in a line."""
        strength = round(100 * self.strength, 1) + 0.0  # no minus before 0
        said = f"{strength:+.1f} % at the corner, give or take {100 * self.spread:.1f}"
        return f"{said}; {self.lines:.0f} of {self.arcs} edges straight"


def judge(found: Arcs, belief: Belief | None = None, *, trust: Trust | None = None) -> Verdict:
    """The lens that makes edges straight, given a belief; the posterior is refined around its bulk."""
    belief = belief or Belief()
    votes = Votes.constant(len(found)) if trust is None else trust.votes(found)
    strength, spread, shape = _posterior(found, belief, votes, STRENGTHS)
    step = STRENGTHS[1] - STRENGTHS[0]
    if spread < 1.5 * step:
        fine = np.linspace(strength - 4 * step, strength + 4 * step, 49)
        strength, spread, shape = _posterior(found, belief, votes, fine)
    lens = lens_of(strength, shape).monotone(corner=max(1.0, 1 / (1 + strength)))
    agreeing = float(straight(found, lens, votes).sum())
    return Verdict(
        lens=lens, strength=strength, spread=spread, shape=shape, lines=agreeing, arcs=len(found)
    )  # fmt: skip


def _posterior(found: Arcs, belief: Belief, votes: Votes, strengths: Floats) -> tuple[float, float, float]:
    """Mean and standard deviation of the strength, and the mean shape."""
    total: Floats = belief.log_prior(strengths)[:, None] - 0.5 * (SHAPES[None] / _SHAPE_WIDTH) ** 2
    if len(found):
        for column, shape in enumerate(SHAPES.tolist()):
            lenses = [lens_of(each, shape) for each in strengths.tolist()]
            total[:, column] += (votes.weight * evidence(found, lenses, votes)).sum(1)
    weight = np.exp(total - total.max())
    weight /= weight.sum()
    marginal = weight.sum(1)
    mean = float(marginal @ strengths)
    # the grid's own coarseness is part of the spread
    spread = float(np.sqrt(marginal @ (strengths - mean) ** 2 + (strengths[1] - strengths[0]) ** 2 / 12))
    return mean, spread, float(weight.sum(0) @ SHAPES)


def _densities(found: Arcs, lenses: Sequence[Lens], votes: Votes) -> tuple[Floats, Floats]:
    """Densities ``[lenses, arcs]`` of each bow if the line is straight in the world, and if not."""
    first = found.points[:, -1] - found.points[:, 0]
    length = np.hypot(first[:, 0], first[:, 1])
    bows = found.bows(*lenses).reshape(len(lenses), -1)
    return densities(bows, length, found.noise * votes.noisier, votes.straight)


def densities(bow: Any, length: Any, noise: Any, probable: Any) -> tuple[Any, Any]:
    """Both densities of a bow, for arrays or tensors: normal, or Cauchy, a tenth of the length wide."""
    z = bow / noise
    wide = 0.1 * length + noise
    return (
        probable * 0.3989 * 2.718281828459045 ** (-0.5 * z * z) / noise,
        (1 - probable) / (3.1416 * wide * (1 + (bow / wide) ** 2)),
    )


def evidence(found: Arcs, lenses: Sequence[Lens], votes: Votes) -> Floats:
    """Logarithm of the likelihood of each arc's bow under each lens ``[lenses, arcs]``."""
    yes, no = _densities(found, lenses, votes)
    logs: Floats = np.log(yes + no)
    return logs


def straight(found: Arcs, lens: Lens, votes: Votes | None = None) -> Floats:
    """Probability ``[arcs]`` that each is straight in the world, if the lens is this one."""
    yes, no = _densities(found, [lens], votes or Votes.constant(len(found)))
    share: Floats = yes[0] / (yes[0] + no[0])
    return share


def straightness(found: Arcs, lens: Lens | None = None, *, believed: Lens | None = None) -> float:
    """Median bow under a lens (without one: as photographed) of the arcs that are straight, in pixels.

    Which are straight is asked under ``believed``, which is the lens itself if not given; NaN without arcs.
    """
    if not len(found):
        return float("nan")
    lens = lens or Lens()
    weights = straight(found, believed or lens)
    bow = np.abs(found.bows(lens)) / found.pixel
    order = np.argsort(bow)
    share = np.cumsum(weights[order]) / max(weights.sum(), 1e-12)
    return float(bow[order][min(int(np.searchsorted(share, 0.5)), len(order) - 1)])
