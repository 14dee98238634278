"""When two runs are the same."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from lior.runs import checkpoint
from lior.runs import directory as rundir


def numbers(run: Path) -> list[dict]:
    """The telemetry without what depends on the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


def assert_same_run(one: Path, other: Path) -> None:
    """Model, text, components and telemetry, bit for bit."""
    first, second = (rundir.open_run(run) for run in (one, other))
    tensors, others = checkpoint.tensors(first.model), checkpoint.tensors(second.model)
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        assert value.dtype == others[name].dtype
        assert torch.equal(value, others[name]), name
    assert torch.equal(first.corpus.tokens, second.corpus.tokens)
    kept = ("components", "documents", "bytes", "n_train", "score", "geometry")
    assert {k: first.manifest[k] for k in kept} == {k: second.manifest[k] for k in kept}
    assert numbers(one) == numbers(other)
