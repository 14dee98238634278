"""A run restores the field: what was learned and written predicts the same after it was loaded."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

import lior
from lior.errors import RunError
from lior.model.generation import Session
from lior.plugins import discovery
from lior.plugins.registry import Registry

DOCUMENTS = {f"note {i}": f"Note {i}: the meeting is in room {i} of house {i * i}.\n" * 12 for i in range(12)}
SMALL: dict[str, Any] = {
    "geometry": {"updates": 4, "batch": 16, "keys": 128},
    "mixer": {"positions": 128, "cells": 4},
    "fit": {"passes": 0, "noise_passes": 0},
}
EXACT = {"name": "exact", "exact": {"capacity": 256}}
FIELD = {"name": "field", "n": 8, "reach": 6, "side": 3}
CASES: dict[str, dict[str, Any]] = {
    "far": {"encoder": {"name": "far", "n": 8, "coordinates": 3, "reach": 64}, "memory": EXACT},
    "field": {"encoder": FIELD, "product": "quaternion", "memory": EXACT},
}


@pytest.fixture(scope="module", params=CASES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> lior.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return lior.train(documents=DOCUMENTS, out=out, **SMALL, **CASES[request.param])


def predictions(run: lior.Run, text: bytes) -> torch.Tensor:
    """Log-probabilities of the next token after every token of a context that grows."""
    session, found = Session(run.model), []
    for token in run.model.tokenizer.encode(text).tolist():
        session.feed([token])
        found.append(session.log_probs())
    return torch.stack(found)


def test_a_loaded_run_predicts_and_writes_the_same_bits(trained: lior.Run) -> None:
    assert trained.path is not None
    loaded = lior.load(trained.path)
    text = b"Note 3: the meeting is in room 4 of house 9, and no other. Note 5"
    found = predictions(loaded, text)
    assert torch.equal(found, predictions(trained, text))
    assert found.std() > 0.1, "or all would be equal"
    assert loaded.complete("Note 7: the", 20) == trained.complete("Note 7: the", 20)
    assert loaded.score("The meeting is in room 5.") == trained.score("The meeting is in room 5.")
    assert loaded.model.state.keys() == trained.model.state.keys()


def test_what_is_learned_later_is_restored_as_well(trained: lior.Run) -> None:
    assert trained.path is not None
    run = lior.load(trained.path)
    before = predictions(run, b"Note 13: the hall")
    run.learn({"note 13": "Note 13: the hall is shut.\n" * 20})
    after = predictions(run, b"Note 13: the hall")
    assert not torch.equal(before, after)
    run.save()
    assert torch.equal(predictions(lior.load(trained.path), b"Note 13: the hall"), after)
    run.forget("note 13")
    assert torch.equal(predictions(run, b"Note 13: the hall"), before)
    run.save()


def test_without_the_plugin_one_line_says_what_is_missing(
    trained: lior.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other distributions are still found."""

    def scan(groups: Any) -> tuple[list[discovery.Origin], list[str]]:
        origins, faults = discovery.scan(groups)
        return [each for each in origins if each.distribution != "lior-field"], faults

    monkeypatch.setattr("lior.plugins.registry.scan", scan)
    monkeypatch.setattr("lior.config.schema.registry", Registry(environ={}))
    assert trained.path is not None
    with pytest.raises(RunError) as caught:
        lior.load(trained.path)
    assert re.search(
        r"the run needs \w+ '\w+' of lior-field \S+, which is not installed\.", str(caught.value)
    )
    assert "\n" not in str(caught.value)
