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

from lior.errors import LiorError
from lior.process import python
from lior.reading import follow_links, follows_links
from lior.runs import lock, locked
from lior_ask.api import Index
from lior_ask.index.cache import cache_file, folder

VARIABLE = "LIOR_READ_AHEAD"
"""Environment variable; a background process is started if it is ``1`` or not set."""
_LOWEST = 19
"""Priority of the thread or process, as for ``nice``."""
_LONGEST = 600
"""Maximum run time of a background process, in seconds; the next question starts another one."""
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
        while self._changed.wait() and not self._stopped:
            self._changed.clear()
            try:
                self._index.asker.read_ahead(self._go_on)
            except LiorError as error:
                _LOG.warning("passages are not read ahead: %s", error)
                return

    def _go_on(self, left: int) -> bool:
        self.left = left
        self._progress(left)
        self._free.wait()
        return not self._stopped


# --- a process that reads on ---


def read_on(index: Index) -> bool:
    """Start a background process at the lowest priority to read what is left; return whether one runs.

    At most one runs at a time for all indexes, and none if the index is not on disk. In a large index
    (:data:`~lior_ask.index.vector_store.LARGE`) the encoder reads only the beginnings of documents.
    """
    if os.environ.get(VARIABLE, "1") != "1" or not cache_file(index.paths).exists():
        return False
    if not (index.opened.waiting or _lacks_vectors(index)):
        return False
    if not locked(_lock()):
        links = ["--follow-links"] * follows_links()
        command = python("-m", __name__, *links, *index.paths)
        nothing = subprocess.DEVNULL
        try:
            child = subprocess.Popen(
                command, cwd=folder(), stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
            )
        except OSError:  # the system cannot start one
            return False
        _started.append(child)
    return True


_started: list[subprocess.Popen[bytes]] = []
"""Background processes that are never waited for."""


def _lock() -> Path:
    return folder() / "reading-on.lock"


def _lacks_vectors(index: Index) -> bool:
    left = list[int]()
    if index.asker.reads_ahead:
        tell = lambda number: left.append(number) or False  # type: ignore[func-returns-value]  # noqa: E731
        index.asker.read_ahead(tell, briefly=True)
    return any(left)


def _read_all(paths: Sequence[str]) -> None:
    until = time.monotonic() + _LONGEST
    with contextlib.suppress(LiorError), lock(_lock()):
        index = Index(*paths)
        while index.update().waiting and time.monotonic() < until:
            pass
        if index.asker.reads_ahead:
            index.asker.read_ahead(lambda left: time.monotonic() < until, briefly=True)


if __name__ == "__main__":
    os.nice(_LOWEST)
    follow = sys.argv[1:2] == ["--follow-links"]  # paths are absolute
    with follow_links(follow):
        _read_all(sys.argv[1 + follow :])
