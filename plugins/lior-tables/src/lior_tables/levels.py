"""Rare and new words: the error of whole levels of a column when their word is hidden.

The mean target of a city may be far from the overall mean, and the errors of rows of a new city are then
correlated. The rows of each level are predicted as those of an unknown word, by the model solved without
them. The mean square of their mean errors is the variance of a level (a random effect; S. R. Searle, G.
Casella, C. E. McCulloch, *Variance Components*, 1992), with as many degrees of freedom as there are levels.
For a level with ``n`` rows, the share ``s² / (s² + n v)`` of this variance remains. Here ``v`` is the
variance of levels and ``s²`` that of errors. For classes these predictions have a calibration of their own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import attrs
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from lior_tables.calibration import Calibration
from lior_tables.rows import Column, ColumnNote, Floats, as_words, is_words

_ROWS = 2_000
"""Maximum number of rows used to estimate the variances of levels."""
_PARTS = 5
"""Maximum number of parts of the levels; each is left out once."""
_FEW = 5
"""Minimum number of rows for a level to count as known."""
_UNKNOWN, _MISSING = "\0unknown", "\0missing"

_Predict = Callable[[pd.DataFrame, list[tuple[NDArray[np.int64], NDArray[np.int64]]]], Floats]


def rare_words(table: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Return the columns in which one of ``rows`` has a word that fewer than five of ``table`` have.

    A gap counts as a word.
    """
    found = []
    for name in (name for name, column in table.items() if is_words(column)):
        counts = _spelled(table[name]).value_counts()
        if any(counts.get(word, 0) < _FEW for word in _spelled(rows[name]).unique()):
            found.append(str(name))
    return found


@attrs.frozen(eq=False)
class LevelErrors:
    """The common error of a column's rows with one level, if the level is unknown."""

    column: str
    counts: dict[str, int]
    """Number of the model's rows of each level."""
    variance: Floats
    """Variance of the mean error of a level ``(targets,)``."""
    noise: Floats
    """Mean square of the errors about the mean of their level ``(targets,)``."""
    calibration: Calibration | None = None
    """Calibration of the values of rows whose level is unknown; ``None`` for numbers."""

    @classmethod
    def fit(
        cls, table: pd.DataFrame, column: str, y: Floats, predict: _Predict, *, classes: bool
    ) -> LevelErrors:
        """Leave out the rows of each level, with some others, and predict them with their word hidden.

        Parameters
        ----------
        table
            The training rows.
        y
            Their targets ``(rows, targets)``.
        predict
            Values ``(rows, targets)`` of such rows, from the places of the known rows and of the rows to
            predict.
        """
        words = _spelled(table[column])
        counts = words.value_counts()
        some = np.random.RandomState(0).permutation(len(table))[:_ROWS]
        level, names = pd.factorize(words.iloc[some])
        hidden = table.copy()
        hidden[column] = pd.Categorical([_UNKNOWN] * len(table))
        own = {str(word): int(rows) for word, rows in counts.items()}
        if len(names) < 2:
            nothing = np.zeros(y.shape[1])
            return cls(column, own, nothing, nothing)
        part = level % _PARTS
        parts = [(some[part != k], some[part == k]) for k in range(part.max() + 1)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ColumnNote)
            values = predict(hidden, parts)[some]
        errors = pd.DataFrame(y[some] - values)
        means = errors.groupby(level)
        noise = np.square(errors - means.transform("mean")).mean().to_numpy()
        calibration = None
        if classes:
            ones = torch.ones(len(some), dtype=torch.float64)
            calibration = Calibration.fit(torch.from_numpy(values), torch.from_numpy(y[some]), ones)
        return cls(column, own, np.square(means.mean()).mean().to_numpy(), noise, calibration)

    def left(self, table: pd.DataFrame) -> Floats:
        """Return the remaining share of a level's variance, ``(rows, targets)``: 1 for a new level."""
        rows = np.array([self.counts.get(word, 0) for word in _spelled(table[self.column])])[:, None]
        left = np.where(rows < _FEW, self.noise / np.maximum(self.noise + rows * self.variance, 1e-300), 0.0)
        found: Floats = np.where(rows == 0, 1.0, left)
        return found

    def half_widths(self, table: pd.DataFrame, alpha: float) -> Floats:
        """Return half the width that the level of each row adds, ``(rows, targets)``; 0 for a known level."""
        reach = stdtrit(max(len(self.counts), 1), 1 - alpha / 2)
        widths: Floats = reach * np.sqrt(self.variance * self.left(table))
        return widths

    def mixed(self, table: pd.DataFrame, probabilities: Floats, values: Tensor) -> Floats:
        """Mix probabilities ``(rows, classes)`` with those for an unknown level, by how unknown it is."""
        if self.calibration is None:
            return probabilities
        share = self.left(table).mean(1, keepdims=True)
        unknown = self.calibration.probabilities(values.double()).cpu().numpy()
        found: Floats = (1 - share) * probabilities + share * unknown
        return found


def _spelled(column: Column) -> Column:
    """Return the words of a column, missing ones too."""
    return as_words(column).astype(object).fillna(_MISSING)
