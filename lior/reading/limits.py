"""Limits of time and memory for reading files, so that no file blocks the answers from the others.

Readers run with the limits in force (:func:`limits`); a process that reads for another one gets them from it.
All files that are read at once share one account of processor time (:func:`account`). Code that reads, cuts
or indexes a file checks :func:`seconds_left`, in either process, and keeps the part that is done in time.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import attrs

TAKES_ALL = "--limits off takes all"
"""The end of each note on a part that a limit leaves out."""


@attrs.frozen(kw_only=True)
class Limits:
    """The limits for reading files; ``math.inf`` stands for no limit."""

    seconds: float = 7
    """The maximum CPU seconds for a file, from its bytes to its passages in an index."""
    folder: float = math.inf
    """The maximum CPU seconds for all files of one update; the rest waits for the next update.

    Commands that answer questions have :data:`QUESTION`; in Python a folder is read as a whole.
    """
    memory: float = 512 << 20
    """The maximum memory that a process may use for reading a file, in bytes, beyond its memory before."""
    unpacked: float = 64 << 20
    """The maximum size of a file and of all its unpacked members, pictures and streams together, in bytes."""
    characters: float = 24 << 20
    """The maximum number of characters over all documents of a file. For plain text it counts bytes, and the
    beginning is kept.
    """
    lines: float = 1_000_000
    """The maximum number of lines of a document; the first lines of plain text are kept."""
    passages: float = 100_000
    """The maximum number of passages over all documents of a file; the first ones are kept.
    About 40 µs each.
    """
    words: float = 50_000
    """The maximum number of different words of a document that are counted, the first ones. About 100 µs
    each.
    """


NO_LIMITS = Limits(**dict.fromkeys(attrs.fields_dict(Limits), math.inf))
"""No limits, for one's own huge files."""

QUESTION = Limits(folder=7)
"""The limits of a command that answers questions."""

_in_force = Limits()


def current_limits() -> Limits:
    """Return the limits in force."""
    return _in_force


@contextmanager
def limit_by(chosen: Limits) -> Iterator[None]:
    """Context manager: put these limits in force, in all threads, since a server reads files in several."""
    global _in_force
    before, _in_force = _in_force, chosen
    try:
        yield
    finally:
        _in_force = before


def seconds_left() -> float:
    """Return the CPU seconds left to the file that is read, cut or indexed; ``math.inf`` without a limit.

    In a process that reads for another one a timer measures them, elsewhere the account."""
    paid = current_account()
    return signal.getitimer(signal.ITIMER_PROF)[0] or (paid.left_for_file if paid else math.inf)


def is_late(share: float) -> bool:
    """Return whether the present file has less than this share of its time left. While the file is read, the
    time is its reading time; afterwards it is its indexing time.
    """
    paid = current_account()
    return seconds_left() < share * (paid.whole if paid else current_limits().seconds)


# --- all files of a folder ---


class Account:
    """A budget of CPU time for files that are read one after the other."""

    def __init__(self, seconds: float) -> None:
        self._writing = _WRITING * seconds if seconds < math.inf else 0.0
        self._now = time.thread_time()
        """The thread's CPU time in seconds when a file last began or ended; reading it is slow in some
        sandboxes.
        """
        self._end, self._dearest = self._now + seconds, 0.0
        self._file_end = self.whole = math.inf
        self._begun = False
        self.shortened = False
        """Whether the present file has less time than it would have alone; it is then read again at the next
        update.
        """

    @property
    def left_for_file(self) -> float:
        """The CPU seconds left for the present file."""
        return self._file_end - time.thread_time()

    def spend(self, seconds: float) -> None:
        """Deduct the CPU seconds that another process has spent."""
        self._end -= seconds
        self._file_end -= seconds

    def keep(self, share: float) -> None:
        """Begin indexing the present file, with at least this share of its time limit."""
        now = time.thread_time()
        self.whole = max(self._file_end - now, share * current_limits().seconds)
        self._file_end = now + self.whole

    @property
    def lasts(self) -> bool:
        """Whether the budget suffices for another file: for the most expensive so far, since cheap files come
        first.

        The first file is read in any case, so that each update makes progress. A part of the budget is
        reserved for writing to the index.
        """
        return not self._begun or self._end - self._now > max(self._dearest, self._writing)

    def allowed(self, seconds: float) -> float:
        """Return how many of the CPU seconds that a file may take are left for it."""
        return min(max(self.left_for_file, 0.01), seconds)

    @contextmanager
    def file(self) -> Iterator[None]:
        """Context manager: read a file inside, at the expense of this budget."""
        before, most = self._end - self._now, current_limits().seconds
        self.shortened = self._begun and before < _WHOLE * most
        self.whole = min(most, before) if self._begun else most
        self._file_end = self._now + self.whole
        try:
            yield
        finally:
            self._now, self._begun = time.thread_time(), True
            self._dearest = max(self._dearest, before - (self._end - self._now))


_WRITING = 0.25
"""The share of the total time that is reserved for writing: no further file is begun in it. Chosen by hand:
writing many small files to the index takes about as long as cutting them.
"""
_WHOLE = 0.9
"""The share of a file's time limit that counts as the whole limit."""
_account: ContextVar[Account | None] = ContextVar("account", default=None)


def current_account() -> Account | None:
    """Return the budget of the file that is being read, or ``None`` if it is read alone."""
    return _account.get()


@contextmanager
def open_account() -> Iterator[Account]:
    """Context manager: charge all files that this thread reads inside to one account."""
    opened = Account(current_limits().folder)
    token = _account.set(opened)
    try:
        yield opened
    finally:
        _account.reset(token)
