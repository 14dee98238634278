"""Reading online, by chunks and token by token: one order of events, the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lior.data import corpus
from lior.interfaces import Query
from lior.model import evaluation, online
from lior.model.online import Follower, Online
from lior.reading.documents import RawDocument
from lior.runs import directory as rundir
from lior_cli.compress import recipe_coder
from lior_plugins.memories.sdm import Sdm
from tests.cases import cases

TEXT = b"the cat sat on the mat; the hat sat on the cat. " * 8


def follow(model, data: bytes, document: int = 0) -> float:
    """Bits of ``data``, token by token."""
    tokens = model.tokenizer.encode(data)
    reader, bits = Follower(model, len(tokens), document=document), 0.0
    for token in tokens.tolist():
        p = reader.predict()
        assert p.sum() == pytest.approx(1, abs=1e-5)
        if token in reader.known:
            bits -= math.log2(p[np.searchsorted(reader.known, token)])
        else:
            bits -= math.log2(p[-1] / len(reader.unknown))
        reader.update(token)
    return bits


def bits_by_chunks(model, data: bytes, document: int = 0) -> float:
    built = corpus.build([RawDocument("text", data)], model.tokenizer)
    built = corpus.Corpus(built.tokens, built.starts, built.names, built.bytes, first_document=document)
    return evaluation.evaluate(model, built, 0, len(built), online=True).nats / math.log(2)


@cases("window", [1, 5, 16])
def test_a_peek_gives_the_evidence_of_partial_fit_bit_for_bit(window):
    model = recipe_coder("fast").model
    model.memories["sdm"] = memory = Sdm(window=window)
    built = corpus.build([RawDocument("text", TEXT)], model.tokenizer)
    alphabet = built.tokens.long().unique()
    for begin in range(0, 160, window):
        text, start = built.text(begin, begin + window, context=model.context)
        peeks = []
        for ahead in range(window):
            hidden = text.tokens.clone()
            hidden[start + ahead :] = 0  # what is to be read is not known yet
            query = Query(text._replace(tokens=hidden), torch.tensor([start + ahead]), None)
            before = memory.snapshot() if begin == window else {}
            peeks.append(memory.peek(query, alphabet, ahead=ahead))
            assert all(torch.equal(memory.snapshot()[k], v) for k, v in before.items())
        said = memory.partial_fit(model.items(text, start), alphabet, progress=0.5, write=True)
        assert torch.equal(torch.cat([p.log_p for p in peeks]), said.log_p)
        assert torch.equal(torch.cat([p.gates[0] for p in peeks]), said.gates[0])


def test_token_by_token_costs_what_chunks_cost_untrained():
    data = TEXT + bytes(range(0, 256, 9)) + TEXT
    assert follow(recipe_coder("fast").model, data) == pytest.approx(
        bits_by_chunks(recipe_coder("fast").model, data), rel=1e-6
    )


def test_token_by_token_costs_what_chunks_cost_with_a_geometry(finished):
    """Its memory of coordinates does not learn by itself, and its gate is soft."""
    data = TEXT[:150] + b"\x00\xff" + TEXT[:50]
    models = [rundir.open_run(finished) for _ in range(2)]
    number = len(models[0].corpus.names)
    found = [follow(models[0].model, data, number), bits_by_chunks(models[1].model, data, number)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_both_leave_the_same_model():
    data = TEXT[:200] + b"\x00" + TEXT
    one, other = (recipe_coder("fast").model for _ in range(2))
    follow(one, data)
    bits_by_chunks(other, data)
    assert torch.equal(one.token_counts, other.token_counts)
    for key, value in one.memories["sdm"].snapshot().items():
        assert torch.equal(value, other.memories["sdm"].snapshot()[key]), key
    for key, value in one.weights.items():
        assert torch.allclose(value, other.weights[key], atol=1e-6), key


def test_untrained_step_sizes_fall_with_what_was_read(monkeypatch):
    monkeypatch.setattr(online, "_SETTLED", 100)
    model = recipe_coder("fast").model
    reader = Online(model)
    built = corpus.build([RawDocument("text", b"a" * 200)], model.tokenizer)
    seen, end = [], 0
    for size in (1, 49, 50, 50):
        seen.append(reader.progress)
        reader.read(*built.text(end, end + size, context=model.context))
        end += size
    assert [*seen, reader.progress] == [0.0, 0.01, 0.5, 1.0, 1.0]
    assert Online(model).progress == 1.0, "a model that has read something begins with small steps"


def test_a_fresh_token_ends_a_chunk():
    model = recipe_coder("fast").model
    reader = Online(model)
    built = corpus.build([RawDocument("text", b"aab" + b"a" * 2000)], model.tokenizer)
    ends, end = [], 0
    for _ in range(4):
        begin, end = end, end + reader.chunk(built.tokens[end:])
        ends.append(end)
        reader.read(*built.text(begin, end, context=model.context))
    assert ends == [1, 3, 3 + 1024, 2003]
