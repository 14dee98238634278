"""Reasons: the training rows that a prediction is the sum of, and the inputs that count."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from lior_tables.rows import Floats


@attrs.frozen(eq=False)
class Explanation:
    """Exact shares of the training rows in some predictions.

    ``base + shares.sum(1)`` are the predictions: numbers, or for classes the values whose softmax (with the
    model's temperature) are the probabilities.
    """

    rows: NDArray[np.int64]
    """Id of each training row, ``(N,)``; of rows that are equal in all columns and targets the first."""
    shares: Floats
    """Share of each row in each value, ``(B, N, targets)``."""
    base: Floats
    """What all predictions begin with, the mean of the targets, ``(targets,)``."""
    targets: tuple[str, ...]
    """Name of each target, or the classes."""
    importances: dict[str, float]
    """Share of each input in the learned metric; they sum to 1."""
    directions: Floats
    """Directions of the metric as rows over ``labels``, the longest first, ``(n, n)``."""
    stretches: Floats
    """How far the metric stretches each direction, squared, the first 1, ``(n,)``."""
    labels: tuple[str, ...]
    """What each coordinate is: an input, or a level of it."""

    @property
    def predictions(self) -> Floats:
        """The values that the shares sum to, ``(B, targets)``."""
        found: Floats = self.base + self.shares.sum(1)
        return found

    def top(self, i: int, count: int = 10, *, target: int = 0) -> list[tuple[int, float]]:
        """The rows with the largest shares, of either sign, in one value of the ``i``-th prediction.

        Returns
        -------
        list[tuple[int, float]]
            Id and share, the largest first.
        """
        share = self.shares[i, :, target]
        order = np.argsort(-np.abs(share), kind="stable")[:count]
        return [(int(self.rows[k]), float(share[k])) for k in order]

    def needed(self, i: int, share: float = 0.9, *, target: int = 0) -> int:
        """How many rows make up this part of the sum of the sizes of all shares."""
        sizes = np.sort(np.abs(self.shares[i, :, target]))[::-1].cumsum()
        return int(np.searchsorted(sizes, share * sizes[-1])) + 1 if sizes[-1] else 0


def importances(
    values: Floats, vectors: Floats, origins: NDArray[np.int64], names: Sequence[str]
) -> dict[str, float]:
    """Share of each input in the trace of a metric ``Σ values · v vᵀ`` of standardised coordinates.

    It is how much of the squared slope of what was learned lies along the input, summed over its coordinates.

    Parameters
    ----------
    values, vectors
        ``(n,)``, and ``(n, n)`` with the directions as columns.
    origins
        Which input each coordinate belongs to, -1 for none, ``(n,)``.
    names
        Of the inputs.
    """
    diagonal = (vectors**2) @ values
    there = origins >= 0
    total = np.bincount(origins[there], diagonal[there], len(names))
    whole = total.sum() or 1.0
    return {name: float(share / whole) for name, share in zip(names, total, strict=True)}
