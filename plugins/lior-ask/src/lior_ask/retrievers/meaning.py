"""A retriever with a sentence encoder that compares the question with all passages or with the best ones."""

from __future__ import annotations

from concurrent.futures import Future
from typing import ClassVar

import attrs
import numpy as np

from lior.interfaces import PassageVectors, PassageView, Question, Ranking
from lior_ask.arrays import best, unique
from lior_ask.embedders import bags, e5, regression
from lior_ask.index.embedding import reading
from lior_ask.judging.features import read_rows
from lior_ask.question.query import analyse, repair
from lior_ask.ranking.bm25 import recall
from lior_ask.retrievers.settle import Settle, documents, score

BY_WORDS, NEAREST = 40, 40
"""Number of candidates: the best by words, and the nearest of all if the encoder has read all passages."""
BY_BAGS = 80
"""Number of candidates nearest by bags of word pieces, if the encoder has not read all."""
READ, TOKENS = 24, 900
"""Maximum number of these candidates that are encoded, and of their tokens: some .7 s of CPU time."""
LISTED = 20
"""Maximum number of passages by score alone; more, as for a judge, are the best by score or by encoder."""
FEW = 400
"""Maximum number of missing passages that are read at once, if they fit into :data:`BUDGET`."""
BUDGET = 9_600
"""Maximum number of tokens of the passages that are read at once.

A token takes .7 ms of CPU time (AMD EPYC), so the maximum is 7 s. Measured: 9,566 tokens for the
first question about 55 notes, all of which are encoded, and 5,000 to 11,000 about the pages of this project.
"""
WITH_WORDS = 0.2
"""Weight of the score by words for the candidates nearest by prediction. In four manuals, answers in other
words than the question then rank 61st and not 66th, in its words 1.4th and not 2.2nd (geometric mean)."""
TITLE = 0.3
"""Penalty of a line that only names something."""


@attrs.frozen(kw_only=True)
class Meaning:
    """A retriever by relatedness to the question, from a sentence encoder, and by the share of its words.

    Candidates are the best passages by ``settle``, and those nearest to the question, whatever their words.
    The encoder determines the nearest ones if it has read all passages, or if at most :data:`FEW` are
    missing, which it then reads. Otherwise its cosines are estimated, in a large index from a sample that
    was read (:mod:`lior_ask.embedders.regression`), else by bags of word pieces
    (:mod:`lior_ask.embedders.bags`), and it reads the :data:`READ` candidates with the highest score by
    words and estimate; the others keep the estimate. In a large index the beginnings of documents help to
    find candidates, too, if they were read. The vectors are stored in the index. Other stored vectors do not
    change the result.

    The score is the mean of two numbers. One is ``(cosine − unrelated)/(related − unrelated)``, with the
    usual cosines of the encoder. The other is the share of the question's words that the passage has.
    :func:`~lior_ask.retrievers.settle.documents` ranks documents.

    An index without an embedder is ranked by :class:`~lior_ask.retrievers.settle.Settle`.
    """

    api_version: ClassVar[int] = 2
    embeds: ClassVar[bool] = True

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """Return the ``top`` best passages; some may share no word with the question."""
        vectors = (view.finer or view).vectors
        if vectors is None:
            return Settle().rank(view, question, top)
        if view.finer is not None:
            return documents(view, question, top, vectors)
        asked, query = vectors.question(question.text), analyse(view, question)
        by_words, _ = score(view, question, query)
        nearest, estimates = _find_nearest(view, vectors, asked), None
        if nearest is None:
            if known := regression.learned(view, vectors):
                estimates = regression.cosines(known, query, asked.result())
                near = estimates + WITH_WORDS * by_words
            else:
                near = bags.cosines(view, question)
                estimates = bags.as_encoder(near)
            beginnings = vectors.beginnings(asked.result())
            if beginnings is not None:
                near = near + beginnings[view.layout.document_of]
            nearest = _best(view, near, BY_BAGS, 0)
        rows = unique(np.concatenate([_best(view, by_words, BY_WORDS, 0), nearest]))
        words, shares = by_words[rows], recall(view, query)[rows]
        related, read = np.zeros(len(rows)), np.ones(len(rows), bool)
        evidence = {"encoder": related, "words": words}
        if estimates is not None:
            evidence["estimate"] = estimates[rows]
            related[:] = _scale(vectors, estimates[rows])
            likely = rows[np.argsort(-related - shares, kind="stable")]
            read = np.isin(rows, _affordable(view, vectors, likely[:READ], TOKENS))
        related[read] = _relate(vectors, rows[read], asked)
        if (spelled := repair(question.text, query)) != question.text:
            again = _relate(vectors, rows[read], vectors.question(spelled))
            related[read] = np.maximum(related[read], again)
        scores = (related + shares - TITLE * view.layout.title[rows]) / 2
        order = np.lexsort((rows, -scores))
        if top > LISTED:
            order = order[_merge(_ranks(rows, scores), _ranks(rows, related), top)[order]]
        order = order[: max(top, 0)]
        return Ranking(
            passages=rows[order],
            scores=scores[order],
            recall=shares[order],
            method="words and sentence encoder",
            query=query,
            evidence={name: values[order] for name, values in evidence.items()},
        )


def _best(view: PassageView, scores: np.ndarray, count: int, above: float) -> np.ndarray:
    """Return the best allowed passages with scores above a threshold, int64."""
    allowed = scores > above if view.allowed is None else (scores > above) & view.allowed
    return best(np.where(allowed, scores, -np.inf), min(count, int(allowed.sum())))


def _find_nearest(view: PassageView, vectors: PassageVectors, asked: Future[np.ndarray]) -> np.ndarray | None:
    """Return the :data:`NEAREST` passages of all, int64, or ``None`` if too many are not read."""
    rows = np.arange(len(view)) if view.allowed is None else np.flatnonzero(view.allowed)
    unread = vectors.lacking(rows)
    if not len(rows) or len(unread) > FEW or len(_affordable(view, vectors, unread, BUDGET)) < len(unread):
        return None
    return rows[_ranks(rows, _relate(vectors, rows, asked)) < NEAREST]


def _affordable(view: PassageView, vectors: PassageVectors, rows: np.ndarray, budget: int) -> np.ndarray:
    """Return the passages whose tokens fit into a budget together, int64; the first take precedence.

    A passage counts whether it was encoded before or not: the outcome depends on the passages alone. Where
    reading took the time, files may be read in part and the answer is not final: a quarter will do.
    """
    order = np.argsort(rows)
    texts = [*map(reading, read_rows(view, rows[order]))]
    tokens, left, found = np.empty(len(rows), np.int64), budget // (4 if vectors.hurried else 1), list[int]()
    tokens[order] = e5.count_tokens(texts)
    for row, size in zip(rows.tolist(), tokens.tolist(), strict=True):
        if size <= left:
            found.append(row)
            left -= size
    return np.array(found, np.int64)


def _ranks(rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the rank of each passage from 0, int64 ``(C,)``; ties by row."""
    found = np.empty(len(rows), np.int64)
    found[np.lexsort((rows, -scores))] = np.arange(len(rows))
    return found


def _merge(one: np.ndarray, other: np.ndarray, top: int) -> np.ndarray:
    """Return whether each passage is among the ``top`` best by the better of two ranks, bool ``(C,)``."""
    found = np.zeros(len(one), bool)
    found[np.lexsort((one, np.minimum(one, other)))[: max(top, 0)]] = True
    return found


def _relate(vectors: PassageVectors, rows: np.ndarray, asked: Future[np.ndarray]) -> np.ndarray:
    """Return the relatedness of a question to passages, about 0 if unrelated and 1 for an answer, float64."""
    return _scale(vectors, vectors.cosines(rows, asked.result()))


def _scale(vectors: PassageVectors, cosines: np.ndarray) -> np.ndarray:
    """Return the relatedness that cosines of the encoder stand for, float64."""
    low, high = vectors.embedder.unrelated, vectors.embedder.related
    found: np.ndarray = (cosines.astype(np.float64) - low) / (high - low)
    return found
