"""Folders of tables with questions and gold queries, and the gold answers.

They are in ``plugins/lior-bench/data/queries.zip``, and further questions, which compare with another row, in
``beside.jsonl``; ``README.md`` there has their format.
"""

from __future__ import annotations

import json
import statistics
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs

from lior_bench.sets import folder
from lior_bench.worlds import DATA

FILE, BESIDE = "queries.zip", "beside.jsonl"
KEPT = ("w6", "w13_", "w14_", "w15_")
"""The beginnings of the names of the folders that nothing is learned from."""
TODAY = date(2026, 11, 28)
"""The day of all questions."""
NO_QUERY = ("none", "passage")
"""Operations of questions that no table answers."""
_LENGTHS = {"year": 4, "month": 7, "day": 10}
_COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
Asked = Mapping[str, Any]
"""A question with the fields of its gold query."""


@attrs.frozen
class Gold:
    """A gold answer."""

    value: Any
    """A number, a text, several texts, or the number of each group."""
    rows: tuple[int, ...]
    """The rows from which it follows."""


@attrs.frozen(eq=False, slots=False)
class Sheet:
    """A table with typed cells, as its file shows it."""

    file: str
    columns: Sequence[Mapping[str, str]]
    """``name``, and ``type``: ``text`` if missing, ``number``, ``date``, or ``duration`` in minutes."""
    rows: Sequence[Sequence[Any]]

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of each column by its name."""
        return {each["name"]: n for n, each in enumerate(self.columns)}

    def kind(self, name: str) -> str:
        """Return the type of a column."""
        return self.columns[self.places[name]].get("type", "text")

    def cell(self, row: int, name: str) -> Any:
        """Return a cell: a decimal, a text (ISO 8601 of a date), or None if it is empty."""
        value = self.rows[row][self.places[name]]
        if value is None or value == "":
            return None
        return Decimal(str(value)) if self.kind(name) in ("number", "duration") else str(value)

    def where(self, conditions: Sequence[Sequence[Any]]) -> tuple[int, ...]:
        """Return the rows that fulfil all conditions."""
        found = {n for n in range(len(self.rows)) if all(self._holds(n, *c) for c in conditions if not of(c))}
        for name, how, value in filter(of, conditions):
            found &= self._beside(name, how, self.where(value["of"]))
        return (*sorted(found),)

    def _beside(self, name: str, how: str, named: Sequence[int]) -> set[int]:
        """Return the rows whose cell compares to that of the named rows, or which are next to them."""
        if name == "#":
            return {named[0] + (1 if how == "next" else -1)} & {*range(len(self.rows))}
        own = self.cell(named[0], name)
        cells = {n: cell for n in range(len(self.rows)) if (cell := self.cell(n, name)) is not None}
        if how == "is":
            return {n for n, cell in cells.items() if cell == own} - {*named}
        later = how in (">", "next")
        side = {n: cell for n, cell in cells.items() if (cell > own if later else cell < own)}
        nearest = (min if later else max)(side.values(), default=None)
        return {n for n, cell in side.items() if how in ("<", ">") or cell == nearest}

    def _holds(self, row: int, name: str, how: str, value: Any = None) -> bool:
        cell = self.cell(row, name)
        if how in ("empty", "filled"):
            return (cell is None) == (how == "empty")
        if isinstance(value, str) and value.startswith("@"):
            value = self.cell(row, value[1:])
        if how in ("is", "is not"):
            wanted = {self._plain(name, each) for each in (value if isinstance(value, list) else [value])}
            return ((self._plain(name, cell) if cell is not None else "") in wanted) == (how == "is")
        if how == "has":
            return value.lower() in (cell or "").lower()
        if cell is None or value is None:
            return False
        if how == "in":
            first, dots, last = value.partition("..")
            return first <= cell <= (last if dots else first) + "\x7f"
        return _COMPARES[how](cell, Decimal(str(value)) if isinstance(cell, Decimal) else str(value))

    def _plain(self, name: str, value: Any) -> Any:
        return Decimal(str(value)) if self.kind(name) == "number" else str(value).lower()


@attrs.frozen(eq=False)
class World:
    """A folder with its tables and questions."""

    name: str
    language: str
    sheets: Mapping[str, Sheet]
    questions: Sequence[Asked]

    def answer(self, asked: Asked) -> Gold:
        """Return the gold answer to a question."""
        return Gold(None, ()) if asked["op"] in NO_QUERY else answer(self.sheets[asked["table"]], asked)


def of(condition: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """Return the conditions that name the row with which one compares; none of another condition."""
    return condition[2]["of"] if isinstance(condition[-1], dict) else ()


def worlds(fits: Callable[[str], bool]) -> list[World]:
    """Return the folders whose names fit."""
    with zipfile.ZipFile(folder(DATA) / FILE) as archive:
        names = sorted(name for name in archive.namelist() if "/" not in name)
        return [_world(name[:-5], archive.read(name)) for name in names if fits(name[:-5])]


def beside(found: Sequence[World]) -> list[World]:
    """Return folders with the questions that compare with another row."""
    own = defaultdict[str, list[Asked]](list)
    for line in (folder(DATA) / BESIDE).read_text("utf-8").splitlines():
        asked = json.loads(line)
        own[asked.pop("folder")].append(asked)
    return [attrs.evolve(world, questions=own[world.name]) for world in found]


def _world(name: str, text: bytes) -> World:
    record = json.loads(text)
    sheets = {each["file"]: Sheet(**each) for each in record["tables"]}
    return World(name, record["lang"], sheets, record["questions"])


def unpack(name: str, out: Path) -> None:
    """Write the files of a folder to ``out / name``."""
    with zipfile.ZipFile(folder(DATA) / FILE) as archive:
        archive.extractall(out, [each for each in archive.namelist() if each.startswith(f"{name}/")])


def answer(sheet: Sheet, asked: Asked) -> Gold:
    """Return the gold answer to a question about a table."""
    rows, how, column = sheet.where(asked.get("where", ())), asked["op"], asked.get("col")
    if asked.get("group"):
        return _of_groups(sheet, asked, rows)
    if how in ("highest", "lowest", "newest", "oldest"):
        return _first(sheet, asked, rows)
    if how == "between":
        return Gold(_difference(sheet, asked, rows), rows)
    if how == "share":
        part = tuple(n for n in sheet.where(asked["part"]) if n in rows)
        total = {**asked, "op": "sum" if column else "count"}
        return Gold(_rounded(Decimal(100) * _made(sheet, total, part) / _made(sheet, total, rows)), part)
    if column and how in ("value", "list", "duplicates"):
        return _values(how, {n: sheet.cell(n, column) for n in rows})
    return Gold(_rounded(_made(sheet, asked, rows)), rows)


def _values(how: str, cells: Mapping[int, Any]) -> Gold:
    """Return the different values of cells, or those that occur more than once."""
    count = Counter(map(str, cells.values()))
    if how == "duplicates":
        several = [value for value, number in count.items() if number > 1 and value != "None"]
        return Gold(several, tuple(n for n, cell in cells.items() if str(cell) in several))
    return Gold(next(iter(count)) if how == "value" and len(count) == 1 else [*count], (*cells,))


def _made(sheet: Sheet, asked: Asked, rows: Sequence[int]) -> Any:
    """Return what an operation makes of rows; None if there is nothing to add up."""
    if asked["op"] in ("count", "list", "exists"):
        return len(rows)
    values = [value for n in rows if (value := sheet.cell(n, asked["col"])) is not None]
    if asked["op"] == "distinct":
        return len({str(value).lower() for value in values})
    if asked["op"] == "sum":
        return asked.get("sign", 1) * sum(values, Decimal(0))
    made = {"mean": statistics.mean, "median": statistics.median}[asked["op"]]
    return asked.get("sign", 1) * made(values) if values else None


def _of_groups(sheet: Sheet, asked: Asked, rows: Sequence[int]) -> Gold:
    groups = dict[str, list[int]]()
    for n in rows:
        groups.setdefault(_group(sheet, asked, n), []).append(n)
    made = {key: _made(sheet, asked, own) for key, own in groups.items() if key}
    known = {key: value for key, value in made.items() if value is not None}
    over = asked.get("over", "all")
    if over == "all":
        return Gold({key: _rounded(value) for key, value in known.items()}, (*rows,))
    if over == "mean":
        return Gold(_rounded(Decimal(sum(known.values())) / len(known)), (*rows,))
    first = sorted(known.values(), reverse=over == "highest")[: asked.get("n", 1)]
    best = {key: _rounded(value) for key, value in known.items() if value in first}
    return Gold(best, tuple(sorted(n for key in best for n in groups[key])))


def _group(sheet: Sheet, asked: Asked, row: int) -> str:
    """Return the group of a row: the value of a column, or the day, week, month or year of its date."""
    by = asked["group"]
    if by not in (*_LENGTHS, "week"):
        value = sheet.rows[row][sheet.places[by]]
        return "" if value is None else str(value)
    dated = asked.get("date") or next(
        each["name"] for each in sheet.columns if sheet.kind(each["name"]) == "date"
    )
    when = sheet.cell(row, dated) or ""
    return f"{date.fromisoformat(when[:10]):%G-W%V}" if by == "week" and when else when[: _LENGTHS.get(by)]


def _first(sheet: Sheet, asked: Asked, rows: Sequence[int]) -> Gold:
    """Return the first rows in an order, with those that are equal to the last of them."""
    cells = {n: cell for n in rows if (cell := sheet.cell(n, asked["col"])) is not None}
    keys = {
        n: cell * asked.get("sign", 1) if isinstance(cell, Decimal) else cell for n, cell in cells.items()
    }
    first = sorted(keys.values(), reverse=asked["op"] in ("highest", "newest"))[: asked.get("n", 1)]
    return Gold(_rounded(first[0]), tuple(n for n in rows if keys.get(n) in first))


def _difference(sheet: Sheet, asked: Asked, rows: Sequence[int]) -> float | int | None:
    """Return the days between two dates, or the difference of two numbers."""
    two = [(n, name) for n in rows for name in asked.get("cols") or [asked["col"]]]
    a, b = (sheet.cell(*each) for each in two)
    if isinstance(a, Decimal):
        return _rounded(abs(a - b))
    return abs((date.fromisoformat(a[:10]) - date.fromisoformat(b[:10])).days)


def _rounded(value: Any) -> Any:
    return float(round(value, 4)) if isinstance(value, Decimal) else value
