"""The stages that give the text to the memories: to learn from it, and to hold it."""

from __future__ import annotations

import attrs

from lior.model.language_model import columns, rows_at_once
from lior.training.stage import Job, Snapshot

_WRITE_BLOCK = 65536
_STUDY_BLOCK = 16384
_TIME_SHARE = 0.6


@attrs.define
class Study:
    """Adaptive memories read, learn and take in ``lo .. hi - 1``, in reading ``number`` of ``count``."""

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
        """Which reading of which stretch."""
        return f"reading and learning {self.hi - self.lo:,} tokens, reading {self.number + 1} of {self.count}"

    def begin(self) -> None:
        """A reading from the beginning starts with empty memories; what was learned stays."""
        self._at = self.lo
        if not self.lo:
            for memory in self.job.model.adaptive.values():
                memory.rewrite(())

    def advance(self) -> bool:
        """One block; when the time for studying is up it is only taken in."""
        if self._at >= self.hi:
            return False
        job, model, train = self.job, self.job.model, self.job.parts.train
        alphabet = job.text.tokens[:train].long().unique()
        end = min(self._at + rows_at_once(_STUDY_BLOCK, len(alphabet)), self.hi)
        text, start = job.text.text(self._at, end, context=model.context)
        items, metrics = model.items(text, start), {}
        if job.spent() < _TIME_SHARE:
            progress = (self.number + self._at / train) / self.count
            evidence = model.partial_fit(items, alphabet, progress=progress, write=True)
            first, target = next(iter(evidence.values())), columns(alphabet, text.tokens[start:])
            self._nats -= float(first.log_p[:, 0].gather(1, target[:, None]).double().sum())
            self._read += end - self._at
            metrics = {"nats_per_token": self._nats / self._read}
        else:
            for memory in model.adaptive.values():
                memory.write(items)
                memory.commit()
        self._at = end
        job.tick("memory", self.number * train + end, self.count * train, metrics)
        return True

    def end(self) -> None:
        """Nothing is left to hand over."""

    def snapshot(self) -> Snapshot:
        """How far the reading is."""
        return Snapshot({}, {"at": self._at, "nats": self._nats, "read": self._read})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on behind what was read."""
        self._at, self._nats, self._read = (snapshot.numbers[k] for k in ("at", "nats", "read"))


@attrs.define
class Write:
    """Write ``lo .. hi - 1`` to the memories that have not studied it, and count its tokens."""

    job: Job
    lo: int
    hi: int
    studied: bool
    name: str = attrs.field(default="memory", init=False)
    _at: int = attrs.field(init=False)
    _held: int = attrs.field(default=0, init=False)

    @property
    def message(self) -> str:
        """How much is written; nothing when all memories have it already."""
        return f"writing {self.hi - self.lo:,} tokens" if self._waiting else ""

    @property
    def _waiting(self) -> bool:
        """Whether a memory has not studied the text."""
        model = self.job.model
        return not self.studied or len(model.adaptive) < len(model.memories)

    def begin(self) -> None:
        """From the beginning."""
        self._at = self.lo

    def advance(self) -> bool:
        """One block. Memories of items sort all of them at each commit, so they get more at a time."""
        if self._at >= self.hi:
            return False
        model = self.job.model
        done = model.adaptive if self.studied else {}
        end = min(self._at + _WRITE_BLOCK, self.hi)
        model.write(*self.job.text.text(self._at, end, context=model.context), skip=done)
        self._held += end - self._at
        self._at = end
        if len(model.adaptive) == len(model.memories) or self._held > (end - self.lo) // 4:
            self._commit()
        if self._waiting:
            self.job.tick("memory", end - self.lo, self.hi - self.lo, {})
        return True

    def _commit(self) -> None:
        self.job.model.commit()
        self._held = 0

    def end(self) -> None:
        """Everything can be read."""
        self._commit()

    def snapshot(self) -> Snapshot:
        """How far it is; what was held back is committed, which changes when and not what."""
        self._commit()
        return Snapshot({}, {"at": self._at})

    def restore(self, snapshot: Snapshot) -> None:
        """Go on behind what was written."""
        self._at = snapshot.numbers["at"]
