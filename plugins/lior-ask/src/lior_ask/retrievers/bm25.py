"""BM25, the baseline: words of the passage and of its context, without other passages."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.interfaces import PassageView, Question, Ranking, TermQuery
from lior_ask.index.inverted import CONTEXT
from lior_ask.question.query import analyse
from lior_ask.ranking.bm25 import Level, bm25_ranking, level, score_terms


@attrs.frozen(kw_only=True)
class Bm25:
    """BM25 with k1 = 1.5 and b = 0.75 (Robertson, Zaragoza, 2009); a context's words count half."""

    api_version: ClassVar[int] = 2

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """Return the ``top`` best passages by BM25, as a share of the maximum."""
        query = analyse(view, question)
        return bm25_ranking(view, query, score(view, query), top, "words")


def score(view: PassageView, query: TermQuery) -> np.ndarray:
    """Return BM25 of each passage, with half weight for words of its context, float64 ``(N,)`` in [0, 1]."""
    return score_terms(view, query, view.derived("levels of bm25", lambda: _levels(view)))


def _levels(view: PassageView) -> list[Level]:
    layout = view.layout
    own = level(1.0, layout.lengths, None)
    return [own, level(0.5, layout.context_lengths, layout.context_of, CONTEXT)]
