"""Lenses drawn at random, and pictures as such lenses would have taken them.

The models are those of lensfun's database. They displace the photograph's corner by -20 % (barrel) to +20 %
(pincushion) of its distance, mostly by one coefficient. A picture does not determine the scale, so it is
fixed by a convention: the centre keeps its size (:func:`centre`).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lior.errors import UsageError
from lior_lens.geometry import Floats, Lens, Size

MODELS = ("brown", "poly3", "poly5", "ptlens")
STRONGEST = 0.2
"""Largest displacement of the photograph's corner, as a share of its distance from where it belongs."""
UNBENT = 0.1
"""Share of lenses that do nothing: a photograph that needs no correction must be left as it is."""
_AROUND = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CORNERS = 1.001 * np.cos(_AROUND), 1.001 * np.sin(_AROUND)
"""Points on the circle that has the corners of a photograph of any shape."""
_STEP = 8
"""Pixels between the points where a lens is inverted exactly; 0.01 pixels in between."""


def draw(rng: Generator) -> Lens:
    """A monotone lens with the centre's scale 1."""
    if rng.random() < UNBENT:
        return Lens()
    model = MODELS[int(rng.integers(len(MODELS)))]
    corner = float(rng.uniform(-STRONGEST, STRONGEST))
    share = np.zeros(7)
    others: dict[str, float] = {}
    if model == "poly3":
        share[2] = 1
    elif model == "poly5":
        share[2] = rng.uniform(0.6, 1.3)
        share[4] = 1 - share[2]
    elif model == "ptlens":
        share[3], share[2] = rng.uniform(-0.3, 0.4), rng.uniform(0.6, 1.2)
        share[1] = 1 - share[2] - share[3]
    else:
        share[[2, 4, 6]] = 1, rng.normal(0, 0.25), rng.normal(0, 0.1)
        share /= share.sum()
        others = {name: float(rng.normal(0, 0.002)) for name in ("p1", "p2")}
        others |= {name: float(rng.normal(0, 0.01)) for name in ("dcx", "dcy")}
    lens = at_corner(corner, share, **others).monotone(margin=0.15, corner=max(1.0, 1 / (1 + corner)) * 1.08)
    while not lens.inverse(*_CORNERS)[2].all():  # a shifted centre may leave nothing for a corner
        lens = lens.blended(0.9)
    return lens


def at_corner(corner: float, share: Sequence[float] | Floats, **others: float) -> Lens:
    """The lens that displaces the photograph's corner by that share of its distance.

    ``share`` says how much of it each power of the radius does, 0 to 6; ``others`` are fields of the lens.
    """
    edge = 1 / (1 + corner)  # what the lens takes to the photograph's corner: edge * (1 + corner) = 1
    powers = np.zeros(7)
    powers[: len(share)] = share
    radial = corner * powers / edge ** np.arange(7)
    radial[0] += 1
    return Lens(radial=tuple(radial.tolist()), **others)


NINE = tuple(
    at_corner(corner, share)
    for corner, share in (
        (0.0, (0, 0, 1)),
        (-0.2, (0, 0, 1)),
        (-0.12, (0, 0, 1.2, 0, -0.2)),
        (-0.08, (0, 0.2, 1.1, -0.3)),
        (-0.04, (0, 0, 1)),
        (0.03, (0, 0, 1)),
        (0.06, (0, 0, 0.8, 0, 0.2)),
        (0.1, (0, -0.2, 0.9, 0.3)),
        (0.15, (0, 0, 1)),
    )
)
"""The lenses that photographs are judged under: the identity first, then barrels and pincushions of lensfun's
models (poly3, poly5, ptlens)."""


def centre(lens: Lens) -> Lens:
    """The same correction but for a zoom: that with slope 1 at the centre, which errors are measured in."""
    return attrs.evolve(lens, scale=lens.radial[0])


def bend(
    picture: NDArray[np.uint8],
    lens: Lens,
    size: Size | None = None,
    *,
    zoom: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A straight picture as a lens would have taken it, and straight; every pixel is from within the picture.

    Parameters
    ----------
    picture
        ``[height, width, channels]``; of any size with the shape of ``size``, for each axis is scaled alike.
    size
        Of the results; that of the picture if not given.
    zoom
        At least 1: beyond the zoom that leaves the borders out.
    shift
        Where the view lies in the room that the zoom leaves, from -1 to 1 along each axis.

    Returns
    -------
    bent, straight
        What the lens takes, and what its exact correction shows, at the centre's scale 1.

    Raises ``UsageError`` when the lens folds the picture.
    """
    whole = Size(width=picture.shape[1], height=picture.shape[0])
    size = size or whole
    x, y = size.grid(-(-size.width // _STEP) + 1, -(-size.height // _STEP) + 1)
    px, py, found = centre(lens).inverse(x, y)
    if not found.all():
        raise UsageError("the lens is not one-to-one over this picture; use its monotone()")
    bound = (whole.width - 1) / 2 / whole.half_diagonal, (whole.height - 1) / 2 / whole.half_diagonal
    reach = max(1.0, np.abs(px).max() / np.abs(x).max()), max(1.0, np.abs(py).max() / np.abs(y).max())
    total = zoom * max(reach[0] * np.abs(x).max() / bound[0], reach[1] * np.abs(y).max() / bound[1])
    room = [edge - far * np.abs(p).max() / total for edge, far, p in zip(bound, reach, (x, y), strict=True)]

    def seen(px: Floats, py: Floats) -> NDArray[np.uint8]:
        column, row = whole.to_pixel(px / total + shift[0] * room[0], py / total + shift[1] * room[1])
        rows, columns = spread(size.height, column.shape[0]), spread(size.width, column.shape[1])
        mx, my = (rows @ axis.astype(np.float32) @ columns.T for axis in (column, row))
        np.clip(mx, 0, whole.width - 1, out=mx)  # rounding may leave the picture by a hair
        np.clip(my, 0, whole.height - 1, out=my)
        return cv2.remap(picture, mx, my, cv2.INTER_LINEAR)

    return seen(px, py), seen(x, y)


def spread(length: int, nodes: int) -> NDArray[np.float32]:
    """Weights ``[length, nodes]`` that interpolate between nodes from the first to the last pixel."""
    position = np.linspace(0, nodes - 1, length)[:, None]
    return np.maximum(0, 1 - np.abs(position - np.arange(nodes))).astype(np.float32)


def displace(lens: Lens, size: Size, *, columns: int = 17, rows: int = 17) -> Floats:
    """Map a grid of points by a lens with scale 1 at its centre: ``[2, rows, columns]``, half-diagonals."""
    return np.stack(centre(lens).forward(*size.grid(columns, rows)))


def endpoint_error(guess: Lens, truth: Lens, size: Size, *, width: int = 640) -> float:
    """Mean distance of where two lenses take points, in pixels of a picture of that width."""
    distance = np.hypot(
        *(displace(guess, size, columns=33, rows=33) - displace(truth, size, columns=33, rows=33))
    )
    return float(distance.mean() * size.half_diagonal * width / size.width)
