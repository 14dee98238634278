"""Words and their meaning, by vectors of words that were learned elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs
import numpy as np

from lior.ask import meaning
from lior.ask.answering import LIGHT, logistic
from lior.ask.collection import Collection
from lior.ask.meaning import Asked, Vectors
from lior.ask.ranking import best, coverage, remembered, understood
from lior.ask.words import tokens
from lior.interfaces import Ranking
from lior_plugins.retrievers.settle import Settle, judged

WORDS, NEAR_WORDS = 0.1, 0.7
"""Weights of the score of ``settle`` and of the likeness of each word, beside the cosine. Fitted, as the
numbers of the confidence, to the questions of lior_bench.questions: those tell nothing of other texts."""
LENGTH = 0.03
"""Weight of the logarithm of the number of a document's passages: documents are equally likely to be asked
about, and a long one has many passages that are near by chance."""
LIGHT_SHARE = 0.5
"""Share of the information of words such as "get" and "take"."""
CANDIDATES = 120
"""Best passages by words and cosines that are compared word by word."""
SURE = (7.3, 3.6, -2.9)
"""Logarithmic odds that a passage answers: weights of its score and of its likeness to the least covered
word, and a constant. Chosen so that few of 40 answerable questions (14 in other words) are refused, and few
of 10 others answered."""
_ALL = 1 + WORDS + NEAR_WORDS
_LEAST = 0.05
"""Score from which a passage that shares no word with the question is named."""


@attrs.frozen(kw_only=True)
class Dense:
    """The cosine of sums of word vectors, ``settle``, and the likeness of each word of the question.

    The score is the weighted mean of the cosine of the question with the passage, its context and document,
    the score of ``settle``, and the share of the question that the passage has in near words. A word that the
    vectors know is not taken for a misspelling of another one. ``settle`` alone ranks whole documents, and
    answers questions in other than Latin letters.

    The vectors are those of :func:`lior.ask.meaning.read`.

    Raises
    ------
    MissingPackage
        From the constructor, when neither is there.
    """

    api_version: ClassVar[int] = 1

    def __attrs_post_init__(self) -> None:
        meaning.read()

    def rank(self, collection: Collection, question: str, top: int) -> Ranking:
        """The ``top`` best passages; some may share no word with the question."""
        # A whole document has a word near to any: only harm was measured.
        if collection.finer is not None or not _readable(question):
            return Settle().rank(collection, question, top)
        near = _compared(collection, question, meaning.read())
        asked, candidates, alike = near.asked, near.rows, near.alike
        informations = asked.question.informations * np.where(_light(asked), LIGHT_SHARE, 1)
        covered = np.minimum(informations @ alike / max(informations.sum(), 1e-9), 1)
        scores = (near.scores + NEAR_WORDS * covered) / _ALL
        shared = coverage(collection, asked.question)[candidates] > 0
        own = scores - _likelier(collection)[candidates] / _ALL
        allowed = np.flatnonzero((shared | (own > _LEAST)) & (own > 0))
        order = allowed[np.lexsort((candidates[allowed], -scores[allowed]))][: max(top, 0)]
        return Ranking(
            passages=candidates[order],
            scores=scores[order],
            covered=covered[order],
            method=f"{near.method}, meaning",
            words=asked.question.words,
            missing=asked.question.missing,
        )

    def confidence(self, collection: Collection, question: str, row: int, score: float) -> float | None:
        """The probability that a passage answers: by its score, and whether it lacks a word."""
        if not _readable(question):
            return None
        near = _compared(collection, question, meaning.read())
        heavy = ~_light(near.asked)
        alike = near.alike[:, near.rows == row]
        if not alike.shape[1]:  # it was not ranked for this question
            alike = meaning.likest(meaning.space(collection, meaning.read()), near.asked, np.array([row]))
        least = float((alike[heavy] if heavy.any() else alike)[:, 0].min(initial=1))
        score -= _likelier(collection)[row] / _ALL
        return logistic(SURE[0] * score + SURE[1] * least + SURE[2])

    def arrays(self, collection: Collection) -> dict[str, np.ndarray]:
        """What is kept with an index, so that vectors are computed once."""
        return meaning.space(collection, meaning.read()).arrays()

    def restore(self, collection: Collection, arrays: Mapping[str, np.ndarray]) -> bool:
        """Use what :meth:`arrays` gave for the same counts; whether it is of the same vectors."""
        return meaning.restore(collection, meaning.read(), arrays)


@attrs.frozen(eq=False)
class _Near:
    """A question, and the passages that are near to it."""

    asked: Asked
    method: str
    rows: np.ndarray
    """The best ``CANDIDATES`` by words and cosines, int64 ``(K,)``."""
    scores: np.ndarray
    """Of these by words and cosines, float64 ``(K,)``."""
    alike: np.ndarray
    """Highest likeness of each word of the question to a word of each, float32 ``(W, K)``."""


@remembered
def _compared(collection: Collection, question: str, vectors: Vectors) -> _Near:
    """Computed once to rank and to judge."""
    space = meaning.space(collection, vectors)
    plain = understood(collection, question, vectors.know)
    sure = plain.owners >= 0  # what only looks like a missing word is no match for its meaning
    terms, weights, owners = plain.terms[sure], plain.weights[sure], plain.owners[sure]
    asked = meaning.asked(space, attrs.evolve(plain, terms=terms, weights=weights, owners=owners))
    words, method = judged(collection, question, asked.question)
    total = meaning.cosines(space, asked) + WORDS * words + _likelier(collection)
    rows = best(total, CANDIDATES) if asked.vectors.any() or words.any() else np.empty(0, np.int64)
    return _Near(asked, method, rows, total[rows], meaning.likest(space, asked, rows))


def _readable(question: str) -> bool:
    """Whether most words are of Latin letters: vectors know little of others."""
    words = tokens(question)
    return 2 * sum(word[0] < "\u0250" for word in words) >= len(words)


def _likelier(collection: Collection) -> np.ndarray:
    """What a passage has more than one of the longest document, float64 ``(N,)``."""

    def compute() -> np.ndarray:
        sizes = np.diff(collection.table.document_starts)
        return np.repeat(LENGTH * np.log(sizes.max(initial=1) / np.maximum(sizes, 1)), sizes)

    return collection.derived("likelier", compute)


def _light(asked: Asked) -> np.ndarray:
    """Which words of the question say little, bool ``(W,)``."""
    return np.array([word in LIGHT for word in asked.question.asked], bool)
