"""Execution of a plan on the rows of its table, and the result with its arithmetic."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import attrs
import numpy as np

from lior.interfaces import Result
from lior_ask.index.table_schema import Column
from lior_ask.tables.columns import Kind
from lior_ask.tables.grammar import Request
from lior_ask.tables.plan import Condition, Plan, Unclear

_LISTED = 12
"""Maximum number of different values that are listed."""


def execute(plan: Plan, request: Request) -> tuple[Result, str]:
    """Return the result of a plan, and the result in words.

    Raises
    ------
    Unclear
        When no row has a required number or date.
    """
    rows = select(plan)
    if plan.table.kind == "events" and plan.dated is not None:  # of several calendars
        rows = rows[np.argsort(plan.table.coded("date", plan.dated).ranks[rows], kind="stable")]
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
    rows, some = select(plan), select(plan, plan.part)
    whole, part = Decimal(len(rows)), Decimal(len(some))
    if plan.measure is not None:
        whole, part = (plan.table.total(plan.measure, own, plan.sign) for own in (rows, some))
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
        **plan.table.shown(some),
    )
    return result, f"{value}, {show(part)} of {show(whole)}: share of {result.about}"


def select(plan: Plan, part: Sequence[Condition] = ()) -> np.ndarray:
    """Return the rows of the plan that fulfil its conditions, and those of a part, in their order."""
    return plan.table.where(each.test for each in (*plan.where, *part) if each.test)


def _count(plan: Plan, request: Request, rows: np.ndarray, about: str) -> tuple[Result, str]:
    result = Result(operation=plan.operation, value=f"{len(rows):,}", about=about, **plan.table.shown(rows))
    if plan.subject is None:
        apart = [each.apart for each in plan.where if each.apart is not None]
        cells = Counter(map(plan.table.cells(apart[0]).__getitem__, rows.tolist())) if len(apart) == 1 else {}
        told = request.operation == "count" and 1 < len(cells) <= _LISTED
        each = ", ".join(f"{cell} {count:,}" for cell, count in cells.items()) * told
        said = f"{len(rows):,} {about}" + f": {each}" * bool(each)
        if request.exists:
            said = f"{'yes' if len(rows) else 'no'}: {said}"
        return attrs.evolve(result, arithmetic=each), said
    name = plan.columns[plan.subject].name
    values = [*dict.fromkeys(map(plan.table.cells(plan.subject).__getitem__, rows.tolist()))]
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


def _added(plan: Plan, rows: np.ndarray, about: str) -> tuple[Result, str]:
    assert plan.measure is not None
    column, counted = plan.columns[plan.measure], plan.table.numbered(plan.measure, rows)
    none = plan.operation == "sum" and not len(rows) and all(each.covered is not False for each in plan.where)
    if not len(counted) and not none:
        raise Unclear(f"there is no number to be added up: {about}")
    mean = plan.operation == "mean"
    value, arithmetic = plan.table.added(plan.measure, counted, plan.sign, column.show, mean=mean)
    totals = sum(len(head.totals) for head in plan.table.heads)
    lacking = len(rows) - len(counted)
    without = f" ({lacking} row{'s' * (lacking > 1)} without a number left out)" if lacking else ""
    without += f" ({totals} row{'s' * (totals > 1)} of totals left out)" if totals else ""
    shown = column.show(value)
    result = Result(
        operation=plan.operation,
        value=shown,
        about=about + without,
        arithmetic=arithmetic,
        unit=column.unit,
        **plan.table.shown(counted),
    )
    said = f"{shown}{unit_of(column.unit)}: {plan.operation} of {result.about}"
    return result, said + ", which has no such row" * none


def _first(plan: Plan, request: Request, rows: np.ndarray, about: str) -> tuple[Result, str]:
    """Return the rows with the highest or lowest number, or the newest or oldest date, with ties."""
    by_date = plan.operation in ("newest", "oldest")
    kind: Kind = "date" if by_date else "number"
    column = plan.dated if by_date else plan.measure
    if column is None:
        raise Unclear(f"{about} have no {kind}", [kind])
    largest = plan.operation in ("newest", "highest" if plan.sign > 0 else "lowest")
    few = max(plan.few, 1)
    chosen = plan.table.first(kind, column, rows, few, largest=largest, distinct=True)
    if not chosen:
        raise Unclear(f"the {kind} of no {about} is known" if len(rows) else f"there is no {about}")
    if plan.subject is not None and not by_date:
        cells, known = plan.table.coded("text", plan.subject), plan.table.numbered(column, rows)
        if len(np.unique(cells.codes[known])) < len(known):
            name = plan.columns[plan.subject].name
            raise Unclear(f"each {name} has several rows: sums of groups are not compared; ask for the row")
    keys: list[Any] = plan.table.dates(column) if by_date else plan.table.numbers(column)
    if by_date and len({keys[n].startswith("0000") for n in rows.tolist() if keys[n]}) > 1:
        raise Unclear(f"some {about} have no year")
    if plan.few and sum(keys[n] == keys[chosen[-1]] for n in chosen) == 1:
        chosen = chosen[: plan.few]
    best, own = keys[chosen[0]], plan.columns[column]
    value, unit = (best, "") if by_date else (own.show(plan.sign * best), own.unit)
    result = Result(operation=plan.operation, value=value, about=about, unit=unit, **plan.table.shown(chosen))
    label = " and ".join(dict.fromkeys(filter(None, (_name(plan, n) for n in chosen))))
    which = "next" if request.operation == "next" else plan.operation
    return result, f"{label}{', ' * bool(label)}{value}{unit_of(unit)}: {which} {about}"


def _name(plan: Plan, number: int) -> str:
    """Return the label of a row: the subject of a mail, otherwise its most distinctive text."""
    head, row = plan.table.rows[number]
    if head.kind == "mail":
        return f"{row.cells[3]!r} from {row.cells[0]}"
    if head.kind in ("chat", "log"):
        return row.cells[-1]
    texts = [n for n in head.places("text") if row.cells[n]]
    if plan.subject in texts:
        return row.cells[plan.subject]
    telling = max(texts, key=lambda n: different(head.columns[n]), default=None)
    return "" if telling is None else row.cells[telling]


def different(column: Column) -> float:
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
        of = plan.table.noun(count) + f" of {plan.place}" * bool(plan.place)
    told = ", ".join(each.shown for each in plan.where if each.told)
    return " ".join([of, *(each.shown for each in plan.where if not each.told)]) + f" where {told}" * bool(
        told
    )


def unit_of(unit: str) -> str:
    return f" {unit}" if unit else ""


def show(number: Decimal) -> str:
    """Return a number with thousands separators and without an exponent."""
    return f"{number:,f}"
