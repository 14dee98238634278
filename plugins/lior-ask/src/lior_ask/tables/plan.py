"""A plan: the rows, conditions and columns of a calculation, and what is shared by those who make one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import PurePath

import attrs

from lior_ask.index.table_schema import Column
from lior_ask.index.table_store import Head, Row, kind_of
from lior_ask.languages.words import tokens
from lior_ask.question.filters import Filters, Known, composed, fitting
from lior_ask.tables import lexicon
from lior_ask.tables.grammar import Request, Word
from lior_ask.tables.periods import Period
from lior_ask.tables.words import alike

_VIEW = -(1 << 62)
"""Key of the first view; those of logs are negative, too."""
_PREFIX = 5
"""Letters of a word that the name of a table may go on from: "Fahrten" of "Fahrtenbuch"."""


class Unclear(Exception):
    """A calculation that is refused, with the reason in one line.

    ``words``: those that name nothing; empty where something else is unclear.
    """

    def __init__(self, said: str, words: Sequence[str] = ()) -> None:
        super().__init__(said)
        self.said, self.words = said, tuple(words)


@attrs.frozen(kw_only=True)
class Condition:
    """What the rows must have, as SQL over the columns ``c0``, ``n0`` (numbers) and ``d0`` (dates)."""

    sql: str
    values: tuple[str | float, ...] = ()
    shown: str
    """``category is food``; of a condition that is not ``told``, ``from Marta`` or ``in March``."""
    told: bool = True
    place: int = 0
    """Of its first word in the question."""
    covered: bool | None = None
    """Of a period, whether the table has rows from its beginning to its end, so that none is a 0."""
    apart: int | None = None
    """Column of which several values are named, each of which is counted."""


@attrs.frozen(kw_only=True)
class Group:
    """What rows are put together by."""

    by: int | str
    """A column, or a unit of time: ``day``, ``week``, ``month``, ``year``."""
    over: str = ""
    """``highest``, ``lowest`` or ``mean`` of the groups, ``none`` for those without a row; empty for all."""


@attrs.frozen(kw_only=True)
class Plan:
    """A calculation that is clear."""

    operation: str
    tables: tuple[tuple[Head, tuple[Row, ...]], ...] = attrs.field(repr=False)
    """With the rows that fit the filters; the columns of all are alike."""
    noun: str
    """What a row is: ``mails``, ``rows``."""
    place: str = ""
    """Of the rows: ``expenses.csv``."""
    where: tuple[Condition, ...] = ()
    measure: int | None = None
    """Column of the numbers."""
    sign: int = 1
    """-1 where what was paid out is meant, which stands below 0."""
    dated: int | None = None
    """Column of the dates by which rows are put in order."""
    subject: int | None = None
    """Column whose different values are counted or listed."""
    few: int = 0
    """How many rows are asked for; 0 for all, or for one."""
    group: Group | None = None
    part: tuple[Condition, ...] = ()
    """What those rows have of which the share is asked for."""
    named: int = 0
    """How many words name the table."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the first table."""
        return self.tables[0][0].columns


class TableSource:
    """The tables that fit the filters."""

    def __init__(self, known: Known, filters: Filters) -> None:
        self.known, self.filters = known, filters
        self.documents = known.documents(filters)
        abouts = known.abouts
        self._made = dict[int, Sequence[Row]]()
        self.heads = [head for name in self.documents for head in abouts[name].heads]

    def kind(self, kind: str, files: Sequence[str] = ()) -> list[Head]:
        """The tables of a kind, of these files if any is named."""
        return [h for h in self.heads if h.kind == kind and (not files or _of_files(h.document, files))]

    def of_rows(self, head: Head) -> bool:
        """Whether the document of a table has nothing but tables."""
        return kind_of(self.known.abouts[head.document], head.document) == "table"

    def every(self, head: Head) -> Sequence[Row]:
        """All rows of a table, or of a view."""
        return self._made[head.key] if head.key in self._made else self.known.store.rows(head)

    def made(self, head: Head, columns: Sequence[Column], rows: Sequence[Row], name: str) -> Head:
        """The view of a table with these columns and rows; ``name`` says what it is beside the table."""
        key = _VIEW - len(self._made)
        self._made[key] = rows
        label = ", ".join(filter(None, (head.name, name)))
        return attrs.evolve(head, key=key, columns=tuple(columns), rows=len(rows), name=label)

    def rows(self, head: Head) -> tuple[Row, ...]:
        """The rows of a table that fit."""
        rows, filters = self.every(head), self.filters
        if not (filters.sender or filters.after or filters.before):
            return tuple(rows)
        if head.dated is not None:
            return tuple(row for row in rows if fitting(filters, head, row))
        date = self.known.abouts[head.document].date or self.known.stamps.get(head.document, "")
        return tuple(rows) if filters.dated(date) and not filters.sender else ()


def _of_files(document: str, files: Sequence[str]) -> bool:
    """Whether a document is one of the files that a question names."""
    name = composed(document.partition("#")[0].lower())
    wanted = [composed(file.lower()) for file in files]
    return any(name == file or name.endswith(f"/{file}") for file in wanted)


def in_period(
    request: Request, head: Head, dated: int | None, source: TableSource, rows: Sequence[Row] | None = None
) -> list[Condition]:
    """The condition that rows are of the period; ``rows`` are those that tell its year.

    Raises ``Unclear`` where there are no dates, or the year is not clear.
    """
    period = request.period
    ends = "" if period is None or period.last is None else period.last.isoformat()
    if head.until and request.operation != "next" and not "" < ends <= head.until:
        raise Unclear(f"a series of {title(head)} goes on: ask about a time before {head.until}")
    if period is None:
        return []
    if dated is None:
        raise Unclear(no_dates(head))
    column, shown = head.columns[dated], period.shown
    if rows is None:
        heads = [head] if head.kind == "rows" else source.kind(head.kind)
        rows = [row for each in heads for row in source.every(each)] if head.kind != "files" else []
    known = [when for row in rows if (when := column.date(row.cells[dated]))]
    if rows and not known:
        raise Unclear(f"the dates of {column.name} in {title(head)} can be read in two ways")
    if len(known) < len(rows):
        shown += f" ({len(rows) - len(known):,} without a date left out)"
    if any(len(when) == 7 for when in known) and not period.whole:
        raise Unclear(f"{column.name} in {title(head)} has months, no days")
    years = {int(when[:4]) for when in known}
    if years == {0}:
        day = period.first or period.last
        if not period.yearless and day and str(day.year) not in head.document + head.name:
            raise Unclear(f"{column.name} in {title(head)} has no years")
        first, last = (day and f"0000-{day:%m-%d}" for day in (period.first, period.last))
    else:
        if period.yearless:
            some = {year for year in years if any(period.within(year).has(when) for when in known)}
            years = some if some and period.first and period.last else years
            if len(years) > 1 and not some and period.first and period.last:
                return [_in_no_year(period, known, dated)]
            if len(years) != 1:
                listed = " or ".join(map(str, sorted(years)[:5]))
                raise Unclear(f"{shown}: of which year{', ' * bool(years)}{listed}?")
            [year] = years
            period, shown = period.within(year), f"{shown} ({year})"
        first, last = (day and day.isoformat() for day in (period.first, period.last))
    tests = ["d{0} != ''", "d{0} >= ?" if first else "", "substr(d{0}, 1, 10) <= ?" if last else ""]
    sql = " AND ".join(test.format(dated) for test in tests if test)
    values = tuple(v for v in (first, last) if v)
    covered = len(known) == len(rows) and _covers(known, period)
    return [Condition(sql=sql, values=values, shown=shown, told=False, covered=covered)]


def _in_no_year(period: Period, known: Sequence[str], dated: int) -> Condition:
    """The condition of a period without a year that no date of any year is in."""
    ends = tuple(f"{day:%m-%d}" for day in (period.first, period.last) if day)
    covered = any(_covers(known, period.within(year)) for year in {int(when[:4]) for when in known})
    sql, shown = f"substr(d{dated}, 6, 5) BETWEEN ? AND ?", f"{period.shown} (of any year)"
    return Condition(sql=sql, values=ends, shown=shown, told=False, covered=covered)


def _covers(known: Sequence[str], period: Period) -> bool:
    """Whether a period is from the month of the first of some dates to that of the last."""
    begin, end = ("" if day is None else f"{day:%Y-%m}" for day in (period.first, period.last))
    return bool(known) and min(known)[:7] <= begin and end <= max(known)[:7] and "" not in (begin, end)


def is_of_year(head: Head, period: Period, dated: int | None) -> bool:
    """Whether a table is called one of the year that is asked for, "members 2025", and its dates tell another
    thing, such as when they joined."""
    first, last = period.first, period.last
    if (
        not (first and last)
        or period.yearless
        or (first, last) != (date(first.year, 1, 1), date(first.year, 12, 31))
    ):
        return False
    if dated is not None and lexicon.DATED.search(head.columns[dated].name):
        return False
    return str(first.year) in re.findall(r"\d{4}", f"{head.document} {head.name}")


def having(column: int, name: str, word: str) -> Condition:
    return Condition(sql=f"has(c{column}, ?)", values=(word,), shown=f"{name} has {word!r}")


def plan_of(
    request: Request,
    tables: Sequence[tuple[Head, tuple[Row, ...]]],
    noun: str,
    where: Sequence[Condition],
    *,
    dated: int | None,
) -> Plan:
    operation = "list" if request.operation in ("which", "who") else request.operation
    if operation in ("sum", "mean", "highest", "lowest") and tables[0][0].kind != "rows":
        raise Unclear(f"{noun} have no numbers to be added up or compared", ["number"])
    if operation in ("newest", "oldest") and dated is None:
        raise Unclear(f"{noun} have no dates")
    return Plan(
        operation=operation,
        tables=tuple(tables),
        noun=noun,
        where=tuple(where),
        dated=dated,
        few=request.few,
        place=listed([head for head, _ in tables]) if tables[0][0].kind in ("rows", "log") else "",
    )


def names_of(head: Head) -> list[str]:
    """The words of the name of a table: of its file, and of its sheet or heading."""
    return [*file_names(head), *tokens(head.name)]


def file_names(head: Head) -> list[str]:
    """The words of the name of a table's file."""
    path = PurePath(head.document.partition("#")[0])
    return tokens(re.sub(r"[_\d-]+", " ", path.stem))


def names_it(word: str, head: Head) -> bool:
    """Whether a word is of the name of a table, or what it begins with."""
    names = names_of(head)
    begins = len(word) >= _PREFIX and any(name.startswith(word) for name in names)
    same = [each for row in lexicon.NAMES if word in row for each in row]
    return begins or alike(word, names) or not {*same}.isdisjoint(names)


def title(head: Head) -> str:
    return f"{head.document} ({head.name})" if head.name else head.document


def listed(heads: Sequence[Head]) -> str:
    shown = [title(head) for head in heads]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} others" if len(shown) > 3 else "")


def list_columns(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)


def no_dates(head: Head) -> str:
    dates = [column.name for column in head.columns if column.kind == "date"]
    reason = f"has several dates ({', '.join(dates)}); say which" if dates else "has no column with dates"
    return f"{title(head)} {reason}; its columns are: {list_columns(head.columns)}"


def nothing(words: Sequence[Word], known: str, columns: Sequence[str] = ()) -> Unclear:
    """The refusal for words that name nothing."""
    shown = " and ".join(repr(word.text) for word in words)
    reason = f"is in several columns ({', '.join(columns)})" if columns else "names nothing that can be told"
    return Unclear(f"{shown} {reason}; {known}", [word.text for word in words])
