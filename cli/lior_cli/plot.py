"""``lior plot``: pictures of a run as files, and their numbers as tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import UsageError
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, WholeNumber, device_option, given
from lior_cli.pictures import (
    build_pictures,
    choose_pictures,
    folder_for_files,
    picture_options,
    present_pictures,
    refuse_without_effect,
)
from lior_cli.run_pictures.subjects import PICTURES

if TYPE_CHECKING:
    from lior.plots.panels import Picture

_SAMPLED = ("positions", "resilience", "coordinates")


@click.command()
@click.argument("run", type=RunPath())
@picture_options(PICTURES)
@click.option(
    "--sample",
    type=WholeNumber(min=1),
    default=8192,
    show_default=True,
    help="Number of tokens of the validation text to score, and of stored contexts to show.",
)
@click.option("--quiet", is_flag=True, help="Print no progress.")
@device_option
def plot(
    run: Path,
    out: Path | None,
    only: str | None,
    form: str,
    sample: int,
    text: bool,
    quiet: bool,
    as_json: bool,
    device: str,
) -> None:
    """Draw pictures of a run.

    The numbers of each picture are printed as tables, and the picture is written to a file, whose
    path is printed. A picture that the run has no numbers for is left out; the reason goes to
    standard error.
    """
    names = choose_pictures(only, PICTURES)
    refuse_without_effect(text=text, as_json=as_json)
    _refuse_sample_without_effect(names)
    import_torch(quiet=quiet)
    folder = folder_for_files(run, out, text=text, as_json=as_json)
    pictures, left_out = _pictures(run, names, sample, quiet=quiet, device=device)
    present_pictures(run, pictures, left_out, folder=folder, form=form, as_json=as_json)


def _pictures(
    run: Path, names: Sequence[str], sample: int, *, quiet: bool, device: str
) -> tuple[dict[str, Picture], dict[str, str]]:
    """Return the pictures, and the reasons why others were left out."""
    from lior.plugins.devices import pick_device
    from lior_cli.progress import Progress
    from lior_cli.run_pictures.pictures import open_run, picture

    with Progress(quiet=quiet) as progress:

        def report(done: int, of: int) -> None:
            if done:
                progress.lior_train_step("score", done, of, {})
            else:
                progress.lior_train_stage("score", f"scoring {of:,} tokens")

        plotted = open_run(run, sample=sample, progress=report, device=pick_device(device))
        return build_pictures(names, lambda name: picture(name, plotted))


def _refuse_sample_without_effect(names: Sequence[str]) -> None:
    """Refuse ``--sample`` for pictures that take no sample."""
    if given("sample") and not {*names} & {*_SAMPLED}:
        raise UsageError(f"--sample: {', '.join(names)} takes no sample; {', '.join(_SAMPLED)} do")
