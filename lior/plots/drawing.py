"""Pictures drawn with Matplotlib, as PNG and SVG.

Matplotlib is imported in here only when something is drawn; it comes with ``lior[plots]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import BytesIO
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import Any

from lior.durable import PARTIAL
from lior.errors import MissingPackage, RunError
from lior.plots.panels import Bars, Heat, Histogram, Lines, Panel, Picture, Points

COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#000000")
"""Told apart with any colour vision (M. Okabe and K. Ito, *Color Universal Design*, 2002)."""
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
"""The same classes once more, for a print without colours."""

_CURVES = (COLOURS[0], COLOURS[3], COLOURS[2], COLOURS[5])
_PANEL_INCHES = (6.2, 3.6)
_ROW_INCHES = 0.42
"""Height of a row of a heat map."""
_NUMBERED = 24
"""Most columns of a heat map with its numbers written into it."""
_MARKED = 40
"""Most points of a curve that are marked each."""
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
    heats = [panel for panel in picture.panels if isinstance(panel, Heat)]
    count = len(picture.panels)
    columns = 1 if heats or count == 1 else 2
    rows = -(-count // columns)
    width, height = _PANEL_INCHES
    size, heights = (columns * width, rows * height), [1.0] * rows
    if heats:
        heights = [1.3 + _ROW_INCHES * len(panel.rows) for panel in heats]
        size = (1.6 * width, sum(heights) + 0.4)
    elif isinstance(picture.panels[0], Points):
        size = (1.5 * width, 1.6 * height)
    figure = import_module("matplotlib.figure").Figure(figsize=size, dpi=_DPI, layout="constrained")
    import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    figure.suptitle(picture.title, fontsize=12)
    grid = figure.add_gridspec(rows, columns, height_ratios=heights)
    for i, panel in enumerate(picture.panels):
        row, column = divmod(i, columns)
        axis = figure.add_subplot(grid[row, column:] if i + 1 == count else grid[row, column])
        axis.set_title(panel.title, fontsize=10)
        axis.set_xlabel(panel.x_label)
        _draw(axis, panel)
    return figure


def _draw(axis: Any, panel: Panel) -> None:
    match panel:
        case Lines():
            _lines(axis, panel)
        case Bars():
            _bars(axis, panel)
        case Histogram():
            _histogram(axis, panel)
        case Heat():
            _heat(axis, panel)
        case Points():
            _points(axis, panel)


def _lines(axis: Any, panel: Lines) -> None:
    for curve, colour in zip(panel.curves, cycle(_CURVES), strict=False):
        style = "." if panel.dots else ".-" if len(curve.x) <= _MARKED else "-"
        axis.plot(curve.x, curve.y, style, color=colour, label=curve.name)
        if curve.error:
            low = [y - e for y, e in zip(curve.y, curve.error, strict=True)]
            high = [y + e for y, e in zip(curve.y, curve.error, strict=True)]
            axis.fill_between(
                curve.x, low, high, color=colour, alpha=0.25, linewidth=0, label="± 1 standard error"
            )
    for (name, value), colour in zip(panel.levels.items(), cycle(COLOURS[4:]), strict=False):
        axis.axhline(value, color=colour, linestyle="--", linewidth=1, label=f"{name}: {value:.3f}")
    if panel.log_x:
        _logarithmic(axis, "x")
    else:
        axis.xaxis.set_major_formatter(_thousands())
        axis.locator_params(axis="x", nbins=6)
    if panel.log_y:
        _logarithmic(axis, "y")
    else:
        axis.ticklabel_format(axis="y", useOffset=False)
    axis.set_ylabel(panel.y_label)
    axis.grid(True, alpha=0.3)
    if len(panel.curves) > 1 or panel.levels or panel.curves[0].error:
        axis.legend(fontsize=8, framealpha=0.9)


def _logarithmic(axis: Any, direction: str) -> None:
    """Have a logarithmic axis with plain numbers; Matplotlib's are formulas."""
    ticks = import_module("matplotlib.ticker")
    axis.set(**{f"{direction}scale": "log"})
    scale = axis.xaxis if direction == "x" else axis.yaxis
    low, high = scale.get_data_interval()
    scale.set_major_locator(ticks.LogLocator(subs=(1.0, 2.0, 5.0) if high < 500 * low else (1.0,)))
    scale.set_major_formatter(_thousands())
    scale.set_minor_formatter(ticks.NullFormatter())


def _thousands() -> Any:
    return import_module("matplotlib.ticker").FuncFormatter(lambda value, _: f"{value:,.6g}")


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
    looks = zip(cycle(COLOURS[4:]), cycle((":", "-", "--")), strict=False)
    for (name, value), (colour, style) in zip(panel.levels.items(), looks, strict=False):
        axis.axvline(value, color=colour, linestyle=style, linewidth=1.3, label=f"{name}: {value:.3g}")
    if panel.log_x:
        _logarithmic(axis, "x")
    axis.yaxis.set_major_formatter(_thousands())
    axis.legend(fontsize=8, framealpha=0.9)


def _heat(axis: Any, panel: Heat) -> None:
    most = max(abs(value) for row in panel.values for value in row) or 1.0
    image = axis.imshow(
        panel.values, aspect="auto", cmap="PuOr", vmin=-most, vmax=most, interpolation="nearest"
    )
    axis.set_yticks(range(len(panel.rows)), panel.rows)
    axis.locator_params(axis="x", integer=True)
    axis.figure.colorbar(image, ax=axis, label=panel.unit, pad=0.01)
    if len(panel.values[0]) > _NUMBERED:
        return
    axis.set_xticks(range(len(panel.values[0])))
    decimals = min(max(2 - math.floor(math.log10(most)), 0), 6)  # three digits of the greatest
    for i, row in enumerate(panel.values):
        for j, value in enumerate(row):
            text = f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0, lest -0.00 stands there
            colour = "white" if abs(value) > 0.6 * most else "black"
            axis.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)


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
