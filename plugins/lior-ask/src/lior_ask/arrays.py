"""Arrays: the best of scores, slices, and statistics of terms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lior.interfaces import Forward


def best(scores: np.ndarray, top: int) -> np.ndarray:
    """Return the indices of the ``top`` highest scores, best first, ties by index; int64."""
    if top < len(scores):
        above = np.flatnonzero(scores > scores.min())  # most passages share no word with the question
        if top <= len(above) < len(scores) // 2:
            return above[best(scores[above], top)]
    if top < len(scores):
        least = np.partition(scores, len(scores) - top)[len(scores) - top] if top > 0 else np.inf
        chosen = np.flatnonzero(scores >= least)
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")][: max(top, 0)]


def unique(values: np.ndarray) -> np.ndarray:
    """Return the unique values, ascending; ``return_index`` avoids that numpy imports masked arrays."""
    return np.unique(values, return_index=True)[0]


def slices(starts: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``starts[i]`` to ``starts[i + 1] − 1`` for each ``i`` of ``chosen``, and the place of ``i``."""
    sizes = starts[chosen + 1] - starts[chosen]
    place = np.repeat(np.arange(len(chosen)), sizes)
    return np.arange(len(place)) + (starts[chosen] - (np.cumsum(sizes) - sizes))[place], place


def blocks(entries: Forward, size: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of units and of their entries, about ``size`` entries at a time."""
    starts, first = entries.starts, 0
    while first < len(starts) - 1:
        last = max(int(np.searchsorted(starts, starts[first] + size, "right")) - 1, first + 1)
        yield slice(first, last), slice(int(starts[first]), int(starts[last]))
        first = last


def sums(entries: Forward, units: slice, values: np.ndarray) -> np.ndarray:
    """Return the sum of ``values`` over the entries of each unit in ``units``, float64."""
    sizes = np.diff(entries.starts[units.start : units.stop + 1])
    return np.bincount(np.repeat(np.arange(len(sizes)), sizes), values, len(sizes))


def idf_of(df: np.ndarray | int, units: int) -> np.ndarray:
    """Return ``ln(1 + (N − df + ½)/(df + ½))`` for ``df`` of ``N = units`` that have a term, float64."""
    found: np.ndarray = np.log1p((units - df + 0.5) / (df + 0.5))
    return found
