"""The common base of both estimators: rows and targets, fitting, editing and reasons."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from torch import Tensor

from lior.workers import Where, Workers
from lior_tables import unseen
from lior_tables.blocks import Blocks
from lior_tables.cells import Form
from lior_tables.columns import Categories, Columns, note_far
from lior_tables.explanation import Explanation
from lior_tables.intervals import Spread
from lior_tables.ledger import Ledger
from lior_tables.model import Progress, TableModel
from lior_tables.patches import Patches
from lior_tables.plan import Options
from lior_tables.rows import (
    ColumnNote,
    Floats,
    as_known_words,
    as_numbers,
    is_frame,
    is_words,
    no_column,
    table,
)
from lior_tables.unusual import Places, Unusual
from lior_tables.worth import Worth, worth

_DEFAULT = Options()
_BLOCK_PARTS = 5
"""Number of parts of rows in blocks; each part is predicted from others."""
_FEW = 500
"""Maximum number of rows with all numbers in float64: it costs nothing there."""


class Geometric(BaseEstimator, ABC):
    """The common base of both estimators."""

    _classes: bool
    ledger_: Ledger
    columns_: Columns | Patches
    model_: TableModel
    n_features_in_: int
    unusual_: Unusual
    """Errors of rows unlike those of the model."""
    _forms: dict[str, Form | None]
    """The form of each column of texts; ``None`` for words."""

    def __init__(
        self,
        *,
        frame: str = "agop",
        rsource: str | None = None,
        product: str = "power",
        readout: str = "ridge",
        categories: Categories = "auto",
        texts: str = "auto",
        categorical_features: Sequence[str | int] | None = None,
        members: int = _DEFAULT.members,
        rounds: int = _DEFAULT.rounds,
        time_limit: float | None = None,
        shape: tuple[int, ...] | None = None,
        features: str = "patches",
        time: str | int | None = None,
        group: str | int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.frame = frame
        self.rsource = rsource
        self.product = product
        self.readout = readout
        self.categories = categories
        self.texts = texts
        self.categorical_features = categorical_features
        self.members = members
        self.rounds = rounds
        self.time_limit = time_limit
        self.shape = shape
        self.features = features
        self.time = time
        self.group = group
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # --- rows and targets ---

    @abstractmethod
    def encoded(self, y: Any) -> Floats:
        """Return targets as the model stores them, ``(rows, targets)``; classes are one-hot, or all 0 if
        unknown."""

    def _begin(self, y: Any, weights: Floats) -> Floats:
        """Record the targets or classes that occur, and encode them."""
        return self.encoded(y)

    @abstractmethod
    def _refuse_other(self, y: Any, values: Floats) -> None:
        """Raise ``ValueError`` for targets that the model does not know."""

    @abstractmethod
    def _targets(self) -> tuple[str, ...]:
        """Return names of the targets."""

    def _answers(self, values: Tensor) -> Floats:
        """Return the user's predictions from the model's values, ``(rows, targets)``."""
        return values.double().numpy()

    def _names(self) -> list[str]:
        """Return names of the columns; ``x0``, ``x1``, ... for columns without a name."""
        names = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(self.n_features_in_)] if names is None else list(map(str, names))

    def _used(self) -> Places:
        """Return the places of the columns that have coordinates; others were left out, or are constant."""
        origins = self.columns_.origins
        return np.unique(origins[origins >= 0])

    def inputs(self, *, learning: bool = False) -> list[str]:
        """Return the names of the columns that predictions need; for ``learning``, also of constant columns,
        in which a gap would be an input after a refit, and of time and group."""
        names = self._names()
        found = {names[place] for place in self._used()}
        if learning and isinstance(self.columns_, Columns):
            found |= {each.name for each in self.columns_.encodings if each.levels != ()}
            found |= {*self._named("time"), *self._named("group")}
        return [name for name in names if name in found]

    def _named(self, parameter: str) -> list[str]:
        """Return the names of the columns that a parameter declares, by name or position."""
        names, given = self._names(), getattr(self, parameter)
        found = [given] if isinstance(given, str | int) else list(given or ())
        for each in found:
            if isinstance(each, str) and each not in names:
                raise ValueError(f"{parameter}: {no_column(each, names)}")
            if not isinstance(each, str) and not 0 <= each < len(names):
                raise ValueError(f"{parameter}: no column {each}; there are 0 to {len(names) - 1}")
        return [each if isinstance(each, str) else names[each] for each in found]

    def _blocks(self, rows: pd.DataFrame) -> Blocks | None:
        """Return the blocks of rows that belong together according to ``time`` or ``group``."""
        time, group = self._named("time"), self._named("group")
        if time and group:
            raise ValueError("time and group: give one of them")
        for name in (*time, *group):
            return Blocks.of(rows[name], ordered=bool(time))
        return None

    def rows(self, X: Any, *, reset: bool = False) -> pd.DataFrame:
        """Return ``X`` as a frame, after scikit-learn's checks, before it is mapped to coordinates."""
        if not is_frame(X):
            kind = getattr(np.asarray(X) if isinstance(X, list | tuple) else X, "dtype", None)
            words = kind is not None and kind.kind in "OUS"
            X = check_array(
                X, dtype=None if words else np.float64, ensure_all_finite=False if words else "allow-nan"
            )
        validate_data(self, X, reset=reset, skip_check_array=True)
        if len(X) < 1 or not self.n_features_in_:
            X = check_array(np.empty(np.shape(X)))  # scikit-learn says what is missing
        known = dict.fromkeys(self._named("categorical_features")) if reset else self._forms
        days = () if reset else getattr(self.columns_, "days", ())
        found = table(X, self._names(), known, days, () if reset else self._plain_numbers())
        if not reset:
            for name, column in self.ledger_.table.items():
                if is_words(column) and not is_words(found[name]):
                    found[name] = as_known_words(found[name], column.cat.categories)
            if isinstance(X, pd.DataFrame):
                found.index = X.index  # notes name rows by it
        if reset:
            forms = found.attrs["forms"]
            self._forms = {name: forms.get(name) for name in found if name in forms or is_words(found[name])}
        return found

    def _plain_numbers(self) -> list[str]:
        """Return the names of the columns that were numbers in training and are no names of anything."""
        named = (*self._named("categorical_features"), *self._forms)
        columns = self.ledger_.table.items()
        return [name for name, column in columns if not is_words(column) and name not in named]

    def _coordinates(self, rows: pd.DataFrame) -> Tensor:
        """Return the coordinates of rows to predict; notes name values far from those of the model."""
        found = self._encoded(rows)
        if isinstance(self.columns_, Columns):
            if not self._ranges:
                self._ranges.update(self.columns_.ranges(self.ledger_.table))
            for name, (low, high) in self._ranges.items():
                if name not in self._named("time"):  # later rows are expected
                    note_far(rows[name], low, high, dates=name in self.columns_.days)
        return found

    def _encoded(self, rows: pd.DataFrame) -> Tensor:
        """Return the coordinates of rows, with what stands in for missing numbers."""
        if isinstance(self.columns_, Patches):
            return torch.from_numpy(self.columns_.encode(self.pixels(rows)))
        z = torch.from_numpy(self.columns_.encode(rows))
        for gap, places in self.unusual_.lacking(rows).items():
            z[places] = self.unusual_.gaps.fill(z[places], gap)
        return z

    def pixels(self, rows: pd.DataFrame) -> Floats:
        """Return the pictures in :meth:`rows`, ``(rows, H·W·C)``: its last columns; others name them."""
        width = rows.shape[1]
        first = width - min(math.prod(self.shape or ()), width)
        return np.column_stack([as_numbers(rows.iloc[:, i]) for i in range(first, width)])

    def answers(self, rows: pd.DataFrame) -> Floats:
        """Return predictions or probabilities ``(rows, targets)`` of :meth:`rows`."""
        return self._answers(self.model_.predict(self._coordinates(rows)))

    # --- fitting and editing ---

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        on_progress: Progress | None = None,
        resume: Path | None = None,
        workers: Where | None = None,
    ) -> Self:
        """Learn from rows ``X`` and their targets.

        Parameters
        ----------
        y
            Numbers ``(rows,)`` or ``(rows, targets)``, or classes ``(rows,)``.
        on_progress
            Called with a description of the step and the share that is done.
        resume
            Folder for the fitted parts of a large table: an interrupted fit of the same rows continues from
            there.
        workers
            Workers that fit the parts of a large table: a number of processes, the address of a Dask
            scheduler, or an executor, as :class:`lior.workers.Workers` takes them.
        """
        rows = self.rows(X, reset=True)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        check_consistent_length(X, y)
        weights = _weights(sample_weight, X)
        self._fit(rows, self._begin(y, weights), weights, on_progress, resume, workers)
        return self

    def _fit(
        self,
        rows: pd.DataFrame,
        y: Floats,
        weights: Floats,
        on_progress: Progress | None = None,
        resume: Path | None = None,
        workers: Where | None = None,
    ) -> None:
        rng = check_random_state(self.random_state)
        self.ledger_, first = Ledger.of(rows, y, weights, rng)
        merged = self.ledger_.slot_weights()
        blocks = self._blocks(rows.iloc[first])
        options = self._options(len(first))
        self.columns_, z = self._fit_columns(rows.iloc[first], merged, y[first], rng, on_progress)
        with nullcontext() if workers is None else Workers(workers) as given:
            self.model_ = TableModel.fit(
                torch.from_numpy(z),
                torch.from_numpy(y[first]),
                torch.from_numpy(merged) if (merged != 1).any() else None,
                classes=self._classes,
                options=options,
                blocks=blocks,
                generator=torch.Generator().manual_seed(int(rng.randint(2**31 - 1))),
                on_progress=on_progress,
                resume=resume,
                workers=given,
            )
        self._changed()
        self._calibrate(on_progress)

    def _calibrate(self, on_progress: Progress | None) -> None:
        """Fit the probabilities of classes to rows that no model has seen, if they are few."""

    def _options(self, rows: int) -> Options:
        names = ("frame", "rsource", "product", "readout", "members", "rounds", "time_limit")
        precision = "float64" if rows <= _FEW else "mixed"
        return Options(**{name: getattr(self, name) for name in names}, precision=precision)

    def _fit_columns(
        self,
        rows: pd.DataFrame,
        weights: Floats,
        y: Floats,
        rng: np.random.RandomState,
        on_progress: Progress | None,
    ) -> tuple[Columns | Patches, Floats]:
        """Learn the map to coordinates; returns it with the coordinates of ``rows``."""
        if self.shape is not None:
            generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
            return Patches.fit(self.pixels(rows), tuple(self.shape), self.features, generator)
        words, silent = self._named("categorical_features"), self._named("group")
        known = rows.attrs.get("dates")  # a frame that was stored or joined does not have it
        if known is None:
            known = getattr(self.columns_, "days", ())
        days = [name for name in known if name not in (*words, *silent)]
        for name in days:
            form = self._forms.get(name)
            order = ", months before days" * bool(form and form.first)
            enter = "they enter as days, time of year, weekday and time of day"
            note = f"column {name!r} holds dates{order}; {enter}"
            warnings.warn(note, ColumnNote, stacklevel=4)
        return Columns.fit(
            rows,
            weights,
            y,
            categories=self.categories,
            texts=self.texts,
            words=words,
            silent=silent,
            dates=days,
            say=on_progress,
            rng=rng,
        )

    def _changed(self) -> None:
        """Drop what was computed from other rows."""
        self._spread: Spread | None = None
        self._ranges: dict[str, tuple[float, float]] = {}
        columns = self.columns_ if isinstance(self.columns_, Columns) else Columns(())
        self.unusual_ = Unusual(self.model_, columns, self.ledger_, self._blocks)
        self._worth: Worth | None = None
        self._without: Tensor | None = None
        self._anew: Tensor | None = None

    def _edit(self, ledger: Ledger, gone: Places, again: Places, new: Places) -> None:
        """Give the model the rows of another ledger.

        Parameters
        ----------
        gone
            Places in the model of rows to forget.
        again
            Those of them to learn again with their weight in ``ledger``, with the same coordinates.
        new
            Places in ``ledger`` of other rows to learn.
        """
        if count := len(again) + len(new):
            z = self.model_.coordinates[torch.from_numpy(again)].double().cpu()
            y = self.ledger_.y[self.ledger_.representatives()[again]]
            if len(new):
                z = torch.cat([z, self._encoded(ledger.table.iloc[new])])
                y = np.concatenate([y, ledger.y[new]])
            self.model_.learn(z, torch.from_numpy(y), torch.from_numpy(ledger.slot_weights()[-count:]))
        if len(gone):  # last: a model must not be without rows
            self.model_.forget(torch.from_numpy(gone))
        self.ledger_ = ledger
        self._changed()

    def learn(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> NDArray[np.int64]:
        """Add rows at once, as if the model had been solved with them; metric and choices stay.

        A row that is equal to one of the model in all columns and targets adds to its weight, as in a fit.

        Returns
        -------
        ndarray
            The ids of the rows, for :meth:`forget`.

        Raises
        ------
        ValueError
            For a new class, or another number of targets.
        """
        check_is_fitted(self)
        rows, values = self.rows(X), self.encoded(y)
        check_consistent_length(X, values)
        self._refuse_other(y, values)
        before = len(self.ledger_)
        grown, again, new = self.ledger_.extended(rows, values, _weights(sample_weight, X))
        self._edit(grown, again, again, new)
        return grown.ids[before:]

    def forget(self, rows: Sequence[int], *, metric: Literal["keep", "refit"] = "keep") -> Self:
        """Remove rows exactly: afterwards the model predicts as if it had been solved without them.

        Parameters
        ----------
        rows
            Their ids: 0, 1, ... in the order of fitting, then of learning.
        metric
            With ``keep``, the metric, the scales of the inputs and the choice of members stay as they were
            fitted with these rows. ``refit`` fits everything anew without them, which takes as long as
            fitting; nothing of them remains.

        Raises
        ------
        ValueError
            When a row does not exist or is named twice, an id is no whole number, or fewer than two rows
            would be left.
        """
        check_is_fitted(self)
        if metric not in ("keep", "refit"):
            raise ValueError(f"metric={metric!r}: only 'keep' and 'refit' are known")
        shrunk, gone, again = self.ledger_.without(self.ledger_.places(rows))
        if shrunk.size < 2:
            raise ValueError("fewer than two rows would be left; fit a new model instead")
        if metric == "refit":
            self._fit(shrunk.table, shrunk.y, shrunk.weights)
            self.ledger_ = self.ledger_.numbered(shrunk.ids, shrunk.next_id)
            return self
        self._edit(shrunk, gone, again, new=again[:0])
        return self

    # --- looking ---

    def _repr_html_(self) -> str:
        """Return HTML for notebooks; before a fit, that of scikit-learn."""
        from lior_tables.notebook import estimator_html

        return estimator_html(self) if hasattr(self, "model_") else str(self._repr_html_inner())

    @property
    def n_rows_(self) -> int:
        """Number of rows that the model stores."""
        return len(self.ledger_)

    @property
    def feature_importances_(self) -> Floats:
        """Worth of each input, ``(n_features_in_,)``; see :meth:`worth`."""
        found = np.zeros(self.n_features_in_)
        found[self._used()] = self.worth().values()
        return found

    def worth(self) -> Worth:
        """Return how much larger the error of left-out rows is without each input; computed once.

        Columns without coordinates, such as one that identifies rows, are no inputs. At most 1,000 rows are
        used. A picture's pixels are no inputs of their own.
        """
        check_is_fitted(self)
        if self._worth is None:
            blocks = self._blocks(self.ledger_.table.iloc[self.ledger_.representatives()])
            self._worth = worth(self.model_, blocks, self.columns_.origins, self._names())
        return self._worth

    def explain(self, X: Any) -> Explanation:
        """Return the exact shares of the training rows in predictions.

        The weights take ``len(X) · n_rows_`` numbers.

        With more than 3,000 rows predictions are float32: shares sum to them within about 1e-2 of their
        spread.
        """
        check_is_fitted(self)
        z = self._coordinates(self.rows(X))
        ledger, first = self.ledger_, self.ledger_.representatives()
        return Explanation(
            rows=ledger.table.iloc[first].set_axis(ledger.ids[first]),
            weights=torch.cat([part for _, part in self.model_.influence(z)]).double().cpu().numpy(),
            answers=ledger.y[first],
            base=self.model_.centre.double().numpy(),
            targets=self._targets(),
        )

    def _leave_one_out(self) -> Tensor:
        """Return the model's values of each of its rows without that row, float64; computed once.

        With ``group``, all rows of its group are left out. With ``time``, all rows that are not earlier are
        left out, and the earliest rows are NaN.
        """
        if self._without is None:
            rows = self.ledger_.table.iloc[self.ledger_.representatives()]
            blocks = self._blocks(rows)
            if blocks is None:
                self._without = self.model_.leave_one_out().double()
            else:
                parts = blocks.parts(_BLOCK_PARTS, torch.Generator().manual_seed(0))
                self._without = self.model_.predict_without(parts, self.model_.coordinates).double()
        return self._without

    def drift(self) -> float:
        """Return the error of later rows, or of other groups, relative to the error of rows among the
        learned ones.

        Both are root mean squares of the values of the same rows; ``nan`` without ``time`` or ``group``.
        """
        if self.time is None and self.group is None:
            return math.nan
        y = torch.from_numpy(self.ledger_.y[self.ledger_.representatives()])
        new, among = self._leave_one_out() - y, self.model_.leave_one_out().double() - y
        there = new.isfinite().all(1)
        return float((new[there].square().sum() / among[there].square().sum().clamp_min(1e-300)).sqrt())

    def left_out(self) -> Floats:
        """Return each training row's prediction without it and its equals, ``(rows, targets)``, by id.

        Predictions are numbers, or probabilities of the classes. Rows of weight 0 are predicted as any
        other row. With ``group``, the row's whole group is left out; with ``time``, only earlier rows are
        learned, and the earliest rows are NaN.
        """
        check_is_fitted(self)
        return self._by_id(self._leave_one_out())

    def unseen(self) -> Floats:
        """Return :meth:`left_out`, or up to 250 rows the predictions of models fitted anew.

        The metric and the choices of the model have seen the rows that are left out, which makes the errors
        of few rows too small. Five models are fitted, each without a fifth of the rows.
        """
        check_is_fitted(self)
        return self._by_id(self._unseen())

    @property
    def few_rows(self) -> bool:
        """Whether there are so few rows that stated errors are those of models fitted anew."""
        ordinary = self.shape is None and self.time is None and self.group is None
        return ordinary and unseen.LEAST <= self.model_.rows <= unseen.FEW

    def _unseen(self) -> Tensor:
        """Return the values of each row by a model that has not seen it; computed once."""
        if not self.few_rows:
            return self._leave_one_out()
        if self._anew is None:
            ledger, z = self.ledger_, self.model_.coordinates.double().cpu()
            y = torch.from_numpy(ledger.y[ledger.representatives()])
            weights = torch.from_numpy(ledger.slot_weights())
            options = self._options(len(y))
            self._anew = unseen.fitted_anew(z, y, weights, options, classes=self._classes)
        return self._anew

    def _by_id(self, values: Tensor) -> Floats:
        """Return predictions of all rows by id, from values of the rows of the model."""
        ledger = self.ledger_
        found: Floats = self._answers(values)[ledger.slots]
        apart = ledger.slots < 0
        if apart.any():
            found[apart] = self.answers(ledger.table[apart])
        return found

    # --- on disk ---

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a new folder, as tensors and JSON; :func:`lior_tables.load` reads it.

        The folder holds the training rows, which are part of the model.

        Raises
        ------
        lior.errors.RunError
            When the folder exists and is not empty, or cannot be written.
        """
        from lior_tables.saving import save

        check_is_fitted(self)
        save(self, Path(path))


def _weights(sample_weight: ArrayLike | None, X: Any) -> Floats:
    found: Floats = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    return found
