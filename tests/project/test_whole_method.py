"""The page that shows the method gives the product's number, with NumPy alone."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import lior
from lior_plugins.memories.exact import Exact
from lior_plugins.memories.sdm import Sdm

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "examples/whole_method.py"
SEED = 3


class Draws:
    """The methods of a NumPy generator that the page uses, with the random numbers of the product."""

    def __init__(self):
        self._generator = torch.Generator().manual_seed(SEED)
        self._sampled = False

    def standard_normal(self, shape):
        if len(shape) == 2:  # the directions; before them the product draws log λ, with a spread of 0
            torch.randn(shape[0], generator=self._generator)
        return torch.randn(*shape, generator=self._generator).double().numpy()

    def integers(self, low, high, count):
        return torch.randint(low, high, (count,), generator=self._generator).numpy()

    def permutation(self, count):
        if not self._sampled:  # the product samples the calibration split, here all of it
            torch.randperm(count, generator=self._generator)
            self._sampled = True
        return torch.randperm(count, generator=self._generator).numpy()


def product_bits(text, page):
    """Return what ``lior.train`` gives with the settings of the page; what the page lacks does not learn."""
    still = (1e-30, 1e-30)
    counts = Sdm(
        orders=tuple(range(page.ORDERS)),
        patterns=(),
        joint=(),
        gates=(),
        window=1,
        discounts=tuple(page.DISCOUNTS[1:]),
        novel_discounts=tuple(page.NOVEL_DISCOUNTS[1:]),
        static_weight_rate=(page.WEIGHT_RATE,) * 2,
        static_token_rate=still,
        static_table_rate=still,
    )
    run = lior.train(
        documents={"text": text},
        seed=SEED,
        device="cpu",
        data={"holdout": page.HOLDOUT},
        encoder={"name": "lags", "n": page.N, "lags": page.LAGS, "scale": page.SCALE, "decay": page.DECAY},
        frame={"name": "lowrank", "rank": page.RANK},
        rsource={"name": "constitutive", "k": page.NEIGHBOUR, "softening": page.SOFTENING},
        product={"name": "tensor", "eps": page.EPSILON},
        updater={"name": "contrastive", "learning_rate": page.RATE},
        memory=[counts, Exact(inverse_temperatures=(1.0,), smoothing=page.SMOOTHING)],
        geometry={
            "updates": page.UPDATES,
            "batch": page.BATCH,
            "keys": page.KEYS,
            "exclude": page.EXCLUDE,
            "smoothing": page.SMOOTHING,
            "resilience_at": "item",
        },
        fit={"passes": 0, "folds": 0, "calibration_passes": 1, "noise_passes": 0},
        mixer={
            "calibration": page.CALIBRATION,
            "passes": page.PASSES,
            "batch": page.BATCH,
            "learning_rate": page.MIXER_RATE,
            "cells": 0,
            "positions": 0,
        },
    )
    return run.summary["val_bits_per_byte"]


def test_the_page_gives_the_number_of_the_product():
    text = (ROOT / "docs/physics.md").read_bytes()[:3000]
    page = SimpleNamespace(**runpy.run_path(str(PAGE)))
    found = page.bits_per_byte(text, Draws())
    assert found == pytest.approx(product_bits(text, page), rel=3e-7)  # the product has float32


def test_the_page_is_one_page_and_needs_numpy_alone():
    source = PAGE.read_text()
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == [
        "import sys",
        "from pathlib import Path",
        "import numpy as np",
    ]
    assert len(source.splitlines()) <= 250
