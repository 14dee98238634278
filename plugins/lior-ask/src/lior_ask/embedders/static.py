"""Sums of word vectors: no model is run, and the order of the words does not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs
import numpy as np

from lior_ask.languages.words import tokens
from lior_ask.ranking import word_vectors


@attrs.frozen(kw_only=True)
class Static:
    """Sums of unit word vectors, those of :func:`lior_ask.ranking.word_vectors.read`.

    Raises
    ------
    MissingPackage
        From the constructor, when there are none.
    """

    api_version: ClassVar[int] = 1
    unrelated: ClassVar[float] = 0.2
    related: ClassVar[float] = 0.6

    def __attrs_post_init__(self) -> None:
        word_vectors.read()

    @property
    def width(self) -> int:
        """Numbers of a word's vector."""
        return word_vectors.read().width

    @property
    def digest(self) -> str:
        """What the word vectors were read from."""
        return f"static {word_vectors.read().source}"

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Vectors of length 1, float32 ``(n, width)``; zeros for a text without known words."""
        source = word_vectors.read()
        found = np.zeros((len(texts), source.width), np.float32)
        for row, text in zip(found, texts, strict=True):
            words = [word.encode("utf-8", "replace").decode() for word in tokens(text)]
            if words:
                row += _unit(source.of(words)[0]).sum(0)
        return _unit(found)


def _unit(rows: np.ndarray) -> np.ndarray:
    norms: np.ndarray = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, np.float32(1e-9))
