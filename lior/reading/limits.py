"""What files may take while they are read, so that none keeps the others from being answered.

Readers run with the limits in force (:func:`limits`); a process that reads for another one gets them from it.
All files that are read at once share one account of processor time (:func:`account`). Whoever reads, cuts or
indexes a file asks :func:`seconds_left`, in either process, and keeps what is done in time.
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
"""The end of each note on what a limit left out."""


@attrs.frozen(kw_only=True)
class Limits:
    """The most that files may take; ``math.inf`` stands for no limit."""

    seconds: float = 7
    """CPU seconds from the bytes of a file to its passages in an index."""
    folder: float = math.inf
    """CPU seconds for all files that are read at once, however many; others wait for the next time.

    Commands that answer questions have :data:`QUESTION`; in Python a folder is read as a whole.
    """
    memory: float = 512 << 20
    """Bytes of memory of the process that reads a file, beyond those that it has before."""
    unpacked: float = 64 << 20
    """Bytes of a file, and of all members, pictures and streams that are unpacked, together."""
    characters: float = 24 << 20
    """Of all documents of a file together; bytes of a plain text, of which the first ones are kept."""
    lines: float = 1_000_000
    """Of a document; the first ones of a plain text are kept."""
    passages: float = 100_000
    """Of all documents of a file together; the first ones are kept. About 40 µs each."""
    words: float = 50_000
    """Different words of a document that are counted, the first ones. About 100 µs each."""


OFF = Limits(**dict.fromkeys(attrs.fields_dict(Limits), math.inf))
"""No limits, for one's own giant."""

QUESTION = Limits(folder=7)
"""The limits of a command that answers questions."""

_in_force = Limits()


def limits() -> Limits:
    """The limits in force."""
    return _in_force


@contextmanager
def limit_by(chosen: Limits) -> Iterator[None]:
    """Put these limits in force, in all threads: a server reads files in several."""
    global _in_force
    before, _in_force = _in_force, chosen
    try:
        yield
    finally:
        _in_force = before


def seconds_left() -> float:
    """Return the CPU seconds left to the file that is read, cut or indexed; ``math.inf`` without a limit.

    In the process that reads for another one a timer limits them, elsewhere the account."""
    paid = account()
    return signal.getitimer(signal.ITIMER_PROF)[0] or (paid.left_for_file if paid else math.inf)


def is_late(share: float) -> bool:
    """Return whether less than this share of its time is left to the file that is being read, or, once it is
    read, of the time for indexing it."""
    paid = account()
    return seconds_left() < share * (paid.whole if paid else limits().seconds)


# --- all files of a folder ---


class Account:
    """CPU time of files that are read one after the other."""

    def __init__(self, seconds: float) -> None:
        self._writing = _WRITING * seconds if seconds < math.inf else 0.0
        self._now = time.thread_time()
        """Time of the thread when a file was last begun or ended; to ask for it is dear in some sandboxes."""
        self._end, self._dearest = self._now + seconds, 0.0
        self._file_end = self.whole = math.inf
        self._begun = False
        self.shortened = False
        """Whether the file that is read has less time than it had alone: it is read again the next time."""

    @property
    def left_for_file(self) -> float:
        """CPU seconds left for the file that is being read."""
        return self._file_end - time.thread_time()

    def spend(self, seconds: float) -> None:
        """Take off what another process has spent."""
        self._end -= seconds
        self._file_end -= seconds

    def keep(self, share: float) -> None:
        """Begin to index what was read of the present file, with at least this share of its time."""
        now = time.thread_time()
        self.whole = max(self._file_end - now, share * limits().seconds)
        self._file_end = now + self.whole

    @property
    def lasts(self) -> bool:
        """Whether it is enough for another file: the cheapest ones come first, so for the dearest so far.

        The first one is read in any case, so that each update goes on. A part stays for writing what was
        read to the index."""
        return not self._begun or self._end - self._now > max(self._dearest, self._writing)

    def allowed(self, seconds: float) -> float:
        """Return how many of the CPU seconds that a file may take are left for it."""
        return min(max(self.left_for_file, 0.01), seconds)

    @contextmanager
    def file(self) -> Iterator[None]:
        """A file is read inside."""
        before, most = self._end - self._now, limits().seconds
        self.shortened = self._begun and before < _WHOLE * most
        self.whole = min(most, before) if self._begun else most
        self._file_end = self._now + self.whole
        try:
            yield
        finally:
            self._now, self._begun = time.thread_time(), True
            self._dearest = max(self._dearest, before - (self._end - self._now))


_WRITING = 0.25
"""Share of the time of all files in which no further file is begun; chosen by hand: writing many small files
to the index takes about as long as cutting them."""
_WHOLE = 0.9
"""Share of the time of a file that counts as the whole."""
_account: ContextVar[Account | None] = ContextVar("account", default=None)


def account() -> Account | None:
    """What the file that is being read is paid from; ``None`` where it is alone."""
    return _account.get()


@contextmanager
def open_account() -> Iterator[Account]:
    """Pay all files that are read inside, by this thread, from one account."""
    opened = Account(limits().folder)
    token = _account.set(opened)
    try:
        yield opened
    finally:
        _account.reset(token)
