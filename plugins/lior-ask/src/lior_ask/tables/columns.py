"""Columns of tables as arrays: the rows that fulfil conditions, groups of rows, and sums.

A column is read once: each different text, number or date gets a code and a rank. Conditions are tested on
the different values, and comparisons are those of ranks, so that they are exact.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, Generic, Literal, TypeVar

import attrs
import numpy as np

from lior.interfaces import Passage
from lior_ask.index.table_store import Head, Row
from lior_ask.tables.query import Beside, Compares, Is, Meets, Not, Test, Within
from lior_ask.tables.words import CellWords
from lior_plugins import NOTHING

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")
Kind = Literal["text", "number", "date"]
_READ = 50_000
"""Maximum number of rows of a table with long texts that are searched for a word."""
SUMMANDS = 8
"""Maximum number of summands that are shown, half of them from the end."""
_FEW = 200
"""Number of rows from which on their numbers are added as integers."""
_LARGEST, _DECIMALS = 1 << 62, 9
"""Upper bound of a sum of integers, and maximum number of decimals of its numbers."""
_SIGNS = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
    "=": np.equal, "!=": np.not_equal,
}  # fmt: skip


_LETTERS = {"year": 4, "month": 7, "day": 10}
"""Unit of time -> number of characters of its date."""
_NOUNS = {
    "mail": ("mail", "mails"),
    "chat": ("message of the chat", "messages of the chat"),
    "log": ("entry", "entries"),
    "events": ("event", "events"),
    "contacts": ("contact", "contacts"),
    "tasks": ("task", "tasks"),
    "files": ("file", "files"),
}


def unit_in(when: str, unit: str) -> str:
    """Return the day, week, month or year of a date, or an empty string if unknown."""
    if unit == "week":
        if len(when) < 10 or when.startswith("0000"):
            return ""
        year, week, _ = date.fromisoformat(when[:10]).isocalendar()
        return f"{year}-W{week:02}"
    length = _LETTERS[unit]
    return when[:length] if len(when) >= length else ""


def is_empty(cell: str) -> bool:
    """Return whether a cell has no value."""
    return cell.strip().lower() in ("", *NOTHING)


@attrs.define(eq=False, slots=False)
class Coded(Generic[T]):
    """The different values of a column, and the number of its value for each row."""

    places: dict[T, int]
    """Different values -> their numbers, in the order of the first rows."""
    codes: np.ndarray
    """int32 ``(N,)``."""

    @classmethod
    def of(cls, values: Sequence[T]) -> Coded[T]:
        """Return the codes of values."""
        places = {value: n for n, value in enumerate(dict.fromkeys(values))}
        return cls(places, np.fromiter(map(places.__getitem__, values), np.int32, len(values)))

    def each(self, of_values: Sequence[Any] | np.ndarray, kind: type = bool) -> np.ndarray:
        """Return what belongs to the value of each row, given what belongs to each different value."""
        return np.asarray(of_values, kind).take(self.codes)

    @cached_property
    def order(self) -> list[Any]:
        """The different values, sorted, without empty ones."""
        return sorted(value for value in self.places if value not in ("", None))

    @cached_property
    def ranks(self) -> np.ndarray:
        """The position of each row's value in :attr:`order`, int32 ``(N,)``; -1 where there is none."""
        ranks = {value: n for n, value in enumerate(self.order)}
        return self.each([ranks.get(value, -1) for value in self.places], np.int32)

    @cached_property
    def days(self) -> list[str]:
        """The different days or months of a column of dates, sorted."""
        return sorted({when[:10] for when in self.order})

    @cached_property
    def years(self) -> list[int]:
        """The different years of a column of dates, sorted; 0 for dates without a year."""
        return sorted({int(day[:4]) for day in self.days})

    def count(self, value: T) -> int:
        """Return the number of rows with a value."""
        return int((self.codes == self.places.get(value, -1)).sum())


def _day(when: str) -> str:
    """Return a date for comparisons; the first of the month where no day is known."""
    return f"{when}-01" if len(when) == 7 else when


@attrs.define(eq=False, slots=False)
class Columns:
    """The rows of one or more stored tables with the same columns, with typed cells."""

    heads: tuple[Head, ...]
    read: Callable[[Head], Sequence[Row]]
    """Returns the rows of a stored table without totals."""
    _kept: dict[Hashable, Any] = attrs.field(init=False, factory=dict)
    """What was computed of columns."""
    _passages: dict[int, Passage] = attrs.field(init=False, factory=dict)

    def noun(self, count: int) -> str:
        """Return the noun for a number of rows."""
        return _NOUNS.get(self.kind, ("row", "rows"))[count != 1]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    @property
    def kind(self) -> str:
        """The kind: ``rows``, ``mail``, ``chat``, ``log``, ``events``, ``contacts``, ``tasks`` or
        ``files``."""
        return self.heads[0].kind

    @cached_property
    def rows(self) -> list[tuple[Head, Row]]:
        """The rows, each with its stored table."""
        return [(head, row) for head in self.heads for row in self.read(head)]

    @cached_property
    def dated(self) -> int | None:
        """The column with the date of a row."""
        return self.heads[0].dated

    def _once(self, key: Hashable, make: Callable[[], V]) -> V:
        if key not in self._kept:
            self._kept[key] = make()
        found: V = self._kept[key]
        return found

    def cells(self, column: int) -> list[str]:
        """Return the texts of a column."""
        return self._once(("text", column), lambda: self._parsed("text", column))

    def numbers(self, column: int) -> list[Decimal | None]:
        """Return the numbers of a column, ``None`` where there is none."""
        return self._once(("number", column), lambda: self._parsed("number", column))

    def dates(self, column: int) -> list[str]:
        """Return the dates of a column in ISO 8601, empty where there is none."""
        return self._once(("date", column), lambda: self._parsed("date", column))

    def _parsed(self, kind: Kind, column: int) -> list[Any]:
        """Return the values of a column; each different cell of a stored table is parsed once."""
        if kind == "text":
            return [row.cells[column] for _, row in self.rows]
        found = list[Any]()
        for _, part in groupby(self.rows, lambda each: id(each[0])):
            heads, rows = zip(*part, strict=True)
            own, cells = heads[0].columns[column], [row.cells[column] for row in rows]
            parse = own.number if kind == "number" else own.date
            known = {cell: parse(cell) for cell in {*cells}}
            found += map(known.__getitem__, cells)
        return found

    def coded(self, kind: Kind, column: int) -> Coded[Any]:
        """Return the different values of a column, and their codes."""
        values = self._once((kind, column), lambda: self._parsed(kind, column))
        return self._once(("codes", kind, column), lambda: Coded.of(values))

    def words(self, column: int) -> CellWords:
        """Return the different cells of a text column by their words; in a large table, the stored ones."""
        own, large = self.heads[0].columns[column], self.heads[0].rows > _READ
        cells = own.values if own.whole or large else (*self.coded("text", column).places,)
        return self._once(("words", column), lambda: CellWords(cells))

    @cached_property
    def marks(self) -> np.ndarray:
        """A hash of the place and the text of each row, int64 ``(N,)``."""
        marks = (hash((head.key, row.begin, row.text)) for head, row in self.rows)
        return np.fromiter(marks, np.int64, len(self.rows))

    # --- rows ---

    def where(self, conditions: Iterable[Test]) -> np.ndarray:
        """Return the numbers of the rows that fulfil all conditions, int64, ascending."""
        fit = np.ones(len(self.rows), bool)
        for each in conditions:
            fit &= self._fulfil(each)
        return np.flatnonzero(fit)

    def _fulfil(self, condition: Test) -> np.ndarray:
        """Return whether each row fulfils a condition, bool ``(N,)``."""
        if isinstance(condition, Not):
            return ~self._fulfil(condition.of)
        if isinstance(condition, Within):
            return self._within(condition)
        if isinstance(condition, Compares):
            return self._compares(condition)
        if isinstance(condition, Beside):
            return _beside(self, condition)
        coded = self.coded("text", condition.column)
        if isinstance(condition, Is):
            fit = np.zeros(len(coded.places), bool)
            fit[[coded.places[value] for value in condition.values if value in coded.places]] = True
            return coded.each(fit)
        if isinstance(condition, Meets):
            return coded.each([condition.test(cell) for cell in coded.places])
        return coded.each([not is_empty(cell) for cell in coded.places])

    def _within(self, condition: Within) -> np.ndarray:
        coded, first, last = self.coded("date", condition.column), condition.first, condition.last
        if condition.yearless:
            return coded.each([first <= _day(when)[5:10] <= last for when in coded.places])
        fit: np.ndarray = coded.ranks >= 0
        if last:
            fit &= coded.ranks < bisect_right(coded.order, last, key=lambda when: _day(when)[:10])
        if first:
            begun = coded.ranks >= bisect_left(coded.order, first, key=_day)
            ends = self.heads[0].place("end") if condition.column == self.dated else None
            if self.kind == "events" and ends is not None:  # an event is on each of its days
                other = self.coded("date", ends)
                begun |= other.ranks >= bisect_left(other.order, first, key=_day)
            fit &= begun
        return fit

    def _compares(self, condition: Compares) -> np.ndarray:
        coded = self.coded("number", condition.column)
        if condition.other is None:
            begin, end = bisect_left(coded.order, condition.value), bisect_right(coded.order, condition.value)
            side, known = (coded.ranks >= end) * 1 - (coded.ranks < begin), coded.ranks >= 0
        else:
            side, known = self.sides(condition.column, condition.other)
        found: np.ndarray = _SIGNS[condition.sign](side, 0) & known
        return found

    def sides(self, one: int, other: int, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return whether a number or day is less (-1), equal (0) or more than that of another column, and
        whether both are known, for each of the ``most`` first rows."""
        dated = self.heads[0].columns[one].kind == "date"
        values = [
            [when[:10] for when in self.dates(n)[:most]] if dated else self.numbers(n)[:most]
            for n in (one, other)
        ]
        ranks = Coded.of([*values[0], *values[1]]).ranks.reshape(2, -1)
        known = (ranks[0] >= 0) & (ranks[1] >= 0)
        return np.sign(ranks[0] - ranks[1]), known

    def grouped(
        self, kind: Kind, column: int, rows: np.ndarray, name: Callable[[str], str]
    ) -> dict[str, np.ndarray]:
        """Return the rows by the name of their value, in the order of the first rows."""
        coded, places = self.coded(kind, column), dict[str, int]()
        own, values = coded.codes[rows], [*coded.places]
        first, of = np.full(len(values), len(own)), np.zeros(len(values), int)
        first[own[::-1]] = np.arange(len(own))[::-1]  # the last one assigned is the first row
        for code in np.argsort(first)[: (first < len(own)).sum()].tolist():
            of[code] = places.setdefault(name(values[code]), len(places))
        line = rows[np.argsort(of[own], kind="stable")]
        ends = np.cumsum(np.bincount(of[own], minlength=len(places))).tolist()
        return {
            each: line[begin:end] for each, (begin, end) in zip(places, pairwise([0, *ends]), strict=True)
        }

    def total(self, column: int, rows: np.ndarray, sign: int) -> Decimal:
        """Return the sum of the numbers of rows, times a sign; many are added as integers."""
        integers = None if len(rows) < _FEW else self._once(("added", column), lambda: self._integers(column))
        if integers is None:
            every = self.numbers(column)
            total = sum((number for n in rows.tolist() if (number := every[n]) is not None), Decimal(0))
        else:
            numbers, decimals = integers
            shown, most = int(decimals[rows].max()), int(decimals.max())
            total = Decimal(int(numbers[rows].sum()) // 10 ** (most - shown)).scaleb(-shown)
        return total if sign > 0 else -total

    def _integers(self, column: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the numbers of all rows in units of the smallest decimal, and their decimals, both int64.

        It is ``None`` if sums may be too large or inexact.
        """
        numbers = self.numbers(column)
        decimals = np.array([0 if n is None else max(-int(n.as_tuple().exponent), 0) for n in numbers])
        places = int(decimals.max(initial=0))
        each = [0 if n is None else int(n.scaleb(places)) for n in self.coded("number", column).places]
        if places > _DECIMALS or max(map(abs, each)) * len(numbers) >= _LARGEST:
            return None
        return self.coded("number", column).each(each, np.int64), decimals

    def first(
        self, kind: Kind, column: int, rows: np.ndarray, few: int, *, largest: bool, distinct: bool = False
    ) -> list[int]:
        """Return the ``few`` first rows in the order of a column, with ties; rows without a value are out.

        The order descends if ``largest``. If ``distinct``, these are the rows with the ``few`` first values.
        """
        ranks = self.coded(kind, column).ranks[rows]
        rows, ranks = rows[ranks >= 0], ranks[ranks >= 0] * (-1 if largest else 1)
        line = np.unique(ranks) if distinct else np.sort(ranks)
        near = ranks <= line[:few].max(initial=-len(self))
        return [*map(int, rows[near][np.argsort(ranks[near], kind="stable")])]

    def numbered(self, column: int, rows: np.ndarray) -> np.ndarray:
        """Return the rows that have a number."""
        return rows.compress(self.coded("number", column).ranks[rows] >= 0)

    def added(
        self, column: int, rows: np.ndarray, sign: int, shown: Callable[[Decimal], str], *, mean: bool
    ) -> tuple[Decimal, str]:
        """Return the sum or the mean of the numbers of rows, and the arithmetic.

        Parameters
        ----------
        sign
            The factor of the numbers.
        shown
            Formats a number.
        """
        ends = rows if len(rows) <= SUMMANDS else rows[[*range(SUMMANDS // 2), *range(-SUMMANDS // 2, 0)]]
        numbers = map(self.numbers(column).__getitem__, ends.tolist())
        terms = [shown(sign * number) for number in numbers if number is not None]
        return added(self.total(column, rows, sign), terms, len(rows), shown, mean=mean)

    def shown(self, rows: Sequence[int] | np.ndarray) -> dict[str, Any]:
        """Return rows as passages; those of tables, calendars, contacts and tasks with their cells,
        too."""
        own, known = np.asarray(rows, int).tolist(), self._passages
        if len(known) < len(self):
            known.update((n, self._passage(n)) for n in own if n not in known)
        tabular = self.kind in ("rows", "events", "contacts", "tasks")
        cells = self._once("cells", lambda: [row.cells for _, row in self.rows])
        return {
            "rows": tuple(map(known.__getitem__, own)),
            "columns": tuple(column.name for column in self.heads[0].columns) if tabular else (),
            "cells": tuple(map(cells.__getitem__, own)) if tabular else (),
        }

    def _passage(self, number: int) -> Passage:
        head, row = self.rows[number]
        place, text, dated = head.name, row.text, self.dated
        if head.kind == "mail":
            place = f"{row.cells[0]}, {'' if dated is None else self.dates(dated)[number]}"
        elif head.kind == "events" and row.cells[0] not in text:
            text = f"{row.cells[0]}: {text}"
        return Passage(document=head.document or text, line=row.line, text=text, place=place)


def other_row(columns: Columns, condition: Beside) -> int | None:
    """Return a row that a condition compares with, ``None`` if its conditions name none.

    Rows with the same value in its column are as good as one, unless it is about their order.
    """
    rows = columns.where(condition.of)
    if condition.how not in ("below", "above"):
        ranks = _ranks(columns, condition.column)[rows]
        return int(rows[0]) if len({*ranks.tolist()}) == 1 and ranks[0] >= 0 else None
    return int(rows[0]) if len(rows) == 1 else None


def _ranks(columns: Columns, column: int) -> np.ndarray:
    ranks: np.ndarray = columns.coded(columns.heads[0].columns[column].kind, column).ranks
    return ranks


def _beside(columns: Columns, condition: Beside) -> np.ndarray:
    """Return whether each row fulfils a condition on another row, bool ``(N,)``."""
    how, row = condition.how, other_row(columns, condition)
    if row is None:
        return np.zeros(len(columns.rows), bool)
    if how in ("below", "above"):
        return np.arange(len(columns.rows)) == (row + 1 if how == "below" else row - 1)
    ranks = _ranks(columns, condition.column)
    known, side = ranks >= 0, np.sign(ranks - ranks[row])
    if how == "=":
        side[columns.where(condition.of)] = 1
    if how == "next":
        return ranks == ranks[side > 0].min(initial=len(ranks))
    if how == "previous":
        return known & (ranks == ranks[known & (side < 0)].max(initial=-1))
    found: np.ndarray = _SIGNS[how](side, 0) & known
    return found


def added(
    total: Decimal, terms: Sequence[str], count: int, shown: Callable[[Decimal], str], *, mean: bool
) -> tuple[Decimal, str]:
    """Return the sum or the mean of ``count`` numbers, and the arithmetic, with the first and last terms."""
    shorter = [*terms[: SUMMANDS // 2], "…", *terms[-SUMMANDS // 2 :]] if count > SUMMANDS else terms
    arithmetic = " + ".join(shorter).replace("+ -", "- ")
    if not mean:
        return total, f"{arithmetic} = {shown(total)}" if count > 1 else ""
    places = max(2, -int(total.as_tuple().exponent))
    value = (total / count).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    exact = value * count == total
    value = value.to_integral() if exact and value == value.to_integral() else value
    return value, f"({arithmetic}) / {count} {'=' if exact else '≈'} {shown(value)}"


def percentage(part: Decimal, whole: Decimal) -> tuple[str, str]:
    """Return the share of a part as it is shown, and the arithmetic."""
    share = (100 * part / whole).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    return f"{show(share)} %", f"{show(part)} of {show(whole)}"


def show(number: Decimal) -> str:
    """Return a number with thousands separators and without an exponent."""
    return f"{number:,f}"
