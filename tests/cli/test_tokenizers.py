"""`--tokenizer`: from the command line to a run that needs nothing else, with figures that compare."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

import lior as library
from lior.config import build
from lior.data.split import split
from lior.errors import DataError
from lior.reading.documents import RawDocument, read_documents
from lior.runs import directory as rundir
from lior.training.preparation import tokenize, train
from tests.cases import cases

FAST = ("--config", "fast", "--quiet", "--json", "--holdout", "0.05", "--set", "mixer.positions=2048")
BPE = ("--tokenizer", "bpe", "--set", "tokenizer.vocab_size=500")


needs_library = pytest.mark.usefixtures("_library")


@pytest.fixture
def _library():
    pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def run(tmp_path_factory, configure) -> Path:
    """A small run with merges."""
    pytest.importorskip("tokenizers")
    out = tmp_path_factory.mktemp("runs") / "bpe"
    train(configure("tokenizer.name=bpe", "tokenizer.vocab_size=500", "memory.name=sdm"), out)
    return out


@pytest.mark.slow
@needs_library
def test_a_run_is_scored_and_continued_from_its_directory(lior, sample, tmp_path):
    trained = lior("train", str(sample), "--out", "r", "--after-validation", "keep", *FAST, *BPE)
    assert (trained.returncode, trained.stderr) == (0, "")
    summary = json.loads(trained.stdout)
    assert summary["components"]["tokenizer"] == "bpe"
    assert summary["val_bytes"] == 3000
    scored = json.loads(lior("eval", "r", "--quiet", "--json").stdout)
    assert scored["bytes"] == 3000
    assert scored["bits_per_byte"] == pytest.approx(summary["val_bits_per_byte"], rel=1e-6)
    assert scored["bits_per_byte"] < summary["baseline"]["unigram"]
    (tmp_path / "work" / "other.txt").write_bytes(b"\xff\x00 The statement is executed. \xe9")
    other = json.loads(lior("eval", "r", "other.txt", "--quiet", "--json").stdout)
    assert other["bytes"] == 31
    prompt = "The for statement \N{LATIN SMALL LETTER E WITH ACUTE}"
    drawn = json.loads(lior("generate", "r", "--prompt", prompt, "--max-tokens", "30", "--json").stdout)
    assert (drawn["prompt"], drawn["tokens"]) == (prompt, 30)
    assert len(drawn["text"]) > 40, "a token is more than a byte"
    streamed = lior("generate", "r", "--prompt", prompt, "--max-tokens", "30").stdout
    assert streamed == prompt + drawn["text"] + "\n"


def test_bits_are_per_byte_and_not_per_token(run):
    summary = json.loads((run / "summary.json").read_text())
    model = library.load(run).model
    text, begin, end = rundir.open_run(run).validation()
    stretch, start = text.text(begin, end, context=model.context)
    nats = -float(model.score(stretch, torch.arange(start, len(stretch.tokens))).double().sum())
    assert end - begin < 1200 == summary["val_bytes"]
    assert summary["val_bits_per_byte"] == pytest.approx(nats / 1200 / math.log(2), rel=1e-6)


@needs_library
@cases("name", ["bytes", "bpe"])
def test_validation_begins_at_the_same_byte_whatever_the_tokenizer(configure, name):
    config = configure(f"tokenizer.name={name}", "data.holdout=0.3")
    documents = [
        RawDocument("a", b"spam and eggs " * 30),
        RawDocument("b", b""),
        RawDocument("c", b"ham and eggs " * 30),
    ]
    tokenizer = build("tokenizer", config.tokenizer)
    text, parts = tokenize(config, tokenizer, documents)
    divided = split(documents, 0.3, config.mixer.calibration)
    whole = b"".join(document.data for document in divided.documents)
    assert tokenizer.decode(text.tokens[: parts.train].tolist()) == whole[: divided.cut]
    assert tokenizer.decode(text.tokens[parts.train :].tolist()) == whole[divided.cut :]
    assert tokenizer.decode(text.tokens[text.starts[1] : parts.train].tolist()) == documents[2].data
    assert text.names == ("a", "c", "c", "a"), "the end of c calibrates, the end of a is held out"


@needs_library
@pytest.mark.parametrize("valid", [False, True])
def test_validation_text_teaches_the_tokenizer_nothing(configure, tmp_path, valid):
    learned, other = b"spam and eggs " * 90, b"xyz xyz xyz " * 10
    (tmp_path / "text.txt").write_bytes(learned if valid else learned + other)
    (tmp_path / "valid.txt").write_bytes(other)
    share = len(other) / len(learned + other)
    split = f"data.valid={tmp_path / 'valid.txt'}" if valid else f"data.holdout={share}"
    config = configure("tokenizer.name=bpe", split, text=tmp_path / "text.txt")
    tokenizer, only = build("tokenizer", config.tokenizer), build("tokenizer", config.tokenizer)
    text, parts = tokenize(config, tokenizer, read_documents(config.data.text))
    only.fit([learned])
    assert torch.equal(tokenizer.snapshot()["merges"], only.snapshot()["merges"])
    assert tokenizer.decode(text.tokens[parts.train :].tolist()) == other


@needs_library
def test_too_few_tokens_to_learn_from_are_refused_although_bytes_are_many(configure):
    """Half of it is noise to validate on, and the other half is one token again and again."""
    config = configure("tokenizer.name=bpe", "data.holdout=0.5")
    noise = bytes(i * i % 251 for i in range(600))
    with pytest.raises(DataError, match=r"tokens, too few to learn from; give at least 32"):
        tokenize(config, build("tokenizer", config.tokenizer), [RawDocument("a", b"a" * 600 + noise)])


@pytest.mark.slow
def test_without_the_extra_every_command_says_what_to_install(lior, sample, without_library):
    trained = lior("train", str(sample), "--out", "r", *FAST, *BPE, path=without_library)
    checked = lior("plugins", "--check", "--kind", "tokenizer", path=without_library)
    assert (trained.returncode, checked.returncode) == (2, 1)
    assert trained.stderr.startswith("lior: error: tokenizer")
    assert len(trained.stderr.splitlines()) == 1
    for message in (trained.stderr, checked.stdout):
        assert message.count("lior install bpe") == 1


@pytest.mark.slow
def test_a_run_opened_without_the_extra_says_what_to_install(lior, run, without_library):
    opened = lior("generate", str(run), path=without_library)
    assert opened.returncode == 1
    assert opened.stderr.startswith("lior: error: tokenizer 'bpe' needs the package tokenizers")
    assert "lior install bpe" in opened.stderr


@pytest.fixture
def without_library(tmp_path) -> Path:
    """A folder for the front of ``sys.path`` where ``tokenizers`` is as if it were not installed."""
    folder = tmp_path / "shadow"
    folder.mkdir()
    fault = 'raise ModuleNotFoundError("No module named \'tokenizers\'", name="tokenizers")'
    (folder / "tokenizers.py").write_text(fault + "\n")
    return folder
