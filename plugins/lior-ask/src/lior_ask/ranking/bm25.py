"""Shared parts of the retrievers: BM25 by levels, recall of a question's terms, sort order of passages.

All functions depend only on the counts of the index and the question.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from lior.interfaces import PassageView, Ranking, TermQuery
from lior_ask.arrays import best
from lior_ask.index.inverted import CONTEXT, TEXT

K1, B = 1.5, 0.75
"""Saturation of counts and normalisation of lengths: the usual values for BM25."""
CONFIRMED = 0.3
"""Weight of a word of a confirmed question relative to a word of the passage."""


# --- scores ---


@attrs.frozen(eq=False)
class Level:
    """A level of units in which words are counted: passages, paragraphs, documents or contexts."""

    unit_of: np.ndarray | None
    """The unit of each passage, int64 ``(N,)``; ``None`` if the units are the passages."""
    scale: np.ndarray
    """The factor ``weight / (1 − b + b · length / mean length)`` of each unit, float32."""
    weight: float
    """The weight of a word in a unit of mean length."""
    field: int = TEXT
    """The field whose words are counted: texts or contexts."""
    outer: Level | None = None
    """A level of larger units, which is added to these units first to save work."""
    outer_of: np.ndarray | None = None
    """The unit of the outer level for each unit, int64."""

    def add(self, rows: np.ndarray, counts: np.ndarray, out: np.ndarray) -> None:
        """Add the weighted counts of a term, by the length of their units, to ``out``, float32 ``(N,)``."""
        if self.unit_of is None:
            out[rows] += counts * self.scale[rows]
        elif len(rows):
            out += self._totals(rows, counts)[self.unit_of]

    def _totals(self, rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the weighted counts of each unit, float32."""
        units = rows if self.unit_of is None else self.unit_of[rows]
        total = np.bincount(units, counts, len(self.scale)).astype(np.float32)
        total *= self.scale
        if self.outer is not None:
            total += self.outer._totals(rows, counts)[self.outer_of]
        return total


def level(weight: float, lengths: np.ndarray, unit_of: np.ndarray | None, field: int = TEXT) -> Level:
    """Return a level of units with these numbers of words."""
    mean = lengths[lengths > 0].mean() if lengths.any() else 1.0
    scale = (weight / (1 - B + B * lengths / mean)).astype(np.float32)
    return Level(unit_of, scale, weight, field)


def score_terms(view: PassageView, query: TermQuery, levels: Sequence[Level]) -> np.ndarray:
    """Return BM25 of each passage, as a share of the maximum, float64 ``(N,)``.

    It is ``s_d = Σ_w q_w idf_w x_dw / ((k1 + 1) Σ_w q_w idf_w)`` in [0, 1] with ``x = t (k1 + 1)/(t + k1)``.
    ``t`` is the sum of the levels' weighted counts (BM25F: Robertson, Zaragoza, Taylor, CIKM 2004). The
    maximum is the limit of a passage full of the question's words. The first level must be that of the
    passages; words of confirmed questions count 0.3 there.
    """
    weights = query.weights * query.idf
    out, count = np.zeros(len(view)), np.empty(len(view), np.float32)
    fields = {part.field for part in levels}
    for term, weight in zip(query.terms.tolist(), weights, strict=True):
        count[:] = 0
        found = {field: view.postings(term, field) for field in fields}
        for part in levels:
            part.add(*found[part.field], count)
        rows, times = view.confirmed(term)
        count[rows] += np.float32(CONFIRMED / levels[0].weight) * times * levels[0].scale[rows]
        count /= count + np.float32(K1)
        out += weight * count
    return out / max(weights.sum(), 1e-9)


# --- recall ---


@attrs.frozen(eq=False)
class _Pairs:
    """Pairs of a paragraph and a context; passages with the same pair have the same recall."""

    paragraph: np.ndarray
    """int64 ``(M,)``."""
    context: np.ndarray
    """int64 ``(M,)``."""
    of_row: np.ndarray
    """The pair of each passage, int64 ``(N,)``."""


def recall(view: PassageView, query: TermQuery) -> np.ndarray:
    """Return the share of the question's idf that each passage has, float64 ``(N,)`` in [0, 1].

    A passage has the terms of its paragraph, its context and its confirmed questions.
    """
    pairs = view.derived("pairs", lambda: _pairs(view))
    return _recall(view, query, pairs)[pairs.of_row]


def _recall(view: PassageView, query: TermQuery, pairs: _Pairs) -> np.ndarray:
    layout = view.layout
    in_paragraph = np.zeros(int(layout.paragraph_starts[-1]), bool)
    in_context = np.zeros(len(layout.context_lengths), bool)
    out = np.zeros(len(pairs.paragraph))
    for word in sorted(set(query.owners[query.owners >= 0].tolist())):
        terms = query.terms[query.owners == word].tolist()
        below = [layout.paragraph_of[of(term)[0]] for term in terms for of in (view.postings, view.confirmed)]
        above = [layout.context_of[view.postings(term, CONTEXT)[0]] for term in terms]
        for units in below:
            in_paragraph[units] = True
        has = in_paragraph[pairs.paragraph]
        if any(map(len, above)):
            for units in above:
                in_context[units] = True
            has |= in_context[pairs.context]
        np.add(out, query.word_idf[word], out=out, where=has)
        for units in below:
            in_paragraph[units] = False
        for units in above:
            in_context[units] = False
    return np.minimum(out / max(query.word_idf.sum(), 1e-9), 1.0)


def _pairs(view: PassageView) -> _Pairs:
    paragraph, context = view.layout.paragraph_of, view.layout.context_of
    pairs = paragraph * max(int(context.max(initial=0)) + 1, 1) + context
    order = np.argsort(pairs, kind="stable")  # fast, since they are almost sorted
    new = np.diff(pairs[order], prepend=-1) > 0
    of_row = np.empty(len(pairs), np.int64)
    of_row[order] = np.cumsum(new) - 1
    first = order[new]
    return _Pairs(paragraph[first], context[first], of_row)


# --- order ---


def bm25_ranking(view: PassageView, query: TermQuery, scores: np.ndarray, top: int, method: str) -> Ranking:
    """Return the ``top`` passages that share a word with the question, or, if none does, a similar word."""
    shares = recall(view, query)
    allowed = shares > 0 if shares.any() else scores > 0
    if view.allowed is not None:
        allowed &= view.allowed
    order = best(np.where(allowed, scores, -np.inf), min(top, int(np.count_nonzero(allowed))))
    return Ranking(passages=order, scores=scores[order], recall=shares[order], method=method, query=query)
