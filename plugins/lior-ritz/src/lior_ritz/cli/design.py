"""``lior ritz design``: the dot that has what is wanted."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click

from lior.errors import Interrupted, Stopped
from lior_cli.interrupts import Stop
from lior_cli.options import RealNumber
from lior_cli.progress import Progress
from lior_cli.terminal import echo_table
from lior_ritz.cli import varied
from lior_ritz.cli.options import config_options, json_option, quiet_option
from lior_ritz.cli.threads import import_torch
from lior_ritz.cli.watching import Watch

if TYPE_CHECKING:
    from lior_ritz.design import Design
    from lior_ritz.training import Trainer


@click.command()
@click.option(
    "--vary",
    "options",
    multiple=True,
    required=True,
    metavar="NAME[=LOW:HIGH],...",
    help="Options of the potential that may change, and how far; without a range a fifth to five times the "
    "value that there is.",
)
@click.option(
    "--want",
    "wants",
    multiple=True,
    required=True,
    metavar="QUANTITY=NUMBER",
    help="A level (E2), a difference (E2-E0) or the splitting (E1-E0), with the unit _meV, _ueV or _E0 "
    "behind it, meV if there is none: splitting_ueV=100, E1-E0_meV=0.2.",
)
@click.option(
    "--tolerance",
    type=RealNumber(1e-12, 0.1),
    default=1e-7,
    show_default=True,
    help="How far each quantity may be off, relatively; a level as a share of at least 1 E0.",
)
@config_options
@quiet_option
@json_option
def design(
    options: tuple[str, ...],
    wants: tuple[str, ...],
    tolerance: float,
    layers: tuple[str, ...],
    assignments: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Find the dot that has a wanted splitting.

    Levels follow exact derivatives (Hellmann and Feynman), by Newton's method for one option and
    one quantity, by that of Gauss and Newton for several. Every dot that is tried goes on from the
    network of the one before, and the referee checks the last. As many options as quantities are
    needed to have them all:

    \b
      lior ritz design --vary barrier_meV --want splitting_meV=0.1
      lior ritz design --vary barrier_meV=1:4,delta=0:1 --want E1-E0=1 --want E0=3.03
    """
    import_torch()
    from lior_ritz.design import design as search
    from lior_ritz.wants import Want

    vary = varied.ranges(",".join(options))
    wanted = [Want.parse(text) for text in wants]
    progress = Progress(quiet=quiet)
    stop = Stop(progress.note)
    shown = Watch(progress, stop)

    def watch(number: int, dot: dict[str, float], trainer: Trainer) -> None:
        shown(f"dot {number + 1}", dot, trainer)

    try:
        with progress:
            stop.lior_train_start()
            found = search(vary, wanted, *layers, overrides=assignments, tolerance=tolerance, watch=watch)
    except Stopped as error:
        raise Interrupted(str(error), 128 + stop.signal) from None
    finally:
        stop.withdraw()
    if as_json:
        click.echo(json.dumps(found.report()))
    else:
        _report(found, quiet=quiet)


def _report(found: Design, *, quiet: bool) -> None:
    echo_table(["option", "value"], [[name, f"{value:.12g}"] for name, value in found.found.items()])
    click.echo()
    rows = []
    for want, got, exact in zip(found.wants, found.got, found.referee, strict=True):
        share = abs(exact - want.wanted) / abs(want.wanted) if want.wanted else abs(exact)
        rows.append(
            [want.quantity, want.unit, f"{want.wanted:.10g}", f"{got:.10g}", f"{exact:.10g}", f"{share:.1e}"]
        )
    echo_table(["quantity", "unit", "wanted", "network", "referee", "referee off by"], rows)
    if not found.confirmed:
        click.echo("WARNING: the referee does not agree; do not use this dot")
    steps = sum(trial.steps for trial in found.trials)
    click.echo(f"{len(found.trials)} dots, {steps:,} steps, {found.seconds:.1f} processor seconds")
    if not quiet:
        click.echo("Next: lior ritz run " + " ".join(f"--set {shlex.quote(a)}" for a in found.assignments))
