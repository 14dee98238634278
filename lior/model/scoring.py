"""The surprise at each byte of a text, ``-log2 p``, and at its lines and words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior.data.corpus import Corpus, byte_lengths
from lior.model.evaluation import ProgressCallback, evaluate, silent
from lior.model.language_model import Model

_BLANKS = np.frombuffer(b" \t\v\f", np.uint8)
_NEWLINE = ord("\n")
_WORD = re.compile(r"(?<!\w)[^\W\d_]{3,}(?!\w)")
_HEXADECIMAL, _KEY = frozenset("abcdef"), 6
"""Letters of hexadecimal numbers, and the number of such letters in a word that is likely a key."""


class ScoredPart(NamedTuple):
    """A line or a word of a document, and its surprise."""

    document: str
    line: int
    """Line of its first byte, from 1."""
    column: int
    """Column, in bytes from 1, of its first byte that is not a blank."""
    begin: int
    end: int
    """End of its bytes in the document, ``begin .. end - 1``."""
    bits: float
    """Sum of the bits of its bytes."""

    @property
    def bits_per_byte(self) -> float:
        """Mean of the bits of its bytes."""
        return self.bits / (self.end - self.begin)


@attrs.frozen(eq=False)
class ScoredDocument:
    """A document and the surprise at each of its bytes."""

    name: str
    data: bytes
    bits: NDArray[np.float64]
    """``-log2 p`` of each byte, ``(len(data),)``; the bytes of a token share its bits equally."""

    def lines(self) -> list[ScoredPart]:
        """Return its lines with their line ends; their bits sum to the document's."""
        return self._parts(self._line_starts())

    def words(self) -> list[ScoredPart]:
        """Return its words, each with the blanks before it and the line end after it; final blanks are a
        word.

        Their bits sum to the document's.
        """
        return self._parts(self._word_starts())

    def means(self, *, words: bool) -> NDArray[np.float64]:
        """Return bits per byte of the word (or else the character) that holds each byte, ``(len(data),)``."""
        data = np.frombuffer(self.data, np.uint8)
        starts = self._word_starts() if words else np.union1d(0, ((data & 0xC0) != 0x80).nonzero()[0])
        sizes = np.diff(starts, append=len(data))
        return np.repeat(np.add.reduceat(self.bits, starts) / sizes, sizes)

    def _line_starts(self) -> NDArray[np.int64]:
        newline = (np.frombuffer(self.data, np.uint8)[:-1] == _NEWLINE).nonzero()[0]
        return np.append(0, newline + 1)

    def _word_starts(self) -> NDArray[np.int64]:
        data = np.frombuffer(self.data, np.uint8)
        blank = np.isin(data, _BLANKS)
        inside = blank[1:] & ~blank[:-1] & (data[:-1] != _NEWLINE)
        return np.union1d(self._line_starts(), inside.nonzero()[0] + 1)

    def _parts(self, starts: NDArray[np.int64]) -> list[ScoredPart]:
        data, line_starts = np.frombuffer(self.data, np.uint8), self._line_starts()
        line = np.searchsorted(line_starts, starts, side="right")
        first = np.append((~np.isin(data, _BLANKS)).nonzero()[0], len(data) - 1)
        column = first[np.searchsorted(first[:-1], starts)] - line_starts[line - 1] + 1
        ends = np.append(starts[1:], len(data))
        columns = (line, column, starts, ends, np.add.reduceat(self.bits, starts))
        rows = zip(*(values.tolist() for values in columns), strict=True)
        return [ScoredPart(self.name, *row) for row in rows]


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


@torch.no_grad()
def score_documents(
    model: Model, corpus: Corpus, *, online: bool = False, progress: ProgressCallback = silent
) -> list[ScoredDocument]:
    """Return the documents of ``corpus``, each byte scored from the text before it in its document.

    Parameters
    ----------
    online, progress
        As for :func:`lior.model.evaluation.evaluate`; the bits sum to its score.
    """
    blocks: list[Tensor] = []
    evaluate(
        model, corpus, 0, len(corpus), online=online, stage="score", progress=progress, each=blocks.append
    )
    lengths = byte_lengths(corpus.tokens, model.tokenizer)
    bits = torch.cat(blocks) / math.log(2)
    shares = (bits / lengths.clamp(min=1)).repeat_interleave(lengths)
    before = lengths.cumsum(0) - lengths
    empty = lengths == 0  # the bits of a token without bytes count for the next byte
    shares.index_add_(0, before[empty].clamp(max=len(shares) - 1), bits[empty])
    per_byte = shares.cpu().numpy()
    scored = []
    documents = corpus.tokens.tensor_split(corpus.starts[1:].cpu())
    for name, tokens, begin in zip(corpus.names, documents, before[corpus.starts].tolist(), strict=True):
        data = model.tokenizer.decode(tokens.tolist())
        scored.append(ScoredDocument(name, data, per_byte[begin : begin + len(data)]))
    return scored
