"""Tables that a question may be about: their rows, typed cells and derived columns, and indexes of words.

A table of a question is one stored table, or several with the same columns, such as the statements of twelve
months. Some questions are about numbers that no column has: quantity times price, the days between two dates
of a row, the consumption between two readings. Such numbers are derived columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from itertools import pairwise
from pathlib import PurePath

import attrs

from lior_ask.index.table_schema import NOTHING, Column
from lior_ask.index.table_store import Head, Row
from lior_ask.languages.lists import either, words
from lior_ask.languages.words import tokens
from lior_ask.question.filters import Filters, Known, fitting
from lior_ask.tables.words import stems

YES, NO = words("words.yes"), words("words.none")
"""Cells that mean yes, and cells that mean no."""
_PRICES, _COUNTS = words("columns.prices"), words("columns.counts")
_ANSWERS = 0.6
"""Minimum share of yes and no among the different cells of a column of answers."""
_LIKE = 4
"""Number of letters that a word and a similar one have in common at their beginning."""
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


@attrs.define(eq=False)
class Table:
    """The rows of one or more stored tables with the same columns, with typed cells."""

    heads: tuple[Head, ...]
    read: Callable[[Head], Sequence[Row]]
    """Returns the rows of a stored table."""

    @property
    def kind(self) -> str:
        """The kind: ``rows``, ``mail``, ``chat``, ``log``, ``events``, ``contacts`` or ``files``."""
        return self.heads[0].kind

    @property
    def title(self) -> str:
        """The files, and the name of the sheet or heading."""
        shown = [f"{h.document} ({h.name})" if h.name else h.document for h in self.heads]
        return ", ".join(shown[:3]) + (f" and {len(shown) - 3} others" if len(shown) > 3 else "")

    @cached_property
    def rows(self) -> list[tuple[Head, Row]]:
        """The rows without totals, each with its stored table."""
        found = list[tuple[Head, Row]]()
        for head in self.heads:
            left_out = {*getattr(head, "totals", ())}
            found += [(head, row) for n, row in enumerate(self.read(head)) if n not in left_out]
        return found

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

    def places(self, kind: str) -> list[int]:
        """Return the numbers of the columns of a type."""
        return [n for n, each in enumerate(self.columns) if each.kind == kind]

    @cached_property
    def dated(self) -> int | None:
        """The column with the date of a row."""
        return self.heads[0].dated

    @property
    def ends(self) -> int | None:
        """The column with the end of an event."""
        return self.heads[0].place("end") if self.kind == "events" else None

    def cells(self, column: int) -> list[str]:
        """Return the texts of a column."""
        if column in self.derived:
            return ["" if n is None else str(n) for n in self.numbers(column)]
        return [row.cells[column] for _, row in self.rows]

    @cached_property
    def _numbers(self) -> dict[int, list[Decimal | None]]:
        return {}

    def numbers(self, column: int) -> list[Decimal | None]:
        """Return the numbers of a column, ``None`` where there is none."""
        if column not in self._numbers:
            stored = column < len(self.heads[0].columns)
            self._numbers[column] = (
                [head.columns[column].number(row.cells[column]) for head, row in self.rows]
                if stored
                else [*self._computed(self.derived[column])]
            )
        return self._numbers[column]

    @cached_property
    def _dates(self) -> dict[int, list[str]]:
        return {}

    def dates(self, column: int) -> list[str]:
        """Return the dates of a column in ISO 8601, empty where there is none."""
        if column not in self._dates:
            self._dates[column] = [head.columns[column].date(row.cells[column]) for head, row in self.rows]
        return self._dates[column]

    def signed(self, column: int) -> bool:
        """Return whether a column has negative numbers and positive ones."""
        known = [n for n in self.numbers(column) if n]
        return any(n < 0 for n in known) and any(n > 0 for n in known)

    @cached_property
    def answers(self) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
        """The cells that mean yes and those that mean no, of each column of such cells."""
        found = dict[int, tuple[tuple[str, ...], tuple[str, ...]]]()
        for n in self.places("text"):
            cells = {*self.cells(n)}
            yes, no = ([c for c in cells if c.strip().lower() in part] for part in (YES, NO))
            empty = [c for c in cells if not c.strip() or c.strip().lower() in NOTHING]
            filled = len(cells) - len(empty)
            if yes and (no or filled == len(yes)) and len(yes) + len(no) >= _ANSWERS * filled:
                found[n] = (*yes,), (*no,) if no else (*empty,)
        return found

    @cached_property
    def lacking(self) -> set[int]:
        """The columns in which some cells are empty and others are not."""
        found = set[int]()
        for n in range(len(self.heads[0].columns)):
            empty = [not c.strip() or c.strip().lower() in NOTHING for c in self.cells(n)]
            if any(empty) and not all(empty):
                found.add(n)
        return found

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

    @cached_property
    def vocabulary(self) -> dict[str, set[tuple[int, str]]]:
        """The cells of text columns, with their columns, by the stems of their words."""
        found = dict[str, set[tuple[int, str]]]()
        for n in self.places("text"):
            cells = [*dict.fromkeys(self.cells(n))]
            plain = len(cells) > _INDEXED
            for cell in cells:
                for word in cell_words(cell):
                    for stem in (word,) if plain else stems(word):
                        found.setdefault(stem, set()).add((n, cell))
        return found

    @cached_property
    def beginnings(self) -> dict[str, set[str]]:
        """The words of cells by their first letters."""
        found = dict[str, set[str]]()
        for n in self.places("text"):
            for cell in {*self.cells(n)}:
                for word in cell_words(cell):
                    if len(word) >= _LIKE and not word[0].isdigit():
                        found.setdefault(word[:_LIKE], set()).add(word)
        return found

    def similar(self, word: str) -> list[str]:
        """Return words of cells that begin alike: "mathe" and "mathematik", "mathestunden"."""
        near = self.beginnings.get(word[:_LIKE], ())
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
            yield from (Derived("days", pair) for pair in pairwise(dates))
        if len(dates) == 1 and self.kind == "rows":
            yield from (Derived("used", (n, dates[0])) for n in numbers if self._never_falls(n, dates[0]))

    def _never_falls(self, column: int, dated: int) -> bool:
        """Return whether a column is a meter: three or more numbers that grow with the date."""
        known = sorted(
            (d, n)
            for d, n in zip(self.dates(dated), self.numbers(column), strict=True)
            if d and n is not None
        )
        return (
            len(known) > 2
            and len({d for d, _ in known}) == len(known)
            and all(before[1] < after[1] for before, after in pairwise(known))
        )

    def _computed(self, made: Derived) -> Iterator[Decimal | None]:
        """Yield the numbers of a derived column."""
        if made.how == "product":
            for a, b in zip(*(self.numbers(n) for n in made.of), strict=True):
                yield None if a is None or b is None else a * b
        elif made.how == "days":
            for first, last in zip(*(self.dates(n) for n in made.of), strict=True):
                both = len(first) > 9 and len(last) > 9
                days = (_day(last) - _day(first)).days if both else 0
                yield Decimal(abs(days)) if both else None
        else:
            known = self.numbers(made.of[0])
            order = sorted(range(len(known)), key=lambda n: self.dates(made.of[1])[n])
            before = dict(zip(order[1:], order, strict=False))
            for n, number in enumerate(known):
                earlier = known[before[n]] if n in before else None
                yield None if number is None or earlier is None else number - earlier


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])


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

    def read(head: Head) -> Sequence[Row]:
        rows = known.store.rows(head)
        if not (filters.sender or filters.after or filters.before):
            return rows
        return [row for row in rows if fitting(filters, head, row)]

    abouts = known.abouts
    documents = known.documents(filters) if names is None else names
    heads = [head for name in documents for head in abouts[name].heads]
    if not filters.sender and any(known.files.values()):
        head, listed = _files(known, filters)
        heads.append(head)
        return _together(heads, lambda each: listed if each is head else read(each))
    return _together(heads, read)


def _together(heads: Sequence[Head], read: Callable[[Head], Sequence[Row]]) -> list[Table]:
    """Return a table for each stored one, and for all that have the same columns."""
    alike = dict[tuple[str, ...], list[Head]]()
    for head in heads:
        alike.setdefault((head.kind, *(f"{c.name.lower()}/{c.kind}" for c in head.columns)), []).append(head)
    found = [Table((head,), read) for head in heads]
    return found + [Table((*same,), read) for same in alike.values() if len(same) > 1]


def _files(known: Known, filters: Filters) -> tuple[Head, list[Row]]:
    """Return the table of the files, with their extensions and days of change."""
    names = ("name", "ending", "date", "folder")
    columns = tuple(Column(name=name, kind="date" if name == "date" else "text") for name in names)
    fit, rows = set(known.documents(filters)), list[Row]()
    for number, (name, file) in enumerate(known.files.items()):
        stamp = known.stamp(file)
        if not filters or (fit & set(file.documents) and filters.dated(stamp)):
            path = PurePath(name)
            cells = (name, path.suffix.lower().lstrip("."), stamp, path.parent.as_posix())
            rows.append(Row(begin=number, line=1, text=name, cells=cells))
    return Head(document="", key=0, kind="files", columns=columns, rows=len(rows)), rows
