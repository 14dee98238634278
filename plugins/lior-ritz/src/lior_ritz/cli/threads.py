"""When torch is imported."""

from __future__ import annotations

from pathlib import Path

from lior.runs.folder import list_checkpoints
from lior_cli import import_torch


def import_torch_for(*runs: Path) -> None:
    """Import torch where one of these runs has a network; the reference does without torch."""
    if any(map(list_checkpoints, runs)):
        import_torch()
