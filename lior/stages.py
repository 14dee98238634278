"""The stages of a training run: each does one window at a time, and can be stopped and gone on with.

All that a stage knows between two windows is in its :meth:`Stage.snapshot` and in
the model, so a run that stops after any window and goes on later does what one
that never stopped does, bit for bit. What can be worked out again is not kept:
a stage remembers the state of the random numbers from which it was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import attrs
import torch
from torch import Generator, Tensor

from lior import fitting, noise
from lior.config import TrainConfig
from lior.corpus import Corpus
from lior.fitting import Split
from lior.geometry.retrieval import Geometry
from lior.interfaces import State, Updater
from lior.learning import moments
from lior.model import Model, columns, rows_at_once
from lior.windows import WindowSampler, WindowStream

Tick = Callable[[str, int, int, Mapping[str, float]], None]
"""Called after every window with (stage, step, steps, metrics)."""

_WRITE_BLOCK = 65536
_STUDY_BLOCK = 16384
_MIXER_BLOCK = 8192
_CHECKS = 12
_WARM_UP = 20
_GEOMETRY_SHARE = 0.5
_MIXER_SHARE = 0.8
_STUDY_SHARE = 0.6


@attrs.frozen(kw_only=True)
class Job:
    """What the stages of a run work on."""

    model: Model
    text: Corpus
    parts: Split
    config: TrainConfig
    generator: Generator
    tick: Tick
    spent: Callable[[], float]
    """Share of the run's time limit that is used up."""


class Snapshot(NamedTuple):
    """Where a stage stands."""

    tensors: State
    numbers: dict[str, Any]
    """Ready for JSON."""


class Stage(Protocol):
    """A part of a run; made anew from the job when the run goes on."""

    @property
    def name(self) -> str:
        """What its time counts for: geometry, memory or mixer."""

    @property
    def message(self) -> str:
        """What it does, in one line."""

    def begin(self) -> None:
        """Prepare for the first window; not called when :meth:`restore` is."""

    def advance(self) -> bool:
        """Do the next window; False when the one before was the last."""

    def end(self) -> None:
        """Hand over what was learned, after the last window."""

    def snapshot(self) -> Snapshot:
        """What :meth:`restore` needs, with the model, to go on from here."""

    def restore(self, snapshot: Snapshot) -> None:
        """Stand where a stage of an equal job stood."""


@attrs.define
class LearnGeometry:
    """Local updates of the metric on windows; keeps the state that was best on the tail."""

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
    _windows: WindowStream = attrs.field(init=False)

    @property
    def message(self) -> str:
        """How many updates there will be."""
        return f"learning the metric: {self.job.config.geometry.steps} updates"

    def begin(self) -> None:
        """Draw what stays for all windows; frames and sources made of statistics get them, whatever follows."""
        job = self.job
        self._origin = job.generator.get_state()
        self._windows = WindowStream(self._sampler(), self.geometry, job.parts.memory, job.generator)
        self._windows.set_tail(job.parts.memory, job.parts.train)
        self._state = self._observed(job.model.state)
        self._best = self._state
        self._moving = self.updater.init(self.geometry.learned(self._state))
        self._used = job.spent() / _GEOMETRY_SHARE

    def _sampler(self) -> WindowSampler:
        job, config = self.job, self.job.config.geometry
        asked = None
        if config.noise:
            draw = torch.rand(job.parts.train, generator=job.generator, device=job.text.tokens.device)
            asked, _ = noise.substitute(
                job.text, 0, job.parts.train, draw < config.noise, generator=job.generator
            )
        return WindowSampler(job.text, self.geometry.encoder.reach, self.geometry.vocab, config, asked)

    def advance(self) -> bool:
        """One update; the time limit may cut them short, for the schedule follows the time if that is ahead."""
        config, job = self.job.config.geometry, self.job
        if self._step >= config.steps or (self._step and self._used >= 1):
            return False
        every = max(config.steps // _CHECKS, 1)
        if self._step and self._step % every == 0:
            self._state = self._observed(self._state)
        window = self._windows.draw(self._state, self._step)
        left = max(1 - max(self._step / config.steps, self._used), 0.02)
        probe = fitting.WindowProbe(self.geometry, self._state, window)
        params, self._moving, report = self.updater.step(
            self.geometry.learned(self._state), self._moving, probe,
            scale=left * min((self._step + 1) / _WARM_UP, 1.0), generator=job.generator,
        )  # fmt: skip
        self._state = self.geometry.project(self._state | params)
        self._rejected += not report.accepted
        self._step += 1
        self._used = job.spent() / _GEOMETRY_SHARE
        metrics: dict[str, float] = {}
        if self._step % every == 0 or self._step == config.steps or self._used >= 1:
            loss = float(self.geometry.loss(self._state, self._windows.tail()))
            if loss < self._best_loss:
                self._best, self._best_loss = self._state, loss
            metrics = {"tail_loss": loss, "rejected": self._rejected}
        job.tick("geometry", self._step, config.steps, metrics)
        return True

    def _observed(self, state: State) -> State:
        """``state`` after a uniform sample of the memory was shown to frame and resilience source."""
        job = self.job
        count = min(job.config.geometry.keys, job.parts.memory)
        sample = self._windows.sampler.positions(0, job.parts.memory, count, job.generator)
        contexts = self._windows.sampler.contexts(sample)
        return self.geometry.observe(state, contexts, total=job.parts.memory)

    def end(self) -> None:
        """The best geometry is the model's; the gate's cells are placed under it."""
        job = self.job
        job.model.set_geometry(self._best)
        cells = job.config.mixer.cells
        fitting.place_cells(job.model, job.text, job.parts, cells, generator=job.generator)

    def snapshot(self) -> Snapshot:
        """Parameters now and at their best, moments, the windows drawn ahead, and where randomness began."""
        groups = {"state": self._state, "best": self._best, "moving": self._moving}
        tensors = {f"{group}.{k}": v for group, state in groups.items() for k, v in state.items()}
        tensors |= {f"windows.{k}": v for k, v in self._windows.snapshot().items()}
        numbers = {"step": self._step, "rejected": self._rejected}
        if math.isfinite(self._best_loss):
            numbers |= {"best_loss": self._best_loss}
        return Snapshot(tensors | {"origin": self._origin}, numbers)

    def restore(self, snapshot: Snapshot) -> None:
        """Draw the errors in the queries again, and take the rest as it was."""
        generator, now = self.job.generator, self.job.generator.get_state()
        self._origin = snapshot.tensors["origin"]
        generator.set_state(self._origin)
        self._windows = WindowStream(self._sampler(), self.geometry, self.job.parts.memory, generator)
        generator.set_state(now)
        self._windows.restore(under(snapshot.tensors, "windows."))
        self._state, self._best, self._moving = (
            under(snapshot.tensors, f"{group}.") for group in ("state", "best", "moving")
        )
        self._step, self._rejected = snapshot.numbers["step"], snapshot.numbers["rejected"]
        self._best_loss = snapshot.numbers.get("best_loss", math.inf)
        self._used = self.job.spent() / _GEOMETRY_SHARE


@attrs.define
class Study:
    """Adaptive memories read, learn and take in ``lo .. hi - 1``, in reading ``number`` of ``count``."""

    job: Job
    lo: int
    hi: int
    number: int
    count: int
    name: str = attrs.field(default="memory", init=False)
    _at: int = attrs.field(init=False)
    _nats: float = attrs.field(default=0.0, init=False)
    _read: int = attrs.field(default=0, init=False)

    @property
    def message(self) -> str:
        """Which reading of which stretch."""
        return f"reading and learning {self.hi - self.lo:,} tokens, reading {self.number + 1} of {self.count}"

    def begin(self) -> None:
        """A reading from the beginning starts with empty memories; what was learned stays."""
        self._at = self.lo
        if not self.lo:
            for memory in self.job.model.adaptive.values():
                memory.clear()

    def advance(self) -> bool:
        """One block; when the time for studying is up it is only taken in."""
        if self._at >= self.hi:
            return False
        job, model, train = self.job, self.job.model, self.job.parts.train
        alphabet = job.text.tokens[:train].long().unique()
        end = min(self._at + rows_at_once(_STUDY_BLOCK, len(alphabet)), self.hi)
        text, start = job.text.text(self._at, end, context=model.context)
        items, metrics = model.items(text, start), {}
        if job.spent() < _STUDY_SHARE:
            progress = (self.number + self._at / train) / self.count
            evidence = model.study(items, alphabet, progress=progress, write=True)
            first, target = next(iter(evidence.values())), columns(alphabet, text.tokens[start:])
            self._nats -= float(first.log_p[:, 0].gather(1, target[:, None]).double().sum())
            self._read += end - self._at
            metrics = {"nats_per_token": self._nats / self._read}
        else:
            for memory in model.adaptive.values():
                memory.stage(items)
                memory.commit()
        self._at = end
        job.tick("memory", self.number * train + end, self.count * train, metrics)
        return True

    def end(self) -> None:
        """Nothing is left to hand over."""

    def snapshot(self) -> Snapshot:
        """How far the reading is."""
        return Snapshot({}, {"at": self._at, "nats": self._nats, "read": self._read})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on behind what was read."""
        self._at, self._nats, self._read = (snapshot.numbers[k] for k in ("at", "nats", "read"))


@attrs.define
class Write:
    """Write ``lo .. hi - 1`` to the memories that have not studied it, and count its tokens."""

    job: Job
    lo: int
    hi: int
    studied: bool
    name: str = attrs.field(default="memory", init=False)
    _at: int = attrs.field(init=False)
    _held: int = attrs.field(default=0, init=False)

    @property
    def message(self) -> str:
        """How much is written."""
        return f"writing {self.hi - self.lo:,} tokens"

    def begin(self) -> None:
        """From the beginning."""
        self._at = self.lo

    def advance(self) -> bool:
        """One block. Memories of items sort all of them at each commit, so they get more at a time."""
        if self._at >= self.hi:
            return False
        model = self.job.model
        done = model.adaptive if self.studied else {}
        end = min(self._at + _WRITE_BLOCK, self.hi)
        model.stage(*self.job.text.text(self._at, end, context=model.context), studied=done)
        self._held += end - self._at
        self._at = end
        if len(model.adaptive) == len(model.memories) or self._held > (end - self.lo) // 4:
            self._commit()
        self.job.tick("memory", end - self.lo, self.hi - self.lo, {})
        return True

    def _commit(self) -> None:
        self.job.model.commit()
        self._held = 0

    def end(self) -> None:
        """Everything can be read."""
        self._commit()

    def snapshot(self) -> Snapshot:
        """How far it is; what was held back is committed, which changes when and not what."""
        self._commit()
        return Snapshot({}, {"at": self._at})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on behind what was written."""
        self._at = snapshot.numbers["at"]


@attrs.define
class FitMixer:
    """Fit everything that weighs evidence on the tail, which the memories have not taken in.

    Adaptive memories study it first, ``config.study.tail_passes`` times as it is and ``noise_passes`` times
    with errors; the mixer learns from what they say in the last reading, each block before they learn from it.
    """

    job: Job
    name: str = attrs.field(default="mixer", init=False)
    _number: int = attrs.field(default=0, init=False)
    _at: int = attrs.field(init=False)
    _moments: State = attrs.field(init=False)
    _reading: fitting.Reading = attrs.field(init=False)
    _origin: Tensor = attrs.field(init=False)

    @property
    def message(self) -> str:
        """How long the tail is."""
        parts = self.job.parts
        return f"fitting the mixer on {parts.train - parts.memory:,} tokens the memory has not seen"

    @property
    def _passes(self) -> tuple[int, int]:
        study = self.job.config.study
        return (study.tail_passes, study.noise_passes) if self.job.model.adaptive else (1, 0)

    def begin(self) -> None:
        """The mixer begins anew."""
        self.job.model.reset_mixer()
        self._moments = moments.init(self.job.model.weights)
        self._open(0)

    def _open(self, number: int) -> None:
        """Take up a reading: the clean ones come first."""
        job, parts = self.job, self.job.parts
        self._number, self._at, self._origin = number, parts.memory, job.generator.get_state()
        if number < self._passes[0] or number >= sum(self._passes):
            self._reading = fitting.Reading(job.text, parts.train, None)
        else:
            damaged = noise.damage(job.text, parts.memory, parts.train, generator=job.generator)
            self._reading = fitting.Reading(*damaged)

    def advance(self) -> bool:
        """One block; from 0.8 of the time limit on there is none but the first."""
        job, first, count = self.job, self.job.parts.memory, sum(self._passes)
        if self._at >= self._reading.end and self._number < count:
            self._open(self._number + 1)
        started = self._number or self._at > first
        if self._number >= count or (started and job.spent() > _MIXER_SHARE):
            return False
        reading, model = self._reading, job.model
        alphabet = job.text.tokens[: job.parts.train].long().unique()
        end = min(self._at + rows_at_once(_MIXER_BLOCK, len(alphabet)), reading.end)
        done, share = ((at - first) / (reading.end - first) for at in (self._at, end))
        text, start = reading.corpus.text(self._at, end, context=model.context)
        items = model.items(text, start)
        if reading.kept is not None:
            items = items._replace(kept=reading.kept[self._at - first : end - first])
        evidence = model.study(items, alphabet, progress=self._progress(done), write=False)
        metrics: dict[str, float] = {}
        if self._number == count - 1:
            inputs, targets = fitting.questions(
                model, items, evidence, alphabet, job.parts, job.config.mixer, job.generator
            )
            model.weights, self._moments, loss = fitting.mixer_steps(
                model.weights, self._moments, inputs, targets, job.config.mixer, done, share - done,
                job.generator,
            )  # fmt: skip
            metrics = {"tail_loss": loss}
        self._at = end
        size = job.parts.train - first
        job.tick("mixer", round(size * (self._number + share)), size * count, metrics)
        return True

    def _progress(self, done: float) -> float:
        """Share of the readings of this kind that is over."""
        clean, damaged = self._passes
        if self._number < clean:
            return (self._number + done) / clean
        return (self._number - clean + done) / damaged

    def end(self) -> None:
        """The model has the weights already."""

    def snapshot(self) -> Snapshot:
        """Which reading, how far it is, where its errors came from, and the moments."""
        tensors = {f"moments.{k}": v for k, v in self._moments.items()} | {"origin": self._origin}
        return Snapshot(tensors, {"number": self._number, "at": self._at})

    def restore(self, snapshot: Snapshot) -> None:
        """Damage the tail again as it was, and go on in it."""
        generator, now = self.job.generator, self.job.generator.get_state()
        generator.set_state(snapshot.tensors["origin"])
        self._open(snapshot.numbers["number"])
        generator.set_state(now)
        self._at = snapshot.numbers["at"]
        self._moments = under(snapshot.tensors, "moments.")


def under(tensors: State, prefix: str) -> State:
    """The entries whose names begin with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
