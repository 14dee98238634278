"""The vectors that the encoder would give to passages that it has not read, predicted from their terms.

This is ridge regression (A. Hoerl and R. Kennard, 1970). The variables ``x`` are the terms of a passage and
of its headings, each with the weight ``ln(1 + count) · idf``, scaled to unit length. The outcome ``y`` is the
vector of the encoder. Further variables, ``xᵀ S``, are word pieces: ``S`` has the direction of each term's
pieces, so terms that the sample lacks are known, too. The vectors of all terms follow in closed form from a
sample of passages that the encoder has read: ``V = (1 + γ S Sᵀ) Xᵀ (X (1 + γ S Sᵀ) Xᵀ + λ)⁻¹ (Y − ȳ)``. The
prediction for another passage is ``xᵀ V + ȳ``. Only the sample's principal components are kept.

Four manuals have 20,000 to 75,000 passages. Among 5,000 of them, answers in other words than the question
rank 66th by prediction (geometric mean), and 35th by the encoder itself. Without ``S`` they rank 72nd. If
only 1,000 passages were read, they rank 109th, and 150th without ``S``. By
:mod:`~lior_ask.embedders.bags` they rank 370th in three of the manuals.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from lior.interfaces import Forward, PassageVectors, PassageView, TermQuery
from lior_ask.arrays import idf_of, slices, sums
from lior_ask.embedders.bags import add_up, join, pack, products, spelled, terms_of

_WIDTH = 128
"""Number of principal components."""
_RIDGE, _PIECES = 1.0, 0.3
"""``λ`` and ``γ``; chosen among .5 and 1, and 0 to 1.2, on four manuals."""
_ENCODER = 1.2, -0.36
"""Slope and constant of the encoder's cosine by that of a prediction, whose cosines are larger: least squares
over the 40 passages nearest to each of 235 questions in four manuals. The correlation is .7 to .8."""
_TOGETHER = 1 << 13
"""Number of terms whose pieces are read at a time."""
_READ = 2.0
"""Weight of the encoder's vector of the question, beside the one that is predicted from its words."""


def learned(view: PassageView, vectors: PassageVectors, *, read: bool = False) -> Mapping[str, np.ndarray]:
    """Return what :func:`fit` learns from the sample of a large index; nothing if it is not encoded.

    ``read`` encodes it.
    """
    sample = vectors.sample(read=read)
    name = f"regression {_WIDTH} {_RIDGE} {_PIECES} {vectors.embedder.digest}"
    return view.kept(name, lambda: fit(view, sample, vectors.vectors(sample))) if len(sample) else {}


def fit(view: PassageView, rows: np.ndarray, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Learn from passages with unit vectors of the encoder, ``(n, 384)``, and predict all.

    Returns the ``keys`` of all terms, int32 ``(K,)``, ascending, their ``idf`` and vectors, ``terms``,
    float16 ``(K, 128)``; ``basis``, float32 ``(384, 128)``; ``mean``, float32 ``(128,)``; and the predictions
    ``passages``, int8 ``(N, 128)``, of any length.
    """
    text, above = view.forward("passage_"), view.forward("context_")
    idf, of_context = _idf(view, text, above), view.layout.context_of
    _, components = np.linalg.eigh(vectors.T @ vectors)
    basis = components[:, -_WIDTH:].astype(np.float32)
    mean = (vectors @ basis).mean(0)
    entries = [_entries(each, units, idf) for each, units in ((text, rows), (above, of_context[rows]))]
    lengths = np.sqrt(sum(np.bincount(place, weights**2, len(rows)) for _, place, weights in entries))
    known, seen = np.unique(np.concatenate([terms for terms, _, _ in entries]), return_counts=True)
    x = np.zeros((len(rows), len(known)), np.float32)
    for terms, place, weights in entries:  # a term may stand in a passage and in its headings
        x[place, np.searchsorted(known, terms)] += weights / np.maximum(lengths, 1e-9)[place]
    pieces, keys = terms_of(view)
    said = x @ spelled([pieces[n] for n in np.searchsorted(keys, known)])
    many = x[:, seen > 1]  # other terms are in one passage: they add to the diagonal
    kernel = many @ many.T + np.float32(_PIECES) * (said @ said.T)
    kernel[np.diag_indices_from(kernel)] += (x[:, seen == 1] ** 2).sum(1) + np.float32(_RIDGE)
    dual = np.linalg.solve(kernel, vectors @ basis - mean)
    by_pieces = np.float32(_PIECES) * (said.T @ dual)
    terms = np.concatenate(
        [spelled(pieces[n : n + _TOGETHER]) @ by_pieces for n in range(0, len(pieces), _TOGETHER)]
    )
    terms[np.searchsorted(keys, known)] += x.T @ dual
    found = {"keys": keys, "idf": idf[keys], "terms": terms.astype(np.float16), "basis": basis, "mean": mean}
    return found | {"passages": _predict(view, (text, above), idf, found)}


def cosines(known: Mapping[str, np.ndarray], query: TermQuery, question: np.ndarray) -> np.ndarray:
    """Return the cosines of the encoder that are to be expected of all passages, float32 ``(N,)``.

    ``question`` is its unit vector, ``(384,)``; ``known`` is from :func:`learned`.
    """
    at = np.minimum(np.searchsorted(known["keys"], query.terms), len(known["keys"]) - 1)
    weights = np.log1p(query.weights) * known["idf"][at] * (known["keys"][at] == query.terms)
    said = weights @ known["terms"][at] / max(float(np.linalg.norm(weights)), 1e-9) + known["mean"]
    read = question @ known["basis"]
    asked = said / np.linalg.norm(said) + _READ * read / max(float(np.linalg.norm(read)), 1e-9)
    slope, constant = _ENCODER
    found: np.ndarray = slope * products(known["passages"], asked / (1 + _READ)) + np.float32(constant)
    return found


def _idf(view: PassageView, text: Forward, above: Forward) -> np.ndarray:
    """Return the idf of all terms by their keys, float32, from their numbers of passages."""
    size = 1 + max(int(each.terms.max(initial=0)) for each in (text, above))
    below = np.bincount(view.layout.context_of, minlength=len(above.starts) - 1)
    repeated = np.repeat(below, np.diff(above.starts))
    found = np.bincount(text.terms, minlength=size) + np.bincount(above.terms, repeated, size)
    return idf_of(np.minimum(found, len(view)), len(view)).astype(np.float32)


def _entries(
    entries: Forward, units: np.ndarray, idf: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the terms of units, the place of each one's unit in ``units``, and their weights."""
    at, place = slices(entries.starts, units)
    terms = entries.terms[at]
    return terms, place, np.log1p(entries.counts[at], dtype=np.float32) * idf[terms]


def _predict(
    view: PassageView, of: tuple[Forward, Forward], idf: np.ndarray, known: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return the predictions of all passages, int8 ``(N, 128)``, from the terms of texts and of headings."""
    terms = np.zeros((len(idf), len(known["mean"])), np.float32)
    terms[known["keys"]] = known["idf"][:, None] * known["terms"]
    text, above = (attrs.evolve(each, counts=np.log1p(each.counts, dtype=np.float32)) for each in of)
    squares = [
        sums(each, slice(0, len(each.starts) - 1), (each.counts * idf[each.terms]) ** 2)
        for each in (text, above)
    ]
    of_context, headings = view.layout.context_of, join(add_up(above, terms))
    lengths = np.sqrt(np.maximum(squares[0] + squares[1][of_context], 1e-9)).astype(np.float32)[:, None]
    return join(
        (units, pack((found + headings[of_context[units]]) / lengths[units] + known["mean"]))
        for units, found in add_up(text, terms)
    )
