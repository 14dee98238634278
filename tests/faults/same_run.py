"""When two runs are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from lior.runs import checkpoint
from lior.runs import directory as rundir


def numbers(run: Path) -> list[dict]:
    """The telemetry without what depends on the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


def contents(run: Path) -> dict[str, Any]:
    """Model, text, components and names of a finished run."""
    loaded = rundir.open_run(run)
    kept = ("components", "documents", "bytes", "n_train", "score", "geometry")
    about = {key: loaded.manifest[key] for key in kept}
    about |= {"names": loaded.corpus.names, "added": len(loaded.added), "tokens": loaded.corpus.tokens}
    return about | checkpoint.tensors(loaded.model)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether contents are the same, bit for bit."""
    return one.keys() == other.keys() and all(
        value.dtype == other[key].dtype and torch.equal(value, other[key])
        if isinstance(value, torch.Tensor)
        else value == other[key]
        for key, value in one.items()
    )


def assert_same_run(one: Path, other: Path) -> None:
    """Contents and telemetry, bit for bit."""
    assert same(contents(one), contents(other))
    assert numbers(one) == numbers(other)
