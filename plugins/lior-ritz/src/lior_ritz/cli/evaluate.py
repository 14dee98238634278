"""``lior ritz eval``: a run judged anew, or one device of a family."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior.errors import UsageError
from lior_cli.options import RunPath, WholeNumber
from lior_cli.systems import json_option
from lior_cli.terminal import echo_table
from lior_ritz.cli import varied
from lior_ritz.cli.threads import import_torch, import_torch_for

_AT = "--at"


@click.command("eval")
@click.argument("path", metavar="RUN", type=RunPath())
@click.option(
    "--nq",
    type=WholeNumber(2, 2000),
    help="Nodes on each axis of the coarser of two rules, to begin with: both are refined until they agree; "
    "as in the run if not given.",
)
@click.option(
    _AT,
    "places",
    multiple=True,
    metavar="NAME=VALUE",
    help="Where RUN is what `lior ritz family` wrote: the device, a value of each option that was varied.",
)
@json_option
def evaluate(path: Path, nq: int | None, places: tuple[str, ...], as_json: bool) -> None:
    """Evaluate a run anew, on nodes as fine as you like.

    Or one device of a family:

    \b
      lior ritz eval runs/barrier --at barrier_meV=3.3
    """
    from lior_ritz.runs.folder import FAMILY

    if (path / FAMILY).is_dir():
        if nq is not None:
            raise UsageError("--nq: a family has nodes of its own; leave --nq out")
        _device(path / FAMILY, varied.values(_AT, places), as_json=as_json)
        return
    if places:
        raise UsageError(f"{path}: {_AT} is for what `lior ritz family` wrote, and this is no family")
    _run(path, nq, as_json=as_json)


def _run(path: Path, nq: int | None, *, as_json: bool) -> None:
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


def _device(path: Path, device: dict[str, float], *, as_json: bool) -> None:
    """Levels of one device of a family, how they answer to its options, and how far they are off."""
    import_torch()
    from lior_ritz.families.family import Family
    from lior_ritz.verification.gradients import listed

    family = Family.load(path)
    unit, levels = family.problem.units.E0_meV, family.energies(device)
    energies = (levels * unit).tolist()
    errors = (family.errors(device) / levels.abs().clamp_min(1.0)).tolist()
    slopes = {name: listed((each * unit).numpy()) for name, each in family.gradients(device).items()}
    if as_json:
        report = {
            "run": str(path.parent),
            "values": device,
            "E0_meV": unit,
            "E_dimless": levels.tolist(),
            "E_meV": energies,
            "relative_errors": errors,
            "dE_meV": slopes,
        }
        click.echo(json.dumps(report))
        return
    rows = []
    for k, energy in enumerate(energies):
        answers = ["-" if each[k] is None else f"{each[k]:.7g}" for each in slopes.values()]
        rows.append([f"E{k}", f"{energy:.9f}", *answers, f"{errors[k]:+.1e}"])
    echo_table(["level", "meV", *(f"dE/d{name}" for name in slopes), "to the reference, relative"], rows)
    if len(energies) > 1:
        click.echo(f"\nsplitting E1 - E0: {(energies[1] - energies[0]) * 1e3:.6f} µeV")
