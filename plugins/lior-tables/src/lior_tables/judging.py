"""How good probabilities are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lior_tables.rows import Floats


def log_loss(probabilities: Floats, truth: NDArray[np.int64], floor: float = 1e-4) -> float:
    """Mean −log of the probability of what was true, in nats; none counts as less than ``floor``."""
    kept = np.clip(probabilities.astype(np.float64), floor, 1)
    kept /= kept.sum(1, keepdims=True)
    return float(-np.log(kept[np.arange(len(truth)), truth]).mean())


def calibration_error(probabilities: Floats, truth: NDArray[np.int64], bins: int = 10) -> float:
    """Expected calibration error: |share right − mean probability| of the likeliest class, by bins."""
    sure, right = probabilities.max(1).astype(np.float64), probabilities.argmax(1) == truth
    place = np.minimum((sure * bins).astype(np.int64), bins - 1)
    weights = np.bincount(place, minlength=bins)
    gaps = np.abs(np.bincount(place, right, bins) - np.bincount(place, sure, bins))
    return float(gaps[weights > 0].sum() / len(truth))
