"""Idle reading: an embedder reads, between questions, the passages that no question has needed yet."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator

from lior.errors import LiorError
from lior_ask.api import Index

_LOWEST = 19
"""Priority of the thread, as with ``nice``."""
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
