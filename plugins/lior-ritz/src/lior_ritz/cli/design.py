"""``lior ritz design``: the dot that has what is wanted."""

from __future__ import annotations

import json
import shlex

import click

from lior_cli.options import RealNumber
from lior_cli.systems import Texts, json_option, quiet_option
from lior_cli.terminal import echo_table
from lior_ritz.cli import varied
from lior_ritz.cli.options import config_options, vary_option

_WANT = (
    "A level (E2), a difference (E2-E0) or the splitting (E1-E0), with the unit _meV, _ueV or _E0 behind it, "
    "meV if there is none: splitting_ueV=100, E1-E0_meV=0.2."
)


@click.command()
@vary_option(
    "NAME[=LOW:HIGH],...",
    "Options of the potential that may change, and how far; without a range a fifth to five times the "
    "value that there is.",
)
@click.option("--want", "wants", multiple=True, required=True, metavar="QUANTITY=NUMBER", help=_WANT)
@click.option(
    "--tolerance",
    type=RealNumber(1e-12, 0.1),
    default=1e-7,
    help="How far each quantity may be off, relatively; a level as a share of at least 1 E0.",
)
@config_options
@quiet_option
@json_option
def design(
    axes: Texts, wants: Texts, tolerance: float, layers: Texts, assignments: Texts, quiet: bool, as_json: bool
) -> None:
    """Find the dot that has a wanted splitting.

    The reference's levels follow exact derivatives (Hellmann and Feynman), by the method of Gauss and Newton.
    As many options as quantities are needed to have them all:

    \b
      lior ritz design --vary barrier_meV --want splitting_meV=0.1
      lior ritz design --vary barrier_meV=1:4,delta=0:1 --want E1-E0=1 --want E0=3.03
    """
    from lior_ritz.sweeps.design import design as search

    found = search(varied.ranges(",".join(axes)), wants, *layers, overrides=assignments, tolerance=tolerance)
    if as_json:
        click.echo(json.dumps(found.report()))
        return
    echo_table(["option", "value"], [[name, f"{value:.12g}"] for name, value in found.best.options.items()])
    click.echo()
    rows = [
        [want.quantity, want.unit, f"{want.wanted:.10g}", f"{got:.10g}", f"{bar:.1e}"]
        for want, got, bar in zip(found.wants, found.best.values, found.best.bars, strict=True)
    ]
    echo_table(["quantity", "unit", "wanted", "reference", "error bar"], rows)
    click.echo(f"{len(found.trials)} dots, {found.seconds:.2f} processor seconds")
    if not quiet:
        click.echo("Next: lior ritz run " + " ".join(f"--set {shlex.quote(a)}" for a in found.assignments))
