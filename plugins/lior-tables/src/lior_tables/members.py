"""One member of a model: a kernel, its learned metric and a readout.

A member is fitted in rounds. Each round solves for the values of the rows under the current metric, and makes the
metric anew from the gradients of what was learned (:mod:`lior_tables.agop`). The bandwidth follows the metric:
``1/β`` is a multiple of the median cost of two rows, measured anew after every change.
"""

from __future__ import annotations

from typing import NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.interfaces import State
from lior.tensors import prefixed, sub
from lior_tables.kernel import Kernel, Parts, Side, blocks, matrix
from lior_tables.readouts import Fit, Readout

GRADIENT_ROWS = 1000
"""Rows at which gradients are taken."""
_MEDIAN_ROWS = 600
"""Rows whose median cost sets the bandwidth."""


class Rows(NamedTuple):
    """Rows of a table: coordinates ``z (N, n)``, outputs ``y (N, C)`` and sample weights ``(N,)``, mean 1."""

    z: Tensor
    y: Tensor
    weights: Tensor

    def take(self, index: Tensor) -> Rows:
        """Some of the rows."""
        return Rows(self.z[index], self.y[index], self.weights[index])


@attrs.frozen(kw_only=True)
class Setting:
    """What is chosen on held-out rows."""

    bandwidth: float
    """``1/β`` in median costs."""
    ridge: float
    """``λ``."""
    rounds: int
    """How often the metric was learned."""


@attrs.frozen(kw_only=True)
class Candidate:
    """A kind of member and the settings to try."""

    name: str
    parts: Parts
    readout: Readout
    bandwidths: tuple[float, ...]
    ridges: tuple[float, ...]
    rounds: int


def start(candidate: Candidate, z: Tensor, generator: Generator) -> State:
    """The state before anything is learned, in the dtype of ``z (N, n)``, with statistics of its rows."""
    state = candidate.parts.init(z.shape[1], generator=generator)
    moved = {key: value.to(z) if value.is_floating_point() else value.to(z.device) for key, value in state.items()}
    return candidate.parts.observe(moved, z)


def median_cost(kernel: Kernel, side: Side) -> float:
    """The median of ``√(R R') cost`` over pairs of different rows."""
    some = side.rows(slice(0, _MEDIAN_ROWS))
    count = len(some.z)
    if count < 2:
        return 1.0
    costs = kernel.scores(some, some, beta=-1.0)
    above = torch.ones(count, count, dtype=torch.bool, device=costs.device).triu(1)
    return max(float(costs[above].median()), 1e-6)


def with_bandwidth(state: State, kernel: Kernel, side: Side, bandwidth: float) -> State:
    """The state with ``β`` set from the median cost."""
    beta = 1 / (bandwidth * median_cost(kernel, side))
    return {**state, "log_beta": torch.as_tensor(beta, dtype=side.z.dtype, device=side.z.device).log()}


def next_metric(candidate: Candidate, kernel: Kernel, side: Side, rows: Rows, fit: Fit, generator: Generator) -> State:
    """The state after one round of learning the metric from the gradients of ``fit``."""
    frame, state = candidate.parts.frame, kernel.state
    observe = getattr(frame, "observe_gradients", None)
    if observe is None:
        return state
    chosen = torch.randperm(len(rows.z), generator=generator)[:GRADIENT_ROWS].to(rows.z.device)
    gradients = []
    for block in blocks(len(chosen), len(rows.z)):
        own = chosen[block]
        queries = side.rows(own)
        weighed = candidate.readout.weigh(kernel.scores(queries, side), rows.weights, own)
        slope = kernel.gradient(queries, side, weighed, fit.values)
        offset = candidate.readout.slopes(weighed, fit.values)
        if offset is not None:
            slope = slope - offset[:, :, None] * kernel.gradient(queries, side, weighed, torch.ones_like(fit.values[:, :1]))
        gradients.append(slope)
    frame_state = observe(sub(state, "frame"), torch.cat(gradients))
    state = state | prefixed("frame", frame_state)
    return candidate.parts.observe(state, rows.z)


class Member:
    """A fitted member: the state of its kernel, ``λ`` and the values of the rows."""

    def __init__(self, candidate: Candidate, state: State, ridge: float, rows: Rows, fit: Fit) -> None:
        self.candidate, self.state, self.ridge = candidate, state, ridge
        self.rows, self.fit = rows, fit
        self.kernel = Kernel(candidate.parts, state)
        self.items = self.kernel.side(rows.z)

    @classmethod
    def learn(cls, candidate: Candidate, setting: Setting, rows: Rows, generator: Generator) -> Member:
        """Fit all rows with what was chosen."""
        state = start(candidate, rows.z, generator)
        for done in range(setting.rounds + 1):
            kernel = Kernel(candidate.parts, state)
            side = kernel.side(rows.z)
            state = with_bandwidth(state, kernel, side, setting.bandwidth)
            kernel = Kernel(candidate.parts, state)
            fit = candidate.readout.fit(matrix(kernel, side, side), rows.y, rows.weights, setting.ridge)
            if done < setting.rounds:
                state = next_metric(candidate, kernel, side, rows, fit, generator)
        return cls(candidate, state, setting.ridge, rows, fit)

    def predict(self, z: Tensor) -> Tensor:
        """``f(z) (B, C)``, centre included."""
        parts = [self.weigh(z[block]) @ self.fit.values for block in blocks(len(z), len(self.rows.z))]
        return torch.cat([*parts, self.rows.y[:0]]) + self.fit.centre

    def weigh(self, z: Tensor) -> Tensor:
        """Weights of the stored rows for a few rows ``z (B, n)``, shape ``(B, N)``."""
        scores = self.kernel.scores(self.kernel.side(z), self.items)
        return self.candidate.readout.weigh(scores, self.rows.weights, None)
