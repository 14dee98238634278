"""What one file may take while it is read, so that no file keeps the others from being answered.

Readers run with the limits in force (:func:`limits`); a process that reads for another one gets them from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """The most that one file may take; ``math.inf`` stands for no limit."""

    seconds: float = 10
    """Of the processor, from the bytes of the file to its documents."""
    memory: float = 512 << 20
    """Bytes of memory of the process that reads it, beyond those that it has before."""
    unpacked: float = 64 << 20
    """Bytes of the file, and of all members, pictures and streams that are unpacked, together."""
    characters: float = 64 << 20
    """Of all its documents together."""
    passages: float = 100_000
    """Of all its documents together; the first ones are kept. About 40 µs each."""
    words: float = 100_000
    """Different words of a document that are counted, the first ones. About 100 µs each."""


OFF = Limits(**dict.fromkeys(attrs.fields_dict(Limits), math.inf))
"""No limits, for one's own giant."""

_in_force = Limits()


def limits() -> Limits:
    """The limits in force."""
    return _in_force


@contextmanager
def limited_by(chosen: Limits) -> Iterator[None]:
    """Put these limits in force, in all threads: a server reads files in several."""
    global _in_force
    before, _in_force = _in_force, chosen
    try:
        yield
    finally:
        _in_force = before


_raise: Callable[[float, float], object] | None = None


def raise_limits(seconds: float, memory: float) -> None:
    """Allow the file that is being read ``seconds`` more, and ``memory`` bytes in all, if that is more.

    For a step that takes long by its nature. A reader calls it at most a fixed number of times for a file:
    before the recognition of a page, of which there are at most 50.
    """
    if _raise:
        _raise(seconds, memory)


def raised_by(function: Callable[[float, float], object]) -> None:
    """Let :func:`raise_limits` call this, in the process that reads for another one."""
    global _raise
    _raise = function
