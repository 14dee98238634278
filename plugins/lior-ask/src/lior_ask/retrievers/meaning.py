"""A sentence encoder reads the best passages by words and by vectors of words."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import ClassVar

import attrs
import numpy as np

from lior.errors import MissingPackage
from lior.interfaces import PassageVectors, PassageView, Question, Ranking
from lior_ask.index.embedding import HINT, VARIABLE, default_embedder
from lior_ask.question.query import repair
from lior_ask.ranking import word_vectors
from lior_ask.retrievers.dense import Candidates, Dense, candidates
from lior_ask.retrievers.settle import TOPIC, documents

CANDIDATES, OTHERS, BY_WORDS = 80, 50, 20
"""Passages that the first encoder reads for a question, and the second one, which is slower; and the best by
words alone, which are read in any case."""
OF_TOPIC = 1.5
"""Weight of the score of ``settle``, as a share of the best one's, where the question describes a topic."""
TITLE = 0.3
"""What a line that only names something has less."""


@attrs.frozen(kw_only=True)
class Meaning:
    """The relatedness of question and passage by a sentence encoder, and the question's near words.

    Words and vectors of words find 100 candidates (:class:`~lior_ask.retrievers.dense.Dense`). The
    encoder reads those, and what it read is kept in the index: the ranking is the same whatever was read
    before. The score is the mean of ``(cosine − unrelated)/(related − unrelated)``, with the usual cosines of
    the encoder, and of the share of the question that the passage has in near words. This share stands in for
    the encoder, too, as far as only the question's own words tell: rare ones and dates. Where a second one is
    installed, it judges the pairs of question and passage in whose languages the first was not trained.

    For a topic, a question of at least 7 words, the score of ``settle`` counts, too. Documents are ranked by
    :func:`~lior_ask.retrievers.settle.documents`.

    An index without an embedder is ranked by :class:`~lior_ask.retrievers.dense.Dense`.

    Raises
    ------
    MissingPackage
        From the constructor, when there are no word vectors or no encoder.
    """

    api_version: ClassVar[int] = 2
    embeds: ClassVar[bool] = True

    def __attrs_post_init__(self) -> None:
        word_vectors.read()
        if not default_embedder() and os.environ.get(VARIABLE) is None:
            raise MissingPackage(f"the retriever meaning needs a sentence encoder: {HINT}, or use dense.")

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """The ``top`` best passages; some may share no word with the question."""
        vectors = (view.finer or view).vectors
        if vectors is None:
            return Dense().rank(view, question, top)
        mine = vectors.judges(question)
        if view.finer is not None:
            second = vectors.companion if 2 * mine.sum() < len(mine) else None
            return documents(view, question, top, second or vectors)
        asked = vectors.question(question.text) if mine.any() else None
        found = candidates(view, question, None if mine.all() else ~mine)
        chosen = _choose(found, mine[found.rows])
        rows, words = found.rows[chosen], found.words[chosen]
        related = _relate(vectors, question.text, rows, mine[rows], asked)
        spelled, sure = repair(question.text, found.query)
        if spelled != question.text:
            related += sure * (_relate(vectors, spelled, rows, mine[rows], None) - related)
        shares = found.shares[chosen]
        judged = (1 - found.own) * related + found.own * shares
        scores = (judged + shares - TITLE * view.layout.title[rows]) / 2
        if len(found.query.word_idf) >= TOPIC:
            scores += OF_TOPIC / 2 * words / max(words.max(initial=0), 1e-9)
        order = np.lexsort((rows, -scores))[: max(top, 0)]
        evidence = {
            "encoder": related,
            "judged": judged,
            "near words": shares,
            "least near word": found.least[chosen],
            "words": words,
            "vectors of words": found.cosines[chosen],
            "own words": found.own * shares,
        }
        return Ranking(
            passages=rows[order],
            scores=scores[order],
            recall=shares[order],
            method="words and sentence encoder",
            query=found.query,
            evidence={name: values[order] for name, values in evidence.items()},
        )


def _choose(found: Candidates, mine: np.ndarray) -> np.ndarray:
    """Numbers of the candidates that are read, ascending: ``mine`` by the first encoder, bool ``(C,)``."""
    own = np.cumsum(mine) <= CANDIDATES
    other = np.cumsum(~mine) <= OTHERS
    rank = np.empty(len(mine), np.int64)
    rank[np.argsort(-found.words, kind="stable")] = np.arange(len(mine))
    by_words = (rank < BY_WORDS) & (found.words > 0)
    return np.flatnonzero(by_words | np.where(mine, own, other))


def _relate(
    vectors: PassageVectors, text: str, rows: np.ndarray, mine: np.ndarray, asked: Future[np.ndarray] | None
) -> np.ndarray:
    """Relatedness of a question to passages, 0 where they are unrelated and 1 where one answers, float64."""
    out = np.zeros(len(rows))
    for store, judged in ((vectors, mine), (vectors.companion, ~mine)):
        if store is not None and judged.any():
            vector = (asked if store is vectors and asked else store.question(text)).result()
            low, high = store.embedder.unrelated, store.embedder.related
            out[judged] = (store.cosines(rows[judged], vector) - low) / (high - low)
    return out
