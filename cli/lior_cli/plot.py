"""``lior plot``: pictures of a run, as files and as sketches in the terminal."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from lior._suggest import did_you_mean, sentences
from lior.errors import RunError, UsageError
from lior.plots import PICTURES
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, device_option

if TYPE_CHECKING:
    from lior.plots.panels import Picture

_FORMATS = {"png": ("png",), "svg": ("svg",), "both": ("png", "svg")}
_WIDEST = 100
_SAMPLED = ("positions", "resilience", "coordinates")
_IDLE = {
    "out": "--out is a folder for files",
    "form": "--format is of files",
    "text": "--text prints sketches",
}
_INSTEAD = {"--text": "writes none", "--json": "prints numbers and nothing else"}


@click.command()
@click.argument("run", type=RunPath())
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pictures; those of the same names in it are replaced.  [default: RUN/plots]",
)
@click.option("--only", metavar="NAME,...", help=f"Pictures: {', '.join(PICTURES)}.  [default: all]")
@click.option(
    "--format", "form", type=click.Choice(list(_FORMATS)), default="png", show_default=True,
    help="Kind of files.",
)  # fmt: skip
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=8192,
    show_default=True,
    help="Tokens of the validation text that are scored, and stored contexts that are looked at.",
)
@click.option("--text", is_flag=True, help="Print the sketches and write no files; needs no Matplotlib.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the numbers behind the pictures as one JSON object, no more.",
)
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

    Each picture is sketched in characters and written to a file, whose path is printed. What a
    run has no numbers for is left out, and why is said on standard error.
    """
    names = _chosen(only)
    _refuse_idle_options("--json" if as_json else "--text" if text else "", names)
    import_torch()
    from lior.plots import drawing

    folder = None if text or as_json else out or run / "plots"
    if folder:
        drawing.library()  # before the work, not after
    pictures, left_out = _pictures(run, names, sample, quiet=quiet, device=device)
    if as_json:
        found = {name: picture.summary() for name, picture in pictures.items()}
        click.echo(json.dumps({"run": str(run), "pictures": found, "left_out": left_out}))
        return
    for picture in pictures.values():
        _show(picture)
        if folder:
            for path in drawing.write(picture, folder, _FORMATS[form]):
                click.echo(click.format_filename(path))
        click.echo()
    for line in _reasons(left_out):
        click.echo(f"left out: {line}", err=True)


def _pictures(
    run: Path, names: Sequence[str], sample: int, *, quiet: bool, device: str
) -> tuple[dict[str, Picture], dict[str, str]]:
    """The pictures, and why others were left out.

    Raises
    ------
    RunError
        When there is none at all.
    """
    from lior.device import pick_device
    from lior.plots.panels import LeftOut
    from lior.plots.pictures import open_source, picture
    from lior_cli.progress import Progress

    pictures: dict[str, Picture] = {}
    left_out: dict[str, str] = {}
    with Progress(quiet=quiet) as progress:

        def tick(done: int, of: int) -> None:
            if done:
                progress.lior_train_window("score", done, of, {})
            else:
                progress.lior_train_stage("score", f"scoring {of:,} tokens")

        source = open_source(run, sample=sample, tick=tick, device=pick_device(device))
        for name in names:
            try:
                pictures[name] = picture(name, source)
            except LeftOut as why:
                left_out[name] = str(why)
    if not pictures:
        raise RunError(f"{run}: nothing to draw; {'; '.join(_reasons(left_out))}")
    return pictures, left_out


def _reasons(left_out: dict[str, str]) -> list[str]:
    """The pictures that were left out, with each reason once."""
    return [
        f"{', '.join(name for name, other in left_out.items() if other == why)}: {why}"
        for why in dict.fromkeys(left_out.values())
    ]


def _show(picture: Picture) -> None:
    from lior.plots.sketch import carries_blocks, sketch

    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    click.echo(sketch(picture, width=width, blocks=carries_blocks(sys.stdout.encoding)))


def _chosen(only: str | None) -> list[str]:
    if only is None:
        return list(PICTURES)
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in PICTURES:
            hint = did_you_mean(name, PICTURES) or f"There are {', '.join(PICTURES)}."
            raise UsageError(sentences(f"--only: no picture {name!r}.", hint))
    return list(dict.fromkeys(names))


def _refuse_idle_options(instead: str, names: Sequence[str]) -> None:
    """Options of what is not done would change nothing."""
    source = click.get_current_context().get_parameter_source
    given = [
        name for name in ("out", "form", "text", "sample") if source(name) is ParameterSource.COMMANDLINE
    ]
    for name in given:
        if instead and name in _IDLE and instead != "--text" * (name == "text"):
            raise UsageError(f"{_IDLE[name]}, and {instead} {_INSTEAD[instead]}; leave out one of them")
    if "sample" in given and not {*names} & {*_SAMPLED}:
        raise UsageError(f"--sample: {', '.join(names)} takes no sample; {', '.join(_SAMPLED)} do")
