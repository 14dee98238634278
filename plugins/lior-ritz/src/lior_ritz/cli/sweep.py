"""``lior ritz sweep``: a problem solved for a range of its options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import Interrupted, RunError
from lior.workers import check
from lior_cli import Progress, Stop, Texts, echo_table, import_torch, json_option, quiet_option
from lior_ritz.cli import varied
from lior_ritz.cli.options import config_options, out_option, vary_option, write_pictures

if TYPE_CHECKING:
    from lior_ritz.sweeps.sweep import Answers

_FEW = 4
"""Levels in the table."""


@click.command()
@vary_option(
    "NAME=LOW:HIGH:COUNT[:log]",
    "An option of the potential, or a key of the configuration with a number, and its values; or "
    "NAME=VALUE,VALUE,... All combinations of several are solved.",
)
@config_options
@click.option("--network", is_flag=True, help="Train a network at each point, beside the reference.")
@click.option(
    "--workers",
    metavar="N|ADDRESS",
    help="Who solves the points: so many processes, or the workers of a Dask scheduler (tcp://host:8786). "
    "Worth their start with --network; the reference needs milliseconds.",
)
@out_option("Directory, new or empty, for sweep.json, sweep.csv and plots.")
@quiet_option
@json_option
def sweep(
    axes: Texts,
    layers: Texts,
    assignments: Texts,
    network: bool,
    workers: str | None,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Solve a problem for a range of options or of any key of the configuration, by the reference.

    With --network a network is trained at each point as well: over nodes, seeds or widths.

    \b
      lior ritz sweep --vary barrier_meV=0.5:12:8 --out runs/barrier
      lior ritz sweep --vary delta=0:1:5 --vary physics.m_eff=0.067,0.19
      lior ritz sweep --network --workers 2 --vary training.seed=1,2,3 --vary model.hidden_features=8,16,32
    """
    where = None if workers is None else check(workers)
    from lior.runs.folder import RunFolder
    from lior_ritz.sweeps.folder import write
    from lior_ritz.sweeps.pictures import pictures
    from lior_ritz.sweeps.sweep import Axis, plan, run

    given = [*assignments, *(["solver.network=true"] if network else [])]
    planned = plan([Axis(*varied.any_axis(text)) for text in axes], *layers, overrides=given)
    if planned.base.solver.network:
        import_torch()
    if planned.notes and not quiet:
        click.echo(f"note: the same dot, given by {', '.join(planned.notes)}", err=True)
    if out:
        RunFolder.create(out, {}).close()
    progress = Progress(quiet=quiet)
    stop = Stop(progress.note)

    def asked(index: int) -> bool:
        progress.lior_train_step(stage="points", step=index, steps=len(planned.points), metrics={})
        return stop()

    try:
        stop.lior_train_start()
        with progress:
            progress.lior_train_stage(stage="points", message=f"{len(planned.points):,} by the reference")
            found = run(planned, stop=asked, workers=where)
    finally:
        stop.withdraw()
    written = write(out, "sweep", found.report(), found.rows) if out else []
    if as_json:
        click.echo(json.dumps(found.report()))
    elif found.rows:
        echo_table(*_table(found))
    if out:
        write_pictures(lambda: pictures(found), out, written, quiet=quiet or as_json)
    left = f"{len(planned.points) - len(found.rows)} of {len(planned.points)} points"
    if found.failures:
        first = found.failures[0]
        raise RunError(f"{left} failed, the first with {_said(first['values'])}: {first['error']}")
    if len(found.rows) < len(planned.points):
        raise Interrupted(f"stopped; {left} are not done", 128 + stop.signal)


def _said(values: Mapping[str, float | str]) -> str:
    return ", ".join(f"{name} = {_show(value)}" for name, value in values.items())


def _show(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _table(found: Answers) -> tuple[list[str], list[list[str]]]:
    """Headers and cells."""
    options = list(found.rows[0]["dE_meV"])
    levels = min(_FEW, *(len(row["E_meV"]) for row in found.rows))
    trained = "network_steps" in found.rows[0]
    head = [axis.name for axis in found.plan.axes]
    head += [*(f"E{k}, meV" for k in range(levels)), "E1 - E0", "error bar", "<0|x|1>, nm", "left of 0"]
    head += [*(f"dE0/d{name}" for name in options), "cpu s"]
    head[-1:] = [*(["network off by", "network, cpu s"] if trained else []), "cpu s"]
    lines = []
    for row in found.rows:
        line = [_show(value) for value in row["values"].values()]
        line += [f"{value:.6f}" for value in row["E_meV"][:levels]]
        line += [f"{row['splitting_meV'][0]:.6f}" if row["splitting_meV"] else "-"]
        line += [f"{max(row['relative_error']):.1e}" + ("" if row["good"] else " POOR")]
        line += ["-" if row["dipole_x_01_nm"] is None else f"{row['dipole_x_01_nm']:.4f}"]
        line += [f"{row['left_weight'][0]:.4f}"]
        slopes = [row["dE_meV"][name][0] for name in options]
        line += ["-" if slope is None else f"{slope:.5g}" for slope in slopes]
        if trained:
            worst, missed = max(map(abs, row["network_relative_error"])), row["network_missed"]
            line += [f"{worst:.1e}" + (" MISSED" if missed else ""), f"{row['network_seconds']:.2f}"]
        lines.append([*line, f"{row['seconds']:.2f}"])
    return head, lines
