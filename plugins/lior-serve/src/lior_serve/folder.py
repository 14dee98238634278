"""Served folders and files: their index, which is updated as they change.

If the package watchfiles is installed, changes are read in the background as the file system reports them.
Otherwise files are checked when a question comes.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

from lior.errors import DataError, LiorError
from lior.interfaces import Passage
from lior.plugins import tell
from lior.reading import SourceFile, find_files, folders_of, labels_of
from lior_ask import Answer, Filters, IdleReader, Index, Question, file_texts, watch_changes, watch_fault
from lior_serve.sources import Version, confirm_as, file_of, name_of, state_of

INTERVAL = 2.0
"""The minimum interval between two checks of files that are not watched, in seconds."""
_REST, _LONGEST = 0.2, 2.0
"""The delays, in seconds, before watched files are read: without a further change, and at most."""
_PAUSE, _LONGEST_PAUSE = 10.0, 10.0
"""The pause after reading files that change all the time, as a multiple of the reading time; the maximum in
seconds.
"""
_LOG = logging.getLogger("lior_serve")


@attrs.frozen
class FileRecord:
    """A file in the list of documents."""

    name: str
    bytes: int
    added: str | None
    """The time of its last change in ISO 8601, UTC; ``None`` if it is not a file."""


@attrs.frozen(eq=False, kw_only=True)
class FolderVersion(Version):
    """The files of folders at the last scan, with a shared index in its newest state."""

    _reader: IdleReader
    _files: dict[str, SourceFile]
    """The files by the names of their documents."""

    def ask(self, question: str | Question, top: int, filters: Filters | None = None) -> Answer:
        """Answer a question like :meth:`lior_ask.api.Index.ask`, one question at a time."""
        with self._reader.paused():
            return self.index.ask(question, top, filters)

    def text(self, name: str) -> list[bytes]:
        """Return the file's own bytes, or the extracted text of formats without lines, such as PDF."""
        if name not in self._files:
            raise DataError(f"{name}: no document of this name.")
        try:
            return file_texts(self._files[name].path)
        except (OSError, LiorError):  # the message may have the path
            raise DataError(f"{name}: cannot be read now.") from None


class FolderSource:
    """The index of folders and files, in the user's cache, and the files themselves.

    Parameters
    ----------
    paths
        Folders, files and patterns.
    shared
        The index for changes and the index for questions, if they are in a database that processes share. By
        default one index from the user's cache is used for both.

    Raises
    ------
    DataError
        When one does not exist, or none of them has text.
    """

    def __init__(self, paths: Sequence[Path], shared: tuple[Index, Index] | None = None) -> None:
        self.name = name_of(paths) or "shared"
        self._labels = labels_of([str(path) for path in paths])
        self._writer, self._index = shared or (index := Index(*paths), index)
        waits = bool(self._writer.opened.waiting)
        while waits:  # no question waits yet
            waits = bool(self._writer.update().waiting)
        self._writing = threading.RLock()
        """A lock held during changes; several threads may use the indexes themselves."""
        self._number = 0
        self._watched, self._closed = False, threading.Event()
        self._next = 0.0
        """The time of ``time.monotonic`` before which files are not checked."""
        self._index.warm_up()
        self._reader = IdleReader(self._index)
        self._show()
        self._thread = threading.Thread(target=self._watch, name="lior-watch", daemon=True)
        if paths and find_spec("watchfiles"):
            self._thread.start()

    @property
    def current(self) -> FolderVersion:
        """The version for new requests."""
        return self._current

    def refresh(self) -> None:
        """Read new and changed files, unless files are watched or were checked a moment ago."""
        if self._writer.paths and not self._watched and time.monotonic() >= self._next:
            self._read_some()

    def _watch(self) -> None:
        """Read changes as they happen, until the source is closed."""
        try:
            roots = folders_of(self._writer.paths)
            for _ in watch_changes(roots, rest=_REST, longest=_LONGEST, stop=self._closed):
                began = time.monotonic()
                self._read()
                self._watched = True
                self._closed.wait(min(_PAUSE * (time.monotonic() - began), _LONGEST_PAUSE))
        except (OSError, RuntimeError, UnicodeError, LiorError) as error:  # names that are not UTF-8
            told = "changes of files cannot be watched, and are looked for at each question: %s"
            _LOG.warning(told, watch_fault(error))
        finally:
            self._watched = False

    def _read(self) -> None:
        """Read new and changed files in updates of limited time, until none waits."""
        while self._read_some() and not self._closed.is_set():
            pass

    def _read_some(self) -> bool:
        """Read some of the new and changed files; return whether more wait."""
        waits = False
        with self._writing:
            try:
                done = self._writer.update()
                waits = bool(done.waiting)
                if done:
                    self._show()
                    self._reader.look_again()
                    learned = [*done.learned, *done.changed]
                    tell("lior_documents_changed", run=None, learned=learned, forgotten=[*done.forgotten])
            except LiorError as error:  # keep the present version
                _LOG.warning("the folder cannot be read now: %s", error)
            self._next = time.monotonic() + INTERVAL
        return waits

    def confirm(self, question: str, passage: Passage, good: bool) -> bool:
        """Count in the index that a passage answers a question, or no longer; no file is changed."""
        with self._reader.paused(), self._writing:
            return confirm_as(good, lambda: self._writer.confirm(question, passage))

    def _show(self) -> None:
        """Make a new version of the present index."""
        files = {file.name: file for file in find_files(self._index.paths)[0]}
        records = {name: record for name, file in files.items() if (record := _record(file))}
        indexed = {file_of(document, records) for document in self._index.documents}
        self._number += 1
        shown = tuple(record for name, record in records.items() if name in indexed)
        self._current = FolderVersion(
            number=self._number, documents=shown, index=self._index, reader=self._reader, files=files
        )
        self._next = time.monotonic() + INTERVAL

    def state(self) -> dict[str, Any]:
        """Return a description of the source."""
        names = self.current.names
        collections = [
            {"name": label, "documents": sum(name.startswith(f"{label}/") for name in names)}
            for label in self._labels
        ]
        return state_of(self, collections=collections, unread=self._reader.left, confirms=True)

    def close(self, seconds: float) -> bool:
        """Wait until no file is being read; return whether that took at most ``seconds``."""
        self._closed.set()
        self._reader.stop()
        free = self._writing.acquire(timeout=seconds)
        if free:
            self._writing.release()
        return free


def _record(file: SourceFile) -> FileRecord | None:
    try:
        found = file.path.stat()
    except OSError:
        return None
    changed = datetime.datetime.fromtimestamp(int(found.st_mtime), datetime.UTC)
    return FileRecord(file.name, found.st_size, changed.isoformat())
