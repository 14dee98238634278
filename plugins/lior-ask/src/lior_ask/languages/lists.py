"""The words of each language, which are data: ``en.toml`` and the files beside it.

Another language is one more file with the same keys. Those of ``others.toml`` have stop words only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import attrs

_FOLDER = Path(__file__).parent


@attrs.frozen
class Language:
    """A language with the words of its questions."""

    name: str
    """Of its Snowball stemmer."""
    code: str
    """ISO 639-1."""
    number: int
    """Its place in a kept index, which never changes."""
    shared: frozenset[str]
    """Words that are another language's too, and count only in questions that are in this one."""
    lists: Mapping[str, tuple[str, ...]]
    """``section.key`` -> its words or forms."""
    talk: Mapping[str, Mapping[str, str]]
    """Small talk and tasks, as :mod:`lior_ask.answer.intents` reads them."""

    @property
    def months(self) -> tuple[str, ...]:
        """The names of the months, without short ones."""
        return tuple(names.split()[0] for names in self.lists["dates.months"])


@cache
def languages() -> tuple[Language, ...]:
    """All languages with words of questions, by their numbers; English is the first."""
    texts = (file.read_text("utf-8") for file in _FOLDER.glob("??.toml"))
    return tuple(sorted(map(language, texts), key=lambda each: each.number))


def language(text: str) -> Language:
    """The language of a file's text.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` when it has a value of another kind, or lacks one.
    """
    read = tomllib.loads(text)
    name, code, number, shared = (read.pop(key) for key in ("name", "code", "number", "shared"))
    lists = dict[str, tuple[str, ...]]()
    talk = {key: value for key, value in read["talk"].items() if isinstance(value, dict)}
    for section, values in read.items():
        for key, value in values.items():
            if isinstance(value, list):
                lists[f"{section}.{key}"] = tuple(value)
            elif key not in talk:
                spaced = section in ("words", "columns")
                lists[f"{section}.{key}"] = tuple(value.split() if spaced else forms(value))
    return Language(name, code, int(number), frozenset(shared.split()), lists, talk)


def forms(text: str) -> list[str]:
    """The forms of a text: lines, and parts of a line between " | ".

    >>> forms("(le |la )?plus | moins")
    ['(le |la )?plus', 'moins']
    """
    return [each for part in text.split("\n") for each in re.split(r"\s+\|\s+", part.strip(" |")) if each]


@cache
def others() -> Mapping[str, Mapping[str, str]]:
    """Name -> ``code``, ``number`` and ``stop`` of the languages that have stop words only."""
    return tomllib.loads(_FOLDER.joinpath("others.toml").read_text("utf-8"))


@cache
def either(*keys: str) -> str:
    """A group of a regular expression: any of the forms of ``keys``, in all languages."""
    return any_of(form for each in languages() for key in keys for form in each.lists[key])


def any_of(words: Iterable[str]) -> str:
    """A group of a regular expression: any of these."""
    return f"(?:{'|'.join(dict.fromkeys(words)) or '(?!)'})"


@cache
def words(key: str, language: str = "") -> frozenset[str]:
    """The words of ``key`` in all languages, without those that count only in another than ``language``."""
    return frozenset(
        word
        for each in languages()
        for word in each.lists[key]
        if each.name == language or word not in each.shared
    )


def of_question(said: Iterable[str]) -> str:
    """The language of the most of these words, the first where several are; all words of a short text tell.

    >>> of_question("how much hay did we buy".split()), of_question("cuántos correos hay de Marta".split())
    ('english', 'spanish')
    """
    said = set(said)
    return max(_telling(), key=lambda each: len(said & each[1]))[0]


@cache
def _telling() -> list[tuple[str, set[str]]]:
    keys = ("words.stop", "words.asking", "words.function", "words.verbs")
    return [
        (each.name, {word for key in keys for word in each.lists[key]} - each.shared) for each in languages()
    ]
