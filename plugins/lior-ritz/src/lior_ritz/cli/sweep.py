"""``lior ritz sweep``: a problem solved for a range of its options."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import Interrupted, MissingPackage, RunError, Stopped
from lior_cli.interrupts import Stop
from lior_cli.progress import Progress
from lior_cli.terminal import echo_table
from lior_ritz.cli import varied
from lior_ritz.cli.options import config_options, json_option, quiet_option
from lior_ritz.cli.threads import import_torch

if TYPE_CHECKING:
    from lior_ritz.sweeps.sweep import Keeper, Plan, Point, Row
    from lior_ritz.training.trainer import Trainer

_FEW = 4
"""Levels in the table."""


@click.command()
@click.option(
    "--vary",
    "axes",
    multiple=True,
    required=True,
    metavar="NAME=LOW:HIGH:COUNT[:log]",
    help="An option of the potential, or a key of the configuration with a number, and its values; or "
    "NAME=VALUE,VALUE,... All combinations of several are solved.",
)
@config_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for sweep.json, sweep.csv and plots; points that are done in it are not done again.",
)
@quiet_option
@json_option
def sweep(
    axes: tuple[str, ...],
    layers: tuple[str, ...],
    assignments: tuple[str, ...],
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Solve for a range of options of the dot, or of the solver.

    Options of the dot, such as --vary barrier_meV=0.5:12:8, units and the box are answered by the referee, in
    milliseconds. Keys of the network are trainings: --vary domain.nq=24:64:5 shows how results converge
    with the nodes, --vary model.hidden_features=4:32:4:log with the size of the trial space, and --vary
    training.seed=1:5:5 how sure they are, as means and standard errors over the seeds.

    With --out, an interrupted sweep goes on when the same command is given again.
    """
    import_torch()
    from lior_ritz.sweeps.folder import SweepDir, summary
    from lior_ritz.sweeps.sweep import Axis, Keeper, plan

    planned = plan([Axis(*varied.axis(text)) for text in axes], *layers, overrides=assignments)
    progress = Progress(quiet=quiet)
    if planned.notes:
        progress.note(f"note: the same dot, given by {', '.join(planned.notes)}")
    keeper = SweepDir(out, planned) if out else Keeper()
    try:
        stopped = _solved(planned, keeper, progress)
        if as_json:
            click.echo(json.dumps(summary(planned, keeper)))
        else:
            _report(planned, keeper)
        if out and keeper.rows:
            _draw(planned, keeper, out, quiet=quiet or as_json)
    finally:
        if isinstance(keeper, SweepDir):
            keeper.close()
    if stopped:
        kept = "the same command goes on" if out else "with --out they would have been kept"
        raise Interrupted(
            f"stopped after {len(keeper.rows)} of {len(planned.points)} points; {kept}", stopped
        )
    if keeper.failures:
        first = next(iter(keeper.failures.values()))
        raise RunError(
            f"{len(keeper.failures)} of {len(planned.points)} points failed, the first with "
            f"{_said(first['values'])}: {first['error']}"
        )


def _solved(plan: Plan, keeper: Keeper, progress: Progress) -> int:
    """Solve what is left; returns the exit code when a signal came, else 0."""
    from lior_ritz.sweeps import sweep as sweeping

    stop, shown = Stop(progress.note), -1

    def watch(point: Point, trainer: Trainer | None) -> None:
        nonlocal shown
        name = f"point {point.index + 1}/{len(plan.points)}"
        if trainer and (phase := trainer.phase):
            if shown != point.index:
                progress.lior_train_stage(stage=name, message=_said(point.values))
                shown = point.index
            at = trainer.progress.phase_step
            progress.lior_train_step(stage=name, step=at, steps=phase.steps, metrics={})
        if stop():
            raise Stopped("")

    try:
        with progress:
            stop.lior_train_start()
            sweeping.run(plan, keeper, watch=watch)
    except Stopped:
        return 128 + stop.signal
    except KeyboardInterrupt:  # the second one
        return 130
    finally:
        stop.withdraw()
    return 0


def _said(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:.6g}" for name, value in values.items())


def _report(plan: Plan, keeper: Keeper) -> None:
    from lior_ritz.sweeps.seeds import over_seeds
    from lior_ritz.sweeps.sweep import in_order

    rows = in_order(keeper.rows)
    if rows:
        echo_table(*_table(plan, rows))
        click.echo(
            f"{sum(row['seconds'] for row in rows):.1f} processor seconds, "
            f"{sum(row['steps'] for row in rows):,} steps of training"
        )
    if several := over_seeds(plan.axes, rows):
        click.echo("\nrelative error, mean ± standard error over the seeds")
        names = list(several[0]["values"])
        levels = max(len(each["relative_error"]["mean"]) for each in several)
        echo_table(
            [*names, "seeds", *(f"E{k}" for k in range(levels)), "cpu s"],
            [_mean_row(each, levels) for each in several],
        )


def _table(plan: Plan, rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headers and cells."""
    options = [axis.name for axis in plan.axes if not axis.is_key and "dE_meV" in rows[0]]
    levels = min(_FEW, max(len(row["E_meV"]) for row in rows))
    head = [axis.name for axis in plan.axes]
    head += [*(f"E{k}, meV" for k in range(levels)), "E1 - E0", "largest error", "<0|x|1>, nm", "left of 0"]
    head += [*(f"dE0/d{name}" for name in options), "steps", "cpu s"]
    lines = []
    for row in rows:
        line = [f"{value:.6g}" for value in row["values"].values()]
        line += [f"{row['E_meV'][k]:.6f}" if k < len(row["E_meV"]) else "-" for k in range(levels)]
        line += [f"{row['splitting_meV'][0]:.6f}" if row["splitting_meV"] else "-"]
        worst = max(map(abs, row["relative_error"]))
        line += [f"{worst:.1e}" + ("" if row["good"] else " POOR")]
        line += ["-" if row["dipole_x_01_nm"] is None else f"{row['dipole_x_01_nm']:.4f}"]
        line += [f"{row['left_weight'][0]:.4f}"]
        slopes = [row["dE_meV"][name][0] for name in options]
        line += ["-" if slope is None else f"{slope:.5g}" for slope in slopes]
        lines.append([*line, str(row["steps"]), f"{row['seconds']:.1f}"])
    return head, lines


def _mean_row(each: Mapping[str, Any], levels: int) -> list[str]:
    pairs = list(zip(each["relative_error"]["mean"], each["relative_error"]["standard_error"], strict=True))
    cells = [f"{mean:.1e}" + ("" if error is None else f" ± {error:.0e}") for mean, error in pairs]
    cells += ["-"] * (levels - len(cells))
    return [
        *(f"{value:.6g}" for value in each["values"].values()), str(each["seeds"]), *cells,
        f"{each['seconds']['mean']:.1f}",
    ]  # fmt: skip


def _draw(plan: Plan, keeper: Keeper, out: Path, *, quiet: bool) -> None:
    """Write the pictures; without Matplotlib the numbers have to do."""
    from lior.plots import drawing
    from lior_ritz.sweeps.pictures import pictures
    from lior_ritz.sweeps.sweep import in_order

    written = [out / "sweep.json", out / "sweep.csv"]
    try:
        for picture in pictures(plan.axes, in_order(keeper.rows)):
            written += drawing.write(picture, out / "plots", ("png",))
    except MissingPackage as error:
        click.echo(f"no pictures: {error}", err=True)
    if not quiet:
        click.echo(f"Written: {', '.join(shlex.quote(str(path)) for path in written)}")
