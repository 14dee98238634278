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

CANDIDATES, BY_WORDS = 80, 20
"""Passages that the encoder reads for a question, and the best by words, which are read in any case."""
NEAREST = 40
"""Passages nearest to the question by the encoder alone, where it has read all."""
LISTED = 20
"""Where more passages are asked for, as a judge does, half of them are the best by the encoder alone."""
FEW, MOST = 400, 10_000
"""Passages that are read at once so that it has, and the most that it compares."""
OF_TOPIC = 1.5
"""Weight of the score of ``settle``, as a share of the best one's, where the question describes a topic."""
TITLE = 0.3
"""What a line that only names something has less."""


@attrs.frozen(kw_only=True)
class Meaning:
    """The relatedness of question and passage by a sentence encoder, and the question's near words.

    Words and vectors of words find 100 candidates (:class:`~lior_ask.retrievers.dense.Dense`). The
    encoder reads those, and what it read is kept in the index. Where it has read all passages, or lacks at
    most :data:`FEW`, which it reads then, those nearest to the question are candidates, too, whatever words
    they have. An index of more than :data:`MOST` passages is not compared with as a whole. The ranking does
    not depend on what else was read before.

    The score is the mean of ``(cosine − unrelated)/(related − unrelated)``, with the usual cosines of
    the encoder, and of the share of the question that the passage has in near words. This share stands in for
    the encoder, too, as far as only the question's own words tell: rare ones and dates.

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
        if view.finer is not None:
            return documents(view, question, top, vectors)
        asked = vectors.question(question.text)
        nearest = _find_nearest(view, vectors, asked)
        found = candidates(view, question, nearest)
        chosen = _choose(found) if nearest is None else np.arange(len(found.rows))
        rows, words = found.rows[chosen], found.words[chosen]
        related = _relate(vectors, rows, asked)
        spelled, sure = repair(question.text, found.query)
        if spelled != question.text:
            related += sure * (_relate(vectors, rows, vectors.question(spelled)) - related)
        shares = found.shares[chosen]
        judged = (1 - found.own) * related + found.own * shares
        scores = (judged + shares - TITLE * view.layout.title[rows]) / 2
        if len(found.query.word_idf) >= TOPIC:
            scores += OF_TOPIC / 2 * words / max(words.max(initial=0), 1e-9)
        order = np.lexsort((rows, -scores))
        if nearest is not None and top > LISTED:
            order = order[_merge(_ranks(rows, scores), _ranks(rows, related), top)[order]]
        order = order[: max(top, 0)]
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


def _find_nearest(view: PassageView, vectors: PassageVectors, asked: Future[np.ndarray]) -> np.ndarray | None:
    """The :data:`NEAREST` passages of all, int64; ``None`` where too many are not read."""
    rows = np.arange(len(view)) if view.allowed is None else np.flatnonzero(view.allowed)
    if not 0 < len(rows) <= MOST:
        return None
    if vectors.lacking(rows) > FEW:
        return None
    return rows[_ranks(rows, _relate(vectors, rows, asked)) < NEAREST]


def _ranks(rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How many passages are better than each, int64 ``(C,)``; of equal ones the first is."""
    found = np.empty(len(rows), np.int64)
    found[np.lexsort((rows, -scores))] = np.arange(len(rows))
    return found


def _merge(one: np.ndarray, other: np.ndarray, top: int) -> np.ndarray:
    """Which passages are the ``top`` best by either of two ranks, bool ``(C,)``."""
    found = np.zeros(len(one), bool)
    found[np.lexsort((one, np.minimum(one, other)))[: max(top, 0)]] = True
    return found


def _choose(found: Candidates) -> np.ndarray:
    """Numbers of the candidates that are read, ascending."""
    numbers = np.arange(len(found.rows))
    by_words = (_ranks(numbers, found.words) < BY_WORDS) & (found.words > 0)
    return np.flatnonzero(by_words | (numbers < CANDIDATES))


def _relate(vectors: PassageVectors, rows: np.ndarray, asked: Future[np.ndarray]) -> np.ndarray:
    """Relatedness of a question to passages, 0 where they are unrelated and 1 where one answers, float64."""
    low, high = vectors.embedder.unrelated, vectors.embedder.related
    found: np.ndarray = vectors.cosines(rows, asked.result()).astype(np.float64)
    return (found - low) / (high - low)
