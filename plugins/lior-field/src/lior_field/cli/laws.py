"""``lior field laws``: the dynamics against their laws."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior.errors import RunError
from lior_cli.interrupts import import_torch
from lior_cli.terminal import echo_table


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for a picture of all laws."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def laws(out: Path | None, as_json: bool) -> None:
    """Check the dynamics against their laws: a table, and a picture with --out.

    Exit code 1 if one is broken.
    """
    import_torch(quiet=as_json)
    from lior.plots import drawing
    from lior.plots.panels import Picture
    from lior_field.laws import measure

    if out:
        drawing.library()  # before the work, not after
    found = measure()
    if as_json:
        click.echo(json.dumps({law.name: {"measured": law.measured, "bound": law.bound} for law in found}))
    else:
        rows = [[law.name, law.says, f"{law.measured:.1e}", f"{law.bound:g}"] for law in found]
        echo_table(["law", "what", "measured", "at most"], rows)
    if out:
        picture = Picture(name="laws", title="Laws of the field", panels=[law.panel for law in found])
        for path in drawing.write(picture, out, ["png"]):
            click.echo(click.format_filename(path), err=as_json)
    if broken := [law.name for law in found if not law.holds]:
        raise RunError(f"broken: {', '.join(broken)}")
