"""``lior ritz ci``: two electrons with their exchange J, and up to six."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior_cli import RunPath, WholeNumber, echo_table, json_option
from lior_ritz.cli.threads import import_torch_for

if TYPE_CHECKING:
    from lior_ritz.electrons.determinants import Electrons
    from lior_ritz.electrons.interaction import TwoElectrons
    from lior_ritz.problem.units import Units

_FEWER = 15
"""Orbitals of three and more electrons, whose determinants are many."""


@click.command()
@click.argument("path", metavar="RUN", type=RunPath())
@click.option(
    "--electrons",
    type=WholeNumber(1, 6),
    default=2,
    help="How many; two with the exchange J, others with the total spin of each level.",
)
@click.option(
    "--orbitals",
    type=WholeNumber(2, 120),
    help=f"One-electron states that they are put into; if not given 28, {_FEWER} where they are not two.",
)
@click.option(
    "--grid",
    type=WholeNumber(16, 512),
    help="Points on each axis that the repulsion is worked out on; if not given 64, or more where the "
    "orbitals need it.",
)
@json_option
def ci(path: Path, electrons: int, orbitals: int | None, grid: int | None, as_json: bool) -> None:
    """Put electrons into a run's states; for two print singlet, triplet and the exchange J = E_T - E_S.

    J is shown for more and more orbitals; two give the wrong sign in most dots. For one and for three to six
    electrons, the levels of all spins are computed in all determinants.
    """
    import_torch_for(path)
    from lior_ritz.electrons import determinants
    from lior_ritz.electrons.exchange import exchange
    from lior_ritz.electrons.exchange import orbitals as orbitals_of
    from lior_ritz.runs.folder import open_run

    solution, _ = open_run(path)
    units = solution.problem.units
    found: TwoElectrons | Electrons
    if electrons == 2:
        found = exchange(solution, orbitals or 28, grid)
    else:
        given = orbitals_of(solution, orbitals or _FEWER, grid)
        found = determinants.few_electrons(given, units.repulsion, electrons)
    if as_json:
        click.echo(json.dumps({"run": str(path)} | found.report(units)))
        return
    if isinstance(found, determinants.Electrons):
        _echo_levels(found, units)
    else:
        _echo_exchange(found, units)
    for flag in found.flags:
        click.echo(f"note: {flag}")


def _echo_exchange(found: TwoElectrons, units: Units) -> None:
    """A row for each number of orbitals, and J."""
    unit = units.E0_meV
    levels = zip(found.sizes, found.singlet_by_size * unit, found.triplet_by_size * unit, strict=True)
    rows = [[str(k), f"{s:.6f}", f"{t:.6f}", f"{(t - s) * 1000:.4f}"] for k, s, t in levels]
    echo_table(["orbitals", "singlet, meV", "triplet, meV", "J, µeV"], rows)
    j, limit, off = (each * unit * 1000 for each in (found.exchange, *found.exchange_limit))
    more = "" if math.isnan(limit) else f"; extrapolated to all of them {limit:.4g}, give or take {off:.2g}"
    click.echo(f"\nJ = {j:.4f} µeV in {found.orbitals} orbitals{more}")


def _echo_levels(few: Electrons, units: Units) -> None:
    """A row for each level of each S_z."""
    rows = [
        [f"{sector.spin_z:g}", f"{spin:g}", f"{energy * units.E0_meV:.6f}", f"{left:.4f}"]
        for sector in few.sectors
        for energy, spin, left in zip(sector.energies, sector.spins, sector.left, strict=True)
    ]
    echo_table(["S_z", "S", "meV", "left of 0"], rows)
    energy, moved = few.energy * units.E0_meV, (few.fewer - few.energy) * units.E0_meV
    click.echo(
        f"\n{few.electrons} electrons in {few.orbitals} orbitals: {energy:.6f} meV, from above"
        + ("" if math.isnan(moved) else f"; {moved:.3g} lower than in half as many")
    )
