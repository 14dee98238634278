"""A run from its configuration to its artefacts, or from where it was stopped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from lior.errors import Stopped
from lior.runs.loop import START, Loop, LoopState, Stopwatch, never
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.reports import artefacts
from lior_ritz.runs import folder as rundir
from lior_ritz.runs.folder import RitzRun
from lior_ritz.training.solution import Solution, finished
from lior_ritz.training.trainer import Phase, Trainer

_UNITS = {
    "adam": "first-order steps",
    "lbfgs": "quasi-Newton iterations",
}


@attrs.frozen(kw_only=True)
class Solved:
    """The outcome of a run."""

    solution: Solution
    summary: dict[str, Any]
    """``results.json``, which `lior ritz run --json` prints."""

    @property
    def headline(self) -> str:
        """The outcome in one line, for the log."""
        levels = ", ".join(f"{each['E_meV']:.9g}" for each in self.summary["levels"])
        return f"{levels} meV; {self.summary['verdict']}"


@attrs.define(kw_only=True)
class _PhaseStage:
    """A phase of the trainer as a stage of the loop."""

    trainer: Trainer
    index: int
    tick: Callable[[str, int, int, dict[str, Any]], None]
    evaluated: bool = False
    """Whether the last step ended with an evaluation."""

    @property
    def _phase(self) -> Phase:
        return self.trainer.phases[self.index]

    @property
    def name(self) -> str:
        return self._phase.name

    @property
    def message(self) -> str:
        return f"{self._phase.steps:,} {_UNITS[self.name]}"

    def begin(self) -> None:
        """The trainer begins its phases itself."""

    def advance(self) -> bool:
        """One step; a phase is over when the trainer has gone on to the next."""
        trainer = self.trainer
        if trainer.progress.phase != self.index:
            return False
        step = trainer.progress.phase_step + 1
        numbers = trainer.step()
        self.evaluated = trainer.evaluated
        if self.evaluated:
            numbers |= trainer.check()
        self.tick(self.name, step, self._phase.steps, numbers)
        return True

    def end(self) -> None:
        """The trainer has the results already."""


@attrs.define(kw_only=True)
class _Session:
    """A trainer and the directory that it is written to."""

    trainer: Trainer
    run: RitzRun
    callbacks: Iterable[object]
    stop: Callable[[], bool]
    state: LoopState = START
    spent: float = 0.0
    """Processor seconds until training was stopped."""
    _begin: float = attrs.field(factory=time.process_time, init=False)

    def train(self) -> Solved:
        """Train to the end, and write the results."""
        trainer, run = self.trainer, self.run
        loop: Loop[_PhaseStage] = Loop(
            folder=run.folder, command="lior ritz resume", write=self._write,
            telemetry=run.telemetry(self.state.metrics, self.state.elapsed),
            callbacks=self.callbacks, stop=self.stop, interval=run.config.training.checkpoint.seconds,
            may_write=lambda stage: stage.evaluated, clock=Stopwatch(self.state), step=self.state.step,
        )  # fmt: skip
        loop.hook.lior_train_start(config=run.config, run=run.path)
        stages = [
            _PhaseStage(trainer=trainer, index=index, tick=loop.tick) for index in range(len(trainer.phases))
        ]
        loop.run(stages, trainer.progress.phase)
        loop.hook.lior_train_stage(stage="report", message="bounds, referee, reports and arrays")
        solution = finished(trainer, self._processor_seconds())
        loop.report(lambda: run.save(trainer, self._numbers(), finished=True))
        history = list(rundir.metrics(run.path))
        summary = artefacts.write(solution, run.path, run_id=run.meta["run_id"], history=history)
        solved = Solved(solution=solution, summary=summary)
        run.end("completed")
        loop.hook.lior_train_end(result=solved)
        return solved

    def _write(self, state: LoopState, _: _PhaseStage | None) -> None:
        self.run.save(self.trainer, self._numbers() | {"loop": attrs.asdict(state)}, finished=False)

    def _numbers(self) -> dict[str, Any]:
        return {"seconds": self._processor_seconds()}

    def _processor_seconds(self) -> float:
        return self.spent + time.process_time() - self._begin


def run(
    config: RitzConfig, out: Path, *, callbacks: Iterable[object] = (), stop: Callable[[], bool] = never
) -> Solved:
    """Solve a problem and keep the run in ``out``.

    Parameters
    ----------
    callbacks
        Objects with methods of :class:`lior.events.Events`.
    stop
        Asked after every step; when it returns true, a checkpoint is written and ``Stopped`` raised.

    Raises
    ------
    UsageError
        When the configuration asks for what cannot be.
    RunError
        When the directory is not empty or cannot be written.
    Stopped
        When ``stop`` returned true.
    """
    trainer = Trainer(config, configuration.problem(config))
    kept = RitzRun.create(out, config)
    return _trained(_Session(trainer=trainer, run=kept, callbacks=callbacks, stop=stop))


def resume(path: Path, *, callbacks: Iterable[object] = (), stop: Callable[[], bool] = never) -> Solved:
    """Go on with a run that was stopped; the outcome is that of a run never stopped.

    Raises
    ------
    RunError
        When there is no run, or it is finished or damaged.
    Stopped
        When ``stop`` returned true.
    """
    kept, trainer, state, spent = RitzRun.reopen(path)
    session = _Session(trainer=trainer, run=kept, callbacks=callbacks, stop=stop, state=state, spent=spent)
    return _trained(session)


def _trained(session: _Session) -> Solved:
    """Train, and note in the directory how the run ended."""
    kept = session.run
    try:
        return session.train()
    except Stopped:
        kept.end("stopped")
        raise
    except Exception as error:
        with contextlib.suppress(OSError):  # the first error is the one to hear of
            kept.fail(error)
        raise
    finally:
        kept.close()
