"""``lior ritz export``: matrices of a run for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lior_cli.options import RunPath, WholeNumber
from lior_cli.systems import json_option
from lior_cli.terminal import echo_table
from lior_ritz.cli.options import out_option
from lior_ritz.cli.threads import import_torch_for


@click.command()
@click.argument("run", metavar="RUN", type=RunPath())
@out_option("New directory for matrices.npz, export.json and potential.npy.", required=True)
@click.option("--orbitals", type=WholeNumber(1, 40), default=8, help="How many of the lowest states.")
@click.option("--qutip", is_flag=True, help="Write each operator as a file of QuTiP's qload as well.")
@json_option
def export(run: Path, out: Path, orbitals: int, qutip: bool, as_json: bool) -> None:
    """Write Hamiltonian, dipoles, derivatives by the options and Coulomb integrals as plain arrays.

    All are in the lowest states of the run's trial space, in meV and nm; export.json says of each array what
    its indices are. In Python, lior_ritz.electrons.export.load reads them; qobjs makes operators of QuTiP.
    """
    import_torch_for(run)
    from lior.runs.folder import RunFolder
    from lior_ritz.electrons import export as exporting
    from lior_ritz.runs.folder import open_run

    package: Any = exporting.qutip() if qutip else None  # before the work, not after
    arrays, about = exporting.export(open_run(run)[0], orbitals)
    RunFolder.create(out, {}).close()
    exporting.write(arrays, about, out)
    for name, operator in exporting.qobjs(out).items() if package else ():
        package.qsave(operator, str(out / name))
    if as_json:
        click.echo(json.dumps(about))
        return
    rows = [[name, each["indices"], each["unit"], each["what"]] for name, each in about["arrays"].items()]
    echo_table(["array", "indices", "unit", "what"], rows)
    if why := about["why_no_coulomb"]:
        click.echo(f"\nno Coulomb integrals: {why}")
