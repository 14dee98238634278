"""Embedders obey their contract; what is particular to each."""

from __future__ import annotations

import hashlib
import sys
from importlib.resources import files
from itertools import pairwise
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

from lior.errors import DataError
from lior.testing import run_suite
from lior_ask.embedders import e5, four_bits, libraries
from lior_ask.embedders.graph import OnnxLayers
from lior_ask.embedders.layers import NumpyLayers
from lior_ask.embedders.pieces import BEGIN, END, UNKNOWN
from lior_ask.index.embedding import embedder
from lior_ask.tables.learned import LAYERS, LOWEST, NAMES, read_question

REASON = "needs the extra lior-ask[meaning]"
MODEL = e5.open_file()


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
    assert run_suite("embedder", lambda: embedder(f"{name}:a/b")) == []
    assert embedder(f"{name}:a/b").digest == f"{name} 1.0 a/b"
    plain, asked = (embedder(f"{name}:a/b").embed(["x"], question=each) for each in (False, True))
    assert plain[0, 0] == 0 < asked[0, 0]
    with pytest.raises(DataError, match=f"{name} cannot open the model 'b': no b$"):
        embedder(f"{name}:b").embed(["x"])


STRANGE = (
    "Der Klempner kommt am Montag um 12.50 Uhr.",
    "What's   the café's price?",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8\u3001\u660e\u65e5\u306f\u4f1a\u8b70",
    "\u041a\u043e\u0433\u0434\u0430 \u043d\u0430\u0447\u0430\u043b\u043e? \U0001f600 \u2460 \ufb01",
    " x",
    "",
)


def framed(texts):
    return [[BEGIN, *pieces, END] for pieces in e5.open_file().pieces.divide(texts)]


def test_numpy_computes_what_onnx_runtime_does():
    pytest.importorskip("onnxruntime", reason=REASON)
    texts = framed([*STRANGE, "passage: " + "The plumber comes on Monday. " * 60])
    assert ((NumpyLayers(MODEL).means(texts) * OnnxLayers(MODEL).means(texts)).sum(1) > 0.999).all()


def test_other_texts_of_a_batch_change_no_vector():
    texts = framed([f"passage: {text} {'and so on ' * number}" for number, text in enumerate(STRANGE * 4)])
    layers = NumpyLayers(MODEL)
    alone = np.concatenate([layers.means([each]) for each in texts])
    np.testing.assert_allclose(layers.means(texts), alone, atol=1e-5)


def test_e5_runs_without_onnx_runtime(monkeypatch):
    monkeypatch.setattr(e5, "find_spec", lambda name: None)
    assert type(e5._runner.__wrapped__()) is NumpyLayers


def test_the_pieces_of_e5_are_the_likeliest():
    tokenizers = pytest.importorskip("tokenizers", reason="a test extra")
    letters, ends = MODEL.pieces.letters.tobytes(), MODEL.pieces.ends.tolist()
    every = [letters[a:b].decode() for a, b in pairwise(ends)]
    likely = tokenizers.models.Unigram([*zip(every, MODEL.pieces.scores.tolist(), strict=True)], UNKNOWN)
    text = "\u2581Unser\u2581Wandertag\u2581is\u2581on\u2581Tuesday"
    assert MODEL.pieces.of("Unser  Wandertag is on Tuesday") == tokenizers.Tokenizer(likely).encode(text).ids


def test_the_notice_names_the_file_that_ships():
    place = files("lior_ask.embedders")
    digest = hashlib.sha256(place.joinpath(e5.WEIGHTS).read_bytes()).hexdigest()
    assert digest in place.joinpath("NOTICE.txt").read_text(encoding="utf-8")


def test_common_words_are_one_piece_and_other_scripts_are_characters():
    for word in ("kitchen", "Frühstück", "après", "español", "größere", "1996", "»"):
        assert len(MODEL.pieces.of(word)) == 1, word
    assert UNKNOWN not in MODEL.pieces.of("Когда начало? πότε;")
    assert UNKNOWN in MODEL.pieces.of("日本語")


def test_another_model_of_e5_is_refused(tmp_path):
    other = tmp_path / e5.WEIGHTS
    for data in (b"", b"another file", (2).to_bytes(8, "little") + b"[]", bytes(40)):
        other.write_bytes(data)
        with pytest.raises(DataError, match="the model of e5 cannot be read"):
            four_bits.read(other)


def test_e5_finds_an_answer_in_other_words_and_languages():
    for asked, near, far in (
        ("Who fixes the tap?", "The plumber repairs the faucet on Monday.", "The bakery opens on Monday."),
        ("When does the plumber come?", "Der Klempner kommt am Montag.", "Die Rosen sind rot."),
    ):
        cosines = embedder("e5").embed([near, far]) @ embedder("e5").embed([asked], question=True)[0]
        assert cosines[0] > 0.35, asked
        assert cosines[1] < 0.2, asked


@pytest.mark.parametrize(("which", "name"), [(0, LAYERS), (1, NAMES)])
def test_layers_for_tables_replace_the_last_ones(which, name):
    file = files("lior_ask.tables").joinpath(name)
    merged = four_bits.Model({**MODEL.tensors, **four_bits.read(file).tensors})
    asked = "How many of the loans are overdue?"
    pieces = [[BEGIN, *MODEL.pieces.divide([f"query: {asked}"])[0], END]]
    layers, below = NumpyLayers(merged, NumpyLayers(MODEL), LOWEST), NumpyLayers(MODEL).states(pieces, LOWEST)
    shared = layers.means(pieces)
    np.testing.assert_array_equal(shared, NumpyLayers(merged).means(pieces))
    np.testing.assert_allclose(shared, layers.above(below[0]), atol=1e-6)
    # ONNX Runtime rounds otherwise
    np.testing.assert_allclose(read_question(asked)[which], shared[0], atol=0.05)
    assert float(shared[0] @ NumpyLayers(MODEL).means(pieces)[0]) < 0.99
