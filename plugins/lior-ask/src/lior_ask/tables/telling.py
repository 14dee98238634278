"""The result of a query: its value, arithmetic and rows, and a short sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from statistics import median

import attrs
import numpy as np

from lior.interfaces import Result
from lior_ask.tables.columns import added, unit_in
from lior_ask.tables.execution import different, show, unit_of
from lior_ask.tables.query import (
    ADDED,
    FIRST,
    LARGEST,
    Aggregate,
    Compares,
    Expr,
    Filled,
    Group,
    Is,
    Not,
    Query,
    Within,
)
from lior_ask.tables.sources import Table

_MIDDLE = 8
"""Maximum number of numbers of a median that are shown."""
_LISTED = 12
"""Maximum number of different values or groups that are listed."""
_BY_DATE = (Aggregate.NEWEST, Aggregate.OLDEST)
_SAID = {
    Aggregate.SUM: "in total",
    Aggregate.MEAN: "on average",
    Aggregate.MEDIAN: "is the median",
}


class NoResult(Exception):
    """A query that has no result, with the reason in one line."""


@attrs.frozen
class Told:
    """A result and the sentence that tells it."""

    result: Result
    said: str


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
        place = f" in {self.table.title}" if self.table.kind in ("rows", "log", "events") else ""
        conditions = (*query.where, *query.part)
        told = ", ".join(c for each in conditions if (c := self.condition(each)) and not _timed(each))
        timed = "".join(f" {c}" for each in conditions if (c := self.condition(each)) and _timed(each))
        return f"{of}{place}{timed}" + f" where {told}" * bool(told)

    def condition(self, condition: Expr) -> str:
        """Return a condition in words."""
        if isinstance(condition, Not):
            if isinstance(condition.of, Filled):
                return f"{self._name(condition.of.column)} is empty"
            return f"not {self.condition(condition.of)}"
        name = self._name(condition.column)
        if isinstance(condition, Is):
            return (
                f"{name} has {condition.part}"
                if condition.part
                else f"{name} is {_listed(condition.values, 'or')}"
            )
        if isinstance(condition, Within):
            return condition.shown
        if isinstance(condition, Filled):
            return f"{name} is given"
        if condition.other is not None:
            return f"{name} {condition.sign} {self._name(condition.other)}"
        if condition.value == 0:
            return "paid out" if condition.sign == "<" else "paid in"
        return f"{name} {condition.sign} {condition.value}"

    def _brief(self, query: Query) -> str:
        """Return the conditions of a query in few words: their values."""
        found = list[str]()
        for each in query.where:
            if isinstance(each, Is) and not each.part:
                found.append(_listed(each.values, "or"))
            elif not (isinstance(each, Compares) and each.value == 0):
                found.append(self.condition(each))
        return ", ".join(found)

    def _name(self, column: int) -> str:
        return self.table.columns[column].name

    def _unit(self, column: int) -> str:
        return self.table.columns[column].unit

    def _sentence(self, value: str, how: str, query: Query, count: int) -> str:
        """Return value, what it is, conditions, and the number of rows."""
        brief = self._brief(query)
        what = " ".join(filter(None, (value, how)))
        return f"{what}{': ' * bool(brief)}{brief} ({count:,} {self.table.noun(count)} of {self.table.title})"

    # --- results ---

    def _counted(self, query: Query, rows: np.ndarray) -> Told:
        about, count = self.about(query), len(rows)
        result = self._result(query, f"{count:,}", about, rows)
        several = [c.column for c in query.where if isinstance(c, Is) and c.several]
        each = ""
        if query.aggregate is Aggregate.COUNT and len(several) == 1:
            cells = Counter(map(self.table.cells(several[0]).__getitem__, rows.tolist()))
            each = ", ".join(f"{cell} {number:,}" for cell, number in cells.items()) * (
                1 < len(cells) <= _LISTED
            )
        said = f"{count:,} {self.table.noun(count)}{': ' * bool(each)}{each}"
        if query.aggregate is Aggregate.EXISTS:
            said = f"{'yes' if len(rows) else 'no'}: {count:,} {self.table.noun(count)}"
        if query.aggregate is Aggregate.LIST and len(rows):
            names = self._labels(query, rows.tolist())
            said = f"{_listed(names)} ({count:,} {self.table.noun(count)})"
        brief = self._brief(query)
        return Told(
            attrs.evolve(result, arithmetic=each), f"{said}{', ' * bool(brief)}{brief} in {self.table.title}"
        )

    def _added(self, query: Query, rows: np.ndarray) -> Told:
        measure = query.measure
        assert measure is not None
        used = self.table.numbered(measure, rows)
        if not len(used) and (len(rows) or query.aggregate is not Aggregate.SUM):
            raise NoResult(f"there is no number to be added up: {self.about(query)}")
        value, arithmetic = self._value(query, used)
        lacking = len(rows) - len(used)
        without = f" ({lacking} {self.table.noun(lacking)} without a number left out)" if lacking else ""
        shown = self.table.columns[measure].show(value)
        how, unit = _SAID[query.aggregate], self._unit(measure)
        result = self._result(query, shown, self.about(query) + without, used, arithmetic, unit)
        directed = [c for c in query.where if isinstance(c, Compares) and c.value == 0]
        if directed and query.aggregate is Aggregate.SUM:
            how = "paid out" if directed[0].sign == "<" else "paid in"
        of = f"{how}, {self._name(measure)}"
        return Told(result, self._sentence(shown + unit_of(unit), of, query, len(used)) + without)

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
        measure = query.measure
        assert measure is not None
        largest, few, dated = query.aggregate in LARGEST, max(query.few, 1), query.aggregate in _BY_DATE
        largest = largest if dated or query.sign > 0 else not largest
        chosen = self.table.first("date" if dated else "number", measure, rows, few, largest=largest)
        if not chosen:
            raise NoResult(f"there is no {self.about(query)}")
        value = self._shown(measure, chosen[0], query.sign)
        labels, brief = self._labels(query, chosen), self._brief(query)
        unit = "" if self.table.columns[measure].kind == "date" else self._unit(measure)
        result = self._result(query, value, self.about(query), chosen, unit=unit)
        name = f"{query.aggregate.value} {self._name(measure)}"
        of = f"{', ' * bool(brief)}{brief} in {self.table.title}"
        return Told(
            result, f"{value}{unit_of(unit)}: {_listed(labels, 'and')}{', ' * bool(labels)}{name}{of}"
        )

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
        value = f"{show((100 * some / whole).quantize(Decimal('0.01'), ROUND_HALF_EVEN))} %"
        arithmetic = f"{show(some)} of {show(whole)}"
        result = self._result(query, value, self.about(query), part, arithmetic)
        having = ", ".join(self.condition(each) for each in query.part)
        return Told(result, f"{value}: {having}, {arithmetic} in {self.table.title}")

    def _between(self, query: Query, rows: np.ndarray) -> Told:
        measure = query.measure
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
            shown, unit = show(abs(Decimal(last) - Decimal(first))), self._unit(measure)
        arithmetic = f"{first} to {last}"
        result = self._result(query, shown, self.about(query), [*dict.fromkeys((a, b))], arithmetic, unit)
        of = f"{self._name(measure)} in {self.table.title}"
        return Told(result, f"{shown}{unit_of(unit)} from {arithmetic}, {of}")

    def _values(self, query: Query, rows: np.ndarray) -> Told:
        measure = query.measure
        assert measure is not None
        cells, name = self.table.cells(measure), self._name(measure)
        counted = Counter(cells[n] for n in rows.tolist() if cells[n].strip())
        if query.aggregate is Aggregate.VALUE:
            if not counted:
                raise NoResult(f"there is no {self.about(query)}")
            shown = _listed([*counted])
            result = self._result(query, shown, self.about(query), rows)
            brief = self._brief(query)
            return Told(result, f"{shown}: {name}{', ' * bool(brief)}{brief} in {self.table.title}")
        if query.aggregate is Aggregate.DUPLICATES:
            counted = Counter({cell: number for cell, number in counted.items() if number > 1})
            rows = np.array([n for n in rows.tolist() if cells[n] in counted], int)
        shown = f"{len(counted):,}"
        several = ", ".join(f"{cell} ({number})" for cell, number in counted.most_common(_LISTED))
        what = (
            "different values"
            if query.aggregate is Aggregate.DISTINCT
            else "values that occur more than once"
        )
        result = self._result(query, shown, f"{what} of {self.about(query)}", rows)
        return Told(result, f"{shown} {what} of {name}{': ' * bool(several)}{several} in {self.table.title}")

    def _groups(self, query: Query, rows: np.ndarray) -> Told:
        assert query.group is not None
        groups = self._grouped(query.group, rows)
        values = {key: self._of_group(query, own) for key, own in groups.items()}
        known = {key: value for key, value in values.items() if value is not None}
        if not known:
            raise NoResult(f"there is no {self.about(query)}")
        timed, over = isinstance(query.group.by, str), query.group.over
        order = sorted(known) if timed else sorted(known, key=lambda key: -known[key])
        shown = ", ".join(f"{key} {show(known[key])}" for key in order[:40])
        unit = (
            ""
            if query.measure is None or query.aggregate is Aggregate.DISTINCT
            else self._unit(query.measure)
        )
        by = query.group.by if isinstance(query.group.by, str) else self._name(query.group.by)
        about = f"{self.about(query)} per {by}"
        if over == "mean":
            total = sum(known.values(), Decimal(0))
            value, _ = added(total, (), len(known), show, mean=True)
            arithmetic = f"{show(total)} / {len(known)} = {show(value)}"
            result = self._result(query, show(value), about, rows, arithmetic, unit)
            how = f"on average per {by}"
            return Told(result, self._sentence(show(value) + unit_of(unit), how, query, len(rows)))
        if over:
            ranked = sorted(known, key=lambda key: known[key], reverse=over == "highest")
            bound = known[ranked[min(max(query.few, 1), len(ranked)) - 1]]
            best = [k for k in ranked if (known[k] >= bound if over == "highest" else known[k] <= bound)]
            value_ = ", ".join(f"{key} {show(known[key])}" for key in best)
            result = self._result(
                query, value_, about, np.concatenate([groups[key] for key in best]), shown, unit
            )
            return Told(result, f"{value_}{unit_of(unit)}: {over} {query.aggregate.value} of {about}")
        rest = f" and {len(order) - 40} others" if len(order) > 40 else ""
        result = self._result(query, shown + rest, about, rows, unit=unit)
        result = attrs.evolve(result, groups=tuple((key, show(known[key])) for key in order))
        measured = f"{query.aggregate.value} per {by}" + f" in {unit}" * bool(unit)
        return Told(result, f"{measured}: {shown}{rest} in {self.table.title}")

    def _grouped(self, group: Group, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the rows of each group; rows without one are left out."""
        if isinstance(group.by, int):
            groups = self.table.grouped("text", group.by, rows, str.strip)
        else:
            assert group.dated is not None
            groups = self.table.grouped("date", group.dated, rows, partial(unit_in, unit=group.by))
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
        total = self.table.total(query.measure, known, query.sign)
        return added(total, (), len(known), show, mean=query.aggregate is Aggregate.MEAN)[0]

    def _labels(self, query: Query, rows: Sequence[int]) -> list[str]:
        """Return the texts that name rows: the column asked for, or the one that tells rows apart best."""
        column = query.show
        if column is None and query.aggregate is Aggregate.LIST:
            column = query.measure
        if column is None:
            texts = [n for n in self.table.places("text") if any(self.table.cells(n)[row] for row in rows)]
            column = max(texts, key=lambda n: different(self.table.columns[n]), default=None)
        if column is None:
            return []
        return [*dict.fromkeys(cell for n in rows if (cell := self.table.cells(column)[n].strip()))]

    def _result(
        self,
        query: Query,
        value: str,
        about: str,
        rows: Sequence[int] | np.ndarray,
        arithmetic: str = "",
        unit: str = "",
    ) -> Result:
        return Result(
            operation=query.aggregate.value,
            value=value,
            about=about,
            arithmetic=arithmetic,
            unit=unit,
            **self.table.shown(rows if self.shows else ()),
        )


def _timed(condition: Expr) -> bool:
    directed = isinstance(condition, Compares) and condition.value == 0
    return directed or isinstance(condition, Within)


def _listed(values: Sequence[str], word: str = "") -> str:
    shown = [*values[:_LISTED]]
    if word and 1 < len(shown) < 4 and len(values) == len(shown):
        return f"{', '.join(shown[:-1])} {word} {shown[-1]}"
    return ", ".join(shown) + (f" and {len(values) - _LISTED} others" if len(values) > _LISTED else "")
