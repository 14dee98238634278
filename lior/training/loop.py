"""A training run of lior: the loop over its stages, the score of the model, and the finished run."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from torch import Generator

from lior.config import TrainConfig
from lior.data.corpus import Corpus
from lior.errors import UsageError
from lior.geometry.retrieval import PARTS
from lior.interfaces import PreparedMemory
from lior.model import baseline, evaluation
from lior.model.language_model import Model
from lior.runs.checkpoint import Checkpoint, TrainingState, misfits_as_run_errors, read_manifest
from lior.runs.directory import RunDirectory
from lior.runs.loop import Loop, LoopState, Stopwatch
from lior.runs.run import Run
from lior.runs.telemetry import Telemetry
from lior.tensors import prefixed, sub
from lior.training.stages import Job, Split, Stage, StageState, WriteText, plan

_STAGES = ("memory", "geometry", "mixer", "validate")


@attrs.define(kw_only=True)
class Training:
    """A model in training, with everything that its stages work on."""

    model: Model
    text: Corpus
    parts: Split
    config: TrainConfig
    generator: Generator
    clock: Stopwatch
    directory: RunDirectory | None
    telemetry: Telemetry | None
    callbacks: Iterable[object]
    stop: Callable[[], bool]
    _loop: Loop[Stage] = attrs.field(init=False)
    _stages: list[Stage] = attrs.field(init=False)
    _job: Job = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        limit = self.config.time_limit
        self._loop = Loop(
            folder=self.directory.folder if self.directory else None, command="lior train --resume",
            write=self._write, telemetry=self.telemetry, callbacks=self.callbacks, stop=self.stop,
            interval=self.config.checkpoint.seconds or math.inf, clock=self.clock,
        )  # fmt: skip
        self._job = job = Job(
            model=self.model, text=self.text, parts=self.parts, config=self.config, generator=self.generator,
            tick=self._loop.tick, spent=lambda: self.clock.total / limit if limit else 0.0,
        )  # fmt: skip
        self._stages = plan(job)

    def begin(self) -> Run:
        """Train from the start. The first checkpoint holds the text: nothing else is needed to resume."""
        self._start()
        self._loop.save(0)
        self._loop.run(self._stages)
        return self._finish()

    def resume(self, training: TrainingState) -> Run:
        """Do the steps that are left after the checkpoint from which the directory was opened."""
        assert self.directory is not None
        place = self.directory.folder.newest
        assert place is not None
        self._start()
        with misfits_as_run_errors(place):
            state, begun = LoopState(**training.numbers["loop"]), training.numbers["stage"]
            if not 0 <= state.stage <= len(self._stages):
                raise UsageError(f"training stands in stage {state.stage} of {len(self._stages)}")
        self._loop.step = state.step

        def restore(stage: Stage) -> None:
            with misfits_as_run_errors(place):
                stage.restore(StageState(sub(training.tensors, "stage"), begun))

        self._loop.run(self._stages, state.stage, None if begun is None else restore)
        return self._finish()

    def _start(self) -> None:
        for memory in self.model.memories.values():
            if isinstance(memory, PreparedMemory):
                memory.prepare()
        path = self.directory.path if self.directory else None
        self._loop.hook.lior_train_start(config=self.config, run=path)

    def _write(self, state: LoopState, stage: Stage | None) -> None:
        """Write a checkpoint that stands in ``stage``."""
        assert self.directory is not None
        own = StageState({}, {}) if stage is None else stage.state()
        training = TrainingState(
            tensors=prefixed("stage", own.tensors) | {"generator": self.generator.get_state()},
            numbers={
                "loop": attrs.asdict(state),
                "stage": None if stage is None else own.numbers,
                "parts": attrs.astuple(self.parts),
            },
        )
        self.directory.save(state.step, attrs.evolve(self._checkpoint(), training=training))

    def _checkpoint(self, score: float | None = None) -> Checkpoint:
        """The model as it is now."""
        config = self.config
        parts: dict[str, Any] = {kind: getattr(config, kind) for kind in ("tokenizer", *PARTS)}
        parts["memory"] = list(config.memory.components)
        return Checkpoint(
            model=self.model, corpus=self.text, train=self.parts.train, components=parts, score=score
        )

    def _finish(self) -> Run:
        """Score the model and keep it."""
        parts, model, loop = self.parts, self.model, self._loop
        position = loop.position
        loop.step += 1

        def tick(stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
            loop.tick(stage, step, steps, metrics)
            if step < steps:
                loop.stop_if_asked(stage, len(self._stages), metrics=position)

        message = f"scoring {parts.end - parts.train:,} tokens"
        loop.hook.lior_train_stage(stage="validate", message=message)
        with self.clock.measure("validate"):
            score = evaluation.evaluate(model, self.text, parts.train, parts.end, stage="validate", tick=tick)
            reference = baseline.measure(self.text, parts.train, parts.end, vocab=model.tokenizer.vocab)
        loop.step += 1
        self._take_in()
        summary = self._summary(score, reference)
        checkpoint, directory = self._checkpoint(summary["val_nats_per_byte"]), self.directory
        path = place = None
        if directory:
            loop.report(lambda: directory.save(loop.step, checkpoint))
            directory.finish(summary)
            path, place = directory.path, directory.folder.newest
            assert place is not None
            checkpoint = attrs.evolve(checkpoint, manifest=read_manifest(place))
        run = Run(checkpoint, path, summary, place)
        loop.hook.lior_train_end(result=run)
        return run

    def _take_in(self) -> None:
        """Write the held-out text to the memories, unless it is kept or a text of its own.

        What was fitted stays, as when a document is learned later. There is no stop in here: the checkpoint
        before has not taken in anything, so an interrupted run is scored again, and without profit.
        """
        parts, data = self.parts, self.config.data
        if parts.train == parts.end or data.valid or data.after_validation == "keep":
            return
        stage = WriteText(self._job, parts.train, parts.end, fitted=False)
        self._loop.hook.lior_train_stage(stage=stage.name, message=f"{stage.message} that were held out")
        with self.clock.measure(stage.name):
            stage.begin()
            while stage.advance():
                pass
            stage.end()
        self.parts = attrs.evolve(parts, train=parts.end)

    def _summary(self, score: evaluation.Score, reference: baseline.Baseline) -> dict[str, Any]:
        """The numbers of a run; the keys are documented in ``docs/interfaces.md``."""
        config, model = self.config, self.model
        used: dict[str, Any] = {"tokenizer": config.tokenizer.name, "memory": config.memory.names}
        for kind in (*PARTS, "updater"):
            used[kind] = getattr(config, kind).name if model.geometry else None
        seconds = dict.fromkeys(_STAGES, 0.0) | self.clock.seconds
        return {
            "run": str(self.directory.path) if self.directory else None,
            "bytes": self.text.bytes,
            "documents": self.text.documents,
            "val_bytes": score.bytes,
            "val_nats_per_byte": score.nats_per_byte if score.bytes else None,
            "val_bits_per_byte": score.bits_per_byte if score.bytes else None,
            "val_learned": bool(score.bytes) and self.parts.train == self.parts.end,
            "baseline": reference.bits(score.tokens / score.bytes) if score.bytes else None,
            "seconds": seconds | {"total": self.clock.total},
            "peak_rss_bytes": peak_rss(),
            "device": str(model.device),
            "components": used,
        }


def peak_rss() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
