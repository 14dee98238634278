"""Progress of a run: one live line on a terminal, a plain line now and then elsewhere.

Everything goes to standard error, so that standard output holds only results.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

from lior.errors import RunError
from lior.events import hookimpl
from lior.process import peak_bytes
from lior_cli.output import escape_controls, unescape

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PLAIN_SECONDS = 5.0
"""The interval between two plain lines of a stage, in seconds."""


class Progress:
    """Callback that shows stages, rate, time left, the current bits and resident memory."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.stage = "start"
        self.every = 0
        """The interval between two plain lines in steps; 0 uses :data:`PLAIN_SECONDS` instead."""
        self._quiet = quiet
        self._live: RichProgress | None = None
        self._task: TaskID | None = None
        self._begin = self._printed = time.monotonic()
        self._first: tuple[int, float] | None = None
        """The step and time of the stage's first window; earlier steps may be another process's work."""
        self._metrics: dict[str, float | str] = {}

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
            click.echo(escape_controls(text), err=True)

    @hookimpl
    def lior_train_stage(self, stage: str, message: str) -> None:
        """Announce a stage."""
        self.stage = stage
        self._begin = self._printed = time.monotonic()
        self._first, self._metrics = None, {}
        if self._live:
            if self._task is not None:
                self._live.stop_task(self._task)
            self._task = self._live.add_task(
                escape_controls(stage), total=None, metrics=escape_controls(message)
            )
        elif not self._quiet:
            click.echo(f"{stage}: {message}", err=True)

    @hookimpl
    def lior_train_step(self, stage: str, step: int, steps: int, metrics: Mapping[str, float | str]) -> None:
        """Show how far the stage is."""
        self._metrics.update(metrics)
        rate = self._rate(step, steps)
        if self._live and self._task is not None:
            self._live.update(self._task, completed=step, total=steps)
            if self._metrics or step == steps:  # the stage's message is shown until there are numbers
                self._live.update(self._task, metrics=escape_controls(self._numbers(rate)))
        elif not self._quiet:
            self._plain(stage, step, steps, rate)

    @hookimpl
    def lior_checkpoint_failed(self, error: RunError) -> None:
        """Report why the last minute of training would be lost."""
        self.note(f"no checkpoint: {error}")

    def _plain(self, stage: str, step: int, steps: int, rate: float) -> None:
        now = time.monotonic()
        due = step % self.every == 0 if self.every else now - self._printed >= PLAIN_SECONDS
        if not due and step < steps:
            return
        self._printed = now
        left = f"{(steps - step) / rate:,.0f} s left" if rate > 0 and step < steps else ""
        share = f"{step:,}/{steps:,} ({100 * step // steps} %)"
        click.echo(f"{stage}: {share}, {self._numbers(rate, left)}", err=True)

    def _rate(self, step: int, steps: int) -> float:
        """Return the steps per second since this process's first step; 0 at that step, which may include
        compilation.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = step, now
            return step / max(now - self._begin, 1e-9) if step == steps else 0.0
        first, at = self._first
        return (step - first) / max(now - at, 1e-9)

    def _numbers(self, rate: float, left: str = "") -> str:
        """Return the rate, time left, the stage's numbers and resident memory."""
        shown = dict(self._metrics)
        if "bits_per_byte" in shown:
            shown.pop("nats_per_token", None)
        parts = [_number(name, value) for name, value in shown.items() if value]
        speed = f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.1f}/s" if rate else ""
        return ", ".join(filter(None, [speed, left, *parts, f"{resident_bytes() / 2**20:,.0f} MiB"]))


_BITS = {
    "bits_per_byte": (1.0, "{:.3f} bits/byte"),
    "nats_per_token": (math.log(2), "{:.3f} bits/token"),
    "calibration_loss": (math.log(2), "loss {:.3f} bits/token"),
}
"""The divisor and the format of each number of a stage."""


def _number(name: str, value: float | str) -> str:
    if isinstance(value, str):  # a number of another system, already formatted
        return f"{name} {value}"
    divisor, form = _BITS.get(name, (1.0, f"{name} {{:.4g}}"))
    return form.format(value / divisor)


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
        BarColumn(bar_width=8),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[metrics]}", markup=False),
    )
    return Progress(*columns, console=Console(file=unescape(sys.stderr)))


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes: the present value on Linux,
    elsewhere the maximum.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")
