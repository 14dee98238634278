"""The surprise at each byte of a text, ``-log2 p``, and at its lines and words."""

from __future__ import annotations

import math
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
