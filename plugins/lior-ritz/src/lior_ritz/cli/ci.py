"""``lior ritz ci``: two electrons, and the exchange J."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior_cli.options import RunPath, WholeNumber
from lior_cli.terminal import echo_table
from lior_ritz.cli.options import json_option
from lior_ritz.cli.threads import import_torch


@click.command()
@click.argument("path", metavar="RUN", type=RunPath())
@click.option(
    "--orbitals", type=WholeNumber(2, 120), default=28, show_default=True,
    help="One-electron states that two electrons are put into.",
)  # fmt: skip
@click.option(
    "--grid", type=WholeNumber(16, 512),
    help="Points on each axis that the repulsion is worked out on; if not given 64, or more where the "
    "orbitals need it.",
)  # fmt: skip
@json_option
def ci(path: Path, orbitals: int, grid: int | None, as_json: bool) -> None:
    """Put two electrons into a run's states: singlet, triplet and the exchange J = E_T - E_S.

    J is shown for ever more orbitals; two give the wrong sign in most dots.
    """
    import_torch()
    from lior_ritz.electrons.exchange import exchange
    from lior_ritz.runs.folder import open_run

    solution, _ = open_run(path)
    units = solution.problem.units
    found = exchange(solution, orbitals, grid)
    report = found.report(units)
    if as_json:
        click.echo(json.dumps({"run": str(path)} | report))
        return
    rows = [
        [
            str(size), f"{float(singlet) * units.E0_meV:.6f}", f"{float(triplet) * units.E0_meV:.6f}",
            f"{float(triplet - singlet) * units.E0_meV * 1000:.4f}",
        ]
        for size, singlet, triplet in zip(
            found.sizes, found.singlet_by_size, found.triplet_by_size, strict=True
        )
    ]  # fmt: skip
    echo_table(["orbitals", "singlet, meV", "triplet, meV", "J, µeV"], rows)
    exact = float(found.exchange) * units.E0_meV * 1000
    truncation = float(found.truncation_error) * units.E0_meV * 1000
    click.echo(
        f"\nJ = {exact:.4f} µeV in {found.orbitals} orbitals; more would move it by about {truncation:.2g}"
    )
    for flag in found.flags:
        click.echo(f"note: {flag}")
