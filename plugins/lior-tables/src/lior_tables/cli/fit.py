"""``lior table fit``."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import Interrupted, quantity
from lior.files import PARTIAL
from lior.workers import check
from lior_cli import echo_table, given, json_option, quiet_option
from lior_tables.cli.sharing import (
    PARAMETERS,
    bad_input,
    file_argument,
    import_torch,
    note_without_effect,
    number,
    percent,
    plugin_options,
    seed_option,
    task_of,
    task_options,
    told,
)

if TYPE_CHECKING:
    from lior_tables.loading import Estimator
    from lior_tables.reading import Task

_COUNT = 6
"""Number of inputs that are named."""
_PREDICTED = {
    None: "each row predicted without it",
    "time": "later rows, from earlier ones",
    "group": "each group, from others",
}
"""The rows that the scores are about, by kind of split."""
_JUDGED = ("root mean squared error", "log loss")
"""The scores that say whether a model is better than a guess."""


@click.command()
@file_argument
@task_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the model, new or empty.  [default: runs/FILE-TARGET-TIME]",
)
@plugin_options
@click.option(
    "--features",
    type=click.Choice(["patches", "derivatives", "pixels"]),
    default="patches",
    show_default=True,
    help="Features that compare pictures; derivatives need lior-field.",
)
@click.option(
    "--time",
    metavar="COLUMN",
    help="Later rows will come: choices, intervals and scores are of rows later than those learned.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Other groups will come: choices, intervals and scores are of groups that were not learned. The"
    " column is not an input.",
)
@click.option(
    "--workers",
    metavar="N|ADDRESS",
    help="Workers for a table of more than 8,000 rows: a number of processes, or the address of a Dask"
    " scheduler (tcp://host:8786).  [default: this process]",
)
@seed_option
@json_option
@quiet_option
def fit(
    file: Path, out: Path | None, workers: str | None, seed: int, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Learn to predict a column of FILE from its other columns.

    FILE is CSV or Parquet, or a folder of pictures and arrays (.npy, .npz). The column `folder` is then the
    sub-folder of each. Words, dates and missing values need no preparation, and nothing is tuned by hand:
    choices are made on rows that are held out of FILE. The model is written to a folder for `lior table
    predict`.
    """
    import_torch()
    from lior_tables.estimators import GeometricClassifier, GeometricRegressor
    from lior_tables.plan import Options
    from lior_tables.reading import opened
    from lior_tables.resuming import KeptWork
    from lior_tables.saving import check_new, save

    where = None if workers is None else check(workers)
    frame = opened(file, pictures=given["pictures"], size=given["size"], targets=given["targets"])
    count = len(frame)
    task, frame = task_of(frame, file, given)
    note_without_effect(task)
    path = out or _default_out(file, task)
    kind = GeometricClassifier if task.classes else GeometricRegressor
    estimator: Estimator = kind(
        **{name: given[name] for name in PARAMETERS},
        categorical_features=list(given["words"]) or None,
        shape=task.shape or None,
        features=given["features"],
        time=given["time"],
        group=given["group"],
        random_state=seed,
    )
    check_new(estimator, path, task)
    if workers is not None:
        _note_idle(len(frame), Options().exact_rows, given["readout"])
    started = time.perf_counter()
    kept = path.with_name(path.name + PARTIAL)
    try:
        with bad_input(file), told(quiet or as_json) as progress:
            x, y = task.rows(frame, file), task.answers(frame, file)
            estimator.fit(x, y, on_progress=progress, resume=kept, workers=where)
        estimator.ledger_ = estimator.ledger_.numbered(frame.index.to_numpy(), count)
    except KeyboardInterrupt:
        goes_on = f"the same command with --out {path} goes on" if kept.exists() else "nothing was written"
        raise Interrupted(f"interrupted; {goes_on}") from None
    seconds = time.perf_counter() - started
    _note_no_column(estimator)
    save(estimator, path, task)
    summary = _summary(estimator, task) | {"run": str(path), "seconds": seconds}
    if task.pictures:
        summary |= {"shape": list(task.shape), "skipped": frame.attrs.get("skipped", [])}
    KeptWork(kept).remove()
    if as_json:
        click.echo(json.dumps(summary))
        return
    _report(summary, task)


def _note_idle(rows: int, exact: int, readout: str) -> None:
    """Say why workers have nothing to do, if they have not."""
    if rows <= exact or readout == "vote":
        many = "larger tables" if rows <= exact else "what is solved, and a vote is not"
        click.echo(
            f"note: {rows:,} rows are fitted at once, by this process; --workers divides {many}", err=True
        )


def _note_no_column(estimator: Estimator) -> None:
    """Say which options for words and texts have no effect because no input holds any."""
    encodings = getattr(estimator.columns_, "encodings", None)
    if encodings is None:
        return
    for name, what, field in (("texts", "texts", "texts"), ("categories", "words", "levels")):
        if given(name) and not any(getattr(each, field) for each in encodings):
            click.echo(f"note: --{name} has no effect: no input holds {what}", err=True)


def _default_out(file: Path, task: Task) -> Path:
    name = "table" if str(file) == "-" else file.name.split(".")[0]
    return Path("runs") / f"{name}-{task.targets[0]}-{time.strftime('%Y%m%d-%H%M%S')}".replace("/", "_")


def _summary(estimator: Estimator, task: Task) -> dict[str, Any]:
    """Return numbers for people and programs: errors of rows that were left out, and important inputs."""
    import numpy as np

    from lior_tables.judging import scores_by_target

    ledger, model, answers = estimator.ledger_, estimator.model_, estimator.unseen()
    baseline = ledger.weights @ ledger.y / ledger.weights.sum()
    there = np.isfinite(answers).all(1)
    y, answers, drift = ledger.y[there], answers[there], estimator.drift()
    return {
        "rows": len(ledger),
        "different_rows": ledger.size,
        "inputs": len(estimator.inputs()),
        "coordinates": len(estimator.columns_.origins),
        "targets": list(task.targets),
        "classes": [str(each) for each in getattr(estimator, "classes_", [])],
        "leave_one_out": scores_by_target(y, answers, task.targets, classes=task.classes),
        "baseline": scores_by_target(y, baseline + 0 * answers, task.targets, classes=task.classes),
        "anew": estimator.few_rows,
        "new": "time" if estimator.time else "group" if estimator.group else None,
        "drift": None if np.isnan(drift) else drift,
        "importances": {} if task.pictures else estimator.worth().by_name(),
        "beyond_chance": [] if task.pictures else list(estimator.worth().beyond_chance()),
        "members": [
            {"kernel": member.candidate.name, "share": share, "steps": member.setting.steps}
            for member, share in zip(model.members, model.member_weights, strict=True)
        ],
    }


def _report(summary: dict[str, Any], task: Task) -> None:
    from lior_tables.judging import named_scores

    what = f"{len(summary['classes'])} classes" if task.classes else "numbers"
    same = summary["rows"] - summary["different_rows"]
    equal = f" ({quantity(same, 'repetition')})" if same else ""
    inputs = quantity(summary["inputs"], "input")
    if task.pictures:
        inputs = f"pictures of {task.shape[0]} × {task.shape[1]} × {task.shape[2]}"
    click.echo(
        f"{summary['rows']:,} rows{equal}, {inputs} as {quantity(summary['coordinates'], 'coordinate')}"
        f"; {', '.join(task.targets)}: {what}\n"
    )
    ours, mean = (named_scores(summary[which]) for which in ("leave_one_out", "baseline"))
    echo_table(
        [_PREDICTED[summary["new"]], "model", "commonest" if task.classes else "mean"],
        [[name, number(ours[name]), number(mean[name])] for name in ours],
    )
    idle = [name for name in ours if name.endswith(_JUDGED) and not ours[name] < mean[name]]
    if idle:
        guess = "the shares of the classes" if task.classes else "the mean"
        click.echo(f"\nno better than {guess} by {', '.join(idle)}: the inputs may tell nothing about it")
    if summary["drift"] is not None:
        who = "later than those learned" if summary["new"] == "time" else "of groups that were not learned"
        click.echo(f"\ndrift: rows {who} have {summary['drift']:.2f} times the error of rows among them")
    first, more = summary["beyond_chance"][:_COUNT], summary["importances"]
    named = ", ".join(f"{name} {percent(more[name])}" for name in first if more[name] >= 0.005)
    counts = "" if task.pictures else f"what counts (more error without it): {named or 'nothing'}\n"
    known = "The metric was fitted with all rows, so new ones are predicted a little worse"
    if summary["anew"]:
        known = "The errors are those of five models, each fitted without a fifth of the rows"
    place, new = shlex.quote(summary["run"]), "NEW.png" if task.pictures else "NEW.csv"
    click.echo(
        f"\n{counts}"
        f"fitted in {summary['seconds']:.1f} s. {known}:\n"
        "`lior table compare` holds rows out, and shows how others do on them\n"
        f"Next: lior table predict {place} {new}\n"
        f"      lior table why {place} {new} --row 0\n"
        f"      lior table plot {place}"
    )
