"""The stage that fits what weighs the memories' evidence."""

from __future__ import annotations

import math

import attrs
from torch import Tensor

from lior.data import noise
from lior.errors import PluginError
from lior.geometry import adam as moments
from lior.interfaces import State
from lior.model.language_model import rows_at_once
from lior.tensors import prefixed, sub
from lior.training import fitting
from lior.training.stage import Job, Snapshot

_BLOCK = 8192
_TIME_SHARE = 0.8


@attrs.define
class FitMixer:
    """Fit everything that weighs evidence on the tail, which the memories have not taken in.

    Adaptive memories study it first, ``fit.calibration_passes`` times as it is and ``noise_passes`` times
    with errors; the mixer learns from what they say in the last reading, each block before they do.
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
        fit = self.job.config.fit
        return (fit.calibration_passes, fit.noise_passes) if self.job.model.adaptive else (1, 0)

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
        if self._number >= count or (started and job.spent() > _TIME_SHARE):
            return False
        reading, model = self._reading, job.model
        alphabet = job.alphabet
        end = min(self._at + rows_at_once(_BLOCK, len(alphabet)), reading.end)
        done, share = ((at - first) / (reading.end - first) for at in (self._at, end))
        text, start = reading.corpus.text(self._at, end, context=model.context)
        items = model.items(text, start)
        if reading.kept is not None:
            items = items._replace(kept=reading.kept[self._at - first : end - first])
        evidence = model.partial_fit(items, alphabet, progress=self._progress(done), write=False)
        metrics: dict[str, float] = {}
        if self._number == count - 1:
            inputs, targets = fitting.questions(
                model, items, evidence, alphabet, job.parts, job.config.mixer, job.generator
            )
            model.weights, self._moments, loss = fitting.mixer_steps(
                model.weights, self._moments, inputs, targets, job.config.mixer, done, share - done,
                job.generator,
            )  # fmt: skip
            if not math.isfinite(loss):
                raise self._culprit(inputs.log_p)
            metrics = {"tail_loss": loss}
        self._at = end
        size = job.parts.train - first
        job.tick("mixer", round(size * (self._number + share)), size * count, metrics)
        return True

    def _culprit(self, log_p: Tensor) -> PluginError:
        """Whose evidence is not a number, ``log_p (B, E, A)`` of all experts."""
        names = [name for name, memory in self.job.model.memories.items() for _ in memory.experts]
        wrong = log_p.isnan().any(2).any(0).tolist()
        found = sorted({name for name, bad in zip(names, wrong, strict=True) if bad}) or ["none by itself"]
        return PluginError(
            f"the mixer's loss is not finite; memories that gave no numbers: {', '.join(found)}"
        )

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
        tensors = prefixed("moments", self._moments) | {"origin": self._origin}
        return Snapshot(tensors, {"number": self._number, "at": self._at})

    def restore(self, snapshot: Snapshot) -> None:
        """Damage the tail again as it was, and go on in it."""
        generator, now = self.job.generator, self.job.generator.get_state()
        generator.set_state(snapshot.tensors["origin"])
        self._open(snapshot.numbers["number"])
        generator.set_state(now)
        self._at = snapshot.numbers["at"]
        self._moments = sub(snapshot.tensors, "moments")
