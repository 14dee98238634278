"""Corrections of whole pictures: a lens, a small flow beside it, the zoom that leaves no border, and
resampling.

A correction maps a point of the corrected picture to the photograph, ``G(p) = P(p + d(p))`` with a lens ``P``
and a flow ``d``. The flow is bilinear between nodes, and :meth:`Flow.bounded` keeps its Lipschitz constant
below 1: then ``p + d(p)`` is one-to-one (a contraction moves two points by less than their distance), and so
is ``G`` with a monotone lens. Nothing has to be looked for in the finished map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from lior.errors import UsageError
from lior_lens.geometry import MARGIN, Floats, Lens, Size

INTERPOLATION = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
FRAMES = ("crop", "keep", "fixed")
"""``crop``: as much as fits without a border; ``keep``: all of the photograph; ``fixed``: the lens's."""
LIPSCHITZ = 0.5
"""Bound of a flow's slope."""
_STRIP = 64
"""Rows that are resampled at once: their map stays in the processor's cache."""
_ZOOMS = 0.2, 5.0
_FLATTEST = 0.02
"""Least slope of a lens over the view that a zoom opens."""
_EDGE = 1e-4
"""Pixels by which a corrected picture may reach beyond the centres of the outermost pixels: rounding."""


@attrs.frozen(eq=False)
class Flow:
    """A displacement in half-diagonals, bilinear between nodes from edge to edge of the picture."""

    nodes: Floats
    """``[2, rows, columns]``: x and y."""

    @classmethod
    def bounded(cls, nodes: Floats, size: Size, *, limit: float = LIPSCHITZ) -> Flow:
        """The flow of these nodes, made weaker until its slope is at most ``limit``."""
        steepest = slope(nodes, size)
        return cls(nodes * min(1.0, limit / steepest) if steepest > 0 else nodes)

    @property
    def largest(self) -> float:
        """Length of the longest displacement."""
        return float(np.hypot(*self.nodes).max())

    def at(self, x: Floats, y: Floats, size: Size) -> tuple[Floats, Floats]:
        """The displacement at points of a picture of that size; beyond the edge that of the edge."""
        _, rows, columns = self.nodes.shape
        half = size.half
        a = np.clip((x / half[0] + 1) / 2, 0, 1) * (columns - 1)
        b = np.clip((y / half[1] + 1) / 2, 0, 1) * (rows - 1)
        i, j = np.minimum(a.astype(int), columns - 2), np.minimum(b.astype(int), rows - 2)
        s, t = a - i, b - j
        n = self.nodes
        top = n[:, j, i] * (1 - s) + n[:, j, i + 1] * s
        bottom = n[:, j + 1, i] * (1 - s) + n[:, j + 1, i + 1] * s
        dx, dy = top * (1 - t) + bottom * t
        return dx, dy


def slope(nodes: Floats, size: Size) -> float:
    """An upper bound of the slopes of a bilinear flow: those in a cell lie between those of its edges."""
    _, rows, columns = nodes.shape
    if rows < 2 or columns < 2:
        raise UsageError(f"a flow needs at least 2 x 2 nodes, not {columns} x {rows}")
    along = np.hypot(*np.diff(nodes, axis=2)).max() * (columns - 1) / (2 * size.half[0])
    down = np.hypot(*np.diff(nodes, axis=1)).max() * (rows - 1) / (2 * size.half[1])
    return math.hypot(along, down)


@attrs.frozen(kw_only=True, eq=False)
class Correction:
    """The correction of pictures of one size."""

    lens: Lens
    size: Size
    flow: Flow | None = None

    @property
    def is_identity(self) -> bool:
        """Whether every pixel stays what it is, bit by bit."""
        return self.lens.is_identity and (self.flow is None or not self.flow.nodes.any())

    def forward(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Points of the corrected picture to the photograph, in half-diagonals."""
        if self.flow is not None:
            dx, dy = self.flow.at(x, y, self.size)
            x, y = x + dx, y + dy
        gx, gy = self.lens.forward(x, y)
        return gx, gy

    def inverse(self, x: Floats, y: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Points of the photograph to the corrected picture; see :meth:`Lens.inverse`."""
        px, py, found = self.lens.inverse(x, y)
        if self.flow is None:
            return px, py, found
        qx, qy = np.where(found, px, 0.0), np.where(found, py, 0.0)
        ox, oy = qx, qy
        for _ in range(60):  # a contraction by at least LIPSCHITZ: 2^-60
            dx, dy = self.flow.at(ox, oy, self.size)
            ox, oy = qx - dx, qy - dy
        return np.where(found, ox, np.nan), np.where(found, oy, np.nan), found

    def zoomed(self, zoom: float) -> Correction:
        """The same, enlarged about the lens's centre."""
        return attrs.evolve(self, lens=attrs.evolve(self.lens, scale=self.lens.scale * zoom))

    def monotone(self, *, margin: float = MARGIN) -> Correction:
        """A correction that does not fold anywhere in the picture: see :meth:`Lens.monotone`."""
        corner = 1.0 + (self.flow.largest if self.flow is not None else 0.0)
        return attrs.evolve(self, lens=self.lens.monotone(margin=margin, corner=corner))


def in_frame(correction: Correction, frame: str = "crop", *, samples: int = 129) -> Correction:
    """The correction with the zoom that a kind of frame asks for.

    With ``crop`` the rim of the corrected picture lies within the centres of the outermost pixels of the
    photograph, with ``keep`` the other way round. The lens is centred on its own centre, so a shifted centre
    costs some of the picture.

    Raises ``UsageError`` for an unknown frame, or when no zoom between 1/5 and 5 will do.
    """
    if frame not in FRAMES:
        raise UsageError(f"frame {frame!r}: allowed is one of {', '.join(FRAMES)}")
    if frame == "fixed" or correction.is_identity:
        return correction
    size = correction.size
    x, y = _rim(size, samples)
    bound = (size.width - 1) / 2 / size.half_diagonal, (size.height - 1) / 2 / size.half_diagonal

    def fits(zoom: float) -> bool:
        tried = correction.zoomed(zoom)
        if frame == "crop":
            if tried.lens.least_slope() < _FLATTEST:  # a wider view would fold
                return False
            gx, gy = tried.forward(x, y)
            rest = min(bound[0] - np.abs(gx).max(), bound[1] - np.abs(gy).max())
            return bool(rest >= -_EDGE / size.half_diagonal)
        gx, gy, found = tried.inverse(x, y)
        return bool(found.all() and np.abs(gx).max() <= bound[0] and np.abs(gy).max() <= bound[1])

    low, high = _ZOOMS if frame == "crop" else _ZOOMS[::-1]
    if not fits(high):
        raise UsageError(
            f"no zoom from {_ZOOMS[0]:g} to {_ZOOMS[1]:g} fits this lens into the frame {frame!r}"
        )
    if fits(1.0):
        high = 1.0
    else:
        low = 1.0
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return correction if abs(high - 1) < 1e-9 else correction.zoomed(high)


def _rim(size: Size, samples: int) -> tuple[Floats, Floats]:
    x, y = size.grid(samples, samples)
    return (
        np.concatenate([x[0], x[-1], x[:, 0], x[:, -1]]),
        np.concatenate([y[0], y[-1], y[:, 0], y[:, -1]]),
    )


# --- resampling ---


def maps(
    correction: Correction, strip: int = _STRIP
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """Rows of the map in pixels of the photograph: first row, then x and y ``[rows, width]`` in float32.

    Only the displacement is computed in single precision; positions are rounded once, by at most half of
    float32's step at the picture's width (1.2e-4 pixels at 4,000).
    """
    lens, size = correction.lens, correction.size
    d = size.half_diagonal
    sx, sy = lens.scale, lens.scale * lens.aspect
    x, y = size.to_unit(np.arange(size.width, dtype=np.float64), np.arange(size.height, dtype=np.float64))
    # the part of the map that is linear in the pixel: q + c
    base_x, base_y = size.to_pixel((x - lens.dcx) / sx + lens.dcx, (y - lens.dcy) / sy + lens.dcy)
    hat = _hat(correction, x) if correction.flow is not None else None
    u = ((x - lens.dcx) / sx).astype(np.float32)
    v = ((y - lens.dcy) / sy).astype(np.float32)
    for top in range(0, size.height, strip):
        rows = slice(top, min(top + strip, size.height))
        u2, v2 = u[None], v[rows, None]
        mx, my = base_x.astype(np.float32)[None], base_y[rows, None].astype(np.float32)
        if hat is not None:
            dx, dy = _rows_of_flow(correction, y[rows], hat)
            u2, v2 = u2 + dx / np.float32(sx), v2 + dy / np.float32(sy)
            mx, my = mx + dx * np.float32(d / sx), my + dy * np.float32(d / sy)
        f = _displacing(lens, u2 * u2 + v2 * v2, d)
        ox, oy = f * u2, f
        oy *= v2
        if lens.p1 or lens.p2:
            p1, p2 = np.float32(lens.p1 * d), np.float32(lens.p2 * d)
            r2, uv = u2 * u2 + v2 * v2, 2 * u2 * v2
            ox += p1 * uv + p2 * (r2 + 2 * u2 * u2)
            oy += p1 * (r2 + 2 * v2 * v2) + p2 * uv
        ox += mx
        oy += my
        yield top, ox, oy


def _displacing(lens: Lens, r2: NDArray[np.float32], d: float) -> NDArray[np.float32]:
    """``(f(r) - 1) d``, by Horner in place."""
    a = [np.float32(each * d) for each in lens.radial]
    a[0] = np.float32((lens.radial[0] - 1) * d)
    variable, terms = (r2, a[::2]) if not any(a[1::2]) else (np.sqrt(r2), a)
    while len(terms) > 1 and not terms[-1]:
        terms = terms[:-1]
    total = np.full_like(r2, terms[-1])
    for term in terms[-2::-1]:
        total *= variable
        total += term
    return total


def _hat(correction: Correction, x: Floats) -> NDArray[np.float32]:
    """Weights ``[columns of nodes, width]`` of the nodes at the columns of pixels."""
    assert correction.flow is not None
    columns = correction.flow.nodes.shape[2]
    position = (x / correction.size.half[0] + 1) / 2 * (columns - 1)
    return np.maximum(0, 1 - np.abs(position[None] - np.arange(columns)[:, None])).astype(np.float32)


def _rows_of_flow(
    correction: Correction, y: Floats, hat: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    assert correction.flow is not None
    nodes = correction.flow.nodes
    position = (y / correction.size.half[1] + 1) / 2 * (nodes.shape[1] - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(nodes.shape[1])[None]))
    dx, dy = (weights @ nodes).astype(np.float32) @ hat
    return dx, dy


def resample(
    image: NDArray[np.generic], correction: Correction, *, interpolation: str = "cubic", border: str = "black"
) -> NDArray[np.generic]:
    """The corrected picture.

    Parameters
    ----------
    image
        ``[height, width]`` or ``[height, width, channels]`` of uint8, uint16 or float32; up to 4 channels.
    interpolation
        A key of :data:`INTERPOLATION`. OpenCV 5 resamples exactly; OpenCV 4 rounds positions to 1/32 pixel.
    border
        What is shown where the photograph has nothing: ``black`` or ``edge``.

    Raises ``UsageError`` when the picture is not of the correction's size.
    """
    size = correction.size
    if image.shape[:2] != (size.height, size.width):
        shown = "x".join(map(str, image.shape[1::-1]))
        raise UsageError(f"a correction for {size.width}x{size.height} pixels cannot be used on {shown}")
    if correction.is_identity:
        return image.copy()
    out = np.empty_like(image)
    mode = cv2.BORDER_CONSTANT if border == "black" else cv2.BORDER_REPLICATE
    for top, mx, my in maps(correction):
        strip = out[top : top + len(mx)]
        if border == "black":  # within half a pixel of the rim it is the rim's colour, not a mix with black
            np.clip(mx, 0, size.width - 1, out=mx, where=(mx > -0.5) & (mx < size.width - 0.5))
            np.clip(my, 0, size.height - 1, out=my, where=(my > -0.5) & (my < size.height - 0.5))
        done = cv2.remap(image, mx, my, INTERPOLATION[interpolation], borderMode=mode)
        strip[...] = done.reshape(strip.shape)
    return out


# --- is it safe to use ---


def reduced(picture: NDArray[Any], scale: float) -> NDArray[Any]:
    """Return a picture with its sides multiplied by a scale below 1, and no side below a pixel."""
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    # OpenCV refuses a side that its scale rounds to 0; elsewhere the scale itself is exact.
    size = (width, height) if min(picture.shape[:2]) * scale < 1 else None
    return cv2.resize(picture, size, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


@attrs.frozen(kw_only=True)
class Safety:
    """Properties of a correction, computed on a coarse grid from exact slopes."""

    outside: float
    """Share of the corrected picture for which the photograph has nothing."""
    least_stretch: float
    """Least determinant of the Jacobian, in units of that at the centre; 0 or less where the map folds."""
    largest_shift: float
    """Longest displacement beyond a zoom, in half-diagonals."""

    @property
    def safe(self) -> bool:
        """Whether the picture neither folds nor is torn out of shape."""
        return self.least_stretch > 0.02 and self.largest_shift < 0.5


def safety(correction: Correction, *, columns: int = 61, rows: int = 61) -> Safety:
    """Examine a correction at ``columns x rows`` points; fast at any size of the picture."""
    size, lens = correction.size, correction.lens
    x, y = size.grid(columns, rows)
    gx, gy = correction.forward(x, y)
    bound = (size.width - 0.5) / 2 / size.half_diagonal, (size.height - 0.5) / 2 / size.half_diagonal
    outside = (np.abs(gx) > bound[0]) | (np.abs(gy) > bound[1])
    sx, sy = x, y
    xx: Any = 1.0
    xy: Any = 0.0
    yx: Any = 0.0
    yy: Any = 1.0
    if correction.flow is not None:
        dx, dy = correction.flow.at(x, y, size)
        sx, sy = x + dx, y + dy
        h = 1e-6
        (rx, ry), (ux, uy) = correction.flow.at(x + h, y, size), correction.flow.at(x, y + h, size)
        xx, yx, xy, yy = 1 + (rx - dx) / h, (ry - dy) / h, (ux - dx) / h, 1 + (uy - dy) / h
    a, b, c, e = lens.jacobian(sx, sy)
    centre = lens.jacobian(lens.dcx, lens.dcy)
    unit = abs(centre[0] * centre[3] - centre[1] * centre[2]) or 1.0
    det = (a * e - b * c) * (xx * yy - xy * yx) / unit
    zoomed_x, zoomed_y = lens.dcx + (x - lens.dcx) * centre[0], lens.dcy + (y - lens.dcy) * centre[3]
    shift = np.hypot(gx - zoomed_x, gy - zoomed_y)
    return Safety(
        outside=float(outside.mean()), least_stretch=float(np.min(det)), largest_shift=float(shift.max())
    )
