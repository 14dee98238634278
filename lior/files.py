"""Atomic replacement of files: a file is complete or absent, also after a crash or a power cut.

The order of operations: write a sibling, flush it to the disk, rename it over the name, flush the folder
(T. Pillai et al., *All File Systems Are Not Created Equal*, OSDI 2014).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lior.errors import DataError

PARTIAL = ".partial"
"""Suffix of the names of files that are still being written."""
_UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


@contextlib.contextmanager
def replacing(path: Path, *, part: Path | None = None, private: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that replaces ``path`` when the block ends; after an error ``path`` is unchanged.

    Parameters
    ----------
    part
        The sibling that is written first, for files that several processes write without a lock.
    private
        Whether only the user may read it, whatever the umask.
    """
    part = part or path.with_name(path.name + PARTIAL)
    try:
        if private:
            part.touch(0o600)
            part.chmod(0o600)  # a leftover file may have wider permissions
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync(path.parent)


@contextlib.contextmanager
def writing(path: Path, *, parents: bool = False) -> Iterator[IO[bytes]]:
    """Open as :func:`replacing`; raises ``DataError`` in one line if the file cannot be written.

    Parameters
    ----------
    parents
        Whether to create the folder.
    """
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            yield stream
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


def narrow_rights(folder: Path) -> Path:
    """Create a folder for the user alone, or remove the permissions of others from one of this user.

    Raises ``OSError`` when it cannot be made.
    """
    folder.mkdir(0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        folder.chmod(0o700)
    return folder


def follow(path: Path) -> None:
    """Give a file or folder the permissions of its folder, except that others cannot write it.

    Files of a run have the permissions of the run's folder. The folder is created for its user alone, who
    may give it to a group. The file should be created with 0600 or 0700: it keeps these permissions if they
    cannot be changed.
    """
    with contextlib.suppress(OSError):
        mode = path.parent.stat().st_mode & 0o775
        path.chmod(mode if path.is_dir() else mode & 0o664)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk; file systems that cannot flush folders raise no error.

    Any other ``OSError`` is raised: a name that may not be on the disk does not replace another one.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNABLE or not path.is_dir():
            raise
    finally:
        os.close(descriptor)
