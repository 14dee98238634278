"""Legibility of a Matplotlib figure, for tests of panels in lior and other packages."""

from __future__ import annotations

import itertools
from typing import Any


def texts(figure: Any) -> list[Any]:
    """Return the visible texts of a figure; Matplotlib also has tick labels beyond the axes."""
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
    """Assert that no text of ``figure`` covers another and that none is cut off."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    frame = figure.bbox
    found = texts(figure)
    assert len(found) >= 4
    boxes = []
    for text in found:
        extent = Text.get_window_extent(text)  # extent of the letters, without the line of an annotation
        assert frame.x0 <= extent.x0 <= extent.x1 <= frame.x1, text
        assert frame.y0 <= extent.y0 <= extent.y1 <= frame.y1, text
        boxes.append((text, extent))
    for (a, one), (b, other) in itertools.combinations(boxes, 2):
        width = min(one.x1, other.x1) - max(one.x0, other.x0)
        height = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert max(width, 0) * max(height, 0) < 1, (a, b)
