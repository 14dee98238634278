"""Questions that one's own documents answer, for someone who does not know yet what to ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice, zip_longest

from lior.errors import UsageError
from lior.interfaces import Passage
from lior_ask.api import Index
from lior_ask.languages.lists import languages, of_question
from lior_ask.languages.words import tokens
from lior_ask.question.filters import Filters
from lior_ask.tables.lexicon import PAYEES, is_money
from lior_ask.tables.sources import Table, tables_of

LEAST = 0.9
"""Minimum confidence of the answer to a question that is suggested."""
_TRIED = 4
"""Maximum number of questions of a kind that are tried."""
_READ, _LONGEST = 400, 32
"""Maximum number of passages that are looked at, and of characters of a name in a question."""
_REPEATED = 4
"""Maximum number of rows for each different name of a payee, on average."""


def suggestions(index: Index, most: int = 6) -> list[str]:
    """Return at most ``most`` questions of different kinds, in the language of most documents.

    Each of them was asked. The answers have a confidence of at least 90 %, and are different.
    """
    tables = index.content.read(lambda: tables_of(index.asker.known, Filters()))
    language = next(each for each in languages() if each.name == language_of(index))
    kinds = [
        list(islice(dict.fromkeys(kind(index, tables)), _TRIED))
        for kind in (_paid, _events, _topics, _sums, _messages, _highest)
    ]
    found = dict[str, object]()
    kept = Counter[str]()
    for key, name in (each for row in zip_longest(*kinds) for each in row if each):
        [form] = language.lists[f"suggestions.{key}"]
        question = form.format(name)
        if len(found) < most and kept[key] < 2:
            answer = _answer(index, question)
            if answer is not None and answer not in found.values():
                kept[key] += 1
                found[question] = answer
    return [*found]


def _answer(index: Index, question: str) -> object:
    """Return what a confident answer says, to compare it with others, or ``None``."""
    try:
        answer = index.ask(question)
    except UsageError:
        return None
    if not answer.found or answer.confidence < LEAST:
        return None
    if answer.result is None:
        return answer.answer or [passage for passage, _ in answer.passages]
    return (answer.result.value, answer.result.rows) if answer.result.rows else None


def _first(index: Index) -> list[Passage]:
    """Return the first passages."""
    return [index.passage(row) for row in range(min(len(index), _READ))]


def _prose(index: Index) -> list[Passage]:
    """Return the first passages of documents without tables: the headings of rows are names of columns."""
    abouts = index.asker.known.abouts
    return [each for each in _first(index) if not abouts[each.document].heads]


def language_of(index: Index) -> str:
    """Return the language of most passages, in which questions are suggested."""
    said = (of_question(tokens(passage.text)) for passage in _prose(index) or _first(index))
    [(name, _)] = Counter(said).most_common(1) or [("english", 0)]
    return name


def _paid(index: Index, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """Yield those to whom money was paid most often, first of statements of accounts, and for what."""
    amounts = [(table, n) for table in tables for n in table.places("number") if n not in table.derived]
    for signed in (True, False):
        for table, n in ((table, n) for table, n in amounts if table.signed(n) == signed):
            if not (signed or is_money(table.columns[n].name, table.columns[n].unit)):  # minutes or points
                continue
            numbers, texts = table.numbers(n), table.places("text")
            payees = [each for each in texts if not PAYEES.isdisjoint(tokens(table.columns[each].name))]
            for column in payees or texts:
                cells = table.cells(column)
                if len({*cells}) * _REPEATED < len(cells):  # a kind of payment, and nobody's name
                    continue
                known = [(c, x) for c, x in zip(cells, numbers, strict=True) if c and x is not None]
                got = {cell for cell, number in known if number > 0} if signed else set[str]()
                often = Counter(cell for cell, _ in known if cell not in got and _is_name(cell))
                key = "paid" if signed else "spent"
                yield from ((key, cell) for cell, count in often.most_common(2) if count > 1)


def _is_name(cell: str) -> bool:
    return 2 < len(cell) <= _LONGEST and not any(map(str.isdigit, cell))


def _events(index: Index, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """Yield "next week", and the next events."""
    for table in (each for each in tables if each.kind == "events" and len(each.heads) == 1):
        if (titles := table.heads[0].place("summary")) is None or table.dated is None:
            continue
        yield "next_week", ""
        both = zip(table.dates(table.dated), table.cells(titles), strict=True)
        coming = sorted((day, title) for day, title in both if day[:10] > str(date.today()))
        yield from (("next_event", title) for _, title in coming if len(title) <= _LONGEST)


def _topics(index: Index, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """Yield the headings that several passages stand below."""
    count = Counter[str]()
    for passage in _prose(index):
        *headings, _ = passage.context.split("\n")
        count.update(headings[-1:])
    usual = (name for name, number in count.most_common() if number > 1 and 3 < len(name) <= _LONGEST)
    yield from (("topic", name) for name in usual)


def _sums(index: Index, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """Yield the columns of amounts of money."""
    for table, n in _amounts(tables):
        if table.columns[n].unit and not table.signed(n):
            yield "sum", table.columns[n].name


def _highest(index: Index, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """Yield the columns of amounts; without a unit, numbers may be references or grades."""
    for table, n in _amounts(tables):
        if (own := table.columns[n]).unit and not own.duration:
            yield "highest", own.name


def _messages(index: Index, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """Yield those who wrote most messages."""
    for table in (each for each in tables if each.kind in ("mail", "chat") and len(each.heads) == 1):
        if (senders := table.heads[0].place("from")) is not None:
            names = Counter(cell.split("<")[0].strip(' "') for cell in table.cells(senders))
            yield from (("wrote", name) for name, _ in names.most_common(2) if 0 < len(name) <= _LONGEST)


def _amounts(tables: Sequence[Table]) -> Iterator[tuple[Table, int]]:
    """Yield the number columns of tables whose name one table has."""
    count = Counter(column.name for table in tables if len(table.heads) == 1 for column in table.columns)
    for table in (each for each in tables if each.kind == "rows" and len(each.heads) == 1):
        for n in table.places("number"):
            own = table.columns[n]
            several = len(table.coded("number", n).order) > 1
            if several and n not in table.derived and own.decimal and not own.key and count[own.name] == 1:
                yield table, n
