"""Arcs: the edges of a picture that may be straight lines seen through a lens."""

from __future__ import annotations

import functools
from typing import Any

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from lior_lens import edges, meeting
from lior_lens.edges import Edge
from lior_lens.geometry import Floats, Lens, Size
from lior_lens.warp import reduced

LONG_SIDE = 1024
"""Pictures are made this small before edges are sought."""
_SHORTEST = 0.045
"""Least length of an arc, in half-diagonals."""
_MOST = 400
_RADII = np.linspace(0, 2.4, 601)
_UNDER = (-0.32, -0.24, -0.17, -0.11, -0.055, 0.0, 0.05, 0.1, 0.16, 0.23)
"""Strengths of the lenses that families are sought under."""
_TRIED, _TIGHT, _LOOSE = 12, 0.03, 0.05
"""Number of long lines whose crossings are tried under each lens; radians by which lines may miss them; and
radians under the chosen lens, which may still be wrong."""


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
    grouping: Lens | None = None
    """The lens that is undone before families are sought."""

    def __len__(self) -> int:
        return len(self.points)

    @property
    def length(self) -> Floats:
        """``[arcs]``: of the chords, in half-diagonals."""
        chord = self.points[:, -1] - self.points[:, 0]
        length: Floats = np.hypot(chord[:, 0], chord[:, 1])
        return length

    @functools.cached_property
    def family(self) -> NDArray[np.intp]:
        """``[arcs]``: which of them meet in a point (:func:`lior_lens.meeting.families`)."""
        if self.grouping is None:
            return meeting.families(self.points, self.length)[0]
        return meeting.families(self._undone(self.grouping), self.length, _LOOSE)[0]

    @functools.cached_property
    def regrouped(self) -> Arcs:
        """The same, but families are sought under the lens under which most meets: strong ones part them."""
        tries = [Lens.brown(k1=strength * (1 + strength) ** 2) for strength in _UNDER]
        met = [meeting.families(self._undone(lens), self.length, _TIGHT, _TRIED)[1] for lens in tries]
        return attrs.evolve(self, grouping=tries[int(np.argmax(met))])

    @property
    def direction(self) -> NDArray[np.bool_]:
        """``[arcs]``: whether each runs along the picture's main direction, rather than across it."""
        chord = self.points[:, -1] - self.points[:, 0]
        turned = (chord[:, 0] + 1j * chord[:, 1]) ** 4
        main = (turned / np.maximum(np.abs(turned), 1e-12) * np.abs(chord).sum(-1)).sum()
        angle = np.angle(main) / 4
        along = chord[:, 0] * np.cos(angle) + chord[:, 1] * np.sin(angle)
        return np.abs(along) > np.sqrt(0.5) * np.hypot(chord[:, 0], chord[:, 1])

    def bows(self, lens: Lens) -> Floats:
        """Height ``[arcs]`` of arcs over chords once a lens is undone, in the photograph's half-diagonals."""
        undone = self._undone(lens)
        return self._heights(undone[..., 0], undone[..., 1])

    def measured_over(self, undoing: Floats) -> Floats:
        """Bows, and by how much ends miss where their family meets, for each lens of :attr:`Grid.undoing`.

        ``[2, strengths, shapes, arcs]``, of float32, in the photograph's half-diagonals.
        """
        r2 = (self.points**2).sum(-1)
        powers = np.stack([r2**k for k in range(undoing.shape[-1])])
        shape = (*undoing.shape[:2], *self.points.shape[:2])
        terms = undoing.reshape(-1, undoing.shape[-1]).astype(np.float32)
        x, y = (
            (terms @ (powers * self.points[..., axis]).reshape(len(powers), -1).astype(np.float32)).reshape(
                shape
            )
            for axis in range(2)
        )
        turned = meeting.misses(x, y, self.family) * (self.length / 2).astype(np.float32)
        return np.stack([self._heights(x, y), turned])

    def _heights(self, x: Any, y: Any) -> Any:
        """Bows of curves whose points have coordinates ``[..., arcs, points]``."""
        x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
        ax, ay = x[..., -1:] - x[..., :1], y[..., -1:] - y[..., :1]
        length = np.maximum(np.hypot(ax, ay), 1e-12)
        ax, ay = ax / length, ay / length
        t = (x * ax + y * ay) * (2 / length)
        s = y * ax - x * ay
        # the quadratic part of s over t, t² made orthogonal to 1 and to t, whose means are 0
        t2 = t * t
        variance = t2.mean(-1, keepdims=True)
        t2 -= variance
        t2 -= t * (np.einsum("...i,...i->...", t2, t)[..., None] / (x.shape[-1] * variance))
        shrunk = self.length.astype(x.dtype) / length[..., 0]  # of the photograph
        return np.einsum("...i,...i->...", s, t2) / np.einsum("...i,...i->...", t2, t2) * shrunk

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


def find_arcs(picture: NDArray[np.generic]) -> Arcs:
    """Find the arcs of a picture ``[height, width]`` or ``[height, width, 3]`` of uint8, the longest 400."""
    grey = np.asarray(picture, np.uint8)
    if grey.ndim == 3:
        grey = cv2.cvtColor(np.ascontiguousarray(grey[..., :3]), cv2.COLOR_RGB2GRAY)
    grey = reduced(grey, LONG_SIDE / max(grey.shape))
    size = Size(width=grey.shape[1], height=grey.shape[0])
    pixel = 1 / size.half_diagonal
    found: list[Edge] = []
    if min(grey.shape) >= 16:
        found = edges.follow(grey, _SHORTEST / pixel)
    found.sort(key=lambda each: -each.length)
    found = edges.join(found[:_MOST])
    points = np.array([each.points for each in found]).reshape(-1, edges.POINTS, 2)
    x, y = size.to_unit(points[..., 0], points[..., 1])
    looks = np.array([(each.rough, each.density, each.contrast, each.members) for each in found], np.float64)
    return Arcs(
        points=np.stack([x, y], -1),
        noise=np.array([each.noise for each in found]) * pixel,
        pixel=pixel,
        looks=looks.reshape(-1, 4),
    )
