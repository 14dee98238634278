"""What a stage is, and what all stages of a run work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import attrs
from torch import Generator, Tensor

from lior.config import TrainConfig
from lior.data.corpus import Corpus
from lior.interfaces import State
from lior.model.language_model import Model
from lior.training.fitting import Split

Tick = Callable[[str, int, int, Mapping[str, float]], None]
"""Called after every window with (stage, step, steps, metrics)."""


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
    alphabet: Tensor = attrs.field(init=False)
    """The tokens of the training text, ascending; looked up once, because a GPU is waited for."""

    @alphabet.default
    def _tokens(self) -> Tensor:
        return self.text.tokens[: self.parts.train].long().unique()


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
        """What it does, in one line; empty when that is not worth a line."""

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
