"""``lior ritz family``: all devices of a range at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import RunError, UsageError
from lior_cli.systems import Texts, json_option, quiet_option
from lior_cli.terminal import echo_table
from lior_ritz.cli import varied
from lior_ritz.cli.options import config_options, out_option, vary_option, write_pictures
from lior_ritz.cli.threads import import_torch

if TYPE_CHECKING:
    from lior_ritz.families.comparison import Comparison

_OTHERS = 20
"""Devices that the family was not made from, at which it is compared with the reference."""


@click.command()
@vary_option("NAME=LOW:HIGH", "An option of the potential and its range, once for each option.")
@config_options
@out_option("Directory, new or empty, for the family, family.json, family.csv and a picture.")
@quiet_option
@json_option
def family(
    axes: Texts, layers: Texts, assignments: Texts, out: Path | None, quiet: bool, as_json: bool
) -> None:
    """Solve all devices of a range at once.

    The reference's states at a few devices span a space in which every other one is a small eigenproblem:
    its levels come in less than a millisecond, from above, with exact derivatives. They are compared with the
    reference at devices that the space was not made from:

    \b
      lior ritz family --vary barrier_meV=0.5:12 --out runs/barrier
      lior ritz family --vary barrier_meV=0.5:12 --vary delta=0:1
      lior ritz eval runs/barrier --at barrier_meV=3.3
    """
    import_torch()
    from lior.runs.folder import RunFolder
    from lior_ritz.families.comparison import compare, picture
    from lior_ritz.families.family import make
    from lior_ritz.families.shared import Range, unseen

    asked = varied.ranges(",".join(axes))
    if open_ended := [name for name, ends in asked.items() if ends is None]:
        raise UsageError(f"--vary {open_ended[0]}: say from where to where, {open_ended[0]}=LOW:HIGH")
    made = make([Range(name, *ends) for name, ends in asked.items() if ends], *layers, overrides=assignments)
    if made.notes and not quiet:
        click.echo(f"note: the same dot, given by {', '.join(made.notes)}", err=True)
    folder = RunFolder.create(out, {}) if out else None
    try:
        found = compare(made, unseen(made.ranges, _OTHERS, seed=made.config.training.seed + 1))
        written = _write(found, folder.path) if folder else []
    finally:
        if folder:
            folder.close()
    if as_json:
        click.echo(json.dumps(found.report()))
    else:
        _report(found)
    if out:
        write_pictures(lambda: [picture(found)], out, written, quiet=quiet or as_json)


def _write(found: Comparison, out: Path) -> list[Path]:
    from lior_ritz.runs.folder import FAMILY
    from lior_ritz.sweeps.folder import write

    report = found.report()
    try:
        found.family.save(out / FAMILY)
    except OSError as error:
        raise RunError(f"{out}: cannot be written: {error.strerror or error}") from error
    return [out / FAMILY, *write(out, "family", report, report["devices"])]


def _report(found: Comparison) -> None:
    report = found.report()
    splits = report["K"] > 1
    shown, unit = ("splitting_ueV", "E1 - E0, µeV") if splits else ("meV", "E0, meV")
    lines = []
    for row in report["devices"]:
        pair = (row[f"{method}_{shown}"] for method in ("reference", "family"))
        error = row["splitting_error" if splits else "level_error"]
        lines.append(
            [f"{value:.6g}" for value in row["values"].values()]
            + [f"{value if splits else value[0]:.6f}" for value in pair]
            + ["-" if error is None else f"{error:+.1e}", f"{row['level_error']:.1e}"]
        )
    names = [each["name"] for each in report["ranges"]]
    echo_table([*names, f"{unit}: reference", "family", "error", "worst level"], lines)
    worst = report["largest_relative_error"]
    split = "" if worst["splitting"] is None else f"splittings within {worst['splitting']:.1e}, "
    click.echo(
        f"\n{report['functions']} functions of {len(report['snapshots'])} devices; {split}levels within "
        f"{worst['level']:.1e}; {report['seconds_before']:.2f} processor seconds before, "
        f"{report['seconds_a_device'] * 1e3:.2f} ms a device (reference "
        f"{report['reference_seconds_a_device'] * 1e3:.2f})"
    )
    if not found.variational:
        click.echo(
            "WARNING: a level lies below the reference's by more than its error; do not use this family"
        )
