"""Words, one settling step, and diffusion for broad questions."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from lior.ask.collection import Collection, Postings
from lior.ask.interfaces import Ranking
from lior.ask.ranking import (
    Level,
    best,
    contexts,
    documents,
    informations,
    level,
    paragraphs,
    ranking,
    scored,
    understood,
)

OWN, PARAGRAPH, DOCUMENT, CONTEXT = 0.6, 0.3, 0.1, 0.3
BETA, NEAREST = 30.0, 10
CANDIDATES = 200
BROAD = 3.0


@attrs.frozen(kw_only=True)
class Settle:
    api_version: ClassVar[int] = 1

    def rank(self, collection: Collection, question: str, top: int) -> Ranking:
        asked = understood(collection, question)
        levels = collection.derived("levels of settle", lambda: _levels(collection))
        s = scored(asked, levels, informations(collection), len(collection))
        if not len(s) or not s.any():
            return ranking(collection, asked, s, top, "words")
        space = collection.derived("coordinates", lambda: _space(collection))
        e = _settled(space, s)
        total = s + e
        near = best(total, CANDIDATES)
        if _breadth(s) >= BROAD and len(near) > NEAREST:
            total[near] += _diffused(space, near, total[near])
            return ranking(collection, asked, total / 4, top, "words, settling and diffusion")
        return ranking(collection, asked, total / 2, top, "words and settling")


def _levels(collection: Collection) -> list[Level]:
    table, size = collection.table, len(collection)
    units = [(OWN, size, None)]
    for weight, starts, of_row in (
        (PARAGRAPH, table.group_starts, paragraphs),
        (DOCUMENT, np.arange(len(table.document_starts)), documents),
    ):
        if starts[-1] == size:  # the units are the passages
            units[0] = (units[0][0] + weight, size, None)
        else:
            units.append((weight, int(starts[-1]), of_row(collection)))
    levels = [level(weight, table.text, count, of, of) for weight, count, of in units]
    if len(table.context.rows):
        levels.append(
            level(CONTEXT, table.context, int(table.context_starts[-1]), contexts(collection), None)
        )
    return levels


@attrs.frozen
class _Space:
    """Unit vectors of the passages."""

    postings: Postings
    values: np.ndarray
    """``ln(1 + tf) idf`` of each entry, its passage's vector of length 1, float32."""
    starts: np.ndarray
    """int64 ``(N + 1,)``: entries of passage ``d`` are ``order[starts[d]:starts[d + 1]]``."""
    order: np.ndarray
    terms: np.ndarray
    """Term of each entry, int32."""

    def of(self, passages: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place in ``passages``, term and value of each entry of them."""
        sizes = self.starts[passages + 1] - self.starts[passages]
        place = np.repeat(np.arange(len(passages)), sizes)
        begin = np.repeat(self.starts[passages] - (np.cumsum(sizes) - sizes), sizes)
        entries = self.order[begin + np.arange(len(begin))]
        return place, self.terms[entries], self.values[entries]


def _space(collection: Collection) -> _Space:
    postings, size = collection.table.text, len(collection)
    terms = postings.terms.astype(np.int32)
    values = np.log1p(postings.counts) * informations(collection)[terms]
    norms = np.sqrt(np.bincount(postings.rows, values * values, size))
    values = (values / np.maximum(norms, 1e-9)[postings.rows]).astype(np.float32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(postings.rows, minlength=size))])
    return _Space(postings, values, starts, _by_row(postings.rows), terms)


def _by_row(rows: np.ndarray) -> np.ndarray:
    """Stable order by row: numpy sorts 16-bit numbers by radix, which is several times faster."""
    order = np.argsort((rows & 0xFFFF).astype(np.uint16), kind="stable")
    if rows.max(initial=0) >> 16:
        order = order[np.argsort((rows[order] >> 16).astype(np.uint16), kind="stable")]
    return order


def _settled(space: _Space, s: np.ndarray) -> np.ndarray:
    near = best(s, NEAREST)
    p = np.exp(BETA * (s[near] - s[near[0]]))
    p /= p.sum()
    place, terms, values = space.of(near)
    z = np.bincount(terms, p[place] * values)
    e = np.zeros(len(s))
    used = np.flatnonzero(z)
    starts = space.postings.starts
    sizes = starts[used + 1] - starts[used]
    entries = np.repeat(starts[used] - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
    e = np.bincount(space.postings.rows[entries], np.repeat(z[used], sizes) * space.values[entries], len(s))
    return e * (s.max() / max(e.max(), 1e-9))


def _breadth(s: np.ndarray) -> float:
    near = s[best(s, 50)]
    p = np.exp(BETA * (near - near[0]))
    p /= p.sum()
    return float(np.exp(-(p * np.log(np.maximum(p, 1e-300))).sum()))


def _diffused(space: _Space, near: np.ndarray, scores: np.ndarray) -> np.ndarray:
    place, terms, values = space.of(near)
    used, column = np.unique(terms, return_inverse=True)
    dense = np.zeros((len(near), len(used)), np.float32)
    dense[place, column] = values
    gram = dense @ dense.T
    np.fill_diagonal(gram, -1)
    nearest = np.argpartition(-gram, NEAREST, axis=1)[:, :NEAREST]
    weights = np.maximum(np.take_along_axis(gram, nearest, 1), 0).astype(float)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
    return (weights * scores[nearest]).sum(1)
