"""``lior table learn`` and ``lior table forget``: rows in and out of a model."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import UsageError, did_you_mean, sentences
from lior_cli import json_option
from lior_tables.cli.sharing import bad_input, file_argument, opened, run_argument

if TYPE_CHECKING:
    from lior_tables.loading import Estimator
    from lior_tables.reading import Task

_MOST = 10_000_000


@click.command()
@run_argument
@file_argument
@json_option
def learn(run: Path, file: Path, as_json: bool) -> None:
    """Add the rows of FILE to the model RUN at once.

    The model is then the same as if it had been solved with them. The metric, the scales of the inputs and
    all choices stay as fitted.
    """
    estimator, place, task = opened(run)
    from lior_tables.reading import opened as opened_table
    from lior_tables.saving import save_edited

    frame = opened_table(file, task)
    started = time.perf_counter()
    with bad_input(file):
        ids = estimator.learn(task.rows(frame, file), task.answers(frame, file))
    seconds = time.perf_counter() - started
    save_edited(run, place, estimator, task)
    if as_json:
        click.echo(json.dumps({"learned": ids.tolist(), "rows": estimator.n_rows_, "seconds": seconds}))
        return
    named = f"{ids[0]}-{ids[-1]}" if len(ids) > 1 else str(ids[0])
    undo = f"`lior table forget {run} {named}` undoes it"
    click.echo(
        f"learned {_rows(len(ids))} in {seconds:.2f} s: {named}; {undo}\n"
        f"{estimator.n_rows_:,} rows; metric, scales and choices stay as fitted"
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

    A ROW is a number as `lior table why` shows it, a range such as 12-20, or the file of a picture.
    Afterwards the model predicts as if it had been solved without them, and no version of RUN holds them.
    """
    estimator, place, task = opened(run)
    wanted = _name(rows, estimator, task)
    from lior_tables.saving import save_edited

    started = time.perf_counter()
    with bad_input(run):
        estimator.forget(wanted, metric=metric)  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    save_edited(run, place, estimator, task)
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
    left = f"{estimator.n_rows_:,} are left"
    click.echo(f"forgot {_rows(len(wanted))} in {seconds:.2f} s; {left}\n{rest}")


def _name(rows: Sequence[str], estimator: Estimator, task: Task) -> list[int]:
    """Return ids from numbers, ranges, and names of the files of pictures."""
    if not task.pictures:
        return number(rows)
    ledger = estimator.ledger_
    files = ledger.table[task.pictures].astype(str).to_numpy()
    found: dict[int, Any] = {}
    for each in rows:
        ids = ledger.ids[files == each].tolist()
        if not ids and not each[:1].isdecimal():
            hint = did_you_mean(each, files.tolist())
            raise UsageError(sentences(f"no picture {each!r} in the model.", hint))
        found |= dict.fromkeys(ids or number([each]))
    return list(found)


def number(rows: Sequence[str]) -> list[int]:
    """Return ids from numbers and ranges, ends included; each once.

    >>> number(["7", "10-12", "11"])
    [7, 10, 11, 12]

    Raises
    ------
    UsageError
        For anything else.
    """
    found: dict[int, Any] = {}
    for each in rows:
        first, dash, last = each.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise UsageError(f"{each!r}: rows are numbers such as 17, or ranges such as 12-20")
        if int(last or first) - int(first) > _MOST:
            raise UsageError(f"{each!r}: a range of more than {_MOST:,} rows")
        found |= dict.fromkeys(range(int(first), int(last or first) + 1))
    return list(found)


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"
