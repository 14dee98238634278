"""The type of answer that a question expects: a number, a time, a person, a place, a reason.

The types are detected by English words.
"""

from __future__ import annotations

import re

from lior_ask.languages.lists import any_of, either, languages
from lior_ask.languages.words import tokens


def _any(key: str) -> str:
    return rf"\b{any_of(_ENGLISH.lists[key])}\b"


_ENGLISH = languages()[0]
_TIMES = any_of([*_ENGLISH.months, *_ENGLISH.lists["answers.times"]])
_TITLES = any_of(form.title() for form in _ENGLISH.lists["calculations.title"])
_NAMED = any_of(_ENGLISH.lists["answers.named"])
_WHO_IS = re.compile(rf"\W*(?i:who {any_of(_ENGLISH.lists['words.auxiliary'])})(?: [^\W\d_a-z][\w'’-]*)+\W*")
_PHONE = re.compile(rf"\b{either('answers.phone')}\b", re.I)
_NO_PHONE = r"(?:\d+[.,]\d\d|\d{4}-\d\d-\d\d|\d\d?\.\d\d?\.\d{4})"
"""Pattern of amounts and dates, which look like telephone numbers."""
_EXPECTED = (
    (_PHONE, re.compile(rf"(?<![\w.:-])(?!{_NO_PHONE}(?!\d))[+(]?\d[\d ()/.-]{{5,}}\d(?![\w:])")),
    *(
        (re.compile(_any(f"answers.{kind}"), re.I), re.compile(wanted))
        for kind, wanted in (
            ("time", rf"\b(19|20)\d\d\b|\b\d\d?([:.]\d\d|st|nd|rd|th| ?[ap]m)\b|(?i:\b{_TIMES}\b)"),
            ("number", rf"(?<![A-Za-z_])\d|(?i:{_any('answers.numbers')})"),
            (
                "person",
                rf"(?<=[\w,;:('\"] )[A-Z][a-z]+|\b{_TITLES}\b|@|\b[A-Z][a-z]+(, | {_NAMED}\b)",
            ),
            ("place", f"(?i){_any('answers.place_told')}"),
            ("reason", f"(?i){_any('answers.reason_told')}"),
        )
    ),
)  # the first matching type is expected


def expected(question: str) -> re.Pattern[str] | None:
    """Return a pattern of the expected type of answer, or ``None`` if the question expects none.

    A question of who somebody is, by name, expects no other name.
    """
    if _WHO_IS.fullmatch(question):
        return None
    return next((wanted for asked, wanted in _EXPECTED if asked.search(question)), None)


def type_words(question: str) -> set[str]:
    """Return the words of a question that only name the type of its answer.

    >>> sorted(type_words("What is the phone number of Ada?"))
    ['number', 'phone']
    """
    return {word for phrase in _PHONE.findall(question) for word in tokens(phrase)}
