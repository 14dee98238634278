"""``lior ritz compare``: runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lior_cli import RunPath, echo_table, json_option
from lior_ritz.cli.threads import import_torch_for

_COLUMNS = {
    "run": ("run", ""),
    "what": ("problem", ""),
    "largest_relative_error": ("largest error", ".1e"),
    "splitting_relative_error": ("splitting", ".1e"),
    "bound_width_meV": ("bounds, meV", ".1e"),
    "steps": ("steps", ""),
    "processor_seconds": ("cpu s", ".1f"),
    "reference_seconds": ("reference, s", ".3f"),
}
"""Number -> its heading and its format; what is not known is ``-``."""


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=RunPath())
@json_option
def compare(paths: tuple[Path, ...], as_json: bool) -> None:
    """Set runs and the reference side by side.

    A network is evaluated anew and compared with the reference; the errors that its run reported are not
    used. Without a network, the error is the reference's own bar.
    """
    import_torch_for(*paths)
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
                "largest_relative_error": float(abs(solution.relative_errors).max()),
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
        ["-" if row[name] is None else format(row[name], form) for name, (_, form) in _COLUMNS.items()]
        for row in rows
    ]
    echo_table([head for head, _ in _COLUMNS.values()], lines)
