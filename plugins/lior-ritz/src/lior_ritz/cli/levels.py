"""The table of levels that commands print."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from lior_cli.terminal import echo_table

if TYPE_CHECKING:
    from lior_ritz.solution import Solution

_DIGITS = 12


def echo_levels(solution: Solution) -> None:
    """Print the levels of a solution with bounds, the referee's verdict, splitting and time."""
    unit = solution.problem.units.E0_meV
    bounds = solution.bounds
    rows = []
    for k, energy in enumerate(solution.energies_meV.tolist()):
        upper = float(bounds.upper[k]) * unit
        # Where two rules disagree, what they differ by is no bound for how far the finer one is off.
        known = bounds.lower if solution.evaluation.sound else None
        lower = None if known is None else float(known[k]) * unit
        width = abs(energy) * 1e-9 if lower is None else upper - lower
        digits = decimals(width)
        rows.append(
            [
                f"E{k}",
                f"{energy:.{digits}f}",
                "-" if lower is None else f"{lower:.{digits}f} to {upper:.{digits}f}",
                f"{float(solution.errors[k]) * unit:+.1e}",
                f"{float(solution.relative_errors[k]):+.1e}",
            ]
        )
    echo_table(["level", "meV", "true value, meV", "to the referee, meV", "relative"], rows)
    click.echo()
    click.echo("\n".join(verdicts(solution)))


def verdicts(solution: Solution) -> list[str]:
    """What there is to say in words."""
    from lior_ritz.standing import PLANNED, SPREAD

    unit, referee, progress = solution.problem.units.E0_meV, solution.referee, solution.trainer.progress
    said = []
    energies = solution.energies_meV.tolist()
    if len(energies) > 1:
        exact = float(referee.energies[1] - referee.energies[0]) * unit
        split = energies[1] - energies[0]
        resolved = exact > float(referee.errors[:2].sum()) * unit
        error = (
            f", relative error {abs(split / exact - 1):.1e}" if resolved else ", which cannot tell it from 0"
        )
        error = f" (referee {exact * 1000:.6f}{error})"
        said.append(f"splitting E1 - E0: {split * 1000:.6f} µeV{error}")
    least = float(solution.errors.min())
    noise = float(referee.errors[: len(energies)].max()) + solution.evaluation.quadrature_error
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
        f"{solution.seconds:.1f} processor seconds, {progress.step:,} steps; "
        f"referee: {referee.method}, {referee.seconds:.3f} s"
    )
    return said


def decimals(width: float) -> int:
    """Decimal places that show the first two digits of ``width``."""
    if not width > 0:
        return _DIGITS
    return min(_DIGITS, max(0, 1 - math.floor(math.log10(width))))
