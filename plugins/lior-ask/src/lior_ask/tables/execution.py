"""Execution of a plan on the rows of its table: the result with its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import numpy as np

from lior_ask.tables.columns import Kind, percentage
from lior_ask.tables.grammar import Request
from lior_ask.tables.plan import Condition, Plan, Unclear
from lior_ask.tables.sentences import (
    Told,
    counts_of,
    in_order,
    left_out,
    names_of_rows,
    paid_last,
    tell,
    unit_of,
)
from lior_ask.tables.sources import summands


def execute(plan: Plan, request: Request) -> Told:
    """Return the result of a plan.

    Raises
    ------
    Unclear
        When no row has a required number or date.
    """
    rows = in_order(plan.table, select(plan))
    about = describe(plan, len(rows) if plan.operation in ("count", "list") else max(plan.few, 1))
    if plan.operation in ("count", "list"):
        return _count(plan, request, rows, about)
    if plan.operation in ("sum", "mean"):
        return _added(plan, rows, about)
    return _first(plan, request, rows, about)


def execute_share(plan: Plan, request: Request) -> Told:
    """Return the share of the rows, or of their sum, that fulfil the additional conditions.

    Raises ``Unclear`` if there is no row, or nothing to add up.
    """
    rows, some = select(plan), select(plan, plan.part)
    whole, part = Decimal(len(rows)), Decimal(len(some))
    if plan.measure is not None:
        whole, part = (plan.table.total(plan.measure, own, plan.sign) for own in (rows, some))
    if not whole:
        raise Unclear(f"there is no {describe(plan)}")
    value, arithmetic = percentage(part, whole)
    counted = attrs.evolve(plan, operation="count" if plan.measure is None else "sum")
    about = f"{describe(counted)}: those where {', '.join(each.shown for each in plan.part)}"
    told = partial(tell, plan.table, some, "share", value, about, arithmetic=arithmetic, where=plan.where)
    return told(count=len(rows), part=(len(some), plan.part), column=plan.measure)


def select(plan: Plan, part: Sequence[Condition] = ()) -> np.ndarray:
    """Return the rows of the plan that fulfil its conditions, and those of a part, in their order."""
    return plan.table.where(each.test for each in (*plan.where, *part) if each.test)


def _count(plan: Plan, request: Request, rows: np.ndarray, about: str) -> Told:
    told = partial(tell, plan.table, rows, plan.operation, where=plan.where)
    if plan.subject is None:
        apart = [each.apart for each in plan.where if each.apart is not None]
        several = request.operation == "count" and len(apart) == 1
        each = counts_of(plan.table, apart[0], rows) if several else ""
        how = "exists" if request.exists else plan.operation
        return told(f"{len(rows):,}", about, arithmetic=each, how=how)
    name = plan.columns[plan.subject].name
    values = [*dict.fromkeys(map(plan.table.cells(plan.subject).__getitem__, rows.tolist()))]
    if plan.operation == "list" or len(values) == len(rows):
        return told(f"{len(rows):,}", about, names=values)
    if not request.different:
        raise Unclear(
            f"{len(rows)} {about} have {len(values)} different values of {name}; "
            "ask for rows, or for different ones"
        )
    about = f"different values of {name} in {about}"
    return told(f"{len(values):,}", about, names=values, how="distinct", column=plan.subject)


def _added(plan: Plan, rows: np.ndarray, about: str) -> Told:
    assert plan.measure is not None
    column, mean = plan.columns[plan.measure], plan.operation == "mean"
    numbered = plan.table.numbered(plan.measure, rows)
    counted = numbered if mean else summands(plan.table, plan.measure, rows)
    none = plan.operation == "sum" and not len(rows) and all(each.covered is not False for each in plan.where)
    if not len(counted) and not none:
        raise Unclear(f"there is no number to be added up: {about}")
    value, arithmetic = plan.table.added(plan.measure, counted, plan.sign, column.show, mean=mean)
    totals = sum(len(head.totals) for head in plan.table.heads)
    without = left_out(plan.table, len(rows) - len(numbered)) + left_out(plan.table, totals, "of totals")
    return tell(
        plan.table,
        counted,
        plan.operation,
        column.show(value),
        about + without,
        arithmetic=arithmetic,
        unit=unit_of(column),
        column=plan.measure,
        where=plan.where,
        how=plan.operation if len(counted) == len(numbered) else "newest",
        count=len(numbered),
    )


def _first(plan: Plan, request: Request, rows: np.ndarray, about: str) -> Told:
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
    value, unit = (best, "") if by_date else (own.show(plan.sign * best), unit_of(own))
    names = names_of_rows(plan.table, chosen, plan.subject)
    how = "next" if request.operation == "next" else plan.operation
    told = partial(tell, plan.table, chosen, plan.operation, value, about, unit=unit, where=plan.where)
    return told(how=how, count=len(rows), column=column, names=names)


def describe(plan: Plan, count: int = 2) -> str:
    """Return a description of the plan's object, with all conditions."""
    if plan.measure is not None and plan.operation not in ("count", "list"):
        of = f"{plan.columns[plan.measure].name} in {plan.place}"
    else:
        of = plan.table.noun(count) + f" of {plan.place}" * bool(plan.place)
    told = ", ".join(each.shown for each in plan.where if each.told)
    others = (each.shown for each in paid_last(plan.where) if not each.told)
    return " ".join([of, *others]) + f" where {told}" * bool(told)
