"""How long a training will take: from a sample of all of the text, in proportion to it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.config import load
from lior.reading.documents import RawDocument, read_documents
from lior.testing.strategies import LAW
from lior_cli import estimate as estimates
from lior_cli.estimate import estimate

texts = st.lists(st.integers(0, 9000), max_size=12).map(
    lambda sizes: [RawDocument(str(i), b"%d" % (i % 10) * size) for i, size in enumerate(sizes)]
)


@LAW
@given(documents=texts, size=st.integers(1, 20_000))
def test_a_sample_is_small_and_of_the_documents(documents, size):
    total = sum(len(document.data) for document in documents)
    chosen = estimates.sample(documents, size)
    assert sum(len(document.data) for document in chosen) <= max(size, 1)
    texts = {document.name: document.data for document in documents}
    assert all(piece.data in texts[piece.name] for piece in chosen)
    if total <= size:
        assert chosen == documents
    elif total:
        assert any(piece.data for piece in chosen)


def test_a_sample_has_pieces_of_every_large_document():
    documents = [RawDocument(name, name.encode() * 50_000) for name in "abc"]
    assert {piece.name for piece in estimates.sample(documents, 16_384)} == set("abc")


@pytest.mark.parametrize("geometry", [True, False])
def test_stages_that_read_text_take_time_in_proportion_to_it(monkeypatch, sample, small_recipe, geometry):
    """The machine reads 1 kB a second and takes 3 s for an update; it reads a small part of the text."""
    sizes = []

    def train(config, *, documents):
        sizes.append(sum(len(document.data) for document in documents))
        read = sizes[-1] / 1000
        seconds = {
            "memory": read * 3 / 4,
            "folds": read / 4,
            "mixer": read / 2,
            "validate": read / 4,
            "total": 99.0,
        }
        seconds["geometry"] = 3.0 * config.geometry.updates if geometry else 0.0
        return SimpleNamespace(summary={"seconds": seconds})

    monkeypatch.setattr(estimates, "train", train)
    config = load(small_recipe, env={}, overrides=["geometry.updates=20"]).config
    documents = read_documents([str(sample)])
    size = len(documents[0].data)
    assert estimate(config, documents) == pytest.approx(1.75 * size / 1000 + (60.0 if geometry else 0.0))
    assert sum(sizes) <= size / 10


def test_no_longer_than_the_time_limit(sample):
    config = load("fast", env={}, overrides=["time_limit=0.01"]).config
    assert estimate(config, read_documents([str(sample)])) == 0.01
