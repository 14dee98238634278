"""The words of each language, which are data: ``en.toml`` and the files next to it.

Another language needs one more file with the same keys. Languages in ``others.toml`` have only stop words.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import attrs

_FOLDER = Path(__file__).parent


@attrs.frozen
class Language:
    """A language with the words of its questions."""

    name: str
    """The name of its Snowball stemmer."""
    code: str
    """The code by ISO 639-1."""
    number: int
    """The number in a stored index, which never changes."""
    shared: frozenset[str]
    """Words that another language has, too; they count only in questions in this language."""
    lists: Mapping[str, tuple[str, ...]]
    """The words or forms of each ``section.key``."""

    @property
    def months(self) -> tuple[str, ...]:
        """The names of the months, without abbreviations."""
        return tuple(names.split()[0] for names in self.lists["dates.months"])


@cache
def languages() -> tuple[Language, ...]:
    """Return all languages with words of questions, by their numbers; English is the first."""
    texts = (file.read_text("utf-8") for file in _FOLDER.glob("??.toml"))
    return tuple(sorted(map(language, texts), key=lambda each: each.number))


def language(text: str) -> Language:
    """Return the language of a file's text.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` if a value is missing or has a wrong type.
    """
    read = tomllib.loads(text)
    name, code, number, shared = (read.pop(key) for key in ("name", "code", "number", "shared"))
    lists = dict[str, tuple[str, ...]]()
    for section, values in read.items():
        for key, value in values.items():
            if isinstance(value, list):
                lists[f"{section}.{key}"] = tuple(value)
            else:
                spaced = section in ("words", "columns")
                lists[f"{section}.{key}"] = tuple(value.split() if spaced else forms(value))
    return Language(name, code, int(number), frozenset(shared.split()), lists)


def forms(text: str) -> list[str]:
    """Return the forms of a text: lines, and parts of a line between " | ".

    >>> forms("(le |la )?plus | moins")
    ['(le |la )?plus', 'moins']
    """
    return [each for part in text.split("\n") for each in re.split(r"\s+\|\s+", part.strip(" |")) if each]


@cache
def others() -> Mapping[str, Mapping[str, str]]:
    """Return ``code``, ``number`` and ``stop`` by name of the languages that have only stop words."""
    return tomllib.loads(_FOLDER.joinpath("others.toml").read_text("utf-8"))


@cache
def either(*keys: str) -> str:
    """Return a regular expression that matches any form of ``keys`` in all languages."""
    return any_of(form for each in languages() for key in keys for form in each.lists[key])


def any_of(words: Iterable[str]) -> str:
    """Return a regular expression that matches any of these."""
    return f"(?:{'|'.join(dict.fromkeys(words)) or '(?!)'})"


@cache
def words(key: str, language: str = "") -> frozenset[str]:
    """Return the words of ``key`` in all languages, without shared words of others than ``language``."""
    return frozenset(
        word
        for each in languages()
        for word in each.lists[key]
        if each.name == language or word not in each.shared
    )


def of_question(said: Iterable[str], spoken: Sequence[str] = ()) -> str:
    """Return the language with most of these words; of several, the one with most words for columns,
    or most words that no other one has, or else the first of ``spoken``, or of all.

    All words of a short text count. ``spoken`` are the languages of the documents; one word of another
    language is not enough.

    >>> of_question("how much hay did we buy".split()), of_question("cuántos correos hay de Marta".split())
    ('english', 'spanish')
    >>> of_question("horas que ha echado Óscar".split(), ["spanish"])
    'spanish'
    >>> of_question("pieces in winter bin".split(), ["english"])
    'english'
    >>> of_question("ausgaben pro monat".split(), ["english", "german"])
    'german'
    >>> of_question("cuándo es la feria de la bici".split(), ["german", "french", "spanish"])
    'spanish'
    """
    said, rank = set(said), {name: len(spoken) - n for n, name in enumerate(spoken)}
    score = {name: len(said & own) - (bool(spoken) and name not in rank) for name, own in _telling()}
    named = {name: len(said & own) for name, own in _naming()}
    only = {name: len(said & own) for name, own in _alone()}
    return max(score, key=lambda name: (score[name], named[name], only[name], rank.get(name, 0)))


def _telling() -> list[tuple[str, set[str]]]:
    """Return the words in every text of each language."""
    return _words_of("words.stop", "words.asking", "words.function", "words.verbs")


@cache
def _alone() -> list[tuple[str, set[str]]]:
    """Return the words in every text of each language that no other language has."""
    shared = {each.name: each.shared for each in languages()}
    known = {name: own | shared[name] for name, own in _telling()}
    others = {name: set[str]().union(*(known[each] for each in known if each != name)) for name in known}
    return [(name, own - others[name]) for name, own in known.items()]


def _naming() -> list[tuple[str, set[str]]]:
    """Return the words of each language for columns, such as "expenses" and "hours"."""
    return _words_of(*(key for key in languages()[0].lists if key.startswith("columns.")))


@cache
def _words_of(*keys: str) -> list[tuple[str, set[str]]]:
    return [
        (each.name, {word for key in keys for word in each.lists[key]} - each.shared) for each in languages()
    ]
