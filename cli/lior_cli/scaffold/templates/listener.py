"""The numbers of each training as ``steps.csv`` in its run, and a line for each change of its documents."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from lior.plugins import hookimpl


class Mine:
    """Writes rows of time, stage, step, name and value; nothing where a run has no directory."""

    api_version: ClassVar[int] = 1

    def __init__(self) -> None:
        self.run: Path | None = None

    @hookimpl
    def lior_train_start(self, run: Path | None) -> None:
        """Remember where the run is."""
        self.run = run

    @hookimpl
    def lior_train_step(self, stage: str, step: int, metrics: Mapping[str, float | Sequence[float]]) -> None:
        """Write a row for each number."""
        if self.run:
            rows = [(stage, step, name, value) for name, value in metrics.items()]
            self.write(self.run / "steps.csv", rows)

    @hookimpl
    def lior_documents_changed(
        self, run: Path | None, learned: Sequence[str], forgotten: Sequence[str]
    ) -> None:
        """Write a row for each document."""
        if run:
            rows = [("learned", name) for name in learned] + [("forgotten", name) for name in forgotten]
            self.write(run / "documents.csv", rows)

    def write(self, path: Path, rows: Sequence[Sequence[object]]) -> None:
        """Append rows, each with the time."""
        with path.open("a", encoding="utf-8", errors="replace", newline="") as stream:
            csv.writer(stream).writerows((round(time.time(), 3), *row) for row in rows)
