"""Passages by the weighted recall of the question's terms, short ones first."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.config import option
from lior.interfaces import PassageView, Question, Ranking
from lior_ask import analyse, bm25_ranking, recall


@attrs.frozen(kw_only=True)
class Mine:
    """Recall ``/ (1 + brevity · ln(1 + words))``: rare words count most, long passages less."""

    api_version: ClassVar[int] = 2

    brevity: float = option(0.1, help="how much short passages are preferred", low=0)

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """The ``top`` best passages; fewer when fewer share a word with the question."""
        query = analyse(view, question)  # its words, corrected, as terms of the view
        scores = recall(view, query) / (1 + self.brevity * np.log1p(view.layout.lengths))
        return bm25_ranking(view, query, scores, top, "recall")
