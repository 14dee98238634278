"""The numbers of a comparison, on disk after each one."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import attrs

from lior.bench.children import Unmeasured

FORMAT = 1
"""Version of the layout of ``bench.json``."""


@attrs.frozen(kw_only=True)
class Run:
    """One measurement of one system."""

    seed: int | None
    """``None`` where nothing is random."""
    nats: float
    """Cost of all scored bytes."""
    bytes: int
    """How many these are."""
    train_seconds: float
    score_seconds: float
    peak_rss_bytes: int

    def numbers(self) -> dict[str, float]:
        """What is reported, by name; rates per byte or per second."""
        nats = self.nats / self.bytes
        return {
            "bits_per_byte": nats / math.log(2),
            "nats_per_byte": nats,
            "train_seconds": self.train_seconds,
            "score_seconds": self.score_seconds,
            "bytes_per_second": self.bytes / max(self.score_seconds, 1e-9),
            "peak_rss_bytes": self.peak_rss_bytes,
        }


NUMBERS = tuple(Run(seed=None, nats=0, bytes=1, train_seconds=0, score_seconds=0, peak_rss_bytes=0).numbers())
"""Names of the numbers of a row."""


@attrs.frozen
class Key:
    """What a row is about."""

    text: str
    system: str
    mode: str
    """``static``: nothing is learned while scoring. ``online``: as a compressor does."""


@attrs.define
class Row:
    """One system in one mode on one text."""

    key: Key
    runs: list[Run] = attrs.field(factory=list)
    status: str = "ok"
    """``ok``, ``skipped`` or ``failed``."""
    reason: str | None = None

    def number(self, name: str) -> float | None:
        """Median over the runs; ``None`` without one."""
        return statistics.median(run.numbers()[name] for run in self.runs) if self.runs else None

    def spread(self, name: str) -> tuple[float, float] | None:
        """Least and largest over the runs; ``None`` without one."""
        values = [run.numbers()[name] for run in self.runs]
        return (min(values), max(values)) if values else None

    @property
    def bits(self) -> float | None:
        """Median bits per byte."""
        return self.number("bits_per_byte")

    @property
    def seconds(self) -> float | None:
        """Seconds to train and to score."""
        train, score = self.number("train_seconds"), self.number("score_seconds")
        return None if train is None or score is None else train + score

    def summary(self) -> dict[str, Any]:
        """The row's entry in the report."""
        return {
            **attrs.asdict(self.key),
            "status": self.status,
            "reason": self.reason,
            **{name: self.number(name) for name in NUMBERS},
            "spread": {name: self.spread(name) for name in NUMBERS},
            "seeds": [run.seed for run in self.runs],
            "runs": [{"seed": run.seed, "bytes": run.bytes, **run.numbers()} for run in self.runs],
        }


@attrs.define
class Results:
    """All rows so far.

    Parameters
    ----------
    path
        ``bench.json``, written anew after every change.
    about
        What the report says of texts, settings and machine.
    """

    path: Path
    about: dict[str, Any]
    rows: dict[Key, Row] = attrs.field(factory=dict)
    orderings: list[dict[str, Any]] = attrs.field(factory=list)
    complete: bool = False

    def add(self, key: Key, run: Run) -> Row:
        """Take in a measurement; returns the row it belongs to."""
        row = self.rows.setdefault(key, Row(key))
        row.runs.append(run)
        self.save()
        return row

    def miss(self, key: Key, fault: Unmeasured, seed: int | None) -> Row:
        """Take in that there is no measurement; returns the row it belongs to."""
        row = self.rows.setdefault(key, Row(key))
        row.status = fault.status
        row.reason = f"seed {seed}: {fault}" if seed else str(fault)
        self.save()
        return row

    def summary(self) -> dict[str, Any]:
        """The object that ``bench.json`` holds and ``lior bench --json`` prints."""
        return {
            "format": FORMAT,
            "complete": self.complete,
            **self.about,
            "rows": [row.summary() for row in self.rows.values()],
            "orderings": self.orderings,
        }

    def save(self) -> None:
        """Write the file, whole or not at all."""
        part = self.path.with_name(self.path.name + ".partial")
        part.write_text(json.dumps(self.summary(), indent=1) + "\n", encoding="utf-8", errors="replace")
        part.replace(self.path)
