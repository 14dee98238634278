"""The stage that learns the metric."""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from lior.data import noise
from lior.errors import PluginError
from lior.geometry.retrieval import Geometry
from lior.interfaces import State, Updater
from lior.tensors import prefixed, sub
from lior.training import fitting
from lior.training.batches import BatchSampler, BatchStream
from lior.training.stage import Job, Snapshot

_CHECKS = 12
_WARM_UP = 20
_TIME_SHARE = 0.5


@attrs.define
class LearnGeometry:
    """Local updates of the metric on batches; keeps the state that was best on the tail."""

    job: Job
    geometry: Geometry
    updater: Updater
    name: str = attrs.field(default="geometry", init=False)
    _step: int = attrs.field(default=0, init=False)
    _rejected: int = attrs.field(default=0, init=False)
    _best_loss: float = attrs.field(default=math.inf, init=False)
    _used: float = attrs.field(default=0.0, init=False)
    _state: State = attrs.field(init=False)
    _best: State = attrs.field(init=False)
    _moving: State = attrs.field(init=False)
    _origin: Tensor = attrs.field(init=False)
    _batches: BatchStream = attrs.field(init=False)

    @property
    def message(self) -> str:
        """How many updates there will be."""
        return f"learning the metric: {self.job.config.geometry.updates} updates"

    def begin(self) -> None:
        """Draw what stays for all batches; frames and sources get their statistics, whatever follows."""
        job = self.job
        self._origin = job.generator.get_state()
        self._batches = BatchStream(self._sampler(), self.geometry, job.parts.memory, job.generator)
        self._batches.set_tail(job.parts.memory, job.parts.train)
        self._state = self._observed(job.model.state)
        self._best = self._state
        self._moving = self.updater.init(self.geometry.learned(self._state))
        self._used = job.spent() / _TIME_SHARE

    def _sampler(self) -> BatchSampler:
        job, config = self.job, self.job.config.geometry
        asked = None
        if config.noise:
            draw = torch.rand(job.parts.train, generator=job.generator, device=job.text.tokens.device)
            asked, _ = noise.substitute(
                job.text, 0, job.parts.train, draw < config.noise, generator=job.generator
            )
        return BatchSampler(job.text, self.geometry.encoder.reach, self.geometry.vocab, config, asked)

    def advance(self) -> bool:
        """One update. The time limit may cut them short: the schedule follows the time if that is ahead."""
        config, job = self.job.config.geometry, self.job
        if self._step >= config.updates or (self._step and self._used >= 1):
            return False
        every = max(config.updates // _CHECKS, 1)
        if self._step and self._step % every == 0:
            self._state = self._observed(self._state)
        batch = self._batches.draw(self._state, self._step)
        left = max(1 - max(self._step / config.updates, self._used), 0.02)
        probe = fitting.BatchProbe(self.geometry, self._state, batch)
        params, self._moving, report = self.updater.step(
            self.geometry.learned(self._state), self._moving, probe,
            scale=left * min((self._step + 1) / _WARM_UP, 1.0), generator=job.generator,
        )  # fmt: skip
        self._state = self.geometry.project(self._state | params)
        self._rejected += not report.accepted
        self._step += 1
        self._used = job.spent() / _TIME_SHARE
        metrics: dict[str, float] = {}
        if self._step % every == 0 or self._step == config.updates or self._used >= 1:
            loss = float(self.geometry.loss(self._state, self._batches.tail()))
            if not math.isfinite(loss):
                raise PluginError(
                    f"the geometry's loss is not finite after update {self._step}: the updater or a "
                    "derivative is wrong; `lior plugins --check` tells which"
                )
            if loss < self._best_loss:
                self._best, self._best_loss = self._state, loss
            metrics = {"tail_loss": loss, "rejected": self._rejected}
        job.tick("geometry", self._step, config.updates, metrics)
        return True

    def _observed(self, state: State) -> State:
        """``state`` after a uniform sample of the memory was shown to frame and resilience source."""
        job = self.job
        count = min(job.config.geometry.keys, job.parts.memory)
        sample = self._batches.sampler.positions(0, job.parts.memory, count, job.generator)
        contexts = self._batches.sampler.contexts(sample)
        return self.geometry.observe(state, contexts, total=job.parts.memory)

    def end(self) -> None:
        """The best geometry is the model's; the gate's cells are placed under it."""
        job = self.job
        job.model.set_geometry(self._best)
        cells = job.config.mixer.cells
        fitting.place_cells(job.model, job.text, job.parts, cells, generator=job.generator)

    def snapshot(self) -> Snapshot:
        """Parameters now and at their best, moments, the batches drawn ahead, and where randomness began."""
        groups = {"state": self._state, "best": self._best, "moving": self._moving}
        groups |= {"batches": self._batches.snapshot()}
        tensors = {k: v for group, state in groups.items() for k, v in prefixed(group, state).items()}
        numbers: dict[str, float] = {"step": self._step, "rejected": self._rejected}
        if math.isfinite(self._best_loss):
            numbers |= {"best_loss": self._best_loss}
        return Snapshot(tensors | {"origin": self._origin}, numbers)

    def restore(self, snapshot: Snapshot) -> None:
        """Draw the errors in the queries again, and take the rest as it was."""
        generator, now = self.job.generator, self.job.generator.get_state()
        self._origin = snapshot.tensors["origin"]
        generator.set_state(self._origin)
        self._batches = BatchStream(self._sampler(), self.geometry, self.job.parts.memory, generator)
        generator.set_state(now)
        self._batches.restore(sub(snapshot.tensors, "batches"))
        self._state, self._best, self._moving = (
            sub(snapshot.tensors, group) for group in ("state", "best", "moving")
        )
        self._step, self._rejected = snapshot.numbers["step"], snapshot.numbers["rejected"]
        self._best_loss = snapshot.numbers.get("best_loss", math.inf)
        self._used = self.job.spent() / _TIME_SHARE
