"""A plan: the rows, conditions and columns of a calculation, with shared functions for planning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import PurePath

import attrs

from lior_ask.index.table_schema import Column
from lior_ask.index.table_store import Head, Row, kind_of
from lior_ask.languages.words import tokens
from lior_ask.question.filters import Filters, Known, composed, fitting
from lior_ask.tables import lexicon
from lior_ask.tables.columns import Coded
from lior_ask.tables.days import Period
from lior_ask.tables.grammar import Request, Word
from lior_ask.tables.mentions import recurring
from lior_ask.tables.query import Meets, Test, Within
from lior_ask.tables.sources import Table, stored_table, title
from lior_ask.tables.words import alike, has_word, translations

_VIEW = -(1 << 62)
"""Key of the first view; keys of logs are negative, too."""
_PREFIX = 5
"""Minimum length of a word that may begin a table's name, in letters: "Fahrten" for "Fahrtenbuch"."""


class Unclear(Exception):
    """A calculation that is refused, with the reason in one line.

    ``words`` are those that name nothing; empty if something else is unclear. ``choice`` is true if several
    tables or columns fit.
    """

    def __init__(self, said: str, words: Sequence[str] = (), *, choice: bool = False) -> None:
        super().__init__(said)
        self.said, self.words, self.choice = said, tuple(words), choice


@attrs.frozen(kw_only=True)
class Condition:
    """A condition on rows, in words."""

    test: Test | None
    """``None`` for all rows."""
    shown: str
    """The condition in words: ``category is food``, or if not ``told``, ``from Marta`` or ``in March``."""
    told: bool = True
    place: int = 0
    """The position of its first word in the question."""
    covered: bool | None = None
    """Whether the table covers a period, so that no row means 0; ``None`` for other conditions."""
    apart: int | None = None
    """The column of several named values, each of which is counted."""


@attrs.frozen(kw_only=True)
class Group:
    """A grouping of rows."""

    by: int | str
    """The column of the groups, or a unit of time: ``day``, ``week``, ``month``, ``year``."""
    over: str = ""
    """``highest``, ``lowest`` or ``mean`` of the groups, ``none`` for groups without a row; empty for all."""


@attrs.frozen(kw_only=True)
class Plan:
    """A plan of a calculation."""

    operation: str
    table: Table = attrs.field(repr=False)
    """The rows that fit the filters, of one or more tables with the same columns."""
    noun: str
    """The noun for the rows: ``mails``, ``rows``."""
    place: str = ""
    """The source of the rows: ``expenses.csv``."""
    where: tuple[Condition, ...] = ()
    measure: int | None = None
    """The column of the numbers."""
    sign: int = 1
    """The factor of the numbers: -1 for outgoing amounts, which are negative."""
    dated: int | None = None
    """The column of the dates by which rows are sorted."""
    subject: int | None = None
    """The column whose different values are counted or listed."""
    few: int = 0
    """The number of rows asked for; 0 for all, or for one."""
    group: Group | None = None
    part: tuple[Condition, ...] = ()
    """The additional conditions of the rows whose share is asked for."""
    named: int = 0
    """The number of words that name the table."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the first table."""
        return self.table.heads[0].columns


class TableSource:
    """A source of the tables that fit the filters."""

    def __init__(self, known: Known, filters: Filters) -> None:
        self.known, self.filters = known, filters
        self.documents = known.documents(filters)
        abouts = known.abouts
        self._made = dict[tuple[int, ...], Table]()
        self.heads = [head for name in self.documents for head in abouts[name].heads]

    def kind(self, kind: str, files: Sequence[str] = ()) -> list[Head]:
        """Return the tables of a kind, of these files if any are named."""
        return [h for h in self.heads if h.kind == kind and (not files or _of_files(h.document, files))]

    def of_rows(self, head: Head) -> bool:
        """Return whether the document of a table has only tables."""
        return kind_of(self.known.abouts[head.document], head.document) == "table"

    @cached_property
    def people(self) -> frozenset[str]:
        """The words of names: of senders, of contacts, and of columns that are named after people."""
        own = ((head, n) for head in self.heads for n in head.places("text") if _names_people(head, n))
        return frozenset(w for head, n in own for cell in self.whole(head).cells(n) for w in tokens(cell))

    def of_people(self, head: Head) -> list[int]:
        """Return the columns of people: named after them, or with names that other columns of people have."""
        cells = {n: {*filter(str.strip, self.whole(head).cells(n))} for n in head.places("text")}
        known = [n for n, own in cells.items() if all(map(self._is_person, own))]
        return [n for n, own in cells.items() if own and (n in known or _names_people(head, n))]

    def _is_person(self, cell: str) -> bool:
        """Return whether all words of a cell are words of names."""
        words = tokens(cell)
        return bool(words) and self.people.issuperset(words)

    def whole(self, *heads: Head) -> Table:
        """Return all rows of tables or of views, without totals."""
        keys = tuple(head.key for head in heads)
        if keys not in self._made and any((key,) in self._made for key in keys):
            self._made[keys] = Table(heads, self.every)
        return self._made[keys] if keys in self._made else stored_table(self.known, heads, Filters())

    def every(self, head: Head) -> list[Row]:
        """Return all rows of a table or a view, without totals."""
        return [row for _, row in self.whole(head).rows]

    def made(self, head: Head, columns: Sequence[Column], rows: Sequence[Row], name: str) -> Head:
        """Return a view of a table with these columns and rows; ``name`` is added to the table's name."""
        key, label = _VIEW - len(self._made), ", ".join(filter(None, (head.name, name)))
        view = attrs.evolve(head, key=key, columns=tuple(columns), rows=len(rows), name=label)
        self._made[(key,)] = Table((view,), lambda _: rows)
        return view

    def table(self, *heads: Head) -> Table:
        """Return the rows of tables that fit the filters."""
        some = attrs.evolve(self.filters, kind="", path="")
        return Table(heads, self._fitting) if some else self.whole(*heads)

    def _fitting(self, head: Head) -> list[Row]:
        rows, filters = self.every(head), self.filters
        if head.dated is not None:
            return [row for row in rows if fitting(filters, head, row)]
        date = self.known.abouts[head.document].date or self.known.stamps.get(head.document, "")
        own = [row for row in rows if filters.among(head.document, row.line)]
        return own if filters.dated(date) and not filters.sender else []


def _of_files(document: str, files: Sequence[str]) -> bool:
    """Return whether a document is one of the files that a question names."""
    name = composed(document.partition("#")[0].lower())
    wanted = [composed(file.lower()) for file in files]
    return any(name == file or name.endswith(f"/{file}") for file in wanted)


def in_period(
    request: Request, head: Head, dated: int | None, source: TableSource, known: Coded[str] | None = None
) -> list[Condition]:
    """Return the condition that rows are in the period; the dates ``known`` determine its year.

    Raises ``Unclear`` if there are no dates, or the year is unclear.
    """
    period = request.period
    if period is None:
        return []
    if dated is None:
        raise no_dates(head)
    period = period.coming(request.today) if head.kind == "events" else period
    column, shown = head.columns[dated], period.shown
    if known is None and head.kind != "files":
        heads = [head] if head.kind == "rows" else source.kind(head.kind)
        known = source.whole(*heads).coded("date", dated)
    known = Coded[str].of([]) if known is None else known
    days, lacking = known.days, known.count("")
    if lacking and not days:
        raise Unclear(f"the dates of {column.name} in {title(head)} can be read in two ways")
    if lacking:
        shown += f" ({lacking:,} without a date left out)"
    if any(len(when) == 7 for when in days) and not period.whole:
        raise Unclear(f"{column.name} in {title(head)} has months, no days")
    years = {*known.years}
    if years == {0}:
        day = period.first or period.last
        if not period.yearless and day and str(day.year) not in head.document + head.name:
            raise Unclear(f"{column.name} in {title(head)} has no years")
        first, last = (day and f"0000-{day:%m-%d}" for day in (period.first, period.last))
    else:
        if period.recurs(years, head.kind):
            return [_in_any_year(period, days, dated)]
        if period.yearless:
            years = {*period.reachable(years, request.today)} if head.kind == "events" else years
            some = {year for year in years if any(period.within(year).has(when) for when in days)}
            years = some if some and period.first and period.last else years
            if len(years) > 1 and not some and period.first and period.last:
                nowhere = attrs.evolve(period, shown=f"{period.shown} (of any year)")
                return [_in_any_year(nowhere, days, dated)]
            if len(years) != 1:
                listed = " or ".join(map(str, sorted(years)[:5]))
                raise Unclear(f"{shown}: of which year{', ' * bool(years)}{listed}?")
            [year] = years
            period, shown = period.within(year), f"{shown} ({year})"
        first, last = (day and day.isoformat() for day in (period.first, period.last))
    test = Within(dated, first or "", last or "", shown)
    return [Condition(test=test, shown=shown, told=False, covered=not lacking and _covers(days, period))]


def _in_any_year(period: Period, days: Sequence[str], dated: int) -> Condition:
    """Return the condition of a period without a year, of any year."""
    covered = any(_covers(days, period.within(year)) for year in {int(when[:4]) for when in days} - {0})
    test = recurring(dated, period)
    return Condition(test=test, shown=test.shown, told=False, covered=covered)


def _covers(known: Sequence[str], period: Period) -> bool:
    """Return whether a period lies between the months of the first and the last date."""
    begin, end = ("" if day is None else f"{day:%Y-%m}" for day in (period.first, period.last))
    return bool(known) and min(known)[:7] <= begin and end <= max(known)[:7] and "" not in (begin, end)


def is_of_year(head: Head, period: Period, dated: int | None) -> bool:
    """Return whether the name of a table has the year that is asked for: "members 2025".

    Its dates may mean something else, such as the day of joining."""
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
    return Condition(test=Meets(column, lambda cell: has_word(cell, word)), shown=f"{name} has {word!r}")


def plan_of(
    request: Request,
    table: Table,
    noun: str,
    where: Sequence[Condition],
    *,
    dated: int | None,
) -> Plan:
    operation = "list" if request.operation in ("which", "who") else request.operation
    if operation in ("sum", "mean", "highest", "lowest") and table.kind != "rows":
        raise Unclear(f"{noun} have no numbers to be added up or compared", ["number"])
    if operation in ("newest", "oldest") and dated is None:
        raise Unclear(f"{noun} have no dates")
    return Plan(
        operation=operation,
        table=table,
        noun=noun,
        where=tuple(where),
        dated=dated,
        few=request.few,
        place=table.title if table.kind in ("rows", "log", "tasks") else "",
    )


def _names_people(head: Head, column: int) -> bool:
    """Return whether a column has senders, or is named after people."""
    name = head.columns[column].name
    sent = head.kind in ("mail", "chat") and name == "from"
    return sent or not lexicon.PERSONS.isdisjoint(tokens(name))


def names_of(head: Head) -> list[str]:
    """Return the words in the name of a table's file, and of its sheet or heading."""
    return [*file_names(head), *tokens(head.name)]


def file_names(head: Head) -> list[str]:
    """Return the words in the name of a table's file."""
    path = PurePath(head.document.partition("#")[0])
    return tokens(re.sub(r"[_\d-]+", " ", path.stem))


def names_it(word: str, head: Head) -> bool:
    """Return whether a word or a translation is in a table's name or begins a word of it, or is a synonym."""
    names = names_of(head)
    begun = [each for each in translations(word) if len(each) >= _PREFIX]
    begins = any(name.startswith(each) for name in names for each in begun)
    same = [each for row in lexicon.NAMES if word in row for each in row]
    return begins or alike(word, names) or not {*same}.isdisjoint(names)


def list_columns(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)


def no_dates(head: Head) -> Unclear:
    """Return the refusal where a table has no date, or several."""
    dates = [column.name for column in head.columns if column.kind == "date"]
    reason = f"has several dates ({', '.join(dates)}); say which" if dates else "has no column with dates"
    said = f"{title(head)} {reason}; its columns are: {list_columns(head.columns)}"
    return Unclear(said, choice=bool(dates))


def nothing(words: Sequence[Word], known: str, columns: Sequence[str] = ()) -> Unclear:
    """Return the refusal for words that name nothing."""
    shown = " and ".join(repr(word.text) for word in words)
    reason = f"is in several columns ({', '.join(columns)})" if columns else "names nothing that can be told"
    return Unclear(f"{shown} {reason}; {known}", [word.text for word in words])
