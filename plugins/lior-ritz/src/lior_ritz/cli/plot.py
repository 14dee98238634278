"""``lior ritz plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior_cli import (
    RunPath,
    build_pictures,
    choose_pictures,
    folder_for_files,
    picture_options,
    present_pictures,
    refuse_without_effect,
)
from lior_ritz.cli.threads import import_torch_for

if TYPE_CHECKING:
    from lior.plots import Picture
    from lior_ritz.training.solution import Solution

_KNOWN = ("such as convergence or psi_state_0", "psi_state for those of all states")


@click.command()
@click.argument("run", type=RunPath())
@picture_options(_KNOWN)
def plot(run: Path, out: Path | None, only: str | None, form: str, text: bool, as_json: bool) -> None:
    """Draw the pictures of a run.

    Each picture is printed as text and written to a file, whose path is printed. A picture that
    the run has no numbers for is left out; the reason goes to standard error. With --json the
    numbers of the pictures are printed.
    """
    refuse_without_effect(text=text, as_json=as_json)
    import_torch_for(run)
    from lior_ritz.runs.folder import open_run

    folder = folder_for_files(run, out, text=text, as_json=as_json)
    pictures, left_out = draw(run, *open_run(run), only)
    present_pictures(run, pictures, left_out, folder=folder, form=form, as_json=as_json)


def draw(
    run: Path, solution: Solution, history: list[dict[str, Any]], only: str | None = None
) -> tuple[dict[str, Picture], dict[str, str]]:
    """The pictures of a run, and why others were left out."""
    from lior_ritz.reports.pictures import PictureSource, expand, names, names_of, picture

    label = "".join(c if c.isprintable() else "?" for c in run.absolute().name)[:30]
    count = len(solution.energies)
    wanted = names_of(solution) if only is None else choose_pictures(expand(only, count), names(count))
    source = PictureSource(solution=solution, history=history, label=label)
    return build_pictures(wanted, lambda name: picture(name, source))
