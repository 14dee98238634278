"""Reported speech: "what did Ada say about the boiler?" is asked of Ada's messages only.

The judge of sentences finds no answer there, since the whole message is the answer. So a message of this
person must have all words that the question names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from email.utils import parseaddr
from itertools import pairwise

import attrs

from lior.interfaces import Passage
from lior_ask.answer.selection import Answer
from lior_ask.judging.features import stems_of
from lior_ask.languages.lists import either, words
from lior_ask.languages.words import tokens
from lior_ask.question.filters import Known
from lior_ask.question.question import Question
from lior_ask.tables.periods import period_in

REPORTED = 0.85
"""Confidence of a message of the person that has all words of the topic."""
_TITLE = re.compile(rf"\b{either('calculations.title')}\b\.? ", re.I)
_SAID, _WHO, _WE, _TO = (words(f"words.{key}") for key in ("said", "who", "we", "to"))


def answer_from_sender(
    question: Question, known: Known, today: date, quote: Callable[[Question], Answer]
) -> Answer:
    """Return the answer to a question; if it asks what a person wrote, from the messages of this person.

    Parameters
    ----------
    today
        The day from which "last week" is told.
    quote
        Answers a question with a passage.
    """
    if not (person := sender_in(question, known)):
        return quote(question)
    period, rest = period_in(_TITLE.sub("", question.text), today, question.language)
    left = question.saying(rest).content
    topic = [word for word in left if word not in _SAID and word not in person]
    if not topic:
        return quote(question)
    filters = attrs.evolve(question.filters, sender=" ".join(person))
    if period and not period.yearless and not (filters.after or filters.before):
        after, before = period.first, period.last and period.last + timedelta(1)
        filters = attrs.evolve(filters, after=after, before=before)
    found = quote(attrs.evolve(question.saying(" ".join(topic)), filters=filters))
    wanted = stems_of(" ".join(topic), question.language)
    for passage, _ in found.passages:
        message, own = _message(passage, found), {*tokens(f"{passage.context} {passage.text}")}
        fits = question.expected is None or question.suits(message)
        if fits and {*person} <= own and wanted <= stems_of(message, question.language):
            return _quote(question, passage, found)
    return quote(question)


def sender_in(question: Question, known: Known) -> list[str]:
    """Return the name of the person whose messages a question asks for, as words; empty for none."""
    asked = question.tokens
    other = not _WE.isdisjoint(asked) or not _WHO.isdisjoint(asked[:1])  # "what did I write to Ada?"
    if question.filters.sender or other or _SAID.isdisjoint(asked):
        return []
    senders = known.senders(question.filters)
    people = [frozenset(tokens(parseaddr(sender)[0] or sender)) for sender in senders]
    called = frozenset[str]().union(*people) & {*question.content} - _SAID
    found = [word for before, word in pairwise(["", *asked]) if word in called and before not in _TO]
    return [word for word in found if any({found[0], word} <= person for person in people)]


def _message(passage: Passage, found: Answer) -> str:
    """Return the known text of a passage's message: all passages of it that were found, with its context."""
    same = [each.text for each, _ in found.passages if _place(each) == _place(passage)]
    block = (
        found.block.text if found.block and found.answer and _place(found.answer) == _place(passage) else ""
    )
    return " ".join([*same, block, passage.context, passage.place])


def _place(passage: Passage) -> tuple[str, str, str]:
    return passage.document, passage.place, passage.context


def _quote(question: Question, passage: Passage, found: Answer) -> Answer:
    """Return the answer with a passage of the message: the judge's own if it is of the same message."""
    kept = found.answer if found.answer and _place(found.answer) == _place(passage) else None
    first = next(((each, score) for each, score in found.passages if each == passage))
    others = tuple(pair for pair in found.passages if pair != first)
    confidence = max(found.confidence, REPORTED)
    return attrs.evolve(
        found,
        question=question.text,
        found=True,
        confidence=confidence,
        answer=kept or passage,
        block=found.block if kept else None,
        passages=((passage, confidence), *others),
        note="",
    )
