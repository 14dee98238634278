"""The table of levels that commands print."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from lior_cli.terminal import echo_table

if TYPE_CHECKING:
    from lior_ritz.training.solution import Solution

_DIGITS = 12


def echo_levels(solution: Solution) -> None:
    """Print the levels of a solution with bounds, the referee's verdict, splitting and time.

    Where the network misses the referee, a warning and the referee's levels come first.
    """
    from lior_ritz.reports.verdicts import judgement, verdicts

    unit, bounds, missed = solution.problem.units.E0_meV, solution.bounds, solution.missed
    if missed:
        click.echo(f"WARNING: {judgement(solution)}\n")
    # Where two rules disagree, what they differ by is no bound for how far the finer one is off.
    known = bounds.lower if solution.evaluation.sound else None
    rows = []
    for k, energy in enumerate(solution.energies_meV.tolist()):
        lower, upper = None if known is None else float(known[k]) * unit, float(bounds.upper[k]) * unit
        digits = decimals(abs(energy) * 1e-9 if lower is None else upper - lower)
        row = [f"E{k}", f"{energy:.{digits}f}"]
        if missed:
            exact, bar = float(solution.referee.energies[k]) * unit, float(solution.referee.errors[k]) * unit
            row.insert(1, f"{exact:.{decimals(bar)}f}")
        row += ["-" if lower is None else f"{lower:.{digits}f} to {upper:.{digits}f}"]
        row += [f"{float(solution.errors[k]) * unit:+.1e}", f"{float(solution.relative_errors[k]):+.1e}"]
        rows.append(row)
    head = ["level", *(["referee, meV", "network, meV"] if missed else ["meV"])]
    echo_table([*head, "true value, meV", "to the referee, meV", "relative"], rows)
    click.echo()
    if solution.splittings:
        click.echo(_splitting(solution))
    click.echo("\n".join(verdicts(solution)))
    click.echo(
        f"{solution.seconds:.1f} processor seconds of training, {solution.trainer.progress.step:,} steps; "
        f"{solution.judging_seconds:.1f} of evaluation, bounds and referee; "
        f"referee alone ({solution.referee.method}): {solution.referee.seconds:.3f}"
    )


def _splitting(solution: Solution) -> str:
    """The first splitting, between its own bounds."""
    first, ueV = solution.splittings[0], solution.problem.units.E0_meV * 1000
    value, low, high, exact = (x * ueV for x in (first.value, first.lower, first.upper, first.referee))
    digits = max(6, decimals(high - low))
    said = f"splitting E1 - E0: {value:.{digits}f} µeV, true value {low:.{digits}f} to {high:.{digits}f}"
    error = first.relative_error
    said += " (cannot be told from 0)" if error is None else f" (referee {exact:.{digits}f}, {error:+.1e})"
    if first.missed(solution.config.solver.accuracy):
        return f"WARNING: the network does not resolve it: {said}"
    return said


def decimals(width: float) -> int:
    """Decimal places that show the first two digits of ``width``."""
    if not width > 0:
        return _DIGITS
    return min(_DIGITS, max(0, 1 - math.floor(math.log10(width))))
