"""Comparison of question words with names, columns and cells, by stems in all languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, cached_property, lru_cache

from lior_ask.languages.dates import MONTHS
from lior_ask.languages.lists import languages
from lior_ask.languages.words import bare, spellings, stem, tokens


@cache
def _others() -> dict[str, set[tuple[str, str]]]:
    """Return the names of everyday things and their languages, by each name: "rent", "Miete", "loyer".

    A measure has its adjectives, too: "depth", "deepest", "tief"."""
    found = dict[str, set[tuple[str, str]]]()
    for entries in zip(*(each.lists["columns.everyday"] for each in languages()), strict=True):
        own = zip(entries, languages(), strict=True)
        names = {(name, each.name) for entry, each in own for name in entry.split("/")}
        for name, _ in names:
            found.setdefault(name, set()).update(names)
    return found


def translations(word: str) -> frozenset[str]:
    """Return a word and its names in the other languages, if it is one for an everyday thing.

    >>> "strom" in translations("electricity"), translations("lathe")
    (True, frozenset({'lathe'}))
    """
    return frozenset({word, *(name for name, _ in _others().get(word, ()))})


@lru_cache(1 << 16)
def stems(word: str) -> frozenset[str]:
    """Return the stems of a word and of its translations, with and without umlauts.

    What has translations has the stems of its own language only: "wages" is not "Wagen", a car.

    >>> stems("Sanitär".lower()) & stems("sanitaer") != frozenset()
    True
    """
    if word.isascii() and word.isdecimal():
        return frozenset({word})
    known = _others().get(word, set())
    own = [name for form, name in known if form == word] or [each.name for each in languages()]
    forms = {(form, name) for form in (word, *spellings(word)) for name in own} | known
    plural = {bare(word)} - {word}  # "Vorräte"
    return frozenset(stem(form, name) for form, name in forms | {(each, "german") for each in plural})


def alike(word: str, others: Sequence[str]) -> bool:
    """Return whether a word and one of ``others`` have a common stem.

    >>> alike("vaccines", ["child", "vaccine"]), alike("ausgaben", ["ausgabe"])
    (True, True)
    """
    mine = stems(word.lower())
    return any(not mine.isdisjoint(stems(other.lower())) for other in others)


def one_and_many(word: str, other: str) -> bool:
    """Return whether two words may be singular and plural of the same word.

    >>> one_and_many("quote", "quotes"), one_and_many("retrievers", "retrieval")
    (True, False)
    """
    short, long = sorted((word, other), key=len)
    return long.startswith(short) and long[len(short) :] in ("", "s", "es", "n", "en", "e", "er", "x")


def parts(word: str) -> list[str]:
    """Return the tokens of a question's word: two for "PS-3"."""
    return tokens(word) or [word]


@lru_cache(1 << 16)
def has_word(cell: str, word: str) -> bool:
    """Return whether a cell has all tokens of a word of the question.

    >>> has_word("dog food", "food"), has_word("PS-3", "ps-3"), has_word("seafood", "food")
    (True, True, False)
    """
    if len(word) == 1:
        return word in re.findall(r"\w+", cell.lower())
    own = tokens(cell) or [cell.lower()]
    return all(alike(part, own) for part in parts(word))


class CellWords:
    """The different cells of a column, by the stems of their words."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.cells = cells

    @cached_property
    def _by_stem(self) -> dict[str, list[int]]:
        found = dict[str, list[int]]()
        for n, cell in enumerate(self.cells):
            for each in frozenset[str]().union(*map(stems, map(str.lower, tokens(cell) or [cell]))):
                found.setdefault(each, []).append(n)
        return found

    @cached_property
    def months(self) -> tuple[frozenset[str], frozenset[str]]:
        """The months that are words of cells, and those that are the only word of one; no mail servers."""
        own = [tokens(cell.partition("@")[0]) for cell in self.cells]
        alone = frozenset(cell[0] for cell in own if len(cell) == 1)
        return frozenset[str]().union(*own) & MONTHS.keys(), alone & MONTHS.keys()

    def having(self, word: str) -> set[str]:
        """Return the cells that have a word, as :func:`has_word` tells."""
        if len(word) == 1:
            return {cell for cell in self.cells if has_word(cell, word)}
        return self.alike([word])

    def alike(self, words: Iterable[str]) -> set[str]:
        """Return the cells that have a word like each part of ``words``."""
        found = {*range(len(self.cells))}
        for part in (part for word in words for part in parts(word)):
            found &= {n for each in stems(part.lower()) for n in self._by_stem.get(each, ())}
        return {self.cells[n] for n in found}
