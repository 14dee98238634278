"""An index that many servers share: a change by one server is visible to the others at once."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import attrs

from lior.errors import UsageError
from lior.plugins import tell
from lior.reading import File, RawDocument
from lior.runs import as_in_file, parse_document
from lior_ask import Index
from lior_serve.folder import INTERVAL, FileRecord, FolderSource, FolderVersion

T = TypeVar("T")


@attrs.frozen(eq=False, kw_only=True)
class SharedVersion(FolderVersion):
    """The documents at the last listing, with the index in its newest state."""

    def text(self, name: str) -> list[bytes]:
        """Return the texts of a document from the index, since the file may be on another machine."""
        return self.index.content.texts(name)


class SharedSource(FolderSource):
    """An index in a database, which other processes may change, and folders that this server follows.

    Parameters
    ----------
    address
        An address like ``database`` of :class:`~lior_ask.api.Index`.
    paths
        Folders, files and patterns, the same as those of other servers of the index; without any, the server
        only serves what others learn.
    editable
        Whether clients may learn and forget documents.

    Raises
    ------
    LiorError
        Under the same conditions as for :class:`~lior_ask.api.Index`.
    """

    def __init__(self, address: str, paths: Sequence[Path], *, editable: bool = False) -> None:
        self.editable, self._seen = editable, -1
        # Changes wait for other processes; this process makes its changes one after the other.
        self._changes = ThreadPoolExecutor(1, thread_name_prefix="lior-change")
        super().__init__(paths, (Index(*paths, database=address), Index(database=address)))

    def refresh(self) -> None:
        """Read changed files of the folders, and list the changes by this and other servers."""
        super().refresh()
        if self._index.content.generation != self._seen:
            self._show()
            self._reader.look_again()

    def learn(self, documents: Sequence[RawDocument], *, replace: bool = False) -> Future[list[FileRecord]]:
        """Learn documents; ``replace`` replaces those of the same names, which otherwise must not exist."""

        def work() -> list[FileRecord]:
            if len({each.name for each in documents}) < len(documents):
                raise UsageError("two documents have one name; give each a name of its own")
            parsed = [parse_document(each) for each in documents]
            with self._writer.content.changing():
                known = {file.name for file in self._writer.content.listed}
                taken = [each.name for each in documents if each.name in known]
                if taken and not replace:
                    raise UsageError(f"{taken[0]}: there is a document of this name; say replace")
                for each, found in zip(documents, parsed, strict=True):
                    self._writer.content.put(each.name, found, texts=[as_in_file(each)])
            learned = {each.name for each in documents}
            tell("lior_documents_changed", run=None, learned=sorted(learned), forgotten=[])
            return [record for record in self._shown() if record.name in learned]

        return self._change(work)

    def forget(self, name: str) -> Future[FileRecord]:
        """Forget a document of exactly this name."""

        def work() -> FileRecord:
            [record] = [each for each in self._shown() if each.name == name] or [FileRecord(name, 0, None)]
            self._writer.forget(name)
            self._show()
            tell("lior_documents_changed", run=None, learned=[], forgotten=[name])
            return record

        return self._change(work)

    def _change(self, work: Callable[[], T]) -> Future[T]:
        def locked() -> T:
            with self._reader.paused(), self._writing:
                return work()

        if not self.editable:
            raise UsageError("the server is read-only; start it with --allow-edit to learn and forget")
        return self._changes.submit(locked)

    def _shown(self) -> tuple[FileRecord, ...]:
        self._show()
        return self.current.documents

    def _show(self) -> None:
        """List the present documents."""
        self._seen, self._next = self._index.content.generation, time.monotonic() + INTERVAL
        self._number += 1
        listed = tuple(map(_record, self._index.content.listed))
        self._current = SharedVersion(
            number=self._number, documents=listed, index=self._index, reader=self._reader, files={}
        )

    def state(self) -> dict[str, Any]:
        """Return a description of the source."""
        return super().state() | {"editable": self.editable}

    def close(self, seconds: float) -> bool:
        """Finish the change in progress; return whether that took at most ``seconds``."""
        self._changes.shutdown(wait=False, cancel_futures=True)
        return super().close(seconds)


def _record(file: File) -> FileRecord:
    changed = datetime.datetime.fromtimestamp(file.modified // 10**9, datetime.UTC) if file.modified else None
    return FileRecord(file.name, file.size, changed.isoformat() if changed else None)
