"""The format of the checkpoints of lior: their manifest and the names of their files, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

from lior.runs import bundle

FORMAT = bundle.Format(program="lior", version=2)
MODEL, TEXT, TRAINING = "model", "text", "training"
"""Groups of tensors, each in a file of its own: the model, its documents, the state of a training."""


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the checkpoint at ``path``; raises as :func:`lior.runs.bundle.read_manifest`."""
    return bundle.read_manifest(path, format=FORMAT)


def misfits_as_run_errors(path: Path) -> AbstractContextManager[None]:
    """:func:`lior.runs.bundle.misfits_as_run_errors` for a checkpoint of lior."""
    return bundle.misfits_as_run_errors(path, program=FORMAT.program)


def separated(data: bytes, starts: Sequence[int]) -> list[bytes]:
    """The parts of ``data`` that begin at ``starts``."""
    return [data[begin:end] for begin, end in pairwise([*starts, len(data)])]
