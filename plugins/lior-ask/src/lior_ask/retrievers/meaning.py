"""A sentence encoder compares the question with all passages, or with the best by words."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import ClassVar

import attrs
import numpy as np

from lior.errors import MissingPackage
from lior.interfaces import PassageVectors, PassageView, Question, Ranking
from lior_ask.arrays import best, unique
from lior_ask.embedders import bags, e5
from lior_ask.index.embedding import HINT, VARIABLE, default_embedder, reading
from lior_ask.judging.features import read_rows
from lior_ask.question.query import analyse, repair
from lior_ask.ranking.bm25 import recall
from lior_ask.retrievers.settle import Settle, documents, score

BY_WORDS, NEAREST = 40, 40
"""Passages that are compared: the best by words, and the nearest of all where the encoder has read all."""
BY_BAGS = 120
"""Those nearest by their bags of word pieces, where it has not."""
LISTED = 20
"""Where more passages are asked for, as a judge does, half of them are the best by the encoder alone."""
FEW = 400
"""Passages that are read at once so that it has, if they fit into :data:`BUDGET`."""
BUDGET = 9_600
"""Maximum number of tokens of the passages that are encoded for one question; the others are ranked by words.

A token takes .7 ms of CPU time (AMD EPYC), so that they take 7 s at most. Measured: 9,566 tokens for the
first question about 55 notes, all of which are encoded, and 5,000 to 11,000 about the pages of this project.
"""
TITLE = 0.3
"""What a line that only names something has less."""


@attrs.frozen(kw_only=True)
class Meaning:
    """The relatedness of question and passage by a sentence encoder, and the share of the question's words.

    Candidates are the best passages by ``settle``, and those nearest to the question, whatever words they
    have: by the encoder, where it has read all passages or lacks at most :data:`FEW`, which it reads then;
    else by bags of word pieces (:mod:`lior_ask.embedders.bags`), and in a large index whose documents'
    beginnings it has read, by these, too. The encoder reads the candidates, and what it read is kept in the
    index. What else was read before changes nothing. Candidates beyond :data:`BUDGET` have the share of words
    alone.

    The score is the mean of ``(cosine − unrelated)/(related − unrelated)``, with the usual cosines of
    the encoder, and of the share of the question's words that the passage has. Documents are ranked by
    :func:`~lior_ask.retrievers.settle.documents`.

    An index without an embedder is ranked by :class:`~lior_ask.retrievers.settle.Settle`.

    Raises
    ------
    MissingPackage
        From the constructor, when there is no encoder.
    """

    api_version: ClassVar[int] = 2
    embeds: ClassVar[bool] = True

    def __attrs_post_init__(self) -> None:
        if not default_embedder() and os.environ.get(VARIABLE) is None:
            raise MissingPackage(f"the retriever meaning needs a sentence encoder: {HINT}, or use settle.")

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """The ``top`` best passages; some may share no word with the question."""
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
    """The best allowed passages with scores above a bound, int64."""
    allowed = scores > above if view.allowed is None else (scores > above) & view.allowed
    return best(np.where(allowed, scores, -np.inf), min(count, int(allowed.sum())))


def _find_nearest(view: PassageView, vectors: PassageVectors, asked: Future[np.ndarray]) -> np.ndarray | None:
    """The :data:`NEAREST` passages of all, int64; ``None`` where too many are not read."""
    rows = np.arange(len(view)) if view.allowed is None else np.flatnonzero(view.allowed)
    unread = vectors.lacking(rows)
    if not len(rows) or len(unread) > FEW or len(_affordable(view, vectors, unread)) < len(unread):
        return None
    return rows[_ranks(rows, _relate(vectors, rows, asked)) < NEAREST]


def _in_turn(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The rows of two lists in turn, each once, int64."""
    place = np.concatenate([np.arange(len(one)), np.arange(len(other))])
    rows = np.concatenate([one, other])[np.argsort(place, kind="stable")]
    return rows[np.sort(np.unique(rows, return_index=True)[1])]


def _affordable(view: PassageView, vectors: PassageVectors, rows: np.ndarray) -> np.ndarray:
    """Return the passages whose tokens fit into :data:`BUDGET` together, int64; the first take precedence.

    A passage counts whether it was encoded before or not: the outcome depends on the passages alone. Where
    reading took the time, files may be read in part and the answer is not final: half of the budget will do.
    """
    order = np.argsort(rows)
    texts = [*map(reading, read_rows(view, rows[order]))]
    tokens, left, found = np.empty(len(rows), np.int64), BUDGET // (1 + vectors.hurried), list[int]()
    tokens[order] = e5.count_tokens(texts) if bags.installed() else [1 + len(each) // 4 for each in texts]
    for row, size in zip(rows.tolist(), tokens.tolist(), strict=True):
        if size <= left:
            found.append(row)
            left -= size
    return np.array(found, np.int64)


def _nearest_by_bags(
    view: PassageView, vectors: PassageVectors, question: Question, asked: Future[np.ndarray]
) -> np.ndarray:
    """The :data:`BY_BAGS` passages nearest by bags, and by the beginnings of their documents, int64."""
    near, documents = bags.cosines(view, question), vectors.beginnings(asked.result())
    if documents is not None:
        near = near + documents[view.layout.document_of]
    return _best(view, near, BY_BAGS, 0)


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


def _relate(vectors: PassageVectors, rows: np.ndarray, asked: Future[np.ndarray]) -> np.ndarray:
    """Relatedness of a question to passages, 0 where they are unrelated and 1 where one answers, float64."""
    low, high = vectors.embedder.unrelated, vectors.embedder.related
    found: np.ndarray = vectors.cosines(rows, asked.result()).astype(np.float64)
    return (found - low) / (high - low)
