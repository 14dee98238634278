"""A run from its configuration to its artefacts, or from where it was left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from lior import events
from lior.errors import RunError, Stopped
from lior_ritz import artefacts, rundir
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.rundir import RitzRun
from lior_ritz.solution import Solution, finished
from lior_ritz.training import Phase, Trainer

_SAYS = {
    "adam": "first-order steps",
    "adamw": "first-order steps",
    "lbfgs": "quasi-Newton iterations",
    "polish": "iterations that lower the residuals",
}


@attrs.frozen(kw_only=True)
class Result:
    """What a run gives."""

    solution: Solution
    summary: dict[str, Any]
    """``reports/final_summary.json``, which `lior ritz run --json` prints."""

    @property
    def headline(self) -> str:
        """The outcome in one line, for the log."""
        levels = ", ".join(f"{each:.9g}" for each in self.summary["final_E_meV"])
        return f"{levels} meV; {self.summary['verdict']}"


@attrs.define(kw_only=True)
class Session:
    """A trainer and the directory that it is written to."""

    trainer: Trainer
    run: RitzRun
    listeners: Iterable[object]
    stop: Callable[[], bool]
    position: int = 0
    """Bytes of the metrics that were written when training was left."""
    elapsed: float = 0.0
    """Wall-clock seconds until then."""
    spent: float = 0.0
    """Processor seconds until then."""
    _hook: Any = attrs.field(init=False)
    _telemetry: Any = attrs.field(init=False)
    _begin: tuple[float, float] = attrs.field(init=False)
    _written: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._telemetry = self.run.telemetry(self.position, self.elapsed)
        self._hook = events.manager([*self.listeners, self._telemetry]).hook
        self._begin = time.perf_counter(), time.process_time()
        self._written = time.monotonic()

    def do(self) -> Result:
        """Train to the end, and write what was found."""
        trainer = self.trainer
        self._hook.lior_train_start(config=self.run.config, run=self.run.path)
        phase: Phase | None = None
        while trainer.phase is not None:
            if trainer.phase is not phase:
                phase = trainer.phase
                message = f"{phase.steps:,} {_SAYS[phase.name]}"
                self._hook.lior_train_stage(stage=phase.name, message=message)
            self._step(phase)
        self._hook.lior_train_stage(stage="report", message="bounds, referee, reports and arrays")
        solution = finished(trainer, self._processor_seconds())
        self._save(finished=True)
        history = list(rundir.metrics(self.run.path))
        summary = artefacts.write(solution, self.run.path, run_id=self.run.meta["run_id"], history=history)
        result = Result(solution=solution, summary=summary)
        self.run.end("completed")
        self._hook.lior_train_end(result=result)
        return result

    def _step(self, phase: Phase) -> None:
        trainer = self.trainer
        at = trainer.progress.phase_step + 1
        numbers = trainer.step()
        evaluated = trainer.evaluated
        if evaluated:
            numbers |= trainer.check()
        self._hook.lior_train_window(stage=phase.name, step=at, steps=phase.steps, metrics=numbers)
        if self.stop():
            self._save(finished=False)
            raise Stopped(
                f"stopped in phase {phase.name!r} after {trainer.progress.step:,} steps; "
                f"`lior ritz resume {self.run.path}` goes on"
            )
        if evaluated and time.monotonic() - self._written >= self.run.config.training.checkpoint.seconds:
            try:
                self._save(finished=False)
            except RunError as error:  # what was learned is still here, and so is the checkpoint before
                self._hook.lior_checkpoint_failed(error=error)
                self._written = time.monotonic()

    def _processor_seconds(self) -> float:
        return self.spent + time.process_time() - self._begin[1]

    def _save(self, *, finished: bool) -> None:
        numbers = {
            "metrics": self._telemetry.position,
            "elapsed": self.elapsed + time.perf_counter() - self._begin[0],
            "seconds": self._processor_seconds(),
        }
        try:
            self.run.save(self.trainer, numbers, finished=finished)
        except OSError as error:
            raise RunError(
                f"{self.run.path}: cannot be written: {error.strerror or error}; free some space and repeat"
            ) from error
        self._written = time.monotonic()
        self._hook.lior_checkpoint_saved(path=self.run.folder.newest)


def _never() -> bool:
    return False


def run(
    config: RitzConfig, out: Path, *, listeners: Iterable[object] = (), stop: Callable[[], bool] = _never
) -> Result:
    """Solve a problem and keep the run in ``out``.

    Parameters
    ----------
    listeners
        Objects with methods of :class:`lior.events.Events`.
    stop
        Asked after every step; when it says so, a checkpoint is written and ``Stopped`` raised.

    Raises
    ------
    UsageError
        When the configuration asks for what cannot be.
    RunError
        When the directory is not empty or cannot be written.
    Stopped
        When ``stop`` said so.
    """
    trainer = Trainer(config, configuration.problem(config))
    return _kept(RitzRun.create(out, config), trainer, listeners=listeners, stop=stop)


def resume(path: Path, *, listeners: Iterable[object] = (), stop: Callable[[], bool] = _never) -> Result:
    """Go on with a run that was stopped; what comes out is what would have without the stop.

    Raises
    ------
    RunError
        When there is nothing to go on with.
    Stopped
        When ``stop`` said so.
    """
    kept, trainer, manifest = RitzRun.reopen(path)
    return _kept(
        kept, trainer, listeners=listeners, stop=stop,
        position=manifest["metrics"], elapsed=manifest["elapsed"], spent=manifest["seconds"],
    )  # fmt: skip


def _kept(kept: RitzRun, trainer: Trainer, **given: Any) -> Result:
    try:
        return Session(trainer=trainer, run=kept, **given).do()
    except Stopped:
        kept.end("stopped")
        raise
    except Exception as error:
        with contextlib.suppress(OSError):  # the first error is the one to hear of
            kept.fail(error)
        raise
    finally:
        kept.close()
