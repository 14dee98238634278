"""BM25 at several levels; for topics pseudo-relevance feedback and score smoothing among documents."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.ask.arrays import best, idf_of, slices
from lior.ask.inverted import CONTEXT, Forward, InvertedIndex
from lior.ask.querying import Query, analyse
from lior.ask.ranking import B, Level, level, ranking, scored
from lior.interfaces import Ranking

OWN, PARAGRAPH, DOCUMENT, CONTEXT_WEIGHT = 0.6, 0.3, 0.1, 0.3
"""Weights of the counts in a passage, its paragraph, its document and its context. The first three add up
to 1, so that a document of one passage is judged by BM25."""
TOPIC = 7
"""Words of a question from which it describes a topic. Shorter ones ask for a fact: there the words decide
alone, because feedback and smoothing prefer what many documents share (docs: See Also lines of five
libraries)."""
PART = 0.5
"""Weight of a document's best passage beside the whole document."""
BETA = 30.0
"""Inverse temperature of the scores."""
NEAREST = 10
"""Documents that give feedback, and neighbours whose scores smooth a document's."""
CANDIDATES = 200
"""Best documents, among which scores are smoothed."""
SHARP = 3
"""Power of the cosine in the weight of a neighbour: near ones count, the average does not."""
_SPREAD = 50
"""Best documents that the breadth of an answer is measured among."""
_BLOCK = 1 << 20
"""Entries of documents that are multiplied at a time."""


@attrs.frozen(kw_only=True)
class Settle:
    """BM25 over passages, paragraphs, documents and contexts; feedback and smoothing for topics.

    **Words.** ``s``: BM25F of the passage, its paragraph, its document and its context (:func:`scored`).

    A topic, that is a question of at least 7 words or one that documents are ranked for, is also compared
    between documents, with ``v`` the mean of a document's BM25 (2/3) and that of its best passage (1/3):

    **Pseudo-relevance feedback.** ``p = softmax(30 v)`` over the 10 best, ``z = Σ p_d A_d`` with
    ``A = unit(ln(1 + tf) idf)``: one free-phase (Hopfield) step. ``e_d = ⟨z, A_d⟩``, scaled to the range of
    ``v``. The length of ``A_d`` is pivoted with BM25's ``b``, so that short documents are not preferred.

    **Score smoothing.** Among the 200 best by ``v + r e``, ``r`` times the mean of the scores of the 10
    nearest is added, weights ``cos³``.

    **Trust.** ``r = 1 − n/100``, ``n`` the effective number ``exp(entropy)`` of the 50 best: the flatter the
    first scores, the less the question may move.
    """

    api_version: ClassVar[int] = 1

    def rank(self, index: InvertedIndex, question: str, top: int) -> Ranking:
        """The ``top`` best passages, or documents in an index made by ``by_document``."""
        query = analyse(index, question)
        scores, method = score(index, question, query)
        return ranking(index, query, scores, top, method)


def score(index: InvertedIndex, question: str, query: Query) -> tuple[np.ndarray, str]:
    """Score of each passage or document, float64 ``(N,)`` in [0, 1], and the method."""
    s = _words(index, query)
    if not s.any() or (index.finer is None and len(query.word_idf) < TOPIC):
        return s, "words"
    if index.finer is not None:
        total, smoothed = _moved(index, _with_parts(index, s, _parts(index.finer, question)))
    else:
        whole = index.by_document()
        before = _with_parts(whole, _words(whole, analyse(whole, question)), s)
        moved, smoothed = _moved(whole, before)
        total = s + (moved - before)[index.layout.document_of]
    return total / 3, "words, feedback and smoothing" if smoothed else "words and feedback"


# --- words ---


def _words(index: InvertedIndex, query: Query) -> np.ndarray:
    return scored(index, query, index.derived("levels of settle", lambda: _levels(index)))


def _levels(index: InvertedIndex) -> list[Level]:
    layout, size = index.layout, len(index)
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


def _parts(finer: InvertedIndex, question: str) -> np.ndarray:
    """BM25 of each passage of the documents."""
    one = finer.derived("passages alone", lambda: [level(1.0, finer.layout.lengths, None)])
    return scored(finer, analyse(finer, question), one)


def _with_parts(whole: InvertedIndex, s: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Score of each document: that of the whole and of its best passage, in the weights 1 and ``PART``."""
    starts = whole.finer.layout.starts if whole.finer is not None else np.zeros(1, np.int64)
    if len(parts) == len(s):
        return s
    part = np.maximum.reduceat(np.append(parts, 0), starts[:-1])
    mixed: np.ndarray = (s + PART * np.where(np.diff(starts) > 0, part, 0)) / (1 + PART)
    return mixed


# --- topics ---


def _moved(whole: InvertedIndex, v: np.ndarray) -> tuple[np.ndarray, bool]:
    """Scores of documents after feedback and smoothing, and whether they were smoothed."""
    space = whole.derived("space", lambda: _space(whole))
    near = best(v, _SPREAD)
    p = _boltzmann(v[near])
    trust = 1 - float(np.exp(-(p * np.log(np.maximum(p, 1e-300))).sum())) / (2 * _SPREAD)
    total = v + trust * _feedback(space, v)
    near = best(total, CANDIDATES)
    if len(near) <= NEAREST:
        return total, False
    total[near] += trust * _smoothed(space, near, total[near])
    return total, True


def _boltzmann(scores: np.ndarray) -> np.ndarray:
    p: np.ndarray = np.exp(BETA * (scores - scores.max()))
    return p / p.sum()


@attrs.frozen(eq=False)
class _Space:
    """Vectors ``ln(1 + tf) idf`` of the documents, sparse."""

    entries: Forward
    values: np.ndarray
    """Of each entry, float32 ``(P,)``."""
    norms: np.ndarray
    """Length of each vector, float64 ``(N,)``."""

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place in ``rows``, term and value of the unit vector of each entry of them."""
        chosen, place = slices(self.entries.starts, rows)
        return place, self.entries.terms[chosen], self.values[chosen] / self.norms[rows][place]


def _space(whole: InvertedIndex) -> _Space:
    entries, size, finer = whole.forward(""), len(whole), whole.finer or whole
    df = np.bincount(entries.terms, minlength=1)
    said, terms, _ = finer.all_confirmed
    pairs = np.unique(np.stack([terms, finer.layout.document_of[said]], 1), axis=0)
    df = np.maximum(df, np.bincount(pairs[:, 0], minlength=len(df))[: len(df)])
    idf = idf_of(np.minimum(df, size), size)
    values = np.empty(len(entries.terms), np.float32)
    norms = np.zeros(size)
    for rows, part in entries.blocks(_BLOCK):
        exact = np.log1p(entries.counts[part]) * idf[entries.terms[part]]
        values[part] = exact
        norms[rows] = entries.sums(rows, exact * exact)
    return _Space(entries, values, np.maximum(np.sqrt(norms), 1e-9))


def _feedback(space: _Space, v: np.ndarray) -> np.ndarray:
    """``e``: the likeness of each document to the Boltzmann mean of the best, float64 ``(N,)``."""
    near = best(v, NEAREST)
    place, terms, values = space.of(near)
    z = np.bincount(terms, _boltzmann(v[near])[place] * values, int(space.entries.terms.max(initial=0)) + 1)
    e = np.zeros(len(v))
    for rows, part in space.entries.blocks(_BLOCK):
        e[rows] = space.entries.sums(rows, z[space.entries.terms[part]] * space.values[part])
    e = e / (B * space.norms + (1 - B) * space.norms.mean())
    scaled: np.ndarray = e * (v.max() / max(e.max(), 1e-9))
    return scaled


def _smoothed(space: _Space, near: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean score of the 10 nearest of each candidate."""
    place, terms, values = space.of(near)
    _, first, term, counts = np.unique(terms, return_index=True, return_inverse=True, return_counts=True)
    shared = counts > 1  # a term of one candidate adds to no product of two
    column = np.full(len(first), -1)
    column[np.flatnonzero(shared)[np.argsort(first[shared])]] = np.arange(int(shared.sum()))
    chosen = shared[term]
    dense = np.zeros((len(near), int(shared.sum())), np.float32)
    dense[place[chosen], column[term[chosen]]] = values[chosen]
    gram = dense @ dense.T
    np.fill_diagonal(gram, -1)
    nearest = np.argpartition(-gram, NEAREST - 1, axis=1)[:, :NEAREST]
    weights = np.maximum(np.take_along_axis(gram, nearest, 1), 0).astype(np.float64) ** SHARP
    found: np.ndarray = (weights * scores[nearest]).sum(1) / np.maximum(weights.sum(1), 1e-9)
    return found
