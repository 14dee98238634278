"""The whole life of a run on a device that is not the CPU: it works, and gives what the CPU gives.

On a real GPU sums are rounded in another order. Here both devices compute alike, except the memory ``sdm``,
which rounds otherwise on a device. So geometries are the same to the last bit, texts are the same, and
probabilities are almost the same.
"""

from __future__ import annotations

import attrs
import pytest
import torch
from torch.utils._pytree import tree_leaves

import lior
from lior.model.generation import Session
from lior_plugins.counting import mirror
from tests.second_device import CUDA, Far, second_device

RECIPES = {
    "counts": {"memory": "sdm"},
    "totals": {"memory": {"name": "sdm", "sdm": {"counts": "totals"}}},
    "all memories": {"memory": "sdm,exact,match"},
    "counts without cells": {"memory": {"name": "sdm", "sdm": {"gates": ["longest", "previous"]}}},
    "nearest cells": {"memory": {"name": "exact", "exact": {"probes": 3}}},
    "other parts": {
        "memory": "sdm,exact",
        "frame": "rotor",
        "rsource": "curvature",
        "product": "spinor",
        "encoder": {"name": "poles", "n": 8, "reach": 8},
    },
    "statistics": {"memory": "exact", "frame": "derived", "product": "wedge", "updater": "spsa"},
    "grams": {"memory": "sdm,exact", "encoder": {"name": "grams", "n": 8, "lags": 4, "patterns": ["1-2"]}},
}
FEW = {"geometry": {"updates": 4, "batch": 32, "keys": 128}, "mixer": {"positions": 128, "cells": 4}}
NOTE = "The black sheep had wool, and three bags of it were full.\n"


def life(folder, device, recipe, text):
    """What a user gets of a run on ``device``."""
    out = lior.train(documents={"text": text}, out=folder, device=device, **FEW, **recipe)
    run = lior.load(folder, device=device)
    assert run.model.device.type == device
    said = [out.score(NOTE), run.score(NOTE), run.complete("The ", 12, seed=3)]
    said += [run.complete("The ", 12, seed=3, temperature=0.7, top_k=9, loop_penalty=1.0, recall=0.3)]
    many = [text[at : at + 9] for at in range(9)]
    said += [run.complete(many, 40, seed=4), run.complete(many, 5, seed=4, top_k=5)]
    both = Session.together([Session(run.model, [*b"Baa, "]), Session(run.model, [*b"Yes"])])
    said += [both.device.type == "cpu", both.tolist()]
    run.learn({"note": NOTE})
    said += [run.score(NOTE), [attrs.asdict(each) for each in run.sources("bags ", "of")]]
    run.forget("note")
    run.save()
    said += [run.score(NOTE), *run.chat(8, seed=1).reply("Have you any wool?")]
    return said, {name: value.cpu() for name, value in run.model.state.items()}


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=() if name in ("counts", "totals") else pytest.mark.slow) for name in RECIPES],
)
def test_a_run_on_another_device_is_that_of_the_cpu(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(mirror, "LEAST", 2)
    text = ("Baa, baa, black sheep, have you any wool? Yes, sir, three bags full.\n" * 9)[:560]
    (said, state) = life(tmp_path / "cpu", "cpu", RECIPES[recipe], text)
    with second_device():
        (far, theirs) = life(tmp_path / "far", "cuda", RECIPES[recipe], text)
    for found, expected in zip(tree_leaves(far), tree_leaves(said), strict=True):
        assert found == (pytest.approx(expected, rel=1e-5) if isinstance(expected, float) else expected)
    assert state.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in state.items())


def test_the_second_device_refuses_what_a_gpu_refuses():
    with second_device():
        x = torch.arange(3.0, device="cuda")
        assert isinstance(x, Far)
        assert x.device == CUDA
        assert (x + torch.tensor(1.0)).cpu().numpy().tolist() == [1.0, 2.0, 3.0]
        assert x.add_(1) is x
        assert torch.ones(2).to(x).is_cuda
        for mistake in (
            lambda: x.numpy(),
            lambda: x + torch.ones(3),
            lambda: torch.ones(3)[torch.arange(2, device="cuda")],
            lambda: torch.empty(3).exponential_(1, generator=lior.training.preparation.Generator(CUDA)),
        ):
            with pytest.raises((TypeError, RuntimeError)):
                mistake()
