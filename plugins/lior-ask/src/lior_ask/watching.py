"""Changes of files, as the file system reports them, through the package watchfiles."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event

from lior.reading import FOREIGN

_AGAIN = 60.0
"""The interval, in seconds, after which files are checked anyway: some file systems report no changes."""


def watch_changes(
    roots: Sequence[Path], *, rest: float = 1.0, longest: float = 10.0, stop: Event | None = None
) -> Iterator[None]:
    """Yield when watching has begun, when changes have settled, and every minute; no change is missed.

    Changes inside folders that are left out, hidden ones for instance, do not count.

    Parameters
    ----------
    roots
        The folders to watch, with everything below them.
    rest, longest
        The seconds without a further change after which changes are reported, and the seconds after which
        they are reported in any case.
    stop
        An event that ends the iteration when it is set.

    Raises
    ------
    OSError, RuntimeError, UnicodeError
        When they cannot be watched, for instance because there are too many folders; :func:`watch_fault` has
        the reason in words.
    """
    from watchfiles import watch

    last = -_AGAIN
    step = int(1000 * rest)
    found = watch(
        *{str(root) for root in roots},
        watch_filter=_seen([root.absolute() for root in roots]),
        yield_on_timeout=True,
        step=step,
        debounce=int(1000 * longest),
        rust_timeout=step,
        stop_event=stop,
    )
    for changed in found:
        if changed or time.monotonic() - last >= _AGAIN:
            yield
            last = time.monotonic()


def watch_fault(error: Exception) -> str:
    """Return in words why changes cannot be watched, without a path.

    >>> watch_fault(RuntimeError('Unable to decode path "/notes/caf\\xE9.txt" to string'))
    'the name of a file is not UTF-8'
    """
    text = str(error)
    if isinstance(error, UnicodeError) or "decode path" in text:
        return "the name of a file is not UTF-8"
    found = re.search(r"os error (\d+)", text)  # of the system, in the words of watchfiles
    number = int(found[1]) if found else getattr(error, "errno", None)
    if number == errno.ENOSPC or "MaxFilesWatch" in text:
        return "there are more folders than the system watches (fs.inotify.max_user_watches)"
    if number == errno.EMFILE:
        return "too many programs watch files (fs.inotify.max_user_instances)"
    return os.strerror(number) if number else "the file system does not report changes"


def _seen(roots: Sequence[Path]) -> Callable[[object, str], bool]:
    """Return whether a path that has changed is in no folder that is left out of each of ``roots``."""

    def seen(_: object, changed: str) -> bool:
        path = Path(changed)
        folders = [path.relative_to(root).parts[:-1] for root in roots if path.is_relative_to(root)]
        return not folders or any(
            not any(part.startswith(".") or part in FOREIGN for part in parts) for parts in folders
        )

    return seen
