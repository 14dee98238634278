"""Scores of predictions and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lior_tables.rows import Floats


def log_loss(probabilities: Floats, truth: NDArray[np.int64], floor: float = 1e-4) -> float:
    """Return the mean −log of the true class's probability, which is at least ``floor``, in nats."""
    kept = np.clip(probabilities.astype(np.float64), floor, 1)
    kept /= kept.sum(1, keepdims=True)
    return float(-np.log(kept[np.arange(len(truth)), truth]).mean())


def calibration_error(probabilities: Floats, truth: NDArray[np.int64], bins: int = 10) -> float:
    """Return the expected calibration error: |share right − mean probability| of likeliest classes, by
    bins."""
    sure, right = probabilities.max(1).astype(np.float64), probabilities.argmax(1) == truth
    place = np.minimum((sure * bins).astype(np.int64), bins - 1)
    weights = np.bincount(place, minlength=bins)
    gaps = np.abs(np.bincount(place, right, bins) - np.bincount(place, sure, bins))
    return float(gaps[weights > 0].sum() / len(truth))


def balanced_accuracy(picked: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Return the mean, over the classes that occur, of each class's share of right rows."""
    there, of = np.unique(truth, return_inverse=True)
    return float((np.bincount(of, picked == truth) / np.bincount(of, minlength=len(there))).mean())


def scores(
    y: Floats, answers: Floats, *, classes: bool, picked: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Return named scores of predictions ``answers (rows, targets)`` of ``y (rows, targets)``.

    Parameters
    ----------
    classes
        Whether ``y`` is one-hot and the answers are probabilities. For numbers the scores are means over the
        targets; see :func:`scores_by_target`.
    picked
        Places of the predicted classes ``(rows,)``; the likeliest by default.
    """
    if classes:
        truth, picked = y.argmax(1), answers.argmax(1) if picked is None else picked
        return {
            "right": float((picked == truth).mean()),
            "right, mean of the classes": balanced_accuracy(picked, truth),
            "log loss": log_loss(answers, truth),
            "calibration error": calibration_error(answers, truth),
        }
    error = answers - y
    squares, spread = (error**2).mean(0), y.var(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(spread > 0, 1 - squares / spread, np.nan)
    return {
        "root mean squared error": float(np.sqrt(squares).mean()),
        "mean absolute error": float(np.abs(error).mean()),
        "R²": float(explained.mean()),
    }


def scores_by_target(
    y: Floats,
    answers: Floats,
    targets: Sequence[str],
    *,
    classes: bool,
    picked: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Return the :func:`scores` of a single target, or those of each target by its name."""
    if len(targets) == 1:
        return dict(scores(y, answers, classes=classes, picked=picked))
    columns = ((name, slice(i, i + 1)) for i, name in enumerate(targets))
    return {name: scores(y[:, at], answers[:, at], classes=False) for name, at in columns}


def named_scores(found: Mapping[str, Any]) -> dict[str, float]:
    """Return :func:`scores_by_target` without nesting, each score with the name of its target."""
    plain: dict[str, float] = {}
    for name, value in found.items():
        nested = value.items() if isinstance(value, Mapping) else ()
        plain |= {f"{name}: {score}": part for score, part in nested} if nested else {name: value}
    return plain
