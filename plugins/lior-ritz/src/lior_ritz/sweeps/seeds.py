"""What several seeds say together: means of errors, and how sure these are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from lior_ritz.sweeps.sweep import SEED, Axis, Row


def over_seeds(axes: Sequence[Axis], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Mean and standard error of errors over the seeds, for each combination of the other values.

    Parameters
    ----------
    rows
        Of :func:`lior_ritz.sweeps.sweep.row`, by their points.

    Returns
    -------
    list of dict
        ``values``, ``seeds`` (how many), and ``mean`` and ``standard_error`` of ``error_meV`` and of
        ``relative_error``, a number for each level, and of ``seconds`` and ``steps``. A standard error of
        one seed is ``None``. Empty when no seed is varied.
    """
    if SEED not in {axis.name for axis in axes}:
        return []
    groups: dict[tuple[float, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(v for name, v in row["values"].items() if name != SEED), []).append(row)
    return [_summary(group) for group in groups.values()]


def _summary(rows: Sequence[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "values": {name: value for name, value in rows[0]["values"].items() if name != SEED},
        "seeds": len(rows),
    }
    for name in ("error_meV", "relative_error"):
        pairs = [mean(column) for column in zip(*(row[name] for row in rows), strict=True)]
        found[name] = {"mean": [each for each, _ in pairs], "standard_error": [error for _, error in pairs]}
    for name in ("seconds", "steps"):
        each, error = mean([row[name] for row in rows])
        found[name] = {"mean": each, "standard_error": error}
    return found


def mean(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and its standard error ``s/√n`` with the sample deviation ``s``; ``None`` for one value.

    >>> [round(each, 6) for each in mean([1.0, 2.0, 3.0])]
    [2.0, 0.57735]
    """
    middle = sum(values) / len(values)
    if len(values) < 2:
        return middle, None
    variance = sum((value - middle) ** 2 for value in values) / (len(values) - 1)
    return middle, math.sqrt(variance / len(values))
