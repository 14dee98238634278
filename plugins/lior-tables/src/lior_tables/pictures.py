"""The pictures of a model, from its training rows with each one left out of its own prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lior.plots import Curve, Histogram, LeftOut, LineChart, Panel, Picture
from lior_tables.intervals import Spread
from lior_tables.ranges import DateChart, RangeChart
from lior_tables.rows import is_words

if TYPE_CHECKING:
    from lior_tables.comparing import ComparisonOutcome
    from lior_tables.loading import Estimator
    from lior_tables.reading import Task

COMPARISON = "comparison"
"""Name of the picture of a comparison."""
_INPUTS = 20
"""Maximum number of inputs that are shown."""
_POINTS, _SPANS = 2_000, 80
"""Maximum numbers of points in a cloud, and of intervals side by side."""
_CURVES, _ROWS, _STEPS, _LEVELS, _CLASSES = 6, 200, 25, 10, 4
"""Numbers of inputs whose effect is shown, rows to average over, places, levels and classes of each."""
_BINS, _FEW = 10, 12
"""Number of bins of probabilities, and minimum number of rows of a bin."""
_PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Probabilities of the intervals that are checked."""


@attrs.frozen
class FigureSource:
    """A model, its predictions, and its label."""

    estimator: Estimator
    task: Task
    label: str

    @property
    def target(self) -> str:
        """The first target."""
        return self.task.targets[0]

    def drawn(self, count: int) -> NDArray[np.int64]:
        """Return some of the rows, in their order; always the same."""
        rows = np.random.RandomState(0).permutation(len(self.estimator.ledger_))
        return np.sort(rows[:count])


Built = tuple[str, Sequence[Panel]]


def picture(name: str, source: FigureSource) -> Picture:
    """Return one picture; raises :class:`~lior.plots.panels.LeftOut` if the model has nothing to show."""
    what, panels = _BUILDERS[name](source)
    columns = 3 if len(panels) > 3 else 2
    return Picture(name=name, title=f"{source.label}: {what}", panels=panels, columns=columns)


# --- the inputs ---


def _importances(source: FigureSource) -> Built:
    """Draw how much larger the error is without each input, with its interval."""
    if source.task.pictures:
        raise LeftOut("pictures have no inputs one by one; `lior table why --html` shows the important ones")
    worth = source.estimator.worth()
    if not worth.names:
        raise LeftOut("no column has coordinates")
    parts = worth.values()
    low, high = worth.spread()
    order = np.argsort(-parts, kind="stable")[:_INPUTS]
    few = f", the first {_INPUTS} of {len(parts)}" if len(parts) > _INPUTS else ""
    panel = RangeChart(
        title=f"{len(worth.base):,} rows predicted without them, with 95 % intervals",
        x_label="increase of the error without the input",
        names=[_short(worth.names[i]) for i in order],
        values=parts[order].tolist(),
        low=low[order].tolist(),
        high=high[order].tolist(),
        notes=[f"{100 * part:.1f} %" for part in parts[order]],
    )
    return f"which inputs {source.target} depends on{few}", [panel]


# --- quality ---


def _residuals(source: FigureSource) -> Built:
    """Draw predictions of left-out rows against their targets."""
    if source.task.classes:
        raise LeftOut("classes have no residuals; calibration shows the errors")
    at = source.drawn(_POINTS)
    at = at[np.isfinite(source.estimator.unseen()[at, 0])]  # with time, the earliest are not predicted
    predicted, truth = source.estimator.unseen()[at, 0], source.estimator.ledger_.y[at, 0]
    off = truth - predicted
    edges = np.histogram_bin_edges(off, bins=min(40, max(10, len(off) // 8)))
    ends = [float(min(predicted.min(), truth.min())), float(max(predicted.max(), truth.max()))]
    panels: list[Panel] = [
        LineChart(
            title="target and prediction",
            x_label=f"{source.target}, predicted",
            y_label=source.target,
            curves=[
                Curve(name="rows", x=predicted.tolist(), y=truth.tolist(), dots=True),
                Curve(name="as it should be", x=ends, y=ends),
            ],
        ),
        LineChart(
            title="what is left over",
            x_label=f"{source.target}, predicted",
            y_label="target − prediction",
            curves=[Curve(name="rows", x=predicted.tolist(), y=off.tolist(), dots=True)],
            levels={"no error": 0.0},
        ),
        Histogram(
            title=f"standard deviation {off.std():.4g}",
            x_label="target − prediction",
            y_label="rows",
            edges=edges.tolist(),
            counts=np.histogram(off, edges)[0].tolist(),
            levels={"mean": float(off.mean())},
        ),
    ]
    return f"{source.target}, each row predicted without it", panels


def _intervals(source: FigureSource) -> Built:
    """Draw whether intervals hold as often as they claim, also narrow and wide ones."""
    if source.task.classes:
        raise LeftOut("classes have probabilities, which calibration shows, and no intervals")
    spread: Spread = source.estimator.spread()
    ratios, scale = spread.ratios[:, 0].numpy(), (spread.sizes / spread.ratios.clamp_min(1e-12))[:, 0].numpy()
    thirds = scale.argsort().argsort() * 3 // len(scale)
    needed = np.array([float(spread.quantile(1 - level)[0]) for level in _PROBABILITIES])
    curves = [
        Curve(name=name, x=_PROBABILITIES, y=(ratios[thirds == i][:, None] <= needed).mean(0).tolist())
        for i, name in enumerate(("narrow third", "middle third", "wide third"))
    ]
    ends = [_PROBABILITIES[0], _PROBABILITIES[-1]]
    panels: list[Panel] = [
        LineChart(
            title="by the width of the interval",
            x_label="probability of the interval",
            y_label="share of targets inside",
            curves=[*curves, Curve(name="as they should", x=ends, y=ends)],
        ),
        _spans(source, spread),
    ]
    return f"intervals of {source.target}, each row left out", panels


def _spans(source: FigureSource, spread: Spread) -> Panel:
    """Draw 90 % intervals of some rows, by their predictions; each row is left out of its own."""
    first = source.estimator.ledger_.representatives()[spread.places.numpy()]
    some = np.random.RandomState(0).permutation(len(first))[:_SPANS]
    middle, truth = source.estimator.unseen()[first[some], 0], source.estimator.ledger_.y[first[some], 0]
    ratios = spread.ratios[some, 0].numpy()
    half = spread.sizes[some, 0].numpy() / np.maximum(ratios, 1e-12) * float(spread.quantile(0.1)[0])
    places = np.argsort(np.argsort(middle)).astype(np.float64)
    inside = np.abs(middle - truth) <= half
    curves = [Curve(name="prediction", x=places.tolist(), y=middle.tolist(), error=half.tolist(), dots=True)]
    curves += [
        Curve(name=f"{name} ({here.sum()})", x=places[here].tolist(), y=truth[here].tolist(), dots=True)
        for name, here in (("target inside", inside), ("outside", ~inside))
    ]
    return LineChart(
        title=f"{len(some)} rows with intervals of 90 %, of which {100 * inside.mean():.0f} % hold",
        x_label="rows, by their prediction",
        y_label=source.target,
        curves=curves,
        error_bars=True,
        error_name="and interval",
    )


def _calibration(source: FigureSource) -> Built:
    """Draw whether probabilities are right as often as they claim."""
    if not source.task.classes:
        raise LeftOut("numbers have intervals in place of probabilities")
    probabilities, truth = source.estimator.unseen(), source.estimator.ledger_.y.argmax(1)
    there = np.isfinite(probabilities).all(1)  # with time, the earliest rows are not predicted
    probabilities, truth = probabilities[there], truth[there]
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    parts = np.array_split(np.argsort(sure, kind="stable"), max(1, min(_BINS, len(sure) // _FEW)))
    share = np.array([right[part].mean() for part in parts])
    count = np.array([len(part) for part in parts])
    error = np.sqrt(np.maximum(share * (1 - share), 0.25 / count) / count)
    least = float(sure.min())
    edges = np.linspace(least, 1, 21)
    panels: list[Panel] = [
        LineChart(
            title="rows by the probability of the class that is predicted",
            x_label="probability",
            y_label="share that is right",
            curves=[
                Curve(
                    name="rows left out",
                    x=[float(sure[part].mean()) for part in parts],
                    y=share.tolist(),
                    error=error.tolist(),
                ),
                Curve(name="as it should be", x=[least, 1.0], y=[least, 1.0]),
            ],
            error_bars=True,
        ),
        Histogram(
            title="how sure it is",
            x_label="probability of the class that is predicted",
            y_label="rows",
            edges=edges.tolist(),
            counts=np.histogram(sure, edges)[0].tolist(),
            levels={"mean": float(sure.mean()), "right": float(right.mean())},
        ),
    ]
    return f"probabilities of {source.target}, each row predicted without it", panels


# --- effects ---


def _dependence(source: FigureSource) -> Built:
    """Draw the mean prediction when one input is set for all rows."""
    parts = source.estimator.worth().by_name()
    panels = [_effect(source, name, part) for name, part in list(parts.items())[:_CURVES] if part]
    if not panels:
        raise LeftOut("no input counts")
    return f"what each input does to {source.target}, the others as they are", panels


def _effect(source: FigureSource, name: str, part: float) -> Panel:
    estimator, names, of = source.estimator, ["mean of predictions"], [0]
    what = source.target
    if source.task.classes:
        often = np.argsort(-estimator.ledger_.y.sum(0), kind="stable")
        of = often[:_CLASSES].tolist() if len(often) > 2 else [1]
        names = [f"P({_short(str(estimator.classes_[i]))})" for i in of]
        what = names[0] if len(names) == 1 else "probability"
    rows = estimator.ledger_.table
    column, some = rows[name], rows.iloc[source.drawn(_ROWS)]
    dated = name in getattr(estimator.columns_, "days", ())
    places: list[Any]
    if is_words(column):
        places = column.value_counts().index[:_LEVELS].tolist()
    else:
        at = np.nanquantile(column, np.linspace(0.02, 0.98, _STEPS))
        whole = dated and bool((column.dropna() % 1 == 0).all())  # days without a time
        places = np.unique(np.floor(at) if whole else at).tolist()
    settings = (pd.Series([place] * len(some), some.index, column.dtype) for place in places)
    found = np.stack([estimator.answers(some.assign(**{name: value}))[:, of] for value in settings])
    mean, spread = found.mean(1), (found - found.mean(0)).std(1)  # how the effect differs between rows
    title = f"{_short(name)} ({100 * part:.0f} %)"
    if is_words(column):
        low, high = (mean - spread)[:, 0].tolist(), (mean + spread)[:, 0].tolist()
        return RangeChart(
            title=title,
            x_label=f"{what} ± spread over rows",
            names=[_short(str(place)) for place in places],
            values=mean[:, 0].tolist(),
            low=low,
            high=high,
            notes=[""] * len(places),
        )
    return (DateChart if dated else LineChart)(
        title=title,
        x_label=name,
        y_label=what,
        curves=[
            Curve(name=label, x=places, y=mean[:, i].tolist(), error=spread[:, i].tolist())
            for i, label in enumerate(names)
        ],
        error_name="± spread over rows",
    )


def _short(text: str, most: int = 24) -> str:
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= most else text[: most - 1] + "…"


_BUILDERS: dict[str, Callable[[FigureSource], Built]] = {
    "importances": _importances,
    "residuals": _residuals,
    "intervals": _intervals,
    "calibration": _calibration,
    "dependence": _dependence,
}


def comparison(outcomes: Sequence[ComparisonOutcome], *, title: str, classes: bool) -> Picture:
    """Draw the systems of a comparison: their errors in each fold, and their ratio to the first."""
    order = sorted(outcomes, key=lambda each: float(np.mean(each.errors)))
    others = [each for each in order if each is not outcomes[0]]
    errors = (100.0 if classes else 1.0) * np.array([each.errors for each in order])
    panels: list[Panel] = [
        RangeChart(
            title="mean over folds, with the range of the middle 80 % of folds",
            x_label="rows predicted wrong, %" if classes else "root mean squared error",
            names=[each.name for each in order],
            values=errors.mean(1).tolist(),
            low=np.quantile(errors, 0.1, 1).tolist(),
            high=np.quantile(errors, 0.9, 1).tolist(),
            notes=[f"{mean:.4g}" for mean in errors.mean(1)],
        ),
        RangeChart(
            title=f"error relative to that of {outcomes[0].name}, with the 95 % interval of paired folds",
            x_label="below 1: better; above: worse",
            names=[each.name for each in others],
            values=[each.ratio for each in others],
            low=[each.low for each in others],
            high=[each.high for each in others],
            notes=[each.verdict for each in others],
            level=1.0,
        ),
    ]
    return Picture(name=COMPARISON, title=title, panels=panels if others else panels[:1], columns=1)
