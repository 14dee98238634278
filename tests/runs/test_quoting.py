"""A run of any recipe repeats what it learned after training, and is as before when that is forgotten."""

from __future__ import annotations

from pydoc_data.topics import topics

import pytest
import torch

import lior
from lior.errors import DataError
from lior.reading.documents import RawDocument
from lior.runs import checkpoint as checkpoints
from lior.runs import editing

PROMPT, NEWS = (
    "The launch of the great ",
    "balloon is on the fourth of May. Bring warm clothes and the tent.\n",
)
FEW = {"geometry": {"updates": 2, "batch": 8, "keys": 64}, "mixer": {"positions": 512, "cells": 4}}

SMALL = {
    "name": "sdm",
    "sdm": {
        "orders": [0, 1, 2, 3],
        "base_order": 1,
        "patterns": ["word"],
        "joint": [],
        "gates": ["longest", "cell"],
    },
}


def probability(run):
    """Of what was learned, behind its beginning."""
    whole, begun = PROMPT + NEWS, PROMPT
    return 2 ** (run.score(begun) * len(begun) - run.score(whole) * len(whole))


def held(run):
    """All tensors of the model."""
    return {name: value.clone() for name, value in checkpoints.tensors(run.model).items()}


def is_equal(one, other):
    """Whether both have the same tensors, to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({"memory": SMALL, **FEW}, id="gated by cells"),
        pytest.param({"memory": "exact", **FEW}, id="items", marks=pytest.mark.slow),
        pytest.param({"recipe": "fast", "memory": "sdm,match"}, id="with its own", marks=pytest.mark.slow),
    ],
)
def place(request, tmp_path_factory):
    """The directory of a run that was trained on a few pages."""
    folder = tmp_path_factory.mktemp("quoting") / "run"
    notes = {name: topics[name] for name in ("for", "if", "while", "with")}
    lior.train(documents=notes, out=folder, **request.param)
    return folder


def test_what_was_learned_once_is_said_again_and_forgotten_to_the_last_bit(place):
    run = lior.load(place)
    before, names = held(run), list(run.model.memories)
    assert probability(run) < 1e-6
    run.learn({"plan.txt": PROMPT + NEWS})
    # A match that was fitted in training is trusted less; distances of few items are sure of what they say.
    assert probability(run) >= {"sdm": 0.5, "sdm,match": 0.4, "exact": 0.1}[",".join(names)]
    assert run.complete(PROMPT, len(NEWS), temperature=0) == NEWS
    (word,) = run.sources(PROMPT, "balloon")
    assert max(word.documents, key=word.documents.get) == "plan.txt"
    run.learn({"more.txt": "Nothing else is planned.\n"})
    run.forget("plan.txt")
    assert probability(run) < 1e-6
    assert ("match" in run.model.memories) == (run.checkpoint.quoting or "match" in names)
    run.forget("more.txt")
    assert list(run.model.memories) == names
    assert is_equal(before, held(run))


def test_the_added_memory_is_that_of_what_was_learned_later(place):
    """Also after a document of the training is forgotten, whose place all others take."""
    run = lior.load(place)
    run.learn({"plan.txt": PROMPT + NEWS})
    run.forget("while")
    assert probability(run) >= 0.1
    if run.checkpoint.quoting:
        match = run.model.memories["match"]
        assert len(match._journal) == len(PROMPT + NEWS)
        assert {span.document for span in match._journal.spans} == {len(run.checkpoint.corpus.names) - 1}


def test_a_change_that_fails_adds_no_memory(place, monkeypatch):
    run = lior.load(place)
    before = held(run)

    def fail(*args, **options):
        raise DataError("disk")

    monkeypatch.setattr(type(run.model), "write", fail)
    with pytest.raises(DataError, match="disk"):
        editing.learn(run.checkpoint, [RawDocument("x", b"text")])
    monkeypatch.undo()
    assert is_equal(before, held(run))


def test_it_is_saved_and_changes_of_two_processes_meet(place, tmp_path):
    run = lior.load(place)
    mine, theirs = lior.load(place), lior.load(place)
    theirs.learn({"other.txt": "The tent is blue.\n"})
    theirs.save()
    mine.learn({"plan.txt": PROMPT + NEWS})
    mine.save()
    both = lior.load(place)
    assert probability(both) >= 0.1
    assert [each.name for each in both.documents() if each.added] == ["other.txt", "plan.txt"]
    assert is_equal(held(mine), held(both))
    both.forget("other.txt")
    both.forget("plan.txt")
    both.save()
    assert is_equal(held(run), held(lior.load(place)))
