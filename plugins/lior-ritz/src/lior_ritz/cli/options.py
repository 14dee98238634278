"""Options that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import MissingPackage

if TYPE_CHECKING:
    from lior.plots.panels import Picture

Callback = Callable[..., Any]


def config_options(command: Callback) -> Callback:
    """Add ``--config`` and ``--set``; the command gets ``layers`` and ``assignments``, tuples of texts that
    :func:`lior_ritz.config.load` takes as they are."""
    command = click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE",
        help="Set a key, as in --set potential.delta=0.5; `lior ritz config explain` lists all.",
    )(command)  # fmt: skip
    return click.option(
        "--config", "layers", multiple=True, metavar="FILE|NAME",
        help="A TOML or JSON file, or a shipped recipe; several are laid over one another, the last on top.",
    )(command)  # fmt: skip


quiet_option = click.option("--quiet", is_flag=True, help="Print no progress.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, no more.")


def write_pictures(
    pictures: Callable[[], Iterable[Picture]], out: Path, written: list[Path], *, quiet: bool
) -> None:
    """Write pictures beside what was ``written``, and print the names; without Matplotlib the numbers do."""
    from lior.plots import figures

    try:
        for picture in pictures():
            written += figures.write(picture, out / "plots", ("png",))
    except MissingPackage as error:
        click.echo(f"no pictures: {error}", err=True)
    if not quiet:
        click.echo(f"Written: {', '.join(shlex.quote(str(path)) for path in written)}")
