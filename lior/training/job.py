"""The common data of a training's stages, and the interface of a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import attrs
from torch import Generator, Tensor

from lior.config import TrainConfig
from lior.data.corpus import Corpus
from lior.interfaces import State
from lior.model import memories
from lior.model.evaluation import ProgressCallback
from lior.model.language_model import Model
from lior.runs.loop import LoopStage


@attrs.frozen
class Split:
    """Token positions at which the parts of a corpus end: memory, calibration split, validation text."""

    memory: int
    train: int
    end: int


@attrs.frozen(kw_only=True)
class Job:
    """The common data of a training's stages: model, text, configuration, random generator."""

    model: Model
    text: Corpus
    parts: Split
    config: TrainConfig
    generator: Generator
    progress: ProgressCallback
    """Callback after every step with (stage, step, steps, metrics)."""
    spent: Callable[[], float]
    """Function that returns the used share of the run's time limit."""
    found: dict[str, float] = attrs.field(factory=dict)
    """Measurements of the stages, for the summary of the run; checkpoints store it."""
    alphabet: Tensor = attrs.field(init=False)
    """Tokens of the training text, ascending; computed once, because it waits for a GPU."""

    @property
    def folds(self) -> bool:
        """Whether memories are fitted on parts of their own text."""
        folded = memories.folded(self.model.memories)
        return bool(self.config.fit.folds and folded and self.parts.memory)

    @alphabet.default
    def _tokens(self) -> Tensor:
        return self.text.tokens[: self.parts.train].long().unique()


class StageState(NamedTuple):
    """The data from which a stage, with the model, continues after an interruption."""

    tensors: State
    numbers: dict[str, Any]
    """Counters and settings, ready for JSON."""


class Stage(LoopStage, Protocol):
    """A part of training with its own loop; it is built again from the job when a run is resumed."""

    def state(self) -> StageState:
        """Return the data from which :meth:`restore`, with the model, continues."""

    def restore(self, state: StageState) -> None:
        """Continue where a stage of an equal job was interrupted."""
