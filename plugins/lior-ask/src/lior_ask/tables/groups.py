"""Groups of rows by a column or a unit of time: "errors per day", "who worked the most hours".

:func:`group_rows` and :func:`group_messages` determine the groups; :func:`execute_groups` calculates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from email.utils import parseaddr
from functools import partial

import attrs
import numpy as np

from lior_ask.index.table_store import Head
from lior_ask.languages.words import tokens
from lior_ask.tables import accounts, lexicon
from lior_ask.tables.columns import show, unit_in
from lior_ask.tables.execution import describe, select
from lior_ask.tables.grammar import Request
from lior_ask.tables.linking import Linked, column_of_people
from lior_ask.tables.plan import Group, Plan, Unclear, list_columns, title
from lior_ask.tables.query import Within
from lior_ask.tables.sentences import Told, listed, tell, unit_of
from lior_ask.tables.sources import summands

_OVER = {
    "lacking": "none",
    "most": "highest",
    "least": "lowest",
    "highest": "highest",
    "lowest": "lowest",
    "mean": "mean",
}


def group_rows(
    request: Request,
    head: Head,
    linked: Linked,
    *,
    account: bool,
    measured: bool,
    people: Sequence[int] = (),
) -> tuple[str, Group] | None:
    """Return the operation in each group of a table's rows, and the groups, or ``None`` without groups.

    Parameters
    ----------
    account
        Whether the amounts of an account are added up.
    measured
        Whether the question is about a column of numbers.
    people
        The columns of people.

    Raises
    ------
    Unclear
        When a question is about groups, and it is unclear which.
    """
    degree = request.operation in ("most", "least")
    if linked.group is not None and (request.unit or request.operation in ("highest", "lowest")):
        raise Unclear("rows are put together by one thing, and counted, added up or averaged in it", ["per"])
    key: int | str | None = linked.group if linked.group is not None else request.unit or None
    if key == "month" and len(head.months) == 1 and request.operation != "lacking":
        others = [n for n in head.places("date") if n not in head.months]
        key = key if {*others} & {*linked.mentioned} else head.months[0]
    if key is None and degree:
        key = _asked(request, head, linked, people, account=account)
    if key is None:
        if degree or request.operation == "groups":
            raise Unclear(
                f"by which column of {title(head)}? They are: {list_columns(head.columns)}", ["most"]
            )
        return None
    numbers = [n for n in linked.mentioned if head.columns[n].kind == "number"]
    added = measured or request.measure == "money"
    flows = account or request.added or any(_flows(head, n) for n in numbers)
    if request.operation == "mean" and not (flows and request.unit):
        return "mean", Group(by=key)  # the mean temperature of each month
    if request.operation in ("count", "sum"):
        return request.operation, Group(by=key)
    if request.operation == "lacking":
        return "count", Group(by=key, over="none")
    return "sum" if added else "count", Group(by=key, over=_OVER.get(request.operation, ""))


def _flows(head: Head, column: int) -> bool:
    """Return whether the numbers of a column can be added up in a month, such as amounts and hours."""
    own = head.columns[column]
    counted = bool(own.duration) or not lexicon.QUANTITIES.isdisjoint(tokens(own.name))
    return counted or lexicon.is_money(own.name, own.unit)


def _asked(
    request: Request, head: Head, linked: Linked, people: Sequence[int], *, account: bool
) -> int | None:
    """Return the column of the groups of which one has the most, or ``None``.

    It is the column that is named; for "who", the column of people; for an account, the column with the
    fewest different values. Raises ``Unclear`` if several columns of people fit.
    """
    texts = head.places("text")
    named = [n for n in dict.fromkeys(linked.mentioned) if n in texts and n not in linked.used]
    if len(named) == 1:
        return named[0]
    if request.who and account and accounts.direction(request.words) > 0:  # "who got most of our money?"
        return column_of_people(head, lexicon.PAYEES)
    if request.who:  # or the first column: "who has the most hours", with a column "volunteer"
        if len(people) > 1:
            names = list_columns([head.columns[n] for n in people])
            raise Unclear(f"who is meant in {title(head)} is not clear: {names}", choice=True)
        return people[0] if people else 0 if head.columns[0].kind == "text" else None
    kinds = {n: len(head.columns[n].values) for n in texts if head.columns[n].whole}
    several = {n: count for n, count in kinds.items() if count > 2}  # the currency has one
    return min(several, key=lambda n: several[n]) if account and several else None


def group_messages(request: Request, head: Head) -> tuple[str, Group | None]:
    """Return the operation and the groups of mails, messages, entries or events.

    Raises ``Unclear`` as :func:`group_rows`.
    """
    asked = request.operation in _OVER or request.operation == "groups"
    senders = [word for word in request.words if word.role == "per"]
    if others := [word.text for word in senders if word.text not in lexicon.PERSONS]:
        raise Unclear(
            f"by {others[0]!r}? Messages are put together by day, week, month, year or person", others
        )
    key: int | str | None = request.unit or None
    if key is None and (senders or (request.who and asked)):
        key = head.place("from")
    if key is None:
        if request.operation in ("most", "least", "groups", "lacking"):
            raise Unclear("by what is not clear: by day, week, month or year, or by who sent it", ["most"])
        return request.operation, None
    return "count", Group(by=key, over=_OVER.get(request.operation, ""))


def execute_groups(plan: Plan, request: Request) -> Told:
    """Return the result of a plan with groups.

    Raises
    ------
    Unclear
        When no row has a number or a date that is needed.
    """
    assert plan.group is not None
    groups = _groups(plan)
    values = {name: _value(plan, rows) for name, rows in groups.items()}
    unit = "" if plan.measure is None else unit_of(plan.columns[plan.measure])
    by = plan.group.by if isinstance(plan.group.by, str) else plan.columns[plan.group.by].name
    of = describe(plan)
    balance = plan.operation == "sum" and plan.measure in plan.table.balances
    about = f"{'last' if balance else plan.operation} of {of} by {by}"
    every = np.concatenate([*groups.values()])
    own = partial(tell, column=plan.measure, where=plan.where, by=plan.group.by, over=plan.group.over)
    told: Callable[..., Told] = partial(own, plan.table, unit=unit)
    if plan.group.over == "mean":
        return _mean_of(plan, values, f"{of} by {by}", partial(told, every))
    if plan.group.over == "none":
        return _lacking(plan, groups, of, partial(told, every))
    dated = isinstance(plan.group.by, str) or plan.columns[plan.group.by].kind == "date"
    order = [*values] if dated else sorted(values, key=lambda name: -values[name])
    if balance:
        told = partial(told, how="newest")
    elif plan.group.by in ("week", "month", "year") and plan.operation != "mean" and not plan.group.over:
        order = _units(order, plan.group.by)
        values = {name: values.get(name, Decimal(0)) for name in order}
    if plan.group.over:
        order.sort(key=lambda name: values[name], reverse=plan.group.over == "highest")
        best = [name for name in order if values[name] == values[order[0]]]
        value = f"{' and '.join(best).replace('0000-', '')} {show(values[best[0]])}"
        then, chosen = _listed(order[len(best) :], values), np.concatenate([groups[name] for name in best])
        return told(
            chosen, plan.operation, value, about, arithmetic=then and f"then {then}", count=len(every)
        )
    shown = tuple((name.removeprefix("0000-"), show(values[name])) for name in order)
    return told(every, plan.operation, _listed(order, values), about, groups=shown)


def _mean_of(plan: Plan, values: dict[str, Decimal], of: str, told: Callable[..., Told]) -> Told:
    """Return the mean of the values of the groups; groups of time without a row count as 0."""
    assert plan.group is not None
    by = plan.group.by
    count = len(_units([*values], by) if isinstance(by, str) else values)
    total = sum(values.values(), Decimal(0))
    mean = (total / count).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    span = f"over {count}" + (f" {by}s, {min(values)} to {max(values)}" if isinstance(by, str) else "")
    arithmetic = f"{show(total)} / {count} {'=' if mean * count == total else '≈'} {show(mean)}"
    return told("mean", show(mean), f"{of}, {span}", arithmetic=arithmetic, how=plan.operation)


def _lacking(plan: Plan, groups: dict[str, np.ndarray], of: str, told: Callable[..., Told]) -> Told:
    """Return the units of time without a row, in the period or from the first to the last row of the table.

    Raises ``Unclear`` if the table does not cover the whole period, or the groups are no units of time.
    """
    assert plan.group is not None
    if not isinstance(plan.group.by, str):
        raise Unclear(f"which cells could be in {plan.columns[plan.group.by].name} is not known", ["lacking"])
    by, periods = plan.group.by, [each for each in plan.where if each.covered is not None]
    spans = [(each.test.first, each.test.last) for each in periods if isinstance(each.test, Within)]
    if not all(each.covered for each in periods) or any(len(first) < 10 for first, _ in spans):
        raise Unclear(f"{plan.place} has no rows of all of the time {periods[0].shown}", ["lacking"])
    ends = [unit_in(end, by) for span in spans for end in span if end]
    units = _units(ends or [*_groups(attrs.evolve(plan, where=()))], by)
    none = [unit.replace("0000-", "") for unit in units if unit not in groups]
    return told("list", f"{len(none):,}", f"{by}s without {of}", how="lacking", count=len(none), names=none)


def _groups(plan: Plan) -> dict[str, np.ndarray]:
    """Return the rows of each group by its name; units of time are in their order."""
    assert plan.group is not None
    by, rows, table = plan.group.by, select(plan), plan.table
    if plan.measure is not None:
        rows = table.numbered(plan.measure, rows)
    if isinstance(by, int):
        cells = table.cells(by)
        groups = table.grouped("text", by, rows, lambda cell: _cell(cell).casefold())
        found = {_cell(cells[own[0]]): own for own in groups.values()}
    elif plan.dated is not None:
        found = table.grouped("date", plan.dated, rows, partial(unit_in, unit=by))
    else:
        found = {"": rows} if len(rows) else {}
    if not found or "" in found:
        raise Unclear("there is no row of that" if not found else "a row has no date", ["most"])
    return dict(sorted(found.items())) if isinstance(by, str) else found


def _cell(cell: str) -> str:
    """Return the name of a group: a sender without the address, or "none" for an empty cell."""
    name, address = parseaddr(cell) if "@" in cell else (cell, "")
    return " ".join((name or address).split()) or "none"


def _value(plan: Plan, rows: np.ndarray) -> Decimal:
    if plan.operation == "count":
        return Decimal(len(rows))
    assert plan.measure is not None
    added = summands(plan.table, plan.measure, rows) if plan.operation == "sum" else rows
    total = plan.table.total(plan.measure, added, plan.sign)
    return total if plan.operation == "sum" else (total / len(rows)).quantize(Decimal("0.01"))


def _units(names: Sequence[str], unit: str) -> list[str]:
    """Return all units of time from the first to the last, including those without a row."""
    begin, end = min(names), max(names)
    ends = [f"{name}-01-01"[:10].replace("0000", "2000", 1) for name in (begin, end)]
    if unit == "week":
        first, last = (date.fromisocalendar(int(name[:4]), int(name[6:]), 1) for name in (begin, end))
    else:
        first, last = map(date.fromisoformat, ends)
    days = (first + timedelta(each) for each in range((last - first).days + 1))
    found = dict.fromkeys(unit_in(day.isoformat(), unit) for day in days)
    return [name.replace("2000", "0000", 1) if begin.startswith("0000") else name for name in found]


def _listed(names: Sequence[str], values: dict[str, Decimal]) -> str:
    return listed([f"{name.removeprefix('0000-')} {show(values[name])}" for name in names])
