"""Execution of the conditions of queries by SQLite.

The cells that a query needs are stored in memory as text, as integers in units of the column's smallest
decimal, so that comparisons are exact, and as ISO dates.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from decimal import ROUND_FLOOR

from lior_ask.index.table_schema import NOTHING
from lior_ask.tables.query import Compares, Expr, Filled, Is, Not, Within
from lior_ask.tables.sources import Table

_EMPTY = ", ".join("?" * (len(NOTHING) + 1))
_LARGEST = 1 << 62


class Rows:
    """The rows of a table in SQLite; columns are stored when a query first needs them."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.execute("CREATE TABLE r(id INTEGER PRIMARY KEY)")
        self._connection.executemany("INSERT INTO r VALUES (?)", ((n,) for n in range(len(table.rows))))
        self._places = dict[int, int]()
        self._known = set[str]()
        self._selected = dict[tuple[Expr, ...], list[int]]()

    def where(self, conditions: Sequence[Expr]) -> list[int]:
        """Return the numbers of the rows that fulfil all conditions, in their order."""
        key = (*conditions,)
        if key not in self._selected:
            found = [self._rendered(each) for each in conditions]
            sql = " AND ".join(text for text, _ in found) or "1"
            values = [value for _, own in found for value in own]
            rows = self._connection.execute(f"SELECT id FROM r WHERE {sql} ORDER BY id", values)
            self._selected[key] = [row for (row,) in rows]
        return self._selected[key]

    def _rendered(self, condition: Expr) -> tuple[str, list[str | int]]:
        """Return the SQL of a condition, and its values."""
        if isinstance(condition, Not):
            text, values = self._rendered(condition.of)
            return f"NOT ifnull({text}, 0)", values
        if isinstance(condition, Is):
            marks = ", ".join("?" * len(condition.values))
            return f"{self._column('c', condition.column)} IN ({marks})", [*condition.values]
        if isinstance(condition, Filled):
            return f"lower(trim({self._column('c', condition.column)})) NOT IN ({_EMPTY})", ["", *NOTHING]
        if isinstance(condition, Within):
            return self._within(condition)
        return self._compares(condition)

    def _within(self, condition: Within) -> tuple[str, list[str | int]]:
        field = self._column("d", condition.column)
        ends = self.table.ends
        if ends is not None and condition.column == self.table.dated and not condition.yearless:
            field_end = self._column("d", ends)  # an event is on each of its days
            tests = [f"{field} != ''", *[f"max({field}, {field_end}) >= ?"] * bool(condition.first)]
            tests += [f"substr({field}, 1, 10) <= ?"] * bool(condition.last)
            return " AND ".join(tests), [end for end in (condition.first, condition.last) if end]
        if condition.yearless:
            return f"substr({field}, 6, 5) BETWEEN ? AND ?", [condition.first, condition.last]
        tests = [f"{field} != ''", *[f"{field} >= ?"] * bool(condition.first)]
        tests += [f"substr({field}, 1, 10) <= ?"] * bool(condition.last)
        return " AND ".join(tests), [end for end in (condition.first, condition.last) if end]

    def _compares(self, condition: Compares) -> tuple[str, list[str | int]]:
        field = self._column("n", condition.column)
        if condition.other is not None:
            other = self._column("n", condition.other)
            mine, its = (10 ** self._places[n] for n in (condition.column, condition.other))
            return f"{field} * {its} {condition.sign} {other} * {mine}", []
        assert condition.value is not None
        scaled = condition.value.scaleb(self._places[condition.column])
        whole = scaled.to_integral_value(ROUND_FLOOR)
        # A constant with more decimals than the column lies between two integers.
        return f"{field} * 2 {condition.sign} ?", [_storable(2 * int(whole) + (scaled > whole))]

    def _column(self, kind: str, place: int) -> str:
        """Return the name of a column in SQL, stored on first use."""
        name = f"{kind}{place}"
        if name not in self._known:
            self._connection.execute(f"ALTER TABLE r ADD COLUMN {name}")
            values = (each for each in self._values(kind, place))
            self._connection.executemany(
                f"UPDATE r SET {name} = ? WHERE id = ?", ((value, n) for n, value in enumerate(values))
            )
            self._known.add(name)
        return name

    def _values(self, kind: str, place: int) -> Sequence[str | int | None]:
        if kind == "c":
            return self.table.cells(place)
        if kind == "d":
            return [f"{when}-01" if len(when) == 7 else when for when in self.table.dates(place)]
        numbers = self.table.numbers(place)
        places = max((max(-int(n.as_tuple().exponent), 0) for n in numbers if n is not None), default=0)
        self._places[place] = min(places, 9)
        return [None if n is None else _storable(int(n.scaleb(self._places[place]))) for n in numbers]


def _storable(number: int) -> int:
    """Return a number, or the nearest one that SQLite stores as an integer."""
    return max(-_LARGEST, min(number, _LARGEST))
