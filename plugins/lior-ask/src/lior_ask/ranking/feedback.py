"""Topics: documents ranked by their similarity to each other, in words and in an encoder's vectors.

A question that describes a topic has many right documents, which are similar to each other. All functions
depend only on the counts of the index, the scores and the vectors.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from lior.interfaces import Forward, PassageView
from lior_ask.arrays import best, blocks, idf_of, slices, sums
from lior_ask.ranking.bm25 import B

BETA = 30.0
"""Inverse temperature of the scores."""
NEAREST = 10
"""Number of documents that give feedback, and of neighbours whose scores smooth a document's score."""
CANDIDATES, READ = 200, 100
"""Number of best documents whose scores are smoothed, and of those that an encoder reads."""
SHARP = 3
"""Exponent of the cosine in the weight of a neighbour, so that near ones dominate."""
_SPREAD = 50
"""Number of best documents used to measure the breadth of an answer."""
_BLOCK = 1 << 20
"""Number of entries of documents multiplied at a time."""


def move(whole: PassageView, v: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the scores of documents after feedback and smoothing, and whether they were smoothed.

    ``whole`` is an index from ``by_document``; ``v`` are scores by words, float64 ``(D,)`` in [0, 1].
    """
    space, trust = whole.derived("space", lambda: _space(whole)), _trust(v)
    total = v + trust * _feedback(space, v)
    near = best(total, CANDIDATES)
    if len(near) <= NEAREST:
        return total, False
    total[near] += trust * _smooth(space.gram(near), total[near])
    return total, True


def fuse(
    whole: PassageView,
    v: np.ndarray,
    question: np.ndarray,
    read: Callable[[np.ndarray], np.ndarray],
    unrelated: float = 0.0,
) -> np.ndarray:
    """Return the scores of documents by words and by an encoder's vectors together, float64 ``(D,)``.

    :func:`move` finds the 100 best by words. The encoder reads these, and both kinds of evidence have equal
    weight throughout. ``m = v + c``, with ``c`` the cosine with the question scaled to the range of ``v``.
    ``G`` is the mean of the cosines of two documents by words and by vectors. The pseudo-relevance feedback
    is ``e = G p`` with ``p = softmax(30 m)`` over the 10 best, where ``e`` is scaled to the range of ``v``.
    Score smoothing: the mean of ``m + 2 r e`` over the 10 nearest by ``G``, with weights ``G³``, is added
    ``r`` times. A score of :func:`move` is at most 4 times the highest ``v``, a fused one at most 8 times.

    Parameters
    ----------
    whole
        Index from ``by_document``.
    v
        Scores by words, float64 ``(D,)`` in [0, 1].
    question
        Unit vector of the question, float32 ``(width,)``.
    read
        Function of rows, int64 ``(n,)``, that returns unit vectors of documents, float32 ``(n, width)``.
    unrelated
        Usual cosine of unrelated texts; between documents, a cosine ``x`` counts as ``(x − u)/(1 − u)``.
    """
    if not v.any():
        return v
    total, _ = move(whole, v)
    near = best(total, min(READ, int(np.count_nonzero(total > 0))))
    vectors, trust = read(near), _trust(v)
    scores = v[near] + _scale(vectors @ question - unrelated, v)
    by_words = whole.derived("space", lambda: _space(whole)).gram(near)
    gram = (by_words + (vectors @ vectors.T - unrelated) / (1 - unrelated)) / 2
    first = best(scores, NEAREST)
    scores += 2 * trust * _scale(gram[:, first] @ _boltzmann(scores[first]), v)
    if len(near) > NEAREST:
        scores += trust * _smooth(gram, scores)
    total[near] = scores
    return total


def _trust(v: np.ndarray) -> float:
    """Return ``1 − n/100``, with ``n`` the effective number ``exp(entropy)`` of the 50 best."""
    p = _boltzmann(v[best(v, _SPREAD)])
    return 1 - float(np.exp(-(p * np.log(np.maximum(p, 1e-300))).sum())) / (2 * _SPREAD)


def _boltzmann(scores: np.ndarray) -> np.ndarray:
    p: np.ndarray = np.exp(BETA * (scores - scores.max()))
    return p / p.sum()


def _scale(likeness: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return a similarity scaled to the range of ``v``; negative values become 0."""
    positive = np.maximum(likeness, 0).astype(np.float64)
    scaled: np.ndarray = positive * (v.max() / max(positive.max(), 1e-9))
    return scaled


@attrs.frozen(eq=False)
class _Space:
    """Sparse vectors ``ln(1 + tf) idf`` of the documents."""

    entries: Forward
    values: np.ndarray
    """The value of each entry, float32 ``(P,)``."""
    norms: np.ndarray
    """The length of each vector, float64 ``(N,)``."""

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return index in ``rows``, term and value in the unit vector of each entry of these rows."""
        chosen, place = slices(self.entries.starts, rows)
        return place, self.entries.terms[chosen], self.values[chosen] / self.norms[rows][place]

    def gram(self, rows: np.ndarray) -> np.ndarray:
        """Return the cosines of documents with each other, float32 ``(n, n)``."""
        place, terms, values = self.of(rows)
        _, first, term, counts = np.unique(terms, return_index=True, return_inverse=True, return_counts=True)
        shared = counts > 1  # a term of one document contributes to no product
        column = np.full(len(first), -1)
        column[np.flatnonzero(shared)[np.argsort(first[shared])]] = np.arange(int(shared.sum()))
        chosen = shared[term]
        dense = np.zeros((len(rows), int(shared.sum())), np.float32)
        dense[place[chosen], column[term[chosen]]] = values[chosen]
        found: np.ndarray = dense @ dense.T
        np.fill_diagonal(found, 1)
        return found


def _space(whole: PassageView) -> _Space:
    entries, size, finer = whole.forward(""), len(whole), whole.finer or whole
    df = np.bincount(entries.terms, minlength=1)
    said, terms, _ = finer.all_confirmed
    pairs = np.unique(np.stack([terms, finer.layout.document_of[said]], 1), axis=0)
    df = np.maximum(df, np.bincount(pairs[:, 0], minlength=len(df))[: len(df)])
    idf = idf_of(np.minimum(df, size), size)
    values = np.empty(len(entries.terms), np.float32)
    norms = np.zeros(size)
    for rows, part in blocks(entries, _BLOCK):
        exact = np.log1p(entries.counts[part]) * idf[entries.terms[part]]
        values[part] = exact
        norms[rows] = sums(entries, rows, exact * exact)
    return _Space(entries, values, np.maximum(np.sqrt(norms), 1e-9))


def _feedback(space: _Space, v: np.ndarray) -> np.ndarray:
    """Return the similarity ``e`` of each document to the Boltzmann mean of the best, float64 ``(N,)``."""
    near = best(v, NEAREST)
    place, terms, values = space.of(near)
    z = np.bincount(terms, _boltzmann(v[near])[place] * values, int(space.entries.terms.max(initial=0)) + 1)
    e = np.zeros(len(v))
    for rows, part in blocks(space.entries, _BLOCK):
        e[rows] = sums(space.entries, rows, z[space.entries.terms[part]] * space.values[part])
    return _scale(e / (B * space.norms + (1 - B) * space.norms.mean()), v)


def _smooth(gram: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the mean score of the 10 nearest neighbours of each candidate, weighted by cosine."""
    others = gram - 2 * np.eye(len(gram), dtype=gram.dtype)
    nearest = np.argpartition(-others, NEAREST - 1, axis=1)[:, :NEAREST]
    weights = np.maximum(np.take_along_axis(others, nearest, 1), 0).astype(np.float64) ** SHARP
    found: np.ndarray = (weights * scores[nearest]).sum(1) / np.maximum(weights.sum(1), 1e-9)
    return found
