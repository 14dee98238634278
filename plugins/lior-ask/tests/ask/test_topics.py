"""Topics: documents by words and by vectors together, as the formula says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lior_ask.arrays import idf_of
from lior_ask.index.inverted import InvertedIndex
from lior_ask.ranking.feedback import READ, fuse, move

WORDS = ("boiler", "tomato", "ladder", "invoice", "harbour", "engine", "violin", "carpet", "window", "candle")


def made(documents: list[list[str]]) -> InvertedIndex:
    """An index by documents, each of one passage."""
    index = InvertedIndex()
    for number, words in enumerate(documents):
        index.add(f"{number:03}", [(" ".join(words), "")])
    return index.by_document()


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def by_hand(
    whole: InvertedIndex, v: np.ndarray, cosines: np.ndarray, vectors: np.ndarray, u: float
) -> np.ndarray:
    """The formula, by loops, for fewer documents than are read, all of which share a word."""
    entries, size = whole.forward(""), len(whole)
    counts = np.zeros((size, int(entries.terms.max()) + 1))
    for row in range(size):
        part = slice(entries.starts[row], entries.starts[row + 1])
        counts[row, entries.terms[part]] = entries.counts[part]
    a = unit(np.log1p(counts) * idf_of((counts > 0).sum(0), size))
    gram = (a @ a.T + (vectors @ vectors.T - u) / (1 - u)) / 2
    cosines = cosines - u
    p = np.exp(30 * np.sort(v)[::-1][:50])
    p /= p.sum()
    trust = 1 - np.exp(-(p * np.log(p)).sum()) / 100
    m = v + np.maximum(cosines, 0) * v.max() / max(cosines.max(), 1e-9)
    first = np.argsort(-m)[:10]
    p = np.exp(30 * (m[first] - m.max()))
    e = np.maximum(gram[:, first] @ (p / p.sum()), 0)
    out = m + 2 * trust * e * v.max() / e.max()
    before = out.copy()
    for row in range(size):
        near = [other for other in np.argsort(-gram[row]) if other != row][:10]
        w = np.maximum(gram[row, near], 0) ** 3
        out[row] += trust * (w @ before[near]) / max(w.sum(), 1e-9)
    return out


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), size=st.integers(12, 30), u=st.sampled_from([0.0, 0.3]))
def test_fused_scores_are_those_of_the_formula(seed, size, u):
    draw = np.random.default_rng(seed)
    whole = made([list(draw.choice(WORDS, 12)) for _ in range(size)])
    vectors, v = unit(draw.standard_normal((size, 24))), draw.uniform(0.1, 1, size)
    question = unit(draw.standard_normal(24))
    found = fuse(whole, v, question, lambda rows: vectors[rows], u)
    np.testing.assert_allclose(found, by_hand(whole, v, vectors @ question, vectors, u), rtol=1e-5)
    assert (found <= 8 * v.max()).all()


def test_only_the_best_are_read_and_the_others_stay():
    draw = np.random.default_rng(0)
    whole = made([list(draw.choice(WORDS, 12)) for _ in range(READ + 50)])
    v, vectors, asked = draw.uniform(0.1, 1, READ + 50), unit(draw.standard_normal((READ + 50, 24))), []

    def read(rows):
        asked.extend(rows.tolist())
        return vectors[rows]

    found, before = fuse(whole, v, vectors[0], read), move(whole, v)[0]
    assert len(asked) == len(set(asked)) == READ
    left = np.setdiff1d(np.arange(READ + 50), asked)
    assert before[asked].min() >= before[left].max()
    np.testing.assert_array_equal(found[left], before[left])


def test_few_documents_and_vectors_of_zeros_are_no_fault():
    for documents in ([], [["boiler"]], [["boiler"], ["boiler", "tomato"], ["ladder"]]):
        whole = made(documents)
        for v in (np.zeros(len(documents)), np.linspace(0.5, 0, len(documents))):
            found = fuse(
                whole, v, np.ones(4, np.float32) / 2, lambda rows: np.zeros((len(rows), 4), np.float32)
            )
            assert np.isfinite(found).all(), documents
            assert (found[v > 0] >= v[v > 0]).all(), documents
