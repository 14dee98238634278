"""Bits per byte against seconds: one panel a text, a label at every point.

Matplotlib is imported here and in no other module; it comes with ``lior[bench]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from lior.bench.results import Results, Row

OWN, PEER = "#c0392b", "#34495e"
"""Colours of lior's points and of the others."""

MARKERS = {"static": "o", "online": "^"}

PANEL_INCHES = (10.0, 5.5)

_LEAST_SECONDS = 1e-3
"""A logarithmic axis has no zero."""


def draw(results: Results, path: Path) -> bool:
    """Write the picture to ``path`` (PNG); returns whether there was something to draw.

    Raises
    ------
    ImportError
        Without Matplotlib.
    """
    figure_of = import_module("matplotlib.figure").Figure  # no pyplot: it keeps global state
    canvas_of = import_module("matplotlib.backends.backend_agg").FigureCanvasAgg
    texts = [text["name"] for text in results.about["texts"]]
    panels = [(t, [r for r in results.rows.values() if r.key.text == t and r.runs]) for t in texts]
    panels = [(text, rows) for text, rows in panels if rows]
    if not panels:
        return False
    width, height = PANEL_INCHES
    figure = figure_of(figsize=(width, height * len(panels)), dpi=120, layout="constrained")
    canvas = canvas_of(figure)
    axes = figure.subplots(len(panels), squeeze=False)[:, 0]
    for panel, (text, rows) in zip(axes, panels, strict=True):
        _points(panel, text, rows)
    figure.draw_without_rendering()  # settles the layout, which the places of the labels depend on
    figure.set_layout_engine("none")
    for panel, (_, rows) in zip(axes, panels, strict=True):
        _label(canvas.get_renderer(), panel, rows)
    figure.savefig(path)
    return True


def _place(row: Row) -> tuple[float, float]:
    return max(row.seconds or 0.0, _LEAST_SECONDS), row.bits or 0.0


def _points(panel: Any, text: str, rows: Sequence[Row]) -> None:
    for row in rows:
        x, y = _place(row)
        low, high = row.spread("bits_per_byte") or (y, y)
        own = _own(row)
        panel.errorbar(
            [x], [y], yerr=[[y - low], [high - y]], color=_colour(row), capsize=3, linestyle="none"
        )
        marker = MARKERS[row.key.mode]
        panel.plot([x], [y], marker, color=_colour(row), markersize=9 if own else 7, zorder=3)
    panel.set_xscale("log")
    panel.set_yscale("log")  # one that is far off must not press the others together
    ticks = import_module("matplotlib.ticker")
    panel.yaxis.set_major_locator(ticks.LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)))
    panel.yaxis.set_major_formatter(ticks.FormatStrFormatter("%g"))
    panel.yaxis.set_minor_locator(ticks.NullLocator())
    panel.margins(x=0.18, y=0.14)  # room for labels
    panel.grid(True, which="major", alpha=0.3)
    panel.set_xlabel("seconds to train and to score")
    panel.set_ylabel("bits per byte")
    panel.set_title(text[-80:], fontsize=11, parse_math=False)
    for (mode, marker), (who, colour) in product(MARKERS.items(), (("lior", OWN), ("peer", PEER))):
        panel.plot([], [], marker, color=colour, label=f"{who}, {mode}")
    panel.legend(loc="best", fontsize=8, framealpha=0.9)


def _own(row: Row) -> bool:
    return row.key.system.startswith("lior ")


def _colour(row: Row) -> str:
    return OWN if _own(row) else PEER


def _offsets() -> Iterator[tuple[float, float]]:
    """Places of a label beside its point in pixels, the best first."""
    for distance in (12, 26, 42, 60, 80):
        yield from ((distance, 0), (-distance, 0), (0, distance), (0, -distance))
        yield from (
            (distance, distance),
            (distance, -distance),
            (-distance, distance),
            (-distance, -distance),
        )


def _label(renderer: Any, panel: Any, rows: Sequence[Row]) -> None:
    """Put each label where it covers no point and no other label, as near to its point as can be."""
    points = [panel.transData.transform(_place(row)) for row in rows]
    taken = [Box(x - 8, y - 8, x + 8, y + 8) for x, y in points]
    taken.append(_box(panel.get_legend().get_window_extent(renderer)))
    frame = _box(panel.get_window_extent(renderer))
    for row, _ in sorted(zip(rows, points, strict=True), key=lambda pair: -pair[1][1]):
        tried: list[tuple[float, Any, Box]] = []
        for offset in _offsets():
            note = _note(panel, row, offset)
            box = _text_box(note, renderer)
            cost = sum(box.overlap(other) for other in taken) + box.area - box.overlap(frame)
            tried.append((cost, note, box))
            if cost <= 0.5:  # of a pixel
                break
        best = min(range(len(tried)), key=lambda number: tried[number][0])
        for number, (_, note, box) in enumerate(tried):
            if number == best:
                taken.append(box)
            else:
                note.remove()


def _note(panel: Any, row: Row, offset: tuple[float, float]) -> Any:
    dx, dy = offset
    return panel.annotate(
        f"{row.key.system}  {row.bits:.3f}",
        _place(row),
        xytext=offset,
        textcoords="offset pixels",
        fontsize=9,
        parse_math=False,  # a path may hold dollars
        color=_colour(row),
        ha="left" if dx > 0 else "right" if dx < 0 else "center",
        va="bottom" if dy > 0 else "top" if dy < 0 else "center",
        arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
    )


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return (self.right - self.left) * (self.top - self.bottom)

    def overlap(self, other: Box) -> float:
        """Square pixels that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def _box(extent: Any) -> Box:
    return Box(extent.x0, extent.y0, extent.x1, extent.y1)


def _text_box(note: Any, renderer: Any) -> Box:
    """The text alone: the extent of an annotation has its line too."""
    note.update_positions(renderer)
    return _box(import_module("matplotlib.text").Text.get_window_extent(note, renderer))
