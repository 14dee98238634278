"""Reading online, by chunks: every score is of the tokens before it."""

from __future__ import annotations

import numpy as np
import torch

from lior.config import load
from lior.data import corpus
from lior.model import online
from lior.model.online import Online
from lior.reading.documents import RawDocument
from lior.training.preparation import build_model

TEXT = b"the cat sat on the mat; the hat sat on the cat. " * 8


def untrained():
    """A model of the recipe `fast` that has read nothing."""
    config = load("fast", components=True).config
    return build_model(config, torch.device("cpu"), torch.Generator().manual_seed(config.seed))


def bits_by_chunks(data: bytes) -> list[float]:
    """The bits of each token of ``data``."""
    model = untrained()
    reader, built = Online(model), corpus.build_corpus([RawDocument("text", data)], model.tokenizer)
    bits: list[float] = []
    while len(bits) < len(built):
        end = len(bits) + reader.chunk(built.tokens[len(bits) :])
        bits += reader.read(*built.text(len(bits), end, context=model.context)).tolist()
    return bits


def test_what_comes_later_changes_no_score():
    """So a score is what a decoder would need, which knows only the tokens before."""
    same = TEXT + bytes(range(0, 256, 9))
    one, other = (bits_by_chunks(same + rest) for rest in (b"the end", TEXT[::-1]))
    np.testing.assert_allclose(one[: len(same)], other[: len(same)], rtol=1e-5)


def test_untrained_step_sizes_fall_with_what_was_read(monkeypatch):
    monkeypatch.setattr(online, "_SETTLED", 100)
    model = untrained()
    reader = Online(model)
    built = corpus.build_corpus([RawDocument("text", b"a" * 200)], model.tokenizer)
    seen, end = [], 0
    for size in (1, 49, 50, 50):
        seen.append(reader.progress)
        reader.read(*built.text(end, end + size, context=model.context))
        end += size
    assert [*seen, reader.progress] == [0.0, 0.01, 0.5, 1.0, 1.0]
    assert Online(model).progress == 1.0, "a model that has read something begins with small steps"


def test_a_fresh_token_ends_a_chunk():
    model = untrained()
    reader = Online(model)
    built = corpus.build_corpus([RawDocument("text", b"aab" + b"a" * 2000)], model.tokenizer)
    ends, end = [], 0
    for _ in range(4):
        begin, end = end, end + reader.chunk(built.tokens[end:])
        ends.append(end)
        reader.read(*built.text(begin, end, context=model.context))
    assert ends == [1, 3, 3 + 1024, 2003]
