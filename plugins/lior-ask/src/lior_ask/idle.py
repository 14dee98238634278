"""Idle reading: between questions, an embedder encodes the passages that no question has needed yet.

A thread does it in a process that continues (:class:`IdleReader`). After a process that ends, a background
process does it (:func:`read_on`): ``python -m lior_ask.idle [--follow-links] PATH...``.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from lior.errors import LiorError, RunError, quantity
from lior.process import python
from lior.reading import SkipReason, follow_links, follows_links
from lior.runs import lock, locked
from lior_ask.api import Index
from lior_ask.index.cache import cache_file, folder

VARIABLE = "LIOR_READ_AHEAD"
"""Environment variable; a background process is started if it is ``1`` or not set."""
_LOWEST = 19
"""Priority of the thread or process, as for ``nice``."""
_LONGEST, _CPU = 600, 300
"""Maximum run time and CPU time of a background process, in seconds; the next question starts another one."""
_AGAIN = 2.0
"""Seconds after which a thread looks again whether another process still reads the same index."""
_LOG = logging.getLogger("lior_ask")


class IdleReader:
    """A thread of the lowest priority that reads the passages of an index one by one.

    Parameters
    ----------
    index
        The index. If its retriever compares no vectors, nothing is read.
    progress
        Called in the thread before each text and at the end with the number of texts left.
    """

    def __init__(self, index: Index, progress: Callable[[int], object] | None = None) -> None:
        self._index, self._progress = index, progress or (lambda left: None)
        self.left = 0
        """The number of texts left to read."""
        self._stopped = False
        self._changed, self._free = threading.Event(), threading.Event()
        self._asking, self._lock = 0, threading.Lock()
        self._free.set()
        self._changed.set()
        self._thread = threading.Thread(target=self._run, name="lior-idle", daemon=True)
        if index.asker.reads_ahead:
            self._thread.start()
            atexit.register(self.stop)  # a library still computing at exit would abort the process

    def look_again(self) -> None:
        """Read new passages after a change of the index."""
        self._changed.set()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Pause reading inside, after the passage that is being read."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def stop(self) -> None:
        """Stop after at most one passage, and store the vectors."""
        self._stopped = True
        self._free.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()
        atexit.unregister(self.stop)

    def _count(self, more: int) -> None:
        with self._lock:
            self._asking += more
            if self._asking and not self._stopped:
                self._free.clear()
            else:
                self._free.set()

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # on Linux, of this thread only
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        while not self._stopped and self._changed.wait() and not self._stopped:  # _alone() clears _changed
            self._changed.clear()
            try:
                with self._alone():
                    self._index.asker.read_ahead(self._go_on)
            except LiorError as error:
                _LOG.warning("passages are not read ahead: %s", error)
                return

    def _alone(self) -> contextlib.AbstractContextManager[object]:
        """Wait until no other process reads the same index on disk, and keep others from it."""
        path = _lock_of(self._index)
        while path and locked(path) and not self._stopped:
            self._changed.wait(_AGAIN)
            self._changed.clear()
        with contextlib.suppress(RunError, OSError):  # another was faster, or the cache can only be read
            return lock(path) if path else contextlib.nullcontext()
        return contextlib.nullcontext()

    def _go_on(self, left: int) -> bool:
        self.left = left
        self._progress(left)
        self._free.wait()
        return not self._stopped


# --- a process that reads on ---


@attrs.frozen
class ReadState:
    """What of an index is read."""

    files: int
    """The number of files that were read."""
    waiting: int
    """The number of files that are not read yet."""
    passages: int
    encoder: str
    """The name of the encoder; empty if the retriever compares no vectors."""
    unread: int
    """The number of passages that the encoder has not read, each text once."""
    left: int
    """The number of texts that a background process would encode."""
    reading: bool
    """Whether a process reads now."""

    def __str__(self) -> str:
        parts = [quantity(self.waiting, "file")] * bool(self.waiting)
        return " and ".join(parts + [quantity(self.left, "passage")] * bool(self.left))


def read_state(index: Index) -> ReadState:
    """Return what of an index is read, and whether a process reads now."""
    vectors, reads = index.content.vectors, index.asker.reads_ahead
    left = list[int]()
    if reads:
        index.asker.read_ahead(lambda number: bool(left.append(number)), briefly=True)  # type: ignore[func-returns-value]
    own = _lock_of(index)
    return ReadState(
        files=index.files,
        waiting=sum(each.reason is SkipReason.NOT_YET for each in index.skipped),
        passages=len(index),
        encoder=index.embedder * reads,
        unread=index.content.read(lambda: len(vectors.unread())) if reads else 0,
        left=left[0] if left else 0,
        reading=bool(own and locked(own)),
    )


def read_on(index: Index) -> str:
    """Start a background process at the lowest priority to read what is left; return what it reads.

    The result is empty if nothing is left or no process runs. At most one runs at a time for all indexes,
    and none if the index is not on disk or another process reads it. It stops after :data:`_CPU` seconds of
    CPU time. In a large index (:data:`~lior_ask.index.vector_store.LARGE`) the encoder reads only the
    beginnings of documents.
    """
    own = _lock_of(index)
    if os.environ.get(VARIABLE, "1") != "1" or not own:
        return ""
    state = read_state(index)
    if not (index.opened.waiting or state.left):
        return ""
    if not (locked(_lock()) or locked(own)):
        links = ["--follow-links"] * follows_links()
        command = python("-m", __name__, *links, *index.paths)
        nothing = subprocess.DEVNULL
        try:
            child = subprocess.Popen(
                command, cwd=folder(), stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
            )
        except OSError:  # the system cannot start one
            return ""
        _started.append(child)
    return str(state) or quantity(len(index.opened.waiting), "file")


_started: list[subprocess.Popen[bytes]] = []
"""Background processes that are never waited for."""


def _lock() -> Path:
    return folder() / "reading-on.lock"


def _lock_of(index: Index) -> Path | None:
    """Return the lock file of the one process that reads an index ahead; ``None`` if it is not on disk."""
    file = cache_file(index.paths)
    return file.with_suffix(".reading") if index.paths and file.exists() else None


def _read_all(paths: Sequence[str]) -> None:
    until, spent = time.monotonic() + _LONGEST, time.process_time() + _CPU

    def go_on() -> bool:
        return time.monotonic() < until and time.process_time() < spent

    with contextlib.suppress(LiorError), lock(_lock()):
        index = Index(*paths)
        own = _lock_of(index)
        with lock(own) if own else contextlib.nullcontext():
            while index.update().waiting and go_on():
                pass
            if index.asker.reads_ahead:
                index.asker.read_ahead(lambda left: go_on(), briefly=True)


if __name__ == "__main__":
    os.nice(_LOWEST)
    follow = sys.argv[1:2] == ["--follow-links"]  # paths are absolute
    with follow_links(follow):
        _read_all(sys.argv[1 + follow :])
