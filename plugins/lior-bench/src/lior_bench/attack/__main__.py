"""Attack lior, and print what should not have happened.

    python -m lior_bench.attack [--seed 1] [--sample] [files|mutations ...]

Without a name all attacks run; `--sample` is the fixed part that CI runs. The exit code is 1 when anything
failed. The line of a failure has what repeats it.
"""

from __future__ import annotations

import sys

import click

from lior_bench.attack.files import attacked, every_case


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("attacks", nargs=-1)
@click.option("--sample", is_flag=True, help="Only the fixed part that CI runs.")
@click.option("--only", help="Only files whose name contains this.")
def main(attacks: tuple[str, ...], sample: bool, only: str | None) -> None:
    """Attack lior, and print what should not have happened."""
    failed = 0
    for each in every_case().values():
        if (sample and not each.sample) or (only and only not in each.file):
            continue
        outcome = attacked(each)
        failed += bool(outcome.faults)
        told = "; ".join(outcome.faults) or "ok"
        click.echo(f"{outcome.file:40} {outcome.seconds:6.1f} s {outcome.memory >> 20:6} MB  {told}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
