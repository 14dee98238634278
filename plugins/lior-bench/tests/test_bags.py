"""How bags of word pieces are learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file

from lior_ask.embedders import bags as shipped
from lior_bench import bags
from lior_bench.worlds import worlds

NAME = next(iter(worlds("choose")))


@pytest.fixture(scope="module")
def read():
    return bags.take_in(NAME, worlds("choose")[NAME])


def test_a_folder_is_taken_in(read):
    assert read.right.any(1).all(), "questions that it answers"
    assert read.passages.shape == (read.right.shape[1], len(read.vectors))
    assert read.questions.shape == (read.right.shape[0], len(read.vectors))


def test_vectors_of_pieces_are_those_that_are_computed_later():
    model, learned = bags.Bags(bags.Plan()), shipped._learned()[1]
    with torch.no_grad():
        for name in ("map", "weight", "constant"):
            getattr(model, name).copy_(torch.from_numpy(learned[name]))
        model.mean.copy_(torch.from_numpy(learned["mean"]))
        pieces = shipped.pieces_of(["boiler"])
        found = model(torch.from_numpy(shipped.e5.open_file().vectors(pieces[0]))).sum(0)
    np.testing.assert_allclose(found.numpy(), shipped._sums(pieces)[0], rtol=1e-4, atol=1e-5)


def test_it_learns_what_answers(read):
    plan = bags.Plan(epochs=12)
    model = bags.Bags(plan)
    before = bags.loss_of(model, read, plan.temperature).item()
    bags.train(model, [read], plan)
    assert bags.loss_of(model, read, plan.temperature).item() < before - 0.5


def test_the_command_writes_what_ships(tmp_path, monkeypatch):
    (tmp_path / bags.WEIGHTS).parent.mkdir(parents=True)
    monkeypatch.setattr(bags, "folder", lambda name: tmp_path)
    monkeypatch.setattr(bags, "worlds", lambda part: {NAME: worlds("choose")[NAME]})
    run = CliRunner().invoke(bags.learn, [], catch_exceptions=False)
    assert run.output.startswith("1 folders, loss ")
    found, now = load_file(tmp_path / bags.WEIGHTS), shipped._learned()[1]
    assert {name: each.shape for name, each in found.items()} == {
        name: each.shape for name, each in now.items()
    }
