"""Entries of a file (events, messages, rows, chapters …): one that cannot be read is left out and named."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from lior.errors import LiorError
from lior.reading.limits import TAKES_ALL, is_late
from lior.reading.skipping import LIMITED, UnreadableFile

_Entry = TypeVar("_Entry")
_Read = TypeVar("_Read")
_NAMED = 20
"""Entries left out that are named; of more their number is."""
SPARE = 0.4
"""Share of the time of a file that is kept to make documents of the entries."""
_LONGEST = 200
"""Characters of a place, and of a reason."""


def read_entries(
    entries: Iterable[tuple[str, _Entry]],
    read: Callable[[_Entry], _Read],
    notes: list[str],
    *,
    whole: str = "",
    spare: float = SPARE,
) -> Iterator[_Read]:
    """What ``read`` makes of each entry, in their order; every reader of entries passes them through here.

    An entry that ``read`` fails on, as the file is damaged or the reader has a defect, is left out. Where
    ``entries`` themselves fail, or the time of the file is over, what follows the last one is. ``read`` must
    change nothing, so that nothing of an entry that fails remains.

    Parameters
    ----------
    entries : iterable of (str, entry)
        The place of each entry as a user knows it, such as ``event in line 7``, and what ``read`` gets.
    notes : list of str
        Gets a line for each of the first 20 entries left out, then one with the number of all others.
    whole : str
        What the entries are part of, such as ``sheet Costs``: it is named where ``entries`` fail at once.
        Without it that error is raised.
    spare : float
        Share of the time of a file that is left when reading ends; the entries are processed further in it.

    Raises
    ------
    MemoryError, UnreadableFile
        What ends the whole file: no memory is left, or a limit of the file is reached. Interrupts are no
        ``Exception`` and pass.
    """
    iterator, last, left_out = iter(entries), "", 0
    while True:
        if last and is_late(spare):
            notes.append(f"what follows {_plain(last)} is left out, it takes too long; {TAKES_ALL}")
            break
        try:
            place, entry = next(iterator)
        except StopIteration:
            break
        except Exception as error:
            where = f"what follows {last}" if last else whole
            if not where or _ends_all(error):
                raise
            notes.append(_note(where, error))
            break
        last = place
        try:
            made = read(entry)
        except Exception as error:
            if _ends_all(error):
                raise
            left_out += 1
            if left_out <= _NAMED:
                notes.append(_note(place, error))
            continue
        yield made
    if left_out > _NAMED:
        notes.append(f"{left_out - _NAMED:,} more are left out")


def _ends_all(error: BaseException) -> bool:
    """Whether an error is about the process or the whole file, not about one entry."""
    if isinstance(error, UnreadableFile) and error.reason in LIMITED:
        return True
    cause: BaseException | None = error
    while cause:  # libraries take whatever is raised for damage of the file
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _note(place: str, error: Exception) -> str:
    """The line for an entry that is left out."""
    cause = str(error) if isinstance(error, LiorError) else f"damaged ({type(error).__name__}: {error})"
    return f"{_plain(place)} is left out: {_plain(cause)}"


def _plain(text: str) -> str:
    """``text`` in one line that a terminal shows; entries of damaged files have anything in them."""
    line = " ".join(text[: 2 * _LONGEST].split())[:_LONGEST]
    return "".join(each if each.isprintable() else "\ufffd" for each in line)
