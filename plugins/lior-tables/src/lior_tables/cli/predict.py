"""``lior table predict``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from lior.errors import MissingPackage, UsageError, quantity
from lior.files import writing
from lior_cli import RealNumber, json_option
from lior_tables.cli.sharing import (
    bad_input,
    file_argument,
    inputs_of,
    number,
    opened,
    refuse_input,
    run_argument,
    shown,
)

if TYPE_CHECKING:
    from pandas import DataFrame

    from lior_tables.cells import Column, Form
    from lior_tables.loading import Estimator
    from lior_tables.reading import Task

_NUMBERS = ("predicted", "low", "high")
"""Last words of the columns of a target that is a number."""
_NAMED = 3
"""Maximum number of rows without a score that are named."""


@click.command()
@run_argument
@file_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="CSV or Parquet file for the predictions.  [default: standard output, as CSV]",
)
@click.option(
    "--interval",
    type=RealNumber(min=0, max=1, min_open=True, max_open=True),
    metavar="PROBABILITY",
    help="Add intervals that hold the target with this probability, such as 0.9.",
)
@click.option(
    "--balanced",
    is_flag=True,
    help="Predict the class that is likelier than its share of the training rows by the largest factor: finds"
    " rare classes, and is wrong more often.",
)
@json_option
def predict(
    run: Path, file: Path, out: Path | None, interval: float | None, balanced: bool, as_json: bool
) -> None:
    """Predict the rows of FILE with the model RUN.

    FILE has the columns that the model predicts from, in any order; others are ignored. If the target is
    there, the predictions are compared with it on standard error. A model of pictures takes one, a folder, or
    a table of their files. Classes come with their probabilities.
    """
    estimator, _, task = opened(run)
    if interval is not None and task.classes:
        raise UsageError("--interval is for numbers; the probabilities of the classes are printed anyway")
    if balanced and not task.classes:
        raise UsageError("--balanced is for classes; this model predicts numbers")
    if as_json and out:
        raise UsageError("--json prints one object and nothing else; leave out --out")
    if out:
        _check_out(out, file)
    from lior_tables.reading import opened as opened_table

    frame = opened_table(file, task)
    with bad_input(file):
        rows = inputs_of(frame, file, estimator, task)
        answers, compared = _answers(estimator, task, rows, interval, balanced)
    score, lacking = _score(estimator, task, frame, compared, balanced)
    if as_json:
        bounded = answers.replace([np.inf, -np.inf], np.nan).astype(object)  # JSON has no infinity
        predictions = bounded.where(bounded.notna(), None).to_dict("records")
        click.echo(json.dumps({"predictions": predictions, "score": score, "not_scored": lacking}))
        return
    if out:
        _write(answers, out)
    else:
        _print(answers, estimator, task)
    if score or lacking:
        click.echo(_account(score, lacking, task, frame), err=True)


def _answers(
    estimator: Estimator, task: Task, rows: DataFrame, interval: float | None, balanced: bool
) -> tuple[DataFrame, Any]:
    """Return the table of predictions, and the values to compare with targets, ``(rows, targets)``."""
    import pandas as pd

    from lior_tables.estimators import GeometricRegressor

    compared = estimator.answers(estimator.rows(rows))
    found: dict[str, Any] = {"row": range(len(rows))}
    if task.pictures:
        found[task.pictures] = rows[task.pictures].to_numpy()
    if not isinstance(estimator, GeometricRegressor):
        picked = estimator.pick(compared, balanced=balanced)
        found[f"{task.targets[0]} predicted"] = estimator.classes_[picked]
        found |= {f"P({label})": compared[:, i] for i, label in enumerate(estimator.classes_)}
        return pd.DataFrame(found), compared
    found |= {f"{name} predicted": compared[:, i] for i, name in enumerate(task.targets)}
    if interval is not None:
        low, high = (e.reshape(len(rows), -1) for e in estimator.predict_interval(rows, 1 - interval))
        for i, name in enumerate(task.targets):
            found[f"{name} low"], found[f"{name} high"] = low[:, i], high[:, i]
    return pd.DataFrame(found), compared


def _score(
    estimator: Estimator, task: Task, frame: DataFrame, compared: Any, balanced: bool
) -> tuple[dict[str, Any] | None, list[int]]:
    """Return scores on the rows with targets that the model knows, and the other rows.

    Without such a row, the scores are ``None``; without any target, there are no other rows.
    """
    from lior_tables.estimators import GeometricClassifier
    from lior_tables.judging import scores_by_target

    if any(name not in frame or frame[name].isna().all() for name in task.targets):
        return None, []
    picked = None
    if isinstance(estimator, GeometricClassifier):
        y = estimator.encoded(frame[task.targets[0]])
        known = y.sum(1) > 0
        picked = estimator.pick(compared[known], balanced=balanced)
    else:
        y = np.stack([_numbers(frame[name], task.forms.get(name)) for name in task.targets], 1)
        known = np.isfinite(y).all(1)
    lacking = np.flatnonzero(~known).tolist()
    if not known.any():
        return None, lacking
    found = scores_by_target(y[known], compared[known], task.targets, classes=task.classes, picked=picked)
    return found, lacking


def _numbers(column: Column, form: Form | None) -> Any:
    """Return the numbers of a target, NaN for cells that have none; ``form`` is that of the model's."""
    import pandas as pd

    from lior_tables.cells import Form

    form = form or Form.of(column)
    read = form.read(column) if form and form.kind != "date" else column
    return pd.to_numeric(read, errors="coerce").to_numpy(float)


def _account(score: dict[str, Any] | None, lacking: list[int], task: Task, frame: DataFrame) -> str:
    """Return the scores in words, with the rows that have none."""
    from lior_tables.judging import named_scores

    targets = frame[list(task.targets)].astype(object)
    cells = targets.where(targets.notna(), None).to_numpy()
    named = [f"row {row} ({', '.join(map(shown, cells[row]))})" for row in lacking[:_NAMED]]
    named += [f"{len(lacking) - _NAMED:,} more"] if len(lacking) > _NAMED else []
    others = f"no {'class of the model' if task.classes else 'number'}: {', '.join(named)}"
    if score is None:
        return f"nothing to compare with, the targets in the file are {others}"
    said = ", ".join(f"{name} {number(value)}" for name, value in named_scores(score).items())
    if not lacking:
        return f"against the targets in the file: {said}"
    count = quantity(len(frame), "target")
    return f"against {len(frame) - len(lacking):,} of {count} in the file: {said}; {others}"


def _check_out(out: Path, file: Path) -> None:
    """Refuse, before any work, the input, and names of formats that are not written."""
    from lior_tables.reading import PARQUET

    if out.suffix.lower() not in ("", ".csv", ".txt", *PARQUET):
        raise UsageError(f"{out}: predictions are CSV or Parquet; give a name that ends in .csv or .parquet")
    refuse_input(out, file)


def _print(answers: DataFrame, estimator: Estimator, task: Task) -> None:
    """Print the predictions as CSV, with the digits that matter beside the spread of the targets."""
    from lior_tables.rows import rounded

    spreads = {} if task.classes else dict(zip(task.targets, estimator.ledger_.y.std(0), strict=True))
    for name, spread in spreads.items():
        for column in answers.columns.intersection([f"{name} {what}" for what in _NUMBERS]):
            answers[column] = [rounded(value, spread) for value in answers[column]]
    click.echo(answers.to_csv(index=False, float_format="%.6g"), nl=False)


def _write(answers: DataFrame, out: Path) -> None:
    from lior_tables.reading import NO_PARQUET, PARQUET

    done = "replaced" if out.exists() else "wrote"
    try:
        with writing(out) as stream:
            if out.suffix.lower() in PARQUET:
                answers.to_parquet(stream, index=False)
            else:
                answers.to_csv(stream, index=False)
    except ImportError as error:
        raise MissingPackage(f"{out}: {NO_PARQUET}") from error
    click.echo(f"{done} {click.format_filename(out)}: {quantity(len(answers), 'row')}", err=True)
