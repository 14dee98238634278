"""Words and their meaning, by vectors of words that were learned elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

import attrs
import numpy as np

from lior.ask import meaning
from lior.ask.answering import LIGHT, logistic, named, probed
from lior.ask.collection import Collection
from lior.ask.interfaces import Ranking
from lior.ask.meaning import Asked, Space, Vectors
from lior.ask.ranking import Question, best, coverage, understood
from lior.ask.words import ENGLISH, language_of, tokens
from lior.config.options import option
from lior_plugins.retrievers.settle import Settle, judged

LIGHT_SHARE = 0.5
"""Share of the information of words such as "get" and "take"."""
COSINES, NEAR_WORDS = 2.25, 1.5
"""Weights of the two comparisons by meaning beside the score of ``settle``. Chosen on three tasks made from
documentation (summary lines of manuals and docstrings to their text, messages to their explanations) and on
the questions of tests/ask/meaning, which therefore tell nothing of other texts."""
CANDIDATES = 300
"""Best passages by words and cosines that are compared word by word."""
_LEAST = 0.05
"""Score from which a passage that shares no word with the question is named."""


@attrs.frozen(kw_only=True)
class Dense:
    """``settle``, cosines of sums of word vectors, and the likeness of each word of the question.

    The score is the weighted mean of that of ``settle``, the cosines of the question with the passage, its
    paragraph, context and document, and the share of the question that the passage has in near words. A word
    that the vectors know is not taken for a misspelling of another one. Whole documents are ranked by
    ``settle`` alone.

    The vectors are those of the package ``wordllama``, or of a file of text as word2vec, GloVe and fastText
    write it.

    Raises
    ------
    MissingPackage
        From the constructor, when neither is there.
    """

    api_version: ClassVar[int] = 1

    vectors: str = option(
        "", help="file of word vectors in text format; the variable LIOR_VECTORS, then wordllama if not given"
    )

    def __attrs_post_init__(self) -> None:
        self._vectors()

    def _vectors(self) -> Vectors:
        path = self.vectors or os.environ.get(meaning.VARIABLE, "")
        return meaning.from_file(path) if path else meaning.wordllama()

    def rank(self, collection: Collection, question: str, top: int) -> Ranking:
        """The ``top`` best passages; some may share no word with the question."""
        if collection.finer is not None:  # a long text has a word near to any: only harm was measured
            return Settle().rank(collection, question, top)
        asked = self.understood(collection, question)
        words, method = judged(collection, question, asked.question)
        near = meaning.cosines(self.space(collection), asked)
        total = words + COSINES * near
        candidates = best(total, CANDIDATES) if asked.vectors.any() or words.any() else np.empty(0, np.int64)
        covered = meaning.covered(self.space(collection), asked, candidates)
        scores = (total[candidates] + NEAR_WORDS * covered) / (1 + COSINES + NEAR_WORDS)
        shared = coverage(collection, asked.question)[candidates] > 0
        allowed = np.flatnonzero((shared | (scores > _LEAST)) & (scores > 0))
        order = allowed[np.lexsort((candidates[allowed], -scores[allowed]))][: max(top, 0)]
        return Ranking(
            passages=candidates[order],
            scores=scores[order],
            covered=covered[order],
            method=f"{method}, meaning",
            words=asked.question.words,
            missing=asked.question.missing,
        )

    def space(self, collection: Collection) -> Space:
        """The vectors of a collection."""
        return meaning.space(collection, self._vectors())

    def understood(self, collection: Collection, question: str) -> Asked:
        """A question by its words and their meaning."""
        vectors = self._vectors()
        plain = understood(collection, question, lambda word: bool(vectors.of([word])[1][0] == 1))
        sure = plain.owners >= 0  # what only looks like a missing word is no match for its meaning
        plain = attrs.evolve(
            plain, terms=plain.terms[sure], weights=plain.weights[sure], owners=plain.owners[sure]
        )
        return meaning.asked(self.space(collection), _lightened(plain, question), plain.asked)

    def confidence(self, collection: Collection, question: str) -> float:
        """The probability that the text answers, by the evidence and that for questions on anything."""
        slope, middle = self._limits(collection)
        return logistic(slope * (self._evidence(collection, question) - middle))

    def _limits(self, collection: Collection) -> np.ndarray:
        key = ("answering by meaning", self._vectors().source)
        return collection.derived(key, lambda: probed(lambda probe: self._evidence(collection, probe)))

    def _evidence(self, collection: Collection, question: str) -> float:
        asked, names = self.understood(collection, question), named(question)
        words = asked.question
        lacks = [word in names and word in words.missing for word in words.asked]
        heavier = np.where(lacks, words.informations * 2, words.informations)
        return meaning.evidence(
            self.space(collection), attrs.evolve(asked, question=attrs.evolve(words, informations=heavier))
        )

    def arrays(self, collection: Collection) -> dict[str, np.ndarray]:
        """What is kept with an index, so that vectors are computed once."""
        return {**self.space(collection).arrays(), "limits": self._limits(collection)}

    def restore(self, collection: Collection, arrays: Mapping[str, np.ndarray]) -> bool:
        """Use what :meth:`arrays` gave for the same counts; whether it is of the same vectors."""
        vectors, limits = self._vectors(), arrays["limits"]
        if limits.shape != (2,) or not np.isfinite(limits).all():
            raise ValueError("the calibration is damaged")
        if not meaning.restore(collection, vectors, arrays):
            return False
        collection.derived(("answering by meaning", vectors.source), lambda: limits)
        return True


def _lightened(plain: Question, question: str) -> Question:
    """``plain`` with less of the words that say little."""
    if language_of(tokens(question), least=1) != ENGLISH or not plain.asked:
        return plain
    shares = np.array([LIGHT_SHARE if word in LIGHT else 1.0 for word in plain.asked])
    weights = plain.weights * np.where(plain.owners >= 0, shares[plain.owners], 1)
    return attrs.evolve(plain, weights=weights, informations=plain.informations * shares)
