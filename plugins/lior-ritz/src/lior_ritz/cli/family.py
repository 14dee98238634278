"""``lior ritz family``: one network for a family of devices."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import Interrupted, MissingPackage, RunError
from lior_cli.interrupts import Stop
from lior_cli.options import WholeNumber
from lior_cli.terminal import echo_table
from lior_ritz.cli import varied
from lior_ritz.cli.options import config_options, json_option, quiet_option
from lior_ritz.cli.run import SolverProgress
from lior_ritz.cli.threads import import_torch

if TYPE_CHECKING:
    from lior.runs.folder import RunFolder
    from lior_ritz.family import Family, Fit
    from lior_ritz.family_report import Comparison


@click.command()
@click.option(
    "--vary",
    "axes",
    multiple=True,
    required=True,
    metavar="NAME=LOW:HIGH[:log]",
    help="An option of the potential and its range, once for each option; log spreads the trained values by "
    "their ratios.",
)
@config_options
@click.option(
    "--devices",
    type=WholeNumber(2, 256),
    help="Values of each option that are trained, in all combinations.  [default: 12 of one, 5 of each of "
    "two]",
)
@click.option("--steps", type=WholeNumber(1), help="End training after so many steps.")
@click.option(
    "--test",
    type=WholeNumber(1, 10_000),
    default=20,
    show_default=True,
    help="Devices that were not trained, at which all methods are compared.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory, new or empty, for the trained family, family.json, family.csv and a picture.",
)
@quiet_option
@json_option
def family(
    axes: tuple[str, ...],
    layers: tuple[str, ...],
    assignments: tuple[str, ...],
    devices: int | None,
    steps: int | None,
    test: int,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train one network for a family of devices.

    All devices share the functions of one network, and the best combinations of them are worked out
    for each: after training, the levels of any device in the ranges come in about a millisecond, from
    above. They are compared at devices that were not trained with a reduced basis, which is made of
    the referee's states at the trained ones, and with the referee:

    \b
      lior ritz family --vary barrier_meV=0.5:12 --out runs/barrier
      lior ritz family --vary barrier_meV=0.5:12 --vary delta=0:1
    """
    import_torch()
    from lior_ritz.family import begin
    from lior_ritz.shared import Range

    fit = begin([Range(*varied.span(text)) for text in axes], *layers, overrides=assignments, devices=devices)
    progress = SolverProgress(quiet=quiet)
    if fit.notes:
        progress.note(f"note: the same dot, given by {', '.join(fit.notes)}")
    folder = _folder(out)
    try:
        with progress:
            trained = _trained(fit, steps, progress, out)
            found = _compared(trained, test, progress, out)
        if folder:
            _write(found, folder.path)
    finally:
        if folder:
            folder.close()
    if as_json:
        click.echo(json.dumps(found.report()))
    else:
        _report(found)
    if out:
        _draw(found, out, quiet=quiet or as_json)


def _folder(out: Path | None) -> RunFolder | None:
    if out is None:
        return None
    from lior.runs.folder import RunFolder

    return RunFolder.create(out, {})


def _trained(fit: Fit, steps: int | None, progress: SolverProgress, out: Path | None) -> Family:
    """Train, until the end or until a signal comes; what was learned is written."""
    from lior_ritz.rundir import FAMILY

    trainer, stage = fit.trainer, ""
    stop = Stop(progress.note)
    progress.lior_train_start(config=fit.config)
    stop.lior_train_start()
    try:
        while (phase := trainer.phase) and not stop() and (steps is None or trainer.progress.step < steps):
            if phase.name != stage:
                stage = phase.name
                devices = len(next(iter(fit.trained.values())))
                progress.lior_train_stage(stage=stage, message=f"{phase.steps:,} steps for {devices} devices")
            at = trainer.progress.phase_step + 1
            numbers = fit.step()
            progress.lior_train_step(stage=stage, step=at, steps=phase.steps, metrics=numbers)
        found = fit.finished()
    finally:
        stop.withdraw()
    kept = "nothing was written; with --out what was learned would have been kept"
    if out:
        try:
            found.save(out / FAMILY)
        except OSError as error:
            raise RunError(f"{out}: cannot be written: {error.strerror or error}") from error
        kept = f"what was learned is in {shlex.quote(str(out / FAMILY))}"
    if stop():
        raise Interrupted(f"stopped after {found.steps:,} steps; {kept}", 128 + stop.signal)
    return found


def _compared(trained: Family, test: int, progress: SolverProgress, out: Path | None) -> Comparison:
    from lior_ritz.family_report import compare
    from lior_ritz.reduced import reduced_basis
    from lior_ritz.rundir import FAMILY
    from lior_ritz.shared import unseen

    config = trained.config
    try:
        progress.lior_train_stage(stage="reduced", message="reduced basis from the referee's states")
        basis = reduced_basis(trained.problem, trained.ranges, trained.trained, config.solver.K)
        progress.lior_train_stage(stage="compare", message=f"{test} devices by all methods")
        return compare(trained, basis, unseen(trained.ranges, test, seed=config.training.seed + 1))
    except KeyboardInterrupt:
        kept = f"; the family is in {shlex.quote(str(out / FAMILY))}" if out else ""
        raise Interrupted(f"stopped while methods were compared{kept}") from None


def _write(found: Comparison, out: Path) -> None:
    from lior.runs import files

    try:
        files.write_text(out / "family.csv", found.csv())
        files.write_text(out / "family.json", json.dumps(found.report(), indent=1) + "\n")
    except OSError as error:
        raise RunError(f"{out}: cannot be written: {error.strerror or error}") from error


def _report(found: Comparison) -> None:
    report = found.report()
    network, basis = report["network"], report["reduced_basis"]
    names = [each["name"] for each in report["ranges"]]
    splits = report["K"] > 1
    shown = "splitting_ueV" if splits else "meV"
    unit = "E1 - E0, µeV" if splits else "E0, meV"
    lines = []
    for row in report["devices"]:
        line = [f"{value:.6g}" for value in row["values"].values()]
        for method in ("referee", "network", "reduced"):
            value = row[f"{method}_{shown}"]
            line.append(f"{value if splits else value[0]:.6f}")
        for method in ("network", "reduced"):
            error = row.get(f"{method}_splitting_error") if splits else row[f"{method}_level_error"]
            line.append("-" if error is None else f"{error:+.1e}")
        lines.append(line)
    echo_table([*names, unit, "network", "reduced basis", "error, network", "error, reduced"], lines)
    click.echo()
    head = [
        "method",
        "functions",
        "devices",
        "steps",
        "cpu s before",
        "ms a device",
        "worst splitting",
        "level",
    ]
    made = len(network["trained"])  # the snapshots are of the same devices
    methods = [
        _method("network", network, made, f"{network['steps']:,}"),
        _method("reduced basis", basis, made, "-"),
        ["referee", "-", "-", "-", "-", f"{report['referee']['seconds_online'] * 1e3:.2f}", "-", "-"],
    ]
    echo_table(head, methods)
    click.echo("\n".join(verdicts(found)))


def _method(name: str, each: Mapping[str, Any], devices: int, steps: str) -> list[str]:
    worst = each["largest_relative_error"]
    return [
        name, str(each["functions"]), str(devices), steps, f"{each['seconds_offline']:.2f}",
        f"{each['seconds_online'] * 1e3:.2f}", _error(worst["splitting"]), _error(worst["level"]),
    ]  # fmt: skip


def _error(size: float | None) -> str:
    return "-" if size is None else f"{size:.1e}"


def verdicts(found: Comparison) -> list[str]:
    """What there is to say in words."""
    said = []
    network, basis = found.largest("network")["level"], found.largest("reduced")["level"]
    assert network is not None
    assert basis is not None
    better = "network" if network < basis else "reduced basis"
    quicker = "network" if found.family.seconds < found.reduced_basis.seconds else "reduced basis"
    said.append(f"The {better} has the smaller errors here, and the {quicker} was made in less time.")
    if not found.variational:
        said.append(
            "WARNING: a level lies below the referee's by more than both errors; do not use this family"
        )
    if not found.family.sound:
        said.append(
            f"WARNING: two quadrature rules differ by {found.family.quadrature_error:.1e} E0 at devices that "
            "were not trained; raise domain.eval_nq"
        )
    return said


def _draw(found: Comparison, out: Path, *, quiet: bool) -> None:
    """Write the picture; without Matplotlib the numbers have to do."""
    from lior.plots import drawing
    from lior_ritz.family_report import picture
    from lior_ritz.rundir import FAMILY

    written = [out / FAMILY, out / "family.json", out / "family.csv"]
    try:
        written += drawing.write(picture(found), out / "plots", ("png",))
    except MissingPackage as error:
        click.echo(f"no picture: {error}", err=True)
    if not quiet:
        click.echo(f"Written: {', '.join(shlex.quote(str(path)) for path in written)}")
