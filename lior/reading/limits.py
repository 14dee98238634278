"""What files may take while they are read, so that none keeps the others from being answered.

Readers run with the limits in force (:func:`limits`); a process that reads for another one gets them from it.
All files that are read at once share one account of processor time (:func:`account`).
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
    """Of the processor, from the bytes of a file to its documents."""
    folder: float = math.inf
    """Of the processor, for all files of a folder that are read at once; others wait for the next time.

    Commands that answer questions have :data:`QUESTION`; in Python a folder is read as a whole.
    """
    each: float = 0.05
    """Of the processor, by which each file adds to ``folder``: ordinary files take less."""
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
    """Seconds of the processor that are left to the reader of a file, in the process that has a limit."""
    return signal.getitimer(signal.ITIMER_PROF)[0] or math.inf


# --- all files of a folder ---


class Account:
    """Processor time that files may take which are read one after the other."""

    def __init__(self, seconds: float) -> None:
        self._end, self._dearest = time.thread_time() + seconds, 0.0
        self._begun = False
        self.shortened = False
        """Whether the file that is read has less time than it had alone: it is read again the next time."""

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._end - time.thread_time()

    def spend(self, seconds: float) -> None:
        """Take off what another process has spent."""
        self._end -= seconds

    @property
    def lasts(self) -> bool:
        """Whether it is enough for another file: the cheapest ones come first, so for the dearest so far.

        The first one is read in any case, so that each update goes on."""
        return not self._begun or self.left > self._dearest

    def allowed(self, seconds: float) -> float:
        """Of the seconds that a file may take, those that are left for it; all after small files only."""
        self.shortened |= self._begun and self.left < _WHOLE * seconds
        return max(self.left, 0.01) if self.shortened else seconds

    @contextmanager
    def file(self) -> Iterator[None]:
        """A file is read inside."""
        before, self.shortened = self.left, False
        try:
            yield
        finally:
            self._begun, self._dearest = True, max(self._dearest, before - self.left)


_WHOLE = 0.9
"""Share of the time of a file that counts as the whole."""
_account: ContextVar[Account | None] = ContextVar("account", default=None)


def account() -> Account | None:
    """What the file that is being read is paid from; ``None`` where it is alone."""
    return _account.get()


@contextmanager
def account_of(files: int) -> Iterator[Account]:
    """Pay all files that are read inside, by this thread, from one account."""
    opened = Account(limits().folder + limits().each * files)
    token = _account.set(opened)
    try:
        yield opened
    finally:
        _account.reset(token)
