"""The vectors that the encoder would give to passages that it has not read, predicted from their terms.

Ridge regression (A. Hoerl and R. Kennard, 1970): ``x`` are the terms of a passage and of its headings, each
with the weight ``ln(1 + count) · idf``, scaled to unit length; ``y`` is the vector of the encoder. From a
sample of passages that it has read follow the vectors of all terms in closed form,
``V = Xᵀ (X Xᵀ + λ)⁻¹ (Y − ȳ)``, and the prediction ``xᵀ V + ȳ`` for all others. Only the principal
components of the sample's vectors are kept.

In five manuals with 20,000 to 75,000 passages, an answer in other words than the question ranks 40th to 105th
of 5,000 passages (geometric mean), by the encoder alone 25th to 46th, and by
:mod:`~lior_ask.embedders.bags` 370th in three of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from lior.interfaces import Forward, PassageView, TermQuery
from lior_ask.arrays import idf_of, slices, sums
from lior_ask.embedders.bags import add_up, join, pack, products

SAMPLE = 4_000
"""Number of passages that are read: a minute of a core. With half as many, ranks are half as large again."""
_WIDTH = 128
"""Number of principal components."""
_RIDGE = 0.5
"""``λ``; chosen among .2 to 1.6 on three manuals."""
_READ = 2.0
"""Weight of the encoder's vector of the question, beside the one that is predicted from its words."""


def fit(view: PassageView, rows: np.ndarray, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Learn from passages with unit vectors of the encoder, ``(n, 384)``, and predict all.

    Returns the ``keys`` of the sample's terms, int32 ``(K,)``, ascending, their ``idf`` and vectors,
    ``terms``, float32 ``(K, 128)``; ``basis``, float32 ``(384, 128)``; ``mean``, float32 ``(128,)``; and the
    predictions ``passages``, int8 ``(N, 128)``, of any length.
    """
    text, above = view.forward("passage_"), view.forward("context_")
    idf, of_context = _idf(view, text, above), view.layout.context_of
    _, components = np.linalg.eigh(vectors.T @ vectors)
    basis = components[:, -_WIDTH:].astype(np.float32)
    mean = (vectors @ basis).mean(0)
    entries = [_entries(each, units, idf) for each, units in ((text, rows), (above, of_context[rows]))]
    lengths = np.sqrt(sum(np.bincount(place, weights**2, len(rows)) for _, place, weights in entries))
    keys, seen = np.unique(np.concatenate([terms for terms, _, _ in entries]), return_counts=True)
    x = np.zeros((len(rows), len(keys)), np.float32)
    for terms, place, weights in entries:  # a term may stand in a passage and in its headings
        x[place, np.searchsorted(keys, terms)] += weights / np.maximum(lengths, 1e-9)[place]
    many = x[:, seen > 1]  # other terms are in one passage: they add to the diagonal
    kernel = many @ many.T
    kernel[np.diag_indices_from(kernel)] += (x[:, seen == 1] ** 2).sum(1) + np.float32(_RIDGE)
    terms = x.T @ np.linalg.solve(kernel, vectors @ basis - mean)
    found = {"keys": keys, "idf": idf[keys], "terms": terms, "basis": basis, "mean": mean}
    return found | {"passages": _predict(view, (text, above), idf, found)}


def cosines(
    learned: Mapping[str, np.ndarray],
    query: TermQuery,
    question: np.ndarray,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Return the expected cosines of a question with all passages or some, float32 ``(n,)``.

    ``question`` is its unit vector, ``(384,)``; ``learned`` is from :func:`fit`.
    """
    at = np.minimum(np.searchsorted(learned["keys"], query.terms), len(learned["keys"]) - 1)
    weights = np.log1p(query.weights) * learned["idf"][at] * (learned["keys"][at] == query.terms)
    said = weights @ learned["terms"][at] / max(float(np.linalg.norm(weights)), 1e-9) + learned["mean"]
    read = question @ learned["basis"]
    asked = said / np.linalg.norm(said) + _READ * read / max(float(np.linalg.norm(read)), 1e-9)
    space = learned["passages"] if rows is None else learned["passages"][rows]
    return products(space, asked / (1 + _READ))


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
    view: PassageView, of: tuple[Forward, Forward], idf: np.ndarray, learned: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return the predictions of all passages, int8 ``(N, 128)``, from the terms of texts and of headings."""
    terms = np.zeros((len(idf), len(learned["mean"])), np.float32)
    terms[learned["keys"]] = learned["idf"][:, None] * learned["terms"]
    text, above = (attrs.evolve(each, counts=np.log1p(each.counts, dtype=np.float32)) for each in of)
    squares = [
        sums(each, slice(0, len(each.starts) - 1), (each.counts * idf[each.terms]) ** 2)
        for each in (text, above)
    ]
    of_context, headings = view.layout.context_of, join(add_up(above, terms))
    lengths = np.sqrt(np.maximum(squares[0] + squares[1][of_context], 1e-9)).astype(np.float32)[:, None]
    return join(
        (units, pack((found + headings[of_context[units]]) / lengths[units] + learned["mean"]))
        for units, found in add_up(text, terms)
    )
