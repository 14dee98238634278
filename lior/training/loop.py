"""A training run from its first window to its last, or from where it was left.

:class:`Session` is the loop: it lets one stage after the other do its windows,
writes down where it stands now and then, and stops when it is told to.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
from torch import Generator

from lior import events
from lior.config import TrainConfig
from lior.data.corpus import Corpus
from lior.errors import RunError, Stopped, UsageError
from lior.model import baseline, evaluation
from lior.model.language_model import Model
from lior.runs.checkpoint import Training, fitting_together
from lior.runs.directory import RunDir
from lior.runs.manifest import read_manifest
from lior.runs.run import Run
from lior.runs.stored import Loaded
from lior.runs.telemetry import Telemetry
from lior.tensors import prefixed
from lior.training.stages import Job, Split, Stage, StageState, plan
from lior.training.stopwatch import Stopwatch


@attrs.frozen(kw_only=True)
class Result:
    """What a training run gives."""

    run: Run
    """The model with its documents: to complete, learn, forget and save."""
    summary: dict[str, Any]
    """The object that ``lior train --json`` prints."""

    @property
    def model(self) -> Model:
        """The model itself."""
        return self.run.model


@attrs.define(kw_only=True)
class Session:
    """A run and everything that it works with."""

    model: Model
    text: Corpus
    parts: Split
    config: TrainConfig
    generator: Generator
    clock: Stopwatch
    run: RunDir | None
    telemetry: Telemetry | None
    listeners: Iterable[object]
    stop: Callable[[], bool]
    _hook: Any = attrs.field(init=False)
    _stages: list[Stage] = attrs.field(init=False)
    _step: int = attrs.field(default=0, init=False)
    """Windows done so far."""
    _written: float = attrs.field(init=False)
    """When the last checkpoint was."""

    def __attrs_post_init__(self) -> None:
        heard = [*self.listeners, *([self.telemetry] if self.telemetry else [])]
        self._hook = events.manager(heard).hook
        self._stages = plan(
            Job(
                model=self.model,
                text=self.text,
                parts=self.parts,
                config=self.config,
                generator=self.generator,
                tick=self._tick,
                spent=self.clock.share(self.config.time_limit),
            )
        )  # fmt: skip
        self._written = time.monotonic()

    def run_from_the_start(self) -> Result:
        """Do all windows. The first checkpoint holds the text, so that nothing else is needed to go on."""
        self._hook.lior_train_start(config=self.config, run=self.run.path if self.run else None)
        self._write_down(0, None)
        return self._do(0, None)

    def go_on(self, numbers: Mapping[str, Any], tensors: Mapping[str, Any]) -> Result:
        """Do the windows that are left, from what :meth:`_write_down` wrote."""
        self._hook.lior_train_start(config=self.config, run=self.run.path if self.run else None)
        with fitting_together(self._place):
            self._step, first, begun = (numbers[key] for key in ("step", "stage", "numbers"))
            if not 0 <= first <= len(self._stages):
                raise UsageError(f"training stands in stage {first} of {len(self._stages)}")
        return self._do(first, None if begun is None else StageState(dict(tensors), begun))

    @property
    def _place(self) -> Path:
        """Where the run stood when it was opened."""
        assert self.run is not None
        assert self.run.checkpoint is not None
        return self.run.checkpoint

    def _do(self, first: int, state: StageState | None) -> Result:
        for index in range(first, len(self._stages)):
            stage = self._stages[index]
            if stage.message:
                self._hook.lior_train_stage(stage=stage.name, message=stage.message)
            with self.clock.measure(stage.name):
                if state is None:
                    stage.begin()
                else:
                    with fitting_together(self._place):
                        stage.restore(state)
                state = None
                while stage.advance():
                    self._step += 1
                    self._after_window(index, stage)
                stage.end()
        return self._finish()

    def _tick(self, stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        self._hook.lior_train_window(stage=stage, step=step, steps=steps, metrics=metrics)

    def _after_window(self, index: int, stage: Stage) -> None:
        if self.stop():
            self._write_down(index, stage)
            raise self._stopped(stage.name)
        seconds = self.config.checkpoint.seconds
        if self.run and seconds and time.monotonic() - self._written >= seconds:
            try:
                self._write_down(index, stage)
            except RunError as error:  # what was learned is still here, and so is the checkpoint before
                self._hook.lior_checkpoint_failed(error=error)
                self._written = time.monotonic()

    def _stopped(self, stage: str) -> Stopped:
        kept = "nothing was kept" if self.run is None else f"`lior train --resume {self.run.path}` goes on"
        return Stopped(f"stopped in stage {stage!r} after {self._step:,} windows; {kept}")

    def _write_down(self, index: int, stage: Stage | None, position: int | None = None) -> None:
        """Write a checkpoint that stands in the stage of that number, at its beginning without ``stage``."""
        if self.run is None or self.telemetry is None:
            return
        state = StageState({}, {}) if stage is None else stage.state()
        tensors = prefixed("stage", state.tensors) | {"generator": self.generator.get_state()}
        numbers = {
            "stage": index,
            "numbers": None if stage is None else state.numbers,
            "step": self._step,
            "parts": attrs.astuple(self.parts),
            "elapsed": self.clock.total,
            "seconds": self.clock.seconds,
            "metrics": self.telemetry.position if position is None else position,
        }
        self._save(training=Training(tensors=tensors, numbers=numbers))

    def _save(self, *, training: Training | None, score: float | None = None) -> None:
        assert self.run is not None
        try:
            self.run.save(self._step, self.model, self.text, self.parts.train, training=training, score=score)
        except OSError as error:
            way = (
                f"mend that, then `lior train --resume {self.run.path}` goes on from the checkpoint before"
                if self.run.checkpoint
                else "free some space, or give another --out"
            )
            raise RunError(f"{self.run.path}: cannot be written: {error.strerror or error}; {way}") from error
        self._written = time.monotonic()
        self._hook.lior_checkpoint_saved(path=self.run.checkpoint)

    def _finish(self) -> Result:
        """Score the model and keep it."""
        parts, model = self.parts, self.model
        position = self.telemetry.position if self.telemetry else 0
        self._step += 1

        def tick(stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
            self._tick(stage, step, steps, metrics)
            if step < steps and self.stop():
                self._write_down(len(self._stages), None, position)
                raise self._stopped(stage)

        message = f"scoring {parts.end - parts.train:,} tokens"
        self._hook.lior_train_stage(stage="validate", message=message)
        with self.clock.measure("validate"):
            score = evaluation.evaluate(model, self.text, parts.train, parts.end, stage="validate", tick=tick)
            reference = baseline.measure(self.text, parts.train, parts.end, vocab=model.tokenizer.vocab)
        self._step += 1
        summary = self._summary(score, reference)
        if self.run:
            self._save(training=None, score=summary["val_nats_per_byte"])
            self.run.finish(summary)
        place = self.run.checkpoint if self.run else None
        loaded = Loaded(model, self.text, parts.train, read_manifest(place) if place else {}, None)
        result = Result(run=Run(loaded, self.run.path if self.run else None, place), summary=summary)
        self._hook.lior_train_end(result=result)
        return result

    def _summary(self, score: evaluation.Score, reference: baseline.Baseline) -> dict[str, Any]:
        """The numbers of a run; the keys are documented in ``docs/interfaces.md``."""
        config, model = self.config, self.model
        used: dict[str, Any] = {"tokenizer": config.tokenizer.name, "memory": config.memory.names}
        for kind in ("encoder", "frame", "rsource", "product", "updater"):
            used[kind] = getattr(config, kind).name if model.geometry else None
        return {
            "run": str(self.run.path) if self.run else None,
            "bytes": self.text.bytes,
            "documents": len(self.text.names),
            "val_bytes": score.bytes,
            "val_nats_per_byte": score.nats_per_byte if score.bytes else None,
            "val_bits_per_byte": score.bits_per_byte if score.bytes else None,
            "baseline": reference.bits(score.tokens / score.bytes) if score.bytes else None,
            "seconds": self.clock.seconds | {"total": self.clock.total},
            "peak_rss_bytes": peak_rss(),
            "device": str(model.device),
            "components": used,
        }


def peak_rss() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
