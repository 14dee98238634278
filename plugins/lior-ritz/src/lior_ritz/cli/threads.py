"""When torch is imported, and how many processor cores it uses."""

from __future__ import annotations

import os
from pathlib import Path

from lior.runs.folder import list_checkpoints
from lior_cli import import_torch as _import_torch


def import_torch() -> None:
    """Import torch as :func:`lior_cli.interrupts.import_torch` does, and let it use one thread.

    A step is some hundred operations on small matrices. Several threads that sleep
    between operations take twice as long as one; threads that spin take five times as long on a busy machine
    (docs/decisions/ritz-network.md). ``OMP_NUM_THREADS`` sets another number, for larger networks.
    """
    _import_torch()
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(1)


def import_torch_for(*runs: Path) -> None:
    """The same, where one of these runs has a network; the reference does without torch."""
    if any(map(list_checkpoints, runs)):
        import_torch()
