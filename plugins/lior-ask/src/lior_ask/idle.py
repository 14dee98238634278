"""Idle reading: an embedder reads, between questions, the passages that no question has needed yet.

By a thread, where a process goes on (:class:`IdleReader`), or by a process of its own, where it ends
(:func:`read_on`), which ``python -m lior_ask.idle [--follow-links] PATH...`` is.
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
from lior.reading.finding import follow_links, follows_links
from lior.runs.files import lock, locked
from lior_ask.api import Index
from lior_ask.index.cache import cache_file, folder

VARIABLE = "LIOR_READ_AHEAD"
"""Environment variable; a process reads on where it is ``1`` or not set."""
_LOWEST = 19
"""Priority of the thread, as with ``nice``."""
_LONGEST = 600
"""Seconds that a process reads on; the next question begins another one."""
_LOG = logging.getLogger("lior_ask")


class IdleReader:
    """A thread of the lowest priority that reads the passages of an index one by one.

    Parameters
    ----------
    index
        Where the retriever compares no vectors there is nothing to read.
    progress
        Called in the thread, before each passage and at the end, with the number of those that are left.
    """

    def __init__(self, index: Index, progress: Callable[[int], object] | None = None) -> None:
        self._index, self._progress = index, progress or (lambda left: None)
        self.left = 0
        """Passages that are left to read."""
        self._stopped = False
        self._changed, self._free = threading.Event(), threading.Event()
        self._asking, self._lock = 0, threading.Lock()
        self._free.set()
        self._changed.set()
        self._thread = threading.Thread(target=self._run, name="lior-idle", daemon=True)
        if index.reads_ahead:
            self._thread.start()
            atexit.register(self.stop)  # a library that computes while the process ends would abort it

    def look_again(self) -> None:
        """Read what is new; the index was changed."""
        self._changed.set()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is read inside, from the end of the passage that is being read."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def stop(self) -> None:
        """End it, and keep what was read; at most one passage later."""
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
        with contextlib.suppress(OSError, AttributeError):  # of this thread alone, as Linux has it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        while self._changed.wait() and not self._stopped:
            self._changed.clear()
            try:
                self._index.read_ahead(self._go_on)
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
    """Let a process of its own read what waits, at the lowest priority; whether there is one now.

    There is one at a time, whatever the number of indexes, and none where the index is not kept on the disk.
    Of a large index (:data:`~lior_ask.index.embedding.LARGE`) the encoder reads the beginnings of documents.
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
        except OSError:  # the system has no room for one
            return False
        _started.append(child)
    return True


_started: list[subprocess.Popen[bytes]] = []
"""Nobody waits for them."""


def _lock() -> Path:
    return folder() / "reading-on.lock"


def _lacks_vectors(index: Index) -> bool:
    left = list[int]()
    if index.reads_ahead:
        tell = lambda number: left.append(number) or False  # type: ignore[func-returns-value]  # noqa: E731
        index.read_ahead(tell, briefly=True)
    return any(left)


def _read_all(paths: Sequence[str]) -> None:
    until = time.monotonic() + _LONGEST
    with contextlib.suppress(LiorError), lock(_lock()):
        index = Index(*paths)
        while index.update().waiting and time.monotonic() < until:
            pass
        if index.reads_ahead:
            index.read_ahead(lambda left: time.monotonic() < until, briefly=True)


if __name__ == "__main__":
    os.nice(_LOWEST)
    follow = sys.argv[1:2] == ["--follow-links"]  # paths are absolute
    with follow_links(follow):
        _read_all(sys.argv[1 + follow :])
