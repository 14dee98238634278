"""``lior table plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior_cli.pictures import FORMATS, present, refuse_without_effect
from lior_tables.cli.sharing import opened, run_argument

if TYPE_CHECKING:
    from lior.plots.panels import Picture


@click.command()
@run_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pictures; files of the same names are replaced.  [default: RUN/plots]",
)
@click.option(
    "--only",
    metavar="NAME,...",
    help="Pictures: importances, directions, residuals, intervals, calibration, dependence."
    "  [default: all]",
)
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="png", show_default=True,
    help="Kind of files.",
)  # fmt: skip
@click.option(
    "--text", is_flag=True, help="Print the pictures as text, without Matplotlib, and write no files."
)
@click.option(
    "--json", "as_json", is_flag=True,
    help="Print the numbers of the pictures as one JSON object, and nothing else.",
)  # fmt: skip
def plot(run: Path, out: Path | None, only: str | None, form: str, text: bool, as_json: bool) -> None:
    """Draw pictures of the model RUN.

    Which inputs count, along which directions predictions change, how far they are off and how often
    intervals and probabilities are right (each training row left out of its own prediction), and what each
    input does. Each picture is printed as text and written to a file, whose path is printed.
    """
    refuse_without_effect(text=text, as_json=as_json)
    saved, _, task = opened(run)
    from lior.plots import drawing
    from lior.plots.panels import LeftOut
    from lior_tables import pictures

    names = pictures.chosen(only)
    folder = None if text or as_json else out or run / "plots"
    if folder:
        drawing.library()  # before the work, not after
    source = pictures.Source(saved.estimator, task, run.absolute().name[:30])
    found: dict[str, Picture] = {}
    left_out: dict[str, str] = {}
    for name in names:
        try:
            found[name] = pictures.picture(name, source)
        except LeftOut as why:
            left_out[name] = str(why)
    present(run, found, left_out if only else {}, folder=folder, form=form, as_json=as_json)
