"""``lior ritz reference``: the levels by classical methods."""

from __future__ import annotations

import json

import click

from lior_cli import RealNumber, Texts, WholeNumber, json_option
from lior_ritz.cli.options import config_options

_METHODS = ["auto", "separable", "sine", "elements", "enriched", "averaged", "hermitian"]


@click.command()
@config_options
@click.option("--levels", type=WholeNumber(1, 500), help="How many; solver.K if not given.")
@click.option("--method", default="auto", type=click.Choice(_METHODS), help="Which method.")
@click.option("--tolerance", type=RealNumber(1e-13, 1e-1), default=1e-9, help="Relative error to be reached.")
@json_option
def reference(
    layers: Texts, assignments: Texts, levels: int | None, method: str, tolerance: float, as_json: bool
) -> None:
    """Solve a problem by classical methods, with error bars.

    The exit code is 1 where an error bar is not within the tolerance.
    """
    from lior_ritz import config as configuration
    from lior_ritz.cli.levels import echo_method, echo_reference, echo_spins
    from lior_ritz.verification import box, shells
    from lior_ritz.verification.reference import solve
    from lior_ritz.verification.spin import spins

    config = configuration.load(layers, assignments).config
    problem = configuration.problem(config)
    found = solve(problem, levels or config.solver.K, method, tolerance)
    unit = problem.units.E0_meV
    both = spins(problem, found, levels or config.solver.K)
    moves, shell = box.moves(problem, found), shells.remark_for(problem, found)
    found = box.widened(problem, found, tolerance)
    pairs = list(zip(found.energies.tolist(), found.errors.tolist(), strict=True))
    if as_json:
        report = {
            "method": found.method,
            "sizes": found.sizes,
            "converged": found.converged,
            "seconds": found.seconds,
            "E0_meV": unit,
            "E_dimless": [energy for energy, _ in pairs],
            "E_meV": [energy * unit for energy, _ in pairs],
            "error_dimless": [error for _, error in pairs],
            "box_moves_meV": None if moves is None else (moves * unit).tolist(),
            "shell": shell or None,
            "spin": both and both.report(problem.units),
        }
        click.echo(json.dumps(report))
    else:
        echo_reference(found, len(pairs), problem.units)
        if both:
            echo_spins(both, problem.units)
        click.echo(f"\n{echo_method(found, len(pairs))}")
        if shell:
            click.echo(shell)
        if walls := box.warning(problem, found, len(pairs)):
            click.echo(walls)
    if not found.converged:
        click.get_current_context().exit(1)
