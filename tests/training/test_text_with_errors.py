"""Noise passes over the calibration split: text with errors is predicted better, clean text no worse."""

from __future__ import annotations

import pytest
import torch

from lior.data import noise
from lior.model.evaluation import evaluate
from lior.reading.documents import read_documents
from lior.training.preparation import tokenize, train

pytestmark = pytest.mark.slow
SETTINGS = (
    "memory.name=sdm",
    "mixer.calibration=0.25",
    "memory.sdm.orders=[0,1,2,3,4,5,6]",
    'memory.sdm.patterns=["word","word-1 word","2-4","1,3-5"]',
    "memory.sdm.base_order=3",
    "memory.sdm.joint=[]",
    'memory.sdm.gates=["longest","words"]',
)


@pytest.fixture(scope="module")
def costs(configure):
    """Nats per byte on clean text, and on each kind of noise, without and with noise passes."""
    found = []
    for passes in (0, 2):
        config = configure(*SETTINGS, f"fit.noise_passes={passes}")
        model = train(config).model
        text, parts = tokenize(config, model.tokenizer, read_documents(config.data.text))
        row = {"clean": evaluate(model, text, parts.train, parts.end).nats_per_byte}
        for kind, share in (("letters", 0.1), ("edits", 0.05)):
            draw = torch.Generator().manual_seed(1)
            wrong, end, kept = noise.corrupt(
                text, parts.train, parts.end, kind=kind, share=share, generator=draw
            )
            row[kind] = evaluate(model, wrong, parts.train, end, counted=kept).nats_per_byte
        found.append(row)
    return found


def test_text_with_errors_is_predicted_better(costs):
    without, taught = costs
    assert taught["letters"] < without["letters"] - 0.015
    assert taught["edits"] < without["edits"] - 0.003


def test_clean_text_is_not_predicted_worse(costs):
    without, taught = costs
    assert taught["clean"] < without["clean"] + 0.005
    assert taught["letters"] > taught["clean"], "errors still cost"
