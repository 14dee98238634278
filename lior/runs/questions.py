"""The index of the documents of an opened run: built at the first question, then kept up to date."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from lior.errors import DataError
from lior.interfaces import Passage
from lior.reading.documents import RawDocument
from lior.runs import documents
from lior.runs.checkpoint import Checkpoint
from lior.runs.indexes import indexes, installed

Stored: TypeAlias = "tuple[Path, Path, str] | None"
"""The run, the checkpoint on the disk that equals the one in memory, and its digest; or ``None``."""


class Questions:
    """The index of the documents of a run that :mod:`lior.runs.indexes` provides."""

    def __init__(self) -> None:
        self._index: Any = None

    def index(self, checkpoint: Checkpoint, stored: Stored) -> Any:
        """Return the index, on first use the cached one of the checkpoint or a new one."""
        if self._index is None:
            made = indexes("lior.Run.index")
            index = made.cached(*stored[1:]) if stored else None
            if index is None:
                held = documents.of_checkpoint(checkpoint).items()
                index = made.build((name, *documents.parse_documents(each)) for name, each in held)
                if stored:
                    made.cache(index, *stored)
            self._index = index
        return self._index

    def cache(self, stored: Stored, *, warm_up: bool = False) -> None:
        """Cache the index, if it is open, with the checkpoint on the disk."""
        if self._index is not None and stored:
            indexes("lior.Run").cache(self._index, *stored, warm_up=warm_up)

    def confirm(self, question: str, passage: Passage, checkpoint: Checkpoint, stored: Stored) -> bool:
        """Confirm as :meth:`lior.Run.confirm`, which stores it with the checkpoint."""
        index = self.index(checkpoint, stored)
        counts = index.confirm(question, passage)
        if stored:
            try:
                indexes("lior.Run.confirm").save(index, *stored)
            except BaseException:
                index.confirm(question, passage)
                raise
        return bool(counts)

    @contextmanager
    def following(
        self, checkpoint: Checkpoint, stored: Stored, drop: Collection[str], put: Sequence[RawDocument]
    ) -> Iterator[None]:
        """Surround a change: if the index is open, or has confirmed questions, it drops and adds documents.

        After ``DataError`` nothing was changed; after another interruption it is built anew.
        """
        if self._index is None and stored and installed() and indexes("lior.Run").has_questions(*stored[1:]):
            self.index(checkpoint, stored)
        index, self._index = self._index, None
        try:
            yield
        except DataError:
            self._index = index
            raise
        if index is not None:
            for name in drop:
                index.forget(name)
            for document in put:
                indexes("lior.Run").put(index, document.name, *documents.parse_documents([document]))
        self._index = index
