"""Lines that are parallel in the world meet in one point of a straight picture; a lens makes them miss it.

The lines of a picture fall into families, each of which nearly meets in a point. Under each lens that is
considered, the family's point is fitted again, and the angle by which each line misses it is measured like
a bow. So short lines that are far apart say together what one long line would say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lior_lens.geometry import Floats

_FAMILIES, _LEAST = 3, 3
"""How many families a picture may have, and the fewest lines of one."""
_TRIED = 24
"""Longest lines whose crossings are tried as a family's point."""
_TOLERANCE = 0.06
"""Radians by which a line of a family may miss its point: what strong lenses turn lines by."""
_ROUNDS, _WIDEST, _SHARPEST = 5, 0.05, 0.012
"""Rounds of fitting a point, and the widths of Cauchy's weights in radians, halved each round."""


def families(
    points: Floats, length: Floats, tolerance: float = _TOLERANCE, tried: int = _TRIED
) -> tuple[NDArray[np.intp], float]:
    """The family ``[lines]`` of each line ``[lines, points, 2]``, -1 without one, and the length that meets.

    ``length`` is that of lines in the photograph, which says the same of lines under any lens.
    The crossing of two long lines that most length runs to takes its lines; then the next one of the rest.
    """
    found, total = np.full(len(points), -1), 0.0
    middle, direction, through = _lines(points[..., 0], points[..., 1])
    for family in range(_FAMILIES):
        free = np.flatnonzero(found < 0)
        if len(free) < _LEAST:
            break
        long = free[np.argsort(-length[free])][:tried]
        first, second = (long[i] for i in np.triu_indices(len(long), 1))
        alike = np.abs((direction[first] * direction[second]).sum(-1)) > np.sqrt(0.5)
        if not alike.any():
            break
        crossings = np.cross(through[first[alike]], through[second[alike]])
        off = np.abs(_angles(crossings, middle[free], through[free])[0])
        meets = np.maximum(0, 1 - (off / tolerance) ** 2) @ length[free]
        best = np.argmax(meets)
        if (off[best] < tolerance).sum() < _LEAST:
            break
        found[free[off[best] < tolerance]] = family
        total += float(meets[best])
    return found, total


def misses(x: Any, y: Any, family: NDArray[np.intp]) -> Any:
    """Angles ``[..., lines]``, in radians, by which lines miss their family's point; 0 without a family.

    ``x`` and ``y`` are the lines' points ``[..., lines, points]`` once a lens is undone. The point is that
    of least squares of the angles, reweighted by Cauchy's weights.
    """
    out = np.zeros(x.shape[:-1], x.dtype)
    middle, direction, through = _lines(x, y)
    # in the photograph's order of magnitude: long lines count by their square, for their angles are exact
    squares = (x[..., -1] - x[..., 0]) ** 2 + (y[..., -1] - y[..., 0]) ** 2
    for each in range(int(family.max(initial=-1)) + 1):
        own = np.flatnonzero(family == each)
        m, t, weight = middle[..., own, :], through[..., own, :], squares[..., own]
        for turn in range(_ROUNDS):
            scatter = np.swapaxes(t * weight[..., None], -1, -2) @ t
            point = np.linalg.eigh(scatter)[1][..., 0]
            angle, distance = _angles(point, m, t)
            width = max(_SHARPEST, _WIDEST * 0.5**turn)
            weight = squares[..., own] / (distance**2 * (1 + (angle / width) ** 2))
        toward = point[..., None, :2] - m * point[..., None, 2:]
        out[..., own] = angle * np.sign((toward * direction[..., own, :]).sum(-1))
    return out


def _lines(x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Middles and directions ``[..., lines, 2]``, and the lines through both, homogeneous ``[..., 3]``."""
    place = np.arange(x.shape[-1], dtype=x.dtype) - (x.shape[-1] - 1) / 2
    middle = np.stack([x.mean(-1), y.mean(-1)], -1)
    direction = np.stack([x @ place, y @ place], -1)
    direction /= np.hypot(direction[..., :1], direction[..., 1:]) + 1e-12
    (mx, my), (dx, dy) = np.moveaxis(middle, -1, 0), np.moveaxis(direction, -1, 0)
    return middle, direction, np.stack([-dy, dx, dy * mx - dx * my], -1)


def _angles(point: Any, middle: Any, through: Any) -> tuple[Any, Any]:
    """Sines ``[..., lines]`` of the angles at which lines pass a homogeneous point ``[..., 3]``, and how far
    it is from their middles, in its own scale."""
    toward = point[..., None, :2] - middle * point[..., None, 2:]
    distance = np.hypot(toward[..., 0], toward[..., 1]) + 1e-6
    return (through * point[..., None, :]).sum(-1) / distance, distance
