"""Files and locks of a run's directory."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from pathlib import Path
from typing import IO

from lior.errors import RunError
from lior.files import PARTIAL, follow, replacing
from lior.files import sync as sync

_PAUSE = 0.02
"""Seconds between two looks at a lock; they do not grow, or who waits longest would look least often."""


def write_text(path: Path, text: str, *, errors: str = "strict") -> None:
    """Replace the file at ``path`` by ``text``, or leave it unchanged and raise ``OSError``.

    It gets the permissions of its folder; see :func:`lior.files.follow`.
    """
    with replacing(path, private=True) as stream:
        stream.write(text.encode("utf-8", errors))
    follow(path)


def appending(path: Path) -> IO[str]:
    """Open a file of a run for more lines; a new one has the permissions of its folder.

    Characters that UTF-8 cannot encode, for instance in file names, are escaped.
    """
    if not path.exists():
        path.touch(0o600)
        follow(path)
    return path.open("a", encoding="utf-8", errors="backslashreplace")


def partial(folder: Path) -> list[Path]:
    """Return the files and folders in ``folder`` that an interrupted program left half written."""
    return list(folder.glob(f"*{PARTIAL}"))


def remove_partial(folder: Path) -> None:
    """Remove the files of :func:`partial` from ``folder``, as far as possible."""
    for path in partial(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def lock(path: Path, *, patience: float = 0.0) -> IO[str]:
    """Take the lock file at ``path`` for this process, until the stream is closed.

    It waits for another process that holds it, ``patience`` seconds at most.

    The lock is advisory and ends with the process. Readers do not need it, because files that they read are
    never changed in place.

    Raises
    ------
    RunError
        When another process holds it.
    OSError
        When the file cannot be created.
    """
    stream = appending(path)
    try:
        _take(stream, patience)
    except BaseException as error:
        stream.close()
        if not isinstance(error, BlockingIOError):
            raise
        raise RunError(
            f"{path.parent}: another process is changing this run; wait until it ends, or stop it"
        ) from None
    return stream


def _take(stream: IO[str], patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() + _PAUSE > until:
                raise
        time.sleep(_PAUSE)


def locked(path: Path) -> bool:
    """Return whether a process holds the lock file at ``path``."""
    try:
        with path.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is no such file, or it cannot be opened
        return False
    return False
