"""The table of levels that commands print."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from lior_cli import echo_table

if TYPE_CHECKING:
    from lior_ritz.problem.units import Units
    from lior_ritz.training.solution import Solution
    from lior_ritz.training.trained import Trained
    from lior_ritz.verification.reference import Reference
    from lior_ritz.verification.spin import Spins

_DIGITS = 12


def echo_levels(solution: Solution) -> None:
    """Print the levels of a solution with bounds, the reference's verdict, splitting and time.

    If the network misses the reference, a warning and the reference's levels come first.
    """
    from lior_ritz.reports.verdicts import judgement, verdicts
    from lior_ritz.verification.spin import spins

    if solution.missed:
        click.echo(f"WARNING: {judgement(solution)}\n")
    net, reference, count = solution.network, solution.reference, len(solution.energies)
    if net:
        _echo_trained(solution, net)
    else:
        echo_reference(reference, count, solution.problem.units)
    if both := spins(solution.problem, reference, count):
        echo_spins(both, solution.problem.units)
    click.echo()
    if solution.splittings:
        click.echo(_splitting(solution))
    click.echo("\n".join(verdicts(solution)))
    if net:
        click.echo(
            f"{solution.seconds:.1f} processor seconds of training, {net.trainer.progress.step:,} steps; "
            f"{solution.judging_seconds:.1f} of evaluation, bounds and reference; "
            f"reference alone ({reference.method}): {reference.seconds:.3f}"
        )
    else:
        click.echo(echo_method(reference, count))


def echo_reference(found: Reference, count: int, units: Units) -> None:
    """Print the reference's levels with their error bars."""
    pairs = list(zip(found.energies.tolist(), found.errors.tolist(), strict=True))[:count]
    rows = [
        [f"E{k}", f"{E * units.E0_meV:.9f}", f"{E:.10f}", f"{bar:.1e}"] for k, (E, bar) in enumerate(pairs)
    ]
    echo_table(["level", "meV", "E0", "error bar, E0"], rows)


def echo_method(found: Reference, count: int) -> str:
    """How the reference solved it, in a line, and which of ``count`` error bars miss the tolerance."""
    sizes = " x ".join(map(str, found.sizes))
    return f"{found.method}, {sizes}, {found.seconds:.3f} processor seconds{found.misses(count)}"


def _echo_trained(solution: Solution, net: Trained) -> None:
    """The table of a network's levels."""
    unit, bounds, missed = solution.problem.units.E0_meV, solution.bounds, solution.missed
    # If two rules disagree, their difference does not bound the error of the finer one.
    known = bounds.lower if net.evaluation.sound else None
    rows = []
    for k, energy in enumerate(solution.energies_meV.tolist()):
        lower, upper = None if known is None else float(known[k]) * unit, float(bounds.upper[k]) * unit
        digits = decimals(abs(energy) * 1e-9 if lower is None else upper - lower)
        row = [f"E{k}", f"{energy:.{digits}f}"]
        if missed:
            exact, bar = (
                float(solution.reference.energies[k]) * unit,
                float(solution.reference.errors[k]) * unit,
            )
            row.insert(1, f"{exact:.{decimals(bar)}f}")
        row += ["-" if lower is None else f"{lower:.{digits}f} to {upper:.{digits}f}"]
        row += [f"{float(solution.errors[k]) * unit:+.1e}", f"{float(solution.relative_errors[k]):+.1e}"]
        rows.append(row)
    head = ["level", *(["reference, meV", "network, meV"] if missed else ["meV"])]
    echo_table([*head, "true value, meV", "to the reference, meV", "relative"], rows)


def echo_spins(found: Spins, units: Units) -> None:
    """Print the levels of both spins, and the effective g-factors of the orbitals."""
    rows = [
        [f"{energy * units.E0_meV:.9f}", f"{up:+.6f}"]
        for energy, up in zip(found.energies, found.up, strict=True)
    ]
    click.echo()
    echo_table(["with spin, meV", "<sigma_z>"], rows)
    said = (f"E{k}: {'-' if g is None else format(g, '.6f')}" for k, g in enumerate(found.g_factors))
    click.echo(f"\nd(E_up - E_down)/dB in Bohr magnetons, the effective g: {', '.join(said)}")
    moved = found.truncation * units.E0_meV
    if found.orbitals > len(found.g_factors):
        click.echo(f"{found.orbitals} orbitals; with a third of them less, levels move by {moved:.1e} meV")


def _splitting(solution: Solution) -> str:
    """The first splitting, between its own bounds."""
    first, ueV = solution.splittings[0], solution.problem.units.E0_meV * 1000
    value, low, high, exact = (x * ueV for x in (first.value, first.lower, first.upper, first.reference))
    digits = max(6, decimals(high - low))
    said = f"splitting E1 - E0: {value:.{digits}f} µeV, true value {low:.{digits}f} to {high:.{digits}f}"
    error = first.relative_error
    if solution.network is None:
        return said + ("" if first.resolved else " (cannot be told from 0)")
    said += " (cannot be told from 0)" if error is None else f" (reference {exact:.{digits}f}, {error:+.1e})"
    if first.missed(solution.config.solver.accuracy):
        return f"WARNING: the network does not resolve it: {said}"
    return said


def decimals(width: float) -> int:
    """Decimal places that show the first two digits of ``width``."""
    if not width > 0:
        return _DIGITS
    return min(_DIGITS, max(0, 1 - math.floor(math.log10(width))))
