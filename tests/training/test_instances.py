"""A plugin is one object from the configuration to the checkpoint, and few calls lead to the file."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

import lior
from lior.config import load
from lior.errors import UsageError
from lior.plugins.registry import registry
from lior.reading.documents import RawDocument
from lior.runs import bundle
from lior.training.preparation import train
from lior_cli.estimate import estimate

TEXT = {"a": "the cat sat on the mat; " * 40}
FEW = {"geometry": {"updates": 2}, "fit": {"passes": 0}, "mixer": {"positions": 64, "cells": 4}}


def made(kind: str, name: str, **options: object) -> object:
    return registry.get(kind, name)(**options)


def test_instances_that_are_given_are_those_that_are_used(tmp_path):
    memories = [made("memory", "exact", capacity=64), made("memory", "match")]
    frame, tokenizer = made("frame", "rotor", layers=2), made("tokenizer", "bytes")
    run = lior.train(
        documents=TEXT, memory=memories, frame=frame, tokenizer=tokenizer, out=tmp_path / "r", **FEW
    )
    assert [*run.model.memories] == ["exact", "match"]
    assert all(used is given for used, given in zip(run.model.memories.values(), memories, strict=True))
    assert run.model.geometry.frame is frame
    assert run.model.tokenizer is tokenizer
    assert run.summary["components"]["frame"] == "rotor"
    entry = run.checkpoint.manifest["components"]["memory"][0]
    assert (entry["name"], entry["distribution"], entry["options"]["capacity"]) == ("exact", "lior", 64)
    again = lior.load(tmp_path / "r")
    assert again.model.geometry.frame == frame
    with pytest.raises(UsageError, match="Exact: this instance has read a text already; make a new one"):
        lior.train(documents=TEXT, memory=memories, **FEW)


def test_a_plugin_is_built_once(monkeypatch):
    """When the configuration is resolved; training builds none; a checkpoint read back has its own."""
    built = []
    for kind, name in [("memory", "exact"), ("frame", "lowrank"), ("updater", "contrastive")]:
        cls = registry.get(kind, name)
        init = cls.__init__
        monkeypatch.setattr(
            cls, "__init__", lambda self, *a, _i=init, _n=name, **k: (built.append(_n), _i(self, *a, **k))[1]
        )
    config = load({"memory": "exact", **FEW}, env={}, components=True).config
    assert sorted(built) == ["contrastive", "exact", "lowrank"]
    train(config, documents=[RawDocument("a", TEXT["a"].encode())])
    assert sorted(built) == ["contrastive", "exact", "lowrank"]


def test_an_estimate_leaves_the_instances_as_they_are():
    config = load({"memory": "sdm", **FEW}, env={}, components=True).config
    memory = config.memory.components[0].plugin
    before = memory.snapshot()
    estimate(config, [RawDocument("a", TEXT["a"].encode())])
    assert {k: v.shape for k, v in memory.snapshot().items()} == {k: v.shape for k, v in before.items()}


def test_five_calls_lead_from_train_to_the_file(monkeypatch, tmp_path):
    """As `docs/architecture.md` names them."""
    write, stacks = bundle.write, []

    def noted(path: Path, *rest: object, **named: object) -> None:
        frames = [frame for frame, _ in traceback.walk_stack(sys._getframe(1))][::-1]
        stacks.append([f.f_code.co_name for f in frames if f.f_globals["__name__"].startswith("lior.")])
        write(path, *rest, **named)

    monkeypatch.setattr(bundle, "write", noted)
    lior.train(documents=TEXT, memory="match", out=tmp_path / "r", **FEW)
    wrapper = "checked"  # of the keywords
    first = [name for name in stacks[0] if name != wrapper]
    assert first == ["train", "train", "save", "write", "save"], "and then bundle.write"
