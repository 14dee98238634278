"""How a command brings pictures to its user: as sketches, as files, or as their numbers."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from lior.errors import RunError, UsageError

if TYPE_CHECKING:
    from lior.plots.panels import Picture

FORMATS = {"png": ("png",), "svg": ("svg",), "both": ("png", "svg")}
"""Value of ``--format`` -> the kinds of files."""
_WIDEST = 100
_IDLE = {
    "out": "--out is a folder for files",
    "form": "--format is of files",
    "text": "--text prints sketches",
}
_INSTEAD = {"--text": "writes none", "--json": "prints numbers and nothing else"}


def refuse_idle(*, text: bool, as_json: bool) -> None:
    """Refuse options of what is not done, which would change nothing.

    Of the present command: ``out`` and ``form`` (the parameter of ``--format``) with ``--text``, and these
    and ``text`` with ``--json``.

    Raises
    ------
    UsageError
        Naming both options.
    """
    instead = "--json" if as_json else "--text" if text else ""
    source = click.get_current_context().get_parameter_source
    for name, what in _IDLE.items():
        given = source(name) is ParameterSource.COMMANDLINE
        if given and instead and instead != "--text" * (name == "text"):
            raise UsageError(f"{what}, and {instead} {_INSTEAD[instead]}; leave out one of them")


def bring(
    run: Path,
    pictures: Mapping[str, Picture],
    left_out: Mapping[str, str],
    *,
    folder: Path | None,
    form: str,
    as_json: bool,
) -> None:
    """Print the pictures of a run and write their files.

    Parameters
    ----------
    left_out
        Name of a picture -> why there is none; said on standard error.
    folder
        For files, whose paths are printed; ``None`` writes none.
    form
        A name of :data:`FORMATS`.
    as_json
        Print the numbers as one JSON object, and nothing else.

    Raises
    ------
    RunError
        When there is no picture, or the folder cannot be written.
    MissingPackage
        When there is a folder, and no Matplotlib.
    """
    if not pictures:
        raise RunError(f"{run}: nothing to draw; {'; '.join(_reasons(left_out))}")
    if as_json:
        found = {name: picture.summary() for name, picture in pictures.items()}
        click.echo(json.dumps({"run": str(run), "pictures": found, "left_out": dict(left_out)}))
        return
    from lior.plots import drawing

    for picture in pictures.values():
        _show(picture)
        if folder:
            for path in drawing.write(picture, folder, FORMATS[form]):
                click.echo(click.format_filename(path))
        click.echo()
    for line in _reasons(left_out):
        click.echo(f"left out: {line}", err=True)


def _reasons(left_out: Mapping[str, str]) -> Sequence[str]:
    """The pictures that were left out, with each reason once."""
    return [
        f"{', '.join(name for name, other in left_out.items() if other == why)}: {why}"
        for why in dict.fromkeys(left_out.values())
    ]


def _show(picture: Picture) -> None:
    from lior.plots.sketch import carries_blocks, sketch

    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    click.echo(sketch(picture, width=width, blocks=carries_blocks(sys.stdout.encoding)))
