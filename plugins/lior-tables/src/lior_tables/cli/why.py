"""``lior table why``: the training rows behind a prediction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from lior.errors import UsageError, quantity
from lior_cli import WholeNumber, check_page, echo_table, json_option, write_page
from lior_tables.cli import page
from lior_tables.cli.sharing import (
    bad_input,
    file_argument,
    inputs_of,
    opened,
    run_argument,
    shorter,
    shown,
)

if TYPE_CHECKING:
    from lior_tables.reasons import Reason

_COLUMNS = 5
"""Maximum number of inputs in the table of a terminal; those that count most come first."""


@click.command()
@run_argument
@file_argument
@click.option(
    "--row", "at", type=WholeNumber(min=0), default=0, show_default=True, help="Row of FILE, from 0."
)
@click.option(
    "--top", type=WholeNumber(min=1), default=8, show_default=True, help="Training rows that are shown."
)
@click.option(
    "--of",
    metavar="NAME",
    help="Class or target to explain.  [default: the likeliest class, the first target]",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write a page with all inputs of these rows.",
)
@json_option
def why(run: Path, file: Path, at: int, top: int, of: str | None, html: Path | None, as_json: bool) -> None:
    """Show the training rows behind the prediction of a row of FILE.

    A prediction is a weighted mean of the targets of the training rows. The share of a row is its weight
    times what its target differs from the mean; shares are exact and sum to the prediction. A negative weight
    moves the prediction away from a target. Row numbers are those that `lior table forget` takes.
    """
    if html:
        check_page(html, page.COMMAND)
    estimator, _, task = opened(run)
    from lior_tables.reading import opened as opened_table
    from lior_tables.reasons import reason

    frame = opened_table(file, task)
    if at >= len(frame):
        raise UsageError(f"--row {at}: {file} has the rows 0 to {len(frame) - 1}")
    with bad_input(file):
        asked = inputs_of(frame, file, estimator, task).iloc[[at]]
        found = reason(estimator, task, asked, top=top, target=of)
    if as_json:
        click.echo(json.dumps(attrs.asdict(found) | {"file": str(file), "row": at}))
    else:
        _show(found, at)
    if html:
        rows = estimator.rows(asked)
        shown_ones = page.images_of(estimator, task, found, rows) if task.pictures else []
        title = rows[task.pictures].iloc[0] if task.pictures else f"{file}, row {at}"
        done = write_page(html, page.page(found, title=title, pictures=shown_ones))
        click.echo(f"{done} {click.format_filename(html)}", err=as_json)


def _show(found: Reason, at: int) -> None:
    click.echo(f"{found.headline()}\n{found.account()}\n")
    inputs = list(found.importances)[:_COLUMNS]
    rows = [["", "", f"row {at}", "", *(shorter(shown(found.asked[name])) for name in inputs)]]
    for each in found.rows:
        numbers = [f"{each['weight']:+.3f}", f"{each['share']:+.4g}", str(each["row"])]
        cells = [each["answer"], *(each["inputs"][name] for name in inputs)]
        rows.append([*numbers, *(shorter(shown(cell)) for cell in cells)])
    echo_table(["weight", "share", "row", shorter(found.column), *map(shorter, inputs)], rows)
    more = len(found.importances) - len(inputs)
    if more:
        click.echo(f"\n{quantity(more, 'further input')}: --html or --json shows all")
