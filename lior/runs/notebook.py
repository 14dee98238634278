"""A run in a notebook, as HTML: its numbers, and the curve of its cost while it read the text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

_WIDTH, _HEIGHT = 360, 120
"""Size of the curve in pixels."""


def as_html(title: str, summary: Mapping[str, Any] | None, metrics: Path | None) -> str:
    """Return a run as one HTML element; every text in it is escaped.

    Parameters
    ----------
    summary
        The object that ``lior train --json`` prints; ``None`` if it is unknown.
    metrics
        The file ``metrics.jsonl``; the curve is left out without it.
    """
    baseline = (summary or {}).get("baseline", {})
    rows = {
        "held-out text, bits per byte (lower is better)": (summary or {}).get("val_bits_per_byte"),
        "the same by a 4-gram": baseline.get("order4"),
        "the same by counts of bytes": baseline.get("unigram"),
        "seconds of training": (summary or {}).get("seconds", {}).get("total"),
    }
    cells = "".join(
        f"<tr><td>{escape(name)}</td><td>{value:.3f}</td></tr>"
        for name, value in rows.items()
        if isinstance(value, int | float)
    )
    return f"<div><div>{escape(title)}</div><table>{cells}</table>{_curve(_costs(metrics))}</div>"


def _costs(metrics: Path | None) -> list[tuple[float, float]]:
    """Return the tokens read and the mean cost so far, in bits per token, of the stage ``memory``."""
    try:
        lines = metrics.read_text(encoding="utf-8").splitlines() if metrics else []
        records = [json.loads(line) for line in lines]
        points = [
            (float(each["step"]), each["nats_per_token"] / math.log(2))
            for each in records
            if each.get("stage") == "memory" and "nats_per_token" in each
        ]
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return []  # `lior inspect` names what is damaged
    return [each for each in points if all(map(math.isfinite, each))]


def _curve(points: list[tuple[float, float]]) -> str:
    """Return the points as a line in SVG; fewer than two make none."""
    if len(points) < 2:
        return ""
    (first, last), low = (min(points)[0], max(points)[0]), min(cost for _, cost in points)
    high = max(cost for _, cost in points)
    x, y = _WIDTH / ((last - first) or 1), _HEIGHT / ((high - low) or 1)
    line = " ".join(f"{(step - first) * x:.1f},{(high - cost) * y:.1f}" for step, cost in points)
    label = f"mean cost of the text read so far: {points[0][1]:.3f} to {points[-1][1]:.3f} bits per token"
    size = f'width="{_WIDTH}" height="{_HEIGHT + 2}" viewBox="0 -1 {_WIDTH} {_HEIGHT + 2}"'
    return (
        f'<svg role="img" aria-label="{label}" {size}>'
        f'<polyline points="{line}" fill="none" stroke="currentColor"/></svg><div>{label}</div>'
    )
