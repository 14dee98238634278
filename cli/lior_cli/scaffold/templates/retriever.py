"""Passages by the share of the question's information that they have, short ones first."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.ask.collection import Collection
from lior.ask.ranking import coverage, ranking, understood
from lior.config.options import option
from lior.interfaces import Ranking


@attrs.frozen(kw_only=True)
class Mine:
    """Coverage ``/ (1 + brevity · ln(1 + words))``: rare words count most, long passages less."""

    api_version: ClassVar[int] = 1

    brevity: float = option(0.1, help="how much short passages are preferred", low=0)

    def rank(self, collection: Collection, question: str, top: int) -> Ranking:
        """The ``top`` best passages; fewer when fewer share a word with the question."""
        asked = understood(collection, question)  # its words, repaired, as terms of the collection
        # What depends on the counts alone is computed once and dropped with the next change of the text.
        words = collection.derived("words", lambda: collection.table.text.totals(len(collection)))
        scores = coverage(collection, asked) / (1 + self.brevity * np.log1p(words))
        return ranking(collection, asked, scores, top, "coverage")
