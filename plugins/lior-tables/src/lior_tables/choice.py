"""What to fit, chosen on held-out rows of the training data: settings of candidates, and a mean of members.

Of each candidate the settings are searched on a split of the rows, round by round. The metric of the next
round is learned with what did best in this one, and from there the search goes on, to neighbours on a grid.
The mean of members is built greedily: again and again the member is added that makes the held-out predictions
of the mean best (R. Caruana et al., *ICML* 2004).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.interfaces import State
from lior_tables.kernel import Kernel, Parts, Side, matrix
from lior_tables.members import Candidate, Setting, median_cost, next_metric, sharpened, start
from lior_tables.readouts import Fit, mean
from lior_tables.stored import Rows

LEARNED, JUDGED = 840, 2000
"""Rows that are learned and those that are judged to choose, at most."""
REPEATS = 2
"""Times that folds are drawn for tables of less than 500 rows."""
MEANS = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.11, 0.15, 0.22, 0.3, 0.45, 0.6)
"""Bandwidths of readouts that do not solve, in median costs: a mean has to be of few rows."""
GREEDY = 12
"""Members that the mean is made of, repetitions included."""
_TEMPERATURES = torch.logspace(-0.3, 1.8, 43).tolist()


class Split(NamedTuple):
    """Indices of the rows to fit and of those to judge."""

    train: Tensor
    held: Tensor


@attrs.frozen(kw_only=True)
class Judge:
    """How wrong held-out predictions are."""

    y: Tensor
    """Outputs ``(V, C)``."""
    weights: Tensor
    """``(V,)``."""
    classes: bool

    def error(self, predictions: Tensor) -> float:
        """Squared error relative to that of the mean; for classes plus the error rate."""
        centre = mean(self.y, self.weights)
        squares = mean((predictions - self.y).square(), self.weights).sum()
        spread = mean((self.y - centre).square(), self.weights).sum().clamp(min=1e-12)
        error = float(squares / spread)
        if self.classes:
            wrong = (predictions.argmax(1) != self.y.argmax(1)).to(self.y)
            error += float(mean(wrong[:, None], self.weights))
        return error


class Explored(NamedTuple):
    """A candidate with the settings that did best on held-out rows."""

    candidate: Candidate
    setting: Setting
    error: float
    predictions: Tensor
    """Of the held-out rows, ``(V, C)``."""


class _Fold(NamedTuple):
    """One split under the metric of a round. Costs are in units of their median."""

    train: Rows
    kernel: Kernel
    side: Side
    median: float
    own: Tensor
    """``−cost`` among the rows that are learned, ``(N, N)``."""
    across: Tensor
    """The same of those that are judged, ``(V, N)``."""

    @classmethod
    def of(cls, parts: Parts, state: State, rows: Rows, split: Split) -> _Fold:
        train, kernel = rows.take(split.train), Kernel(parts, state)
        side = kernel.side(train.z)
        median = median_cost(kernel, side)
        asked = kernel.side(rows.z[split.held])
        own, across = (matrix(kernel, each, side, beta=1 / median) for each in (side, asked))
        return cls(train, kernel, side, median, own, across)


class _Tried(NamedTuple):
    """One setting at the current metric."""

    bandwidth: float
    ridge: float
    error: float
    fits: list[Fit]
    predictions: Tensor


class _Search:
    """The settings of a candidate; each search begins where the last one ended."""

    def __init__(self, candidate: Candidate, judge: Judge) -> None:
        self.candidate, self.readout, self.judge = candidate, candidate.readout, judge
        self.bandwidths = candidate.bandwidths if self.readout.solves else MEANS
        self.ridges = candidate.ridges if self.readout.solves else candidate.ridges[:1]
        self.at: tuple[int, int] | None = None

    def best(self, states: Sequence[State], rows: Rows, splits: Sequence[Split]) -> _Tried:
        """What does best under these metrics, as far as steps to neighbours find it."""
        parts = self.candidate.parts
        pairs = zip(states, splits, strict=True)
        self.folds = [_Fold.of(parts, state, rows, split) for state, split in pairs]
        tried: dict[tuple[int, int], _Tried] = {}

        def error(place: tuple[int, int]) -> float:
            if not (0 <= place[0] < len(self.bandwidths) and 0 <= place[1] < len(self.ridges)):
                return torch.inf
            if place not in tried:
                tried[place] = self._try(self.bandwidths[place[0]], self.ridges[place[1]])
            return tried[place].error

        if self.at is None:
            middle = len(self.bandwidths) // 2
            self.at = min(((middle, ridge) for ridge in range(0, len(self.ridges), 2)), key=error)
        self.at = descend(error, self.at)
        return tried[self.at]

    def _try(self, bandwidth: float, ridge: float) -> _Tried:
        fits, parts = [], []
        for fold in self.folds:
            fit = self.readout.fit(fold.own / bandwidth, fold.train.y, fold.train.weights, ridge)
            weighed = self.readout.weigh(fold.across / bandwidth, fold.train.weights, None)
            fits.append(fit)
            parts.append(weighed @ fit.values + fit.centre)
        error = self.judge.error(torch.cat(parts))
        return _Tried(bandwidth, ridge, error if math.isfinite(error) else torch.inf, fits, torch.cat(parts))


def explore(
    candidate: Candidate, rows: Rows, splits: Sequence[Split], judge: Judge, generator: Generator
) -> Explored:
    """Search the settings of a candidate round by round, as long as a round helps it or what teaches it."""
    states = [start(candidate, rows.z[split.train], generator) for split in splits]
    search = _Search(candidate, judge)
    teaching = search if candidate.teacher is candidate else _Search(candidate.teacher, judge)
    best: Explored | None = None
    least = torch.inf
    steps: tuple[tuple[float, float], ...] = ()
    for done in range(candidate.rounds + 1):
        found = search.best(states, rows, splits)
        last = done == candidate.rounds
        taught = found if teaching is search or last else teaching.best(states, rows, splits)
        helped = best is None or found.error < best.error
        if helped:
            setting = Setting(steps=(*steps, (found.bandwidth, found.ridge)))
            best = Explored(candidate, setting, found.error, found.predictions)
        if last or not (helped or taught.error < least):
            break
        least = min(least, taught.error)
        steps = (*steps, (taught.bandwidth, taught.ridge))
        for index, (fold, fit) in enumerate(zip(teaching.folds, taught.fits, strict=True)):
            state = sharpened(states[index], 1 / (taught.bandwidth * fold.median))
            kernel = Kernel(fold.kernel.parts, state)
            states[index] = next_metric(candidate, kernel, fold.side, fold.train, fit, generator)
    assert best is not None, "a candidate has at least one setting"
    return best


def descend(error: Callable[[tuple[int, int]], float], at: tuple[int, int]) -> tuple[int, int]:
    """The place on a grid, reached from ``at`` by steps to the best neighbour, that no neighbour improves."""
    while True:
        around = [at, *((at[0] + i, at[1] + j) for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1)))]
        best = min(around, key=error)
        if best == at:
            return at
        at = best


def splits(y: Tensor, *, classes: bool, generator: Generator) -> list[Split]:
    """Four folds of small tables, drawn twice; three of larger ones; above 900 rows one split.

    To judge many rows costs little, and settles which setting is best: of the rows that are not learned,
    :data:`JUDGED` are. Of each class every part has its share.
    """
    count = min(len(y), LEARNED + JUDGED)
    folds = 1 if count >= 900 else min(4 if count < 500 else 3, count)
    place = torch.arange(count, device=y.device)
    if count < 2:
        return [Split(place, place)]
    found = []
    for _ in range(REPEATS if count < 500 else 1):
        order = torch.randperm(len(y), generator=generator).to(y.device)[:count]
        if classes:
            order = order[y[order].argmax(1).argsort(stable=True)]
        parts = [place % folds == fold for fold in range(folds)]
        if folds == 1:
            learned = min(7 * count // 10, LEARNED)
            parts = [(place + 1) * learned // count == place * learned // count]
        found += [Split(order[~held].sort().values, order[held].sort().values) for held in parts]
    return found


def greedy(explored: Sequence[Explored], judge: Judge) -> tuple[Tensor, Tensor]:
    """Weights ``(members,)`` of the mean, float64, and its held-out predictions ``(V, C)``."""
    counts = torch.zeros(len(explored), dtype=torch.float64)
    total = torch.zeros_like(judge.y)
    for done in range(GREEDY):
        errors = [judge.error((total + e.predictions) / (done + 1)) for e in explored]
        chosen = errors.index(min(errors))
        counts[chosen] += 1
        total = total + explored[chosen].predictions
    return counts / GREEDY, total / GREEDY


def temperature(predictions: Tensor, judge: Judge) -> float:
    """The factor ``τ`` of ``softmax(τ f)`` that makes held-out classes most likely."""
    hit = judge.y.argmax(1)[:, None]
    best, chosen = torch.inf, 1.0
    for tau in _TEMPERATURES:
        log_p = (tau * predictions).log_softmax(1).gather(1, hit)
        loss = -float(mean(log_p, judge.weights))
        if loss < best:
            best, chosen = loss, tau
    return chosen


class Choice(NamedTuple):
    """The members to fit."""

    explored: list[Explored]
    weights: Tensor
    """Share of each member in the mean, positive, ``(members,)`` float64."""
    tau: float
    """Of the probabilities; 1 for regression."""


def choose(
    plan: Sequence[Candidate],
    rows: Rows,
    *,
    classes: bool,
    generator: Generator,
    time_limit: float | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> Choice:
    """Explore the candidates of a plan, as many as the time allows and at least one, and mix them.

    Half of ``time_limit`` (seconds) is for choosing; the other half is left for fitting what was chosen.
    """
    begun = time.monotonic()
    parts = splits(rows.y, classes=classes, generator=generator)
    held = torch.cat([part.held for part in parts])
    judge = Judge(y=rows.y[held], weights=rows.weights[held], classes=classes)
    explored: list[Explored] = []
    for index, candidate in enumerate(plan):
        spent = time.monotonic() - begun
        if time_limit is not None and explored and spent * (index + 1) / index > time_limit / 2:
            break
        if on_progress is not None:
            on_progress(f"trying {candidate.name}", index / len(plan))
        explored.append(explore(candidate, rows, parts, judge, generator))
    weights, predictions = greedy(explored, judge)
    kept = [index for index, weight in enumerate(weights.tolist()) if weight > 0]
    tau = temperature(predictions, judge) if classes else 1.0
    return Choice([explored[i] for i in kept], weights[kept], tau)
