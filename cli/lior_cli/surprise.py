"""The most surprising parts of scored texts: a scale for parts of any length, and words that are new."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from lior.model.scoring import ScoredDocument, ScoredPart

_WORD = re.compile(r"(?<!\w)[^\W\d_]{3,}(?!\w)")
_HEXADECIMAL, _KEY = frozenset("abcdef"), 6
"""Letters of hexadecimal numbers, and the number of such letters in a word that is likely a key."""


class SurpriseScale(NamedTuple):
    """Mean and deviation of the bits per byte, to compare parts of different lengths."""

    mean: float
    """Bits per byte."""
    deviation: float
    """Standard deviation of the bits of a byte."""

    @classmethod
    def of(cls, documents: Sequence[ScoredDocument]) -> SurpriseScale:
        """Return the scale of all bytes of ``documents``."""
        bits = np.concatenate([document.bits for document in documents])
        return cls(float(bits.mean()), float(bits.std()))

    def z(self, part: ScoredPart) -> float:
        """Return the standard score of a part, as if the bits of its n bytes were independent.

        They are not, so the score gives an order and no probability.
        """
        size = part.end - part.begin
        return (part.bits - size * self.mean) / (math.sqrt(size) * max(self.deviation, 1e-12))


def new_words(documents: Sequence[ScoredDocument], held: Iterable[bytes]) -> list[dict[int, ScoredPart]]:
    """Return the new words of each document by line: words of one line only, and not in the texts ``held``.

    The words of a line are one part, as if adjacent. A word of :meth:`ScoredDocument.words` counts if it
    has a new :func:`spoken` word.
    """
    by_line, lines = list[dict[int, list[tuple[ScoredPart, set[str]]]]](), Counter[str]()
    for document in documents:
        found: dict[int, list[tuple[ScoredPart, set[str]]]] = {}
        for part in document.words():
            if words := spoken(document.data[part.begin : part.end]):
                found.setdefault(part.line, []).append((part, words))
        by_line.append(found)
        for parts in found.values():
            lines.update(set().union(*(words for _, words in parts)))
    new = {word for word, count in lines.items() if count == 1}
    for text in held:
        new -= spoken(text)
    chosen = (
        {line: [part for part, words in parts if words & new] for line, parts in found.items()}
        for found in by_line
    )
    return [{line: _join(parts) for line, parts in each.items() if parts} for each in chosen]


def _join(parts: Sequence[ScoredPart]) -> ScoredPart:
    size = sum(part.end - part.begin for part in parts)
    return parts[0]._replace(end=parts[0].begin + size, bits=sum(part.bits for part in parts))


def spoken(text: bytes) -> set[str]:
    """Return the words of a text with at least three letters, in lower case.

    A word with digits, a change of case inside or only hexadecimal letters is probably a key.

    >>> sorted(spoken(b"Mallory's SHA256:ulQpxpPq deadbeef xid=0x1f re-opened /wp-admin"))
    ['admin', 'mallory', 'opened', 'xid']
    """
    words = set(_WORD.findall(text.decode("utf-8", "replace")))
    return {
        word.lower() for word in words if word[1:] in (word[1:].lower(), word.upper()[1:]) and _plain(word)
    }


def _plain(word: str) -> bool:
    return len(word) < _KEY or not _HEXADECIMAL.issuperset(word.lower())
