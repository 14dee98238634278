"""``lior table compare``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
import numpy as np

from lior.errors import DataError, UsageError, did_you_mean, sentences
from lior_cli.options import WholeNumber
from lior_tables.cli.sharing import (
    PARAMETERS,
    bad_input,
    file_argument,
    import_torch,
    json_option,
    number,
    plugin_options,
    quiet_option,
    seed_option,
    task_of,
    task_options,
    told,
)

if TYPE_CHECKING:
    from lior_tables.comparing import Outcome, System


@click.command()
@file_argument
@task_options
@click.option("--folds", type=WholeNumber(min=2), default=5, show_default=True, help="Parts of a split.")
@click.option("--repeats", type=WholeNumber(min=1), default=2, show_default=True, help="Splits.")
@click.option(
    "--rows", "most", type=WholeNumber(min=20), default=5000, show_default=True,
    help="Rows that are drawn from a larger file.",
)  # fmt: skip
@click.option(
    "--against", metavar="NAME,...", help="Systems to compare with.  [default: all that are installed]"
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the picture; a file of the same name is replaced.  [default: none is drawn]",
)  # fmt: skip
@plugin_options
@seed_option
@json_option
@quiet_option
def compare(
    file: Path, folds: int, repeats: int, most: int, against: str | None, out: Path | None, seed: int,
    as_json: bool, quiet: bool, **given: Any,
) -> None:  # fmt: skip
    """Compare with other methods on FILE: who predicts rows best that nobody has seen?

    All methods fit the same rows and predict the same others, in repeated cross-validation. The others are
    those of scikit-learn, and LightGBM, XGBoost and CatBoost where they are installed, each with its own
    defaults. A difference counts when its 95 % interval does not reach no difference.
    """
    import_torch()
    if out:
        from lior.plots import drawing

        drawing.library()  # before the work, not after
    from lior_tables import comparing
    from lior_tables.reading import read

    frame = read(file)
    task, frame = task_of(frame, file, given)
    if len(task.targets) > 1 or task.weight:
        raise UsageError("compare takes one --target, and no --weights")
    if len(frame) > most:
        frame = frame.sample(most, random_state=seed)
    y = task.answers(frame, file)
    _check(y, task.classes, folds, file)
    first = comparing.ours(
        **{name: given[name] for name in PARAMETERS}, categorical_features=given["words"] or None
    )
    chosen = [first, *_chosen(against, comparing.systems()[1:])]
    with bad_input(file), told(quiet or as_json) as progress:
        outcomes = comparing.compare(
            chosen, task.rows(frame, file), y, classes=task.classes, folds=folds, repeats=repeats, seed=seed,
            on_progress=progress,
        )  # fmt: skip
    _report(outcomes, file, len(frame), task.targets[0], task.classes, folds, repeats, out, as_json)


def _check(y: Any, classes: bool, folds: int, file: Path) -> None:
    if len(y) < 2 * folds:
        raise DataError(
            f"{file}: {len(y)} rows are too few for {folds} folds; give fewer --folds, or more rows"
        )
    if classes:
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            raise DataError(f"{file}: the target has one class only, {labels[0]!r}")
        if counts.min() < 2:
            raise DataError(
                f"{file}: the class {labels[counts.argmin()]!r} has one row only, none to judge it by"
            )


def _chosen(against: str | None, known: list[System]) -> list[System]:
    if against is None:
        return known
    by_name = {system.name.lower(): system for system in known}
    found = []
    for name in (each.strip().lower() for each in against.split(",")):
        if name not in by_name:
            listed = f"There are {', '.join(system.name for system in known)}."
            raise UsageError(
                sentences(f"--against: no system {name!r}.", did_you_mean(name, by_name), listed)
            )
        found.append(by_name[name])
    return found


def _report(
    outcomes: list[Outcome], file: Path, rows: int, target: str, classes: bool, folds: int, repeats: int,
    out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    from lior_cli.terminal import echo_table

    picture = None
    if out:
        from lior.plots import drawing
        from lior_tables.pictures import comparison

        times = f", {repeats} times" if repeats > 1 else ""
        name = f"{target} of {file.name}: {folds} folds{times}, {rows:,} rows"
        picture = drawing.write(comparison(outcomes, title=name, classes=classes), out, ("png",))[0]
    if as_json:
        listed = [attrs.asdict(each) | {"verdict": each.verdict} for each in outcomes]
        click.echo(json.dumps({"rows": rows, "systems": listed, "picture": picture and str(picture)}))
        return
    error = "wrong" if classes else "error"
    head = ["system", error, *(["log loss"] if classes else []), "of lior's", "95 %", "", "fit, s"]
    table = []
    for each in sorted(outcomes, key=lambda each: float(np.mean(each.errors))):
        mean = float(np.mean(each.errors))
        ours = each is outcomes[0]
        table.append([
            each.name, f"{100 * mean:.1f} %" if classes else number(mean),
            *([f"{np.mean(each.log_losses):.3f}"] if classes else []),
            "" if ours else f"{each.ratio:.2f}", "" if ours else f"{each.low:.2f} to {each.high:.2f}",
            "" if ours else each.verdict, f"{each.seconds:.2f}",
        ])  # fmt: skip
    echo_table(head, table)
    if picture:
        click.echo(f"\n{click.format_filename(picture)}")
    else:
        click.echo(
            f"\nrows that were predicted were never fitted; --out {shlex.quote('pictures')} draws this"
        )
