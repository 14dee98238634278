"""What one file may take while it is read, so that no file keeps the others from being answered.

Readers run with the limits in force (:func:`limits`); a process that reads for another one gets them from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """The most that one file may take; ``math.inf`` stands for no limit."""

    seconds: float = 10
    """Of the processor, from the bytes of the file to its documents."""
    memory: float = 512 << 20
    """Bytes of memory of the process that reads it, beyond those that it has before."""
    unpacked: float = 64 << 20
    """Bytes of all members, pictures and streams that are unpacked, together."""
    characters: float = 64 << 20
    """Of all its documents together."""
    passages: float = 100_000
    """Of all its documents together; the first ones are kept. About 40 µs each."""
    words: float = 65_536
    """Different words of a document that are counted, the first ones. About 100 µs each."""


OFF = Limits(**dict.fromkeys(attrs.fields_dict(Limits), math.inf))
"""No limits, for one's own giant."""

_IN_FORCE: ContextVar[Limits] = ContextVar("limits", default=Limits())  # noqa: B039 (frozen)


def limits() -> Limits:
    """The limits in force."""
    return _IN_FORCE.get()


@contextmanager
def limited_by(chosen: Limits) -> Iterator[None]:
    """Put these limits in force."""
    token = _IN_FORCE.set(chosen)
    try:
        yield
    finally:
        _IN_FORCE.reset(token)
