"""Pictures of things that are straight, and of things that are not, drawn at random.

A scene has layers, as photographs do: sky or wall, ground, facades in perspective with windows, tiles,
shelves, poles and wires, and text. Curved things follow: circles, hills, leaves and noise. They teach a
network that not every curve comes from the lens. Everything depends on the generator alone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Layer = Callable[[Picture, Generator], None]
_AA = cv2.LINE_AA
_SHIFT = 4
"""Bits behind the point of the corners that OpenCV draws."""


def scene(width: int, height: int, rng: Generator) -> Picture:
    """A picture ``[height, width, 3]`` of uint8."""
    picture = _backdrop(width, height, rng)
    straight = 0
    for probability, layer, lines in _LAYERS:
        if rng.random() < probability:
            layer(picture, rng)
            straight += lines
    if straight < 2:
        _facade(picture, rng)
    return picture


def chessboard(width: int, height: int, rng: Generator, *, columns: int = 9, rows: int = 6) -> Picture:
    """A calibration board with ``columns x rows`` inner corners, seen at a slant; all corners are in view."""
    square = 32
    board = np.full(((rows + 3) * square, (columns + 3) * square, 3), 255, np.uint8)
    for i in range(rows + 1):
        for j in range(columns + 1):
            if (i + j) % 2 == 0:
                board[(i + 1) * square : (i + 2) * square, (j + 1) * square : (j + 2) * square] = 20
    h, w = board.shape[:2]
    corners = _pose(w, h, width, height, rng)
    turn = cv2.getPerspectiveTransform(
        np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32), corners.astype(np.float32)
    )
    grey = int(rng.integers(90, 200))
    return cv2.warpPerspective(
        board, turn, (width, height), flags=cv2.INTER_AREA, borderValue=(grey, grey, grey)
    )


def _pose(w: int, h: int, width: int, height: int, rng: Generator) -> NDArray[np.float64]:
    """Corners ``[4, 2]`` of a board before one pinhole camera, turned by up to 25° about each axis."""
    focal = np.hypot(width, height)
    turn = cv2.Rodrigues(rng.uniform(-0.43, 0.43, 3) * [1, 1, 0.4])[0]
    flat = np.array([[-w, -h, 0], [w, -h, 0], [w, h, 0], [-w, h, 0]]) / 2
    turned = flat @ turn.T
    distance = focal * max(w / width, h / height) * 1.12
    place = rng.uniform(-0.04, 0.04, 2) * [width, height]
    depth = distance + turned[:, 2:]
    corners: NDArray[np.float64] = focal * turned[:, :2] / depth + [width / 2, height / 2] + place
    return corners


def worn(picture: Picture, rng: Generator) -> Picture:
    """Add the effects of a camera after its lens: blur, exposure, colour, vignetting, noise, JPEG blocks."""
    out = picture
    if rng.random() < 0.5:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.3, 1.2)))
    gain = float(np.exp(rng.normal(0, 0.2))) * np.exp(rng.normal(0, 0.08, 3))
    gamma = float(np.exp(rng.normal(0, 0.2)))
    levels = np.arange(256)[:, None] / 255
    table = np.clip(255 * (levels**gamma) * gain, 0, 255).round().astype(np.uint8)
    out = cv2.LUT(out, table[:, None, :])
    if rng.random() < 0.7:
        noise = np.empty(out.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, 0, float(rng.uniform(0.5, 8)))
        out = cv2.add(out, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.4:
        quality = int(rng.integers(40, 96))
        data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        out = cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[assignment]
    if rng.random() < 0.12:
        grey = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)
        out = cv2.merge([grey, grey, grey])
    return out


# --- parts ---


def _colour(rng: Generator) -> tuple[int, int, int]:
    grey = rng.uniform(20, 235)
    red, green, blue = np.clip(grey + rng.normal(0, 28, 3), 0, 255).astype(int).tolist()
    return red, green, blue


def _points(corners: NDArray[np.floating]) -> NDArray[np.int32]:
    """Corners ``[..., 2]`` in the fixed-point numbers that OpenCV draws with."""
    return np.clip(corners * 2**_SHIFT, -(2**24), 2**24).round().astype(np.int32)


def _fill(picture: Picture, corners: NDArray[np.floating], colour: tuple[int, int, int]) -> None:
    cv2.fillConvexPoly(picture, _points(corners), colour, _AA, _SHIFT)


def _line(
    picture: Picture,
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    colour: tuple[int, int, int],
    thick: int = 1,
) -> None:
    ends = _points(np.stack([a, b]))
    cv2.line(picture, ends[0].tolist(), ends[1].tolist(), colour, thick, _AA, _SHIFT)


def _backdrop(width: int, height: int, rng: Generator) -> Picture:
    """A gradient between two colours with clouds of several sizes."""
    top, bottom = np.array(_colour(rng), np.float32), np.array(_colour(rng), np.float32)
    small = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None]
    canvas = np.repeat(top + (bottom - top) * small, 8, axis=1)
    out = cv2.resize(canvas, (width, height))
    for cells in (3, 7, 19):
        if rng.random() < 0.5:
            noise = rng.normal(0, rng.uniform(2, 14), (cells, cells + 2)).astype(np.float32)
            out += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(out, 0, 255).astype(np.uint8)


def _quad(picture: Picture, rng: Generator, low: float, high: float) -> NDArray[np.float64]:
    """Four corners of a wall at a slant: verticals stay nearly vertical, the others converge."""
    height, width = picture.shape[:2]
    w, h = rng.uniform(low, high, 2) * [width, height]
    x, y = rng.uniform(-0.3, 1.0) * width, rng.uniform(-0.2, 0.8) * height
    slant = rng.normal(0, 0.18, 2) * h
    lean = rng.normal(0, 0.03, 2) * w
    tilt = rng.normal(0, 0.04) * w
    right = x + w, y + tilt
    corners = [(x + lean[0], y), (right[0] + lean[1], right[1] + slant[0])]
    return np.array([*corners, (right[0], right[1] + h + slant[1]), (x, y + h)])


def _mapped(
    corners: NDArray[np.floating], u: NDArray[np.floating], v: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Points (u, v) of the unit square under the homography onto the corners."""
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    turn = cv2.getPerspectiveTransform(unit, corners.astype(np.float32))
    p = np.stack([u, v, np.ones_like(u)], -1) @ turn.T
    depth = np.where(np.abs(p[..., 2:]) < 1e-6, 1e-6, p[..., 2:])
    return p[..., :2] / depth


def _facade(picture: Picture, rng: Generator) -> None:
    corners = _quad(picture, rng, 0.3, 1.3)
    _fill(picture, corners, _colour(rng))
    columns, rows = int(rng.integers(2, 10)), int(rng.integers(2, 9))
    gap = rng.uniform(0.1, 0.4, 2)
    glass, frame = _colour(rng), _colour(rng)
    i, j = np.meshgrid(np.arange(columns), np.arange(rows))
    left, right = (i + gap[0]) / columns, (i + 1) / columns
    top, bottom = (j + gap[1]) / rows, (j + 1) / rows
    windows = _mapped(
        corners,
        np.stack([left, right, right, left], -1).reshape(-1, 4),
        np.stack([top, top, bottom, bottom], -1).reshape(-1, 4),
    )
    for window in windows:
        _fill(picture, window, glass)
        if rng.random() < 0.3:
            cv2.polylines(picture, [_points(window)], True, frame, 1, _AA, _SHIFT)
    for v in rng.uniform(0, 1, int(rng.integers(0, 4))):
        a, b = _mapped(corners, np.array([0.0, 1.0]), np.array([v, v]))
        _line(picture, a, b, frame, int(rng.integers(1, 4)))


def _floor(picture: Picture, rng: Generator) -> None:
    """Tiles towards a horizon."""
    height, width = picture.shape[:2]
    horizon = rng.uniform(0.35, 0.8) * height
    spread, shift = rng.uniform(0.05, 0.5), rng.uniform(-0.3, 0.3) * width
    far = np.array([[0.5 - spread, 0], [0.5 + spread, 0]]) * width + [shift, horizon]
    corners = np.concatenate([far, np.array([[1.6, 1.05], [-0.6, 1.05]]) * [width, height]])
    _fill(picture, corners, _colour(rng))
    colour, count = _colour(rng), int(rng.integers(4, 14))
    t = np.linspace(0, 1, count)
    for a, b in zip(_mapped(corners, t, t * 0), _mapped(corners, t, t * 0 + 1), strict=True):
        _line(picture, a, b, colour)
    for a, b in zip(_mapped(corners, t * 0, t), _mapped(corners, t * 0 + 1, t), strict=True):
        _line(picture, a, b, colour)


def _shelves(picture: Picture, rng: Generator) -> None:
    """Rows of things of one height: books, boards, blinds."""
    corners = _quad(picture, rng, 0.4, 1.2)
    rows = int(rng.integers(2, 6))
    for row in range(rows):
        cuts = np.cumsum(rng.uniform(0.3, 1.0, int(rng.integers(4, 14))))
        cuts = np.concatenate([[0], cuts / cuts[-1]])
        top = (row + rng.uniform(0.05, 0.3)) / rows
        for a, b in pairwise(cuts):
            window = _mapped(
                corners, np.array([a, b, b, a]), np.array([top, top, (row + 1) / rows, (row + 1) / rows])
            )
            _fill(picture, window, _colour(rng))


def _boxes(picture: Picture, rng: Generator) -> None:
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        size = rng.uniform(0.08, 0.5, 2) * [width, height]
        middle = rng.uniform(0, 1, 2) * [width, height]
        turn = rng.normal(0, 0.4)
        c, s = np.cos(turn), np.sin(turn)
        corners = (
            np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / 2 @ np.array([[c, s], [-s, c]]) + middle
        )
        _fill(picture, corners, _colour(rng))


def _poles(picture: Picture, rng: Generator) -> None:
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        x = rng.uniform(0, width)
        a = np.array([x + rng.normal(0, 0.03) * width, rng.uniform(-0.1, 0.4) * height])
        b = np.array([x, rng.uniform(0.6, 1.1) * height])
        _line(picture, a, b, _colour(rng), int(rng.integers(1, 6)))


def _wires(picture: Picture, rng: Generator) -> None:
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        a, b = rng.uniform(-0.1, 1.1, (2, 2)) * [width, height]
        _line(picture, a, b, _colour(rng), int(rng.integers(1, 3)))


def _text(picture: Picture, rng: Generator) -> None:
    height, width = picture.shape[:2]
    letters = "abcdefghijklmnopqrstuvwxyz ABCDEFGH 0123456789"
    size, colour = rng.uniform(0.25, 0.9), _colour(rng)
    x, y = int(rng.uniform(-0.1, 0.6) * width), int(rng.uniform(0.05, 0.6) * height)
    for row in range(int(rng.integers(1, 9))):
        line = "".join(rng.choice(list(letters), int(rng.integers(6, 30))))
        place = (x, int(y + row * size * 34))
        cv2.putText(picture, line, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, _AA)


def _page(picture: Picture, rng: Generator) -> None:
    """A ruled grid over everything."""
    height, width = picture.shape[:2]
    picture[:] = np.array(_colour(rng))
    colour, turn = _colour(rng), rng.normal(0, 0.15)
    step = rng.uniform(0.05, 0.2) * width
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    middle, reach = np.array([width, height]) / 2, width + height
    thick = int(rng.integers(1, 4))
    for i in range(-20, 21):
        for a, b in ((along, across), (across, along)):
            _line(
                picture, middle + a * i * step - b * reach, middle + a * i * step + b * reach, colour, thick
            )


def _rounds(picture: Picture, rng: Generator) -> None:
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        middle = _points(rng.uniform(0, 1, 2) * [width, height]).tolist()
        axes = _points(rng.uniform(0.03, 0.35, 2) * min(width, height)).tolist()
        thick = -1 if rng.random() < 0.6 else int(rng.integers(1, 4))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(picture, middle, axes, turn, 0, 360, _colour(rng), thick, _AA, _SHIFT)


def _hills(picture: Picture, rng: Generator) -> None:
    """A skyline that waves."""
    height, width = picture.shape[:2]
    x = np.linspace(-0.05, 1.05, 40)
    y = rng.uniform(0.3, 0.8) + sum(
        rng.normal(0, 0.08) / n * np.sin(2 * np.pi * (n * x + rng.random())) for n in (1, 2, 3, 5)
    )
    outline = np.stack([x * width, y * height], -1)
    whole = np.concatenate([outline, [[width * 1.05, height * 1.1], [-width * 0.05, height * 1.1]]])
    cv2.fillPoly(picture, [_points(whole)], _colour(rng), _AA, _SHIFT)


def _leaves(picture: Picture, rng: Generator) -> None:
    """Many small round things in a heap."""
    height, width = picture.shape[:2]
    middle, spread = rng.uniform(0, 1, 2) * [width, height], rng.uniform(0.05, 0.25) * width
    colour = np.array(_colour(rng))
    for _ in range(int(rng.integers(30, 120))):
        place = _points(middle + rng.normal(0, spread, 2)).tolist()
        axes = _points(rng.uniform(1.5, 9, 2)).tolist()
        shade = np.clip(colour + rng.normal(0, 25, 3), 0, 255).astype(int).tolist()
        cv2.ellipse(picture, place, axes, float(rng.uniform(0, 180)), 0, 360, shade, -1, _AA, _SHIFT)


_LAYERS: list[tuple[float, Layer, bool]] = [
    (0.45, _hills, False),
    (0.4, _floor, True),
    (0.8, _facade, True),
    (0.5, _facade, True),
    (0.3, _shelves, True),
    (0.3, _boxes, True),
    (0.25, _text, False),
    (0.4, _poles, True),
    (0.3, _wires, True),
    (0.35, _rounds, False),
    (0.25, _leaves, False),
    (0.08, _page, True),
]
"""Probability, layer, and whether it has straight lines; in the order of drawing."""
