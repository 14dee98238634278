"""``lior table plot``."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from lior_cli import (
    build_pictures,
    choose_pictures,
    folder_for_files,
    picture_options,
    present_pictures,
    refuse_without_effect,
)
from lior_tables.cli.sharing import opened, run_argument

PICTURES = ("importances", "residuals", "intervals", "calibration", "dependence")


@click.command()
@run_argument
@picture_options(PICTURES)
def plot(run: Path, out: Path | None, only: str | None, form: str, text: bool, as_json: bool) -> None:
    """Draw pictures of the model RUN.

    The pictures show which inputs count, the errors of predictions, how often intervals and probabilities
    are right, and the effect of each input. Each training row is left out of its own prediction. Each
    picture is printed as text and written to a file, whose path is printed.
    """
    names = choose_pictures(only, PICTURES)
    refuse_without_effect(text=text, as_json=as_json)
    estimator, _, task = opened(run)
    from lior_tables import pictures

    folder = folder_for_files(run, out, text=text, as_json=as_json)
    source = pictures.FigureSource(estimator, task, run.absolute().name[:30])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on columns are of rows that the user gives
        found, left_out = build_pictures(names, lambda name: pictures.picture(name, source))
    present_pictures(run, found, left_out if only else {}, folder=folder, form=form, as_json=as_json)
