"""Views: tables with computed numbers that questions ask for.

The numbers are the consumption between two readings of a meter, a quantity times its price, the days between
two dates, and incoming minus outgoing amounts. A view may also stack columns of the same thing. It has the
lines of its table, and is planned as a table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import attrs

from lior_ask.index.table_schema import Column
from lior_ask.index.table_store import Head, Row
from lior_ask.languages.dates import MONTHS
from lior_ask.languages.words import tokens
from lior_ask.tables import accounts, lexicon
from lior_ask.tables.days import Period
from lior_ask.tables.grammar import VIEWED, Request, Word
from lior_ask.tables.linking import columns_of
from lior_ask.tables.plan import TableSource, Unclear, title
from lior_ask.tables.words import alike

_NEAR = timedelta(days=3)
"""Maximum distance of a reading from the beginning or the end of a period."""
_TOTALS = ("sum", "most", "least")
"""Operations for which quantity and price are multiplied if a question asks for it."""
_LEFT = "less"
"""Word in the name of the column of net amounts, by which it is found."""
_ADDED = ("sum", "paid", "count", "mean", "highest", "lowest", "most", "least", "groups", *VIEWED)


def choose_view(request: Request, head: Head, source: TableSource) -> tuple[Request, Head]:
    """Return the request and the view of a table that it asks for, or both unchanged.

    Raises ``Unclear`` if no meter was read at the beginning or the end of the period.
    """
    for view in (_readings, _below_each_other, _products, _durations, _net):
        request, head = view(request, head, source)
    return request, head


def _readings(request: Request, head: Head, source: TableSource) -> tuple[Request, Head]:
    """Return the request and the differences of successive readings, if it asks for consumption.

    A difference has the date before its reading: one on the first of a month counts for the month before.
    """
    used = [word for word in request.words if word.text in lexicon.USED]
    if not used or head.dated is None or request.operation not in _ADDED:
        return request, head
    days, groups = _days(head, source), _series(head, source)
    numbers = [n for n in head.places("number") if head.columns[n].decimal]
    meters = [n for n in numbers if groups and all(_never_falls(head, rows, n) for rows in groups)]
    if not meters:
        return request, head
    if request.period:
        _check_read(request.period, days, head)
    made = list[Row]()
    for before, row in (pair for rows in groups for pair in pairwise(rows)):
        cells = [*row.cells]
        cells[head.dated] = str(_day(head, row) - timedelta(1))
        for n in meters:
            first, last = (head.columns[n].number(each.cells[n]) for each in (before, row))
            cells[n] = "" if first is None or last is None else str(last - first)
        made.append(attrs.evolve(row, cells=tuple(cells)))
    columns = [attrs.evolve(c, decimal=".") if n in meters else c for n, c in enumerate(head.columns)]
    columns[head.dated] = Column(name=head.columns[head.dated].name, kind="date")
    request = attrs.evolve(_without(request, used), operation=_added(request), measure="", added=True)
    name = f"differences of readings, {days[0]} to {days[-1]}"
    return request, source.made(head, columns, sorted(made, key=lambda row: row.line), name)


def _added(request: Request) -> str:
    """Return the operation on a view: "how much" and "how many" ask for a sum."""
    return "sum" if request.operation in ("paid", "count", *VIEWED) else request.operation


def _day(head: Head, row: Row) -> date:
    assert head.dated is not None
    return date.fromisoformat(head.columns[head.dated].date(row.cells[head.dated])[:10])


def _days(head: Head, source: TableSource) -> list[date]:
    """Return the sorted days of all rows, or an empty list if one has none."""
    assert head.dated is not None
    found = [head.columns[head.dated].date(row.cells[head.dated])[:10] for row in source.every(head)]
    return sorted(map(date.fromisoformat, found)) if found and _whole(*found) else []


def _whole(*days: str) -> bool:
    """Return whether dates have a day, a month and a year."""
    return all(len(day) == 10 and day >= "0001" for day in days)


def _series(head: Head, source: TableSource) -> list[list[Row]]:
    """Return series of rows with one reading a day, by date: all rows, or those of each flat; else empty."""
    rows = source.every(head)
    if not _days(head, source):
        return []
    for key in (None, *head.places("text")):
        names = ["" if key is None else row.cells[key] for row in rows]
        each = {(name, _day(head, row)) for name, row in zip(names, rows, strict=True)}
        if len(each) == len(rows):
            found = dict[str, list[Row]]()
            for name, row in zip(names, rows, strict=True):
                found.setdefault(name, []).append(row)
            return [sorted(own, key=lambda row: _day(head, row)) for own in found.values()]
    return []


def _never_falls(head: Head, rows: Sequence[Row], column: int) -> bool:
    numbers = [n for row in rows if (n := head.columns[column].number(row.cells[column])) is not None]
    return len(numbers) > 1 and all(before <= after for before, after in pairwise(numbers))


def _check_read(period: Period, days: Sequence[date], head: Head) -> None:
    """Raise ``Unclear`` if a period begins or ends between readings, or begins and ends at the same one."""
    years = range(days[0].year, days[-1].year + 1) if period.yearless else [None]
    spans = [period if year is None else period.within(year) for year in years]
    for each in spans:
        ends = [end for end in (each.first and each.first - timedelta(1), each.last) if end]
        nearest = [min(days, key=lambda day, end=end: abs(end - day)) for end in ends]  # type: ignore[misc]
        pairs = zip(ends, nearest, strict=True)
        fits = all(not days[0] <= end <= days[-1] or abs(end - day) <= _NEAR for end, day in pairs)
        if fits and (len(ends) < 2 or nearest[0] < nearest[1]):
            return
    raise Unclear(f"{title(head)} was not read at the beginning and the end of {period.shown}")


def _below_each_other(request: Request, head: Head, source: TableSource) -> tuple[Request, Head]:
    """Return the request and a view with stacked columns: "hours March, hours April", or "tap 1, tap 2".

    The month becomes the date of a row; a number becomes a new column."""
    parts = {n: _parts(head.columns[n].name) for n in head.places("number")}
    for kind in ("month", "number"):
        known = {n: part for n, part in parts.items() if part[0] == kind}
        things = Counter(thing for _, thing, _ in known.values())
        thing = max(things, key=lambda each: things[each], default="")
        places = [n for n, part in known.items() if part[1] == thing]
        if len(places) < 2 or len({head.columns[n].decimal for n in places}) > 1:
            continue
        asked = any(alike(word.text, tokens(thing)) for word in request.words)
        counted = request.operation != "count" or asked
        if kind == "month" and head.dated is None and request.operation in _ADDED and counted:
            name, made = "month", [f"0000-{known[n][2]:02}" for n in places]
        elif kind == "number" and asked and request.operation in ("most", "least"):
            name, made = thing, [tokens(head.columns[n].name)[0] for n in places]
        else:
            continue
        columns = [c for n, c in enumerate(head.columns) if n not in places]
        label = (thing if kind == "month" else "") or head.name or "number"
        extra = Column(name=name, kind="date" if kind == "month" else "text", values=made)
        columns += [extra, attrs.evolve(head.columns[places[0]], name=label, key=False)]
        rows = [
            attrs.evolve(row, cells=(*_others(row, places), cell, row.cells[n]))
            for row in source.every(head)
            for n, cell in zip(places, made, strict=True)
        ]
        return attrs.evolve(request, added=True), source.made(head, columns, rows, "")
    return request, head


def _others(row: Row, places: Sequence[int]) -> Iterator[str]:
    return (cell for n, cell in enumerate(row.cells) if n not in places)


def _parts(name: str) -> tuple[str, str, int]:
    """Return ``month`` or ``number``, the rest of a column's name, and its value; empty if it has neither."""
    words = tokens(name)
    months = [word for word in words if word in MONTHS]
    if len(months) == 1:
        return "month", " ".join(word for word in words if word != months[0]), MONTHS[months[0]]
    if found := re.fullmatch(r"([^\W\d_]+)[ _-]?(\d{1,2})(?![^\W_]).*", name.strip(), re.I):
        return "number", found[1].lower(), int(found[2])
    return "", "", 0


def _products(request: Request, head: Head, source: TableSource) -> tuple[Request, Head]:
    """Return the request and a view with quantity times price, if it asks for an amount that is missing."""
    pairs, columns = _priced(head), head.columns
    used = {n for pair in pairs for n in pair}
    amounts = [
        n
        for n in head.places("number")
        if n not in used and not {*tokens(columns[n].name)}.isdisjoint(lexicon.MEASURES["money"])
    ]
    told = [word for word in request.words if word.text in lexicon.TIMES_WORDS]
    worth = bool(told) or request.operation == "worth"
    money = request.measure == "money" and request.operation in ("sum", "paid", "worth")
    each = any(_of_one(columns[count].name, columns[price].name) for count, price in pairs)
    if not pairs or amounts or not ((money and each) or (worth and (money or request.operation in _TOTALS))):
        return request, head
    amount = lexicon.COUNTS | lexicon.INCOMING | lexicon.OUTGOING
    named = [w for w in request.words if {*columns_of(w.text, columns)} & used or w.text in amount]
    request = attrs.evolve(
        _without(request, [*told, *named]), operation=_added(request), measure="", added=True
    )

    def total(row: Row) -> Decimal | None:
        known = [[columns[n].number(row.cells[n]) for n in pair] for pair in pairs]
        products = [count * price for count, price in known if count is not None and price is not None]
        return sum(products, Decimal(0)) if len(products) == len(pairs) else None

    name = " + ".join(f"{columns[count].name} × {columns[price].name}" for count, price in pairs)
    others = {n for n in head.places("number") if not request.compared}
    idle = others - {n for w in request.words for n in columns_of(w.text, columns)}
    texts = [attrs.evolve(c, kind="text") if n in used | idle else c for n, c in enumerate(columns)]
    unit = columns[pairs[0][1]].unit
    return request, _with_column(head, texts, name, unit, total, source)


def _priced(head: Head) -> list[tuple[int, int]]:
    """Return the columns of quantities with their prices: with a common word, or the only ones.

    The list is empty if a price has no quantity."""
    numbers = {n: {*tokens(head.columns[n].name)} for n in head.places("number") if head.columns[n].decimal}
    prices = {n: words - lexicon.PRICES for n, words in numbers.items() if words & lexicon.PRICES}
    counts = [n for n, words in numbers.items() if n not in prices and words & lexicon.COUNTS]
    found = list[tuple[int, int]]()
    for price, rest in prices.items():
        same = [n for n in numbers if n not in prices and _of_same(rest, numbers[n])]
        same = same or counts * (len(prices) == 1)
        found += [(same[0], price)] if len(same) == 1 else []
    return found * (len(found) == len(prices))


def _of_one(count: str, price: str) -> bool:
    """Return whether a price is a unit price by its name: "price each", or "adult price" next to "adults"."""
    words = {*tokens(price)}
    return bool(words & lexicon.EACH) or _of_same(words - lexicon.PRICES, {*tokens(count)})


def _of_same(words: Set[str], others: Set[str]) -> bool:
    """Return whether a word has the stem of another, or begins it: "child" of "children"."""
    return any(alike(w, [*others]) or any(o.startswith(w) and len(w) > 3 for o in others) for w in words)


def _durations(request: Request, head: Head, source: TableSource) -> tuple[Request, Head]:
    """Return the request and a view with the days between two dates of a row, if it asks for them."""
    if request.operation == "lasts" and _lasts_hours(request, head, source):
        hours = Word(lexicon.DURATION, 0)
        return attrs.evolve(request, words=(*request.words, hours), operation="sum", measure=""), head
    days = [word for word in request.words if lexicon.DAYS.fullmatch(word.text)]
    between = [word for word in request.words if word.text in lexicon.BETWEEN]
    dates, columns = head.places("date"), head.columns
    counted = (*("mean", "highest", "lowest"), *["count"] * bool(between))
    longest = between and request.measure == "length"  # "which order took longest?"
    long = request.operation == "lasts" or ((days or longest) and request.operation in counted)
    if not long or len(dates) != 2:
        return request, head
    known = [[columns[n].date(row.cells[n])[:10] for n in dates] for row in source.every(head)]
    both = [(first, last) for first, last in known if _whole(first, last)]
    if not both or {first <= last for first, last in both} == {True, False}:
        return request, head
    begin, end = dates if both[0][0] <= both[0][1] else dates[::-1]

    def lasted(row: Row) -> Decimal | None:
        first, last = (columns[n].date(row.cells[n])[:10] for n in (begin, end))
        if not _whole(first, last):
            return None
        return Decimal((date.fromisoformat(last) - date.fromisoformat(first)).days)

    used = [w for w in request.words if any(_begins_alike(w.text, columns[n].name) for n in dates)]
    request = attrs.evolve(_without(request, [*days, *between, *used]), operation=_added(request), measure="")
    texts = [attrs.evolve(c, kind="text") if c.kind == "number" else c for c in columns]
    name = f"days from {columns[begin].name} to {columns[end].name}"
    return request, _with_column(head, texts, name, "days", lasted, source)


def _lasts_hours(request: Request, head: Head, source: TableSource) -> bool:
    """Return whether a table has one column of durations, and a cell with a word of the question."""
    texts = [source.whole(head).words(n) for n in head.places("text")]
    named = any(known.having(word.text) for word in request.words for known in texts)
    return named and sum(bool(column.duration) for column in head.columns) == 1


def _begins_alike(word: str, name: str) -> bool:
    """Return whether a word has the stem of a word in a name: "delivery" of "Delivered"."""
    return any(alike(word, [own]) or (len(own) > 5 and word[:6] == own[:6]) for own in tokens(name))


def _net(request: Request, head: Head, source: TableSource) -> tuple[Request, Head]:
    """Return a request for the sum of incoming minus outgoing amounts of an account, and their view."""
    if request.operation != "net" or (account := accounts.account_of(head, source)) is None:
        return request, head
    directed = [w for w in request.words if w.text in lexicon.INCOMING | lexicon.OUTGOING]
    words = (*_without(request, directed).words, Word(_LEFT, 0))
    request = attrs.evolve(request, words=words, operation="sum")
    into, out = head.columns[account.into], head.columns[account.out]

    def left(row: Row) -> Decimal:
        came, went = (column.number(row.cells[n]) for column, n in ((into, account.into), (out, account.out)))
        return (came or Decimal(0)) - (abs(went or Decimal(0)) if into != out else 0)

    dated = head.places("date")[:1]  # the booking date; the value date follows it
    texts = [c if n in dated else attrs.evolve(c, kind="text") for n, c in enumerate(head.columns)]
    name = f"{into.name} {_LEFT} {out.name}" if into != out else f"{into.name}, in {_LEFT} out"
    return request, _with_column(head, texts, name, into.unit, left, source)


def _with_column(
    head: Head,
    columns: Sequence[Column],
    name: str,
    unit: str,
    value: Callable[[Row], Decimal | None],
    source: TableSource,
) -> Head:
    """Return a view with an additional number column, which ``value`` computes from a row."""
    values = [(row, value(row)) for row in source.every(head)]
    rows = [
        attrs.evolve(row, cells=(*row.cells, "" if number is None else str(number))) for row, number in values
    ]
    return source.made(head, [*columns, Column(name=name, kind="number", unit=unit)], rows, "")


def _without(request: Request, words: Sequence[Word]) -> Request:
    return attrs.evolve(request, words=tuple(word for word in request.words if word not in words))
