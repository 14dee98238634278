"""A checkpoint holds the whole model in safe files: what is loaded predicts bit by bit the same."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import attrs
import pytest
import torch
from safetensors import safe_open

from lior.data import corpus
from lior.model.generation import Session
from lior.reading.documents import RawDocument, read_documents
from lior.runs import bundle, checkpoint
from lior.runs import folder as runfolder
from lior.runs.checkpoint import Checkpoint
from lior.runs.format import FORMAT
from lior.training.preparation import train

FILES = {"manifest.json", "model.safetensors", "text.safetensors"}
COMBINATIONS = [
    ("memory.name=sdm",),
    ("memory.name=exact", "geometry.resilience_at=both"),
    ("frame.name=rotor", "product.name=spinor", "rsource.name=curvature"),
    ("frame.name=derived", "product.name=wedge", "mixer.cells=0"),
    ("encoder.name=poles", "encoder.n=8", "updater.name=spsa"),
]


@pytest.fixture(scope="module")
def trained(configure):
    """A model in memory."""
    return train(configure()).checkpoint


def written(path: Path, saved: Checkpoint) -> Path:
    bundle.write(path, *checkpoint.contents(saved), format=FORMAT)
    return path


@pytest.fixture
def save(trained, sample, tmp_path):
    """Write the model to ``tmp_path / name``."""
    text = corpus.build_corpus(read_documents([str(sample)]), trained.model.tokenizer)
    saved = attrs.evolve(trained, corpus=text, n_train=58_800, score=None)
    return lambda name="checkpoint": written(tmp_path / name, saved)


@pytest.mark.parametrize("settings", COMBINATIONS, ids=" ".join)
def test_what_is_loaded_predicts_the_same_bit_by_bit(configure, short, tmp_path, settings):
    trained = train(configure(*settings, text=short), tmp_path / "r").model
    loaded = checkpoint.load(runfolder.list_checkpoints(tmp_path / "r")[0])
    text, _ = corpus.build_corpus(read_documents([str(short)]), trained.tokenizer).text(7_000, 7_300)
    positions = torch.arange(200, 300)
    assert torch.equal(trained.log_probs(text, positions), loaded.model.log_probs(text, positions))
    assert torch.equal(Session(trained).log_probs(), Session(loaded.model).log_probs())


def test_what_is_loaded_goes_on_learning_the_same(trained, save):
    model = trained.model
    loaded = checkpoint.load(save()).model
    again = checkpoint.load(save("again")).model
    more = corpus.build_corpus([RawDocument("more", b"Something new. " * 20)], model.tokenizer)
    text, start = attrs.evolve(more, first_document=1).text(0, 300)
    for learner in (loaded, again):
        learner.write(text, start)
        learner.commit()
    positions = torch.arange(100, 300)
    assert torch.equal(loaded.log_probs(text, positions), again.log_probs(text, positions))
    assert not torch.equal(loaded.log_probs(text, positions), model.log_probs(text, positions))


def test_saving_what_was_loaded_gives_the_same_files(save, tmp_path):
    written(tmp_path / "copy", checkpoint.load(save()))
    for name in FILES:
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "checkpoint" / name).read_bytes()


def test_text_and_split_come_back(save, sample):
    loaded = checkpoint.load(save())
    assert bytes(loaded.corpus.tokens.to(torch.uint8).tolist()) == sample.read_bytes()
    assert loaded.corpus.names == (sample.name,)
    assert loaded.corpus.bytes == 60_000
    text, begin, end = loaded.validation()
    assert (text, begin, end) == (loaded.corpus, 58_800, 60_000)


def test_another_text_follows_the_documents_of_the_run(save, tmp_path):
    (tmp_path / "other.txt").write_text("other")
    text, begin, end = checkpoint.load(save()).other_text(read_documents([str(tmp_path / "other.txt")]))
    assert (begin, end) == (0, 5)
    assert set(text.text(0, 5)[0].document.tolist()) == {1}, "number 0 is the run's own"


def test_the_manifest_names_components_files_and_documents(save, sample):
    path = save()
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["format"] == {"program": "lior", "version": 2}
    assert manifest["components"]["encoder"][0] == {
        "name": "lags",
        "options": {"n": 8, "lags": 4, "decay": 0.8, "scale": 0.35},
        "distribution": "lior",
        "version": version("lior"),
    }
    assert [part["name"] for part in manifest["components"]["memory"]] == ["sdm", "exact"]
    assert manifest["geometry"] == {"resilience_at": "query", "smoothing": 0.02}
    assert manifest["documents"] == [sample.name]
    assert (manifest["bytes"], manifest["n_train"]) == (60_000, 58_800)
    for name, entry in manifest["files"].items():
        assert entry["bytes"] == (path / name).stat().st_size


def test_every_tensor_of_the_model_is_needed(save, trained):
    """Each entry of the file is read back, under the name of its part."""
    model = trained.model
    with safe_open(save() / "model.safetensors", framework="pt") as tensors:
        names = set(tensors.keys())
    assert {name.split(".")[0] for name in names} == {"geometry", "mixer", "memory", "cells", "token_counts"}
    assert len([name for name in names if name.startswith("geometry.")]) == len(model.state)
