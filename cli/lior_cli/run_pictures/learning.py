"""The learning curves of a run, from its telemetry; training need not be finished."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from lior.plots.panels import Curve, LeftOut, LineChart

_COSTS = ("calibration_loss", "nats_per_token")
"""Keys of ``metrics.jsonl`` in nats per token."""

_STAGES = {
    "geometry": ("geometry: retrieval on the calibration split", "updates"),
    "memory": ("memory: training text, mean so far", "tokens read"),
    "folds": ("folds: training text read by its other parts, mean so far", "tokens read"),
    "mixer": ("mixer: calibration split, block by block", "tokens read"),
    "validate": ("validate: held-out text, mean so far", "tokens scored"),
}
"""Title, and unit of a step, of each stage."""


class _Record(NamedTuple):
    """A line of ``metrics.jsonl``."""

    stage: str
    step: float
    bits: float


def panels(run: Path) -> list[LineChart]:
    """Return a panel for each stage of the run that reported a cost.

    Raises
    ------
    LeftOut
        When there is none, or the telemetry cannot be read.
    """
    records = list(_records(run / "metrics.jsonl"))
    if not records:
        raise LeftOut("metrics.jsonl has no costs")
    stages = dict.fromkeys(record.stage for record in records)
    return [_panel(stage, records, run) for stage in stages]


def _panel(stage: str, records: list[_Record], run: Path) -> LineChart:
    title, unit = _STAGES.get(stage, (stage, "steps"))
    # A stage that runs again after another stage starts a new mean, so it gets a new curve.
    runs = [list(part) for name, part in groupby(records, key=lambda r: r.stage) if name == stage]
    names = [stage] if len(runs) == 1 else [f"{stage}, part {i}" for i in range(1, len(runs) + 1)]
    return LineChart(
        title=title,
        x_label=unit,
        y_label="bits per token",
        curves=[
            Curve(name=name, x=[r.step for r in part], y=[r.bits for r in part])
            for name, part in zip(names, runs, strict=True)
        ],
        levels=_baseline(run, runs[-1][-1].step) if stage == "validate" else {},
    )


def _records(path: Path) -> Iterator[_Record]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, ValueError) as error:
        raise LeftOut(f"metrics.jsonl cannot be read ({getattr(error, 'strerror', None) or error})") from None
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n"):
            return  # a line that is still being written
        try:
            record = dict(json.loads(line))
            cost = next((record[key] for key in _COSTS if key in record), None)
            if cost is None:
                continue
            found = _Record(str(record["stage"]), float(record["step"]), float(cost) / math.log(2))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise LeftOut(f"metrics.jsonl, line {number}: not a line of telemetry") from None
        if not (math.isfinite(found.bits) and math.isfinite(found.step)):
            raise LeftOut(f"metrics.jsonl, line {number}: not finite")
        yield found


def _baseline(run: Path, tokens: float) -> dict[str, float]:
    """Return the n-gram's bits per token in the summary; empty while there is no summary."""
    try:
        summary: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        return {"4-gram": float(summary["baseline"]["order4"]) * float(summary["val_bytes"]) / tokens}
    except (OSError, ValueError, TypeError, KeyError, RecursionError, ZeroDivisionError):
        return {}
