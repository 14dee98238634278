"""Scores of predictions, as commands print them."""

from __future__ import annotations

import numpy as np

from lior_tables.judging import calibration_error, log_loss
from lior_tables.rows import Floats


def scores(y: Floats, answers: Floats, *, classes: bool) -> dict[str, float]:
    """Name -> score of predictions ``answers (rows, targets)`` of ``y (rows, targets)``.

    Parameters
    ----------
    classes
        Whether ``y`` is one-hot and the answers are probabilities. For numbers the scores are means over the
        targets.
    """
    if classes:
        truth = y.argmax(1)
        return {
            "right": float((answers.argmax(1) == truth).mean()),
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
