"""The pictures of a model, from its training rows with each one left out of its own prediction."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from lior.errors import UsageError, did_you_mean, sentences
from lior.plots.panels import Curve, Histogram, LeftOut, LineChart, Panel, Picture
from lior_tables.intervals import Spread
from lior_tables.panels import Cloud, NamedHeat, Spans, Whiskers
from lior_tables.rows import Floats, Table, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lior_tables.comparing import Outcome
    from lior_tables.reading import Task
    from lior_tables.saving import Estimator

_INPUTS, _DIRECTIONS, _COORDINATES = 20, 6, 18
"""Most inputs, directions and coordinates that are shown."""
_POINTS, _SPANS = 2_000, 80
"""Most points of a cloud, and intervals side by side."""
_CURVES, _ROWS, _STEPS, _LEVELS, _CLASSES = 6, 200, 25, 10, 4
"""Inputs whose effect is shown, rows that it is averaged over, places, levels and classes of each."""
_BINS, _FEW = 10, 12
"""Bins of probabilities, and fewest rows of one."""
_LEVELS_OF_INTERVALS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Source:
    """A model, what it predicts, and what several pictures need of it."""

    def __init__(self, estimator: Estimator, task: Task, label: str) -> None:
        self.estimator, self.task, self.label = estimator, task, label

    @cached_property
    def left_out(self) -> Floats:
        """Predictions of the rows without themselves, ``(rows, targets)``."""
        return self.estimator.left_out()

    @cached_property
    def sample(self) -> NDArray[np.int64]:
        """Some of the rows, in their order."""
        count = len(self.estimator.ledger_)
        if count <= _POINTS:
            return np.arange(count)
        return np.sort(np.random.RandomState(0).permutation(count)[:_POINTS])

    @property
    def y(self) -> Floats:
        """Targets ``(rows, targets)``."""
        return self.estimator.ledger_.y

    @property
    def target(self) -> str:
        """The first target."""
        return self.task.targets[0]


def names() -> tuple[str, ...]:
    """The names of all pictures."""
    return tuple(_BUILDERS)


def chosen(only: str | None) -> tuple[str, ...]:
    """The names in a comma-separated list; ``None`` is all.

    Raises
    ------
    UsageError
        When there is no picture of a name.
    """
    if only is None:
        return names()
    found = [name.strip() for name in only.split(",")]
    for name in found:
        if name not in _BUILDERS:
            hint = did_you_mean(name, _BUILDERS) or f"There are {', '.join(_BUILDERS)}."
            raise UsageError(sentences(f"no picture {name!r}.", hint))
    return tuple(dict.fromkeys(found))


def picture(name: str, source: Source) -> Picture:
    """One picture; raises :class:`~lior.plots.panels.LeftOut` where the model has nothing to show."""
    what, panels, columns = _BUILDERS[name](source)
    return Picture(name=name, title=f"{source.label}: {what}", panels=panels, columns=columns)


Built = tuple[str, "Sequence[Panel]", int]


# --- the metric ---


def _importances(source: Source) -> Built:
    """Each input's part in the slope of the predictions, with its interval."""
    slopes = source.estimator.slopes()
    parts = slopes.importances()
    low, high = slopes.spread()
    order = np.argsort(-parts, kind="stable")[:_INPUTS]
    few = f", the first {_INPUTS} of {len(parts)}" if len(parts) > _INPUTS else ""
    panel = Whiskers(
        title=f"mean over {len(slopes.gradients):,} rows, with 95 % intervals",
        x_label="part of the squared slope of the prediction",
        names=[_short(slopes.names[i]) for i in order],
        values=parts[order].tolist(),
        low=low[order].tolist(),
        high=high[order].tolist(),
        notes=[f"{100 * part:.1f} %" for part in parts[order]],
        bars=True,
    )
    return f"which inputs {source.target} depends on{few}", [panel], 1


def _directions(source: Source) -> Built:
    """The directions along which predictions change most."""
    vectors, parts = source.estimator.slopes().directions()
    labels = source.estimator.columns_.labels
    count = max(min(_DIRECTIONS, int((parts > 0.005).sum())), 1)
    weight = parts[:count] @ vectors[:count] ** 2
    shown = np.array([i for i in np.sort(np.argsort(-weight)[:_COORDINATES]) if labels[i]], dtype=np.int64)
    largest = np.abs(vectors[:count]).argmax(1)
    signs = np.sign(vectors[np.arange(count), largest])
    panel = NamedHeat(
        title="left: part of the squared slope; inputs are standardised",
        unit="component of the direction",
        rows=[f"{i + 1}: {100 * parts[i]:.0f} %" for i in range(count)],
        columns=[_short(labels[i]) for i in shown],
        values=(vectors[:count][:, shown] * signs[:, None]).tolist(),
    )
    return f"directions along which {source.target} changes most", [panel], 1


# --- how good ---


def _residuals(source: Source) -> Built:
    """Predictions of left-out rows beside their targets."""
    if source.task.classes:
        raise LeftOut("classes have no residuals; calibration and confusion show what is wrong")
    at = source.sample
    predicted, truth = source.left_out[at, 0], source.y[at, 0]
    off = truth - predicted
    edges = np.histogram_bin_edges(off, bins=min(40, max(10, len(off) // 8)))
    size = float(np.sqrt((source.left_out[:, 0] - source.y[:, 0]).var()))
    panels: list[Panel] = [
        Cloud(
            title="target and prediction", x_label=f"{source.target}, predicted", y_label=source.target,
            x=predicted.tolist(), y=truth.tolist(), diagonal=True,
        ),
        Cloud(
            title="what is left over", x_label=f"{source.target}, predicted", y_label="target − prediction",
            x=predicted.tolist(), y=off.tolist(), diagonal=False,
        ),
        Histogram(
            title=f"standard deviation {size:.4g}", x_label="target − prediction", y_label="rows",
            edges=edges.tolist(), counts=np.histogram(off, edges)[0].tolist(),
            levels={"mean": float(off.mean())},
        ),
    ]  # fmt: skip
    return f"{source.target}, each row predicted without it", panels, 2


def _intervals(source: Source) -> Built:
    """Whether intervals hold as often as they say, also where they are narrow or wide."""
    if source.task.classes:
        raise LeftOut("classes have probabilities, which calibration shows, and no intervals")
    estimator = source.estimator
    spread: Spread = estimator.spread()
    scale = (spread.sizes / spread.ratios.clamp_min(1e-12))[:, 0]
    thirds = scale.argsort().argsort() * 3 // len(scale)
    curves = []
    for third, name in enumerate(("narrow third", "middle third", "wide third")):
        ratios = spread.ratios[thirds == third, 0]
        held = [
            float((ratios <= spread.quantile(1 - level)[0]).double().mean()) for level in _LEVELS_OF_INTERVALS
        ]
        curves.append(Curve(name=name, x=list(_LEVELS_OF_INTERVALS), y=held))
    ends = [_LEVELS_OF_INTERVALS[0], _LEVELS_OF_INTERVALS[-1]]
    curves.append(Curve(name="as they should", x=ends, y=ends))
    panels: list[Panel] = [
        LineChart(
            title="by the width of the interval", x_label="probability of the interval",
            y_label="share of targets inside", curves=curves,
        ),
        _spans(source, spread),
    ]  # fmt: skip
    return f"intervals of {source.target}, each row left out", panels, 2


def _spans(source: Source, spread: Spread) -> Panel:
    """90 % intervals of some rows, by their predictions."""
    estimator, ledger = source.estimator, source.estimator.ledger_
    first = ledger.representatives()
    at = np.sort(np.random.RandomState(0).permutation(first)[:_SPANS])
    z = torch.from_numpy(estimator.columns_.encode(ledger.table.take(at)))
    points = estimator._mapped(z)
    half = (_scale_without(spread, points) * spread.quantile(0.1)).numpy()[:, 0]
    middle, truth = source.left_out[at, 0], source.y[at, 0]
    order = np.argsort(middle)
    inside = float((np.abs(middle - truth) <= half).mean())
    return Spans(
        title=f"{len(at)} rows with intervals of 90 %, of which {100 * inside:.0f} % hold",
        x_label="rows, by their prediction", y_label=source.target,
        low=(middle - half)[order].tolist(), high=(middle + half)[order].tolist(),
        middle=middle[order].tolist(), points=truth[order].tolist(),
    )  # fmt: skip


def _scale_without(spread: Spread, points: torch.Tensor) -> torch.Tensor:
    """The scale at training rows, each left out of its own."""
    distance = torch.cdist(points.double(), spread.points)
    found = []
    for target, beta in enumerate(spread.betas):
        score = (spread.weights.log() - beta * distance).masked_fill(distance < 1e-9, -torch.inf)
        found.append(torch.softmax(score, 1) @ spread.sizes[:, target])
    return torch.stack(found, 1)


def _calibration(source: Source) -> Built:
    """Whether probabilities are as often right as they say."""
    if not source.task.classes:
        raise LeftOut("numbers have intervals in place of probabilities")
    probabilities, truth = source.left_out, source.y.argmax(1)
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    parts = _bins(sure, 1 / probabilities.shape[1])
    middle = [float(sure[part].mean()) for part in parts]
    share = [float(right[part].mean()) for part in parts]
    error = [
        float(np.sqrt(max(s * (1 - s), 0.25 / len(p)) / len(p))) for s, p in zip(share, parts, strict=True)
    ]
    ends = [min(middle), 1.0]
    edges = np.linspace(min(1 / probabilities.shape[1], float(sure.min())), 1, 21)
    panels: list[Panel] = [
        LineChart(
            title="rows by the probability of the class that is predicted",
            x_label="probability", y_label="share that is right",
            curves=[
                Curve(name="rows left out", x=middle, y=share, error=error),
                Curve(name="as it should be", x=ends, y=ends),
            ],
            error_bars=True,
        ),
        Histogram(
            title="how sure it is", x_label="probability of the class that is predicted", y_label="rows",
            edges=edges.tolist(), counts=np.histogram(sure, edges)[0].tolist(),
            levels={"mean": float(sure.mean()), "right": float(right.mean())},
        ),
    ]  # fmt: skip
    return f"probabilities of {source.target}, each row predicted without it", panels, 2


def _bins(sure: Floats, least: float) -> list[NDArray[np.int64]]:
    """Rows in bins of equal width, those with few rows together with the next."""
    place = np.minimum((sure - least) / (1 - least) * _BINS, _BINS - 1).astype(np.int64)
    found: list[NDArray[np.int64]] = []
    waiting = np.empty(0, dtype=np.int64)
    for i in range(_BINS):
        waiting = np.concatenate([waiting, np.flatnonzero(place == i)])
        if len(waiting) >= _FEW:
            found.append(waiting)
            waiting = waiting[:0]
    if found and len(waiting):
        found[-1] = np.concatenate([found[-1], waiting])
    return found or [np.arange(len(sure))]


def _confusion(source: Source) -> Built:
    """What is taken for what."""
    if not source.task.classes:
        raise LeftOut("numbers are not confused; residuals show what is wrong")
    labels = [str(label) for label in source.estimator.classes_]
    if len(labels) > _INPUTS:
        raise LeftOut(f"{len(labels)} classes are too many for a table")
    counts = np.zeros((len(labels), len(labels)))
    np.add.at(counts, (source.y.argmax(1), source.left_out.argmax(1)), 1)
    share = counts / counts.sum(1, keepdims=True).clip(1)
    panel = NamedHeat(
        title="rows: the class; columns: what is predicted",
        unit="share of the class",
        signed=False,
        rows=[_short(label) for label in labels],
        columns=[_short(label) for label in labels],
        values=share.tolist(),
    )
    return f"{source.target}, each row predicted without it", [panel], 1


# --- effects ---


def _dependence(source: Source) -> Built:
    """What becomes of the mean prediction when one input is set for all rows."""
    parts = source.estimator.importances()
    order = sorted(parts, key=lambda name: -parts[name])[:_CURVES]
    ledger = source.estimator.ledger_
    some = np.random.RandomState(0).permutation(len(ledger))[:_ROWS]
    table = ledger.table.take(np.sort(some))
    panels = [_effect(source, table, name, parts[name]) for name in order if parts[name] > 0]
    if not panels:
        raise LeftOut("no input counts")
    return (
        f"what each input does to {source.target}, the others as they are",
        panels,
        3 if len(panels) > 2 else 2,
    )


def _effect(source: Source, table: Table, name: str, part: float) -> Panel:
    column = source.estimator.ledger_.table.columns[name]
    title = f"{_short(name)} ({100 * part:.0f} %)"
    labels = ["mean of predictions"]
    chosen = [0]
    if source.task.classes:
        counts = source.y.sum(0)
        chosen = sorted(range(len(counts)), key=lambda i: -counts[i])[:_CLASSES]
        if len(counts) == 2:
            chosen = [1]
        labels = [f"P({_short(str(source.estimator.classes_[i]))})" for i in chosen]
    what = labels[0] if len(labels) == 1 else "probability"
    what = source.target if not source.task.classes else what
    if isinstance(column, Words):
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
        levels = [int(i) for i in np.argsort(-counts)[:_LEVELS] if counts[i]]
        settings = [Words(np.full(len(table), i, dtype=np.int32), column.levels) for i in levels]
        mean, spread = _set(source, table, name, settings, chosen)
        return Whiskers(
            title=title, x_label=f"{what} ± spread over rows",
            names=[_short(column.levels[i]) for i in levels], values=mean[:, 0].tolist(),
            low=(mean - spread)[:, 0].tolist(), high=(mean + spread)[:, 0].tolist(),
        )  # fmt: skip
    places = _apart(np.quantile(column[~np.isnan(column)], np.linspace(0.02, 0.98, _STEPS)))
    mean, spread = _set(source, table, name, [np.full(len(table), place) for place in places], chosen)
    return LineChart(
        title=title, x_label=name, y_label=what,
        curves=[
            Curve(name=label, x=places.tolist(), y=mean[:, i].tolist(), error=spread[:, i].tolist())
            for i, label in enumerate(labels)
        ],
        error_name="± spread over rows",
    )  # fmt: skip


def _set(
    source: Source, table: Table, name: str, settings: Sequence[Words | Floats], chosen: list[int]
) -> tuple[Floats, Floats]:
    """Means ``(settings, chosen)``, and how much the effect differs between rows."""
    estimator = source.estimator
    found = []
    for setting in settings:
        changed = attrs.evolve(table, columns={**table.columns, name: setting})
        z = torch.from_numpy(estimator.columns_.encode(changed))
        found.append(estimator._answers(estimator.model_.predict(z)).numpy()[:, chosen])
    values = np.stack(found)
    effect = values - values.mean(0)
    return values.mean(1), effect.std(1)


def _apart(places: Floats) -> Floats:
    """Rising places without those that are very near the one before."""
    least = (places[-1] - places[0]) / (2 * _STEPS)
    found = [places[0]]
    for place in places[1:]:
        if place - found[-1] > least:
            found.append(place)
    return np.array(found)


def _short(text: str, most: int = 24) -> str:
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= most else text[: most - 1] + "…"


_BUILDERS: dict[str, Callable[[Source], Built]] = {
    "importances": _importances,
    "directions": _directions,
    "residuals": _residuals,
    "intervals": _intervals,
    "calibration": _calibration,
    "confusion": _confusion,
    "dependence": _dependence,
}


def comparison(outcomes: Sequence[Outcome], *, title: str, classes: bool) -> Picture:
    """The systems of a comparison: their errors in each fold, and how they stand to the first."""
    order = sorted(outcomes, key=lambda each: float(np.mean(each.errors)))
    unit = 100.0 if classes else 1.0
    panels: list[Panel] = [
        Whiskers(
            title="mean over folds, with the range of the middle 80 % of folds",
            x_label="rows predicted wrong, %" if classes else "root mean squared error",
            names=[each.name for each in order],
            values=[unit * float(np.mean(each.errors)) for each in order],
            low=[unit * float(np.quantile(each.errors, 0.1)) for each in order],
            high=[unit * float(np.quantile(each.errors, 0.9)) for each in order],
            marked=[each is outcomes[0] for each in order],
        ),
        Whiskers(
            title=f"error relative to that of {outcomes[0].name}, with the 95 % interval of paired folds",
            x_label="below 1: better; above: worse",
            names=[each.name for each in order if each is not outcomes[0]],
            values=[each.ratio for each in order if each is not outcomes[0]],
            low=[each.low for each in order if each is not outcomes[0]],
            high=[each.high for each in order if each is not outcomes[0]],
            notes=[each.verdict for each in order if each is not outcomes[0]],
            level=1.0,
        ),
    ]
    return Picture(name="comparison", title=title, panels=panels if len(order) > 1 else panels[:1], columns=1)
