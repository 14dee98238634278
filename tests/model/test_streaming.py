"""An encoder with unlimited context: generation and online reading see the whole document."""

from __future__ import annotations

import copy

import pytest
import torch

import lior
from lior.data import corpus
from lior.geometry.retrieval import Geometry
from lior.interfaces import StreamingEncoder, Text
from lior.model.following import DocumentCoordinates
from lior.model.generation import Session
from lior.model.online import Online
from lior.model.provenance import explain
from lior.reading.documents import RawDocument
from lior.tensors import sub
from lior.training.preparation import train
from tests.cases import cases

LONG = [*b"the cat sat on the mat; the hat sat on the cat. " * 4]


@pytest.fixture(scope="module")
def run(configure, tmp_path_factory):
    settings = (
        "encoder.name=poles",
        "encoder.n=8",
        "encoder.reach=6",
        "encoder.horizon=1000",
        "memory.name=exact",
    )
    folder = tmp_path_factory.mktemp("runs") / "poles"
    train(configure(*settings), folder)
    return lior.load(folder)


@pytest.fixture(scope="module")
def trained(run):
    return run.model


@pytest.fixture
def model(trained):
    """A copy, to be changed."""
    return copy.deepcopy(trained)


def document(tokens: list[int]) -> Text:
    depth = torch.arange(len(tokens))
    return Text(torch.tensor(tokens), depth, torch.full_like(depth, 7))


def whole(model, tokens: list[int]) -> torch.Tensor:
    """The coordinate after ``tokens`` from one wide context, ``(1, n)``."""
    geometry: Geometry = model.geometry
    before = torch.full((geometry.encoder.reach,), geometry.vocab)
    context = torch.cat([torch.tensor(tokens, dtype=torch.int64).flip(0), before])
    return geometry.encoder.encode(sub(model.state, "encoder"), context[None])


@cases("length", [0, 1, 5, 6, len(LONG)])
def test_a_session_predicts_from_all_tokens(trained, length):
    tokens = LONG[:length]
    assert torch.equal(Session(trained, bytes(tokens)).log_probs(), Session(trained, tokens).log_probs())
    expected = trained.log_probs(document([*tokens, 0]), torch.tensor([length]), whole(trained, tokens))[0]
    torch.testing.assert_close(Session(trained, tokens).log_probs(), expected, atol=1e-4, rtol=0)


def test_tokens_beyond_the_context_matter_to_a_session(trained):
    assert isinstance(trained.geometry.encoder, StreamingEncoder)
    other = [*b"Q" * 60, *LONG[60:]]
    assert len(LONG) - 60 > trained.context
    assert not torch.allclose(
        Session(trained, LONG).log_probs(), Session(trained, other).log_probs(), atol=1e-4
    )


def test_feeding_in_parts_is_feeding_at_once(trained):
    parts = Session(trained)
    for token in LONG:
        parts.feed([token])
    torch.testing.assert_close(parts.log_probs(), Session(trained, LONG).log_probs(), atol=1e-4, rtol=0)


def test_a_document_begins_anew(model):
    built = corpus.build_corpus([RawDocument(name, bytes(LONG)) for name in "ab"], model.tokenizer)
    reader, alone = Online(model), DocumentCoordinates(model).read(torch.tensor(LONG))
    found = reader._coordinates(*built.text(0, len(built)))
    torch.testing.assert_close(found, torch.cat([alone, alone]), atol=1e-4, rtol=0)


def test_an_explanation_is_of_the_probabilities_of_the_session(run, trained):
    tokens = LONG[150:158]
    explained = explain(trained, run.checkpoint.corpus, LONG[:150], tokens)
    for count, token in enumerate(tokens):
        p = float(Session(trained, LONG[: 150 + count]).log_probs()[token].exp())
        assert explained[count].probability == pytest.approx(p, rel=1e-3)
