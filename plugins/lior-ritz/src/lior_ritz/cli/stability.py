"""``lior ritz stability``: the charges that two gates hold."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior_cli import Texts, folder_for_files, json_option, present_pictures
from lior_ritz.cli import varied
from lior_ritz.cli.options import config_options, out_option, vary_option

_NAME = "stability"


@click.command()
@vary_option(
    "NAME=LOW:HIGH:COUNT",
    "An option of the potential, such as a gate, and its values; twice, the first along x.",
)
@click.option(
    "--level",
    type=float,
    required=True,
    help="Chemical potential of the reservoir in meV, on the scale of the potential.",
)
@config_options
@out_option("Directory for stability.json, with all energies, and, without --json, the picture.")
@json_option
def stability(
    axes: Texts, level: float, layers: Texts, assignments: Texts, out: Path | None, as_json: bool
) -> None:
    """Draw the charge stability of up to two electrons over two gates, or other options of a dot.

    At each place the ground states of no, one and two electrons are computed with their full repulsion. The
    reservoir fills the dot with the number of electrons that costs least:

    \b
      lior ritz stability --config device.toml --vary left=0:20:41 --vary right=0:20:41 --level 3
    """
    from lior.errors import RunError
    from lior.runs.folder import RunFolder
    from lior_ritz.electrons.stability import picture
    from lior_ritz.electrons.stability import stability as worked_out

    # Before the work, not after.
    folder = folder_for_files(out or Path(), None, text=not out, as_json=as_json)
    pairs = [varied.axis(text) for text in axes]
    found = worked_out(pairs, *layers, overrides=assignments, level_meV=level)
    report = found.report()
    if out:
        RunFolder.create(out, {f"{_NAME}.json": json.dumps(report) + "\n"}).close()
    if as_json:
        click.echo(json.dumps(report))
        return
    present_pictures(out or Path(), {_NAME: picture(found)}, {}, folder=folder, form="png", as_json=False)
    one, two = report["above_own_orbitals_meV"]
    click.echo(
        f"{found.electrons.size} places, {found.functions} functions, {found.seconds:.1f} processor seconds; "
        f"elsewhere E(1) lies {one:.1e} and E(2) {two:.1e} meV above their values in 28 orbitals of its own"
    )
    if not 0 < found.electrons.mean() < 2:
        first, second = (table[0][0] for table in report["mu_meV"])
        raise RunError(
            f"the dot has {found.electrons.flat[0]} electrons everywhere; choose another --level: at the "
            f"first place they enter at {first:.6g} and {second:.6g} meV"
        )
