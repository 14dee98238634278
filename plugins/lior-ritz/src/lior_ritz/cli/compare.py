"""``lior ritz compare``: runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lior_cli.options import RunPath
from lior_cli.systems import json_option
from lior_cli.terminal import echo_table
from lior_ritz.cli.threads import import_torch

_HEAD = ["run", "problem", "largest error", "splitting", "bounds, meV", "steps", "cpu s", "reference, s"]


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=RunPath())
@json_option
def compare(paths: tuple[Path, ...], as_json: bool) -> None:
    """Set runs and the reference side by side.

    Errors of a network are those of this moment's evaluation against the reference, not what the run
    reported; where there is none, the error is the reference's own bar.
    """
    import_torch()
    from lior_ritz.runs.folder import headline, open_run

    rows: list[dict[str, Any]] = []
    for path in paths:
        solution, _ = open_run(path)
        net = solution.network
        split = solution.splittings[0].relative_error if net and solution.splittings else None
        width = None
        if (lower := solution.bounds.lower) is not None:
            width = float((solution.bounds.upper - lower).max()) * solution.problem.units.E0_meV
        rows.append(
            {
                "run": str(path),
                "what": headline(solution.config),
                "E_meV": solution.energies_meV.tolist(),
                "largest_relative_error": float(solution.relative_errors.abs().max()),
                "splitting_relative_error": split,
                "bound_width_meV": width,
                "steps": net.trainer.progress.step if net else 0,
                "processor_seconds": solution.seconds,
                "reference": solution.reference.method,
                "reference_seconds": solution.reference.seconds,
            }
        )
    if as_json:
        click.echo(json.dumps(rows))
        return
    lines = [
        [
            row["run"],
            row["what"],
            f"{row['largest_relative_error']:.1e}",
            _short(row["splitting_relative_error"]),
            _short(row["bound_width_meV"]),
            str(row["steps"]),
            f"{row['processor_seconds']:.1f}",
            f"{row['reference_seconds']:.3f}",
        ]
        for row in rows
    ]
    echo_table(_HEAD, lines)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"
