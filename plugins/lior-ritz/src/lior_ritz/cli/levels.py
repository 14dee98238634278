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
    from lior_ritz.reports.verdicts import judgement

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
    click.echo("\n".join(verdicts(solution)))


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


def verdicts(solution: Solution) -> list[str]:
    """What there is to say in words."""
    from lior_ritz.training.standing import PLANNED, SPREAD

    referee, progress = solution.referee, solution.trainer.progress
    said = [_splitting(solution)] if len(solution.energies) > 1 else []
    least = float(solution.errors.min())
    noise = float(referee.errors[: len(solution.energies)].max()) + solution.evaluation.quadrature_error
    if solution.bounds.lower is None:
        said.append("no bound from below: the functions do not fulfil the natural boundary condition exactly")
    if weight := solution.config.training.loss_weights.boundary:
        said.append(
            "the states are those of an edge that repels them, the referee's are not: "
            f"training.loss_weights.boundary = {weight:g}"
        )
    if least < -noise:
        said.append("WARNING: a level lies below the referee's by more than both errors; do not use this run")
    if not solution.evaluation.sound:
        said.append(
            f"WARNING: two quadrature rules differ by {solution.evaluation.quadrature_error:.1e} E0; "
            "raise domain.eval_nq or lower model.first_omega_0"
        )
    if faults := [each for each in progress.refinements if each["why"] not in (PLANNED, SPREAD)]:
        said.append(
            "quadrature: training nodes were found at fault and replaced by more, "
            f"{faults[0]['nq_prev']} on each axis in the beginning, {faults[-1]['nq_new']} in the end"
        )
    if progress.note:
        said.append(f"note: {progress.note}")
    said.append(
        f"{solution.seconds:.1f} processor seconds of training, {progress.step:,} steps; "
        f"{solution.judging_seconds:.1f} of evaluation, bounds and referee; "
        f"referee alone ({referee.method}): {referee.seconds:.3f}"
    )
    return said


def decimals(width: float) -> int:
    """Decimal places that show the first two digits of ``width``."""
    if not width > 0:
        return _DIGITS
    return min(_DIGITS, max(0, 1 - math.floor(math.log10(width))))
