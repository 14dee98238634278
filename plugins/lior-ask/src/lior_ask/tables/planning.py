"""Planning: the rows and columns of a request, or a refusal if it is unclear.

All words of a request must name an operation, a table, a column or a value; nothing is guessed.
"""

from __future__ import annotations

import attrs

from lior_ask.question.filters import Known
from lior_ask.question.question import Question
from lior_ask.tables.execution import select
from lior_ask.tables.grammar import VIEWED, Request
from lior_ask.tables.groups import group_messages
from lior_ask.tables.kinds import PLANS, asks_for
from lior_ask.tables.plan import Plan, TableSource, Unclear, title
from lior_ask.tables.rows import plan_of_rows

_RAREST = 8
"""Maximum number of years between two occurrences of a series: those on 29 February."""


def make_plan(request: Request, known: Known, question: Question) -> Plan | None:
    """Return the plan of a request, or ``None`` if it is no calculation over these documents.

    Raises
    ------
    Unclear
        When it is a calculation, but unclear.
    UsageError
        When a filter names no document.
    """
    source = TableSource(known, question.filters)
    from_on = request.period is not None and request.period.first and request.period.last is None
    if request.operation == "next" and not any(
        asks_for(kind, request, source) for kind in ("events", "tasks")
    ):
        return _next_called(request, source, question)
    if request.operation == "oldest" and from_on and (found := _next_called(request, source, question)):
        return found  # "the first stall after 13 June"
    unclear: Unclear | None = None
    plans = list[Plan]()
    grouped = request.unit or any(word.role == "per" for word in request.words)
    counted = attrs.evolve(request, operation="count") if request.operation == "mean" and grouped else request
    for kind, plan in (
        () if request.operation in ("paid", *VIEWED) else PLANS
    ):  # only rows of a table support these
        if request.exists and kind not in ("events", "tasks"):
            continue
        if asks_for(kind, request, source):
            try:
                plans.append(_grouped(plan(kind, counted, source, question), request))
            except Unclear as error:
                if kind == "tasks" and not error.words:
                    raise  # a day that can be read in two ways
                unclear = unclear or error
    if len(plans) > 1:
        raise Unclear(f"what is meant is not clear: {' or '.join(plan.noun for plan in plans)}")
    found = plans[0] if plans else None
    try:
        of_rows = not (found or request.exists or request.operation == "to do")
        rows = plan_of_rows(request, source) if of_rows else None
        # "mails from Ngozi", if there are none, are not contacts of this name
        found = rows if rows and (rows.named or unclear is None) else found
    except Unclear as error:
        unclear = unclear or error
    if request.unsupported and (found or unclear):
        raise Unclear(
            f"{request.unsupported!r} is not calculated: rows that fit are counted, listed, added up, and "
            "compared with a number or by date",
            [request.unsupported],
        )
    if found is None and unclear and not request.weak:
        raise unclear
    return found


def _grouped(plan: Plan, request: Request) -> Plan:
    """Return the plan over mails, messages, entries or events with the groups of the request."""
    if plan.table.kind == "tasks":
        return plan
    _check_ends(plan, request)
    operation, group = group_messages(request, plan.table.heads[0])
    left_out = any(word.role == "except" for word in request.words)
    if left_out or request.past or request.than[0] or request.negations or request.operation == "share":
        raise Unclear("of mails, chats, logs and events neither shares nor what is not so is told", ["not"])
    return plan if group is None else attrs.evolve(plan, operation=operation, group=group)


def _check_ends(plan: Plan, request: Request) -> None:
    """Raise ``Unclear`` if occurrences of an endless series are asked for, but not until when."""
    ends = "" if request.period is None or request.period.last is None else request.period.last.isoformat()
    until = min((head.until for head in plan.table.heads if head.until), default="")
    if not until or "" < ends <= until or request.operation == "next" or plan.dated is None:
        return
    dates = plan.table.dates(plan.dated)
    if ends or any(dates[n][:4] > str(int(until[:4]) - _RAREST) for n in select(plan).tolist()):
        raise Unclear(f"a series of {title(plan.table.heads[0])} goes on: ask about a time before {until}")


def _next_called(request: Request, source: TableSource, question: Question) -> Plan | None:
    """Return the plan for the next event of a name, "the next pottery class", or ``None``."""
    if not request.words or not source.kind("events", request.files):
        return None
    try:
        return dict(PLANS)["events"]("events", request, source, question)
    except Unclear:
        return None
