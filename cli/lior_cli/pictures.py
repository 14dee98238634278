"""Pictures as the output of a command: as files, as tables of their numbers, or as JSON."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from platformdirs import user_cache_path

from lior.errors import RunError, UsageError, did_you_mean, sentences
from lior_cli.options import given
from lior_cli.terminal import echo_table

if TYPE_CHECKING:
    from lior.plots.panels import Picture

Callback = Callable[..., Any]

FORMATS = {"png": ("png",), "svg": ("svg",), "both": ("png", "svg")}
"""The kinds of files for each value of ``--format``."""
_FONTS = "MPLCONFIGDIR"
_FOR_FILES = {
    "out": "--out is a folder for files",
    "form": "--format is the kind of the files",
    "text": "--text prints tables",
}
_INSTEAD = {"--text": "writes no files", "--json": "prints numbers and nothing else"}


def picture_options(known: Collection[str] = ()) -> Callable[[Callback], Callback]:
    """Add the options of a command that draws the pictures ``known`` of a run; none means a single one.

    The command gets them as ``out``, ``only`` (not for a single picture), ``form``, ``text`` and ``as_json``.
    """
    only = click.option("--only", metavar="NAME,...", help=f"Pictures: {', '.join(known)}.  [default: all]")
    options = (
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder for the pictures; files of the same names are replaced.  [default: RUN/plots]",
        ),
        *([only] if known else []),
        click.option(
            "--format",
            "form",
            type=click.Choice(list(FORMATS)),
            default="png",
            show_default=True,
            help="Kind of files.",
        ),
        click.option(
            "--text", is_flag=True, help="Print the tables only: write no files, and need no Matplotlib."
        ),
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="Print the numbers of the pictures as one JSON object, and nothing else.",
        ),
    )
    return lambda command: functools.reduce(lambda made, option: option(made), reversed(options), command)


def choose_pictures(only: str | None, known: Collection[str]) -> list[str]:
    """Return the names in the comma-separated list ``only``, each once; ``None`` is all.

    Raises
    ------
    UsageError
        When there is no picture of a name.
    """
    names = list(known) if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
            raise UsageError(sentences(f"--only: no picture {name!r}.", hint))
    return list(dict.fromkeys(names))


def folder_for_files(run: Path, out: Path | None, *, text: bool, as_json: bool) -> Path | None:
    """Return the folder for files, or ``None`` if no files are written.

    Raises
    ------
    MissingPackage
        When there will be files and Matplotlib is not installed.
    """
    if text or as_json:
        return None
    from lior.plots import figures

    with _own_list_of_fonts():
        figures.drawing_library()
    return out or run / "plots"


@contextlib.contextmanager
def _own_list_of_fonts() -> Iterator[None]:
    """Context manager: let Matplotlib, imported inside, keep its list of fonts in lior's cache.

    Otherwise Matplotlib keeps the list in a folder of its own below the home directory.
    """
    if _FONTS in os.environ:
        yield
        return
    os.environ[_FONTS] = str(user_cache_path("lior", appauthor=False) / "matplotlib")
    try:
        yield
    finally:
        del os.environ[_FONTS]


def build_pictures(
    names: Iterable[str], build: Callable[[str], Picture]
) -> tuple[dict[str, Picture], dict[str, str]]:
    """Return the pictures by name, and the reasons why others were left out."""
    from lior.plots.panels import LeftOut

    found: dict[str, Picture] = {}
    left_out: dict[str, str] = {}
    for name in names:
        try:
            found[name] = build(name)
        except LeftOut as why:
            left_out[name] = str(why)
    return found, left_out


def refuse_without_effect(*, text: bool, as_json: bool) -> None:
    """Refuse options of the current command that would have no effect.

    These are ``out`` and ``form`` (the parameter of ``--format``) with ``--text``, and these and ``text``
    with ``--json``.

    Raises
    ------
    UsageError
        Naming both options.
    """
    instead = "--json" if as_json else "--text" if text else ""
    for name, purpose in _FOR_FILES.items():
        if given(name) and instead and instead != "--text" * (name == "text"):
            raise UsageError(f"{purpose}, and {instead} {_INSTEAD[instead]}; leave out one of them")


def present_pictures(
    run: Path,
    pictures: Mapping[str, Picture],
    left_out: Mapping[str, str],
    *,
    folder: Path | None,
    form: str,
    as_json: bool,
) -> None:
    """Print the numbers of the pictures of a run as tables, and write their files.

    Parameters
    ----------
    left_out
        The reason why each missing picture was left out, by name; printed on standard error.
    folder
        Folder for the files, whose paths are printed; ``None``: no files.
    form
        A key of :data:`FORMATS`.
    as_json
        Print the numbers as one JSON object, and nothing else.

    Raises
    ------
    RunError
        When there is no picture, or the folder cannot be written.
    MissingPackage
        When files are asked for and Matplotlib is not installed.
    """
    if not pictures:
        raise RunError(f"{run}: nothing to draw; {'; '.join(_reasons(left_out))}")
    if as_json:
        found = {name: picture.summary() for name, picture in pictures.items()}
        click.echo(json.dumps({"run": str(run), "pictures": found, "left_out": dict(left_out)}))
        return
    from lior.plots import figures

    for picture in pictures.values():
        _show(picture)
        if folder:
            for path in figures.write_picture(picture, folder, FORMATS[form]):
                click.echo(click.format_filename(path))
        click.echo()
    for line in _reasons(left_out):
        click.echo(f"left out: {line}", err=True)


def _reasons(left_out: Mapping[str, str]) -> Sequence[str]:
    """Return the pictures that were left out, a line for each reason."""
    return [
        f"{', '.join(name for name, other in left_out.items() if other == why)}: {why}"
        for why in dict.fromkeys(left_out.values())
    ]


def _show(picture: Picture) -> None:
    click.echo(picture.title)
    for panel in picture.panels:
        table = panel.table()
        click.echo(f"\n{panel.title}")
        if table.rows:
            echo_table(table.header, table.rows)
        for note in table.notes:
            click.echo(note)
