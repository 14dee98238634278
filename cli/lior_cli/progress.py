"""Progress of a run: one live line on a terminal, a plain line now and then elsewhere.

Everything goes to standard error, so that standard output holds only results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

import click

from lior.errors import RunError
from lior.events import hookimpl

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PLAIN_SECONDS = 5.0
"""Seconds between two plain lines of one stage."""


class Progress:
    """Listener that shows stages, rate, time left and the current loss."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.stage = "start"
        self._quiet = quiet
        self._live: RichProgress | None = None
        self._task: TaskID | None = None
        self._begin = self._printed = time.monotonic()
        self._metrics: dict[str, float] = {}

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            self._live = _live_display()
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def note(self, text: str) -> None:
        """Print a line that matters."""
        if not self._quiet:
            click.echo(text, err=True)

    @hookimpl
    def lior_train_stage(self, stage: str, message: str) -> None:
        """Announce a stage."""
        self.stage = stage
        self._begin = self._printed = time.monotonic()
        self._metrics = {}
        if self._live:
            if self._task is not None:
                self._live.stop_task(self._task)
            self._task = self._live.add_task(stage, total=None, metrics=message)
        elif not self._quiet:
            click.echo(f"{stage}: {message}", err=True)

    @hookimpl
    def lior_train_window(self, stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Show how far the stage is."""
        self._metrics.update(metrics)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in self._metrics.items())
        if self._live and self._task is not None:
            self._live.update(self._task, completed=step, total=steps)
            if shown:  # until there are numbers, the stage's message stands in their place
                self._live.update(self._task, metrics=shown)
        elif not self._quiet:
            self._plain(stage, step, steps, shown)

    @hookimpl
    def lior_checkpoint_failed(self, error: RunError) -> None:
        """Say why the last minute would be lost."""
        self.note(f"no checkpoint: {error}")

    def _plain(self, stage: str, step: int, steps: int, shown: str) -> None:
        now = time.monotonic()
        if now - self._printed < PLAIN_SECONDS and step < steps:
            return
        self._printed = now
        rate = step / max(now - self._begin, 1e-9)
        left = f", {(steps - step) / rate:.0f} s left" if step < steps else ""
        tail = f", {shown}" if shown else ""
        click.echo(
            f"{stage}: {step:,}/{steps:,} ({100 * step // steps} %), {rate:,.1f}/s{left}{tail}", err=True
        )


def _live_display() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[metrics]}"),
    )
    return Progress(*columns, console=Console(stderr=True))
