"""BM25, the plain control: words of the passage and of its context, no repair of order by other passages."""

from __future__ import annotations

from typing import ClassVar

import attrs

from lior.ask.collection import Collection
from lior.ask.ranking import Level, contexts, level, ranking, scored, understood
from lior.interfaces import Ranking


@attrs.frozen(kw_only=True)
class Bm25:
    """BM25 with k1 = 1.5 and b = 0.75 (Robertson, Zaragoza, 2009); a context's words count half."""

    api_version: ClassVar[int] = 1

    def rank(self, collection: Collection, question: str, top: int) -> Ranking:
        """The ``top`` best passages by BM25, as a share of what is possible."""
        asked = understood(collection, question)
        levels = collection.derived("levels of bm25", lambda: _levels(collection))
        scores = scored(collection, asked, levels)
        return ranking(collection, asked, scores, top, "words")


def _levels(collection: Collection) -> list[Level]:
    table = collection.table
    own = level(1.0, table.text, len(collection), None, None)
    above = level(0.5, table.context, int(table.context_starts[-1]), contexts(collection), None)
    return [own, above]
