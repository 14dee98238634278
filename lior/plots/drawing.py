"""Pictures drawn with Matplotlib, as PNG and SVG.

Matplotlib is imported in here only when something is drawn; it comes with ``lior[plots]``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from io import BytesIO
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import Any

from lior.errors import MissingPackage, RunError
from lior.plots import curves, ladders, maps
from lior.plots.colours import COLOURS, LEVELS, MARKERS
from lior.plots.panels import Bars, Field, Heat, Histogram, Levels, Lines, Matrix, Panel, Picture, Points
from lior.runs.files import PARTIAL

_PANEL_INCHES = (6.2, 3.6)
_ROW_INCHES = 0.42
"""Height of a row of a heat map."""
_LETTER = 0.6
"""Width of a letter in its height, of most texts."""
_ROUNDS, _REST = (4, 20), 1e-3
"""Fewest and most rounds of the layout, and the share of the figure by which nothing moves at its end."""
_DPI = 110


def library() -> ModuleType:
    """Matplotlib.

    Raises
    ------
    MissingPackage
        When it is not installed.
    """
    try:
        import_module("matplotlib.figure")
        return import_module("matplotlib")
    except ImportError as error:
        raise MissingPackage(
            "pictures are drawn by the package matplotlib, which cannot be imported; install it: "
            f"pip install 'lior[plots]', or use --text, which needs none ({error})"
        ) from error


def write(picture: Picture, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the picture into ``folder`` under its name, in place of what was there; the paths.

    Parameters
    ----------
    formats
        Of ``png`` and ``svg``.

    Raises
    ------
    MissingPackage
        Without Matplotlib.
    RunError
        When the folder cannot be written.
    """
    # Names may hold dollars, which are no formulas; the identifiers in an SVG are random without a salt.
    with library().rc_context({"text.parse_math": False, "svg.hashsalt": picture.name}):
        figure = draw(picture)
        images = {form: _image(figure, form) for form in formats}
    paths = [folder / f"{picture.name}.{form}" for form in formats]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, image in zip(paths, images.values(), strict=True):
            part = path.with_name(path.name + PARTIAL)
            part.write_bytes(image)
            part.replace(path)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror}; give another --out") from error
    return paths


def _image(figure: Any, form: str) -> bytes:
    """The same figure gives the same bytes: no date is written into it."""
    stream = BytesIO()
    figure.savefig(stream, format=form, metadata={"Date": None} if form == "svg" else {})
    return stream.getvalue()


def draw(picture: Picture) -> Any:
    """A figure with all panels of a picture."""
    count = len(picture.panels)
    heats = any(isinstance(panel, Heat) for panel in picture.panels)
    columns = min(picture.columns or (1 if heats else 2), count)
    places = [divmod(i, columns) for i in range(count)]
    sizes = [_size(panel) for panel in picture.panels]
    heights = [
        max(size[1] for size, place in zip(sizes, places, strict=True) if place[0] == row)
        for row in range(-(-count // columns))
    ]
    widths = [
        max(size[0] for size, place in zip(sizes, places, strict=True) if place[1] == column)
        for column in range(columns)
    ]
    size = (sum(widths), sum(heights) + 0.4 * heats)
    figure = import_module("matplotlib.figure").Figure(figsize=size, dpi=_DPI, layout="constrained")
    import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    figure.suptitle(_broken(picture.title, size[0], 12), fontsize=12)
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights, width_ratios=widths)
    beside = []
    for i, (panel, (row, column)) in enumerate(zip(picture.panels, places, strict=True)):
        axis = figure.add_subplot(grid[row, column:] if i + 1 == count else grid[row, column])
        axis.set_title(_broken(panel.title, sizes[i][0], 10), fontsize=10)
        axis.set_xlabel(panel.x_label)
        beside.append(_draw(axis, panel))
    equal = any(isinstance(panel, Field | Matrix) for panel in picture.panels)
    settling = [settle for settle in beside if settle]
    if equal or settling:
        _settle(figure, *(_ROUNDS if equal else (1, 1)))
    for settle in settling:
        settle()
    return figure


def _settle(figure: Any, fewest: int, most: int) -> None:
    """Have the axes where they stay, after so many rounds of the layout.

    Axes of an equal aspect shrink in the place that the layout gives them, and it takes their labels for
    smaller by that, so that with such it needs several rounds to come to rest; it may pause at the second.
    """
    for done in range(1, most + 1):
        before = [axis.get_position().bounds for axis in figure.axes]
        figure.get_layout_engine().execute(figure)
        after = [axis.get_position().bounds for axis in figure.axes]
        moved = (abs(a - b) for pair in zip(before, after, strict=True) for a, b in zip(*pair, strict=True))
        if done >= fewest and max(moved) < _REST:
            return


def _broken(title: str, inches: float, points: int) -> str:
    """A title in as many lines as it needs."""
    return textwrap.fill(title, max(int(72 * inches / (_LETTER * points)), 20))


def _size(panel: Panel) -> tuple[float, float]:
    """Width and height in inches that a panel needs, with all that stands around its axes."""
    width, height = _PANEL_INCHES
    match panel:
        case Heat():
            return 1.6 * width, 1.3 + _ROW_INCHES * len(panel.rows)
        case Points():
            return 1.5 * width, 1.6 * height
        case Field() | Matrix():
            return maps.size(panel)
        case Levels():
            return ladders.size(panel)
        case Lines() if curves.beside(panel):
            return width, max(height, ladders.height(len(panel.levels)))
    return width, height


def _draw(axis: Any, panel: Panel) -> Callable[[], None] | None:
    """Draw a panel; what is left to do when the layout is settled."""
    match panel:
        case Lines():
            return curves.lines(axis, panel)
        case Bars():
            _bars(axis, panel)
        case Histogram():
            _histogram(axis, panel)
        case Heat():
            maps.heat(axis, panel)
        case Points():
            _points(axis, panel)
        case Field():
            maps.field(axis, panel)
        case Matrix():
            maps.matrix(axis, panel)
        case Levels():
            return ladders.levels(axis, panel)
    return None


def _bars(axis: Any, panel: Bars) -> None:
    places = range(len(panel.names))
    bars = axis.barh(places, panel.values, color=COLOURS[0])
    axis.set_yticks(places, panel.names)
    axis.invert_yaxis()
    axis.bar_label(bars, panel.notes, padding=4, fontsize=8)
    axis.set_xlim(0, 1.9 * max(panel.values) or 1.0)  # room for the notes
    axis.grid(True, axis="x", alpha=0.3)
    axis.set_axisbelow(True)


def _histogram(axis: Any, panel: Histogram) -> None:
    axis.stairs(panel.counts, panel.edges, fill=True, color=COLOURS[0])
    axis.set_ylabel(panel.y_label)
    looks = zip(cycle(LEVELS), cycle((":", "-", "--")), strict=False)
    for (name, value), (colour, style) in zip(panel.levels.items(), looks, strict=False):
        axis.axvline(value, color=colour, linestyle=style, linewidth=1.3, label=f"{name}: {value:.3g}")
    if panel.log_x:
        curves.logarithmic(axis, "x")
    axis.yaxis.set_major_formatter(curves.thousands())
    axis.legend(fontsize=8, framealpha=0.9)


def _points(axis: Any, panel: Points) -> None:
    counts: Mapping[int, int] = {kind: list(panel.of).count(kind) for kind in set(panel.of)}
    for kind in sorted(counts, key=lambda each: -counts[each]):  # the rare ones on top
        rows = [i for i, each in enumerate(panel.of) if each == kind]
        axis.scatter(
            [panel.x[i] for i in rows], [panel.y[i] for i in rows], s=14, alpha=0.75, linewidths=0,
            color=COLOURS[kind % len(COLOURS)], marker=MARKERS[kind % len(MARKERS)],
            label=f"{panel.classes[kind]} ({len(rows):,})",
        )  # fmt: skip
    axis.set_ylabel(panel.y_label)
    axis.set_aspect("equal", adjustable="datalim")
    axis.grid(True, alpha=0.3)
    axis.figure.legend(loc="outside right upper", fontsize=9, title="next token")
