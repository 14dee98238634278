"""BM25 at several levels, with pseudo-relevance feedback and score smoothing of documents for topics."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.interfaces import PassageVectors, PassageView, Question, Ranking, TermQuery
from lior_ask.index.inverted import CONTEXT
from lior_ask.question.query import analyse
from lior_ask.ranking.bm25 import Level, bm25_ranking, level, score_terms
from lior_ask.ranking.feedback import fuse, move
from lior_ask.retrievers import bm25

OWN, PARAGRAPH, DOCUMENT, CONTEXT_WEIGHT = 0.6, 0.3, 0.1, 0.3
"""Weights of the counts in a passage, its paragraph, its document and its context. The first three add up
to 1, so that a document of one passage is judged by BM25."""
TOPIC = 7
"""Minimum number of words of a question that describes a topic. A shorter one asks for a fact. Then only
words count, because feedback and smoothing prefer what many documents share (docs: See Also lines of five
libraries)."""
PART = 0.5
"""Weight of a document's best passage relative to the whole document."""


@attrs.frozen(kw_only=True)
class Settle:
    """BM25 over passages, paragraphs, documents and contexts; feedback and smoothing for topics.

    **Words.** ``s`` is BM25F of the passage, its paragraph, its document and its context
    (:func:`~lior_ask.ranking.bm25.score_terms`).

    A topic is a question of at least 7 words, or one that documents are ranked for. For a topic, documents
    are also compared with each other. ``v`` is the mean of a document's BM25 (2/3) and that of its best
    passage (1/3).

    **Pseudo-relevance feedback.** ``z = Σ p_d A_d`` with ``p = softmax(30 v)`` over the 10 best, and
    ``A = unit(ln(1 + tf) idf)``: one free-phase (Hopfield) step. ``e_d = ⟨z, A_d⟩`` is scaled to the range of
    ``v``. The length of ``A_d`` is pivoted with BM25's ``b``, so that short documents are not preferred.

    **Score smoothing.** For the 200 best by ``v + r e``, ``r`` times the mean score of the 10 nearest, with
    weights ``cos³``, is added.

    **Trust.** ``r = 1 − n/100``, with ``n`` the effective number ``exp(entropy)`` of the 50 best. The flatter
    the first scores, the weaker are feedback and smoothing.
    """

    api_version: ClassVar[int] = 2

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """Return the ``top`` best passages, or documents in an index from ``by_document``."""
        query = analyse(view, question)
        scores, method = score(view, question, query)
        return bm25_ranking(view, query, scores, top, method)


def score(view: PassageView, question: Question, query: TermQuery) -> tuple[np.ndarray, str]:
    """Return the score of each passage or document, float64 ``(N,)`` in [0, 1], and the method."""
    s = _words(view, query) if view.finer is None else by_words(view, question, query)
    if not s.any() or (view.finer is None and len(query.word_idf) < TOPIC):
        return s, "words"
    if view.finer is not None:
        total, smoothed = move(view, s)
    else:
        whole = view.by_document()
        before = _with_parts(whole, _words(whole, analyse(whole, question)), s)
        after, smoothed = move(whole, before)
        total = s + (after - before)[view.layout.document_of]
    return total / 3, "words, feedback and smoothing" if smoothed else "words and feedback"


def documents(whole: PassageView, question: Question, top: int, vectors: PassageVectors) -> Ranking:
    """Return the ``top`` best documents by words and by an encoder's vectors, in an index by documents.

    The encoder reads the beginnings of the 100 best by ``settle`` (:func:`lior_ask.ranking.feedback.fuse`).
    """
    asked, query = vectors.question(question.text), analyse(whole, question)
    v = by_words(whole, question, query)
    if not v.any():
        return bm25_ranking(whole, query, v, top, "words")
    scores = fuse(whole, v, asked.result(), vectors.documents, vectors.embedder.unrelated) / 8
    return bm25_ranking(whole, query, scores, top, "words, feedback, smoothing and meaning")


# --- words ---


def by_words(whole: PassageView, question: Question, query: TermQuery) -> np.ndarray:
    """Return the score of each document by its words and its best passage, float64 ``(D,)`` in [0, 1].

    ``whole`` is an index from ``by_document``.
    """
    passages = whole.finer or whole
    parts = bm25.score(passages, analyse(passages, question))
    return _with_parts(whole, _words(whole, query), parts)


def _words(view: PassageView, query: TermQuery) -> np.ndarray:
    return score_terms(view, query, view.derived("levels of settle", lambda: _levels(view)))


def _levels(view: PassageView) -> list[Level]:
    layout, size = view.layout, len(view)
    paragraphs, documents = int(layout.paragraph_starts[-1]), len(layout.names)
    own, outer = OWN, None
    if documents == paragraphs:  # each is one paragraph
        own += DOCUMENT if paragraphs == size else 0
    else:
        lengths = np.bincount(layout.document_of, layout.lengths, documents)
        outer = level(DOCUMENT, lengths, layout.document_of)
    levels = []
    if paragraphs == size:
        own += PARAGRAPH
        levels += [outer] if outer else []
    else:
        lengths = np.bincount(layout.paragraph_of, layout.lengths, paragraphs)
        weight = PARAGRAPH + (DOCUMENT if outer is None else 0)
        inner = level(weight, lengths, layout.paragraph_of)
        of_paragraph = np.repeat(np.arange(documents), np.diff(layout.paragraph_starts))
        levels.append(attrs.evolve(inner, outer=outer, outer_of=of_paragraph))
    if layout.context_lengths.any():
        levels.append(level(CONTEXT_WEIGHT, layout.context_lengths, layout.context_of, CONTEXT))
    return [level(own, layout.lengths, None), *levels]


def _with_parts(whole: PassageView, s: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Return the mean of the scores of each document and of its best passage, with weights 1 and ``PART``."""
    starts = whole.finer.layout.starts if whole.finer is not None else np.zeros(1, np.int64)
    if len(parts) == len(s):
        return s
    part = np.maximum.reduceat(np.append(parts, 0), starts[:-1])
    mixed: np.ndarray = (s + PART * np.where(np.diff(starts) > 0, part, 0)) / (1 + PART)
    return mixed
