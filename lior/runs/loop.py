"""The loop of a training run: step after step, with regular checkpoints, and a stop on request.

Any program can train with it: lior runs its stages in it, lior-ritz the phases of its optimisers. A program
derives a subclass from :class:`Loop` that writes the contents of its checkpoints, and provides the stages.
The loop sends the events, measures the time and decides when to write.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import attrs
from attrs.validators import instance_of

from lior import events
from lior.errors import RunError, Stopped
from lior.events import Metrics
from lior.plugins.listening import installed
from lior.runs.folder import RunFolder
from lior.runs.telemetry import Telemetry


class LoopStage(Protocol):
    """A part of training with its own steps, in the form that the loop needs."""

    @property
    def name(self) -> str:
        """Name in events and in telemetry."""

    @property
    def message(self) -> str:
        """Description of its work in one line; empty if the stage needs no line."""

    def begin(self) -> None:
        """Prepare for the first step; not called when the stage is restored."""

    def advance(self) -> bool:
        """Do the next step; returns False when there is none left."""

    def end(self) -> None:
        """Hand over the results, after the last step."""


S = TypeVar("S", bound=LoopStage)


@attrs.frozen(kw_only=True)
class LoopState:
    """Position of a loop: stage, step and times; ``attrs.asdict`` makes it ready for JSON.

    Raises ``TypeError`` for a field of a wrong type.
    """

    stage: int = attrs.field(validator=instance_of(int))
    """Index of the stage."""
    step: int = attrs.field(validator=instance_of(int))
    """Number of steps done so far, in all stages."""
    elapsed: float = attrs.field(validator=instance_of(float))
    """Seconds since the start of the run."""
    seconds: dict[str, float] = attrs.field(validator=instance_of(dict))
    """Seconds of each stage."""
    metrics: int = attrs.field(validator=instance_of(int))
    """Number of bytes of the metrics written so far."""


START = LoopState(stage=0, step=0, elapsed=0.0, seconds={}, metrics=0)
"""The state of a loop before its first step."""


class Stopwatch:
    """Wall-clock seconds of a run and its stages, continued from ``state``."""

    def __init__(self, state: LoopState = START) -> None:
        self._begin = time.perf_counter() - state.elapsed
        self._stage, self._since = "", 0.0
        self._seconds = dict(state.seconds)

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begin

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of every stage, including the current one so far."""
        if not self._stage:
            return dict(self._seconds)
        now = self._seconds.get(self._stage, 0.0) + time.perf_counter() - self._since
        return self._seconds | {self._stage: now}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of the block to ``stage`` (context manager)."""
        self._stage, self._since = stage, time.perf_counter()
        try:
            yield
        finally:
            self._seconds, self._stage = self.seconds, ""


def never_stop() -> bool:
    """Return False: do not stop."""
    return False


@attrs.define(kw_only=True)
class Loop(ABC, Generic[S]):
    """Base class of a training: does the steps of its stages, writes checkpoints, and stops on request."""

    folder: RunFolder | None
    """Directory of the run; without one nothing is written."""
    command: str
    """Command that resumes a run when its directory is added, such as ``lior train --resume``."""
    telemetry: Telemetry | None = None
    callbacks: Iterable[object] = ()
    """Objects with methods of :class:`lior.events.Events`."""
    stop: Callable[[], bool] = never_stop
    """Called after every step; when it returns true, a checkpoint is written and ``Stopped`` raised."""
    interval: float
    """Seconds between checkpoints; ``math.inf`` writes no regular ones."""
    clock: Stopwatch = attrs.field(factory=Stopwatch)
    step: int = 0
    """Number of steps done so far, in all stages."""
    hook: Any = attrs.field(init=False)
    """Sender of events: ``hook.lior_train_stage(...)``."""
    _saved: float = attrs.field(factory=time.monotonic, init=False)
    """Time of the last checkpoint, or of the last attempt."""

    def __attrs_post_init__(self) -> None:
        heard = [*self.callbacks, *([self.telemetry] if self.telemetry else []), *installed()]
        self.hook = events.manager(heard).hook

    @abstractmethod
    def write(self, state: LoopState, stage: S | None) -> None:
        """Write a checkpoint inside a stage, or at its beginning if it is ``None``; raises ``OSError``."""

    def may_write(self, stage: S) -> bool:
        """Return whether a regular checkpoint may be written after the last step of ``stage``."""
        return True

    def progress(self, stage: str, step: int, steps: int, metrics: Metrics) -> None:
        """Report that step ``step`` of ``steps`` of a stage is done."""
        self.hook.lior_train_step(stage=stage, step=step, steps=steps, metrics=metrics)

    @property
    def position(self) -> int:
        """Number of bytes of the metrics written so far."""
        return self.telemetry.position if self.telemetry else 0

    def run(self, stages: Sequence[S], first: int = 0, restore: Callable[[S], None] | None = None) -> None:
        """Do the steps of the stages from number ``first`` on.

        Parameters
        ----------
        restore
            Function that restores the first of them to its interrupted state; by default it begins anew.

        Raises
        ------
        Stopped
            When :attr:`stop` returned true.
        RunError
            When the checkpoint of a stop cannot be written.
        """
        for index in range(first, len(stages)):
            stage = stages[index]
            if stage.message:
                self.hook.lior_train_stage(stage=stage.name, message=stage.message)
            with self.clock.measure(stage.name):
                if restore:
                    restore(stage)
                else:
                    stage.begin()
                restore = None
                while stage.advance():
                    self.step += 1
                    self.stop_if_asked(stage.name, index, stage)
                    if time.monotonic() - self._saved >= self.interval and self.may_write(stage):
                        self._try_to_save(index, stage)
                stage.end()

    def stop_if_asked(
        self, name: str, index: int, stage: S | None = None, metrics: int | None = None
    ) -> None:
        """Save and raise ``Stopped`` if :attr:`stop` returns true; arguments as for :meth:`save`."""
        if self.stop():
            self.save(index, stage, metrics)
            resume = f"`{self.command} {self.folder.path}` goes on" if self.folder else "nothing was kept"
            raise Stopped(f"stopped in stage {name!r} after {self.step:,} steps; {resume}")

    def _try_to_save(self, index: int, stage: S) -> None:
        try:
            self.save(index, stage)
        except RunError as error:  # the model is still in memory, and the previous checkpoint on the disk
            self.hook.lior_checkpoint_failed(error=error)
            self._saved = time.monotonic()

    def save(self, index: int, stage: S | None = None, metrics: int | None = None) -> None:
        """Write a checkpoint inside the stage of that index, or at its beginning without ``stage``.

        Without a directory nothing is written.

        Parameters
        ----------
        metrics
            Number of bytes of the metrics that belong to it; all by default.

        Raises
        ------
        RunError
            When it cannot be written.
        """
        if self.folder is not None:
            with self.reported():
                self.write(self.state(index, metrics), stage)

    def state(self, index: int, metrics: int | None = None) -> LoopState:
        """Return the state of the loop in the stage of that index; ``metrics`` as for :meth:`save`."""
        return LoopState(
            stage=index,
            step=self.step,
            elapsed=self.clock.total,
            seconds=self.clock.seconds,
            metrics=self.position if metrics is None else metrics,
        )

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Send the event of a written checkpoint (context manager); raises as :meth:`save`."""
        assert self.folder is not None
        try:
            yield
        except OSError as error:
            remedy = (
                f"mend that, then `{self.command} {self.folder.path}` goes on from the checkpoint before"
                if self.folder.newest
                else "free some space, or give another --out"
            )
            fault = f"cannot be written: {error.strerror or error}"
            raise RunError(f"{self.folder.path}: {fault}; {remedy}") from error
        self._saved = time.monotonic()
        self.hook.lior_checkpoint_saved(path=self.folder.newest)
