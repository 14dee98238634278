"""The results of comparisons: a run for each set, system and seed, on disk as soon as it is known."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs

_PACKAGES = ("lior", "torch", "numpy", "pyppmd", "zstandard", "zpaq", "matplotlib")


@cache
def versions() -> dict[str, str | None]:
    """Return the versions of the packages that affect the numbers, ``None`` for one that is missing."""
    return {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def now() -> str:
    """Return the date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S%z")


@attrs.frozen(kw_only=True)
class Run:
    """One measurement of one system on one set, or the reason why there is none."""

    set: str
    """The name of the text, the collection or the table."""
    system: str
    mode: str = ""
    """For language models ``static``: nothing is learned while scoring; or ``online``: the scored text is
    learned as it is read.
    """
    seed: int | None = None
    """The seed; ``None`` for systems without random numbers."""
    settings: str = ""
    """Everything else that the numbers depend on."""
    numbers: Mapping[str, Any] = attrs.field(factory=dict)
    status: str = "ok"
    """The status: ``ok``, ``skipped`` or ``failed``."""
    reason: str | None = None
    date: str = attrs.field(factory=now)
    versions: Mapping[str, str | None] = attrs.field(factory=versions)

    @property
    def key(self) -> tuple[str, str, str]:
        """The row to which the run belongs."""
        return self.set, self.system, self.mode


@attrs.frozen
class Row:
    """All runs of one system in one mode on one set."""

    text: str
    system: str
    mode: str
    all: list[Run]

    def __str__(self) -> str:
        return f"{self.system}, {self.mode}" if self.mode else self.system

    @property
    def runs(self) -> list[Run]:
        """The runs with numbers."""
        return [run for run in self.all if run.status == "ok"]

    @property
    def fault(self) -> Run | None:
        """The last run without numbers."""
        return next((run for run in reversed(self.all) if run.status != "ok"), None)

    def numbers(self, name: str) -> list[float]:
        """Return the numbers of this name."""
        return [run.numbers[name] for run in self.runs if name in run.numbers]

    def number(self, name: str) -> float | None:
        """Return the median of the numbers; ``None`` without any."""
        values = self.numbers(name)
        return statistics.median(values) if values else None

    def summary(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the entry of the row in JSON, with medians and ranges of these numbers."""
        known, fault = {name: self.numbers(name) for name in names}, self.fault
        return {
            "text": self.text,
            "system": self.system,
            "mode": self.mode,
            "status": fault.status if fault else "ok",
            "reason": fault.reason if fault else None,
            **{name: self.number(name) for name in names},
            "spread": {name: (min(each), max(each)) if each else None for name, each in known.items()},
            "seeds": [run.seed for run in self.runs],
            "runs": [{"seed": run.seed, **run.numbers} for run in self.runs],
        }


class Results:
    """Runs, in the order in which they were measured.

    With ``path``, each run is appended to this file as a line of JSON, and the lines of earlier runs are read
    first. Several processes may add to it; of runs of the same set, system, mode, seed and settings the first
    counts.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path, self._runs = path, dict[tuple[object, ...], Run]()
        if path and path.exists():
            for line in path.read_text("utf-8").splitlines():
                self._keep(Run(**json.loads(line)))

    def _keep(self, run: Run) -> None:
        self._runs.setdefault((*run.key, run.seed, run.settings), run)

    def find(self, name: str, system: str, seed: int | None, settings: str = "") -> Run | None:
        """Return the run of a system without modes; ``None`` if it was not measured."""
        return self._runs.get((name, system, "", seed, settings))

    def add(self, run: Run) -> None:
        """Add a run."""
        self._keep(run)
        if self.path:
            with self.path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(attrs.asdict(run)) + "\n")

    def rows(self, name: str | None = None) -> list[Row]:
        """Return the rows of one set, or of all."""
        found: dict[tuple[str, str, str], list[Run]] = {}
        for run in self._runs.values():
            if name in (None, run.set):
                found.setdefault(run.key, []).append(run)
        return [Row(*key, runs) for key, runs in found.items()]
