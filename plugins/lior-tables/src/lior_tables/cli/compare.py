"""``lior table compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
import numpy as np

from lior.errors import DataError, UsageError, did_you_mean, sentences
from lior_cli import WholeNumber, echo_table, json_option, quiet_option
from lior_tables.cli.sharing import (
    PARAMETERS,
    bad_input,
    file_argument,
    import_torch,
    note_without_effect,
    number,
    plugin_options,
    refuse_input,
    seed_option,
    task_of,
    task_options,
    told,
)

if TYPE_CHECKING:
    from lior_tables.comparing import ComparisonOutcome, System


@click.command()
@file_argument
@task_options
@click.option("--folds", type=WholeNumber(min=2), default=5, show_default=True, help="Parts of a split.")
@click.option("--repeats", type=WholeNumber(min=1), default=2, show_default=True, help="Splits.")
@click.option(
    "--rows",
    "most",
    type=WholeNumber(min=20),
    default=5000,
    show_default=True,
    help="Rows that are drawn from a larger file.",
)
@click.option(
    "--against", metavar="NAME,...", help="Systems to compare with.  [default: all that are installed]"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the picture; a file of the same name is replaced.  [default: none is drawn]",
)
@plugin_options
@seed_option
@json_option
@quiet_option
def compare(
    file: Path,
    folds: int,
    repeats: int,
    most: int,
    against: str | None,
    out: Path | None,
    seed: int,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compare with other methods on FILE: which predicts unseen rows best?

    All methods fit the same rows and predict the same other rows, in repeated cross-validation. The other
    methods are those of scikit-learn, and LightGBM, XGBoost and CatBoost if installed, each with its own
    defaults. A difference counts when its 95 % interval does not reach no difference.
    """
    import_torch()
    from lior.plots import drawing_library, write_picture
    from lior_tables import comparing
    from lior_tables.pictures import COMPARISON, comparison
    from lior_tables.reading import opened

    if out:
        refuse_input(out / f"{COMPARISON}.png", file)
        drawing_library()  # before the work, not after

    frame = opened(file, pictures=given["pictures"], size=given["size"], targets=given["targets"])
    task, frame = task_of(frame, file, given)
    if len(task.targets) > 1:
        raise UsageError("compare takes one --target")
    note_without_effect(task)
    if len(frame) > most:
        frame = frame.sample(most, random_state=seed)
    y = task.answers(frame, file)
    _check(y, task.classes, folds, file)
    ours = comparing.ours(
        **{name: given[name] for name in PARAMETERS},
        categorical_features=given["words"] or None,
        shape=task.shape or None,
    )
    systems = {"lior": ours, **_choose(against, comparing.others())}
    x = task.rows(frame, file).drop(columns=task.pictures or [])  # pixels alone say something
    with bad_input(file), told(quiet or as_json) as progress:
        outcomes = comparing.compare(
            systems, x, y, classes=task.classes, folds=folds, repeats=repeats, seed=seed, on_progress=progress
        )
    picture = None
    if out:
        times = f", {repeats} times" if repeats > 1 else ""
        title = f"{task.targets[0]} of {file.name}: {folds} folds{times}, {len(frame):,} rows"
        picture = write_picture(comparison(outcomes, title=title, classes=task.classes), out, ("png",))[0]
    if as_json:
        listed = [attrs.asdict(each) | {"verdict": each.verdict} for each in outcomes]
        click.echo(json.dumps({"rows": len(frame), "systems": listed, "picture": picture and str(picture)}))
        return
    _show(outcomes, task.classes)
    rest = "rows that were predicted were never fitted; --out pictures draws this"
    click.echo(f"\n{click.format_filename(picture) if picture else rest}")


def _check(y: Any, classes: bool, folds: int, file: Path) -> None:
    if len(y) < 2 * folds:
        raise DataError(
            f"{file}: {len(y)} rows are too few for {folds} folds; give fewer --folds, or more rows"
        )
    if classes:
        labels, counts = np.unique(y, return_counts=True)
        if counts.min() < 2:
            raise DataError(
                f"{file}: the class {labels[counts.argmin()]!r} has one row only, none to judge it by"
            )


def _choose(against: str | None, known: dict[str, System]) -> dict[str, System]:
    if against is None:
        return known
    by_name = {name.lower(): name for name in known}
    found = {}
    for name in (each.strip().lower() for each in against.split(",")):
        if name not in by_name:
            listed = f"There are {', '.join(known)}."
            raise UsageError(
                sentences(f"--against: no system {name!r}.", did_you_mean(name, by_name), listed)
            )
        found[by_name[name]] = known[by_name[name]]
    return found


def _show(outcomes: list[ComparisonOutcome], classes: bool) -> None:
    head = ["system", "wrong" if classes else "error", "log loss", "of lior's", "95 %", "", "fit, s"]
    table = []
    for each in sorted(outcomes, key=lambda each: float(np.mean(each.errors))):
        mean = float(np.mean(each.errors))
        stands = [f"{each.ratio:.2f}", f"{each.low:.2f} to {each.high:.2f}", each.verdict]
        row = [each.name, f"{100 * mean:.1f} %" if classes else number(mean)]
        row.append(f"{np.mean(each.log_losses):.3f}" if classes else "")
        table.append([*row, *(stands if each is not outcomes[0] else ["", "", ""]), f"{each.seconds:.2f}"])
    shown = [i for i in range(len(head)) if classes or head[i] != "log loss"]
    echo_table([head[i] for i in shown], [[row[i] for i in shown] for row in table])
