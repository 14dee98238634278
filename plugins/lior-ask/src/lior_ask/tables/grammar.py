"""The grammar: what a question calculates, and which of its words name rows, columns and values.

Names of files, the period, comparisons with numbers and the operation are taken out of a question; what is
left is words, with the part that a preposition gives them.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Literal

import attrs

from lior_ask.index.table_schema import Column
from lior_ask.languages.lists import any_of, either, languages, of_question
from lior_ask.languages.lists import words as listed
from lior_ask.question.question import Question
from lior_ask.tables import lexicon
from lior_ask.tables.periods import Period, period_in

Role = Literal["", "from", "to", "about"]
_FILE = re.compile(r"(?<![\w@.])[\w+/-]+(?:\.[\w+-]+)*\.[a-z]\w{1,5}\b(?!@)", re.I)
_AMOUNT = (
    r"(?:[€$£]|eur|chf|usd)?\s?(?P<number>\d[\d.,' ]*\d|\d)"
    r"\s?(?P<unit>[€$£%]|[^\W\d_]{1,3}\b|euros?|dollars?|francs?)?"
)
_COMPARED = [
    (sign, re.compile(rf"\b(?:{words})\s+{_AMOUNT}(?![\w.,]*\d)")) for sign, words in lexicon.COMPARISONS
]
_TITLE = re.compile(rf"(?<=\s){either('calculations.title')}\b\.?\s", re.I)
_EXTREMES = ("next", "newest", "oldest", "highest", "lowest")
_PHRASE, _TOPIC = "\x02", "\x03"
"""Marks of where the operation stood, and of a word such as "about"."""
_TOKEN = re.compile(r"[^\W_]+(?:[-'.@+&/][^\W_]+)*'?|[^\w\s]")
_NUMBERS = {word: n for each in languages() for n, word in enumerate(each.lists["words.numbers"], 2)}
_FEW = re.compile(rf"\b(\d{{1,3}}|{any_of(_NUMBERS)})\s*$|^\s*(\d{{1,3}})\b")
_ELIDED = re.compile(rf"\b({either('calculations.elided')})'", re.I)


@attrs.frozen
class Word:
    """A word that must be explained."""

    text: str
    """In lower case."""
    number: int
    """Its place in the question."""
    role: Role = ""
    """What the preposition before it says."""


@attrs.frozen(kw_only=True)
class Compared:
    """A comparison with a number."""

    sign: str
    number: Decimal
    shown: str


@attrs.frozen(kw_only=True)
class Request:
    """What a question calculates."""

    operation: str
    """As in :class:`~lior.interfaces.Result`; ``which`` for a question that may ask for a list, ``paid``
    for one that may ask for a sum of an account, and ``next`` for the first event from ``today`` on."""
    today: date
    measure: str = ""
    """A key of :data:`~lior_ask.tables.lexicon.MEASURES`, where the operation tells."""
    words: tuple[Word, ...]
    heads: tuple[str, ...]
    """Words of the first phrase behind the operation: what is counted or listed."""
    files: tuple[str, ...] = ()
    """Names of files, as the question has them."""
    period: Period | None = None
    compared: tuple[Compared, ...] = ()
    few: int = 0
    """How many rows are asked for: ``the last 3 mails``; 0 where it does not say."""
    different: bool = False
    """Whether different values are counted."""
    unsupported: str = ""
    """A word for a calculation of another kind."""

    @property
    def weak(self) -> bool:
        """Whether it may as well ask for a sentence."""
        return self.operation in ("which", "paid")


def parse(question: Question, today: date) -> Request | None:
    """What a question calculates; ``None`` where it has no word of a calculation.

    >>> found = parse(Question("How many mails did Marta send in March 2025?"), date(2025, 6, 1))
    >>> found.operation, found.heads, [word.text for word in found.words]
    ('count', ('mails',), ['mails', 'marta', 'send'])
    """
    text = _TITLE.sub(" ", f" {question.text.strip().rstrip('?!. ')} ".replace("’", "'"))
    files = tuple(match[0] for match in _FILE.finditer(text))
    for name in files:
        text = text.replace(name, " , ")
    original, small = text, text.lower()
    period, text = period_in(small, today)
    if period and (at := small.find(period.shown)) >= 0 and len(small) == len(original):
        period = attrs.evolve(period, shown=original[at : at + len(period.shown)])
    compared = list[Compared]()
    for sign, pattern in _COMPARED:
        for match in pattern.finditer(text):
            number = Column(name="", decimal="." if re.search(r"\.\d{1,2}$|,\d{3}", match["number"]) else ",")
            value = number.number(match["number"])
            if value is not None:
                compared.append(Compared(sign=sign, number=value, shown=" ".join(match[0].split())))
                text = text[: match.start()] + " , " + text[match.end() :]
    found = _operation(text)
    if found is None:
        return None
    whole, (operation, measure, text, at) = text, found
    unsupported = lexicon.UNSUPPORTED.search(whole)
    different = lexicon.DIFFERENT.search(text)
    text = lexicon.DIFFERENT.sub(" ", text)
    before, after = text[:at], text[at:]
    if operation in ("sum", "count"):
        before, after = (lexicon.TOTAL.sub(" ", part) for part in (before, after))
    few = _FEW.search(before) or _FEW.match(after) if operation in _EXTREMES else None
    count = next((each for each in few.groups() if each), "") if few else ""
    if few:
        before = before[: few.start()] if few.group(1) else before
        after = after[few.end() :] if not few.group(1) else after
    words, heads = _words(before, after, of_question(question.tokens))
    if operation in _EXTREMES:
        words = tuple(word for word in words if word.text not in listed("words.who"))
    return Request(
        operation=operation,
        today=today,
        measure=measure,
        words=words,
        heads=heads,
        files=files,
        period=period,
        compared=tuple(compared),
        few=_NUMBERS.get(count) or int(count or 0),
        different=bool(different),
        unsupported=unsupported[0].strip() if unsupported else "",
    )


def _operation(text: str) -> tuple[str, str, str, int] | None:
    """Operation, measure, the text without its words, and where they stood."""
    for operation, measure, pattern in lexicon.OPERATIONS:
        match = pattern.search(text)
        if match and not (operation == "list" and lexicon.ASKS.match(text, match.end())):
            at = match.start()
            return operation, measure, f"{text[:at]}  {text[match.end() :]}", at + 1
    return None


def _words(before: str, after: str, language: str) -> tuple[tuple[Word, ...], tuple[str, ...]]:
    """The words that must be explained, and those of the first phrase of ``after``."""
    froms, tos, function, articles = (
        listed(f"words.{key}", language) for key in ("from", "to", "function", "articles")
    )
    found, heads = list[Word](), list[str]()
    role: Role = ""
    open_phrase = False
    text = before + _PHRASE + lexicon.ABOUT.sub(f" {_TOPIC} ", after)
    for number, token in enumerate(_TOKEN.findall(_ELIDED.sub(r"\1 ", text))):
        if token == _PHRASE:
            open_phrase, role = True, ""
        elif token == _TOPIC:
            open_phrase, role = False, "about"
        elif token in froms or token in tos:
            open_phrase = open_phrase and not heads
            role = "from" if token in froms else "to"
        elif token in function or not token[0].isalnum():
            open_phrase = open_phrase and not heads
            role = role if token in articles else ""
        else:
            name = token.removesuffix("'s").rstrip("'")
            found.append(Word(name, number, "from" if token.endswith("'s") and not role else role))
            if open_phrase:
                heads.append(name)
    return tuple(found), tuple(heads)
