"""A question as it is linked to tables: its words, and the periods, comparisons and files that it names."""

from __future__ import annotations

import re
from collections.abc import Set
from datetime import date
from decimal import Decimal
from functools import cached_property

import attrs
import numpy as np

from lior_ask.languages.lists import any_of, either, languages, of_question, words
from lior_ask.languages.words import asking_words
from lior_ask.languages.words import tokens as words_of
from lior_ask.tables.days import NAME, Period
from lior_ask.tables.implied import Implied
from lior_ask.tables.lexicon import COMPARISONS
from lior_ask.tables.periods import as_names, period_in
from lior_ask.tables.query import Sign
from lior_ask.tables.units import UNITS, number_said
from lior_ask.tables.words import stems

FILE = re.compile(r"(?<![\w@.])[\w+/-]+(?:\.[\w+-]+)*\.[a-z]\w{1,5}\b(?!@)", re.I)
"""Pattern of the name of a file in a question."""
_NUMERALS = {word: 2 + n for each in languages() for n, word in enumerate(each.lists["words.numbers"])}
"""Words for numbers from two on in all languages."""
_ORDINALS = {
    word.rstrip("ea"): 1 + n for each in languages() for n, word in enumerate(each.lists["words.ordinals"])
}
"""Words for "first" to "tenth" without their endings."""
_ENDINGS = re.compile(r"(?:e[rnsm]?|[ao]s?|s)$")
_LARGE = {
    word: number
    for key, number in (("hundred", 100), ("thousand", 1000))
    for each in languages()
    for word in each.lists[f"units.{key}"]
}
_ONE = rf"{either('units.one')}(?=\s+{any_of(UNITS)}\b)"
"""Pattern of an article before a unit: "more than a kilo"."""
_AMOUNT = rf"(?:[€$£]|eur|chf|usd)?\s?(?P<number>\d[\d.,' ]*\d|\d|{any_of(_NUMERALS)}\b"
_AMOUNT += rf"|(?:{either('units.one')}\s)?(?P<large>{any_of(_LARGE)})\b|{_ONE})"
_AMOUNT += rf"(?:\s(?P<times>{any_of(_LARGE)})\b)?"
_UNIT = r"(?P<unit>[€$£%]|[^\W\d_]{1,3}\b|euros?|dollars?|francs?)"
_THINGS = r"(?P<unit>[€$£%]|[^\W\d_]{1,16}\b)"
"""Pattern of a unit, or of what is counted: "2 stars or less"."""
_SIGNS: tuple[tuple[Sign, str], ...] = ((">=", "or_more"), ("<=", "or_less"))
_COMPARED = [
    *(
        (sign, re.compile(rf"\b{_AMOUNT}\s?{_THINGS}?\s+{either(f'calculations.{key}')}\b"))
        for sign, key in _SIGNS
    ),
    *((sign, re.compile(rf"\b{words_}\s+{_AMOUNT}\s?{_UNIT}?(?![\w.,]*\d)")) for sign, words_ in COMPARISONS),
]
"""Sign and pattern of comparisons with numbers: "10 or more", "over 10"."""
_RANGE = re.compile(
    rf"\b{either('calculations.range')}\s+(\d[\d.,]*)\s?{_UNIT}?\s+{either('calculations.range_and')}\s+(\d[\d.,]*)"
)
_TITLE = re.compile(rf"(?<=\s){either('calculations.title')}\b\.?\s", re.I)
_ELIDED = re.compile(rf"\b{either('calculations.elided')}['’](?=\w)", re.I)
_MARKS = {"period": "\x11", "number": "\x12", "file": "\x13"}
_TOKEN = re.compile(rf"[{''.join(_MARKS.values())}]|\d+(?:[.,]\d+)+|n't\b|{NAME}?[^\W_]+(?:'s\b)?|%")
NEGATIONS = words("words.not")
_EXCEPT = re.compile(either("calculations.except"))
_CLOCK = re.compile(rf"\b{either('calculations.clock')}\b")
_COUNTS = re.compile(rf"\b{either('calculations.count')}")


@attrs.frozen
class Token:
    """A word of a question, or the mark of a period, a comparison or a file."""

    word: str
    kind: str = ""
    """``period``, ``number`` or ``file``; empty for a word."""

    @property
    def stems(self) -> frozenset[str]:
        """The stems of the word in all languages."""
        return stems(self.word)


@attrs.frozen
class Compared:
    """A comparison with a number: "over 100 km"."""

    sign: Sign
    number: Decimal
    shown: str


@attrs.define(eq=False)
class Asked:
    """A question in tokens, with what its marks stand for."""

    text: str
    today: date
    tokens: list[Token]
    language: str
    periods: list[Period]
    compared: list[Compared]
    files: list[str]
    negated: set[int]
    """The positions of words such as "not" and "except"."""
    vector: np.ndarray | None = attrs.field(default=None, repr=False)
    """The vector ``(384,)`` of what it asks for, by :func:`~lior_ask.tables.learned.read_question`; None
    without an encoder."""
    name_vector: np.ndarray | None = attrs.field(default=None, repr=False)
    """The vector ``(384,)`` of the table and columns that it means, by the same function."""
    limiting: np.ndarray | None = attrs.field(default=None, repr=False)
    """The probability ``(T,)`` of each token that it limits the rows, by
    :func:`~lior_ask.tables.limits.limiting`; None without an encoder."""
    implied: Implied | None = attrs.field(default=None, repr=False)
    """The odds of the conditions that it implies; None without an encoder."""

    @cached_property
    def function(self) -> set[int]:
        """The positions of words that are in every text."""
        stop = asking_words(self.language) | words("words.function", self.language)
        return {n for n, each in enumerate(self.tokens) if each.kind or each.word in stop}

    @cached_property
    def numbers(self) -> dict[int, int]:
        """The small whole numbers among the words, by position."""
        found = dict[int, int]()
        for n, token in enumerate(self.tokens):
            if token.word.isdecimal() and len(token.word) < 7:
                found[n] = int(token.word)
            elif token.word in _NUMERALS:
                found[n] = _NUMERALS[token.word]
        return found

    @cached_property
    def counts(self) -> bool:
        """Whether it asks how many there are."""
        return _COUNTS.search(self.text.lower()) is not None

    @cached_property
    def clock(self) -> bool:
        """Whether it asks for the time of a day."""
        return _CLOCK.search(self.text.lower()) is not None

    @cached_property
    def ordinals(self) -> dict[int, int]:
        """The numbers of words such as "third", by position."""
        found = {n: _ORDINALS.get(_ENDINGS.sub("", token.word)) for n, token in enumerate(self.tokens)}
        return {n: number for n, number in found.items() if number}

    def negates(self, positions: Set[int]) -> bool:
        """Return whether a word such as "not" or "without" stands shortly before these positions."""
        first = min(positions)
        return any(first - 5 < place < first or place in positions for place in self.negated)


def asked(text: str, today: date, names: Set[str] = frozenset()) -> Asked:
    """Return the words, periods, comparisons and files of a question.

    ``names`` are months that are names of people in these documents.
    """
    text = re.sub(r"(?<!\d)\.$", "", text.strip().rstrip("?! "))
    text = _TITLE.sub(" ", f" {text} ".replace("’", "'"))
    files = [match[0] for match in FILE.finditer(text)]
    for name in files:
        text = text.replace(name, f" {_MARKS['file']} ", 1)
    text = as_names(text, names)
    language = of_question(words_of(text))
    periods, text = _periods(text, today, language)
    compared, text = _compared(text)
    excepted = [match.start() for match in _EXCEPT.finditer(text)]
    tokens, negated = list[Token](), set[int]()
    kinds = {mark: kind for kind, mark in _MARKS.items()}
    text = _ELIDED.sub(lambda match: " " * len(match[0]), text)
    for match in _TOKEN.finditer(text):
        word = match[0].removesuffix("'s").lstrip(NAME)
        if word == "t" and tokens and tokens[-1].word[-1:] == "n":  # "weren't"
            negated.add(len(tokens) - 1)
            continue
        if excepted and match.start() >= excepted[0]:
            negated.add(len(tokens))
            excepted.pop(0)
        if word in NEGATIONS:
            negated.add(len(tokens))
        tokens.append(Token(word, kinds.get(word, "")))
    return Asked(text, today, tokens, language, periods, compared, files, negated)


def _periods(text: str, today: date, language: str) -> tuple[list[Period], str]:
    """Return the periods of a question, and the text in lower case with marks in their places.

    Words that ask are no period by themselves: "hier" is "here" in a German question, "may" alone is a verb.
    """
    found, start, stop = list[Period](), 0, asking_words(language)
    while len(found) < 2:
        period, rest = period_in(text, today, language, start)
        if period is None:
            break
        at = next((n for n, (a, b) in enumerate(zip(text, rest, strict=False)) if a != b), len(rest) - 1)
        at = rest.rfind(" , ", 0, at + 3)
        if period.shown.lower() in stop:
            start = at + 1
            continue
        text = f"{rest[:at]} {_MARKS['period']} {rest[at + 3 :]}"
        found.append(period)
    if len(found) == 2 and found[1].first and found[0].yearless != found[1].yearless:
        other, own = sorted(found, key=lambda each: each.yearless)
        if other.first and (inner := own.within(other.first.year)).inside(other):
            found = [inner]  # "this year, in May"
    return found, text.lower()


def _compared(text: str) -> tuple[list[Compared], str]:
    """Return the comparisons with numbers, and the text with marks in their places."""
    found = list[Compared]()
    text = _RANGE.sub(r"\1 or more \3 or less", text)
    for sign, pattern in _COMPARED:
        while match := pattern.search(text):
            told = None if match["number"][0].isdigit() else _NUMERALS.get(match["number"], 1)
            told = _LARGE[match["large"]] if match["large"] else told
            value = number_said(match["number"]) if told is None else Decimal(told)
            if value is None:
                break
            value *= _LARGE.get(match["times"], 1)
            found.append(Compared(sign, value, " ".join(match[0].split())))
            unit = match["unit"] or ""
            kept = unit if unit in UNITS or (unit.isalpha() and len(unit) > 1) else ""
            text = f"{text[: match.start()]} {_MARKS['number']} {kept} {text[match.end() :]}"
    return found, text
