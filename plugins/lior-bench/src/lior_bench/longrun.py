"""Millions of updates of every frame, after which the metric must still be a metric.

    python -m lior_bench.longrun 2000000

Each update gives a frame a random derivative of its metric, with outliers and some values that are not
finite, through the updater as in training. Every thousandth update these are measured in float64: the
distance of ``Q`` from orthogonal, the least eigenvalue of ``g``, and the number of rejected updates.
"""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple

import attrs
import torch
from torch import Generator

from lior import registry
from lior.geometry import metric
from lior.interfaces import MetricForm, State
from lior_plugins.updaters.contrastive import Contrastive

_N = 8
_LOOK = 1000


class Kept(NamedTuple):
    """The worst values measured."""

    updates: int
    rejected: int
    skew: float
    """Largest entry of ``QᵀQ - I``."""
    least: float
    """Least eigenvalue of ``g``."""
    condition: float
    """Largest eigenvalue of ``g`` by the least."""


@attrs.frozen
class Noise:
    """A probe with the pullback of a random derivative as statistic."""

    frame: Any
    generator: Generator
    broken: bool

    def loss(self, params: State) -> float:
        """Not called by an updater that follows statistics."""
        raise NotImplementedError

    def phases(self, params: State, nudge: float) -> State:
        """Heavy-tailed noise, pulled back to the parameters."""
        form = self.frame.form(params)
        fields: list[Any] = []
        for field in form:
            if field is None:
                fields.append(None)
                continue
            noise = torch.randn(field.shape, generator=self.generator)
            fields.append(noise / torch.rand(field.shape, generator=self.generator).clamp(min=1e-6))
        found = self.frame.pullback(params, MetricForm(*fields))
        if self.broken:
            name = next(iter(found))
            found[name] = found[name] * torch.inf
        return {name: found[name] for name in self.frame.learned}


@torch.no_grad()
def run(name: str, updates: int, *, seed: int = 0) -> Kept:
    """Update the frame ``name``."""
    frame = registry.get("frame", name)()
    generator = Generator().manual_seed(seed)
    state = frame.init(_N, generator=generator)
    updater = Contrastive(learning_rate=0.02)
    moving = updater.init({key: state[key] for key in frame.learned})
    skew, least, condition = 0.0, float("inf"), 0.0
    for update in range(updates):
        if not update % 10:  # statistics of all magnitudes
            z = torch.randn(16, _N, generator=generator) * 10.0 ** (update // 10 % 7 - 3)
            state = frame.observe(state, z)
        probe = Noise(_Filled(frame, state), generator, broken=update % 997 == 996)
        params = {key: state[key] for key in frame.learned}
        params, moving, _ = updater.step(params, moving, probe, scale=1.0, generator=generator)
        state = frame.project(state | params)
        if update % _LOOK == _LOOK - 1 or update == updates - 1:
            form = metric.cast(frame.form(state), torch.float64)
            if form.q is not None:
                skew = max(skew, float((form.q.mT @ form.q - torch.eye(_N)).abs().max()))
            values = torch.linalg.eigvalsh(metric.dense(form))
            least = min(least, float(values[0]))
            condition = max(condition, float(values[-1] / values[0]))
    return Kept(updates, int(moving["rejected"]), skew, least, condition)


@attrs.frozen
class _Filled:
    """A frame of learned entries alone; the others come from ``state``."""

    frame: Any
    state: State

    @property
    def learned(self) -> tuple[str, ...]:
        return tuple(self.frame.learned)

    def form(self, params: State) -> MetricForm:
        return self.frame.form(self.state | params)

    def pullback(self, params: State, dform: MetricForm) -> State:
        return self.frame.pullback(self.state | params, dform)


if __name__ == "__main__":
    count = int(sys.argv[1]) if sys.argv[1:] else 2_000_000
    for frame_name in registry.names("frame"):
        begun = time.monotonic()
        print(frame_name, run(frame_name, count), f"{time.monotonic() - begun:,.0f} s", flush=True)
