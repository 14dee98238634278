"""Pictures as PNG and SVG files, drawn with Matplotlib.

Matplotlib comes with ``lior[plots]`` and is imported only when something is drawn.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lior.errors import MissingPackage, RunError
from lior.runs.files import PARTIAL

if TYPE_CHECKING:
    from lior.plots.panels import Picture

COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#000000")
"""Told apart with any colour vision (M. Okabe and K. Ito, *Color Universal Design*, 2002)."""
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
"""A marker for each colour, for prints without colours."""
CURVE_COLOURS = (COLOURS[0], COLOURS[3], COLOURS[2], COLOURS[5])
CURVE_STYLES = ("-", "--", ":")
"""The fifth curve has the first colour and the second style."""
LEVEL_COLOURS = COLOURS[4:]

_LETTER = 0.6
"""Width of a letter relative to its height, in most texts."""
_SETTLE_ROUNDS, _AT_REST = (4, 20), 1e-3
"""Fewest and most rounds of the layout, and the share of the figure below which a move is none."""
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
            f"pip install 'lior[plots]', or use --text, which does not need it ({error})"
        ) from error


def write(picture: Picture, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the picture into ``folder`` under its name, replace older files, and return the paths.

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
    """The file as bytes; without a date, so that equal figures give equal bytes."""
    stream = BytesIO()
    figure.savefig(stream, format=form, metadata={"Date": None} if form == "svg" else {})
    return stream.getvalue()


def draw(picture: Picture) -> Any:
    """A Matplotlib figure with all panels of a picture."""
    panels = picture.panels
    columns = min(picture.columns, len(panels))
    places = [divmod(i, columns) for i in range(len(panels))]
    sizes = [panel.inches() for panel in panels]
    widths, heights = [0.0] * columns, [0.0] * (places[-1][0] + 1)
    for (width, height), (row, column) in zip(sizes, places, strict=True):
        widths[column], heights[row] = max(widths[column], width), max(heights[row], height)
    size = (sum(widths), sum(heights))
    figure = import_module("matplotlib.figure").Figure(figsize=size, dpi=_DPI, layout="constrained")
    import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    figure.suptitle(_wrapped(picture.title, size[0], 12), fontsize=12)
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights, width_ratios=widths)
    settling = []
    for i, (panel, (row, column)) in enumerate(zip(panels, places, strict=True)):
        axis = figure.add_subplot(grid[row, column:] if i + 1 == len(panels) else grid[row, column])
        axis.set_title(_wrapped(panel.title, sizes[i][0], 10), fontsize=10)
        if settle := panel.draw(axis):
            settling.append(settle)
    equal = any(panel.equal_aspect for panel in panels)
    if equal or settling:
        _settle(figure, *(_SETTLE_ROUNDS if equal else (1, 1)))
    for settle in settling:
        settle()
    return figure


def _settle(figure: Any, fewest: int, most: int) -> None:
    """Repeat the layout until the axes stay in place.

    Axes of equal aspect shrink within the place that the layout gives them, and the layout then takes their
    labels to be smaller too. So it needs several rounds, and may pause at the second one.
    """
    for done in range(1, most + 1):
        before = [axis.get_position().bounds for axis in figure.axes]
        figure.get_layout_engine().execute(figure)
        after = [axis.get_position().bounds for axis in figure.axes]
        moved = (abs(a - b) for pair in zip(before, after, strict=True) for a, b in zip(*pair, strict=True))
        if done >= fewest and max(moved) < _AT_REST:
            return


def _wrapped(title: str, inches: float, points: int) -> str:
    return textwrap.fill(title, max(int(72 * inches / (_LETTER * points)), 20))


def logarithmic(axis: Any, direction: str, threshold: float | None = None) -> None:
    """Make one axis logarithmic, with plain numbers; those of Matplotlib are formulas.

    Parameters
    ----------
    direction
        ``x`` or ``y``.
    threshold
        The axis is linear from minus this to this number, logarithmic beyond; ``None``: nowhere linear.
    """
    ticks = import_module("matplotlib.ticker")
    scale = axis.xaxis if direction == "x" else axis.yaxis
    if threshold is None:
        axis.set(**{f"{direction}scale": "log"})
        low, high = scale.get_data_interval()
        locator = ticks.LogLocator(subs=(1.0, 2.0, 5.0) if high < 500 * low else (1.0,))
    else:
        getattr(axis, f"set_{direction}scale")("symlog", linthresh=threshold)
        locator = ticks.SymmetricalLogLocator(base=10, linthresh=threshold)
        locator.set_params(numticks=9)
    scale.set_major_locator(locator)
    scale.set_major_formatter(plain_numbers())
    scale.set_minor_formatter(ticks.NullFormatter())


def plain_numbers() -> Any:
    """The formatter of numbers at an axis: separators between thousands, no formulas."""
    return import_module("matplotlib.ticker").FuncFormatter(lambda value, _: f"{value:,.6g}")


def write_numbers(axis: Any, texts: Sequence[Sequence[str]], dark: Sequence[Sequence[bool]]) -> None:
    """Write a text into each cell of a table drawn with ``imshow``, in white where the cell is dark."""
    for i, (row, shades) in enumerate(zip(texts, dark, strict=True)):
        for j, (text, is_dark) in enumerate(zip(row, shades, strict=True)):
            colour = "white" if is_dark else "black"
            axis.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
