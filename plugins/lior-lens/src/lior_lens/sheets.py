"""Pictures to look at: before and after side by side, with a grid and the edges that were used."""

from __future__ import annotations

import io
from collections.abc import Sequence

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lior_lens import lines
from lior_lens.arcs import Arcs, find_arcs
from lior_lens.geometry import Lens, Size
from lior_lens.warp import Correction, resample

Picture = NDArray[np.uint8]
_INK = (30, 30, 30)
_PAPER = 250
_STRAIGHT, _BENT = (20, 150, 90), (215, 70, 40)
_GRID = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
WIDTH = 800
"""Long side of the pictures of a page."""
_QUALITY = 80


def titled(picture: Picture, title: str, *, width: int = 560) -> Picture:
    """A picture of that width under its title."""
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    mode = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_CUBIC
    shown = cv2.resize(picture, (width, height), interpolation=mode)
    band = np.full((34, width, 3), _PAPER, np.uint8)
    scale = min(0.55, 0.55 * (width - 16) / max(1, cv2.getTextSize(title, _FONT, 0.55, 1)[0][0]))
    cv2.putText(band, title, (8, 23), _FONT, scale, _INK, 1, cv2.LINE_AA)
    return np.vstack([band, shown])


def sheet(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Pictures in rows, with white between them."""
    gap, made = 10, []
    for row in rows:
        height = max(len(each) for each in row)
        made.append(np.hstack([_padded(each, height, each.shape[1] + gap) for each in row]))
    width = max(each.shape[1] for each in made)
    return np.vstack([_padded(each, len(each) + gap, width) for each in made])


def _padded(picture: Picture, height: int, width: int) -> Picture:
    room = ((0, height - len(picture)), (0, width - picture.shape[1]), (0, 0))
    return np.pad(picture, room, constant_values=_PAPER)


def with_edges(picture: Picture, found: Arcs, lens: Lens) -> Picture:
    """The picture with its edges: green where they are straight under a lens, red where they are not."""
    size = Size(width=picture.shape[1], height=picture.shape[0])
    out = (picture // 3 + 160).astype(np.uint8)
    share = lines.straight(found, lens) if len(found) else np.empty(0)
    x, y = size.to_pixel(found.points[..., 0], found.points[..., 1])
    thick = max(2, round(size.width / 400))
    for points, straight in zip(np.stack([x, y], -1), share, strict=True):
        fixed = np.round(points * 16).astype(np.int32)
        colour = _STRAIGHT if straight > 0.5 else _BENT
        cv2.polylines(out, [fixed], False, colour, thick, cv2.LINE_AA, 4)
    return out


def with_grid(picture: Picture, correction: Correction, *, lines_across: int = 9) -> Picture:
    """A photograph with the curves that the correction makes straight."""
    size = correction.size
    out = picture.copy()
    half = size.half
    t = np.linspace(-1, 1, 200)
    thick = max(1, round(size.width / 700))
    for position in np.linspace(-0.95, 0.95, lines_across):
        for a, b in ((t, np.full_like(t, position)), (np.full_like(t, position), t)):
            x, y = size.to_pixel(*correction.forward(a * half[0], b * half[1]))
            fixed = np.round(np.stack([x, y], -1) * 16).astype(np.int32)
            for colour, width in ((_INK, thick + 2), (_GRID, thick)):
                cv2.polylines(out, [fixed], False, colour, width, cv2.LINE_AA, 4)
    return out


def before_after(picture: Picture, correction: Correction, words: str) -> Picture:
    """A sheet: photograph with edges and grid, and the corrected picture."""
    found = find_arcs(picture)
    after = resample(picture, correction)
    again = find_arcs(after)
    bow = lines.straightness(found, believed=correction.lens), lines.straightness(again)
    shown = with_grid(with_edges(picture, found, correction.lens), correction)
    top = [titled(picture, "photograph"), titled(after, f"corrected: {words}")]  # type: ignore[arg-type]
    bottom = [
        titled(shown, f"edges and grid, {lines.in_words(bow[0], 1)}"),
        titled(with_edges(after, again, Lens()), f"edges after, {lines.in_words(bow[1], 1)}"),  # type: ignore[arg-type]
    ]
    return sheet([top, bottom])


@attrs.frozen(kw_only=True, eq=False)
class Card:
    """A photograph on a page: small pictures, as JPEG."""

    width: int
    height: int
    before: bytes
    after: bytes | None = None
    edges: bytes | None = None
    """The photograph with its edges and the grid that becomes straight."""


def card(picture: Picture, after: Picture | None = None, correction: Correction | None = None) -> Card:
    """A card of an upright photograph, and of its corrected picture where there is one."""
    small = _fit(picture)
    height, width = small.shape[:2]
    known = {"width": width, "height": height, "before": _jpeg(small)}
    if after is None or correction is None:
        return Card(**known)
    marked = with_edges(small, find_arcs(small), correction.lens)
    own = attrs.evolve(correction, size=Size(width=width, height=height))
    return Card(**known, after=_jpeg(_fit(after)), edges=_jpeg(with_grid(marked, own)))


def _fit(picture: Picture) -> Picture:
    fit = WIDTH / max(picture.shape[:2])
    if fit >= 1:
        return picture
    height, width = (max(1, round(side * fit)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _jpeg(picture: Picture) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
