"""The reasons of one prediction, as commands and pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from lior.errors import UsageError, did_you_mean, sentences
from lior_tables.estimators import GeometricRegressor

if TYPE_CHECKING:
    from pandas import DataFrame

    from lior_tables.reading import Task
    from lior_tables.saving import Saved

Cell: TypeAlias = "float | str | None"
INTERVAL = 0.9
"""Probability of the interval that is named beside a number."""


@attrs.frozen(kw_only=True)
class Behind:
    """A training row behind a prediction."""

    id: int
    repeated: int
    """How many equal rows it stands for."""
    weight: float
    """Of its target in the prediction; negative where the prediction moves away from it."""
    share: float
    """Weight times what the target differs from the mean."""
    answer: Cell
    """Its target."""
    origin: str
    """Where it came from, if known."""
    cells: dict[str, Cell]


@attrs.frozen(kw_only=True)
class Reason:
    """What one prediction is the sum of."""

    column: str
    """The target."""
    target: str
    """The target, or the class whose value is explained."""
    prediction: float
    """A number, or the probability of the class."""
    interval: tuple[float, float] | None
    value: float
    """Base and shares together: the prediction, or the value whose softmax is the probability."""
    base: float
    classes: bool
    likeliest: str
    """The class that is predicted; empty for numbers."""
    asked: dict[str, Cell]
    rows: tuple[Behind, ...]
    """Those with the largest weights."""
    others: float
    """Share of all other rows together."""
    count: int
    """Rows of the model."""
    needed: int
    """Rows that make up 90 % of the sizes of all weights."""
    inputs: tuple[str, ...]
    """The inputs, those that count most first."""
    importances: dict[str, float]

    def headline(self) -> str:
        """The prediction in words."""
        if self.classes:
            named = f"{self.column} is {self.target}: probability {self.prediction:.3g}"
            return named if self.likeliest == self.target else f"{named} ({self.likeliest} is likelier)"
        said = f"{self.target}: {self.prediction:,.6g}"
        if self.interval is None or not np.isfinite(self.interval).all():
            return said
        low, high = self.interval
        return f"{said} ({low:,.5g} to {high:,.5g} with probability {100 * INTERVAL:.0f} %)"

    def account(self) -> str:
        """How the shares add up."""
        shown = self.value - self.base - self.others
        what = "value" if self.classes else "prediction"
        return (
            f"{what} {self.value:,.5g} = {_small(self.base, self.value):,.5g}, the mean, {shown:+,.4g} from "
            f"the {len(self.rows)} rows below, {self.others:+,.4g} from {self.count - len(self.rows):,} "
            f"others; {self.needed:,} rows have 90 % of all weight"
        )

    def record(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        found: dict[str, Any] = attrs.asdict(self)
        if self.interval is not None and not np.isfinite(self.interval).all():
            found["interval"] = None
        return found


def reason(saved: Saved, task: Task, row: DataFrame, *, top: int, target: str | None = None) -> Reason:
    """The reasons of the prediction of one row.

    Parameters
    ----------
    row
        A frame of one row.
    target
        A class, or one of several targets; the likeliest class or the first target if not given.

    Raises
    ------
    UsageError
        When there is no such class or target.
    """
    estimator = saved.estimator
    found = estimator.explain(row)
    names = found.targets if task.classes else task.targets
    if task.classes:
        probabilities = estimator.predict_proba(row)[0]
        likeliest = int(probabilities.argmax())
    at = _index(names, target) if target is not None else (likeliest if task.classes else 0)
    interval = None
    if isinstance(estimator, GeometricRegressor):
        low, high = (each.reshape(-1) for each in estimator.predict_interval(row, 1 - INTERVAL))
        interval = float(low[at]), float(high[at])
    value = float(found.predictions[0, at])
    listed = found.top(0, top)
    ledger = estimator.ledger_
    places = ledger.places([id for id, _ in listed])
    shares = [
        weight * (float(ledger.y[place, at]) - float(found.base[at]))
        for (_, weight), place in zip(listed, places, strict=True)
    ]
    repeated = np.bincount(ledger.slots[ledger.slots >= 0], minlength=ledger.size)
    inputs = sorted(found.importances, key=lambda name: -found.importances[name])
    table = estimator.rows(row)
    return Reason(
        column=task.targets[0] if task.classes else names[at],
        target=names[at],
        prediction=float(probabilities[at]) if task.classes else value,
        interval=interval,
        value=value,
        base=float(found.base[at]),
        classes=task.classes,
        likeliest=names[likeliest] if task.classes else "",
        asked={name: table.cell(0, name) for name in inputs},
        rows=tuple(
            Behind(
                id=id, repeated=int(repeated[ledger.slots[place]]), weight=weight, share=share,
                answer=names[int(ledger.y[place].argmax())] if task.classes else float(ledger.y[place, at]),
                origin=saved.origin(id),
                cells={name: ledger.table.cell(place, name) for name in inputs},
            )
            for (id, weight), share, place in zip(listed, shares, places.tolist(), strict=True)
        ),
        others=value - float(found.base[at]) - sum(shares),
        count=ledger.size,
        needed=found.needed(0),
        inputs=tuple(inputs),
        importances=found.importances,
    )  # fmt: skip


def _small(value: float, beside: float) -> float:
    """The value, or 0 if it is rounding beside another."""
    return 0.0 if abs(value) < 1e-4 * abs(beside) else value


def _index(names: tuple[str, ...], wanted: str) -> int:
    if wanted not in names:
        raise UsageError(
            sentences(f"no {wanted!r}.", did_you_mean(wanted, names), f"There are {', '.join(names)}.")
        )
    return names.index(wanted)
