"""What to fit, chosen on held-out rows of the training data: settings of each candidate, and a mean of members.

Of each candidate the settings are tried on a split of the rows, round by round: the metric of the next round is
learned with what did best so far. The mean of members is built greedily: again and again the member is added
that makes the held-out predictions of the mean best (R. Caruana et al., *ICML* 2004).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.interfaces import State
from lior_tables.kernel import Kernel, Side, blocks, matrix
from lior_tables.members import Candidate, Rows, Setting, median_cost, next_metric, start
from lior_tables.readouts import Fit, mean

ROWS = 1200
"""Rows that are used to choose, at most."""
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


class _Fold:
    """One split while a candidate is explored."""

    def __init__(self, candidate: Candidate, rows: Rows, split: Split, generator: Generator) -> None:
        self.candidate, self.train, self.held = candidate, rows.take(split.train), rows.z[split.held]
        self.state: State = start(candidate, self.train.z, generator)

    def prepare(self) -> None:
        """Costs under the current metric, in units of their median."""
        self.kernel = Kernel(self.candidate.parts, self.state)
        self.side = self.kernel.side(self.train.z)
        self.median = median_cost(self.kernel, self.side)
        self.own = matrix(self.kernel, self.side, self.side, beta=1 / self.median)
        self.across = matrix(self.kernel, self.kernel.side(self.held), self.side, beta=1 / self.median)

    def fit(self, bandwidth: float, ridge: float) -> Fit:
        return self.candidate.readout.fit(self.own / bandwidth, self.train.y, self.train.weights, ridge)

    def predict(self, bandwidth: float, fit: Fit) -> Tensor:
        weights = self.candidate.readout.weigh(self.across / bandwidth, self.train.weights, None)
        return weights @ fit.values + fit.centre

    def advance(self, bandwidth: float, fit: Fit, generator: Generator) -> None:
        beta = torch.as_tensor(1 / (bandwidth * self.median)).to(self.train.z)
        kernel = Kernel(self.candidate.parts, {**self.state, "log_beta": beta.log()})
        self.state = next_metric(self.candidate, kernel, self.side, self.train, fit, generator)


def explore(
    candidate: Candidate, rows: Rows, splits: Sequence[Split], judge: Judge, generator: Generator
) -> Explored:
    """Try the settings of a candidate round by round."""
    folds = [_Fold(candidate, rows, split, generator) for split in splits]
    ridges = candidate.ridges if candidate.readout.solves else candidate.ridges[:1]
    best: Explored | None = None
    for done in range(candidate.rounds + 1):
        here: tuple[float, float, list[Fit]] | None = None
        lowest = torch.inf
        for fold in folds:
            fold.prepare()
        for bandwidth in candidate.bandwidths:
            for ridge in ridges:
                fits = [fold.fit(bandwidth, ridge) for fold in folds]
                predictions = torch.cat(
                    [f.predict(bandwidth, fit) for f, fit in zip(folds, fits, strict=True)]
                )
                error = judge.error(predictions)
                if error < lowest:
                    lowest, here = error, (bandwidth, ridge, fits)
                    if best is None or error < best.error:
                        setting = Setting(bandwidth=bandwidth, ridge=ridge, rounds=done)
                        best = Explored(candidate, setting, error, predictions)
        if here is not None and done < candidate.rounds:
            for fold, fit in zip(folds, here[2], strict=True):
                fold.advance(here[0], fit, generator)
    assert best is not None, "a candidate has at least one setting"
    return best


def splits(y: Tensor, *, classes: bool, generator: Generator) -> list[Split]:
    """Splits of at most :data:`ROWS` rows: four folds of small tables, one split of 7 to 3 of others.

    Of each class every fold has its part.
    """
    order = torch.randperm(len(y), generator=generator).to(y.device)[:ROWS]
    if classes:
        order = order[y[order].argmax(1).argsort(stable=True)]
    count = len(order)
    place = torch.arange(count, device=y.device)
    if count < 900:
        folds = min(4 if count < 500 else 3, count)
        parts = [place % folds == fold for fold in range(folds)]
    else:
        parts = [torch.isin(place % 10, torch.tensor([2, 5, 8], device=y.device))]
    return [Split(order[~held].sort().values, order[held].sort().values) for held in parts]


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
    error: float
    """Of the mean on held-out rows."""


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
    return Choice([explored[i] for i in kept], weights[kept], tau, judge.error(predictions))
