"""``lior table learn`` and ``lior table forget``: rows in and out of a model."""

from __future__ import annotations

import json
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import UsageError, did_you_mean, quantity, sentences
from lior_cli import json_option
from lior_tables.cli.sharing import (
    bad_input,
    file_argument,
    inputs_of,
    opened,
    run_argument,
    skip_option,
    without_gaps,
)

if TYPE_CHECKING:
    from lior_tables.loading import Estimator
    from lior_tables.reading import Task


@click.command()
@run_argument
@file_argument
@skip_option
@json_option
def learn(run: Path, file: Path, skip_missing: bool, as_json: bool) -> None:
    """Add the rows of FILE to the model RUN at once.

    The model is then the same as if it had been solved with them. The metric, the scales of the inputs and
    all choices stay as fitted. A row that is equal to one of the model adds to its weight, as in a fit.
    """
    estimator, place, task = opened(run)
    from lior_tables.reading import opened as opened_table
    from lior_tables.saving import save_edited

    frame = opened_table(file, task)
    frame = without_gaps(frame, task, file) if skip_missing else frame
    started = time.perf_counter()
    with bad_input(file):
        rows = inputs_of(frame, file, estimator, task, learning=True)
        ids = estimator.learn(rows, task.answers(frame, file))
    seconds = time.perf_counter() - started
    save_edited(run, place, estimator, task)
    if as_json:
        click.echo(json.dumps({"learned": ids.tolist(), "rows": estimator.n_rows_, "seconds": seconds}))
        return
    named = f"{ids[0]}-{ids[-1]}" if len(ids) > 1 else str(ids[0])
    undo = f"`lior table forget {run} {named}` undoes it"
    click.echo(
        f"learned {quantity(len(ids), 'row')} in {seconds:.2f} s: {named}; {undo}\n"
        f"{quantity(estimator.n_rows_, 'row')}; metric, scales and choices stay as fitted"
    )


@click.command()
@run_argument
@click.argument("rows", nargs=-1, required=True, metavar="ROW...")
@click.option(
    "--metric",
    type=click.Choice(["keep", "refit"]),
    default="keep",
    show_default=True,
    help="Whether the metric and all choices are made anew without the rows, which takes as long as fitting.",
)
@json_option
def forget(run: Path, rows: tuple[str, ...], metric: str, as_json: bool) -> None:
    """Take rows out of the model RUN, exactly.

    A ROW is a number as `lior table why` shows it, a range such as 12-20, or the file of a picture. Not all
    rows of a range need to be in the model. Afterwards the model predicts as if it had been solved without
    them, and no version of RUN holds them.
    """
    estimator, place, task = opened(run)
    wanted, gone = _name(rows, estimator, task)
    from lior_tables.saving import save_edited

    started = time.perf_counter()
    with bad_input(run):
        estimator.forget(wanted, metric=metric)  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    save_edited(run, place, estimator, task)
    if gone:
        click.echo(f"note: the model has no row {', '.join(gone)}; the others were forgotten", err=True)
    if as_json:
        click.echo(json.dumps({"forgot": wanted, "rows": estimator.n_rows_, "seconds": seconds}))
        return
    rest = (
        "all was fitted anew without them: nothing of them remains"
        if metric == "refit"
        else "predictions are as if the model had been solved without them; the metric, the scales of the\n"
        "inputs and what was chosen were fitted with them among the others, and stay; --metric refit makes\n"
        "them anew"
    )
    left = f"{quantity(estimator.n_rows_, 'row')} left"
    click.echo(f"forgot {quantity(len(wanted), 'row')} in {seconds:.2f} s; {left}\n{rest}")


def _name(rows: Sequence[str], estimator: Estimator, task: Task) -> tuple[list[int], list[str]]:
    """Return ids from numbers, ranges, and names of the files of pictures; and what ranges lack."""
    ledger = estimator.ledger_
    known = ledger.ids.tolist()
    if not task.pictures:
        return number(rows, known)
    files = ledger.table[task.pictures].astype(str).to_numpy()
    found: dict[int, Any] = {}
    lacking: dict[str, Any] = {}
    for each in rows:
        ids = ledger.ids[files == each].tolist()
        if not ids and not each[:1].isdecimal():
            hint = did_you_mean(each, files.tolist())
            raise UsageError(sentences(f"no picture {each!r} in the model.", hint))
        if not ids:
            ids, gone = number([each], known)
            lacking |= dict.fromkeys(gone)
        found |= dict.fromkeys(ids)
    return list(found), list(lacking)


def number(rows: Sequence[str], known: Sequence[int]) -> tuple[list[int], list[str]]:
    """Return ids from numbers and ranges, ends included, each once; and the numbers that ranges lack.

    ``known`` are the ids of the model, ascending. Of a range that has none of them, the first number is
    returned, which the model refuses.

    >>> number(["7", "10-15", "11"], [7, 10, 11, 14])
    ([7, 10, 11, 14], ['12-13', '15'])

    Raises
    ------
    UsageError
        For anything else.
    """
    found: dict[int, Any] = {}
    lacking: dict[str, Any] = {}
    for each in rows:
        first, dash, last = each.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise UsageError(f"{each!r}: rows are numbers such as 17, or ranges such as 12-20")
        low, high = int(first), int(last or first)
        there = known[bisect_left(known, low) : bisect_right(known, high)]
        found |= dict.fromkeys(there or [low])
        for before, after in pairwise([low - 1, *there, high + 1]) if there else ():
            if after - before > 1:
                lacking[str(before + 1) + f"-{after - 1}" * (after - before > 2)] = None
    return list(found), list(lacking)
