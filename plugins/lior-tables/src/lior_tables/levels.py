"""Words that were rare or never seen: how far whole levels of a column are off when their word is hidden.

The mean target of each city may lie far from that of all, and rows of a city that was never seen are then off
together. Each level ``k`` of ``K`` is predicted as an unknown word; the mean error ``m_k`` of its rows is
that of a level which a part ``1/K`` of the model knows, so that of one it does not know is
``m_k K / (K - 1)``. Its mean square is the variance of a level (a random effect; S. R. Searle, G. Casella,
C. E. McCulloch, *Variance Components*, 1992), with as many degrees of freedom as there are levels. Of a
level with few rows, what is left of it is the part ``s² / (s² + n v)`` for ``n`` rows, the variance ``v`` of
levels and ``s²`` of errors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import attrs
import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lior_tables.rows import ColumnNote, Floats, as_words, is_words

_ROWS = 4_000
"""Rows that the variances of levels are told from, at most."""
_FEW = 5
"""Rows of a level from which it counts as known."""
_UNKNOWN = "\0unknown"


def rare_words(table: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Columns of words in which one of ``rows`` has a word that fewer than five rows of ``table`` have."""
    found = []
    for name in (name for name, column in table.items() if is_words(column)):
        counts, words = table[name].value_counts(), as_words(rows[name])
        given = words.dropna().astype(object).unique()
        if any(counts.get(word, 0) < _FEW for word in given):
            found.append(str(name))
    return found


@attrs.frozen(eq=False)
class LevelErrors:
    """How far the rows of one level of a column are off together, if it is not known."""

    column: str
    counts: dict[str, int]
    """Level -> rows that the model has."""
    variance: Floats
    """Of the mean error of a level ``(targets,)``."""

    @classmethod
    def fit(
        cls, table: pd.DataFrame, column: str, y: Floats, predict: Callable[[pd.DataFrame], Floats]
    ) -> LevelErrors:
        """Hide each level of a column in turn.

        Parameters
        ----------
        table
            The training rows.
        y
            Their targets ``(rows, targets)``.
        predict
            Predictions of such rows, ``(rows, targets)``.
        """
        words = as_words(table[column]).astype(object)
        counts = words.value_counts()
        some = np.random.RandomState(0).permutation(len(table))[:_ROWS]
        hidden = table.iloc[some].copy()
        hidden[column] = pd.Categorical([_UNKNOWN] * len(some))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ColumnNote)
            errors = pd.DataFrame(y[some] - predict(hidden))
        means = errors.groupby(words.iloc[some].to_numpy()).mean().to_numpy()
        count = len(means)
        variance = np.zeros(y.shape[1])
        if count > 1:
            variance = np.square(means * count / (count - 1)).mean(0)
        return cls(column, {str(word): int(rows) for word, rows in counts.items()}, variance)

    def half_widths(self, table: pd.DataFrame, alpha: float, noise: Floats) -> Floats:
        """Half the width that the level of each row adds, ``(rows, targets)``; 0 where it is known.

        Parameters
        ----------
        noise
            Mean square of the leave-one-out residuals ``(targets,)``.
        """
        words = as_words(table[self.column]).astype(object)
        rows = np.array([self.counts.get(str(word), 0) for word in words])[:, None]
        left = np.where(rows < _FEW, noise / np.maximum(noise + rows * self.variance, 1e-300), 0.0)
        left = np.where(rows == 0, 1.0, left)
        reach = stdtrit(max(len(self.counts), 1), 1 - alpha / 2)
        widths: Floats = reach * np.sqrt(self.variance * left)
        return widths
