"""Answers as a terminal, a page and a notebook show them: a number above a sentence, bars for groups, a
probability in words.

Nothing here imports numpy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Protocol

import attrs

from lior.interfaces import Result
from lior_ask.languages.replies import columns_in, day_in, in_marks, in_words_of, query_in

_IN_WORDS = ((0.9, "very likely"), (0.7, "likely"), (0.5, "perhaps"), (0.2, "doubtful"), (0.0, "unlikely"))
EVENT = ("begin", "end", "summary", "place")
"""The columns of events."""
_OF_MESSAGES = ("date", "from", "to", "subject")
"""The columns of mails, which are shown as texts."""
_NUMBER = re.compile(r"([-−]?)(\d[\d,]*(?:\.\d+)?)\D*")


def in_words(confidence: float, language: str = "english") -> str:
    """Return a probability in words: ``perhaps`` at 0.51, ``very likely`` at 0.899, shown as 90 %."""
    return in_words_of(next(word for least, word in _IN_WORDS if round(confidence, 2) >= least), language)


def refusal(answer: Calculated, what: str = "documents") -> str:
    """Return the sentence that nothing was found, with the reason, in the language of the question."""
    return in_words_of(f"Nothing in the {what} speaks of it: {answer.note}.", answer.language)


def shown(result: Result, language: str) -> Result:
    """Return a calculation with its numbers, query and own columns, but not its cells, as in a language.

    >>> spent = Result(operation="sum", value="1,199.10", unit="€", about="costs.csv")
    >>> shown(spent, "german").value, shown(spent, "english").value
    ('1.199,10', '1,199.10')
    """
    columns, named = columns_in(result.columns, language), result.columns or _OF_MESSAGES
    names = {row.document: row.document for row in result.rows}
    names |= zip(named, columns or columns_in(named, language), strict=True)
    result = attrs.evolve(result, about=query_in(result.about, names, language), columns=columns)
    if result.operation == "value":  # cells
        return result
    return attrs.evolve(
        result,
        value=in_marks(result.value, language),
        unit=in_words_of(result.unit, language),
        arithmetic=in_words_of(in_marks(result.arithmetic, language), language),
        groups=tuple((name, in_marks(value, language)) for name, value in result.groups),
    )


class Calculated(Protocol):
    """The part of an answer that has a calculation or a refusal."""

    @property
    def language(self) -> str: ...

    @property
    def note(self) -> str: ...

    @property
    def result(self) -> Result | None: ...

    @property
    def said(self) -> str: ...


def headline(answer: Calculated) -> tuple[str, str]:
    """Return the value of a calculation with its unit, and the sentence to show below it.

    The value is empty if there is none, and if it lists the groups, which are shown apart. The sentence does
    not repeat the value at its beginning.

    >>> from lior_ask.answer.record import Answer
    >>> spent = Result(operation="sum", value="199.19", unit="€", about="costs.csv")
    >>> told = {"found": True, "confidence": 1, "answer": None, "passages": (), "method": "", "result": spent}
    >>> headline(Answer(question="How much?", said="199.19 € for the car.", **told))
    ('199.19 €', 'for the car.')
    """
    if answer.result is None:
        return "", answer.said
    result = shown(answer.result, answer.language)
    said = answer.said or f"{result.value}: {result.about}"
    listed = result.groups and result.value.startswith(" ".join(result.groups[0]))
    value = f"{result.value} {result.unit}".strip()
    rest = re.match(rf"{re.escape(value)}(?!\w|[.,]\d)[\s:,]*(?=[\w'(])", said)
    return "" if listed else value, said[rest.end() :] if rest else said


def bars(groups: Sequence[tuple[str, str]]) -> tuple[float, list[float]] | None:
    """Return the place of 0 in a chart, in [0, 1], and the length of each bar, below 0 if it goes left.

    Returns ``None`` if a value is no number, such as a date.

    >>> bars([("2025-02", "-1.00"), ("2025-03", "3.00")])
    (0.25, [-0.25, 0.75])
    """
    found = [_NUMBER.fullmatch(value) for _, value in groups]
    numbers = [float(m[2].replace(",", "")) * (-1 if m[1] else 1) for m in found if m]
    if len(numbers) < len(found):
        return None
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    span = high - low or 1.0
    return -low / span, [number / span for number in numbers]


def event_time(begin: str, end: str, language: str = "english") -> str:
    """Return the time of an event as in a diary, in a language.

    >>> event_time("2026-12-05 18:00", "2026-12-05 20:00"), event_time("2026-12-05", "2026-12-06")
    ('Sat 5 Dec 2026, 18:00–20:00', 'Sat 5 Dec 2026 – Sun 6 Dec 2026')
    """
    (day, _, time), (last, _, until) = begin.partition(" "), end.partition(" ")
    if last in ("", day):
        return ", ".join(filter(None, (_day(day, language), time + f"–{until}" * (until not in ("", time)))))
    both = (day, time), (last, until)
    return " – ".join(", ".join(filter(None, (_day(d, language), t))) for d, t in both)


def _day(text: str, language: str) -> str:
    """Return a day in words; a text that is no day in ISO 8601 stays as it is."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return day_in(day, language)
