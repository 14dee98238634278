"""The candidate with most of the question's words, answered where it has enough of them."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.config import option
from lior.interfaces import Candidates, Question
from lior_ask import NAMES


@attrs.frozen(kw_only=True)
class Mine:
    """Share of the question that a passage has, in its text or its headings."""

    api_version: ClassVar[int] = 1

    enough: float = option(0.6, help="share of the question that an answer has", low=0, high=1)

    def scores(self, question: Question, candidates: Candidates) -> np.ndarray:
        """How well each candidate answers, float64 ``(C,)``."""
        has = candidates.features[:, [NAMES.index("text"), NAMES.index("heading")]]
        scores: np.ndarray = has.sum(1) - candidates.features[:, NAMES.index("silent")]
        return scores

    def confidence(self, question: Question, candidates: Candidates, scores: np.ndarray) -> float:
        """The share of the best one."""
        return float(np.clip(scores.max(), 0, 1))

    def least(self, candidates: Candidates) -> float:
        """The share from which on an answer is given."""
        return self.enough
