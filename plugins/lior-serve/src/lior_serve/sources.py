"""What can be served: a source of documents, of which each request sees one version.

:class:`lior_serve.folder.FolderSource` has the index of folders; :class:`lior_serve.run.RunSource` a trained
run, which also has a model and may be edited. Nothing here imports torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

import attrs

from lior.errors import DataError
from lior.interfaces import Passage
from lior.names import printable
from lior.reading.documents import RawDocument
from lior_ask.answer.selection import Answer
from lior_ask.api import Index
from lior_ask.question.filters import Filters
from lior_ask.question.question import Question


@attrs.frozen(eq=False, kw_only=True)
class Version(ABC):
    """The documents at one moment."""

    number: int
    """From 1 since the server was started."""
    index: Index
    """Of the documents."""
    documents: tuple[Any, ...]
    """attrs classes with ``name``, ``bytes`` and ``added``: when it last changed, ISO 8601, or ``None``
    for the text of the training."""
    names: frozenset[str] = attrs.field(init=False)
    """Of the documents."""

    @names.default
    def _names(self) -> frozenset[str]:
        return frozenset(document.name for document in self.documents)

    def ask(self, question: str | Question, top: int, filters: Filters | None = None) -> Answer:
        """:meth:`lior_ask.api.Index.ask`, from any thread."""
        return self.index.ask(question, top, filters)

    @abstractmethod
    def text(self, name: str) -> list[bytes]:
        """The texts of a document, UTF-8; several where several documents have one name.

        Raises ``DataError`` when there is no document of this name, or it cannot be read.
        """

    def file_of(self, document: str) -> str:
        """The document that a document of the index is part of: ``mail.mbox`` for ``mail.mbox#3``.

        Raises ``DataError`` when there is none.
        """
        name = file_of(document, self.names)
        if not name:
            raise DataError(f"{document}: no document of this name.")
        return name

    def counts(self) -> dict[str, Any]:
        """Number, sizes and retriever, ready for JSON."""
        return {
            "version": self.number,
            "documents": len(self.documents),
            "passages": len(self.index),
            "bytes": sum(document.bytes for document in self.documents),
            "retriever": self.index.retriever,
        }


class Source(Protocol):
    """Documents that are served."""

    name: str
    """Shown to people; of the model in OpenAI's protocol."""

    @property
    def current(self) -> Version:
        """The version that requests begin with."""

    def refresh(self) -> None:
        """Bring :attr:`current` up to date, before a question is asked; called by a thread for questions."""

    def confirm(self, question: str, passage: Passage, good: bool) -> bool:
        """Count that a passage answers a question, or no longer; whether that changed anything.

        It may wait for a run to be saved. Raises ``UsageError`` as :meth:`lior_ask.api.Index.confirm`.
        """

    def state(self) -> dict[str, Any]:
        """What is served and what is being done, ready for JSON.

        ``collections`` are the folders, with ``name`` and ``documents``, where several are served: a question
        may be asked of one, as the filter ``path``.
        """

    def close(self, seconds: float) -> bool:
        """Finish what is being written; whether that was done in so many seconds."""


class EditableSource(Source, Protocol):
    """Documents that clients may change; each change is done in its order by one thread."""

    def learn(self, documents: Sequence[RawDocument], *, replace: bool = False) -> Future[list[Any]]:
        """Learn documents; what is known of each then."""

    def forget(self, name: str) -> Future[Any]:
        """Forget a document; what was known of it."""


def state_of(source: Source, **more: Any) -> dict[str, Any]:
    """What is served and what is being done: ``more``, and the rest where no client changes anything."""
    still = {"collections": [], "model": False, "editable": False, "syncs": False, "working": None}
    still |= {"waiting": 0, "lost": [], "unread": 0, "confirms": False}
    return {"name": source.name, **source.current.counts(), **still, **more}


def confirm_as(good: bool, confirm: Callable[[], bool]) -> bool:
    """Let ``confirm``, which says what holds after it, be ``good``; whether that changed anything."""
    changed = confirm() == good
    if not changed:  # it was so before
        confirm()
    return changed


def name_of(paths: Sequence[Path]) -> str:
    """The names of some paths in one: ``notes+mail``."""
    return "+".join(printable(path.absolute().name or str(path)) for path in paths)


def file_of(document: str, names: Container[str]) -> str:
    """The one of ``names`` that a document of the index is part of; empty where there is none.

    >>> file_of("mail.mbox#3", {"mail.mbox"})
    'mail.mbox'
    """
    name = document
    while name and name not in names:
        name = name[:-1] if name.endswith("'") else name.rpartition("#")[0]
    return name
