"""A training run in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def train(text: Path, *arguments: str) -> dict[str, Any]:
    """The numbers that ``lior train TEXT`` prints with these arguments; the run is not kept."""
    command = [sys.executable, "-m", "lior_cli.main", "train", str(text), *arguments, "--quiet", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "--out", f"{folder}/run"], capture_output=True, text=True, check=True
        )
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary
