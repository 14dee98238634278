"""Questions that no row answers, made from those of folders: they name a value that no table there has.

A person who asks "how much was spent in May at Edeka?" where no table knows Edeka wants no sum of May.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

import numpy as np

from lior_ask.languages.lists import words
from lior_bench.queries.worlds import NO_QUERY, Asked, World

_EVERY = 8
"""One of so many questions is altered; one of 4 told fewer of the others at 80 %, on folders left out."""
_LONGEST = 5
"""Number of letters by which words are compared with those of tables."""
_WORD = re.compile(r"[^\W_]+")


def altered(world: World, others: Sequence[World], random: np.random.Generator) -> list[Asked]:
    """Return questions of a folder with a value of another folder of its language that it has not.

    The value stands in place of one that the question names, or behind the question with its preposition.
    """
    known = {word[:_LONGEST] for word in _words_of(world)}
    found = [
        (before, value)
        for other in others
        if other.language == world.language and other is not world
        for asked in other.questions
        for before, value in _named(asked)
        if known.isdisjoint(word[:_LONGEST] for word in _WORD.findall(value.lower()))
    ]
    values = sorted({value for _, value in found})
    starts = words("words.prepositions", world.language)
    phrases = sorted({phrase for before, value in found if (phrase := _phrase(before, value, starts))})
    made = list[Asked]()
    for asked in [each for each in world.questions if each["op"] not in NO_QUERY][::_EVERY]:
        text, own = asked["q"], next(_named(asked), None)
        if own and values and random.random() < 0.5:
            text = text.replace(own[1], values[random.integers(len(values))])
        elif phrases:
            end = re.search(r"[?.!\s]*$", text)
            cut = end.start() if end else len(text)
            text = f"{text[:cut]} {phrases[random.integers(len(phrases))]}{text[cut:]}"
        if text != asked["q"]:
            made.append({"q": text, "op": "none"})
    return made


def _named(asked: Asked) -> Iterator[tuple[str, str]]:
    """Yield values of conditions as a question has them, and the one or two words before each."""
    for _, how, *values in asked.get("where", ()):
        if how != "is" or not isinstance(values[0], str) or values[0].startswith("@"):
            continue
        for part in (values[0], *values[0].split()):
            pattern = rf"((?:[^\W\d_]+ ){{0,2}})(?<!\w)({re.escape(part)})(?!\w)"
            match = re.search(pattern, asked["q"], re.I) if len(part) > 3 and part[0].isalpha() else None
            if match:
                yield match[1], match[2]
                break


def _phrase(before: str, value: str, starts: Set[str]) -> str:
    """Return a value with its preposition, and a word between them; empty without one."""
    known = before.split()
    first = next((n for n, word in enumerate(known) if word.lower() in starts), len(known))
    return " ".join((*known[first:], value)) if first < len(known) else ""


def _words_of(world: World) -> set[str]:
    """Return all words of a folder's tables."""
    texts = [
        text
        for sheet in world.sheets.values()
        for text in (sheet.file, *(c["name"] for c in sheet.columns), *(x for row in sheet.rows for x in row))
        if isinstance(text, str)
    ]
    return {*_WORD.findall(" ".join(texts).lower())}
