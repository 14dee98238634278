"""The stages in which memories read the text of a training, and write it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from torch import Tensor

from lior.interfaces import Evidence, FittedMemory, Items, Text
from lior.model import memories
from lior.model.language_model import Model
from lior.model.mixer import columns, rows_at_once
from lior.training.job import Job, StageState

_WRITE_BLOCK = 65536
_FIT_BLOCK = 16384
_TEXT_TIME = 0.6
_FOLD_TIME = 0.7


@attrs.define
class FitMemories:
    """A stage that fits memories to tokens ``lo .. hi - 1`` and stores them; pass ``number`` of
    ``count``."""

    job: Job
    lo: int
    hi: int
    number: int
    count: int
    name: str = attrs.field(default="memory", init=False)
    _at: int = attrs.field(init=False)
    _nats: float = attrs.field(default=0.0, init=False)
    _read: int = attrs.field(default=0, init=False)

    @property
    def message(self) -> str:
        return f"reading and learning {self.hi - self.lo:,} tokens, reading {self.number + 1} of {self.count}"

    def begin(self) -> None:
        """Empty the memories if the pass starts at the beginning of the text; learned parameters stay."""
        self._at = self.lo
        if not self.lo:
            for memory in self.job.model.fitted.values():
                memory.rewrite(())

    def advance(self) -> bool:
        """Process one block; after the time for learning, blocks are only stored."""
        if self._at >= self.hi:
            return False
        job, model, train = self.job, self.job.model, self.job.parts.train
        end = min(self._at + rows_at_once(_FIT_BLOCK, len(job.alphabet)), self.hi)
        text, start = job.text.text(self._at, end, context=model.context)
        items, metrics = fitted_items(model, text, start), {}
        if job.spent() < _TEXT_TIME:
            progress = (self.number + self._at / train) / self.count
            evidence = model.fit(items, job.alphabet, progress=progress, write=True)
            self._nats += _cost(evidence, job.alphabet, text.tokens[start:])
            self._read += end - self._at
            metrics = {"nats_per_token": self._nats / self._read}
        else:
            for memory in model.fitted.values():
                memory.learn([items])
        self._at = end
        job.progress("memory", self.number * train + end, self.count * train, metrics)
        return True

    def end(self) -> None:
        """Do nothing: the memories hold the text already."""

    def state(self) -> StageState:
        """Return the position in the text, and the sums of the metric."""
        return StageState({}, {"at": self._at, "nats": self._nats, "read": self._read})

    def restore(self, state: StageState) -> None:
        self._at, self._nats, self._read = (state.numbers[key] for key in ("at", "nats", "read"))


@attrs.define
class FitFolds:
    """A stage that fits memories on all of their text: a memory of the other parts reads each part.

    They learn the parameters for reading a fixed memory, which the calibration split alone teaches less well.
    """

    job: Job
    name: str = attrs.field(default="folds", init=False)
    _at: int = attrs.field(default=0, init=False)
    _nats: float = attrs.field(default=0.0, init=False)
    _end: int = attrs.field(default=0, init=False)
    """End of the part that the memories in ``_others`` do not hold."""
    _others: dict[str, FittedMemory] = attrs.field(factory=dict, init=False)

    @property
    def message(self) -> str:
        count = self.job.config.fit.folds
        return f"fitting on {self.job.parts.memory:,} tokens, in {count} parts, each by the others"

    def begin(self) -> None:
        """Every part is taken out when its first block is read."""

    def advance(self) -> bool:
        """Read one block; after the time for this stage there is none."""
        job, size = self.job, self.job.parts.memory
        if self._at >= size or job.spent() > _FOLD_TIME:
            return False
        if self._at >= self._end:
            self._take_out()
        end = min(self._at + rows_at_once(_FIT_BLOCK, len(job.alphabet)), self._end)
        text, start = job.text.text(self._at, end, context=job.model.context)
        items = fitted_items(job.model, text, start)
        evidence = {
            name: memory.fit(items, job.alphabet, progress=self._at / size, write=False)
            for name, memory in self._others.items()
        }
        self._nats += _cost(evidence, job.alphabet, text.tokens[start:])
        self._at = end
        job.progress("folds", end, size, {"nats_per_token": self._nats / end})
        return True

    def _take_out(self) -> None:
        """Let go of the memories without the part before, and take those without the part at ``_at``."""
        size, count = self.job.parts.memory, self.job.config.fit.folds
        number = self._at * count // size
        first, self._end = -(-size * number // count), -(-size * (number + 1) // count)
        folded = memories.folded(self.job.model.memories)
        self._others = {}
        self._others = {name: memory.without(first, self._end) for name, memory in folded.items()}

    def end(self) -> None:
        """Let go of the memories."""
        self._others = {}

    def state(self) -> StageState:
        """Return the position in the text, and the sum of the metric."""
        return StageState({}, {"at": self._at, "nats": self._nats})

    def restore(self, state: StageState) -> None:
        self._at, self._nats = state.numbers["at"], state.numbers["nats"]


@attrs.define
class WriteText:
    """A stage that writes tokens ``lo .. hi - 1`` to memories that do not hold them yet, and counts them."""

    job: Job
    lo: int
    hi: int
    fitted: bool
    """Whether fitted memories hold the tokens."""
    name: str = attrs.field(default="memory", init=False)
    _at: int = attrs.field(init=False)
    _pending: int = attrs.field(default=0, init=False)

    @property
    def message(self) -> str:
        """The number of tokens; empty if all memories hold them already."""
        return f"writing {self.hi - self.lo:,} tokens" if self._waiting else ""

    @property
    def _waiting(self) -> bool:
        model = self.job.model
        return not self.fitted or len(model.fitted) < len(model.memories)

    @property
    def _first(self) -> bool:
        """Whether the text is that of the training, and no memory holds it."""
        return not self.lo and not self.fitted

    def begin(self) -> None:
        self._at = self.lo

    def advance(self) -> bool:
        """Process one block, or several for memories of items, which sort all of them at each commit."""
        if self._at >= self.hi:
            return False
        model = self.job.model
        end = min(self._at + _WRITE_BLOCK, self.hi)
        text, start = self.job.text.text(self._at, end, context=model.context)
        model.write(text, start, skip=model.fitted if self.fitted else {})
        self._pending += end - self._at
        self._at = end
        whole = self._first and any(each.whole for each in model.abilities)
        if not whole and (len(model.fitted) == len(model.memories) or self._pending > (end - self.lo) // 4):
            self._commit()
        if self._waiting:
            self.job.progress("memory", end - self.lo, self.hi - self.lo, {})
        return True

    def _commit(self, *, last: bool = False) -> None:
        self.job.model.commit(last=last)
        self._pending = 0

    def end(self) -> None:
        self._commit(last=self._first)

    def state(self) -> StageState:
        """Return the position in the text, after committing pending items, which leaves the memories
        unchanged."""
        self._commit()
        return StageState({}, {"at": self._at})

    def restore(self, state: StageState) -> None:
        self._at = state.numbers["at"]


def _cost(evidence: Mapping[str, Evidence], alphabet: Tensor, tokens: Tensor) -> float:
    """Return the nats of ``tokens`` by the first distribution of the first memory."""
    first, target = next(iter(evidence.values())), columns(alphabet, tokens)
    return -float(first.log_p[:, 0].gather(1, target[:, None]).double().sum())


def fitted_items(model: Model, text: Text, start: int) -> Items:
    """Return ``text[start:]`` for fitted memories, without coordinates if none of them needs any."""
    needed = any(memory.abilities.geometry for memory in model.fitted.values())
    return model.items(text, start) if needed else Items(text, start, None)
