"""Words and their meaning, by vectors of words that were learned elsewhere."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.interfaces import PassageView, Question, Ranking, TermQuery
from lior_ask.arrays import best, unique
from lior_ask.question.query import analyse
from lior_ask.question.question import LIGHT
from lior_ask.ranking import word_vectors
from lior_ask.ranking.bm25 import recall
from lior_ask.ranking.word_vectors import Asked, VectorSpace
from lior_ask.retrievers.settle import Settle, score

WORDS, NEAR_WORDS = 0.1, 0.7
"""Weights of the score of ``settle`` and of the likeness of each word, beside the cosine. Fitted, as the
numbers of the confidence, to the questions of lior_bench.questions: those tell nothing of other texts."""
EXACT = 0.5
"""Weight of the score of ``settle`` where the question has information that only its own words have."""
LENGTH = 0.03
"""Weight of the logarithm of the number of a document's passages: documents are equally likely to be asked
about, and a long one has many passages that are near by chance."""
LIGHT_SHARE = 0.5
"""Share of the information of words such as "get" and "take"."""
CANDIDATES = 120
"""Best passages by words and cosines that are compared word by word."""
_ALL = 1 + WORDS + NEAR_WORDS
_LEAST = 0.05
"""Score from which a passage that shares no word with the question is named."""


@attrs.frozen(kw_only=True)
class Dense:
    """The cosine of sums of word vectors, ``settle``, and the likeness of each word of the question.

    The score is the weighted mean of the cosine of the question with the passage, its context and document,
    the score of ``settle``, and the share of the question that the passage has in near words. A word that the
    vectors know is not taken for a misspelling of one with another meaning. ``settle`` alone ranks whole
    documents, and answers questions in other than Latin letters.

    The vectors are those of :func:`lior_ask.ranking.word_vectors.read`.

    Raises
    ------
    MissingPackage
        From the constructor, when neither is there.
    """

    api_version: ClassVar[int] = 2

    def __attrs_post_init__(self) -> None:
        word_vectors.read()

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """The ``top`` best passages; some may share no word with the question."""
        # A whole document has a word near to any: only harm was measured.
        if view.finer is not None or not question.latin:
            return Settle().rank(view, question, top)
        found = candidates(view, question)
        rows, likelier = found.rows, _likelier(view)[found.rows] / _ALL
        shared = recall(view, found.asked.query)[rows] > 0
        own = found.scores - likelier
        allowed = np.flatnonzero((shared | (own > _LEAST)) & (own > 0))[: max(top, 0)]
        return Ranking(
            passages=rows[allowed],
            scores=found.scores[allowed],
            recall=found.shares[allowed],
            method=f"{found.method}, meaning",
            evidence={
                "vectors of words": found.cosines[allowed],
                "near words": found.shares[allowed],
                "least near word": found.least[allowed],
                "words": found.words[allowed],
            },
            query=found.query,
        )


@attrs.frozen(eq=False)
class Candidates:
    """The best passages by words, the best by vectors, and what tells of each."""

    query: TermQuery
    asked: Asked
    rows: np.ndarray
    """Passages, by their scores, best first, int64 ``(C,)``."""
    cosines: np.ndarray
    """Cosine with the question, float64 ``(C,)``."""
    words: np.ndarray
    """Score of ``settle``, float64 ``(C,)`` in [0, 1]."""
    shares: np.ndarray
    """Share of the question that each passage has in near words, float64 ``(C,)`` in [0, 1]."""
    least: np.ndarray
    """Likeness of the word of the question that each passage has least of, float64 ``(C,)`` in [0, 1]."""
    scores: np.ndarray
    """Score of ``dense``, float64 ``(C,)``."""
    own: float
    """Share of the question that only its own words tell, in [0, 1]: rare ones, and dates."""
    method: str


def candidates(view: PassageView, question: Question, nearest: np.ndarray | None = None) -> Candidates:
    """At most twice ``CANDIDATES`` passages: a word that the vectors misjudge finds its passages, too.

    An index with so few has all. Those that are known to be ``nearest``, int64, are in any case.
    """
    vectors = word_vectors.read()
    space, query = word_vectors.space(view, vectors), analyse(view, question, vectors.misspelt)
    asked = _ask(space, query)
    words, method = score(view, question, asked.query)
    cosines = word_vectors.cosines(space, asked)
    told = query.word_idf * np.where(_light(query), LIGHT_SHARE, 1)
    told /= max(told.sum(), 1e-9)
    own = float(told @ asked.own)
    total = cosines + (WORDS + EXACT * own) * words + _likelier(view)
    every = np.ones(len(view), bool) if view.allowed is None else view.allowed
    few = [_among(every, total), _among(every, words)]
    rows = unique(np.concatenate(few))
    rows = rows if asked.whole.any() or words.any() else rows[:0]
    rows = rows if nearest is None else unique(np.concatenate([rows, nearest]))
    likest = word_vectors.likest(space, asked.worth, rows)
    shares, heavy = np.minimum(told @ likest, 1), told >= 0.5 * told.max(initial=0)
    least = likest[heavy].min(0, initial=1).astype(np.float64)
    scores = (total[rows] + NEAR_WORDS * shares) / _ALL
    order = np.lexsort((rows, -scores))
    rows, shares, least, scores = (each[order] for each in (rows, shares, least, scores))
    return Candidates(query, asked, rows, cosines[rows], words[rows], shares, least, scores, own, method)


def _among(rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The best of ``rows``, bool ``(N,)``, by their scores."""
    return best(np.where(rows, scores, -np.inf), min(CANDIDATES, int(rows.sum())))


def _ask(space: VectorSpace, query: TermQuery) -> Asked:
    """A question by the meaning of its words; what only looks like a missing word is no match for it."""
    return word_vectors.asked(space, query.select(query.owners >= 0))


def _likelier(view: PassageView) -> np.ndarray:
    """What a passage has more than one of the longest document, float64 ``(N,)``."""

    def compute() -> np.ndarray:
        sizes = np.diff(view.layout.starts)
        return np.repeat(LENGTH * np.log(sizes.max(initial=1) / np.maximum(sizes, 1)), sizes)

    return view.derived("likelier", compute)


def _light(query: TermQuery) -> np.ndarray:
    """Which words of the question say little, bool ``(W,)``."""
    return np.array([word in LIGHT for word in query.asked], bool)
