"""A training run of lior: its checkpoints, the score of the model, and the finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import attrs
from torch import Generator

from lior.compiling import compiled
from lior.config import Component, TrainConfig, build
from lior.data.corpus import Corpus
from lior.geometry.retrieval import PARTS
from lior.model import baseline, evaluation
from lior.model.language_model import Model
from lior.process import peak_bytes
from lior.runs.checkpoint import Checkpoint, TrainingState
from lior.runs.directory import RunDirectory
from lior.runs.edits import Edited
from lior.runs.format import read_manifest
from lior.runs.loop import Loop, LoopState
from lior.runs.run import Run
from lior.tensors import add_prefix
from lior.training.control import WeighGeometry, can_weigh
from lior.training.job import Job, Split, Stage, StageState
from lior.training.reading import FitFolds, FitMemories, WriteText
from lior.training.stages import FitMixer, LearnGeometry

_STAGES = ("memory", "geometry", "folds", "mixer", "validate")


@attrs.define(kw_only=True)
class Training(Loop[Stage]):
    """A model in training, with everything that its stages work on."""

    model: Model
    text: Corpus
    parts: Split
    config: TrainConfig
    components: Mapping[str, Sequence[Component]]
    """Components of the model, as in a :class:`~lior.runs.checkpoint.Checkpoint`."""
    generator: Generator
    directory: RunDirectory | None
    found: dict[str, float] = attrs.field(factory=dict)
    """Measurements of the stages so far."""
    stages: list[Stage] = attrs.field(init=False)
    _job: Job = attrs.field(init=False)
    _waited: float = attrs.field(factory=compiled.waited, init=False)
    """Seconds that the process had waited for compiled code before this training."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        limit = self.config.time_limit
        self._job = Job(
            model=self.model,
            text=self.text,
            parts=self.parts,
            config=self.config,
            generator=self.generator,
            progress=self.progress,
            spent=lambda: self.clock.total / limit if limit else 0.0,
            found=self.found,
        )
        self.stages = plan(self._job)

    def begin(self) -> None:
        """Send the start event, and let memories with a slow first use prepare it."""
        for package in {compiled.HOME, *(each.compiled for each in self.model.abilities)} - {""}:
            compiled.begin_compiling(package)
        path = self.directory.path if self.directory else None
        self.hook.lior_train_start(config=self.config, run=path)

    def write(self, state: LoopState, stage: Stage | None) -> None:
        """Write a checkpoint inside ``stage``."""
        assert self.directory is not None
        own = StageState({}, {}) if stage is None else stage.state()
        training = TrainingState(
            tensors=add_prefix("stage", own.tensors) | {"generator": self.generator.get_state()},
            numbers={
                "loop": attrs.asdict(state),
                "stage": None if stage is None else own.numbers,
                "parts": attrs.astuple(self.parts),
                "found": self.found,
            },
        )
        self.directory.save(state.step, attrs.evolve(self._checkpoint(), training=training))

    def _checkpoint(self, score: float | None = None) -> Checkpoint:
        """Return the current model as a checkpoint."""
        return Checkpoint(
            model=self.model,
            corpus=self.text,
            n_train=self.parts.train,
            components=self._components(),
            score=score,
        )

    def _components(self) -> dict[str, Sequence[Component]]:
        """Return the components of the model, which may have dropped memories with its geometry."""
        memories = [part for part in self.components["memory"] if part.name in self.model.memories]
        return {**self.components, "memory": memories}

    def finish(self) -> Run:
        """Score the model and keep it."""
        parts, model = self.parts, self.model
        position = self.position
        self.step += 1

        def progress(stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
            self.progress(stage, step, steps, metrics)
            if step < steps:
                self.stop_if_asked(stage, len(self.stages), metrics=position)

        if parts.end > parts.train:
            message = f"scoring {parts.end - parts.train:,} tokens"
            self.hook.lior_train_stage(stage="validate", message=message)
        with self.clock.measure("validate"), ThreadPoolExecutor(1) as beside:
            measure = partial(
                baseline.measure, self.text, parts.train, parts.end, vocab=model.tokenizer.vocab
            )
            # Another core has time for it; two threads would only compete for a GPU.
            wanted = beside.submit(measure) if model.device.type == "cpu" else None
            score = evaluation.evaluate(
                model, self.text, parts.train, parts.end, stage="validate", progress=progress
            )
            reference = wanted.result() if wanted else measure()
        self.step += 1
        self._learn_held_out()
        summary = self._summary(score, reference)
        run = self._kept(self._checkpoint(summary["val_nats_per_byte"]), summary)
        self.hook.lior_train_end(result=run)
        return run

    def _kept(self, checkpoint: Checkpoint, summary: dict[str, Any]) -> Run:
        """Write the last checkpoint and the summary, if there is a directory."""
        directory = self.directory
        if directory is None:
            return Run(Edited(checkpoint), summary)
        with self.reported():
            directory.save(self.step, checkpoint)
        directory.finish(summary)
        newest = directory.folder.newest
        assert newest is not None
        checkpoint = attrs.evolve(checkpoint, manifest=read_manifest(newest))
        return Run(Edited(checkpoint, directory.path, newest), summary)

    def _learn_held_out(self) -> None:
        """Write the held-out text to the memories, unless it is kept or a text of its own.

        Fitted parameters do not change, as when a document is learned later. This cannot be stopped: the
        checkpoint before has not read any of it, so an interrupted run is scored again, and without an
        advantage.
        """
        parts, data = self.parts, self.config.data
        if parts.train == parts.end or data.valid or data.after_validation == "keep":
            return
        stage = WriteText(self._job, parts.train, parts.end, fitted=False)
        self.hook.lior_train_stage(stage=stage.name, message=f"{stage.message} that were held out")
        with self.clock.measure(stage.name):
            stage.begin()
            while stage.advance():
                pass
            stage.end()
        self.parts = attrs.evolve(parts, train=parts.end)

    def _summary(self, score: evaluation.Score, reference: baseline.Baseline) -> dict[str, Any]:
        """Return the numbers of a run; the keys are documented in ``docs/interfaces.md``."""
        config, model = self.config, self.model
        used: dict[str, Any] = {"tokenizer": config.tokenizer.name, "memory": [*model.memories]}
        for kind in (*PARTS, "updater"):
            used[kind] = getattr(config, kind).name if model.geometry else None
        seconds = dict.fromkeys(_STAGES, 0.0) | self.clock.seconds
        seconds |= {"compiling": compiled.waited() - self._waited, "total": self.clock.total}
        return {
            "run": str(self.directory.path) if self.directory else None,
            "bytes": self.text.bytes,
            "documents": self.text.documents,
            "val_bytes": score.bytes,
            "val_nats_per_byte": score.nats_per_byte if score.bytes else None,
            "val_bits_per_byte": score.bits_per_byte if score.bytes else None,
            "val_learned": bool(score.bytes) and self.parts.train == self.parts.end,
            "baseline": reference.bits(score.tokens / score.bytes) if score.bytes else None,
            "geometry_bits_per_byte": self.found.get("geometry"),
            "geometry_error": self.found.get("geometry_error"),
            "geometry_random_bits_per_byte": self.found.get("geometry_random"),
            "geometry_random_error": self.found.get("geometry_random_error"),
            "geometry_dropped": self.found.get("geometry_kept") == 0,
            "seconds": seconds,
            "peak_rss_bytes": peak_bytes(),
            "device": str(model.device),
            "components": used,
        }


def plan(job: Job) -> list[Stage]:
    """Return the stages of ``job``: metric, text, mixer on the calibration split, then that split as text.

    The gain from the geometry is measured before the mixer is fitted, while no memory knows that split, and
    before memories that may leave with the geometry hold the text.

    Fitted memories read the text ``fit.passes`` times, the last time without the calibration split, which
    they read after the mixer has been fitted on it. Before the mixer, each part of the text is read by a
    memory of the other parts.
    """
    model, parts, config = job.model, job.parts, job.config
    passes = config.fit.passes if model.fitted else 0
    stages: list[Stage] = []
    weigh: list[Stage] = []
    if model.geometry:
        metric = LearnGeometry(job, model.geometry, build("updater", config.updater))
        stages.append(metric)
        weigh += [WeighGeometry(job, metric)] if can_weigh(model) else []
    elif "geometry_kept" in job.found:  # these two are done and the geometry is gone: hold their places
        stages.append(WriteText(job, 0, 0, fitted=True))
        weigh.append(WriteText(job, 0, 0, fitted=True))
    for number in range(passes):
        end = parts.train if number + 1 < passes else parts.memory
        stages.append(FitMemories(job, 0, end, number, passes))
    written = WriteText(job, 0, parts.memory, passes > 0)
    stages += [*weigh, written] if passes else [written, *weigh]
    stages += [FitFolds(job)] if job.folds else []
    stages.append(FitMixer(job))
    if passes:
        stages.append(FitMemories(job, parts.memory, parts.train, passes - 1, passes))
    return [*stages, WriteText(job, parts.memory, parts.train, passes > 0)]
