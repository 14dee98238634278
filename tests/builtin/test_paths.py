"""The two paths of ``sdm``: a run may change from one to the other at any time, and ``auto`` chooses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lior.counting import layout
from lior.errors import UsageError
from lior.interfaces import Items, Query, Text
from lior_plugins.batched.engine import BatchedEngine
from lior_plugins.memories import sdm
from lior_plugins.memories.sdm import Sdm
from tests.builtin.test_batched import (
    ALPHABET,
    CLOSE,
    CPU,
    LENGTH,
    assert_same_store,
    contents,
    segment,
    text,
)

RECIPE = {"orders": (0, 1, 2, 3, 4), "patterns": ("word", "2-3", "column 1"), "joint": (), "window": 16}


def items(tokens, start=0, document=0):
    tokens = torch.from_numpy(tokens)
    return Items(Text(tokens, torch.arange(len(tokens)), torch.full_like(tokens, document)), start, None)


def told(path, *, alphabet=ALPHABET):
    """A memory of the sdm plugin that was fitted with and without writing, and written to."""
    memory, over = Sdm(path=path, **RECIPE), torch.from_numpy(alphabet)
    said = [
        memory.partial_fit(items(text(20), 0, 0), over, progress=0.1, write=True),
        memory.partial_fit(items(text(21), 0, 1), over, progress=0.2, write=False),
    ]
    memory.write(items(text(22), 0, 2))
    memory.commit()
    query = Query(items(text(23)).text, torch.arange(LENGTH), None)
    return memory, [*said, memory.read(query, over), memory.peek(query, over, ahead=3)]


def assert_same_evidence(one, other):
    for mine, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(mine.log_p.exp(), theirs.log_p.exp(), atol=CLOSE, rtol=0)


def test_a_run_saved_by_one_path_is_read_by_the_other():
    (one, said), (other, theirs) = told("stream"), told("batched")
    assert_same_evidence(said, theirs)
    query = Query(items(text(23)).text, torch.arange(LENGTH), None)
    for memory, path in ((one, "batched"), (other, "stream")):
        moved = Sdm(path=path, **RECIPE)
        moved.restore(memory.snapshot())
        evidence = moved.read(query, torch.from_numpy(ALPHABET))
        torch.testing.assert_close(evidence.log_p, said[2].log_p, atol=1e-3, rtol=0)
        assert_same_store(moved._engine, memory._engine)
    assert_same_store(one._engine, other._engine, logits=2)


def test_what_is_read_again_keeps_its_logits():
    memories = [told(path)[0] for path in ("stream", "batched")]
    for memory in memories:
        memory.rewrite([items(text(20), 50, 0), items(text(22), 0, 2)])
    assert_same_store(*(memory._engine for memory in memories), logits=2)
    assert contents(memories[1]._engine.packed())[-1]["logit"].any()


def test_the_path_follows_the_device_and_the_alphabet(monkeypatch):
    class OnDevice(BatchedEngine):
        def __init__(self, *args, device, **options):
            super().__init__(*args, device=CPU, **options)
            self.device = device  # where it would be

        def load(self, store, clock):
            device, self.device = self.device, CPU
            super().load(store, clock)
            self.device = device

    monkeypatch.setattr(sdm, "BatchedEngine", OnDevice)
    gpu, few, many = torch.device("cuda"), torch.arange(9), torch.arange(layout.DENSE + 1)
    for path, device, alphabet, batched in (
        ("auto", CPU, few, False), ("auto", gpu, few, True), ("auto", gpu, many, False),
        ("stream", gpu, few, False), ("batched", CPU, few, True), ("batched", gpu, many, True),
    ):  # fmt: skip
        memory = Sdm(path=path, **RECIPE)
        memory._engine.write(segment(text(24)))
        before = contents(memory._engine.packed())
        for _ in range(2):
            memory._select_engine(device, alphabet)
            assert isinstance(memory._engine, BatchedEngine) == batched
            memory._select_engine(device, None)
            assert isinstance(memory._engine, BatchedEngine) == batched, (
                "without an alphabet all stays as it is"
            )
        after = contents(memory._engine.packed())
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        assert memory._engine.clock == LENGTH


def test_a_large_alphabet_is_refused_when_the_path_is_asked_for():
    with pytest.raises(UsageError, match="path = batched"):
        told("batched", alphabet=np.arange(layout.DENSE + 1))
