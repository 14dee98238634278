"""The measurements of a comparison, on disk after each one, and the orderings that must hold for them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from lior_bench.children import Unmeasured

FORMAT = 1
"""The version of the layout of ``bench.json``."""

REQUIRED = {"static": "Kneser-Ney order 4", "online": "PPMd order 6"}
"""The baseline that every recipe must beat, by the mode of the recipe: the baseline of ``lior train``, and
the usual compressor of text.
"""


@attrs.frozen(kw_only=True)
class Measurement:
    """One measurement of one system."""

    seed: int | None
    """The seed; ``None`` for systems without random numbers."""
    nats: float
    """The cost of all scored bytes, in nats."""
    bytes: int
    """The number of scored bytes."""
    train_seconds: float
    score_seconds: float
    peak_rss_bytes: int

    def numbers(self) -> dict[str, float]:
        """Return the reported numbers by name, per byte or per second."""
        nats = self.nats / self.bytes
        return {
            "bits_per_byte": nats / math.log(2),
            "nats_per_byte": nats,
            "train_seconds": self.train_seconds,
            "score_seconds": self.score_seconds,
            "bytes_per_second": self.bytes / max(self.score_seconds, 1e-9),
            "peak_rss_bytes": self.peak_rss_bytes,
        }


NUMBERS = (
    *("bits_per_byte", "nats_per_byte", "train_seconds"),
    *("score_seconds", "bytes_per_second", "peak_rss_bytes"),
)


@attrs.frozen
class RowKey:
    """The subject of a row."""

    text: str
    system: str
    mode: str
    """The mode. ``static``: nothing is learned while scoring. ``online``: the scored text is learned as it is
    read.
    """

    def __str__(self) -> str:
        return f"{self.system}, {self.mode}"


@attrs.define
class ResultRow:
    """One system in one mode on one text."""

    key: RowKey
    runs: list[Measurement] = attrs.field(factory=list)
    status: str = "ok"
    """The status: ``ok``, ``skipped`` or ``failed``."""
    reason: str | None = None

    def number(self, name: str) -> float | None:
        """Return the median over the measurements; ``None`` without any."""
        return statistics.median(run.numbers()[name] for run in self.runs) if self.runs else None

    def spread(self, name: str) -> tuple[float, float] | None:
        """Return the least and largest number; ``None`` without any."""
        values = [run.numbers()[name] for run in self.runs]
        return (min(values), max(values)) if values else None

    @property
    def bits(self) -> float | None:
        """The median of bits per byte."""
        return self.number("bits_per_byte")

    @property
    def seconds(self) -> float | None:
        """The median time to train and to score, in seconds."""
        train, score = self.number("train_seconds"), self.number("score_seconds")
        return None if train is None or score is None else train + score

    def summary(self) -> dict[str, Any]:
        """Return the entry of the row in JSON."""
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
        ``bench.json``, written again after every change.
    about
        Texts, settings and machine, for the report.
    """

    path: Path
    about: dict[str, Any]
    rows: dict[RowKey, ResultRow] = attrs.field(factory=dict)
    orderings: list[dict[str, Any]] = attrs.field(factory=list)
    complete: bool = False

    def add(self, key: RowKey, run: Measurement) -> ResultRow:
        """Add a measurement; return its row."""
        row = self.rows.setdefault(key, ResultRow(key))
        row.runs.append(run)
        self.save()
        return row

    def add_failure(self, key: RowKey, fault: Unmeasured, seed: int | None) -> ResultRow:
        """Record the reason why there is no measurement; return the row."""
        row = self.rows.setdefault(key, ResultRow(key))
        row.status = fault.status
        row.reason = f"seed {seed}: {fault}" if seed else str(fault)
        self.save()
        return row

    def of_text(self, name: str) -> list[ResultRow]:
        """Return the rows of one text, the fewest bits per byte first and rows without a number last."""
        rows = [row for row in self.rows.values() if row.key.text == name]
        return sorted(rows, key=lambda row: math.inf if row.bits is None else row.bits)

    def summary(self) -> dict[str, Any]:
        """Return the object in ``bench.json``, which ``lior bench --json`` prints."""
        return {
            "format": FORMAT,
            "complete": self.complete,
            **self.about,
            "rows": [row.summary() for row in self.rows.values()],
            "orderings": self.orderings,
        }

    def save(self) -> None:
        """Write the file atomically."""
        part = self.path.with_name(self.path.name + ".partial")
        part.write_text(json.dumps(self.summary(), indent=1) + "\n", encoding="utf-8", errors="replace")
        part.replace(self.path)


def orderings(results: Results, systems: Sequence[str]) -> list[dict[str, Any]]:
    """Return whether each of the recipes ``systems`` takes fewer bits per byte than its baseline, for JSON.

    Times are not compared, since they depend on the machine. ``holds`` is ``None`` if the baseline was
    skipped.
    """
    found = []
    for row in results.rows.values():
        for baseline in results.rows.values() if row.key.system in systems else ():
            if (baseline.key.text, baseline.key.system) == (row.key.text, REQUIRED[row.key.mode]):
                skipped = "skipped" in (row.status, baseline.status)
                known = row.bits is not None and baseline.bits is not None
                holds = (row.bits or 0.0) < (baseline.bits or 0.0) if known else None if skipped else False
                better, worse = (
                    {"system": each.key.system, "mode": each.key.mode, "bits_per_byte": each.bits}
                    for each in (row, baseline)
                )
                found.append({"text": row.key.text, "better": better, "worse": worse, "holds": holds})
    return found
