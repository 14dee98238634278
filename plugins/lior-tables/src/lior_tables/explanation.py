"""Reasons: the shares of training rows in a prediction."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd

from lior_tables.rows import Floats


@attrs.frozen(eq=False)
class Explanation:
    """Exact shares of the training rows in some predictions.

    ``base + shares.sum(1)`` are the predictions: numbers, or, for classes, the values from which
    :class:`lior_tables.calibration.Calibration` computes the probabilities. The share of a row is its
    weight times the difference of its target from the base (B. W. Silverman, *Spline smoothing: the
    equivalent variable kernel method*, Annals of Statistics 12, 1984). A ridge prediction ``Σ α_i k(x,
    x_i)`` has coefficients of both signs. They cancel, by a factor of a hundred where rows are close to one
    another; the weights of a weighted mean of targets do not.
    """

    rows: pd.DataFrame
    """The inputs of the ``N`` training rows, by id; equal rows are represented by the first."""
    weights: Floats
    """Weight of each row in each prediction, ``(B, N)``; some are negative."""
    answers: Floats
    """Target of each row, ``(N, targets)``; for classes 1 and 0."""
    base: Floats
    """Common base of all predictions, the mean of the targets, ``(targets,)``."""
    targets: tuple[str, ...]
    """Name of each target, or the classes."""

    @property
    def shares(self) -> Floats:
        """Share of each row in each value, ``(B, N, targets)``."""
        found: Floats = self.weights[:, :, None] * (self.answers - self.base)
        return found

    @property
    def predictions(self) -> Floats:
        """The values that the shares sum to, ``(B, targets)``."""
        found: Floats = self.base + self.weights @ (self.answers - self.base)
        return found

    def top(self, i: int, count: int = 10, target: int = 0) -> pd.DataFrame:
        """Return the rows with the largest weights, of either sign, in the ``i``-th prediction.

        Returns
        -------
        DataFrame
            Their ``weight``, and their ``share`` and ``answer`` for one of the targets, by id.
        """
        order = np.argsort(-np.abs(self.weights[i]), kind="stable")[:count]
        weights, answers = self.weights[i, order], self.answers[order, target]
        found = {"weight": weights, "share": weights * (answers - self.base[target]), "answer": answers}
        return pd.DataFrame(found, index=self.rows.index[order])

    def _repr_html_(self) -> str:
        from lior_tables.notebook import explanation_html

        return explanation_html(self)

    def needed(self, i: int, part: float = 0.9) -> int:
        """Return the number of rows that make up ``part`` of the total absolute weight."""
        sizes = np.sort(np.abs(self.weights[i]))[::-1].cumsum()
        return int(np.searchsorted(sizes, part * sizes[-1])) + 1 if sizes[-1] else 0
