"""How long a training will take: from a sample of all of the text, and within a factor of two."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.config import load
from lior.reading.documents import RawDocument, read_documents
from lior.testing.strategies import LAW
from lior.training import estimate as estimates
from lior.training.estimate import estimate
from lior.training.preparation import train

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


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["fast", None])
def test_it_is_within_a_factor_of_two(monkeypatch, sample, small_recipe, recipe):
    """In processor time, which others who work on this machine change least."""
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    config = load(recipe or small_recipe, env={}, overrides=["geometry.updates=20"]).config
    documents = read_documents([str(sample)])
    said = estimate(config, documents)
    took = train(config, documents=documents).summary["seconds"]["total"]
    assert took / 2 < said < took * 2


def test_no_longer_than_the_time_limit(sample):
    config = load("fast", env={}, overrides=["time_limit=0.01"]).config
    assert estimate(config, read_documents([str(sample)])) == 0.01
