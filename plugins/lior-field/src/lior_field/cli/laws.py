"""``lior field laws``: the dynamics against their laws."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior.errors import RunError
from lior_cli import echo_table, import_torch, json_option


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the pictures of the laws."
)
@json_option
def laws(out: Path | None, as_json: bool) -> None:
    """Check the dynamics against their laws: a table, and pictures with --out.

    Exit code 1 if one is broken.
    """
    import_torch(quiet=as_json)
    from lior.plots import Picture, drawing_library, write_picture
    from lior_field.laws import measure

    if out:
        drawing_library()  # before the work, not after
    groups = measure()
    found = [law for group in groups.values() for law in group]
    if as_json:
        click.echo(json.dumps({law.name: {"measured": law.measured, "bound": law.bound} for law in found}))
    else:
        rows = [[law.name, law.says, f"{law.measured:.1e}", f"{law.bound:g}"] for law in found]
        echo_table(["law", "what", "measured", "at most"], rows)
    for name, group in groups.items():
        if not out:
            break
        title = f"Laws of the field: {name}"
        picture = Picture(name=f"laws-{name}", title=title, panels=[law.panel for law in group])
        for path in write_picture(picture, out, ["png"]):
            click.echo(click.format_filename(path), err=as_json)
    if broken := [law.name for law in found if not law.holds]:
        raise RunError(f"broken: {', '.join(broken)}")
