"""A retriever with a sentence encoder that compares the question with all passages or with the best ones."""

from __future__ import annotations

from concurrent.futures import Future
from typing import ClassVar

import attrs
import numpy as np

from lior.interfaces import PassageVectors, PassageView, Question, Ranking
from lior_ask.arrays import best, unique
from lior_ask.embedders import bags, e5
from lior_ask.index.embedding import reading
from lior_ask.judging.features import read_rows
from lior_ask.question.query import analyse, repair
from lior_ask.ranking.bm25 import recall
from lior_ask.retrievers.settle import Settle, documents, score

BY_WORDS, NEAREST = 40, 40
"""Number of candidates: the best by words, and the nearest of all if the encoder has read all passages."""
BY_BAGS = 120
"""Number of candidates nearest by bags of word pieces, if the encoder has not read all."""
LISTED = 20
"""Maximum number of passages by score alone; more, as for a judge, are the best by score or by encoder."""
FEW = 400
"""Maximum number of missing passages that are read at once, if they fit into :data:`BUDGET`."""
BUDGET = 9_600
"""Maximum number of tokens of the passages that are encoded for one question; the others are ranked by words.

A token takes .7 ms of CPU time (AMD EPYC), so the maximum is 7 s. Measured: 9,566 tokens for the
first question about 55 notes, all of which are encoded, and 5,000 to 11,000 about the pages of this project.
"""
TITLE = 0.3
"""Penalty of a line that only names something."""


@attrs.frozen(kw_only=True)
class Meaning:
    """A retriever by relatedness to the question, from a sentence encoder, and by the share of its words.

    Candidates are the best passages by ``settle``, and those nearest to the question, whatever their words.
    The encoder determines the nearest ones if it has read all passages, or if at most :data:`FEW` are
    missing, which it then reads. Otherwise bags of word pieces determine them
    (:mod:`lior_ask.embedders.bags`); in a large index the beginnings of documents count, too, if they were
    read. The encoder reads the candidates, and their vectors are stored in the index. Other stored vectors do
    not change the result. Candidates beyond :data:`BUDGET` only have the share of words.

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
        nearest = _find_nearest(view, vectors, asked)
        others = _nearest_by_bags(view, vectors, question, asked) if nearest is None else nearest
        first = _best(view, by_words, BY_WORDS, 0)
        rows = unique(np.concatenate([first, others]))
        words, shares = by_words[rows], recall(view, query)[rows]
        read = rows >= 0
        if nearest is None:
            read = np.isin(rows, _affordable(view, vectors, _in_turn(first, others)))
        related = np.zeros(len(rows))
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
            evidence={"encoder": related[order], "words": words[order]},
        )


def _best(view: PassageView, scores: np.ndarray, count: int, above: float) -> np.ndarray:
    """Return the best allowed passages with scores above a threshold, int64."""
    allowed = scores > above if view.allowed is None else (scores > above) & view.allowed
    return best(np.where(allowed, scores, -np.inf), min(count, int(allowed.sum())))


def _find_nearest(view: PassageView, vectors: PassageVectors, asked: Future[np.ndarray]) -> np.ndarray | None:
    """Return the :data:`NEAREST` passages of all, int64, or ``None`` if too many are not read."""
    rows = np.arange(len(view)) if view.allowed is None else np.flatnonzero(view.allowed)
    unread = vectors.lacking(rows)
    if not len(rows) or len(unread) > FEW or len(_affordable(view, vectors, unread)) < len(unread):
        return None
    return rows[_ranks(rows, _relate(vectors, rows, asked)) < NEAREST]


def _in_turn(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the rows of two lists in turn, each once, int64."""
    place = np.concatenate([np.arange(len(one)), np.arange(len(other))])
    rows = np.concatenate([one, other])[np.argsort(place, kind="stable")]
    return rows[np.sort(np.unique(rows, return_index=True)[1])]


def _affordable(view: PassageView, vectors: PassageVectors, rows: np.ndarray) -> np.ndarray:
    """Return the passages whose tokens fit into :data:`BUDGET` together, int64; the first take precedence.

    A passage counts whether it was encoded before or not: the outcome depends on the passages alone. Where
    reading took the time, files may be read in part and the answer is not final: a quarter will do.
    """
    order = np.argsort(rows)
    texts = [*map(reading, read_rows(view, rows[order]))]
    tokens, left, found = np.empty(len(rows), np.int64), BUDGET // (4 if vectors.hurried else 1), list[int]()
    tokens[order] = e5.count_tokens(texts)
    for row, size in zip(rows.tolist(), tokens.tolist(), strict=True):
        if size <= left:
            found.append(row)
            left -= size
    return np.array(found, np.int64)


def _nearest_by_bags(
    view: PassageView, vectors: PassageVectors, question: Question, asked: Future[np.ndarray]
) -> np.ndarray:
    """Return the :data:`BY_BAGS` passages nearest by bags and by the beginnings of their documents, int64."""
    near, documents = bags.cosines(view, question), vectors.beginnings(asked.result())
    if documents is not None:
        near = near + documents[view.layout.document_of]
    return _best(view, near, BY_BAGS, 0)


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
    low, high = vectors.embedder.unrelated, vectors.embedder.related
    found: np.ndarray = vectors.cosines(rows, asked.result()).astype(np.float64)
    return (found - low) / (high - low)
