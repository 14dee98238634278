"""The result of a query: its value, arithmetic and rows, and the parts of a sentence about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from statistics import median
from typing import Any

import attrs
import numpy as np

from lior_ask.tables.columns import added, other_row, percentage, show, unit_in
from lior_ask.tables.plan import Condition
from lior_ask.tables.query import (
    ADDED,
    FIRST,
    Aggregate,
    Beside,
    Expr,
    Filled,
    Group,
    Is,
    Not,
    Query,
    Within,
)
from lior_ask.tables.sentences import (
    PAID,
    PLACES,
    Told,
    counts_of,
    in_order,
    left_out,
    listed,
    names_of_rows,
    paid_last,
    tell,
    unit_of,
)
from lior_ask.tables.sources import Table, asks_balance, first_rows, summands

_SHOWN = 4
"""Maximum number of rows that are shown of those that are not larger than another one."""
_MIDDLE = 8
"""Maximum number of numbers of a median that are shown."""


class NoResult(Exception):
    """A query that has no result, with the reason in one line."""


@attrs.frozen
class Teller:
    """The results of queries over one table."""

    table: Table
    shows: bool = True
    """Whether results have their rows."""

    def tell(self, query: Query, rows: np.ndarray, part: np.ndarray | None = None) -> Told:
        """Return the result of a query whose conditions select ``rows``; ``part`` is the share's part.

        Raises
        ------
        NoResult
            When no row has the number or date that is needed.
        """
        rows = in_order(self.table, rows)
        if len(rows) > 1 and asks_balance(self.table, query):
            query = attrs.evolve(query, aggregate=Aggregate.SUM)
        if query.group is not None:
            return self._groups(query, rows)
        if query.aggregate in ADDED:
            return self._added(query, rows)
        if query.aggregate in FIRST:
            return self._first(query, rows)
        if query.aggregate is Aggregate.SHARE:
            return self._share(query, rows, rows[:0] if part is None else part)
        if query.aggregate is Aggregate.BETWEEN:
            return self._between(query, rows)
        if query.aggregate in (Aggregate.VALUE, Aggregate.DISTINCT, Aggregate.DUPLICATES):
            return self._values(query, rows)
        return self._counted(query, rows)

    # --- words ---

    def about(self, query: Query) -> str:
        """Return the object of a query with all conditions: ``amount in pets.csv where kind is food``."""
        of = self.table.noun(2) if query.measure is None else self._name(query.measure)
        place = f" in {self.table.title}" if self.table.kind in ("rows", "log", "events", "tasks") else ""
        told, timed = "", ""
        for each in paid_last(self._conditions((*query.where, *query.part))):
            if isinstance(each.test, Within) or each.shown in PAID:
                timed += f" {each.shown}" * bool(each.shown)
            else:
                told += ", " * bool(told) + each.shown
        return f"{of}{place}{timed}" + f" where {told}" * bool(told)

    def condition(self, condition: Expr) -> str:
        """Return a condition in words."""
        if isinstance(condition, Not):
            if isinstance(condition.of, Filled):
                return f"{self._name(condition.of.column)} is empty"
            return f"not {self.condition(condition.of)}"
        name = self._name(condition.column)
        if isinstance(condition, Is):
            several = " or ".join if len(condition.values) < 4 else listed
            return (
                f"{name} has {condition.part}" if condition.part else f"{name} is {several(condition.values)}"
            )
        if isinstance(condition, Within):
            return condition.shown
        if isinstance(condition, Filled):
            return f"{name} is given"
        if isinstance(condition, Beside):
            return self._beside(name, condition)
        if condition.other is not None:
            return f"{name} {condition.sign} {self._name(condition.other)}"
        if condition.value == 0 and self.table.signed(condition.column):
            return "paid out" if condition.sign == "<" else "paid in"
        return f"{name} {condition.sign} {condition.value}"

    def _beside(self, name: str, condition: Beside) -> str:
        """Return a comparison with another row, with its name: ``price > 3.50 (pump)``."""
        named = ", ".join(" or ".join(each.values) for each in condition.of)
        if condition.how in PLACES:
            return f"{PLACES[condition.how][1]} {named}"
        row = other_row(self.table, condition)
        return f"{name} {condition.how} {'' if row is None else self._shown(condition.column, row)} ({named})"

    def _is_number(self, column: int) -> bool:
        return self.table.columns[column].kind == "number"

    def _name(self, column: int) -> str:
        return self.table.columns[column].name

    def _conditions(self, conditions: Sequence[Expr]) -> list[Condition]:
        """Return conditions with their words."""
        return [Condition(test=each, shown=self.condition(each)) for each in conditions]

    def _told(
        self, query: Query, rows: Sequence[int] | np.ndarray, value: str, about: str = "", **parts: Any
    ) -> Told:
        """Return a result, with ``parts`` of it and of its sentence."""
        own = {"column": query.measure, "where": self._conditions(query.where), "shows": self.shows}
        return tell(self.table, rows, query.aggregate.value, value, about or self.about(query), **own | parts)

    # --- results ---

    def _counted(self, query: Query, rows: np.ndarray) -> Told:
        several = [c.column for c in query.where if isinstance(c, Is) and c.several]
        counts = query.aggregate is Aggregate.COUNT and len(several) == 1
        each = counts_of(self.table, several[0], rows) if counts else ""
        column = query.measure if query.show is None else query.show
        named = query.aggregate is Aggregate.LIST
        names = names_of_rows(self.table, rows.tolist(), column) if named else []
        shown = rows if len(rows) or query.aggregate is not Aggregate.EXISTS else self._compared(query)
        parts: dict[str, Any] = {"arithmetic": each, "names": names, "count": len(rows)}
        return self._told(query, shown, f"{len(rows):,}", **parts)

    def _compared(self, query: Query) -> Sequence[int]:
        """Return the rows with which a query compares, and the first ones that are compared."""
        besides = [each for each in query.where if isinstance(each, Beside)]
        named = [n for each in besides if (n := other_row(self.table, each)) is not None]
        rest = [each for each in query.where if each not in besides]
        others = self.table.where(rest)[:_SHOWN].tolist() if rest and named else []
        return [*dict.fromkeys((*others, *named))]

    def _added(self, query: Query, rows: np.ndarray) -> Told:
        measure = query.measure
        assert measure is not None
        known = self.table.numbered(measure, rows)
        used = summands(self.table, measure, rows) if query.aggregate is Aggregate.SUM else known
        if not len(used) and (len(rows) or query.aggregate is not Aggregate.SUM):
            raise NoResult(f"there is no number to be added up: {self.about(query)}")
        value, arithmetic = self._value(query, used)
        own, about = (
            self.table.columns[measure],
            self.about(query) + left_out(self.table, len(rows) - len(known)),
        )
        parts: dict[str, Any] = {"arithmetic": arithmetic, "unit": unit_of(own), "count": len(known)}
        if len(used) < len(known):
            parts["how"] = "newest"
        return self._told(query, used, own.show(value), about, **parts)

    def _value(self, query: Query, rows: np.ndarray) -> tuple[Decimal, str]:
        """Return the sum, the mean or the median of the numbers of rows, and the arithmetic."""
        measure, mean = query.measure, query.aggregate is Aggregate.MEAN
        assert measure is not None
        if query.aggregate is not Aggregate.MEDIAN:
            return self.table.added(measure, rows, query.sign, show, mean=mean)
        every = self.table.numbers(measure)
        line = sorted(query.sign * number for n in rows.tolist() if (number := every[n]) is not None)
        return Decimal(median(line)), f"the middle of {', '.join(map(show, line[:_MIDDLE]))}"

    def _first(self, query: Query, rows: np.ndarray) -> Told:
        """Return the rows with the highest or lowest number, or the newest or oldest date, with ties."""
        measure, chosen = query.measure, first_rows(self.table, query, rows)
        names = names_of_rows(self.table, chosen, query.show)
        if not chosen or (measure is None and not names):
            raise NoResult(f"there is no {self.about(query)}")
        if measure is None:
            return self._told(query, chosen, listed(names), count=len(rows))
        value, own = self._shown(measure, chosen[0], query.sign), self.table.columns[measure]
        unit = "" if own.kind == "date" else unit_of(own)
        return self._told(query, chosen, value, unit=unit, count=len(rows), names=names)

    def _shown(self, column: int, row: int, sign: int = 1) -> str:
        """Return the date or the number of a cell as it is shown."""
        own = self.table.columns[column]
        if own.kind == "date":
            return self.table.dates(column)[row]
        number = self.table.numbers(column)[row]
        return self.table.cells(column)[row] if number is None else own.show(sign * number)

    def _share(self, query: Query, rows: np.ndarray, part: np.ndarray) -> Told:
        whole, some = Decimal(len(rows)), Decimal(len(part))
        if query.measure is not None:
            whole, some = (self.table.total(query.measure, own, 1) for own in (rows, part))
        if not whole:
            raise NoResult(f"there is no {self.about(query)}")
        value, arithmetic = percentage(some, whole)
        having = len(part), self._conditions(query.part)
        return self._told(query, part, value, arithmetic=arithmetic, count=len(rows), part=having)

    def _difference(self, query: Query, rows: np.ndarray, two: Is) -> Told:
        """Return the difference of the numbers of rows with two values, or of their sums."""
        cells, column = np.array(self.table.cells(two.column)), query.measure
        groups = [rows[cells[rows] == value] for value in two.values]
        if column is not None:
            groups = [self.table.numbered(column, own) for own in groups]
        if not all(map(len, groups)):
            raise NoResult(f"there are no two values to compare: {self.about(query)}")
        made = [Decimal(len(own)) if column is None else self.table.total(column, own, 1) for own in groups]
        names = [f"{value} {show(own)}" for value, own in zip(two.values, made, strict=True)]
        unit = "" if column is None else unit_of(self.table.columns[column])
        low, high = sorted(made)
        arithmetic = f"{show(high)} – {show(low)}"
        return self._told(query, rows, show(high - low), arithmetic=arithmetic, unit=unit, names=names)

    def _between(self, query: Query, rows: np.ndarray) -> Told:
        measure, two = query.measure, query.two
        if two is not None and (measure is None or self._is_number(measure)):
            return self._difference(query, rows, two)
        assert measure is not None
        if query.other is not None:
            ends = (
                [(self.table.dates(n)[rows[0]], rows[0]) for n in (measure, query.other)] if len(rows) else []
            )
        else:
            dated = self.table.columns[measure].kind == "date"
            values = (
                self.table.dates(measure) if dated else [str(n or "") for n in self.table.numbers(measure)]
            )
            when = [] if self.table.dated is None else self.table.dates(self.table.dated)
            order = sorted(rows.tolist(), key=when.__getitem__) if when else rows.tolist()
            ends = [(values[n], n) for n in order if values[n]]
            ends = [ends[0], ends[-1]] if len(ends) > 1 else []
        if len(ends) < 2 or not (ends[0][0] and ends[1][0]):
            raise NoResult(f"there are no two values to compare: {self.about(query)}")
        (first, a), (last, b) = ends
        if self.table.columns[measure].kind == "date":
            try:
                days = abs((date.fromisoformat(last[:10]) - date.fromisoformat(first[:10])).days)
            except ValueError:  # months, and days without a year
                raise NoResult(f"{first} or {last} is no whole date") from None
            shown, unit = f"{days:,}", f"day{'s' * (days != 1)}"
        else:
            shown, unit = show(abs(Decimal(last) - Decimal(first))), unit_of(self.table.columns[measure])
        parts: dict[str, Any] = {
            "arithmetic": f"{first} to {last}",
            "unit": unit,
            "names": [f"{first} – {last}"],
        }
        return self._told(query, [*dict.fromkeys((a, b))], shown, **parts)

    def _values(self, query: Query, rows: np.ndarray) -> Told:
        measure = query.measure
        assert measure is not None
        cells = self.table.cells(measure)
        counted = Counter(cells[n] for n in rows.tolist() if cells[n].strip())
        if query.aggregate is Aggregate.VALUE:
            if not counted:
                raise NoResult(f"there is no {self.about(query)}")
            return self._told(query, rows, listed([*counted]))
        if query.aggregate is Aggregate.DUPLICATES:
            counted = Counter({cell: number for cell, number in counted.items() if number > 1})
            rows = np.array([n for n in rows.tolist() if cells[n] in counted], int)
        names = [f"{cell} ({number})" for cell, number in counted.most_common()]
        distinct = query.aggregate is Aggregate.DISTINCT
        what = "different values" if distinct else "values that occur more than once"
        return self._told(query, rows, f"{len(counted):,}", f"{what} of {self.about(query)}", names=names)

    def _groups(self, query: Query, rows: np.ndarray) -> Told:
        assert query.group is not None
        groups = self._grouped(query.group, rows)
        values = {key: self._of_group(query, own) for key, own in groups.items()}
        known = {key: value for key, value in values.items() if value is not None}
        if not known:
            raise NoResult(f"there is no {self.about(query)}")
        timed, over = isinstance(query.group.by, str), query.group.over
        order = [*known] if timed else sorted(known, key=lambda key: -known[key])
        shown = ", ".join(f"{key} {show(known[key])}" for key in order[:40])
        added_up = query.measure is not None and query.aggregate is not Aggregate.DISTINCT
        unit = unit_of(self.table.columns[query.measure]) if query.measure is not None and added_up else ""
        by = query.group.by if isinstance(query.group.by, str) else self._name(query.group.by)
        about = f"{self.about(query)} per {by}"
        told = partial(self._told, query, about=about, unit=unit, by=query.group.by, over=over)
        if query.aggregate is Aggregate.SUM and query.measure in self.table.balances:
            told = partial(told, how="newest")
        if over == "mean":
            total = sum(known.values(), Decimal(0))
            value, _ = added(total, (), len(known), show, mean=True)
            return told(rows, show(value), arithmetic=f"{show(total)} / {len(known)} = {show(value)}")
        if over:
            ranked = sorted(known, key=lambda key: known[key], reverse=over == "highest")
            bound = known[ranked[min(max(query.few, 1), len(ranked)) - 1]]
            best = [k for k in ranked if (known[k] >= bound if over == "highest" else known[k] <= bound)]
            value_ = ", ".join(f"{key} {show(known[key])}" for key in best)
            used = np.concatenate([groups[key] for key in best])
            return told(used, value_, arithmetic=shown, count=len(rows))
        rest = f" and {len(order) - 40} others" if len(order) > 40 else ""
        return told(rows, shown + rest, groups=tuple((key, show(known[key])) for key in order))

    def _grouped(self, group: Group, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the rows of each group, times in order; rows without a group are left out."""
        named = group.by == "month" and group.dated in self.table.heads[0].months
        by = group.dated if named and group.dated is not None else group.by
        if isinstance(by, int):
            groups = self.table.grouped("text", by, rows, str.strip)
        else:
            assert group.dated is not None
            found = self.table.grouped("date", group.dated, rows, partial(unit_in, unit=by))
            groups = dict(sorted(found.items()))
        return {name: own for name, own in groups.items() if name}

    def _of_group(self, query: Query, rows: np.ndarray) -> Decimal | None:
        if query.aggregate is Aggregate.COUNT:
            return Decimal(len(rows))
        assert query.measure is not None
        if query.aggregate is Aggregate.DISTINCT:
            return Decimal(len({*map(self.table.cells(query.measure).__getitem__, rows.tolist())} - {""}))
        known = self.table.numbered(query.measure, rows)
        if not len(known) or query.aggregate is Aggregate.MEDIAN:
            return self._value(query, known)[0] if len(known) else None
        if query.aggregate is Aggregate.SUM:
            known = summands(self.table, query.measure, rows)
        total = self.table.total(query.measure, known, query.sign)
        return added(total, (), len(known), show, mean=query.aggregate is Aggregate.MEAN)[0]
