"""Follow-ups of calculations: "and in April?" after a sum, as the whole question that it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import PurePath

from lior.interfaces import Result
from lior_ask.languages.lists import any_of, either, languages, of_question
from lior_ask.languages.words import asked_words
from lior_ask.tables.asked import FILE
from lior_ask.tables.days import Period
from lior_ask.tables.lexicon import UNSUPPORTED
from lior_ask.tables.periods import period_in

_PREPOSITION = any_of(word for each in languages() for word in each.lists["words.prepositions"])
_PHRASE = re.compile(rf"({_PREPOSITION}|{either('calculations.per')}) .+", re.I)
_OPERATION = either("followups.operation")
_ASKED = re.compile(rf"\b{either('followups.calculates', 'followups.operation')}\b", re.I)
_THEM = re.compile(rf"\b(?:{either('followups.them_of')} )?{either('followups.them')}\b", re.I)
_LAST = re.compile(rf"\b{either('followups.last')}\b", re.I)
"""Pattern of a message that asks for the newest of the rows counted or listed."""
_VALUE = re.compile(r"\b(?:(?:is|has) (?P<value>[^,]+)|(?:from|to) (?P<name>\S+(?: [^\W\d_a-z]\S*)*))")
"""Pattern of a condition in the description of a result: "where by is Tom", "from Ada"."""


_HEADING = r"(?: \((?:[^()]|\([^()]*\))*\))?"
"""Pattern of the name of a sheet or heading behind a document."""


def object_of(result: Result) -> str:
    """Return the object of a calculation as a question can name it.

    Numbers in the name of a file or a heading are left out: they are no period of the question.

    >>> from lior.interfaces import Passage
    >>> row = Passage(document="Bills 2026.xlsx#May 2026", line=3, column=1, text="RE-1 | Ada")
    >>> about = "rows of Bills 2026.xlsx#May 2026 (May 2026) where who is Ada"
    >>> object_of(Result(operation="count", value="1", about=about, rows=(row,)))
    'rows of Bills where who is Ada'
    """
    about = result.about
    for document in {row.document for row in result.rows}:
        file = document.partition("#")[0]
        name = file if FILE.fullmatch(file) else " ".join(re.findall(r"[^\W\d_]+", PurePath(file).stem))

        def told(match: re.Match[str], name: str = name) -> str:
            heading = match[0].removeprefix(document)  # noqa: B023
            return name if re.search(r"\d", heading) else name + heading

        about = re.sub(re.escape(document) + _HEADING, told, about)
    return about


def _period(phrase: str, language: str) -> Period | None:
    return period_in(phrase, date.today(), language)[0]


def calculates(message: str) -> bool:
    """Return whether a message seems to ask for a calculation."""
    return bool(_ASKED.search(message))


def refers_to_rows(message: str) -> bool:
    """Return whether a message asks for some of the rows that were counted or listed: "how many of them"."""
    return _THEM.search(message) is not None


def is_phrase(message: str) -> bool:
    """Return whether a message is only a phrase that changes a question: "in August"."""
    return _PHRASE.fullmatch(message.strip(" ?!.¿¡")) is not None


def only_operates(words: Sequence[str]) -> bool:
    """Return whether words name an operation only, and not its object: "which is the newest?"."""
    return bool(words) and all(re.fullmatch(_OPERATION, word, re.I) for word in words)


def whole_questions(before: str, about: str, message: str) -> Iterator[str]:
    """Yield the whole questions that a message may stand for, the likeliest first.

    Parameters
    ----------
    before
        The question that was calculated.
    about
        The object of the calculation, as in its result; empty if it has none.

    >>> [*whole_questions("what did we pay for fuel in March?", "fuel in a.csv in March", "in April?")]
    ['what did we pay for fuel in April?']
    >>> next(whole_questions("how many mails in 2025?", "mails in 2025", "how many of them are from Bo?"))
    'how many mails in 2025 are from Bo?'
    """
    plain, asked = message.strip(" ?!.¿¡"), before.strip(" ?!.")
    about = re.sub(r" \((?:(\d{4})|[^)]* left out)\)", lambda it: f" {it[1]}" if it[1] else "", about)
    if _THEM.search(plain):
        noun = re.split(rf" (?:where|{_PREPOSITION}) ", about)[0]
        for each in dict.fromkeys((about, noun)) if about else ():
            yield re.sub(r"\s+", " ", _THEM.sub(lambda _: each, plain)) + "?"  # noqa: B023
        yield re.sub(r"\s+", " ", f"{_THEM.sub('', plain)}, {asked}?")
    elif found := _PHRASE.fullmatch(plain):
        yield _with_phrase(asked, plain, found[1])
    elif about and _LAST.search(plain):
        yield f"what is the newest of {about}?"
    elif (operation := re.search(_OPERATION, plain, re.I)) and not UNSUPPORTED.search(plain.lower()):
        if re.search(_OPERATION, asked, re.I):
            yield re.sub(_OPERATION, operation[0], asked, count=1, flags=re.I) + "?"
        if about:
            yield f"{operation[0]}, {asked}?"  # "and in April?" can follow this
            yield f"what is the {operation[0]} of {about}?"


def _with_phrase(asked: str, phrase: str, word: str) -> str:
    """Return a question with a phrase in place of one that begins with the same word, or at its end."""
    same = re.compile(rf"\b{word} .+?(?= {_PREPOSITION} |$)", re.I)
    places, language = [*same.finditer(asked)], of_question(asked_words(asked))
    timed = _period(phrase, language) is not None
    # Replace a period by a period only, and other phrases by others: "en comida en marzo".
    at = next((each for each in places if (_period(each[0], language) is not None) == timed), None)
    if at is None:
        return f"{asked} {phrase}?"
    period = _period(at[0], language) if timed else None
    length = len(period.shown if period and at[0].startswith(period.shown) else at[0])
    return f"{asked[: at.start()]}{phrase}{asked[at.start() + length :]}?"  # "im Mai ausgegeben"


def other_values(before: str, about: str, message: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield the earlier question with the message in place of a value: "and Ines?".

    Each question comes with a pattern of the result's description: the same except for this value.

    >>> whole, of = next(other_values("what did Tom pay?", "cost in a.csv where by is Tom", "Ines?"))
    >>> whole, bool(of.match("cost in a.csv where by is Ines Berg"))
    ('what did Ines pay?', True)
    """
    plain, asked = message.strip(" ?!.¿¡"), before.strip(" ?!.")
    for match in _VALUE.finditer(about):
        value = match["value"] or match["name"]
        word = any_of(map(re.escape, value.split()))
        if found := re.search(rf"\b{word}(?:\s+{word})*\b", asked, re.I):
            begin, end = (re.escape(part) for part in (about[: match.start()], about[match.end() :]))
            of = re.sub(r"^\S+", r"\\S+", begin) + r"(?:is|has|from|to) [^,]+?" + end
            yield f"{asked[: found.start()]}{plain}{asked[found.end() :]}?", re.compile(f"{of}$")
