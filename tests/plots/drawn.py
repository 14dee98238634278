"""Panels to be drawn, and what tests look for in a drawn figure."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from lior.bench.picture import Box
from lior.plots.panels import Curve, Field, Ladder, Levels, Lines, Matrix, Panel, Picture
from lior.plots.sketch import sketch


def texts(figure: Any) -> list[Any]:
    """What can be read in a figure; Matplotlib also has labels of ticks that are out of sight."""
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    unseen = set()
    for axis in (axis for axes in figure.findobj(Axes) for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = (*axis.get_major_ticks(), *axis.get_minor_ticks())
        unseen |= {
            t for tick in ticks if not low <= tick.get_loc() <= high for t in (tick.label1, tick.label2)
        }
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text() and t not in unseen]


def check_readable(figure: Any) -> None:
    """No text covers another, and none is cut off."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    frame = figure.bbox
    found = texts(figure)
    assert len(found) >= 4
    boxes = []
    for text in found:
        extent = Text.get_window_extent(text)  # of the letters, without the line of an annotation
        assert frame.x0 <= extent.x0 <= extent.x1 <= frame.x1, text
        assert frame.y0 <= extent.y0 <= extent.y1 <= frame.y1, text
        boxes.append(Box(extent.x0, extent.y0, extent.x1, extent.y1))
    for (i, a), (j, b) in itertools.combinations(enumerate(boxes), 2):
        assert a.overlap(b) < 1, (found[i], found[j])


X, Y = np.linspace(-80.0, 80.0, 97), np.linspace(-50.0, 50.0, 61)
MESH = np.meshgrid(X, Y)
ENERGIES = [3.687, 3.972, 8.1, 8.15, 8.2, 15.3, 22.0, 31.7]
STATES = [f"ψ{i}" for i in range(8)]


def field(values=None, **changes) -> Field:
    """A bowl with its greatest number in the corner at the right and the top."""
    x, y = MESH
    bowl = 30 * (x**2 + y**2) / 50**2 + 0.05 * (x + y) + 1
    given = {"title": "V", "x_label": "x in nm", "y_label": "y in nm", "unit": "V in meV", "x": X, "y": Y}
    return Field(**given | {"values": bowl if values is None else values} | changes)


def wave(noise: float = 0.0, **changes) -> Field:
    """A wave with its node at x = 0, below 0 left of it."""
    x, y = MESH
    values = x * np.exp(-(x**2 + y**2) / 200) + noise * np.random.default_rng(0).normal(size=x.shape)
    return field(values, title="ψ₁", unit="ψ in 1/nm", diverging=True, contours=[0.0], **changes)


def matrix(values=None, **changes) -> Matrix:
    """Overlaps but for 1, as rounding leaves them."""
    found = np.random.default_rng(1).normal(size=(8, 8)) * 2e-16 if values is None else np.asarray(values)
    names = {"rows": STATES[: len(found)], "columns": STATES[: found.shape[1]]}
    given = {"title": "S − 1", "x_label": "state j", "y_label": "state i", "unit": "⟨ψi|ψj⟩ − 1"}
    return Matrix(**given | names | {"values": found} | changes)


def lines(y, x=None, **changes) -> Lines:
    curves = [Curve(name="a", x=list(range(1, len(y) + 1)) if x is None else x, y=y)]
    return Lines(**{"title": "t", "x_label": "x", "y_label": "y", "curves": curves} | changes)


def levels(values=ENERGIES, **changes) -> Levels:
    ladder = Ladder(name="computed", values=values, **changes)
    return Levels(title="spectrum", y_label="E in meV", ladders=[ladder, Ladder(name="exact", values=[4, 9])])


def picture(*panels, **changes) -> Picture:
    return Picture(name="p", title="dot 7: what is shown", panels=panels, **changes)


def shown(panel: Panel, *, width: int = 80, blocks: bool = True) -> list[str]:
    return sketch(picture(panel), width=width, blocks=blocks).splitlines()


SLICE = lines(
    (0.01 * X**2).tolist(), X.tolist(), levels=dict(zip(STATES, ENERGIES, strict=True)), low=0, high=40
)
PANELS = {
    "potential": field(low=0, high=40, contours=[20]),
    "wave": wave(),
    "flat field": field(np.zeros((61, 97))),
    "strip": field(np.ones((2, 97)), y=[0, 3]),
    "tower": field(np.ones((61, 2)), x=[0, 3]),
    "slice": SLICE,
    "close levels": lines([0, 40], levels={"E0": 3.687, "E1": 3.972}, levels_beside=True),
    "crowd of levels": lines([0.0, 1.0], levels={f"E{i}": 0.5 + i / 1000 for i in range(60)}),
    "spectrum": levels(notes=[f"E{i} = {e:.3f} meV" for i, e in enumerate(ENERGIES)]),
    "one level": Levels(title="t", y_label="E", ladders=[Ladder(name="", values=[1e-9])]),
    "dense spectrum": levels([float(i) ** 0.5 for i in range(90)]),
    "overlap": matrix(np.eye(8) + 1e-3),
    "rounding": matrix(),
    "zeros": matrix(np.zeros((3, 5))),
    "large matrix": matrix(
        np.eye(90), rows=[f"state {i}" for i in range(90)], columns=[str(i) for i in range(90)]
    ),
    "crossing 0": lines([1.0, -1e-3, 1e-9, -3.0], log_y=True),
    "nothing finite": lines([math.nan] * 3, log_y=True),
    "no curve": lines([], curves=[]),
    "error bars": lines([], curves=[Curve(name="E", x=[1, 2], y=[4, 3], error=[0.3, 9])], error_bars=True),
}  # fmt: skip
