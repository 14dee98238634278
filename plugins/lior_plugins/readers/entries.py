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
"""The maximum number of left-out entries that notes name; the others are counted."""
SPARE = 0.4
"""The share of a file's time limit that is reserved for making documents of the entries."""
_LONGEST = 200
"""The maximum length of a place and of a reason, in characters."""


def read_entries(
    entries: Iterable[tuple[str, _Entry]],
    read: Callable[[_Entry], _Read],
    notes: list[str],
    *,
    whole: str = "",
    spare: float = SPARE,
) -> Iterator[_Read]:
    """Yield the result of ``read`` for each entry, in order; every reader of entries uses this function.

    An entry on which ``read`` fails, because the file is damaged or the reader has a defect, is left out. If
    ``entries`` itself fails, or the time of the file is over, all entries after the last one are left out.
    ``read`` must have no side effects, so that nothing of a failed entry remains.

    Parameters
    ----------
    entries : iterable of (str, entry)
        The place of each entry as a user knows it, such as ``event in line 7``, and the argument of ``read``.
    notes : list of str
        A list to which notes are added: one for each of the first 20 left-out entries, then the number of the
        others.
    whole : str
        The object that contains the entries, such as ``sheet Costs``. Its name is noted if ``entries`` fails
        before the first entry; without a name the error is raised.
    spare : float
        The share of the file's time limit that remains when reading ends, for further processing of the
        entries.

    Raises
    ------
    MemoryError, UnreadableFile
        When the whole file must end: no memory is left, or a limit of the file is reached. Interrupts are not
        ``Exception`` and are not caught.
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
    """Return whether an error concerns the process or the whole file, not one entry."""
    if isinstance(error, UnreadableFile) and error.reason in LIMITED:
        return True
    cause: BaseException | None = error
    while cause:  # libraries report every exception as damage of the file
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _note(place: str, error: Exception) -> str:
    """Return the line for an entry that is left out."""
    cause = str(error) if isinstance(error, LiorError) else f"damaged ({type(error).__name__}: {error})"
    return f"{_plain(place)} is left out: {_plain(cause)}"


def _plain(text: str) -> str:
    """Return ``text`` as one line that is safe for a terminal; entries of damaged files may
    contain anything.
    """
    line = " ".join(text[: 2 * _LONGEST].split())[:_LONGEST]
    return "".join(each if each.isprintable() else "\ufffd" for each in line)
