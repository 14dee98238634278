"""Judging predictions: errors that can be averaged over sets, and the uncertainty of a comparison.

Two methods are compared on the same rows. The error of a set is the mean over repetitions (seeds, folds); two
errors are compared by their ratio, ratios of sets by their geometric mean. Intervals are percentiles of
bootstraps: over rows, in pairs, for one set; over sets for several.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

Array = np.ndarray

WRONG_FLOOR, NUMBER_FLOOR = 0.01, 0.002
"""Floors added to a share of wrong answers, and to a root mean squared error in units of the target's spread.
The ratio of two errors near 0 is meaningless."""
DRAWS = 2000


@attrs.frozen
class Estimate:
    """A number and its interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def losses(predictions: Array, truth: Array) -> Array:
    """Return the loss of each row: 1 for a wrong class and 0 for a right one, or the squared error.

    Parameters
    ----------
    predictions
        Probabilities (B, C), or numbers (B,).
    truth
        Classes 0 … C−1 (B,), or numbers (B,).
    """
    if predictions.ndim == 2:
        return (predictions.argmax(1) != truth).astype(np.float64)
    return (predictions.astype(np.float64) - truth) ** 2


def error(losses: Array, *, classes: bool) -> Array:
    """Return errors of samples of rows, (…, B) → (…): wrong answers or root mean square, plus a floor."""
    mean = losses.mean(-1)
    return mean + WRONG_FLOOR if classes else np.sqrt(mean) + NUMBER_FLOOR


def ratio(
    ours: Sequence[Array], theirs: Sequence[Array], *, classes: bool, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Return the ratio of the errors of two methods on one set, < 1 if the first is better.

    Parameters
    ----------
    ours, theirs
        Losses (B,) of each repetition, of the same rows in the same order.
    """
    drawn = ratio_draws(ours, theirs, classes=classes, draws=draws, seed=seed)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(_ratio(ours, theirs, classes), float(low), float(high))


def _ratio(ours: Sequence[Array], theirs: Sequence[Array], classes: bool) -> float:
    both = [np.mean([error(part, classes=classes) for part in side]) for side in (ours, theirs)]
    return float(both[0] / both[1])


def ratio_draws(
    ours: Sequence[Array], theirs: Sequence[Array], *, classes: bool, draws: int = DRAWS, seed: int = 0
) -> Array:
    """Return bootstrap draws of `ratio` over rows, (draws,)."""
    draw = np.random.default_rng(seed)
    sums = np.zeros((2, draws))
    for a, b in zip(ours, theirs, strict=True):
        rows = draw.integers(0, len(a), (draws, len(a)))
        sums += np.stack([error(side[rows], classes=classes) for side in (a, b)])
    return np.asarray(sums[0] / sums[1])


def pool(draws_of_sets: Sequence[Array], ratios: Sequence[float]) -> Estimate:
    """Return the geometric mean over sets that are each too small, with an interval from their rows.

    Parameters
    ----------
    draws_of_sets
        `ratio_draws` of each set, from different seeds.
    """
    drawn = np.log(np.stack(draws_of_sets)).mean(0)
    low, high = np.exp(np.quantile(drawn, (0.025, 0.975)))
    return Estimate(float(np.exp(np.log(ratios).mean())), float(low), float(high))


def mean_ratio(ratios: Sequence[float], draws: int = 10_000, seed: int = 0) -> Estimate:
    """Return the geometric mean over sets; the interval predicts other sets of the kind."""
    logs = np.log(np.asarray(ratios, dtype=np.float64))
    rows = np.random.default_rng(seed).integers(0, len(logs), (draws, len(logs)))
    low, high = np.exp(np.quantile(logs[rows].mean(1), (0.025, 0.975)))
    return Estimate(float(np.exp(logs.mean())), float(low), float(high))


def coverage_by_thirds(low: Array, high: Array, truth: Array, scale: Array) -> tuple[float, Array]:
    """Return the share of truths inside their intervals, overall and in each third of the rows by ``scale``
    (3,).

    ``scale`` may be the widths of one method for all compared methods: equal thirds are fair.
    """
    inside = (truth >= low) & (truth <= high)
    thirds = np.argsort(np.argsort(scale, kind="stable"), kind="stable") * 3 // len(scale)
    return float(inside.mean()), np.array([inside[thirds == third].mean() for third in range(3)])
