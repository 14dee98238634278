"""Questions of other people about tables of Wikipedia: WikiTableQuestions (P. Pasupat and P. Liang, 2015).

Crowd workers asked 22,033 questions about 2,108 tables. The answers are known, but not the queries: a query
that is proposed is taken to be right if its result is the answer. The data (CC BY-SA 4.0) are no part of this
project; a clone of :data:`SOURCE` has them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import attrs
import click

from lior_ask.answer.selection import Answer
from lior_ask.tables.query import FIRST, Aggregate, Query
from lior_ask.tables.ranking import Ranker
from lior_ask.tables.sources import Table, first_rows
from lior_ask.tables.telling import NoResult, Teller
from lior_bench.queries.verdicts import verdict
from lior_bench.queries.worlds import Gold

SOURCE = "https://github.com/ppasupat/WikiTableQuestions"
LEARN, KEPT = "random-split-1-train", "pristine-unseen-tables"
"""The questions to learn from, and those of tables that these are not about."""
_ESCAPES = (("\\n", "\n"), ("\\p", "|"), ("\\\\", "\\"))
_NUMBER = re.compile(r"[$€£]?\s*(-?\d[\d,]*(?:\.\d+)?)\s*(?:%|[a-z]+)?")
_NOTES = re.compile(r"\[[^\]]*\]|\(\w?\)")
_BEHIND = re.compile(r"[\[(].*")
_FEW = 200
"""Maximum number of rows whose cells are compared with an answer."""


@attrs.frozen
class Asked:
    """A question about a table, with the texts that answer it."""

    text: str
    table: Path
    """A file of comma-separated values."""
    target: tuple[str, ...]


def read(place: Path, split: str) -> list[Asked]:
    """Return the questions of a part of the data.

    Raises
    ------
    click.ClickException
        When ``place`` is no clone of the data.
    """
    path = place / "data" / f"{split}.tsv"
    try:
        lines = path.read_text("utf-8").splitlines()[1:]
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be read; --wikitables needs a clone of {SOURCE}"
        ) from error
    fields = (line.split("\t") for line in lines)
    return [Asked(_plain(text), place / file, (*map(_plain, t.split("|")),)) for _, text, file, t in fields]


def unpack(asked: Asked, out: Path) -> Path:
    """Write the table of a question to a folder below ``out``, and return the folder."""
    own = out / "-".join(asked.table.with_suffix("").parts[-2:])
    if not own.exists():
        own.mkdir()
        rows = csv.reader(io.StringIO(asked.table.read_text("utf-8")), escapechar="\\", doublequote=False)
        with (own / "table.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([[cell.replace("\n", " ") for cell in row] for row in rows])
    return own


def judged(asked: Asked, answer: Answer | None) -> str:
    """Return one of ``VERDICTS`` on a reply: a number, or all texts, must be in it."""
    number = len(asked.target) == 1 and _number(asked.target[0]) is not None
    value = str(_number(asked.target[0])) if number else [*asked.target]
    return verdict({"op": "sum" if number else "value"}, Gold(value, ()), answer)


def denotes(ranker: Ranker, query: Query, target: Sequence[str]) -> tuple[bool, bool]:
    """Return whether the result of a query is the answer, and whether its rows have the answer.

    "Which team has most points?" is answered by the row with most points, too.
    """
    table, rows = ranker.tables[query.table], ranker.selected(query)
    part = ranker.selected(attrs.evolve(query, where=(*query.where, *query.part))) if query.part else None
    try:
        value = Teller(table, shows=False).tell(query, rows, part).result.value
    except NoResult:
        return False, False
    how, measure = query.aggregate, query.measure
    if query.group is not None:
        return _of_groups(query, value, target)
    if how in FIRST:
        first, shown = first_rows(table, query, rows), measure if query.show is None else query.show
        told = shown is not None and _are(table, shown, first, target)
        return told, told or (query.show is None and bool(_columns(table, first, target)))
    if len(rows) <= _FEW and (how is Aggregate.VALUE or (how is Aggregate.LIST and measure is not None)):
        assert measure is not None
        return (_are(table, measure, rows.tolist(), target),) * 2
    if how is Aggregate.LIST:
        found = _columns(table, rows.tolist(), target) if 0 < len(rows) <= _FEW else []
        return 0 in found, bool(found)
    if how is Aggregate.EXISTS:
        return (target[0].lower() in ("yes", "no") and (target[0].lower() == "yes") == bool(len(rows)),) * 2
    if how is Aggregate.DUPLICATES:
        return (all(_words(each) in _words(value) for each in target),) * 2
    return (len(target) == 1 and _same(value, target[0]),) * 2


def _of_groups(query: Query, value: str, target: Sequence[str]) -> tuple[bool, bool]:
    assert query.group is not None
    if query.group.over not in ("highest", "lowest"):
        return (query.group.over == "mean" and len(target) == 1 and _same(value, target[0]),) * 2
    own = [each.rsplit(" ", 1) for each in value.split(", ")]
    named = _equal([each[0] for each in own], target)
    return named, named or (len(target) == 1 and all(_same(each[-1], target[0]) for each in own))


def _columns(table: Table, rows: Sequence[int], target: Sequence[str]) -> list[int]:
    """Return the columns whose cells in some rows are the answer."""
    return [n for n in range(len(table.columns)) if _are(table, n, rows, target)]


def _are(table: Table, column: int, rows: Sequence[int], target: Sequence[str]) -> bool:
    cells = table.cells(column)
    return _equal([cells[n] for n in rows], target)


def _equal(values: Collection[str], target: Sequence[str]) -> bool:
    """Return whether the different values are those of an answer."""
    own = list[str]()
    for value in values:
        if value.strip() and not any(_same(value, each) for each in own):
            own.append(value)
    return len(own) == len(target) and all(any(_same(value, each) for value in own) for each in target)


def _same(value: str, wanted: str) -> bool:
    """Return whether a value is a text or number, or has it in front of a note."""
    one, other = _number(value), _number(wanted)
    if one is not None and other is not None:
        return abs(abs(one) - abs(other)) < 1e-4 * max(1.0, abs(other))
    return _words(wanted) in (_words(value), _words(_BEHIND.sub("", value)))


def _number(text: str) -> float | None:
    match = _NUMBER.fullmatch(text.strip().lower())
    return float(match[1].replace(",", "")) if match else None


def _words(text: str) -> str:
    plain = _NOTES.sub("", text.strip().lower().replace("–", "-").replace("—", "-").replace("’", "'"))
    return " ".join(plain.split()).strip(" .\"'*†‡")


def _plain(text: str) -> str:
    for escaped, plain in _ESCAPES:
        text = text.replace(escaped, plain)
    return text
