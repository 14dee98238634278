"""Progress of trainings that a command does one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lior.errors import Stopped
from lior_cli.interrupts import Stop
from lior_cli.progress import Progress

if TYPE_CHECKING:
    from lior_ritz.training import Trainer


class Watch:
    """Shows how far a training is, and ends it with ``Stopped`` when a signal came."""

    def __init__(self, progress: Progress, stop: Stop) -> None:
        self._progress, self._stop = progress, stop
        self._name = ""

    def __call__(self, name: str, values: Mapping[str, float], trainer: Trainer) -> None:
        """Look at one: its name, the options that it is for, and how far it is."""
        if self._name != name:
            self._name = name
            self._progress.lior_train_stage(stage=name, message=said(values))
        if phase := trainer.phase:
            step = trainer.progress.phase_step
            self._progress.lior_train_step(stage=name, step=step, steps=phase.steps, metrics={})
        if self._stop():
            raise Stopped("")


def said(values: Mapping[str, float]) -> str:
    """Options and their values in a line.

    >>> said({"delta": 0.5, "a": 1.0})
    'delta = 0.5, a = 1'
    """
    return ", ".join(f"{name} = {value:.6g}" for name, value in values.items())
