"""Words at several levels; for topics one settling step and diffusion among the best documents."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.ask.collection import Collection, Postings
from lior.ask.ranking import (
    B,
    Level,
    Question,
    best,
    by_row,
    contexts,
    documents,
    informations,
    level,
    paragraphs,
    ranking,
    scored,
    slices,
    understood,
)
from lior.interfaces import Ranking

OWN, PARAGRAPH, DOCUMENT, CONTEXT = 0.6, 0.3, 0.1, 0.3
"""Weights of the counts in a passage, its paragraph, its document and its context. The first three add up
to 1, so that a document of one passage is judged by BM25."""
TOPIC = 7
"""Words of a question from which it describes a topic. Shorter ones ask for a fact: there the words decide
alone, because settling and diffusion prefer what many documents share (docs: See Also lines of five
libraries)."""
PART = 0.5
"""Weight of a document's best passage beside the whole document."""
BETA = 30.0
"""Inverse temperature of the scores."""
NEAREST = 10
"""Documents that the question settles among, and neighbours that scores diffuse from."""
CANDIDATES = 200
"""Best documents, among which scores diffuse."""
SHARP = 3
"""Power of the cosine in the weight of a neighbour: near ones count, the average does not."""
_SPREAD = 50
"""Best documents that the breadth of an answer is measured among."""


@attrs.frozen(kw_only=True)
class Settle:
    """BM25 over passages, paragraphs, documents and contexts; settling and diffusion for topics.

    **Words.** ``s``: BM25F of the passage, its paragraph, its document and its context (:func:`scored`).

    A topic, that is a question of at least 7 words or one that documents are ranked for, is also compared
    between documents, with ``v`` the mean of a document's BM25 (2/3) and that of its best passage (1/3):

    **Settling.** ``p = softmax(30 v)`` over the 10 best, ``z = Σ p_d A_d`` with ``A = unit(ln(1 + tf) idf)``:
    one free-phase (Hopfield) step. ``e_d = ⟨z, A_d⟩``, scaled to the range of ``v``. The length of ``A_d`` is
    pivoted with BM25's ``b``, so that short documents are not preferred.

    **Diffusion.** Among the 200 best by ``v + r e``, ``r`` times the mean of the scores of the 10 nearest is
    added, weights ``cos³``.

    **Trust.** ``r = 1 − n/100``, ``n`` the effective number ``exp(entropy)`` of the 50 best: the flatter the
    first scores, the less the question may move.
    """

    api_version: ClassVar[int] = 1

    def rank(self, collection: Collection, question: str, top: int) -> Ranking:
        """The ``top`` best passages, or documents in a collection made by ``by_document``."""
        asked = understood(collection, question)
        scores, method = judged(collection, question, asked)
        return ranking(collection, asked, scores, top, method)


def judged(collection: Collection, question: str, asked: Question) -> tuple[np.ndarray, str]:
    """Score of each passage or document, float64 ``(N,)`` in [0, 1], and the method."""
    s = _words(collection, asked)
    if not s.any() or (collection.finer is None and len(asked.informations) < TOPIC):
        return s, "words"
    if collection.finer is not None:
        total, diffused = _moved(collection, _with_parts(collection, s, _parts(collection, question)))
    else:
        whole = collection.by_document()
        before = _with_parts(whole, _words(whole, understood(whole, question)), s)
        moved, diffused = _moved(whole, before)
        total = s + (moved - before)[collection.derived("documents", lambda: documents(collection))]
    return total / 3, "words, settling and diffusion" if diffused else "words and settling"


# --- words ---


def _words(collection: Collection, asked: Question) -> np.ndarray:
    levels = collection.derived("levels of settle", lambda: _levels(collection))
    return scored(collection, asked, levels)


def _levels(collection: Collection) -> list[Level]:
    table, size = collection.table, len(collection)
    groups, count = int(table.group_starts[-1]), len(table.document_starts) - 1
    own, outer = OWN, None
    if count == groups:  # each is one paragraph
        own += DOCUMENT if groups == size else 0
    else:
        of_entry = documents(collection)
        of_group = np.repeat(np.arange(count), np.diff(table.group_starts))
        outer = level(DOCUMENT, table.text, count, of_group, of_entry)
    levels = []
    if groups == size:
        own += PARAGRAPH
        levels += [outer] if outer else []
    else:
        of = paragraphs(collection)
        weight = PARAGRAPH + (DOCUMENT if outer is None else 0)
        levels.append(attrs.evolve(level(weight, table.text, groups, of, of), outer=outer))
    if len(table.context.rows):
        levels.append(
            level(CONTEXT, table.context, int(table.context_starts[-1]), contexts(collection), None)
        )
    return [level(own, table.text, size, None, None), *levels]


def _parts(whole: Collection, question: str) -> np.ndarray:
    """BM25 of each passage of the documents."""
    finer = whole.finer
    if finer is None:
        return np.empty(0)
    one = finer.derived("passages alone", lambda: [level(1.0, finer.table.text, len(finer), None, None)])
    return scored(finer, understood(finer, question), one)


def _with_parts(whole: Collection, s: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Score of each document: that of the whole and of its best passage, in the weights 1 and ``PART``."""
    starts = whole.finer.table.document_starts if whole.finer is not None else np.zeros(1, np.int64)
    if len(parts) == len(s):
        return s
    part = np.maximum.reduceat(np.append(parts, 0), starts[:-1])
    mixed: np.ndarray = (s + PART * np.where(np.diff(starts) > 0, part, 0)) / (1 + PART)
    return mixed


# --- topics ---


def _moved(whole: Collection, v: np.ndarray) -> tuple[np.ndarray, bool]:
    """Scores of documents after settling and diffusion, and whether they diffused."""
    space = whole.derived("space", lambda: _space(whole))
    near = best(v, _SPREAD)
    p = _boltzmann(v[near])
    trust = 1 - float(np.exp(-(p * np.log(np.maximum(p, 1e-300))).sum())) / (2 * _SPREAD)
    total = v + trust * _settled(space, v)
    near = best(total, CANDIDATES)
    if len(near) <= NEAREST:
        return total, False
    total[near] += trust * _diffused(space, near, total[near])
    return total, True


def _boltzmann(scores: np.ndarray) -> np.ndarray:
    p: np.ndarray = np.exp(BETA * (scores - scores.max()))
    return p / p.sum()


@attrs.frozen
class _Space:
    """Vectors ``ln(1 + tf) idf`` of the documents, sparse."""

    postings: Postings
    terms: np.ndarray
    """Term of each entry, int32."""
    values: np.ndarray
    """float32 ``(P,)``."""
    norms: np.ndarray
    """Length of each vector, float64 ``(N,)``."""
    starts: np.ndarray
    """int64 ``(N + 1,)``: entries of document ``d`` are ``order[starts[d]:starts[d + 1]]``."""
    order: np.ndarray

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place in ``rows``, term and value of the unit vector of each entry of them."""
        entries, place = slices(self.starts, rows)
        entries = self.order[entries]
        return place, self.terms[entries], self.values[entries] / self.norms[rows][place]


def _space(collection: Collection) -> _Space:
    postings, size = collection.table.text, len(collection)
    terms = postings.terms.astype(np.int32)
    values = np.log1p(postings.counts) * informations(collection)[terms]
    norms = np.sqrt(np.bincount(postings.rows, values * values, size))
    starts, order = by_row(postings, size)
    return _Space(postings, terms, values.astype(np.float32), np.maximum(norms, 1e-9), starts, order)


def _settled(space: _Space, v: np.ndarray) -> np.ndarray:
    """``e``: the likeness of each document to the Boltzmann mean of the best, float64 ``(N,)``."""
    near = best(v, NEAREST)
    place, terms, values = space.of(near)
    z = np.bincount(terms, _boltzmann(v[near])[place] * values)
    used = np.flatnonzero(z)
    entries, of = slices(space.postings.starts, used)
    e = np.bincount(space.postings.rows[entries], z[used][of] * space.values[entries], len(v))
    e = e / (B * space.norms + (1 - B) * space.norms.mean())
    scaled: np.ndarray = e * (v.max() / max(e.max(), 1e-9))
    return scaled


def _diffused(space: _Space, near: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean score of the 10 nearest of each candidate."""
    place, terms, values = space.of(near)
    shared = np.bincount(terms) > 1  # a term of one candidate adds to no product of two
    column, chosen = np.cumsum(shared) - 1, shared[terms]
    dense = np.zeros((len(near), int(shared.sum())), np.float32)
    dense[place[chosen], column[terms[chosen]]] = values[chosen]
    gram = dense @ dense.T
    np.fill_diagonal(gram, -1)
    nearest = np.argpartition(-gram, NEAREST - 1, axis=1)[:, :NEAREST]
    weights = np.maximum(np.take_along_axis(gram, nearest, 1), 0).astype(np.float64) ** SHARP
    found: np.ndarray = (weights * scores[nearest]).sum(1) / np.maximum(weights.sum(1), 1e-9)
    return found
