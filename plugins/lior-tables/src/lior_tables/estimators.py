"""The estimators: scikit-learn's interface to a learned metric and a solved ridge."""

from __future__ import annotations

import math
import warnings
from typing import Any

import attrs
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d
from torch import Tensor

from lior_tables.base import Geometric
from lior_tables.calibration import Calibration
from lior_tables.intervals import Spread
from lior_tables.model import Progress
from lior_tables.rows import ColumnNote, Floats

_LARGEST = 1e150
"""Largest target; the square of 1e154 is no double."""
_FEW = 100
"""Maximum number of rows for probabilities from models fitted anew; with more rows they are no better."""
_NAMED = 5
"""Maximum number of classes of one row that are named."""


class GeometricRegressor(MultiOutputMixin, RegressorMixin, Geometric):
    """A regressor by kernel ridge regression in a metric that is learned without backpropagation.

    Columns may be numbers, words, truth values and dates, with missing values; frames of pandas and polars
    and arrays are taken. Nothing needs to be scaled or tuned.

    Parameters
    ----------
    frame, rsource, product, readout
        Names of plugins: the metric that is learned, the local scale of the cost, how the cost grows with
        the distance, and how the training rows determine predictions.
    categories
        Encoding of words: ``one-hot``, a coordinate for each; ``distance``, the mean of the targets over
        the rows with that word; or ``auto``, which is one-hot up to 60 words and distance beyond.
    texts
        Comparison of texts: ``words``; the name of a sentence encoder, a plugin of the kind ``embedder``;
        or ``auto``: ``e5`` of lior-ask if it is installed and there are at most 1,000 different texts,
        otherwise words.
    categorical_features
        Names or indices of columns of numbers that are names, such as codes.
    members, rounds
        Maximum number of kinds of kernels to try, and of rounds in which a metric is learned.
    time_limit
        Seconds for choosing and fitting; it limits how many kinds of kernels are tried.
    shape
        Height, width and components of pictures or arrays: the last columns are their pixels, the last axis
        running fastest; earlier columns, such as a file's name, are stored and not used.
    features
        Features of pictures: responses of ``patches`` drawn from them, of ``derivatives``, or ``pixels``.
    time, group
        A column, by its name or position: later rows will come, or other groups. Choices, intervals and
        :meth:`left_out` then use rows later than all learned ones, or of groups that were not learned.
        Groups are no input, moments are.
    random_state
        Seed of the split that choices are made on.

    Attributes
    ----------
    feature_importances_ : ndarray of shape (n_features_in_,)
        Relative increase of the error of left-out rows without each input; see :meth:`worth`.
    n_rows_ : int
        Number of rows that the model stores.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.RandomState(0).uniform(-1, 1, (200, 3))
    >>> model = GeometricRegressor(random_state=0).fit(X, np.sin(3 * X[:, 0]))
    >>> model.score(X, np.sin(3 * X[:, 0])) > 0.99
    True
    """

    _classes = False

    def encoded(self, y: Any) -> Floats:
        values: Floats = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        spread = np.ptp(values / 2, axis=0)  # halves do not overflow
        if np.abs(values).max() > _LARGEST or ((spread > 0) & (spread < 1 / _LARGEST)).any():
            raise ValueError(
                f"y has numbers above {_LARGEST:g}, or that differ by less than {1 / _LARGEST:g}; "
                "their squares cannot be computed; give y in another unit"
            )
        if values.ndim == 2 and values.shape[1] == 1:
            values = column_or_1d(values, warn=True)
        return values.reshape(len(values), -1)

    def _refuse_other(self, y: Any, values: Floats) -> None:
        if values.shape[1] != self.ledger_.y.shape[1]:
            raise ValueError(f"y has {values.shape[1]} targets; the model has {self.ledger_.y.shape[1]}")

    def _targets(self) -> tuple[str, ...]:
        return tuple(f"y{i}" for i in range(self.ledger_.y.shape[1]))

    def _shaped(self, values: Floats) -> Floats:
        return values[:, 0] if values.shape[1] == 1 else values

    def predict(self, X: Any) -> Floats:
        """Return predictions ``(rows,)`` or ``(rows, targets)``, in the shape of ``y``."""
        check_is_fitted(self)
        return self._shaped(self.answers(self.rows(X)))

    def predict_interval(self, X: Any, alpha: float = 0.1) -> tuple[Floats, Floats]:
        """Return intervals that hold the target with probability ``1 - alpha``.

        A rare or new word widens them, by the error of whole levels of its column when their word is
        hidden, and so does a missing number, by the error of rows in which the same number is hidden.

        Returns
        -------
        tuple
            Lower and upper ends, each of the shape of :meth:`predict`. They are infinite if there are fewer
            training rows than ``1 / alpha - 1``, or, with ``group``, too few groups.
        """
        check_is_fitted(self)
        if not 0 < alpha < 1:
            raise ValueError(f"alpha={alpha}: the probability of a miss is between 0 and 1")
        rows = self.rows(X)
        z = self._coordinates(rows)
        values = self._answers(self.model_.predict(z))
        spread, points = self.spread(), self._mapped(z)
        half = spread.half_widths(points, alpha, spread.levels(self.model_.coordinates, z))
        for places, errors in self.unusual_.lacks(rows):
            ratio = errors.quantile(spread.scale(self._mapped(errors.z)), alpha)
            half[places] = (spread.scale(points[places]) * ratio).numpy()
        squares = np.square(half)
        for each in self.unusual_.levels(rows):
            squares += np.square(each.half_widths(rows, alpha))
        half = np.sqrt(squares)
        if not np.isfinite(half).all():
            self._note_infinite(alpha)
        return self._shaped(values - half), self._shaped(values + half)

    def _note_infinite(self, alpha: float) -> None:
        count, what = int(self.spread().count), "rows" if self.group is None else "groups"
        need = math.ceil(1 / alpha - 1 - 1e-6)
        note = f"intervals of probability {1 - alpha:.6g} need the errors of {need:,} {what}"
        note += f", and the model has {count:,}: they are infinite; with {count * 100 // (count + 1) / 100:g}"
        warnings.warn(f"{note} or less they are finite", ColumnNote, stacklevel=3)

    def spread(self) -> Spread:
        """Return the distribution of prediction errors, from the leave-one-out residuals; computed once."""
        if self._spread is None:
            ledger = self.ledger_
            first = ledger.representatives()
            blocks = self._blocks(ledger.table.iloc[first])
            residuals = torch.from_numpy(ledger.y[first]) - self._unseen()
            there = residuals.isfinite().all(1)
            groups = None if blocks is None or blocks.ordered else int(blocks.codes.max()) + 1
            found = Spread.fit(
                self._mapped(self.model_.coordinates)[there],
                residuals[there],
                torch.from_numpy(ledger.slot_weights())[there],
                torch.Generator().manual_seed(0),
                groups,
            )
            self._spread = attrs.evolve(found, places=there.nonzero()[:, 0][found.places])
        return self._spread

    def _mapped(self, z: Tensor) -> Tensor:
        """Return coordinates whose Euclidean distances are those of the blended metric."""
        values, vectors = (each.double() for each in self.model_.directions())
        return (z.double() @ vectors) * values.clamp_min(0).sqrt()


class GeometricClassifier(ClassifierMixin, Geometric):
    """A classifier by kernel ridge regression of class indicators in a learned metric.

    Parameters, columns and editing are the same as in :class:`GeometricRegressor`. Probabilities are a
    power of the values, fitted on held-out training rows (:mod:`lior_tables.calibration`). Up to 100 rows
    are all held out, in fifths, from five more models.

    Attributes
    ----------
    classes_ : ndarray
        The classes, sorted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = GeometricClassifier(random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape, model.score(X, y) > 0.95
    ((150, 3), True)
    """

    _classes = True
    classes_: NDArray[Any]

    def _begin(self, y: Any, weights: Floats) -> Floats:
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        there = np.unique(codes[weights > 0])
        if len(there) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {self.classes_[there].tolist()[0]}"
            )
        alone = self.classes_[np.bincount(codes[weights > 0], minlength=len(self.classes_)) == 1].tolist()
        if alone:
            more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
            named = ", ".join(map(repr, alone[:_NAMED])) + more
            note = f"classes of one row each, of which nothing tells how well they are predicted: {named}"
            warnings.warn(note, ColumnNote, stacklevel=3)
        found: Floats = np.eye(len(self.classes_))[codes]
        return found

    def _calibrate(self, on_progress: Progress | None) -> None:
        if not self.few_rows or self.model_.rows > _FEW:
            return
        if on_progress is not None:
            on_progress("fitting without a fifth of the rows", 1.0)
        ledger, values = self.ledger_, self._unseen()
        y, weights = ledger.y[ledger.representatives()], ledger.slot_weights()
        self.model_.calibration = Calibration.fit(values, torch.from_numpy(y), torch.from_numpy(weights))

    def encoded(self, y: Any) -> Floats:
        known = {label: i for i, label in enumerate(self.classes_.tolist())}
        codes = [known.get(label, -1) for label in column_or_1d(y, warn=True).tolist()]
        found: Floats = np.eye(len(known) + 1, len(known))[codes]
        return found

    def _refuse_other(self, y: Any, values: Floats) -> None:
        new = np.flatnonzero(values.sum(1) == 0)
        if len(new):
            label, known = column_or_1d(y)[new].tolist()[0], ", ".join(map(str, self.classes_))
            raise ValueError(f"y has the class {label!r}, and the model knows {known}; fit with all classes")

    def _targets(self) -> tuple[str, ...]:
        return tuple(map(str, self.classes_))

    def _answers(self, values: Tensor) -> Floats:
        return self.model_.to_probabilities(values).double().numpy()

    def answers(self, rows: pd.DataFrame) -> Floats:
        values = self.model_.predict(self._coordinates(rows))
        found = self._answers(values)
        for places, errors in self.unusual_.lacks(rows):
            found[places] = errors.calibration.probabilities(values[places].double()).cpu().numpy()
        for each in self.unusual_.levels(rows):
            found = each.mixed(rows, found, values)
        return found

    def predict_proba(self, X: Any) -> Floats:
        """Return probabilities ``(rows, classes)`` in the order of ``classes_``.

        For a row with a rare or new word, they are closer to the shares of the classes. How much depends on
        how well rows of whole levels of its column are predicted when their level is hidden.
        """
        check_is_fitted(self)
        return self.answers(self.rows(X))

    def predict(self, X: Any, *, balanced: bool = False) -> NDArray[Any]:
        """Return the likeliest class of each row; see :meth:`pick` for ``balanced``."""
        picked = self.pick(self.predict_proba(X), balanced=balanced)
        found: NDArray[Any] = self.classes_[picked]
        return found

    def pick(self, probabilities: Floats, *, balanced: bool = False) -> NDArray[np.int64]:
        """Return the place of the likeliest class in each row of ``probabilities (rows, classes)``.

        ``balanced`` picks the class whose probability is the largest multiple of its share of the training
        rows. More rows are wrong, but rare classes are found as often as common ones.
        """
        share = self.ledger_.weights @ self.ledger_.y if balanced else np.ones(probabilities.shape[1])
        times = np.divide(1, share, out=np.zeros_like(share), where=share > 0)  # 0 if all were forgotten
        found: NDArray[np.int64] = (probabilities * times).argmax(1)
        return found
