"""Tables that a question may be about: their rows, typed cells and derived columns, and indexes of words.

A table of a question is one stored table, or several with the same columns, such as the statements of twelve
months. Some questions are about numbers that no column has: quantity times price, the days between two dates
of a row, the consumption between two readings. Such numbers are derived columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from itertools import combinations, pairwise, permutations
from pathlib import PurePath
from typing import Any

import attrs
import numpy as np

from lior_ask.index.table_schema import Column
from lior_ask.index.table_store import Head, Row
from lior_ask.languages.dates import MONTHS
from lior_ask.languages.lists import either, words
from lior_ask.languages.words import tokens
from lior_ask.question.filters import Filters, Known, fitting
from lior_ask.tables.columns import Columns, Kind, is_empty
from lior_ask.tables.query import Aggregate, Expr, Query, Sign, Within
from lior_ask.tables.words import stems

YES, NO = words("words.yes"), words("words.none")
"""Cells that mean yes, and cells that mean no."""
_PERSONS = words("columns.persons") | {"from", "to"}
_PRICES, _COUNTS = words("columns.prices"), words("columns.counts")
_ANSWERS = 0.6
"""Minimum share of yes and no among the different cells of a column of answers."""
_LIKE = 4
"""Number of letters that a word and a similar one have in common at their beginning."""
_ALIKE = 200
"""Maximum number of words that begin alike."""
_STEPS, _BALANCED, _CENT = 3, 0.9, 0.005
"""Minimum number of steps of a balance, minimum share of them that are amounts, and the rounding."""
_COMPARED = 5
"""Maximum number of columns of a type that are compared with each other."""
_DAYS = 4
"""Maximum number of columns of dates between which days are counted."""
_COUNTED = 2_000
"""Number of rows by which columns are compared."""
_INDEXED = 20_000
"""Maximum number of different cells of a column whose words are indexed by their stems."""
_LOG_LEVELS = ("error", "warning", "critical", "fatal", "info", "debug")


@cache
def things(key: str) -> re.Pattern[str]:
    """Return the pattern of the words for things of a kind in all languages."""
    return re.compile(either(f"things.{key}"))


@attrs.frozen
class Derived:
    """How the numbers of a derived column are made."""

    how: str
    """``product``, ``days`` or ``used``."""
    of: tuple[int, ...]
    """The columns from which they are computed."""


def title(head: Head) -> str:
    """Return the file, and the name of the sheet or heading."""
    return f"{head.document} ({head.name})" if head.name else head.document


@attrs.define(eq=False, slots=False)
class Table(Columns):
    """The rows of tables, with derived columns, and what a question may name in them."""

    header: np.ndarray | None = attrs.field(init=False, default=None, repr=False)
    """The vectors of its names, ``(1 + C, D)``, once :mod:`~lior_ask.tables.headers` has read them."""
    named: np.ndarray | None = attrs.field(init=False, default=None, repr=False)
    """Those of the names of columns alone, ``(1 + C, D)``; the first row has zeros."""

    @property
    def title(self) -> str:
        """The files, and the name of the sheet or heading."""
        shown = [*map(title, self.heads)]
        return ", ".join(shown[:3]) + (f" and {len(shown) - 3} others" if len(shown) > 3 else "")

    @cached_property
    def derived(self) -> dict[int, Derived]:
        """The derived columns by their numbers, which follow those of the stored columns."""
        return {len(self.heads[0].columns) + n: each for n, each in enumerate(self._derive())}

    @cached_property
    def columns(self) -> list[Column]:
        """The stored and the derived columns."""
        own = [*self.heads[0].columns]
        for each in self.derived.values():
            names = [own[n].name for n in each.of]
            shown = {"product": " × ".join(names), "days": f"days from {names[0]} to {names[-1]}"}
            unit = {"product": own[each.of[-1]].unit, "days": "days"}.get(each.how, own[each.of[0]].unit)
            name = shown.get(each.how, f"{names[0]} used between readings")
            own.append(Column(name=name, kind="number", unit=unit))
        return own

    def beside(self, role: str) -> list[int]:
        """Return the columns that a condition may have that compares with another row."""
        every = [n for n in range(len(self.columns)) if n not in self.derived]
        texts = role in ("beside =", "below", "above")
        return every if texts else [n for n in every if self.columns[n].kind != "text"]

    def places(self, kind: str) -> list[int]:
        """Return the numbers of the columns of a type."""
        return [n for n, each in enumerate(self.columns) if each.kind == kind]

    def _parsed(self, kind: Kind, column: int) -> list[Any]:
        if column < len(self.heads[0].columns):
            return super()._parsed(kind, column)
        if kind == "number":
            return [*self._computed(self.derived[column])]
        return ["" if n is None else str(n) for n in self.numbers(column)]

    def signed(self, column: int) -> bool:
        """Return whether a column has negative numbers and positive ones."""
        order = self.coded("number", column).order
        return bool(order) and order[0] < 0 < order[-1]

    @cached_property
    def answers(self) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
        """The cells that mean yes and those that mean no, of each column of such cells."""
        found = dict[int, tuple[tuple[str, ...], tuple[str, ...]]]()
        for n in self.places("text"):
            cells = self.coded("text", n).places
            yes, no = ([c for c in cells if c.strip().lower() in part] for part in (YES, NO))
            empty = [*filter(is_empty, cells)]
            filled = len(cells) - len(empty)
            if yes and (no or filled == len(yes)) and len(yes) + len(no) >= _ANSWERS * filled:
                found[n] = (*yes,), (*no,) if no else (*empty,)
        return found

    @cached_property
    def lacking(self) -> set[int]:
        """The columns in which some cells are empty and others are not."""
        empty = {n: {*map(is_empty, self.coded("text", n).places)} for n in range(len(self.heads[0].columns))}
        return {n for n, known in empty.items() if len(known) > 1}

    @cached_property
    def with_zeros(self) -> list[int]:
        """The stored number columns with zeros and larger numbers, and no others."""
        orders = [(n, self.coded("number", n).order) for n in self._amounts()]
        return [n for n, order in orders if len(order) > 1 and order[0] == 0]

    @cached_property
    def balances(self) -> dict[int, int]:
        """The columns whose number is that of the row before plus the amounts of the row, as in a statement.

        The value is 1, or -1 if the newest row is the first.
        """
        amounts = self._amounts()
        if not 1 < len(amounts) <= _COMPARED:
            return {}
        read = {
            n: np.array([np.nan if v is None else v for v in self.numbers(n)[:_COUNTED]], float)
            for n in amounts
        }
        found = dict[int, int]()
        for column, own in read.items():
            others = [np.nan_to_num(other) for n, other in read.items() if n != column]
            changes = [*others, *(a - b for a, b in permutations(others, 2))]
            for way in (1, -1):
                grows = way * np.diff(own)
                moved = (change[1:] if way > 0 else change[:-1] for change in changes)
                if any(_equal(grows, each) for each in moved):
                    found[column] = way
        return found

    @cached_property
    def comparable(self) -> dict[tuple[int, int], tuple[Sign, ...]]:
        """The pairs of stored columns of numbers of the same unit, or of days, of which now one is larger and
        now the other, or both are equal: a stock and its minimum; with the signs that tell rows apart."""
        found = dict[tuple[int, int], tuple[Sign, ...]]()
        for own in (self._amounts()[:_COMPARED], self.places("date")[:_COMPARED]):
            for one, other in combinations(own, 2):
                side, known = self.sides(one, other, _COUNTED)
                sides = {*side[known].tolist()}
                if len(sides) > 1 and self.columns[one].unit == self.columns[other].unit:
                    found[one, other] = ("<", "<=", ">", ">=", "=", "!=") if 0 in sides else ("<", ">")
        return found

    def _amounts(self) -> list[int]:
        own = enumerate(self.heads[0].columns)
        return [n for n, each in own if each.kind == "number" and each.decimal and not each.key]

    @cached_property
    def names(self) -> set[str]:
        """The stems of words in the names of the files, sheets and headings, and of words for its rows."""
        found = set[str]()
        for head in self.heads[:12]:
            path = PurePath(head.document.partition("#")[0])
            for word in (
                *tokens(" ".join((*path.parts[:-1], path.stem)).replace("_", " ")),
                *tokens(head.name),
            ):
                found |= stems(word)
        return found

    def level(self, word: str) -> str:
        """Return the log level that a word names, or an empty string."""
        return (
            next((key for key in _LOG_LEVELS if things(key).fullmatch(word)), "")
            if self.kind == "log"
            else ""
        )

    @cached_property
    def headings(self) -> list[list[frozenset[str]]]:
        """The stems of each word of each column's name."""
        return [[stems(word) for word in _name_words(each.name)] for each in self.columns]

    def units(self, column: int) -> list[str]:
        """Return the words that may tell the unit of a column: its unit and its name."""
        own = self.columns[column]
        return ["h"] if own.duration else [own.unit, *_name_words(own.name)]

    @cached_property
    def vocabulary(self) -> dict[str, set[tuple[int, str]]]:
        """The cells of text columns, with their columns, by the stems of their words."""
        found = dict[str, set[tuple[int, str]]]()
        for n in self.places("text"):
            cells = self.coded("text", n).places
            plain = len(cells) > _INDEXED
            for each in ((n, cell) for cell in cells):
                for word in cell_words(each[1]):
                    for stem in (word,) if plain else stems(word):
                        found.setdefault(stem, set()).add(each)
        return found

    @cached_property
    def beginnings(self) -> dict[str, set[str]]:
        """The words of cells by their first letters."""
        found = dict[str, set[str]]()
        for n in self.places("text"):
            for cell in self.coded("text", n).places:
                for word in cell_words(cell):
                    if len(word) >= _LIKE and not word[0].isdigit():
                        found.setdefault(word[:_LIKE], set()).add(word)
        return found

    @cached_property
    def people(self) -> frozenset[str]:
        """The months that are names of people in columns of people."""
        places = [n for n in self.places("text") if not _PERSONS.isdisjoint(tokens(self.columns[n].name))]
        cells = (cell for n in places for cell in self.coded("text", n).places)
        return frozenset(word for cell in cells for word in tokens(cell)) & MONTHS.keys()

    def similar(self, word: str) -> list[str]:
        """Return words of cells that begin alike: "mathe" and "mathematik", "mathestunden".

        There are none if many do: "items" means no item of "item1" to "item999".
        """
        near = self.beginnings.get(word[:_LIKE], ())
        if len(near) > _ALIKE:
            return []
        return [
            each
            for each in near
            if each != word and _common(each, word) >= max(_LIKE, 0.7 * min(len(each), len(word)))
        ]

    def _derive(self) -> Iterator[Derived]:
        """Yield the columns that can be derived."""
        columns = self.heads[0].columns
        named = [{*_name_words(each.name)} for each in columns]
        numbers = [n for n, each in enumerate(columns) if each.kind == "number" and not each.key]
        dates = [n for n, each in enumerate(columns) if each.kind == "date"]
        prices = [n for n in numbers if named[n] & _PRICES]
        counts = [n for n in numbers if named[n] & _COUNTS and n not in prices]
        if len(prices) == len(counts) == 1:
            yield Derived("product", (counts[0], prices[0]))
        if self.kind == "rows" and len(dates) > 1:
            yield from (Derived("days", pair) for pair in combinations(dates[:_DAYS], 2))
        if len(dates) == 1 and self.kind == "rows":
            yield from (Derived("used", (n, dates[0])) for n in numbers if self._never_falls(n, dates[0]))

    def _never_falls(self, column: int, dated: int) -> bool:
        """Return whether a column is a meter: three or more numbers that grow with the date."""
        both = zip(self.dates(dated), self.numbers(column), strict=True)
        known = [(d, n) for d, n in both if d and n is not None]
        if len(known) < 3 or len({d for d, _ in known}) < len(known):
            return False
        return all(before[1] < after[1] for before, after in pairwise(sorted(known)))

    def _computed(self, made: Derived) -> Iterator[Decimal | None]:
        """Yield the numbers of a derived column."""
        if made.how == "product":
            for a, b in zip(*(self.numbers(n) for n in made.of), strict=True):
                yield None if a is None or b is None else a * b
        elif made.how == "days":
            for first, last in zip(*(self.dates(n) for n in made.of), strict=True):
                both = len(first) > 9 and len(last) > 9
                both = both and first.startswith("0000") == last.startswith("0000")  # or neither has a year
                days = (_day(last) - _day(first)).days if both else 0
                yield Decimal(abs(days)) if both else None
        else:
            known = self.numbers(made.of[0])
            order = sorted(range(len(known)), key=lambda n: self.dates(made.of[1])[n])
            before = dict(zip(order[1:], order, strict=False))
            for n, number in enumerate(known):
                earlier = known[before[n]] if n in before else None
                yield None if number is None or earlier is None else number - earlier


def asks_balance(table: Table, query: Query) -> bool:
    """Return whether a query asks for the balance at the end of a time, which is no sum of its rows."""
    one = query.aggregate in (Aggregate.SUM, Aggregate.VALUE) and query.group is None
    return one and query.measure in table.balances


def summands(table: Table, column: int, rows: np.ndarray) -> np.ndarray:
    """Return the rows whose numbers are added up: those with one, or the last of them of a balance."""
    known = table.numbered(column, rows)
    if column not in table.balances or not len(known):
        return known
    days = known if table.dated is None else table.coded("date", table.dated).ranks[known]
    return known[[np.lexsort((table.balances[column] * known, days))[-1]]]


def until_end(where: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Return conditions that rows before each period fulfil, too."""
    return tuple(attrs.evolve(c, first="") if isinstance(c, Within) and c.last else c for c in where)


def first_rows(table: Table, query: Query, rows: np.ndarray) -> list[int]:
    """Return the first of ``rows`` in the order of a query with one of ``FIRST``, with ties.

    Without a measure, the order is that of the table.
    """
    few = max(query.few, 1)
    if query.measure is None:
        ends: list[int] = (rows[::-1] if query.descends("") else rows)[:few].tolist()
        return ends
    kind: Kind = "date" if table.columns[query.measure].kind == "date" else "number"
    return table.first(kind, query.measure, rows, few, largest=query.descends(kind))


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether nearly all of several numbers are equal to others, which vary."""
    same = np.abs(one - other) < _CENT
    return len(one) >= _STEPS and bool(same.mean() >= _BALANCED) and len(np.unique(other)) > 1


def _day(text: str) -> date:
    return date.fromisoformat(text[:10].replace("0000", "2000", 1))


def _common(one: str, other: str) -> int:
    """Return the length of the common beginning."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def cell_words(cell: str) -> list[str]:
    """Return the words of a cell; single letters and digits count, too."""
    if len(cell) > 2000:
        cell = cell[:2000]
    return [word for part in cell.lower().replace("_", " ").split() for word in tokens(part) or _bare(part)]


def _bare(part: str) -> list[str]:
    plain = part.strip(".,;:()[]/&-+*\"'")
    return [plain] if plain else []


def _name_words(name: str) -> list[str]:
    """Return the words of a column's name; ``leaf_mm`` and ``leafLength`` have two."""
    spaced = "".join(
        f" {c}" if c.isupper() and n and name[n - 1].islower() else c for n, c in enumerate(name)
    )
    return cell_words(spaced.replace("-", " "))


def tables_of(known: Known, filters: Filters, names: Sequence[str] | None = None) -> list[Table]:
    """Return the tables of the documents ``names`` that fit the filters, and those that belong together.

    ``names`` are all documents by default.

    Raises ``UsageError`` when a filter names no document.
    """

    abouts = known.abouts
    documents = known.documents(filters) if names is None else names
    heads = [head for name in documents for head in abouts[name].heads]
    alike = dict[tuple[str, ...], list[Head]]()
    for head in heads:
        alike.setdefault((head.kind, *(f"{c.name.lower()}/{c.kind}" for c in head.columns)), []).append(head)
    several = [(*same,) for same in alike.values() if len(same) > 1]
    found = [stored_table(known, each, filters) for each in (*((head,) for head in heads), *several)]
    if not (filters.sender or filters.rows) and any(known.files.values()):
        found.insert(len(heads), table_of_files(known, filters))
    return found


def stored_table(known: Known, heads: tuple[Head, ...], filters: Filters) -> Table:
    """Return the rows of stored tables that fit the filters, without totals; it is cached with the index."""
    filters = attrs.evolve(filters, kind="", path="")

    def read(head: Head) -> Sequence[Row]:
        rows, totals = known.store.rows(head), {*head.totals}
        if totals:
            rows = [row for n, row in enumerate(rows) if n not in totals]
        return [row for row in rows if fitting(filters, head, row)] if filters else rows

    return known.store.prepared(heads, filters, lambda: Table(heads, read))


def table_of_files(known: Known, filters: Filters) -> Table:
    """Return the table of the files, with their extensions and days of change; cached until any change."""
    return known.store.prepared((), ("files", filters), lambda: _files(known, filters))


def _files(known: Known, filters: Filters) -> Table:
    names = ("name", "ending", "date", "folder")
    columns = tuple(Column(name=name, kind="date" if name == "date" else "text") for name in names)
    fit, rows = set(known.documents(filters)), list[Row]()
    for number, (name, file) in enumerate(known.files.items()):
        stamp = known.stamp(file)
        if not filters or (fit & set(file.documents) and filters.dated(stamp)):
            path = PurePath(name)
            cells = (name, path.suffix.lower().lstrip("."), stamp, path.parent.as_posix())
            rows.append(Row(begin=number, line=1, text=name, cells=cells))
    head = Head(document="", key=0, kind="files", columns=columns, rows=len(rows))
    return Table((head,), lambda _: rows)
