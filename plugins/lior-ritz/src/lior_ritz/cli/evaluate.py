"""``lior ritz eval``: a run evaluated anew."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior_cli import RunPath, WholeNumber, json_option
from lior_ritz.cli.threads import import_torch_for


@click.command("eval")
@click.argument("path", metavar="RUN", type=RunPath())
@click.option(
    "--nq",
    type=WholeNumber(2, 2000),
    help="Nodes on each axis of the coarser of two rules, to begin with: both are refined until they agree; "
    "as in the run if not given.",
)
@json_option
def evaluate(path: Path, nq: int | None, as_json: bool) -> None:
    """Evaluate a run anew, on nodes as fine as you like."""
    import_torch_for(path)
    from lior_ritz.cli.levels import echo_levels
    from lior_ritz.reports.artefacts import levels
    from lior_ritz.runs.folder import open_run

    solution, _ = open_run(path, nq=nq)
    net = solution.network
    if as_json:
        report = {
            "run": str(path),
            "nq": net and net.evaluation.nq,
            "levels": levels(solution),
            "quadrature_error_E0": net and net.evaluation.quadrature_error,
            "missed": list(solution.missed),
        }
        click.echo(json.dumps(report))
    else:
        echo_levels(solution)
    if solution.doubtful:
        click.get_current_context().exit(1)
