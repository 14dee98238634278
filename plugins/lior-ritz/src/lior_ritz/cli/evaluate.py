"""``lior ritz eval``: a run judged anew."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath
from lior_ritz.cli.options import json_option


@click.command("eval")
@click.argument("path", metavar="RUN", type=RunPath())
@click.option(
    "--nq", type=click.IntRange(2, 2000),
    help="Nodes on each axis of the coarser of the two rules; as in the run if not given.",
)  # fmt: skip
@json_option
def evaluate(path: Path, nq: int | None, as_json: bool) -> None:
    """Evaluate a run anew, on nodes as fine as you like."""
    import_torch()
    from lior_ritz.cli.levels import echo_levels
    from lior_ritz.rundir import open_run

    solution, _ = open_run(path, nq=nq)
    if not as_json:
        echo_levels(solution)
        return
    bounds, unit = solution.bounds, solution.problem.units.E0_meV
    report = {
        "run": str(path),
        "nq": solution.evaluation.nq,
        "E0_meV": unit,
        "E_dimless": solution.energies.tolist(),
        "E_meV": solution.energies_meV.tolist(),
        "quadrature_error": solution.evaluation.quadrature_error,
        "bounds": bounds.report(unit),
        "reference": solution.referee.energies[: len(solution.energies)].tolist(),
        "relative_errors": solution.relative_errors.tolist(),
    }
    click.echo(json.dumps(report))
