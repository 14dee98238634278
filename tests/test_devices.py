"""Devices are plugins: one of another package trains, and a device without memory gets smaller blocks."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
import torch

import lior
from lior import registry
from lior.errors import DeviceError
from lior.plugins import devices
from lior_cli.scaffold.templates.device import Mine
from lior_plugins.devices import Mps
from tests.cases import cases


class Small(Mine):
    """A processor that has memory for few entries."""

    room = 1 << 9

    def block(self, entries: int) -> int:
        return entries


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(devices, "_plugins", {})
    monkeypatch.setattr(devices, "_halved", Counter())
    monkeypatch.setattr(registry, "_registered", {})


@cases("keys", [0, 128])
def test_a_device_of_another_package_trains_as_the_cpu_does(tmp_path, keys):
    registry.register("device", "mine", Mine)
    settings = {
        "memory": "sdm,exact",
        "geometry": {"updates": 4, "batch": 32, "keys": keys, "near": 0},
        "mixer": {"positions": 128, "cells": 4},
    }
    text = ("Baa, baa, black sheep, have you any wool? Yes, sir, three bags full.\n" * 9)[:560]
    scores = [
        lior.train(documents={"text": text}, out=tmp_path / f"{name}{keys}", device=name, **settings).score(
            "Have you?"
        )
        for name in ("cpu", "mine")
    ]
    assert scores[1] == pytest.approx(scores[0], rel=1e-4)


def test_blocks_are_halved_until_they_fit(caplog):
    registry.register("device", "small", Small)
    place, asked = devices.pick_device("small"), []

    def work() -> int:
        asked.append(devices.block_entries(place, 1 << 12))
        if asked[-1] > Small.room:
            raise torch.OutOfMemoryError("no memory")
        return asked[-1]

    with caplog.at_level(logging.WARNING, "lior"):
        assert devices.fit_blocks(work, place) == Small.room
    assert asked == [1 << 12, 1 << 11, 1 << 10, 1 << 9]
    assert ["blocks of 1/2 are" in caplog.messages[0], len(caplog.messages)] == [True, 3]
    assert devices.fit_blocks(work, place) == Small.room
    assert len(asked) == 5
    Small.room = 0
    with pytest.raises(torch.OutOfMemoryError):
        devices.fit_blocks(work, place)


def test_products_of_a_block_have_the_precision_of_the_device(monkeypatch):
    monkeypatch.setattr(Mine, "precision", "high")
    registry.register("device", "mine", Mine)
    place = devices.pick_device("mine")
    assert devices.fit_blocks(torch.get_float32_matmul_precision, place) == "high"
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_device_without_doubles_is_for_those_who_need_none(monkeypatch):
    monkeypatch.setattr(Mps, "missing", lambda self: "")
    assert devices.pick_device("mps", torch.float32).type == "mps"
    with pytest.raises(DeviceError, match="device 'mps': it has no float64, which is needed here; use cpu"):
        devices.pick_device("mps")
    assert devices.pick_device("auto").type in ("cpu", "cuda")
