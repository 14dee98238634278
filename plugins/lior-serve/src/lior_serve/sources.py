"""Sources of documents that can be served; each request sees one version of a source.

:class:`lior_serve.folder.FolderSource` serves the index of folders, :class:`lior_serve.run.RunSource` a
trained run, which also has a model and may be edited. Nothing here imports torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

import attrs

from lior.errors import DataError
from lior.files import printable
from lior.interfaces import Passage
from lior.reading import RawDocument
from lior_ask import Answer, Filters, Index, Question


@attrs.frozen(eq=False, kw_only=True)
class Version(ABC):
    """The documents at one moment."""

    number: int
    """The number of the version, from 1 since the start of the server."""
    index: Index
    """The index of the documents."""
    documents: tuple[Any, ...]
    """Records (attrs classes) with ``name``, ``bytes`` and ``added``: the time of the last change in ISO
    8601, or ``None`` for the text of the training.
    """
    names: frozenset[str] = attrs.field(init=False)
    """The names of the documents."""

    @names.default
    def _names(self) -> frozenset[str]:
        return frozenset(document.name for document in self.documents)

    def ask(self, question: str | Question, top: int, filters: Filters | None = None) -> Answer:
        """Answer a question like :meth:`lior_ask.api.Index.ask`, from any thread."""
        return self.index.ask(question, top, filters)

    @abstractmethod
    def text(self, name: str) -> list[bytes]:
        """Return the texts of a document in UTF-8; several if several documents share the name.

        Raises ``DataError`` when there is no document of this name, or it cannot be read.
        """

    def file_of(self, document: str) -> str:
        """Return the document that a document of the index is part of: ``mail.mbox`` for ``mail.mbox#3``.

        Raises ``DataError`` when there is none.
        """
        name = file_of(document, self.names)
        if not name:
            raise DataError(f"{document}: no document of this name.")
        return name

    def counts(self) -> dict[str, Any]:
        """Return the number and size of the documents and the retriever, ready for JSON."""
        return {
            "version": self.number,
            "documents": len(self.documents),
            "passages": len(self.index),
            "bytes": sum(document.bytes for document in self.documents),
            "retriever": self.index.retriever,
        }


class Source(Protocol):
    """A source of documents that are served."""

    name: str
    """The name that people see, also the model's name in OpenAI's protocol."""

    @property
    def current(self) -> Version:
        """The version for new requests."""

    def refresh(self) -> None:
        """Bring :attr:`current` up to date before a question; threads for questions call this method."""

    def confirm(self, question: str, passage: Passage, good: bool) -> bool:
        """Count that a passage answers a question, or no longer; return whether that changed anything.

        It may wait for a run to be saved. Raises ``UsageError`` like :meth:`lior_ask.api.Index.confirm`.
        """

    def state(self) -> dict[str, Any]:
        """Return a description of the source and of the work in progress, ready for JSON.

        If several folders are served, ``collections`` lists each with ``name`` and ``documents``. A question
        may be restricted to one by the filter ``path``.
        """

    def close(self, seconds: float) -> bool:
        """Finish the write in progress; return whether that took at most ``seconds``."""


class EditableSource(Source, Protocol):
    """A source that clients may change; one thread makes the changes in order."""

    def learn(self, documents: Sequence[RawDocument], *, replace: bool = False) -> Future[list[Any]]:
        """Learn documents; the future has their new records."""

    def forget(self, name: str) -> Future[Any]:
        """Forget a document; the future has its last record."""


def state_of(source: Source, **more: Any) -> dict[str, Any]:
    """Return the description of a source with ``more`` fields; the other fields are those of a read-only
    source.
    """
    still = {"collections": [], "model": False, "editable": False, "syncs": False, "working": None}
    still |= {"waiting": 0, "lost": [], "unread": 0, "confirms": False}
    return {"name": source.name, **source.current.counts(), **still, **more}


def confirm_as(good: bool, confirm: Callable[[], bool]) -> bool:
    """Call the toggle ``confirm``, which returns the new state, so that the state is ``good``; return whether
    it changed.
    """
    changed = confirm() == good
    if not changed:  # the state was the same before
        confirm()
    return changed


def name_of(paths: Sequence[Path]) -> str:
    """Return the names of paths as one name: ``notes+mail``."""
    return "+".join(printable(path.absolute().name or str(path)) for path in paths)


def file_of(document: str, names: Container[str]) -> str:
    """Return the name among ``names`` that contains a document of the index, or empty if there is none.

    >>> file_of("mail.mbox#3", {"mail.mbox"})
    'mail.mbox'
    """
    name = document
    while name and name not in names:
        name = name[:-1] if name.endswith("'") else name.rpartition("#")[0]
    return name
