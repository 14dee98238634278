"""The choice of what to fit, on held-out training rows: settings of candidates, and a mean of members.

The settings of each candidate are searched on a split of the rows, round by round. Each round learns the
metric of the next with its best setting, and the search continues from there, to neighbours on a grid. The
kernel that learns a metric best may not predict best in it. So the metric of the best candidate is handed
on to the other kernels, which continue from there. The mean of members is built greedily: each step adds
the member that most improves the held-out predictions of the mean (R. Caruana et al., *ICML* 2004).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.interfaces import AttentionProduct, State
from lior.tensors import one_thread
from lior_tables.blocks import Blocks
from lior_tables.calibration import Calibration
from lior_tables.kernel import Kernel, Side, matrix
from lior_tables.members import Candidate, Setting, begun, median_cost, next_metric, sharpen, start
from lior_tables.readouts import Fit, Readout, mean
from lior_tables.row_store import Rows

LEARNED, JUDGED = 840, 2000
"""Maximum number of rows that are learned, and of rows that are judged, to choose."""
REPEATS = 2
"""Number of times that folds are drawn for tables of less than 500 rows."""
BLOCK_FOLDS = 3
"""Number of splits of rows in blocks."""
MEANS = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.11, 0.15, 0.22, 0.3, 0.45, 0.6)
"""Bandwidths of readouts that do not solve, in median costs: a mean has to be of few rows."""
GAIN = 0.005
"""Minimum relative decrease of the error by a round for another round to follow."""
GREEDY = 12
"""Number of members in the mean, repetitions included."""


class Split(NamedTuple):
    """Indices of the rows to fit and of the rows to judge."""

    train: Tensor
    held: Tensor


@attrs.frozen(kw_only=True)
class Judge:
    """The error of held-out predictions."""

    y: Tensor
    """Outputs of the held-out rows, ``(V, C)``."""
    weights: Tensor
    """Their sample weights, ``(V,)``."""
    classes: bool
    _spread: Tensor = attrs.field(init=False)
    _labels: Tensor = attrs.field(init=False)

    @_spread.default
    def _of_the_mean(self) -> Tensor:
        centre = mean(self.y, self.weights)
        return mean((self.y - centre).square(), self.weights).sum().clamp(min=1e-12)

    @_labels.default
    def _right(self) -> Tensor:
        return self.y.argmax(1)

    def error(self, predictions: Tensor) -> float:
        """Return the squared error relative to that of the mean; for classes plus the error rate."""
        error = float(mean((predictions - self.y).square(), self.weights).sum() / self._spread)
        if self.classes:
            wrong = (predictions.argmax(1) != self._labels).to(self.y)
            error += float(mean(wrong[:, None], self.weights))
        return error


class Explored(NamedTuple):
    """A candidate with its best settings on held-out rows."""

    candidate: Candidate
    setting: Setting
    error: float
    predictions: Tensor
    """Predictions for the held-out rows, ``(V, C)``."""
    states: tuple[State, ...] = ()
    """States with the metric of each split."""


class _Costs:
    """All splits under the metrics of a round, stacked, in units of their median costs, and the settings
    tried.

    Splits learn equally many rows; in a split that judges fewer rows than the others, the rest is ignored.
    """

    def __init__(self, kernels: Sequence[Kernel], sides: Sequence[Side], asked: Sequence[Tensor]) -> None:
        count, judged = len(sides[0].z), max(map(len, asked))
        self.roots = [kernel.root for kernel in kernels]
        self.medians = [median_cost(kernel, side) for kernel, side in zip(kernels, sides, strict=True)]
        self.own = sides[0].z.new_empty(len(sides), count, count)
        """``−cost`` among the learned rows, ``(F, N, N)``."""
        self.across = self.own.new_zeros(len(sides), judged, count)
        """``−cost`` between judged and learned rows, ``(F, V, N)``."""
        self.looked_at = torch.arange(judged) < torch.tensor([len(each) for each in asked])[:, None]
        for index, (kernel, side, z) in enumerate(zip(kernels, sides, asked, strict=True)):
            beta = 1 / self.medians[index]
            self.own[index] = matrix(kernel, side, side, beta=beta)
            self.across[index, : len(z)] = matrix(kernel, kernel.side(z), side, beta=beta)
        self.tried: dict[tuple[float, float], _Tried] = {}
        self._weighed: dict[float, tuple[Tensor, Tensor]] = {}

    def weighed(self, readout: Readout, bandwidth: float, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights among the learned rows and for the judged rows; computed once for all ridges."""
        if bandwidth not in self._weighed:
            own, across = (
                readout.weigh(costs / bandwidth, weights, None) for costs in (self.own, self.across)
            )
            self._weighed[bandwidth] = own, across
        return self._weighed[bandwidth]

    def forget(self) -> None:
        """Free the memory of the weights."""
        self._weighed.clear()


class _Tried(NamedTuple):
    """One setting at the metrics of a round."""

    bandwidth: float
    ridge: float
    error: float
    fit: Fit
    """Fits of all splits: values ``(F, N, C)``, centres ``(F, C)``."""
    predictions: Tensor


class _Search:
    """A search for the settings of a candidate; it begins where the last one ended."""

    def __init__(
        self, candidate: Candidate, judge: Judge, rows: Rows, splits: Sequence[Split], known: list[_Search]
    ) -> None:
        self.candidate, self.readout, self.judge = candidate, candidate.readout, judge
        self.bandwidths = candidate.bandwidths if self.readout.solves else MEANS
        self.ridges = candidate.ridges if self.readout.solves else candidate.ridges[:1]
        self.trains = [rows.take(split.train) for split in splits]
        self.asked = [rows.z[split.held] for split in splits]
        self.y = torch.stack([train.y for train in self.trains])
        self.weights = torch.stack([train.weights for train in self.trains])
        self.at: tuple[int, ...] | None = None
        self.known = known

    def best(self, states: Sequence[State]) -> _Tried:
        """Return the best setting under these metrics, as far as steps to neighbours find it."""
        self.kernels = [Kernel(self.candidate.parts, state) for state in states]
        self.sides = [k.side(train.z) for k, train in zip(self.kernels, self.trains, strict=True)]
        self.costs = self._seen() or _Costs(self.kernels, self.sides, self.asked)
        if self.at is None:
            self.first = self.costs
            self.known.append(self)
            middle = len(self.bandwidths) // 2
            begin = ((middle, ridge) for ridge in range(0, len(self.ridges), 2))
            self.at = min(begin, key=lambda place: self._try(place).error)
        self.at = descend(lambda place: self._try(place).error, self.at)
        found = self._try(self.at)
        self.costs.forget()
        return found

    def _seen(self) -> _Costs | None:
        """Return the costs of another search's start, if they are the same: metrics are not learned yet."""
        for other in self.known if self.at is None else ():
            same = other.candidate.parts.product, other.candidate.parts.rsource, other.readout
            parts = self.candidate.parts
            if other is not self and same == (parts.product, parts.rsource, self.readout):
                roots = zip(other.first.roots, self.kernels, strict=True)
                if all(torch.equal(root, kernel.root) for root, kernel in roots):
                    return other.first
        return None

    def _try(self, place: tuple[int, ...]) -> _Tried:
        if not (0 <= place[0] < len(self.bandwidths) and 0 <= place[1] < len(self.ridges)):
            return _Tried(0, 0, torch.inf, Fit(self.y, self.y), self.y)
        bandwidth, ridge = self.bandwidths[place[0]], self.ridges[place[1]]
        tried = self.costs.tried
        if (bandwidth, ridge) not in tried:
            own, across = self.costs.weighed(self.readout, bandwidth, self.weights)
            fit = self.readout.fit(own.clone(), self.y, self.weights, ridge)
            predictions = torch.baddbmm(fit.centre[:, None], across, fit.values)[self.costs.looked_at]
            error = self.judge.error(predictions)
            error = error if math.isfinite(error) else torch.inf
            tried[bandwidth, ridge] = _Tried(bandwidth, ridge, error, fit, predictions)
        return tried[bandwidth, ridge]


def _first_states(
    candidate: Candidate, rows: Rows, splits: Sequence[Split], generator: Generator, handed: Explored | None
) -> list[State]:
    """Return the metric of each split before the first round."""
    begin = [rows.z[split.train] for split in splits]
    if handed is None:
        return [start(candidate, z, generator) for z in begin]
    return [begun(candidate, s, z, generator) for s, z in zip(handed.states, begin, strict=True)]


def explore(
    candidate: Candidate,
    rows: Rows,
    splits: Sequence[Split],
    judge: Judge,
    generator: Generator,
    known: list[_Search],
    handed: Explored | None = None,
) -> Explored:
    """Search the settings of a candidate round by round, while a round helps it or its teacher.

    ``known`` holds the searches of other candidates; searches with the same start do not repeat each
    other's work. With ``handed`` the candidate begins with the metric of another one that has the same
    frame.
    """
    steps = handed.setting.steps[:-1] if handed else ()
    states = _first_states(candidate, rows, splits, generator, handed)
    search = _Search(candidate, judge, rows, splits, known)
    teacher = candidate.teacher
    teaching = search if teacher is candidate else _Search(teacher, judge, rows, splits, known)
    best, least = None, torch.inf
    for done in range(candidate.rounds + 1):
        found = search.best(states)
        last = done == candidate.rounds
        taught = found if teaching is search or last else teaching.best(states)
        helped = best is None or found.error < (1 - GAIN) * best[0].error
        if best is None or found.error < best[0].error:
            best = found, steps, tuple(states)
        if last or not (helped or taught.error < (1 - GAIN) * least):
            break
        least = min(least, taught.error)
        steps = (*steps, (taught.bandwidth, taught.ridge))
        states = _sharper(candidate, teaching, taught, states, generator)
    assert best is not None, "a candidate has at least one setting"
    found, steps, kept = best
    for each in (search, teaching):
        if each.at is not None:  # without rounds a teacher has not begun
            each.costs = each.first  # which another search may begin with
            each.costs.forget()
    setting = Setting(steps=(*steps, (found.bandwidth, found.ridge)))
    return Explored(candidate, setting, found.error, found.predictions, kept)


def _sharper(
    candidate: Candidate, teaching: _Search, taught: _Tried, states: list[State], generator: Generator
) -> list[State]:
    """Return the states of all splits with the metric of the next round."""
    found = []
    for index, (state, median) in enumerate(zip(states, teaching.costs.medians, strict=True)):
        state = sharpen(state, 1 / (taught.bandwidth * median))
        kernel = Kernel(teaching.kernels[index].parts, state)
        fit = Fit(taught.fit.values[index], taught.fit.centre[index])
        side, train = teaching.sides[index], teaching.trains[index]
        found.append(next_metric(candidate, kernel, side, train, fit, generator))
    return found


def heirs(best: Explored, plan: Sequence[Candidate]) -> list[Candidate]:
    """Return the other kernels of a plan, each with the frame of ``best``, to begin with its metric."""
    own, rounds = best.candidate.parts, len(best.setting.steps) - 1
    found: dict[AttentionProduct, Candidate] = {}
    for candidate in plan if rounds else ():
        if candidate.parts.product != own.product and candidate.parts.product not in found:
            found[candidate.parts.product] = attrs.evolve(
                candidate,
                name=f"{candidate.name} after {best.candidate.name}",
                parts=attrs.evolve(candidate.parts, frame=own.frame),
                handed=(best.candidate,) * rounds,
            )
    return list(found.values())


def descend(error: Callable[[tuple[int, ...]], float], at: tuple[int, ...]) -> tuple[int, ...]:
    """Descend on a grid from ``at`` to the best neighbour; returns the place that no neighbour improves."""
    while True:
        axes = range(len(at))
        around = [at, *((*at[:i], at[i] + step, *at[i + 1 :]) for i in axes for step in (-1, 1))]
        best = min(around, key=error)
        if best == at:
            return at
        at = best


def splits(y: Tensor, *, classes: bool, generator: Generator) -> list[Split]:
    """Return four folds of small tables, drawn twice; three of larger ones; one split above 900 rows.

    Judging many rows costs little and settles which setting is best: of the rows that are not learned,
    :data:`JUDGED` are judged. Every part has its share of each class. All splits learn equally many rows:
    if the folds of a table differ by a row, one learnable row is left out.
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
        fewest = count - max(int(held.sum()) for held in parts)
        found += [Split(order[~held][:fewest].sort().values, order[held].sort().values) for held in parts]
    return found


def block_splits(blocks: Blocks, generator: Generator) -> list[Split]:
    """Return up to three splits of rows in blocks; all learn equally many rows."""
    parts = [
        (known[torch.randperm(len(known), generator=generator)], asked)
        for known, asked in blocks.parts(BLOCK_FOLDS, generator)
    ]
    fewest = min(LEARNED, *(len(known) for known, _ in parts))
    most = JUDGED // len(parts)
    return [
        Split(
            known[:fewest].sort().values,
            asked[torch.randperm(len(asked), generator=generator)[:most]].sort().values,
        )
        for known, asked in parts
    ]


def greedy(explored: Sequence[Explored], judge: Judge) -> tuple[Tensor, Tensor]:
    """Return weights ``(members,)`` of the mean, float64, and its held-out predictions ``(V, C)``."""
    counts = torch.zeros(len(explored), dtype=torch.float64)
    total = torch.zeros_like(judge.y)
    for done in range(GREEDY):
        errors = [judge.error((total + e.predictions) / (done + 1)) for e in explored]
        chosen = errors.index(min(errors))
        counts[chosen] += 1
        total = total + explored[chosen].predictions
    return counts / GREEDY, total / GREEDY


class Choice(NamedTuple):
    """The members to fit."""

    explored: list[Explored]
    weights: Tensor
    """Share of each member in the mean, positive, ``(members,)`` float64."""
    calibration: Calibration | None
    """Calibration of the probabilities; ``None`` for numbers."""
    splits: list[Split]
    said: Tensor
    """Predictions of the mean for the held-out rows, ``(V, C)``."""


@one_thread()
def choose(
    plan: Sequence[Candidate],
    rows: Rows,
    *,
    classes: bool,
    generator: Generator,
    blocks: Blocks | None = None,
    time_limit: float | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> Choice:
    """Explore the candidates of a plan, at least one and as many as the time allows, and mix them.

    Half of ``time_limit`` (seconds) is for choosing; the other half is left for fitting the chosen members.
    """
    started = time.monotonic()
    if blocks is None:
        parts = splits(rows.y, classes=classes, generator=generator)
    else:
        parts = block_splits(blocks, generator)
    held = torch.cat([part.held for part in parts])
    judge = Judge(y=rows.y[held], weights=rows.weights[held], classes=classes)
    explored: list[Explored] = []
    most = len(plan) + len({candidate.parts.product for candidate in plan}) - 1

    def try_all(candidates: Sequence[Candidate], handed: Explored | None = None) -> None:
        known: list[_Search] = []
        for candidate in candidates:
            tried, spent = len(explored), time.monotonic() - started
            if time_limit is not None and tried and spent * (tried + 1) / tried > time_limit / 2:
                return
            if on_progress is not None:
                on_progress(f"trying {candidate.name}", tried / most)
            explored.append(explore(candidate, rows, parts, judge, generator, known, handed))

    try_all(plan)
    best = min(explored, key=lambda each: each.error)
    try_all(heirs(best, plan), best)
    alike = () if blocks is None else [len(part.held) for part in parts]
    return _mixed(explored, judge, parts, alike)


def _mixed(explored: list[Explored], judge: Judge, parts: list[Split], alike: Sequence[int]) -> Choice:
    """Mix candidates; ``alike`` are the sizes of the held-out blocks."""
    weights, predictions = greedy(explored, judge)
    kept = [index for index, weight in enumerate(weights.tolist()) if weight > 0]
    calibration = Calibration.fit(predictions, judge.y, judge.weights, alike) if judge.classes else None
    return Choice([explored[i] for i in kept], weights[kept], calibration, parts, predictions)
