"""Figures of pictures, and PNG and SVG files of them, with Matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from lior.errors import MissingPackage, RunError, install_hint
from lior.plots.panels import Picture
from lior.runs.files import PARTIAL

_LETTER = 0.6
"""Width of a letter relative to its height, in most texts."""
_DPI = 110


def drawing_library() -> ModuleType:
    """Return Matplotlib.

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
            f"pictures need the package matplotlib, which cannot be imported ({error}): "
            f"{install_hint('plots')}, or use --text, which prints the numbers"
        ) from error


def write_picture(picture: Picture, folder: Path, formats: Sequence[str]) -> list[Path]:
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
    # Names may contain dollars, which are no formulas; the identifiers in an SVG are random without a salt.
    with drawing_library().rc_context({"text.parse_math": False, "svg.hashsalt": picture.name}):
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
    """Return the file as bytes, without a date, so that equal figures give equal bytes."""
    stream = BytesIO()
    figure.savefig(stream, format=form, metadata={"Date": None} if form == "svg" else {})
    return stream.getvalue()


def draw(picture: Picture) -> Any:
    """Return a Matplotlib figure with all panels of a picture."""
    panels = picture.panels
    columns = min(picture.columns, len(panels))
    places = [divmod(i, columns) for i in range(len(panels))]
    sizes = [panel.inches() for panel in panels]
    widths, heights = [0.0] * columns, [0.0] * (places[-1][0] + 1)
    for (width, height), (row, column) in zip(sizes, places, strict=True):
        widths[column], heights[row] = max(widths[column], width), max(heights[row], height)
    size = (sum(widths), sum(heights))
    figure = import_module("matplotlib.figure").Figure(figsize=size, dpi=_DPI, layout="compressed")
    import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    figure.suptitle(_wrap(picture.title, size[0], 12), fontsize=12)
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights, width_ratios=widths)
    finish = []
    for i, (panel, (row, column)) in enumerate(zip(panels, places, strict=True)):
        axis = figure.add_subplot(grid[row, column:] if i + 1 == len(panels) else grid[row, column])
        axis.set_title(_wrap(panel.title, sizes[i][0], 10), fontsize=10)
        if call := panel.draw(axis):
            finish.append(call)
    if finish:
        figure.get_layout_engine().execute(figure)
    for call in finish:
        call()
    return figure


def _wrap(title: str, inches: float, points: int) -> str:
    return textwrap.fill(title, max(int(72 * inches / (_LETTER * points)), 20))
