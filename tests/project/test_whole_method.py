"""The page that shows the method gives the product's number."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

import lior
from lior_plugins.memories.exact import Exact
from lior_plugins.memories.sdm import Sdm

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/physics.md").read_bytes()[:6000]


class Draws:
    """The three methods of a generator that the page uses, drawn by torch in the order of the product."""

    def __init__(self, seed: int, skipped: int):
        self._generator = torch.Generator().manual_seed(seed)
        self._skipped = skipped
        """Draws of the product that change nothing: the order of a sample that is everything, sorted."""

    def standard_normal(self, shape):
        if len(shape) == 2:
            torch.randn(shape[0], generator=self._generator)  # log λ, times a spread of 0
        return torch.randn(*shape, generator=self._generator).double().numpy()

    def integers(self, low, high, count):
        return torch.randint(low, high, (count,), generator=self._generator).numpy()

    def permutation(self, count):
        for _ in range(self._skipped):
            torch.randperm(count, generator=self._generator)
        self._skipped = 0
        return torch.randperm(count, generator=self._generator).numpy()


def test_the_page_gives_the_number_of_the_product():
    page = runpy.run_path(str(ROOT / "examples/whole_method.py"))
    still = (1e-30, 1e-30)
    run = lior.train(
        documents={"text": TEXT},
        seed=3,
        device="cpu",
        data={"holdout": page["HOLDOUT"]},
        encoder={"name": "lags", "n": page["N"], "lags": page["LAGS"]},
        frame={"name": "lowrank", "rank": page["RANK"]},
        rsource={"name": "constitutive", "k": page["NEIGHBOUR"]},
        memory=[
            Sdm(
                orders=tuple(range(page["ORDERS"])),
                patterns=(),
                joint=(),
                gates=(),
                window=1,
                static_weight_rate=(page["WEIGHT_RATE"],) * 2,
                static_token_rate=still,
                static_table_rate=still,
            ),
            Exact(inverse_temperatures=(1.0,)),
        ],
        geometry={
            "updates": page["UPDATES"],
            "batch": page["BATCH"],
            "keys": page["KEYS"],
            "resilience_at": "item",
        },
        fit={"passes": 0, "calibration_passes": 1, "noise_passes": 0},
        mixer={
            "calibration": page["CALIBRATION"],
            "passes": page["PASSES"],
            "batch": page["MIXER_BATCH"],
            "learning_rate": page["MIXER_RATE"],
            "cells": 0,
            "positions": 0,
        },
    )
    found = page["bits_per_byte"](TEXT, Draws(3, 1))
    print(found, run.summary["val_bits_per_byte"], found / run.summary["val_bits_per_byte"] - 1)
    assert found == pytest.approx(run.summary["val_bits_per_byte"], rel=1e-4)
