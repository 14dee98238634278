"""Edges of a picture as smooth curves with sub-pixel points (Canny 1986; Devernay and Faugeras 2001)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lior_lens.geometry import Floats

POINTS = 16
"""Points that stand for an edge."""
_FILLED = 0.6
"""Minimum number of points on an edge, per pixel of length."""
_NOISE = 0.25
"""Pixels by which a straight edge seems bowed."""


class Edge(NamedTuple):
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


def follow(grey: NDArray[np.uint8], shortest: float) -> list[Edge]:
    """The arcs, before any are joined."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    gx, gy = (cv2.Scharr(smooth, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    strong = cv2.magnitude(gx.astype(np.float32), gy.astype(np.float32))
    high = max(160.0, float(np.percentile(strong[::2, ::2], 92)))
    edges = cv2.Canny(gx, gy, 0.4 * high, high, L2gradient=True) > 0
    edges[:3] = edges[-3:] = False
    edges[:, :3] = edges[:, -3:] = False
    rows, columns = np.nonzero(edges)
    if not len(rows):
        return []
    ex, ey = gx[rows, columns].astype(np.float64), gy[rows, columns].astype(np.float64)
    sector = np.floor(np.arctan2(ey, ex) * (8 / np.pi)).astype(np.int8) % 16
    fine = _subpixel(strong, rows, columns, ex, ey)
    used = np.zeros(grey.shape, bool)
    pieces: list[NDArray[np.intp]] = []
    mask = np.zeros(grey.shape, np.uint8)
    for start in range(16):  # sectors of 45°, each overlapping the next by half
        inside = np.flatnonzero((sector == start) | (sector == (start + 1) % 16))
        mask.fill(0)
        mask[rows[inside], columns[inside]] = 1
        label = cv2.connectedComponents(mask, connectivity=8)[1][rows[inside], columns[inside]]
        count = np.bincount(label)
        long = count >= _FILLED * shortest
        inside, label = inside[long[label]], label[long[label]]
        if len(inside):
            inside, ends = inside[np.argsort(label, kind="stable")], np.cumsum(count[long])
            begins = ends - count[long]
            tall, wide = (
                np.maximum.reduceat(v[inside], begins) - np.minimum.reduceat(v[inside], begins)
                for v in (rows, columns)
            )
            far = np.hypot(tall, wide) >= shortest
            pieces += [inside[b:e] for b, e in zip(begins[far], ends[far], strict=True)]
    pieces.sort(key=len, reverse=True)
    found = []
    for piece in pieces:
        r, c = rows[piece], columns[piece]
        if used[r, c].mean() > 0.4:
            continue
        arc = _edge(fine[piece], shortest, float(strong[r, c].mean()) / 32)
        if arc is not None:
            used[r, c] = True
            found.append(arc)
    return found


def _subpixel(
    strong: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp], ex: Floats, ey: Floats
) -> Floats:
    """Return where the edge is steepest along its gradient: the top of a parabola through three pixels."""
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


def _edge(points: Floats, shortest: float, contrast: float) -> Edge | None:
    """An arc from the points of an edge, unless they are no smooth line."""
    middle, axes = _axes(points)
    t, s = axes @ (points - middle).T
    low, high = t.min(), t.max()
    length = float(high - low)
    if length < shortest or len(t) < _FILLED * length:
        return None
    u = (t - (low + high) / 2) / (length / 2)
    basis = np.stack([np.ones_like(u), u, u * u, u**3])
    weight = np.ones_like(u)
    for _ in range(4):
        weighed = basis * (weight * weight)
        fit = np.linalg.solve(weighed @ basis.T, weighed @ s)
        off = s - fit @ basis
        scale = max(0.1, 1.5 * float(np.partition(np.abs(off), len(off) // 2)[len(off) // 2]))
        weight = 1 / (1 + (off / (2 * scale)) ** 2)
    good = np.abs(off) < 0.8
    if scale > 0.6 or good.mean() < 0.8 or abs(fit[3]) > 0.02 * length:
        return None
    t, s = t[good], s[good]
    place = np.clip(((t - low) / length * POINTS).astype(int), 0, POINTS - 1)
    count = np.bincount(place, minlength=POINTS)
    if (count == 0).sum() > 3:
        return None
    centres = low + (np.arange(POINTS) + 0.5) / POINTS * length
    mean_t = np.bincount(place, t, POINTS) / np.maximum(count, 1)
    mean_s = np.bincount(place, s, POINTS) / np.maximum(count, 1)
    filled = count > 0
    mean_s = np.interp(centres, mean_t[filled], mean_s[filled])
    arc = middle + centres[:, None] * axes[0] + mean_s[:, None] * axes[1]
    # a bow is computed from 16 means: its noise is about 1.3 times that of one point over the root of all
    noise = float(np.hypot(_NOISE, 1.3 * scale / np.sqrt(max(len(t) / 4, 1))))
    return Edge(length, arc, noise, scale, len(t) / length, contrast)


def join(found: list[Edge]) -> list[Edge]:
    """Arcs put together where several lie on one curve: the longest takes what fits its course best."""
    lengths = np.array([each.length for each in found])
    points = np.array([each.points for each in found]).reshape(-1, POINTS, 2)
    free = np.ones(len(found), bool)
    out = []
    for first in range(len(found)):
        if not free[first]:
            continue
        free[first] = False
        members = [first]
        while free.any() and len(members) < 12:
            own = points[members].reshape(-1, 2)
            middle, axes = _axes(own)
            t, s = axes @ (own - middle).T
            low, high = t.min(), t.max()
            length = high - low
            others = np.flatnonzero(free)
            ot, os = (points[others] - middle) @ axes[0], (points[others] - middle) @ axes[1]
            begin, end = ot.min(1), ot.max(1)
            gap = np.maximum(low - end, begin - high)
            near = (gap > -0.1 * lengths[others]) & (gap < 0.6 * length)
            off = np.abs(os - _parabola(t, s)(ot)).mean(1)
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
    middle, axes = _axes(points)
    t, s = axes @ (points - middle).T
    off = s - _parabola(t, s)(t)
    return float(np.sqrt(np.mean(off * off))) < 0.65


def _axes(points: Floats) -> tuple[Floats, Floats]:
    """The middle of points, and the directions along and across them ``[2, 2]``."""
    middle = points.mean(0)
    x, y = (points - middle).T
    angle = 0.5 * np.arctan2(2 * (x @ y), x @ x - y @ y)
    along, across = np.cos(angle), np.sin(angle)
    return middle, np.array([[along, across], [-across, along]])


def _parabola(t: Floats, s: Floats) -> Callable[[Floats], Floats]:
    """The parabola through points by least squares, whose ``t`` have the mean 0."""
    scale = max(1e-9, float(np.abs(t).max()))
    basis = np.stack([np.ones_like(t), t / scale, (t / scale) ** 2])
    a, b, c = np.linalg.solve(basis @ basis.T, basis @ s)
    return lambda x: a + x / scale * (b + x / scale * c)


def _one(members: list[Edge]) -> Edge:
    """One arc of several: 16 means of what lies along it, in gaps its course."""
    points = np.concatenate([each.points for each in members])
    middle, axes = _axes(points)
    t, s = axes @ (points - middle).T
    order = np.argsort(t)
    t, s = t[order], s[order]
    low, length = t[0], t[-1] - t[0]
    place = np.clip(((t - low) / length * POINTS).astype(int), 0, POINTS - 1)
    count = np.bincount(place, minlength=POINTS)
    filled = count > 0
    mean_t, mean_s = (np.bincount(place, v, POINTS)[filled] / count[filled] for v in (t, s))
    centres = low + (np.arange(POINTS) + 0.5) / POINTS * length
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
    return Edge(
        float(length), arc, noise, rough, density * min(1.0, share.sum() / length), contrast, len(members)
    )
