"""Vectors of passages that the encoder has not read, predicted from their terms."""

import numpy as np
import pytest

from lior_ask import Index
from lior_ask.embedders import bags, regression
from lior_ask.index import vector_store
from lior_ask.question.query import analyse
from lior_ask.question.question import understood

WIDTH = 16

TEXTS = {
    "house.md": "# Boiler\n\nThe boiler hums.\n\nIt hums at night, and is old.\n\nThe cellar is dry.\n",
    "garden.md": "# Pond\n\nThe pond has frogs.\n\nFrogs hum at night.\n\nThe old willow is dry.\n",
}


class Hashed:
    """An embedder whose vectors depend on the words of a text."""

    api_version, width, unrelated, related, digest = 1, WIDTH, 0.0, 1.0, "hashed"

    def embed(self, texts, *, question=False):
        found = np.ones((len(texts), WIDTH), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                found[row, sum(map(ord, word)) % WIDTH] += 2
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(vector_store, "LARGE", 3)


def made(place, texts, **settings):
    place.mkdir()
    for name, text in texts.items():
        (place / name).write_text(text)
    return Index(place, retriever="meaning", embedder=f"{__name__}:Hashed", **settings)


def expected(index, question="Does the boiler hum?"):
    asked = index.inverted.vectors.question(question).result()
    known = regression.learned(index.inverted, index.inverted.vectors)
    return regression.cosines(known, analyse(index.inverted, understood(question)), asked) if known else None


def test_predictions_are_those_of_ridge_regression(tmp_path, large, monkeypatch):
    """In the dual form, with float64 and dense matrices."""
    monkeypatch.setattr(vector_store, "SAMPLE", 4)
    index = made(tmp_path / "notes", TEXTS, cache=False)
    assert expected(index) is None
    index.asker.learn()
    view, sample = index.inverted, index.inverted.vectors.sample()
    text, above = view.forward("passage_"), view.forward("context_")
    idf = regression._idf(view, text, above).astype(float)
    x, squares = np.zeros((len(view), len(idf))), np.zeros(len(view))
    for row in range(len(view)):
        for entries, unit in ((text, row), (above, view.layout.context_of[row])):
            some = slice(entries.starts[unit], entries.starts[unit + 1])
            weights = np.log1p(entries.counts[some]) * idf[entries.terms[some]]
            x[row, entries.terms[some]] += weights
            squares[row] += weights @ weights
    x /= np.sqrt(squares)[:, None]
    pieces, keys = bags.terms_of(view)
    of_terms = np.zeros((len(idf), 384))
    of_terms[keys] = bags.spelled(pieces)
    kernel = x @ (np.eye(len(idf)) + regression._PIECES * of_terms @ of_terms.T) @ x[sample].T
    y = view.vectors.vectors(sample).astype(float)
    dual = np.linalg.solve(kernel[sample] + regression._RIDGE * np.eye(len(sample)), y - y.mean(0))
    wanted = kernel @ dual + y.mean(0)
    learned = regression.learned(view, view.vectors)
    found = learned["passages"].astype(float) @ learned["basis"].T
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.min() > 0.999


def test_a_small_index_predicts_nothing(tmp_path):
    index = made(tmp_path / "notes", TEXTS, cache=False)
    index.asker.learn()
    assert expected(index) is None


def test_what_is_forgotten_leaves_no_trace(tmp_path, large):
    """The predictions depend on the content alone: after a change they are made anew."""
    index = made(tmp_path / "notes", {**TEXTS, "secret.md": "The boiler code is 4711.\n"})
    index.asker.learn()
    before = expected(index)
    (tmp_path / "notes" / "secret.md").unlink()
    index.update()
    assert len(expected(index)) == len(before) - 1, "all passages of the new sample are read"
    other = made(tmp_path / "other", TEXTS, cache=False)
    other.asker.learn()
    assert np.array_equal(expected(index), expected(other))


def test_the_sample_is_read_ahead_first(tmp_path, large, monkeypatch):
    monkeypatch.setattr(vector_store, "SAMPLE", 2)
    index = made(tmp_path / "notes", TEXTS, cache=False)
    left = iter((True, True, False))
    index.asker.read_ahead(lambda number: next(left))
    assert expected(index) is not None
