"""``lior bench attack``."""

from __future__ import annotations

import sys
from importlib import import_module

import click

ATTACKS = ("files", "mutations", "flips", "simulation", "load")
"""Modules, each with ``run(seed, sample, *, count, only)``, which yields a line for each fault."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("attacks", nargs=-1, type=click.Choice(ATTACKS))
@click.option("--seed", default=1, show_default=True, help="Of what is drawn at random.")
@click.option("--sample", is_flag=True, help="Only the fixed part that CI runs.")
@click.option("--count", default=0, help="Of what is drawn at random; 0 stands for as many as usual.")
@click.option("--only", default="", help="Only files whose name contains this.")
@click.option("--minutes", default=0.0, help="Duration of `load`, instead of a count.")
def main(attacks: tuple[str, ...], seed: int, sample: bool, count: int, only: str, minutes: float) -> None:
    """Attack lior, and print what should not have happened.

    Without a name all attacks run. The exit code is 1 when anything failed; the line of a failure has what
    repeats it.
    """
    failed = 0
    for name in attacks or ATTACKS:
        begin, given = failed, {"minutes": minutes} if name == "load" else {}
        attack = import_module(f"lior_bench.attack.{name}").run
        for fault in attack(seed, sample, count=count, only=only, **given):
            failed += 1
            click.echo(fault)
        click.echo(f"{name}: {failed - begin} faults")
    sys.exit(failed > 0)
