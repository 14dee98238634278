"""Questions to the documents of a run, without torch if the tokens of the run are bytes.

The index is a function of the documents: learning and forgetting change it exactly. It is built at the first
question and cached in the folder of its checkpoint. It is removed with this folder, so that no forgotten text
stays in it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lior.errors import DataError, LiorError, RunError
from lior.interfaces import ParsedDocument
from lior.reading import RawDocument, SkippedFile, cause_of
from lior.runs import (
    documents_of_run,
    folder,
    lock,
    misfits_as_run_errors,
    parse_documents,
    read_manifest,
    verify_manifest,
)
from lior.runs.bundle import digest
from lior_ask.api import Index
from lior_ask.index.cache import CachedIndex, cached_indexes
from lior_ask.index.database import DamagedIndex
from lior_ask.index.sqlite import SQLite
from lior_ask.languages.words import language_of, stop_words, tokens

if TYPE_CHECKING:
    from lior import Run
    from lior.config import ChatSampling
    from lior_ask.conversation.run_chat import Chat

CACHE = "questions.index"
"""Name of the index file in the folder of a checkpoint."""


def open_index(run: Path, *, retriever: str | None = None, cache: bool = True) -> Index:
    """Return the index of the documents of the run at ``run``, from its newest checkpoint.

    Raises ``RunError`` if it is not a run or has no readable checkpoint; ``DataError`` if it has no text.
    """
    folder.check(run, program="lior", command="lior train")
    (manifest, index), place = folder.newest(run, lambda place: _open(place, retriever), stacklevel=3)
    if manifest["pending_erasure"] and folder.older_remains(run, place):
        from lior.runs import open_checkpoint  # it finishes what was interrupted

        open_checkpoint(run)
    if index is None:
        with misfits_as_run_errors(place):
            index = build(documents_of_run(place, manifest), retriever=retriever)
        if cache:
            RunIndexes.cache(index, run, place, digest(manifest))
    if not len(index):
        raise DataError(f"{run}: its documents have no text that can be asked")
    return index


def build(documents: Mapping[str, Sequence[RawDocument]], *, retriever: str | None = None) -> Index:
    """Return an index in memory of the documents of a run."""
    return RunIndexes.build(
        ((name, *parse_documents(each)) for name, each in documents.items()), retriever=retriever
    )


def _open(place: Path, retriever: str | None) -> tuple[dict[str, Any], Index | None]:
    """Return the manifest of a checkpoint and its cached index; without one, verify its text."""
    manifest = read_manifest(place)
    index = RunIndexes.cached(place, digest(manifest), retriever=retriever)
    return (manifest, index) if index is not None else (verify_manifest(place), None)


class RunIndexes:
    """The services of lior-ask for :class:`lior.Run`: see :class:`lior.interfaces.RunIndexes`."""

    api_version = 1

    @staticmethod
    def build(
        documents: Iterable[tuple[str, Sequence[ParsedDocument], LiorError | None]],
        *,
        retriever: str | None = None,
    ) -> Index:
        """Return an index in memory of documents by name; apostrophes distinguish documents of one name."""
        index = Index(retriever=retriever)
        for name, found, fault in documents:
            RunIndexes.put(index, name, found, fault)
        return index

    @staticmethod
    def put(index: Index, name: str, found: Sequence[ParsedDocument], fault: LiorError | None) -> None:
        """Replace the documents of a name.

        If there is no text, the name is listed in ``index.skipped`` with the reason ``fault``.
        """
        index.content.put(name, found, SkippedFile(name, *cause_of(fault)) if fault and not found else None)

    @staticmethod
    def cached(place: Path, digest: str, *, retriever: str | None = None) -> Index | None:
        """Return the index that was cached with the checkpoint at ``place``, or ``None`` if none is usable.

        ``digest`` is that of the checkpoint. A damaged file is not an error of the run: it is rebuilt.
        """
        try:
            database = SQLite(place / CACHE, frozen=True)
            if database.meta("checkpoint") != digest or not database.sound():
                return None
            return Index(retriever=retriever, database=database)
        except (OSError, sqlite3.Error, DamagedIndex):
            return None

    @staticmethod
    def has_questions(place: Path, digest: str) -> bool:
        """Return whether the index cached with the checkpoint at ``place`` has confirmed questions."""
        try:
            database = SQLite(place / CACHE, frozen=True)
            return database.meta("checkpoint") == digest and bool(
                database.rows("SELECT 1 FROM questions LIMIT 1")
            )
        except (OSError, sqlite3.Error, DamagedIndex):
            return False

    @staticmethod
    def cache(index: Index, run: Path, place: Path, digest: str, *, warm_up: bool = True) -> None:
        """Call :meth:`save`; if that fails, the index is rebuilt the next time."""
        if warm_up:
            index.warm_up()
        with contextlib.suppress(RunError):
            RunIndexes.save(index, run, place, digest)

    @staticmethod
    def save(index: Index, run: Path, place: Path, digest: str) -> None:
        """Store ``index`` with the checkpoint at ``place``.

        Raises ``RunError`` if it cannot be written, or another process changes the run. Without the lock, the
        checkpoint could be removed meanwhile, and the file would bring its text back.
        """
        try:
            with lock(run / folder.LOCK):
                if place not in folder.list_checkpoints(run):
                    raise RunError(
                        f"{run}: another process changed the run since it was opened; open it anew"
                    )
                index.content.copy_to(place / CACHE, checkpoint=digest)
        except (OSError, sqlite3.Error) as error:
            raise RunError(f"{place / CACHE}: cannot be written ({error})") from error

    @staticmethod
    def chat(run: Run, *, sampling: ChatSampling, tokens: int, stop: str, seed: int) -> Chat:
        """Return a conversation with a run."""
        from lior_ask.conversation.run_chat import Chat  # it needs torch

        return Chat(run, sampling=sampling, tokens=tokens, stop=stop, seed=seed)

    @staticmethod
    def stop_words(text: str) -> frozenset[str]:
        """Return the stop words of the language of a text."""
        return stop_words(language_of(tokens(text)))

    @staticmethod
    def caches() -> list[CachedIndex]:
        """Return the indexes in the user's cache, the most recently used first."""
        return cached_indexes()
