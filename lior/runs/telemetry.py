"""Telemetry of a run, written as it happens: numbers as JSON lines, and a log in words."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lior.errors import RunError
from lior.events import Metrics, hookimpl
from lior.runs import files


class Telemetry:
    """A callback that appends events to two files of a run directory.

    A line of the metrics is a JSON object. It has ``time`` (seconds since the start of the run), ``stage``,
    ``step``, ``steps`` and the stage's own numbers or lists of numbers. Values that are not finite are
    ``null``. A ``step`` among the numbers replaces that of the stage. ``docs/interfaces.md`` lists the
    numbers of lior's stages.

    Parameters
    ----------
    folder
        The run directory.
    position
        Number of bytes of the metrics to keep; further lines follow them.
    elapsed
        Seconds since the start of the run.
    metrics, log
        Files within ``folder``; missing folders are created.
    describe
        Function from a configuration to a line for the log.
    remark
        Function from ``stage``, ``step``, ``steps`` and the numbers of a step to a line for the log, or
        ``None``.
    """

    def __init__(
        self,
        folder: Path,
        position: int = 0,
        elapsed: float = 0.0,
        *,
        metrics: str = "metrics.jsonl",
        log: str = "train.log",
        describe: Callable[[Any], str] | None = None,
        remark: Callable[[str, int, int, Metrics], str | None] | None = None,
    ):
        self._metrics = folder / metrics
        self._log = folder / log
        self._describe = describe
        self._remark = remark
        self._begin = time.perf_counter() - elapsed
        for file in (self._metrics, self._log):
            file.parent.mkdir(parents=True, exist_ok=True)
        if self._metrics.exists():
            os.truncate(self._metrics, min(position, self._metrics.stat().st_size))

    @property
    def position(self) -> int:
        """Number of bytes of metrics written so far; they are flushed to the disk."""
        if not self._metrics.exists():
            return 0
        files.sync(self._metrics)
        return self._metrics.stat().st_size

    def _write(self, file: Path, line: str) -> None:
        try:
            with files.appending(file) as stream:
                stream.write(line + "\n")
        except OSError as error:  # the error of a full disk names no file
            error.filename = error.filename or str(file)
            raise

    def _say(self, text: str) -> None:
        self._write(self._log, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")

    @hookimpl
    def lior_train_start(self, config: Any) -> None:
        """Log the start."""
        self._say(", ".join(["start", *([self._describe(config)] if self._describe else [])]))

    @hookimpl
    def lior_train_stage(self, stage: str, message: str) -> None:
        """Log the stage."""
        self._say(f"{stage}: {message}")

    @hookimpl
    def lior_train_step(self, stage: str, step: int, steps: int, metrics: Metrics) -> None:
        """Write a line if there are numbers, and a remark if there is one."""
        if not metrics:
            return
        if self._remark and (said := self._remark(stage, step, steps, metrics)):
            self._say(said)
        record = {"time": round(time.perf_counter() - self._begin, 3), "stage": stage, "step": step}
        self._write(self._metrics, _json(record | {"steps": steps} | dict(metrics)))

    @hookimpl
    def lior_checkpoint_saved(self, path: Path) -> None:
        """Log the checkpoint."""
        self._say(f"checkpoint: {path.name}")

    @hookimpl
    def lior_checkpoint_failed(self, error: RunError) -> None:
        """Log the reason for the missing checkpoint."""
        self._say(f"checkpoint failed: {error}")

    @hookimpl
    def lior_train_end(self, result: Any) -> None:
        """Log the outcome, if the result has a ``headline`` or a ``summary`` of it."""
        said = getattr(result, "headline", None)
        if said is None and (summary := getattr(result, "summary", None)) is not None:
            said = _json(summary)
        self._say("end" if said is None else f"end: {said}")


def is_watched() -> bool:
    """Return whether a person sees standard error: on a terminal, or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class ProgressLine:
    """A callback that shows the stage of a training and its share in one line of standard error."""

    def _show(self, text: str, end: str = "") -> None:
        print(f"\r{text:<40}", end=end, file=sys.stderr, flush=True)

    @hookimpl
    def lior_train_step(self, stage: str, step: int, steps: int) -> None:
        """Show the share of the stage."""
        self._show(f"{stage}: {100 * step // max(steps, 1)} %")

    @hookimpl
    def lior_train_end(self) -> None:
        """End the line."""
        self._show("done", end="\n")


def _json(value: Any) -> str:
    return json.dumps(finite(value), allow_nan=False)


def finite(value: Any) -> Any:
    """Replace numbers that are not finite, which JSON does not have, by ``None`` in ``value``."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
