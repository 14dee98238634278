"""Options that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import MissingPackage
from lior_cli import Callback, layer_options

if TYPE_CHECKING:
    from lior.plots import Picture


config_options = layer_options(
    "Set a key, as in --set potential.delta=0.5; `lior ritz config explain` lists all."
)
"""Adds ``--config`` and ``--set``; :func:`lior_ritz.config.load` takes ``layers`` and ``assignments``."""


def vary_option(metavar: str, help: str) -> Callable[[Callback], Callback]:
    """``--vary``, passed on as ``axes``; :mod:`lior_ritz.cli.varied` reads its texts."""
    return click.option("--vary", "axes", multiple=True, required=True, metavar=metavar, help=help)


def out_option(help: str) -> Callable[[Callback], Callback]:
    """``--out``, a folder."""
    folder = click.Path(path_type=Path, file_okay=False)
    return click.option("--out", type=folder, help=help)


def write_pictures(
    pictures: Callable[[], Iterable[Picture]], out: Path, written: list[Path], *, quiet: bool
) -> None:
    """Write pictures beside what was ``written``, and print the names; without Matplotlib the numbers do."""
    from lior.plots import write_picture

    try:
        for picture in pictures():
            written += write_picture(picture, out / "plots", ("png",))
    except MissingPackage as error:
        click.echo(f"no pictures: {error}", err=True)
    if not quiet:
        click.echo(f"Written: {', '.join(shlex.quote(str(path)) for path in written)}")
