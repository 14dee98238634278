"""A sentence encoder reads the best passages by words and by vectors of words."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.ask.inverted import InvertedIndex
from lior.interfaces import Ranking
from lior_plugins.retrievers.dense import candidates
from lior_plugins.retrievers.settle import documents

CANDIDATES = 100
"""Passages that the encoder reads for a question."""
NEAR_WORDS = 1 / 3
"""Weight of the share of the question that a passage has in near words, beside the cosine."""


@attrs.frozen(kw_only=True)
class Meaning:
    api_version: ClassVar[int] = 1

    def rank(self, index: InvertedIndex, question: str, top: int) -> Ranking:
        vectors = (index.finer or index).vectors
        assert vectors is not None
        if index.finer is not None:
            return documents(index, question, top, vectors)
        asked = vectors.question(question)
        found = candidates(index, question)
        rows = found.rows[:CANDIDATES]
        cosines = vectors.vectors(rows) @ asked.result()
        scores = cosines + NEAR_WORDS * found.shares[:CANDIDATES]
        order = np.lexsort((rows, -scores))[: max(top, 0)]
        return Ranking(
            passages=rows[order],
            scores=scores[order],
            recall=found.shares[order],
            method=f"{found.method}, meaning",
            query=found.query,
        )
