"""Plans over tasks: what is open, done or overdue, and what somebody has to do until a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import attrs

from lior_ask.index.tasks import CLOSED, COLUMNS, STATES, state_of, words_of
from lior_ask.languages.lists import languages
from lior_ask.languages.words import ENGLISH
from lior_ask.question.question import Question
from lior_ask.tables import lexicon
from lior_ask.tables.columns import Coded
from lior_ask.tables.grammar import Request, Word
from lior_ask.tables.mentions import next_days
from lior_ask.tables.plan import (
    Condition,
    Plan,
    TableSource,
    Unclear,
    having,
    in_period,
    names_it,
    nothing,
    plan_of,
)
from lior_ask.tables.query import Is, Within
from lior_ask.tables.sources import Table
from lior_ask.tables.words import has_word

_OPERATIONS = ("to do", "which", "who", "list", "count", "next", "oldest", "newest")
_TOLD = tuple(map(COLUMNS.index, ("person", "list", "task", "notes")))
"""The columns of tasks that may have a word, in this order."""


def asks_for_tasks(request: Request, words: Sequence[str], source: TableSource) -> bool:
    """Return whether a question is for tasks: by a word for them, or by words for their states alone."""
    rows = source.kind("rows")  # of which one may be called so: "jobs.csv"
    nouns = [word for word in words if lexicon.TASKS.fullmatch(word)]
    called = any(not any(names_it(word, head) for head in rows) for word in nouns)
    return called or request.operation == "to do" or (bool(words) and all(map(state_of, words)))


def plan_of_tasks(kind: str, request: Request, source: TableSource, question: Question) -> Plan:
    """Return a plan over tasks: with their states, people, lists and words, and by the day they are due."""
    grouped = request.unit or any(word.role in ("per", "except") for word in request.words)
    if grouped or request.compared or request.than[0] or request.operation not in _OPERATIONS:
        raise Unclear("tasks are counted and listed", ["tasks"])
    heads, words = source.kind(kind, request.files), [*filter(_tells_of_tasks, request.words)]
    heads = [head for head in heads if any(names_it(word.text, head) for word in words)] or heads
    words = [word for word in words if not any(names_it(word.text, head) for head in heads)]
    table, where, unknown = source.table(*heads), list[Condition](), list[Word]()
    for word in words:
        column = next((n for n in _TOLD if _has(table, n, word)), None)
        if column is not None:
            shown = f"@{word.text.title()}" if COLUMNS[column] == "person" else repr(word.text)
            has = having(column, COLUMNS[column], word.text)
            where.append(attrs.evolve(has, shown=shown, told=False))
        elif word.text not in lexicon.VERBS | lexicon.AHEAD:
            unknown.append(word)
    if unknown or not len(table.where(each.test for each in where if each.test)):
        raise nothing(unknown or words, "tasks: their states, days, people, lists and words are known")
    states, due = _states(request, question), COLUMNS.index("due")
    if states:
        where.append(_of_states(states, table, question))
    if _is_late(request):
        where.append(_overdue(table, due, request, question))
    closed = bool(states) and {*states} <= {*CLOSED}
    dated, operation = COLUMNS.index("completed") if closed else due, request.operation
    if operation == "next":
        coming = next_days(due, request.today)
        where, operation = [*where, Condition(test=coming, shown=coming.shown, told=False)], "oldest"
    dates = [table.dates(dated)[n] for n in table.where(each.test for each in where if each.test).tolist()]
    coded = Coded.of(dates if any(dates) else [])
    where += in_period(_with_year(request, past=closed), heads[0], dated, source, coded)
    request = attrs.evolve(request, operation="list" if operation == "to do" else operation)
    plan = plan_of(request, table, kind, where, dated=dated)
    subject = COLUMNS.index("person" if request.who else "task") if plan.operation == "list" else None
    return attrs.evolve(plan, subject=subject)


def _of_states(states: Sequence[str], table: Table, question: Question) -> Condition:
    """Return the condition that tasks have one of several states, in the words of the question's language."""
    forms, column = [words_of(state) for state in states], COLUMNS.index("status")
    known = {*table.coded("text", column).places}
    named = [own for own in forms if not known.isdisjoint(own.values())] or forms[:1]
    shown = ", ".join(own.get(question.language, own[ENGLISH]) for own in named)
    test = Is(column, tuple(word for own in forms for word in own.values()))
    return Condition(test=test, shown=shown, told=False, apart=column if len(named) > 1 else None)


def _is_late(request: Request) -> bool:
    return request.past or any(lexicon.OVERDUE.fullmatch(word.text) for word in request.words)


def _has(table: Table, column: int, word: Word) -> bool:
    return any(has_word(cell, word.text) for cell in table.coded("text", column).places)


def _tells_of_tasks(word: Word) -> bool:
    """Return whether a word may be one of some tasks, and not of every question for tasks."""
    idle = (lexicon.TASKS, lexicon.OVERDUE, lexicon.DO, lexicon.ROWS, lexicon.ENDS, lexicon.TABLES)
    said = word.text in lexicon.IDLE or any(each.fullmatch(word.text) for each in idle)
    return not (said or state_of(word.text))


def _overdue(table: Table, due: int, request: Request, question: Question) -> Condition:
    """Return the condition that the day on which a task is due is over.

    Raises ``Unclear`` if it may be over for a day that can be read in two ways, or has no year.
    """
    cells, days = table.cells(due), table.dates(due)
    unclear = [cell for cell, day in zip(cells, days, strict=True) if cell and day[:4] in ("", "0000")]
    if unclear:
        raise Unclear(f"the day {unclear[0]!r} in {table.title} has no year, or can be read in two ways")
    known = {each.name: each.lists["tasks.overdue"][0] for each in languages()}
    shown = f"{known.get(question.language, known[ENGLISH])} (< {request.today})"
    test = Within(due, "", str(request.today - timedelta(1)), shown)
    return Condition(test=test, shown=shown, told=False)


def _states(request: Request, question: Question) -> list[str]:
    """Return the states of tasks that a question asks for; none for all of them."""
    named = {state_of(word.text) for word in request.words} - {""}
    must = request.negations or lexicon.MUST.search(question.text.lower())
    undone = (named == {"done"} and must) or any(lexicon.DO.fullmatch(word.text) for word in request.words)
    if request.operation == "to do" and "open" in named and request.period:
        raise Unclear("what is open on a day may be no task", ["open"])
    ahead = request.operation in ("to do", "next") or request.period or _is_late(request)
    if undone or (ahead and not named):
        return [state for state in STATES if state not in CLOSED]
    if request.negations and named:
        return [state for state in STATES if state not in named]
    if "open" in named:
        named.add("started")
    return [state for state in STATES if state in named]


def _with_year(request: Request, *, past: bool) -> Request:
    """Return the request with a year for its period: this one, or the next or the last one."""
    period, year = request.period, request.today.year
    if period is None or not period.yearless:
        return request
    own = period.within(year)
    if not past and own.last and own.last < request.today:
        own = period.within(year + 1)
    elif past and own.first and own.first > request.today:
        own = period.within(year - 1)
    return attrs.evolve(request, period=own)
