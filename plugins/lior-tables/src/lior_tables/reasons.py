"""The reasons of one prediction, as commands and pages show them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lior.errors import UsageError, did_you_mean, sentences
from lior_tables.estimators import GeometricRegressor
from lior_tables.rows import as_dates, rounded

if TYPE_CHECKING:
    from pandas import DataFrame

    from lior_tables.loading import Estimator
    from lior_tables.reading import Task

_INTERVAL = 0.9
"""Probability of the interval that is named beside a number."""


@attrs.frozen(kw_only=True)
class Reason:
    """The parts of one prediction."""

    column: str
    """The target."""
    target: str
    """The target, or the class whose value is explained."""
    likeliest: str
    """The predicted class; empty for numbers."""
    prediction: float
    """A number, or the probability of the class."""
    interval: tuple[float, float] | None
    """Interval of a number; ``None`` for classes and with too few rows."""
    value: float
    """Sum of base and shares: the prediction, or the value from which the probability is computed."""
    base: float
    asked: dict[str, Any]
    """The inputs of the predicted row, the most important first; ``None`` for missing values."""
    rows: list[dict[str, Any]]
    """The rows with the largest weights: ``row`` (its id), ``repeated`` (equal rows that it stands for),
    ``weight`` (of its target; a negative one moves the prediction away from it), ``share`` (weight times the
    difference of the target from the mean), ``answer`` (its target), ``inputs``."""
    others: float
    """Total share of all other rows."""
    count: int
    """Number of rows of the model."""
    needed: int
    """Number of rows that make up 90 % of the total absolute weight."""
    importances: dict[str, float]
    """Worth of each input, the largest first: the relative increase of the error without it."""

    def headline(self) -> str:
        """Return the prediction in words."""
        if self.likeliest:
            named = f"{self.column} is {self.target}: probability {self.prediction:.3g}"
            return named if self.likeliest == self.target else f"{named} ({self.likeliest} is likelier)"
        said = f"{self.target}: {self._rounded(self.prediction, 6)}"
        if self.interval is None:
            return said
        low, high = self.interval
        span = f"{self._rounded(low, 5)} to {self._rounded(high, 5)}"
        return f"{said} ({span} with probability {100 * _INTERVAL:.0f} %)"

    def _rounded(self, value: float, digits: int) -> str:
        """Return a number with as many digits as tell it from others in the interval."""
        low, high = self.interval or (0.0, 0.0)
        return rounded(value, high - low, digits, mark=",")

    def account(self) -> str:
        """Return the sum of the shares in words."""
        others = self.count - len(self.rows)
        rows = "row" if len(self.rows) == 1 else f"{len(self.rows)} rows"
        base = 0.0 if abs(self.base) < 1e-4 * abs(self.value) else self.base  # 0 but for rounding
        return (
            f"{'value' if self.likeliest else 'prediction'} {self._rounded(self.value, 5)} = "
            f"{self._rounded(base, 5)}, the mean, "
            f"{self.value - self.base - self.others:+,.4g} from the {rows} below, "
            f"{self.others:+,.4g} from {others:,} other{'s' * (others != 1)}; "
            f"{self.needed:,} {'row has' if self.needed == 1 else 'rows have'} 90 % of all weight"
        )


def reason(
    estimator: Estimator, task: Task, row: DataFrame, *, top: int, target: str | None = None
) -> Reason:
    """Return the reasons of the prediction of one row.

    Parameters
    ----------
    row
        A frame of one row.
    target
        A class, or one of several targets; by default the likeliest class or the first target.

    Raises
    ------
    UsageError
        When there is no such class or target.
    """
    ledger, asked = estimator.ledger_, estimator.rows(row)
    found, answers = estimator.explain(row), estimator.answers(asked)[0]
    names = found.targets if task.classes else task.targets
    likeliest = int(answers.argmax()) if task.classes else 0
    at = likeliest if target is None else _index(names, target)
    interval = None
    if isinstance(estimator, GeometricRegressor):
        low, high = (float(each.reshape(-1)[at]) for each in estimator.predict_interval(row, 1 - _INTERVAL))
        interval = (low, high) if np.isfinite(high - low) else None
    importances = {task.pictures: 1.0} if task.pictures else estimator.worth().by_name()
    inputs = list(importances)
    rows = found.top(0, top, at)
    places = ledger.places(rows.index.to_numpy())
    if task.classes:
        rows["answer"] = [names[k] for k in ledger.y[places].argmax(1)]
    rows.insert(0, "row", rows.index)
    rows.insert(1, "repeated", np.bincount(ledger.slots[ledger.slots >= 0])[ledger.slots[places]])
    days = getattr(estimator.columns_, "days", ())
    cells = _records(found.rows.loc[rows.index, inputs], days)
    value, base = float(found.predictions[0, at]), float(found.base[at])
    return Reason(
        column=task.targets[0] if task.classes else names[at],
        target=names[at],
        likeliest=names[likeliest] if task.classes else "",
        prediction=float(answers[at]),
        interval=interval,
        value=value,
        base=base,
        asked=_records(asked[inputs], days)[0],
        rows=[row | {"inputs": each} for row, each in zip(_records(rows), cells, strict=True)],
        others=value - base - float(rows["share"].sum()),
        count=ledger.size,
        needed=found.needed(0),
        importances=importances,
    )


def _records(frame: DataFrame, days: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the rows with values that JSON has, ``None`` for missing ones; ``days`` are columns of dates."""
    frame = frame.assign(**{name: as_dates(frame[name]) for name in days if name in frame})
    found: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return found


def _index(names: tuple[str, ...], wanted: str) -> int:
    if wanted not in names:
        raise UsageError(
            sentences(f"no {wanted!r}.", did_you_mean(wanted, names), f"There are {', '.join(names)}.")
        )
    return names.index(wanted)
