"""The result of a query: its value, arithmetic and rows, and a short sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median

import attrs

from lior.interfaces import Passage, Result
from lior_ask.index.table_store import Head, Row
from lior_ask.tables.query import (
    ADDED,
    FIRST,
    LARGEST,
    Aggregate,
    Compares,
    Expr,
    Filled,
    Is,
    Not,
    Query,
    Within,
)
from lior_ask.tables.sources import Table

_SUMMANDS = 8
"""Maximum number of summands that are shown, half of them from the end."""
_LISTED = 12
"""Maximum number of different values or groups that are listed."""
_LETTERS = {"year": 4, "month": 7, "day": 10}
"""Unit of time -> number of characters of its date."""
_NOUNS = {
    "mail": ("mail", "mails"),
    "chat": ("message of the chat", "messages of the chat"),
    "log": ("entry", "entries"),
    "events": ("event", "events"),
    "contacts": ("contact", "contacts"),
    "files": ("file", "files"),
}
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

    def tell(self, query: Query, rows: Sequence[int], part: Sequence[int] = ()) -> Told:
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
            return self._share(query, rows, part)
        if query.aggregate is Aggregate.BETWEEN:
            return self._between(query, rows)
        if query.aggregate in (Aggregate.VALUE, Aggregate.DISTINCT, Aggregate.DUPLICATES):
            return self._values(query, rows)
        return self._counted(query, rows)

    # --- words ---

    def noun(self, count: int) -> str:
        """Return the noun for a number of rows."""
        return _NOUNS.get(self.table.kind, ("row", "rows"))[count != 1]

    def about(self, query: Query) -> str:
        """Return the object of a query with all conditions: ``amount in pets.csv where kind is food``."""
        of = self.noun(2) if query.measure is None else self._name(query.measure)
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
        return f"{what}{': ' * bool(brief)}{brief} ({count:,} {self.noun(count)} of {self.table.title})"

    # --- results ---

    def _counted(self, query: Query, rows: Sequence[int]) -> Told:
        about, count = self.about(query), len(rows)
        result = self._result(query, f"{count:,}", about, rows)
        several = [c.column for c in query.where if isinstance(c, Is) and c.several]
        each = ""
        if query.aggregate is Aggregate.COUNT and len(several) == 1:
            cells = Counter(self.table.cells(several[0])[n] for n in rows)
            each = ", ".join(f"{cell} {number:,}" for cell, number in cells.items()) * (
                1 < len(cells) <= _LISTED
            )
        said = f"{count:,} {self.noun(count)}{': ' * bool(each)}{each}"
        if query.aggregate is Aggregate.EXISTS:
            said = f"{'yes' if rows else 'no'}: {count:,} {self.noun(count)}"
        if query.aggregate is Aggregate.LIST and rows:
            names = self._labels(query, rows)
            said = f"{_listed(names)} ({count:,} {self.noun(count)})"
        brief = self._brief(query)
        return Told(
            attrs.evolve(result, arithmetic=each), f"{said}{', ' * bool(brief)}{brief} in {self.table.title}"
        )

    def _added(self, query: Query, rows: Sequence[int]) -> Told:
        measure = query.measure
        assert measure is not None
        known = [(n, number) for n in rows if (number := self.table.numbers(measure)[n]) is not None]
        if not known and (rows or query.aggregate is not Aggregate.SUM):
            raise NoResult(f"there is no number to be added up: {self.about(query)}")
        numbers = [query.sign * number for _, number in known]
        value, arithmetic = _aggregated(query.aggregate, numbers)
        lacking = len(rows) - len(known)
        without = f" ({lacking} {self.noun(lacking)} without a number left out)" if lacking else ""
        shown = self.table.columns[measure].show(value)
        how, unit = _SAID[query.aggregate], self._unit(measure)
        used = [n for n, _ in known]
        result = self._result(query, shown, self.about(query) + without, used, arithmetic, unit)
        directed = [c for c in query.where if isinstance(c, Compares) and c.value == 0]
        if directed and query.aggregate is Aggregate.SUM:
            how = "paid out" if directed[0].sign == "<" else "paid in"
        of = f"{how}, {self._name(measure)}"
        return Told(result, self._sentence(_with_unit(shown, unit), of, query, len(known)) + without)

    def _first(self, query: Query, rows: Sequence[int]) -> Told:
        """Return the rows with the highest or lowest number, or the newest or oldest date, with ties."""
        measure = query.measure
        assert measure is not None
        chosen = first_rows(self.table, query, rows)
        if not chosen:
            raise NoResult(f"there is no {self.about(query)}")
        value = self._shown(measure, chosen[0], query.sign)
        labels, brief = self._labels(query, chosen), self._brief(query)
        unit = "" if self.table.columns[measure].kind == "date" else self._unit(measure)
        result = self._result(query, value, self.about(query), chosen, unit=unit)
        name = f"{query.aggregate.value} {self._name(measure)}"
        of = f"{', ' * bool(brief)}{brief} in {self.table.title}"
        return Told(
            result, f"{_with_unit(value, unit)}: {_listed(labels, 'and')}{', ' * bool(labels)}{name}{of}"
        )

    def _shown(self, column: int, row: int, sign: int = 1) -> str:
        """Return the date or the number of a cell as it is shown."""
        own = self.table.columns[column]
        if own.kind == "date":
            return self.table.dates(column)[row]
        number = self.table.numbers(column)[row]
        return self.table.cells(column)[row] if number is None else own.show(sign * number)

    def _share(self, query: Query, rows: Sequence[int], part: Sequence[int]) -> Told:
        whole, some = Decimal(len(rows)), Decimal(len(part))
        if query.measure is not None:
            numbers = self.table.numbers(query.measure)
            whole, some = (sum((numbers[n] or Decimal(0) for n in own), Decimal(0)) for own in (rows, part))
        if not whole:
            raise NoResult(f"there is no {self.about(query)}")
        value = f"{show((100 * some / whole).quantize(Decimal('0.01'), ROUND_HALF_EVEN))} %"
        arithmetic = f"{show(some)} of {show(whole)}"
        result = self._result(query, value, self.about(query), part, arithmetic)
        having = ", ".join(self.condition(each) for each in query.part)
        return Told(result, f"{value}: {having}, {arithmetic} in {self.table.title}")

    def _between(self, query: Query, rows: Sequence[int]) -> Told:
        measure = query.measure
        assert measure is not None
        if query.other is not None:
            ends = [(self.table.dates(n)[rows[0]], rows[0]) for n in (measure, query.other)] if rows else []
        else:
            dated = self.table.columns[measure].kind == "date"
            values = (
                self.table.dates(measure) if dated else [str(n or "") for n in self.table.numbers(measure)]
            )
            when = [] if self.table.dated is None else self.table.dates(self.table.dated)
            order = sorted(rows, key=when.__getitem__) if when else rows
            ends = [(values[n], n) for n in order if values[n]]
            ends = [ends[0], ends[-1]] if len(ends) > 1 else []
        if len(ends) < 2 or not (ends[0][0] and ends[1][0]):
            raise NoResult(f"there are no two values to compare: {self.about(query)}")
        (first, a), (last, b) = ends
        if self.table.columns[measure].kind == "date":
            days = abs((date.fromisoformat(last[:10]) - date.fromisoformat(first[:10])).days)
            shown, unit = f"{days:,}", f"day{'s' * (days != 1)}"
        else:
            shown, unit = show(abs(Decimal(last) - Decimal(first))), self._unit(measure)
        arithmetic = f"{first} to {last}"
        result = self._result(query, shown, self.about(query), [*dict.fromkeys((a, b))], arithmetic, unit)
        of = f"{self._name(measure)} in {self.table.title}"
        return Told(result, f"{_with_unit(shown, unit)} from {arithmetic}, {of}")

    def _values(self, query: Query, rows: Sequence[int]) -> Told:
        measure = query.measure
        assert measure is not None
        cells, name = self.table.cells(measure), self._name(measure)
        counted = Counter(cells[n] for n in rows if cells[n].strip())
        if query.aggregate is Aggregate.VALUE:
            if not counted:
                raise NoResult(f"there is no {self.about(query)}")
            shown = _listed([*counted])
            result = self._result(query, shown, self.about(query), rows)
            brief = self._brief(query)
            return Told(result, f"{shown}: {name}{', ' * bool(brief)}{brief} in {self.table.title}")
        if query.aggregate is Aggregate.DUPLICATES:
            counted = Counter({cell: number for cell, number in counted.items() if number > 1})
            rows = [n for n in rows if cells[n] in counted]
        shown = f"{len(counted):,}"
        several = ", ".join(f"{cell} ({number})" for cell, number in counted.most_common(_LISTED))
        what = (
            "different values"
            if query.aggregate is Aggregate.DISTINCT
            else "values that occur more than once"
        )
        result = self._result(query, shown, f"{what} of {self.about(query)}", rows)
        return Told(result, f"{shown} {what} of {name}{': ' * bool(several)}{several} in {self.table.title}")

    def _groups(self, query: Query, rows: Sequence[int]) -> Told:
        assert query.group is not None
        groups = dict[str, list[int]]()
        for n in rows:
            if key := self._key(query, n):
                groups.setdefault(key, []).append(n)
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
            value, _ = _aggregated(Aggregate.MEAN, [*known.values()])
            arithmetic = f"{show(total)} / {len(known)} = {show(value)}"
            result = self._result(query, show(value), about, rows, arithmetic, unit)
            how = f"on average per {by}"
            return Told(result, self._sentence(_with_unit(show(value), unit), how, query, len(rows)))
        if over:
            ranked = sorted(known, key=lambda key: known[key], reverse=over == "highest")
            bound = known[ranked[min(max(query.few, 1), len(ranked)) - 1]]
            best = [k for k in ranked if (known[k] >= bound if over == "highest" else known[k] <= bound)]
            value_ = ", ".join(f"{key} {show(known[key])}" for key in best)
            result = self._result(query, value_, about, [n for key in best for n in groups[key]], shown, unit)
            return Told(result, f"{_with_unit(value_, unit)}: {over} {query.aggregate.value} of {about}")
        rest = f" and {len(order) - 40} others" if len(order) > 40 else ""
        result = self._result(query, shown + rest, about, rows, unit=unit)
        result = attrs.evolve(result, groups=tuple((key, show(known[key])) for key in order))
        measured = f"{query.aggregate.value} per {by}" + f" in {unit}" * bool(unit)
        return Told(result, f"{measured}: {shown}{rest} in {self.table.title}")

    def _key(self, query: Query, row: int) -> str:
        """Return the group of a row, empty if it has none."""
        assert query.group is not None
        if isinstance(query.group.by, int):
            return self.table.cells(query.group.by)[row].strip()
        assert query.group.dated is not None
        when = self.table.dates(query.group.dated)[row]
        if query.group.by == "week":
            return f"{date.fromisoformat(when[:10]):%G-W%V}" if len(when) > 9 else ""
        return when[: _LETTERS[query.group.by]]

    def _of_group(self, query: Query, rows: Sequence[int]) -> Decimal | None:
        if query.aggregate is Aggregate.COUNT:
            return Decimal(len(rows))
        assert query.measure is not None
        if query.aggregate is Aggregate.DISTINCT:
            return Decimal(len({self.table.cells(query.measure)[n] for n in rows} - {""}))
        numbers = [
            query.sign * n for row in rows if (n := self.table.numbers(query.measure)[row]) is not None
        ]
        return _aggregated(query.aggregate, numbers)[0] if numbers else None

    def _labels(self, query: Query, rows: Sequence[int]) -> list[str]:
        """Return the texts that name rows: the column asked for, or the one that tells rows apart best."""
        column = query.show
        if column is None and query.aggregate is Aggregate.LIST:
            column = query.measure
        if column is None:
            texts = [n for n in self.table.places("text") if any(self.table.cells(n)[row] for row in rows)]
            column = max(texts, key=lambda n: _different(self.table, n), default=None)
        if column is None:
            return []
        return [*dict.fromkeys(cell for n in rows if (cell := self.table.cells(column)[n].strip()))]

    def _result(
        self, query: Query, value: str, about: str, rows: Sequence[int], arithmetic: str = "", unit: str = ""
    ) -> Result:
        used = [self.table.rows[n] for n in rows]
        tabular = self.table.kind in ("rows", "events", "contacts")
        stored = range(len(self.table.heads[0].columns)) if tabular else ()
        return Result(
            operation=query.aggregate.value,
            value=value,
            about=about,
            arithmetic=arithmetic,
            rows=tuple(self._passages(used)),
            unit=unit,
            columns=tuple(self._name(n) for n in stored),
            cells=tuple(row.cells for _, row in used) if tabular else (),
        )

    def _passages(self, rows: Iterable[tuple[Head, Row]]) -> Iterator[Passage]:
        for head, row in rows:
            place = f"{row.cells[0]}, {row.cells[2]}" if head.kind == "mail" else head.name
            when = row.cells[0] if head.kind == "events" else ""
            text = row.text if when in row.text else f"{when}: {row.text}"
            yield Passage(document=head.document or row.text, line=row.line, text=text, place=place)


def first_rows(table: Table, query: Query, rows: Sequence[int]) -> list[int]:
    """Return the first of some rows in the order of a query, with ties; rows without a key are left out."""
    assert query.measure is not None
    dated = query.aggregate in (Aggregate.NEWEST, Aggregate.OLDEST)
    keys = dict[int, str | Decimal]()
    for n in rows:
        number = None if dated else table.numbers(query.measure)[n]
        key = table.dates(query.measure)[n] if dated else number if number is None else query.sign * number
        if key not in ("", None):
            keys[n] = key
    descending = query.aggregate in LARGEST
    order = sorted(keys, key=lambda n: keys[n], reverse=descending)
    if not order:
        return []
    last = keys[order[min(max(query.few, 1), len(order)) - 1]]
    return [n for n in order if (keys[n] >= last if descending else keys[n] <= last)]  # type: ignore[operator]


def _with_unit(value: str, unit: str) -> str:
    return f"{value} {unit}" if unit else value


def _timed(condition: Expr) -> bool:
    directed = isinstance(condition, Compares) and condition.value == 0
    return directed or isinstance(condition, Within)


def _different(table: Table, column: int) -> float:
    """Return the number of different cells of a column, or infinity if not all are stored."""
    own = table.columns[column]
    return len({*own.values}) if own.whole else math.inf


def _listed(values: Sequence[str], word: str = "") -> str:
    shown = [*values[:_LISTED]]
    if word and 1 < len(shown) < 4 and len(values) == len(shown):
        return f"{', '.join(shown[:-1])} {word} {shown[-1]}"
    return ", ".join(shown) + (f" and {len(values) - _LISTED} others" if len(values) > _LISTED else "")


def _aggregated(aggregate: Aggregate, numbers: Sequence[Decimal]) -> tuple[Decimal, str]:
    """Return sum, mean or median, and the arithmetic."""
    total = sum(numbers, Decimal(0))
    terms = [show(number) for number in numbers]
    if len(terms) > _SUMMANDS:
        half = _SUMMANDS // 2
        terms = [*terms[:half], "…", *terms[-half:]]
    added = " + ".join(terms).replace("+ -", "- ")
    if aggregate is Aggregate.SUM:
        return total, f"{added} = {show(total)}" if len(numbers) > 1 else ""
    if aggregate is Aggregate.MEDIAN:
        middle = Decimal(median(numbers))
        return middle, f"the middle of {', '.join(map(show, sorted(numbers)[:_SUMMANDS]))}"
    places = max(2, max(-int(number.as_tuple().exponent) for number in numbers))
    value = (total / len(numbers)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    exact = value * len(numbers) == total
    if exact and value == value.to_integral():
        value = value.to_integral()
    return value, f"({added}) / {len(numbers)} {'=' if exact else '≈'} {show(value)}"


def show(number: Decimal) -> str:
    """Return a number with thousands separators and without an exponent."""
    return f"{number:,f}"
