"""A run from its configuration to its artefacts, or from where it was stopped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from lior.errors import Stopped
from lior.runs import START, Loop, LoopState, Stopwatch, never_stop
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.reports import artefacts
from lior_ritz.runs import folder as rundir
from lior_ritz.runs.folder import RitzRun
from lior_ritz.training.solution import Solution, finished, judge

if TYPE_CHECKING:
    from lior_ritz.training.trainer import Phase, Trainer

_UNITS = {"adam": "first-order steps", "lbfgs": "quasi-Newton iterations"}


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
    """A phase of the trainer as a stage of the loop; the trainer begins its phases itself."""

    trainer: Trainer
    index: int
    progress: Callable[[str, int, int, dict[str, Any]], None]
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

    def begin(self) -> None: ...

    def end(self) -> None: ...

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
        self.progress(self.name, step, self._phase.steps, numbers)
        return True


@attrs.define(kw_only=True)
class _Training(Loop[_PhaseStage]):
    """The loop over the phases of a trainer, with its checkpoints."""

    kept: RitzRun
    trainer: Trainer | None
    begin: float
    """Seconds on the processor's clock at which the run began."""

    def write(self, state: LoopState, stage: _PhaseStage | None) -> None:
        """Write a checkpoint, of a network that is trained."""
        assert self.trainer is not None
        numbers = {"seconds": self.begin + time.process_time(), "loop": attrs.asdict(state)}
        self.kept.save(self.trainer, numbers, finished=False)

    def may_write(self, stage: _PhaseStage) -> bool:
        """After an evaluation only."""
        return stage.evaluated


def run(
    config: RitzConfig, out: Path, *, callbacks: Iterable[object] = (), stop: Callable[[], bool] = never_stop
) -> Solved:
    """Solve a problem and keep the run in ``out``.

    Raises ``UsageError`` when the configuration asks for what cannot be; ``RunError`` when the directory is
    not empty or cannot be written; ``Stopped`` when ``stop`` returned true.

    ``callbacks``: objects with methods of :class:`lior.events.Events`. ``stop``: asked after every step; when
    it returns true, a checkpoint is written and ``Stopped`` raised.
    """
    trainer = None
    if config.solver.network:
        from lior_ritz.training.trainer import Trainer

        trainer = Trainer(config, configuration.problem(config))
    return _solve(RitzRun.create(out, config), trainer, callbacks, stop)


def resume(path: Path, *, callbacks: Iterable[object] = (), stop: Callable[[], bool] = never_stop) -> Solved:
    """Go on with a run that was stopped; the outcome is that of a run never stopped.

    Raises ``RunError`` when there is no run, or it is finished or damaged; ``Stopped`` when ``stop`` returned
    true.
    """
    kept, trainer, state, spent = RitzRun.reopen(path)
    return _solve(kept, trainer, callbacks, stop, state, spent)


@contextlib.contextmanager
def _noted(kept: RitzRun) -> Iterator[None]:
    """Note in the directory how a run ends that does not come to its end, and let others change it."""
    try:
        yield
    except Stopped:
        kept.end("stopped")
        raise
    except Exception as error:
        with contextlib.suppress(OSError):  # the first error is the one to hear of
            kept.end("failed", error)
        raise
    finally:
        kept.close()


def _solve(
    kept: RitzRun,
    trainer: Trainer | None,
    callbacks: Iterable[object],
    stop: Callable[[], bool],
    state: LoopState = START,
    spent: float = 0.0,
) -> Solved:
    """Train to the end if there is a network, and write the results; ``spent`` processor seconds came
    before."""
    begin = spent - time.process_time()
    with _noted(kept):
        loop = _Training(
            kept=kept,
            trainer=trainer,
            begin=begin,
            folder=kept.folder,
            command="lior ritz resume",
            telemetry=kept.telemetry(state),
            callbacks=callbacks,
            stop=stop,
            interval=kept.config.training.checkpoint.seconds,
            clock=Stopwatch(state),
            step=state.step,
        )
        loop.hook.lior_train_start(config=kept.config, run=kept.path)
        if trainer:
            phases = range(len(trainer.phases))
            stages = [_PhaseStage(trainer=trainer, index=index, progress=loop.progress) for index in phases]
            loop.run(stages, trainer.progress.phase)
        loop.hook.lior_train_stage(stage="report", message="reference, bounds, reports and arrays")
        if trainer:
            solution = finished(trainer, begin + time.process_time())
            with loop.reported():
                kept.save(trainer, {"seconds": solution.seconds}, finished=True)
        else:
            solution = judge(kept.config)
        history = list(rundir.metrics(kept.path))
        summary = artefacts.write(solution, kept.path, run_id=kept.meta["run_id"], history=history)
        solved = Solved(solution=solution, summary=summary)
        kept.end(rundir.COMPLETED)
        loop.hook.lior_train_end(result=solved)
        return solved
