"""Follow-ups of calculations: "and in April?" after a sum, as the whole question that it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_PREPOSITION = (
    r"(?:in|on|from|by|for|of|at|since|before|after|between|during|with|to|im|am|an|auf|von|vom|für|bei|seit|vor|"
    r"nach|zwischen|mit|aus|en|de|du|des|pour|par|sur|avec|depuis|avant|après|entre|à|au|chez)"
)
_PHRASE = re.compile(rf"({_PREPOSITION}) .+", re.I)
_OPERATION = (
    r"(?:sum|total|mean|average|highest|lowest|largest|smallest|biggest|maximum|minimum|newest|oldest|latest"
    r"|earliest|most expensive|cheapest|(?:gesamt)?summe|durchschnitt|mittelwert|höchste\w*|niedrigste\w*"
    r"|größte\w*|kleinste\w*|teuerste\w*|billigste\w*|neueste\w*|älteste\w*|somme|moyenne|plus \w+)"
)
_ASKED = re.compile(
    r"\b(how (many|much)|list|show|count|which|wie ?viele?|liste|zeig\w*|welche\w*|zähle?|combien|quel\w*"
    rf"|{_OPERATION})\b",
    re.I,
)
_THEM = re.compile(
    r"\b(?:(?:of|von|davon|d['’]entre) )?(?:them|those|these|ones|denen|davon|ihnen|d['’]entre eux)\b", re.I
)


def calculates(message: str) -> bool:
    """Whether a message seems to ask for a calculation."""
    return bool(_ASKED.search(message))


def only_operates(words: Sequence[str]) -> bool:
    """Whether words say what is to be calculated, and not of what: "which is the newest?"."""
    return bool(words) and all(re.fullmatch(_OPERATION, word, re.I) for word in words)


def whole_questions(before: str, about: str, message: str) -> Iterator[str]:
    """What a message may stand for, the likeliest first.

    Parameters
    ----------
    before
        The question that was calculated.
    about
        Of what, as its result says; empty where it has none.

    >>> [*whole_questions("what did we pay for fuel in March?", "fuel in a.csv in March", "in April?")]
    ['what did we pay for fuel in April?']
    >>> next(whole_questions("how many mails in 2025?", "mails in 2025", "how many of them are from Bo?"))
    'how many mails in 2025 are from Bo?'
    """
    plain, asked = message.strip(" ?!."), before.strip(" ?!.")
    if _THEM.search(plain):
        noun = re.split(rf" (?:where|{_PREPOSITION}) ", about)[0]
        for each in dict.fromkeys((about, noun)) if about else ():
            yield re.sub(r"\s+", " ", _THEM.sub(lambda _: each, plain)) + "?"  # noqa: B023
    elif found := _PHRASE.fullmatch(plain):
        same = re.compile(rf"\b{found[1]} .+?(?= {_PREPOSITION} |$)", re.I)
        if same.search(asked):
            yield same.sub(lambda _: plain, asked, count=1) + "?"
        else:
            yield f"{asked} {plain}?"
    elif operation := re.search(_OPERATION, plain, re.I):
        if re.search(_OPERATION, asked, re.I):
            yield re.sub(_OPERATION, operation[0], asked, count=1, flags=re.I) + "?"
        if about:
            yield f"what is the {operation[0]} of {about}?"
