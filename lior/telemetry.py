"""Telemetry of a run, written as it happens: ``metrics.jsonl`` and ``train.log``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lior import durable
from lior.config import TrainConfig
from lior.errors import RunError
from lior.events import hookimpl


class Telemetry:
    """Listener that appends events to the files of a run directory.

    A line of ``metrics.jsonl`` has ``time`` (seconds since the start of the
    run), ``stage``, ``step``, ``steps`` and the stage's own numbers: for
    ``geometry`` ``tail_loss`` (nats per token on held-out text) and
    ``rejected``, for ``mixer`` ``tail_loss``, for ``validate``
    ``nats_per_token`` and ``bits_per_byte``.
    """

    def __init__(self, folder: Path, position: int = 0, elapsed: float = 0.0):
        """Go on behind the first ``position`` bytes of the metrics, ``elapsed`` seconds after the start."""
        self._metrics = folder / "metrics.jsonl"
        self._log = folder / "train.log"
        self._begin = time.perf_counter() - elapsed
        if self._metrics.exists():
            os.truncate(self._metrics, min(position, self._metrics.stat().st_size))

    @property
    def position(self) -> int:
        """How many bytes of metrics were written, all of them on the disk."""
        if not self._metrics.exists():
            return 0
        durable.sync(self._metrics)
        return self._metrics.stat().st_size

    def _write(self, file: Path, line: str) -> None:
        with file.open("a", encoding="utf-8", errors="backslashreplace") as stream:  # names need not be UTF-8
            stream.write(line + "\n")

    def _say(self, text: str) -> None:
        self._write(self._log, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")

    @hookimpl
    def lior_train_start(self, config: TrainConfig) -> None:
        """Log the start."""
        self._say(f"start, seed {config.seed}, text {', '.join(config.data.text) or 'embedded corpus'}")

    @hookimpl
    def lior_train_stage(self, stage: str, message: str) -> None:
        """Log the stage."""
        self._say(f"{stage}: {message}")

    @hookimpl
    def lior_train_window(self, stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Write one line when there are numbers."""
        if not metrics:
            return
        record = {"time": round(time.perf_counter() - self._begin, 3), "stage": stage, "step": step}
        self._write(self._metrics, json.dumps(record | {"steps": steps} | dict(metrics)))

    @hookimpl
    def lior_checkpoint_saved(self, path: Path) -> None:
        """Log where training can be gone on with."""
        self._say(f"checkpoint: {path.name}")

    @hookimpl
    def lior_checkpoint_failed(self, error: RunError) -> None:
        """Log why there is none."""
        self._say(f"checkpoint failed: {error}")

    @hookimpl
    def lior_train_end(self, result: Any) -> None:
        """Log the outcome."""
        self._say(f"end: {json.dumps(result.summary)}")
