"""Execution of a plan as SQL on the rows of its tables, and the result with its arithmetic."""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypedDict

import attrs

from lior.interfaces import Passage, Result
from lior_ask.index.table_schema import Column
from lior_ask.index.table_store import Head, Row
from lior_ask.question.filters import named
from lior_ask.tables.grammar import Request
from lior_ask.tables.plan import Plan, Unclear
from lior_ask.tables.words import alike, has_word

_SUMMANDS = 8
"""Maximum number of summands that are shown, half of them from the end."""
_LISTED = 12
"""Maximum number of different values that are listed."""
_ONE = {
    "mails": "mail",
    "messages of the chat": "message of the chat",
    "rows": "row",
    "entries": "entry",
    "files": "file",
    "events": "event",
    "contacts": "contact",
}
_ORDER = {"newest": "DESC", "oldest": "ASC", "highest": "DESC", "lowest": "ASC"}


@attrs.frozen
class Used:
    """A row used in a calculation, with its number and date."""

    head: Head
    row: Row
    number: Decimal | None
    date: str


def execute(plan: Plan, request: Request) -> tuple[Result, str]:
    """Return the result of a plan, and the result in words.

    Raises
    ------
    Unclear
        When no row has a required number or date.
    """
    rows = [*select(plan)]
    if plan.tables[0][0].kind == "events":  # of several calendars
        rows.sort(key=lambda used: used.date)
    about = describe(plan, len(rows) if plan.operation in ("count", "list") else max(plan.few, 1))
    if plan.operation in ("count", "list"):
        return _count(plan, request, rows, about)
    if plan.operation in ("sum", "mean"):
        return _added(plan, rows, about)
    return _first(plan, request, rows, about)


def execute_share(plan: Plan, request: Request) -> tuple[Result, str]:
    """Return the share of the rows, or of their sum, that fulfil the additional conditions, and its words.

    Raises ``Unclear`` if there is no row, or nothing to add up.
    """
    rows, some = [*select(plan)], [*select(attrs.evolve(plan, where=(*plan.where, *plan.part)))]
    whole, part = Decimal(len(rows)), Decimal(len(some))
    if plan.measure is not None:
        whole, part = (sum((u.number for u in us if u.number is not None), Decimal(0)) for us in (rows, some))
    if not whole:
        raise Unclear(f"there is no {describe(plan)}")
    value = f"{show((100 * part / whole).quantize(Decimal('0.01'), ROUND_HALF_EVEN))} %"
    counted = attrs.evolve(plan, operation="count" if plan.measure is None else "sum")
    of, having = describe(counted), ", ".join(each.shown for each in plan.part)
    result = Result(
        operation="share",
        value=value,
        about=f"{of}: those where {having}",
        arithmetic=f"{show(part)} of {show(whole)}",
        **shown_rows(plan, some),
    )
    return result, f"{value}, {show(part)} of {show(whole)}: share of {result.about}"


def select(plan: Plan) -> Iterator[Used]:
    """Yield the rows of the plan that fulfil its conditions, in their order."""
    used = [(head, row) for head, rows in plan.tables for row in rows]
    where = " AND ".join(each.sql for each in plan.where) or "1"
    fields = sorted(set(re.findall(r"\b[cnd]\d+\b", where)))
    with closing(sqlite3.connect(":memory:")) as connection:
        for name, function in (("named", named), ("has", has_word), ("inside", _inside)):
            connection.create_function(name, 2, function, deterministic=True)
        # A column without a type stores values as they are: text of cells and dates, numbers.
        connection.execute(f"CREATE TABLE r({', '.join(['id INTEGER PRIMARY KEY', *fields])})")
        marks = ", ".join("?" * (1 + len(fields)))
        wanted = [(field[0], int(field[1:])) for field in fields]
        typed = ((number, *_typed(head, row, wanted)) for number, (head, row) in enumerate(used))
        connection.executemany(f"INSERT INTO r VALUES ({marks})", typed)
        values = [value for each in plan.where for value in each.values]
        found = connection.execute(f"SELECT id FROM r WHERE {where} ORDER BY id", values).fetchall()
    for (place,) in found:
        head, row = used[place]
        measure, dated = plan.measure, plan.dated
        number = None if measure is None else head.columns[measure].number(row.cells[measure])
        yield Used(
            head,
            row,
            None if number is None else plan.sign * number,
            "" if dated is None else head.columns[dated].date(row.cells[dated]),
        )


def _typed(head: Head, row: Row, wanted: Sequence[tuple[str, int]]) -> Iterator[str | float | None]:
    """Yield the text, the number or the date of each cell."""
    for kind, place in wanted:
        column, cell = head.columns[place], row.cells[place]
        if kind == "c":
            yield cell
        elif kind == "n":
            number = column.number(cell)
            yield None if number is None else float(number)
        else:
            when = column.date(cell)
            yield f"{when}-01" if len(when) == 7 else when


def _inside(folder: str, word: str) -> bool:
    return alike(word, folder.split("/"))


def _count(plan: Plan, request: Request, rows: list[Used], about: str) -> tuple[Result, str]:
    result = Result(operation=plan.operation, value=f"{len(rows):,}", about=about, **shown_rows(plan, rows))
    if plan.subject is None:
        apart = [each.apart for each in plan.where if each.apart is not None]
        cells = Counter(used.row.cells[apart[0]] for used in rows) if len(apart) == 1 else {}
        told = request.operation == "count" and 1 < len(cells) <= _LISTED
        each = ", ".join(f"{cell} {count:,}" for cell, count in cells.items()) * told
        said = f"{len(rows):,} {about}" + f": {each}" * bool(each)
        if request.exists:
            said = f"{'yes' if rows else 'no'}: {said}"
        return attrs.evolve(result, arithmetic=each), said
    name = plan.columns[plan.subject].name
    values = [*dict.fromkeys(used.row.cells[plan.subject] for used in rows)]
    if plan.operation == "count" and len(values) != len(rows):
        if not request.different:
            raise Unclear(
                f"{len(rows)} {about} have {len(values)} different values of {name}; "
                "ask for rows, or for different ones"
            )
        result = attrs.evolve(
            result, value=f"{len(values):,}", about=f"different values of {name} in {about}"
        )
    shown = ", ".join(values[:_LISTED]) + f" and {len(values) - _LISTED} others" * (len(values) > _LISTED)
    return result, f"{result.value} {result.about}: {shown}" if values else f"0 {about}"


def _added(plan: Plan, rows: list[Used], about: str) -> tuple[Result, str]:
    assert plan.measure is not None
    column = plan.columns[plan.measure]
    counted = [used for used in rows if used.number is not None]
    none = plan.operation == "sum" and not rows and all(each.covered is not False for each in plan.where)
    if not counted and not none:
        raise Unclear(f"there is no number to be added up: {about}")
    numbers = [used.number for used in counted if used.number is not None]
    total = sum(numbers, Decimal(0))
    value, shown = total, column.show(total)
    terms = [column.show(number) for number in numbers]
    if len(terms) > _SUMMANDS:
        half = _SUMMANDS // 2
        terms = [*terms[:half], "…", *terms[-half:]]
    arithmetic = " + ".join(terms).replace("+ -", "- ")
    if plan.operation == "mean":
        places = max(2, max(-int(number.as_tuple().exponent) for number in numbers))
        value = (total / len(numbers)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
        exact = value * len(numbers) == total
        shown = column.show(value.normalize() if exact and value == value.to_integral() else value)
        arithmetic = f"({arithmetic}) / {len(numbers)} {'=' if exact else '≈'} {shown}"
    else:
        arithmetic = f"{arithmetic} = {shown}" if len(numbers) > 1 else ""
    totals = sum(len(head.totals) for head, _ in plan.tables)
    lacking = len(rows) - len(counted)
    without = f" ({lacking} row{'s' * (lacking > 1)} without a number left out)" if lacking else ""
    without += f" ({totals} row{'s' * (totals > 1)} of totals left out)" if totals else ""
    result = Result(
        operation=plan.operation,
        value=shown,
        about=about + without,
        arithmetic=arithmetic,
        unit=column.unit,
        **shown_rows(plan, counted),
    )
    said = f"{shown}{unit_of(column.unit)}: {plan.operation} of {result.about}"
    return result, said + ", which has no such row" * none


def _first(plan: Plan, request: Request, rows: list[Used], about: str) -> tuple[Result, str]:
    """Return the rows with the highest or lowest number, or the newest or oldest date, with ties."""
    by_date = plan.operation in ("newest", "oldest")
    known = [used for used in rows if (used.date if by_date else used.number is not None)]
    if not known:
        raise Unclear(
            f"the {'date' if by_date else 'number'} of no {about} is known"
            if rows
            else f"there is no {about}"
        )
    if plan.subject is not None and not by_date:
        values = [used.row.cells[plan.subject] for used in known]
        if len(set(values)) < len(values):
            name = plan.columns[plan.subject].name
            raise Unclear(f"each {name} has several rows: sums of groups are not compared; ask for the row")
    years = {used.date.startswith("0000") for used in known} if by_date else set()
    if len(years) > 1:
        raise Unclear(f"some {about} have no year")
    keys = [(used.date if by_date else used.number) for used in known]
    order = sorted(set(keys), reverse=_ORDER[plan.operation] == "DESC")[: max(plan.few, 1)]  # type: ignore[type-var]
    chosen = [used for key in order for used, own in zip(known, keys, strict=True) if own == key]
    if plan.few:
        last = [used for used, own in zip(known, keys, strict=True) if own == keys[known.index(chosen[-1])]]
        chosen = chosen[: plan.few] if len(last) == 1 else chosen
    shows = show if plan.measure is None else plan.columns[plan.measure].show
    value = str(order[0]) if by_date else shows(order[0])  # type: ignore[arg-type]
    unit = "" if by_date or plan.measure is None else plan.columns[plan.measure].unit
    names = [_name(plan, used) for used in chosen]
    rows_shown = shown_rows(plan, chosen)
    result = Result(operation=plan.operation, value=value, about=about, unit=unit, **rows_shown)
    label = " and ".join(dict.fromkeys(filter(None, names)))
    which = "next" if request.operation == "next" else plan.operation
    return result, f"{label}{', ' * bool(label)}{value}{unit_of(unit)}: {which} {about}"


def _name(plan: Plan, used: Used) -> str:
    """Return the label of a row: the subject of a mail, otherwise its most distinctive text."""
    head = used.head
    if head.kind == "mail":
        return f"{used.row.cells[3]!r} from {used.row.cells[0]}"
    if head.kind in ("chat", "log"):
        return used.row.cells[-1]
    texts = [n for n in head.places("text") if used.row.cells[n]]
    if plan.subject in texts:
        return used.row.cells[plan.subject]
    telling = max(texts, key=lambda n: _different(head.columns[n]), default=None)
    return "" if telling is None else used.row.cells[telling]


def _different(column: Column) -> float:
    """Return the number of different values of a column, or infinity if not all are stored."""
    return len(column.values) if column.whole else math.inf


def count_noun(plan: Plan) -> str:
    """Return a description of the counted rows, with all conditions."""
    return describe(attrs.evolve(plan, operation="count"))


def describe(plan: Plan, count: int = 2) -> str:
    """Return a description of the plan's object, with all conditions."""
    if plan.measure is not None and plan.operation not in ("count", "list"):
        of = f"{plan.columns[plan.measure].name} in {plan.place}"
    else:
        of = (_ONE.get(plan.noun, plan.noun) if count == 1 else plan.noun) + f" of {plan.place}" * bool(
            plan.place
        )
    told = ", ".join(each.shown for each in plan.where if each.told)
    return " ".join([of, *(each.shown for each in plan.where if not each.told)]) + f" where {told}" * bool(
        told
    )


class ShownRows(TypedDict):
    """The rows of a result, with their header and cells if they are rows of a table."""

    rows: tuple[Passage, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


def shown_rows(plan: Plan, rows: Sequence[Used]) -> ShownRows:
    """Return the rows as passages; those of tables, calendars and contacts with their cells, too."""
    tabular = plan.tables[0][0].kind in ("rows", "events", "contacts")
    return {
        "rows": _passages(rows),
        "columns": tuple(column.name for column in plan.columns) if tabular else (),
        "cells": tuple(used.row.cells for used in rows) if tabular else (),
    }


def _passages(rows: Sequence[Used]) -> tuple[Passage, ...]:
    return tuple(
        Passage(
            document=used.head.document or used.row.text,
            line=used.row.line,
            text=_dated(used),
            place=", ".join((used.row.cells[0], used.date)) if used.head.kind == "mail" else used.head.name,
        )
        for used in rows
    )


def _dated(used: Used) -> str:
    """Return the text of a row, after its date for an event of a series."""
    when = used.row.cells[0] if used.head.kind == "events" else ""
    return used.row.text if when in used.row.text else f"{when}: {used.row.text}"


def unit_of(unit: str) -> str:
    return f" {unit}" if unit else ""


def show(number: Decimal) -> str:
    """Return a number with thousands separators and without an exponent."""
    return f"{number:,f}"
