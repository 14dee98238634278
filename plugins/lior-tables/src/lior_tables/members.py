"""One member of a model: a kernel, its learned metric and a readout.

A member is fitted in rounds. Each round solves for the values of the rows under the current metric, and
derives the metric anew from the gradients of the learned function (:mod:`lior_tables.agop`). The bandwidth
follows the metric: ``1/β`` is a multiple of the median cost of two rows, measured anew after every change.
"""

from __future__ import annotations

import math

import attrs
import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.interfaces import GradientFrame, State
from lior.tensors import add_prefix, sub
from lior_tables import likelihood, readouts
from lior_tables.editing import BATCH, Inverse
from lior_tables.kernel import Kernel, Parts, Side, blocks, matrix, times
from lior_tables.readouts import Fit, Readout, Ridge
from lior_tables.row_store import Rows, draw

METRIC_ROWS = 2000
"""Maximum number of rows on which a metric is learned."""
GRADIENT_ROWS = 1000
"""Number of rows at which gradients are computed."""
REFINE_EVERY = 500
"""Number of edits after which rounding errors are removed."""
REFINED_ROWS = 2000
"""Maximum rows for which every edit but the first removes rounding errors; it takes milliseconds."""
_MEDIAN_ROWS = 600
"""Number of rows whose median cost sets the bandwidth."""


@attrs.frozen(kw_only=True)
class Setting:
    """The settings that are chosen on held-out rows."""

    steps: tuple[tuple[float, float], ...]
    """Bandwidth and ridge of each round: the last pair is the member's, the others made its metric."""

    @property
    def bandwidth(self) -> float:
        """``1/β`` in median costs."""
        return self.steps[-1][0]

    @property
    def ridge(self) -> float:
        """``λ``."""
        return self.steps[-1][1]


@attrs.frozen(kw_only=True)
class Candidate:
    """A kind of member and the settings to try."""

    name: str
    parts: Parts
    readout: Readout
    bandwidths: tuple[float, ...]
    ridges: tuple[float, ...]
    rounds: int
    handed: tuple[Candidate, ...] = ()
    """Candidates that learned the metric in the first rounds and handed it on."""

    def learns(self, done: int) -> Candidate:
        """Return the candidate whose teacher makes the next metric after ``done`` rounds."""
        return self.handed[done] if done < len(self.handed) else self

    @property
    def teacher(self) -> Candidate:
        """The candidate from which the metric is learned: a mean is too smooth for informative gradients.

        With a resilience source kernels may be indefinite; a mean tolerates that, a teacher does not.
        """
        if self.readout.solves:
            return self
        return attrs.evolve(self, readout=Ridge(), parts=attrs.evolve(self.parts, rsource=None))


def start(candidate: Candidate, z: Tensor, generator: Generator) -> State:
    """Return the state before learning, in the dtype of ``z (N, n)``, with statistics of its rows."""
    state = candidate.parts.init(z.shape[1], generator=generator)
    moved = {
        key: value.to(z) if value.is_floating_point() else value.to(z.device) for key, value in state.items()
    }
    return candidate.parts.observe(moved, z)


def begun(candidate: Candidate, handed: State, z: Tensor, generator: Generator) -> State:
    """Return the state of a candidate with the metric of another one that has the same frame."""
    state = start(candidate, z, generator) | add_prefix("frame", sub(handed, "frame"))
    return candidate.parts.observe_medium(state, z)


def median_cost(kernel: Kernel, side: Side) -> float:
    """Return the median of ``√(R R') cost`` over row pairs, one from each half of the first rows."""
    count = min(len(side.z), _MEDIAN_ROWS)
    if count < 2:
        return 1.0
    halves = side.rows(slice(0, count // 2)), side.rows(slice(count // 2, count))
    return max(float(kernel.scores(*halves, beta=-1.0).median()), 1e-6)


def sharpen(state: State, beta: float) -> State:
    """Return the state with this ``β``."""
    return {**state, "log_beta": torch.full_like(state["log_beta"], math.log(beta))}


def next_metric(
    candidate: Candidate, kernel: Kernel, side: Side, rows: Rows, fit: Fit, generator: Generator
) -> State:
    """Return the state after one round of learning the metric from the gradients of ``fit``."""
    parts, state = candidate.parts, kernel.state
    if isinstance(parts.frame, GradientFrame):
        chosen = torch.randperm(len(rows.z), generator=generator)[:GRADIENT_ROWS].to(rows.z.device)
        found = gradients(candidate.teacher.readout, kernel, side, rows.weights, fit.values, chosen)
        state = state | add_prefix("frame", parts.frame.observe_gradients(sub(state, "frame"), found))
        state = parts.observe_medium(state, rows.z)
    if parts.learned(state):
        state = parts.observe_medium(likelihood.learn(parts, state, rows, generator), rows.z)
    return state


def gradients(
    readout: Readout, kernel: Kernel, side: Side, weights: Tensor, values: Tensor, chosen: Tensor
) -> Tensor:
    """Return gradients ``(G, C, n)`` of a fit at its rows ``chosen``, without the row's own share."""
    found = []
    for block in blocks(len(chosen), len(values), values.device):
        own = chosen[block]
        queries = side.rows(own)
        weighed = readout.weigh(kernel.scores(queries, side), weights, own)
        slope = kernel.gradient(queries, side, weighed, values)
        offset = readout.slopes(weighed, values)
        if offset is not None:
            flat = kernel.gradient(queries, side, weighed, torch.ones_like(values[:, :1]))
            slope = slope - offset[:, :, None] * flat
        found.append(slope)
    return torch.cat(found)


Steps = tuple[tuple[float, float], ...]
Metrics = dict[tuple[Candidate, Steps], State]
"""States of candidates after the rounds of these steps."""


def learned(candidate: Candidate, steps: Steps, rows: Rows, generator: Generator, known: Metrics) -> State:
    """Return the state after a round for each of the steps, from ``known`` or added to it."""
    if (candidate, steps) not in known:
        first = len(candidate.handed)
        if first:
            handed = learned(candidate.handed[0], steps[:first], rows, generator, known)
            state = begun(candidate, handed, rows.z, generator)
        else:
            state = start(candidate, rows.z, generator)
        known[candidate, steps] = _rounds(candidate, state, steps[first:], first, rows, generator)
    return known[candidate, steps]


def _rounds(
    candidate: Candidate, state: State, steps: Steps, done: int, rows: Rows, generator: Generator
) -> State:
    """Return the state after a round for each of the steps, the first ``done`` of them being done already."""
    for number, (bandwidth, ridge) in enumerate(steps, done):
        learner = candidate.learns(number)
        state, kernel = _solvable(learner.teacher, state, bandwidth, rows.z)
        side = kernel.side(rows.z)
        fit = _solve(learner.teacher, kernel, side, rows, ridge)
        state = next_metric(learner, kernel, side, rows, fit, generator)
    return state


def _solvable(candidate: Candidate, state: State, bandwidth: float, z: Tensor) -> tuple[State, Kernel]:
    """Return the state with its bandwidth, measured on ``z``, and the kernel."""
    kernel = Kernel(candidate.parts, state)
    median = median_cost(kernel, kernel.side(z[:_MEDIAN_ROWS]))
    state = sharpen(state, 1 / (bandwidth * median))
    return state, Kernel(candidate.parts, state)


def _solve(candidate: Candidate, kernel: Kernel, side: Side, rows: Rows, ridge: float) -> Fit:
    """Fit the readout to all rows."""
    weighed = candidate.readout.weigh(matrix(kernel, side, side), rows.weights, None)
    return candidate.readout.fit(weighed, rows.y, rows.weights, ridge)


class Member:
    """A fitted member: the state of its kernel, ``λ`` and the values of the rows."""

    def __init__(self, candidate: Candidate, state: State, setting: Setting, rows: Rows, fit: Fit) -> None:
        self.candidate, self.state, self.setting = candidate, state, setting
        self.readout, self.fit = candidate.readout, fit
        self.kernel = Kernel(candidate.parts, state)
        self._inverse: Inverse | None = None
        self._edits = 0
        self._store(rows)

    def _store(self, rows: Rows) -> None:
        self.rows, self.items = rows, self.kernel.side(rows.z)

    @classmethod
    def learn_all(
        cls,
        candidate: Candidate,
        setting: Setting,
        rows: Rows,
        generator: Generator,
        *,
        known: Metrics | None = None,
    ) -> Member:
        """Fit all rows with the chosen setting; the metric is learned on :data:`METRIC_ROWS` of them.

        Parameters
        ----------
        known
            Metrics that other members of these rows have learned and handed on; they are not learned twice.
        """
        some = draw(rows, METRIC_ROWS, generator)
        steps, (bandwidth, ridge) = setting.steps[:-1], setting.steps[-1]
        state = learned(candidate, steps, some, generator, {} if known is None else known)
        state, kernel = _solvable(candidate, state, bandwidth, some.z)
        fit = _solve(candidate, kernel, kernel.side(rows.z), rows, ridge)
        return cls(candidate, state, setting, rows, fit)

    def learned_on(self, known: Tensor, generator: Generator, metrics: Metrics) -> Member:
        """Return the same setting, with metric and values from the rows ``known``."""
        return Member.learn_all(self.candidate, self.setting, self.rows.take(known), generator, known=metrics)

    def solved_on(self, known: Tensor) -> Member:
        """Return the same metric and setting, with values from the rows ``known``."""
        return self._solved(self.rows.take(known))

    def solved_at(self, z: Tensor) -> Member:
        """Return the same metric and setting, with other coordinates ``z (N, n)`` of the rows."""
        return self._solved(self.rows._replace(z=z))

    def _solved(self, rows: Rows) -> Member:
        fit = _solve(self.candidate, self.kernel, self.kernel.side(rows.z), rows, self.setting.ridge)
        return Member(self.candidate, self.state, self.setting, rows, fit)

    def tensors(self) -> State:
        """Return values, centre and state, without the rows; :meth:`restored` takes them."""
        return {**add_prefix("state", self.state), "values": self.fit.values, "centre": self.fit.centre}

    @classmethod
    def restored(cls, tensors: State, candidate: Candidate, setting: Setting, rows: Rows) -> Member:
        """Return the member of :meth:`tensors` for the same ``rows``.

        Raises
        ------
        UsageError
            When the values belong to other rows.
        """
        values, centre = tensors["values"], tensors["centre"]
        if len(values) != len(rows.z) or centre.shape != rows.y.shape[1:]:
            raise UsageError(f"a saved member has values of {len(values)} rows and not of {len(rows.z)}")
        return cls(candidate, sub(tensors, "state"), setting, rows.to(values), Fit(values, centre))

    @property
    def centre(self) -> Tensor:
        """The weighted mean of the stored outputs, ``(C,)``."""
        return self.fit.centre

    def predict(self, z: Tensor) -> Tensor:
        """Return ``f(z) (B, C)``, centre included."""
        parts = [
            self.weigh(z[block]) @ self.fit.values for block in blocks(len(z), len(self.rows.z), z.device)
        ]
        return torch.cat([*parts, self.rows.y[:0]]) + self.fit.centre

    def rounding(self) -> float:
        """Return the largest error of predictions of stored rows: the exact solution is ``y − λ a / W``.

        With a wide kernel and a small ridge, float32 is not precise enough. The values cancel by a factor
        of a hundred thousand, or the matrix is positive definite only with an addend on its diagonal.
        """
        if not self.readout.solves:
            return 0.0
        exact = self.rows.y - self.setting.ridge / self.rows.weights[:, None] * self.fit.values
        return float((self.predict(self.rows.z) - exact).abs().max())

    def weigh(self, z: Tensor) -> Tensor:
        """Return weights of the values of the stored rows for a few rows ``z (B, n)``, shape ``(B, N)``."""
        scores = self.kernel.scores(self.kernel.side(z), self.items)
        return self.readout.weigh(scores, self.rows.weights, None)

    def influence(self, z: Tensor) -> Tensor:
        """Return the weights ``(B, N)`` of the stored outputs: ``f(z) = centre + Σ_i w_i (y_i − centre)``.

        A vote has the weights of :meth:`weigh`, a ridge ``(K + λW⁻¹)⁻¹ k(z)``.
        """
        weighed = self.weigh(z)
        return self.inverse().times(weighed.mT).mT if self.readout.solves else weighed

    def leave_one_out(self) -> Tensor:
        """Return predictions for each stored row without it, metric fixed, ``(N, C)``."""
        y, weights = self.rows.y, self.rows.weights
        if len(y) < 2:
            return self.fit.centre.expand_as(y)
        if not self.readout.solves:
            parts = []
            for block in blocks(len(y), len(y), y.device):
                scores = self.kernel.scores(self.items.rows(block), self.items)
                own = torch.arange(block.start, block.stop, device=y.device)
                parts.append(self.readout.weigh(scores, weights, own) @ y)
            return torch.cat(parts)
        # Without row i the centre is c_i, and the residual of the row is a_i / P_ii for the outputs y − c_i
        # (G. Wahba, *Spline Models*, 1990, section 4.2).
        had = self._inverse
        inverse = self.inverse()
        self._inverse = had  # for edits alone, since it takes as much memory as the kernel matrix
        solution, total = inverse.solution.to(y), weights.sum()
        centres = (readouts.mean(y, weights) * total - weights[:, None] * y) / (total - weights)[:, None]
        residuals = (solution[:, :-1] - solution[:, -1:] * centres) / inverse.diagonal.to(y)[:, None]
        return y - residuals

    # --- editing ---

    def inverse(self) -> Inverse:
        """Return the inverse of the system, computed on first use."""
        if self._inverse is None:
            system = matrix(self.kernel, self.items, self.items).exp_()
            system.diagonal().add_(self.setting.ridge / self.rows.weights)
            self._inverse = Inverse(system, readouts.with_ones(self.rows.y))
        return self._inverse

    def to(self, rows: Rows) -> Member:
        """Return the same member, solved anew in the precision of ``rows``, which are its own."""
        dtype = rows.z.dtype
        if self.rows.z.dtype == dtype:
            return self
        state = {key: v.to(dtype) if v.is_floating_point() else v for key, v in self.state.items()}
        fit = Fit(*(part.to(dtype) for part in self.fit))
        moved = Member(self.candidate, state, self.setting, rows, fit)
        if self.readout.solves:
            moved.settle()
        return moved

    def forget(self, chosen: Tensor, rows: Rows) -> None:
        """Remove the rows ``chosen`` (int64, distinct); ``rows`` are the remaining ones."""
        if self.readout.solves:
            left = chosen.sort(descending=True).values  # from the end, so that the others keep their places
            for part in left.split(BATCH):
                self.inverse().forget(part)
        self._edited(rows, len(chosen))

    def learn(self, new: Rows, rows: Rows) -> None:
        """Add the rows ``new``; ``rows`` are all, the new ones last."""
        if self.readout.solves:
            inverse, before = self.inverse(), len(self.rows.z)
            side = self.kernel.side(rows.z)
            for at in range(before, len(rows.z), BATCH):
                here = slice(at, min(at + BATCH, len(rows.z)))
                across = self.kernel.scores(side.rows(slice(0, at)), side.rows(here)).exp_()
                among = self.kernel.scores(side.rows(here), side.rows(here)).exp_()
                among.diagonal().add_(self.setting.ridge / rows.weights[here])
                inverse.learn(across, among, readouts.with_ones(rows.y[here]))
        self._edited(rows, len(new.z))

    def _edited(self, rows: Rows, edits: int) -> None:
        """Store ``rows``, and refine after many edits."""
        self._store(rows)
        before, self._edits = self._edits, self._edits + edits
        if before // REFINE_EVERY != self._edits // REFINE_EVERY:
            self.refine()
        elif self.readout.solves and before and len(rows.z) <= REFINED_ROWS:
            self.inverse().refine(self._residual()[0])
        self.settle()

    def settle(self) -> None:
        """Update values and centre to the stored rows."""
        y, weights = self.rows.y, self.rows.weights
        if self.readout.solves:
            self.fit = readouts.centred(self.inverse().solution, y, weights)
        else:
            self.fit = Fit(y - readouts.mean(y, weights), readouts.mean(y, weights))

    def refine(self) -> float:
        """Remove accumulated rounding errors; returns the largest residual before, in units of the outputs.

        This does one step of refinement with the kernel computed anew. If that does not help, because the
        inverse itself has drifted, the inverse is computed anew.
        """
        if not self.readout.solves or not len(self.rows.z):
            return 0.0
        first, rounding = self._residual()
        if float(first.abs().max()) > rounding:
            self.inverse().refine(first)
            after, rounding = self._residual()
            if float(after.abs().max()) > rounding:
                self._inverse = None
        self.settle()
        return float(first.abs().max())

    def _residual(self) -> tuple[Tensor, float]:
        """Return ``right − (K + λW⁻¹) a (N, C + 1)``, and the maximum that rounding alone can cause."""
        inverse, right = self.inverse(), readouts.with_ones(self.rows.y)
        found = times(self.kernel, self.items, inverse.solution)
        own = (self.setting.ridge / self.rows.weights + inverse.added)[:, None] * inverse.solution
        size = float(inverse.solution.abs().sum(0).max()) + 1.0
        return right - found - own, 100 * torch.finfo(own.dtype).eps * size
