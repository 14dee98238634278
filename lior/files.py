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

PARTIAL = ".partial"
"""Ending of the names of files that are still being written."""
_UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


@contextlib.contextmanager
def replacing(path: Path, *, part: Path | None = None, private: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that replaces ``path`` when the block ends; after an error ``path`` is unchanged.

    Parameters
    ----------
    part
        The sibling that is written first, for files that several processes write without a lock.
    private
        Whether only the user may read it.
    """
    part = part or path.with_name(path.name + PARTIAL)
    try:
        if private:
            part.touch(0o600)
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


def sync(path: Path) -> None:
    """Flush a file or folder to the disk; some file systems cannot do so with folders, which is no error.

    Any other ``OSError`` is raised: a name that may not be on the disk is no successor of another one.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNABLE or not path.is_dir():
            raise
    finally:
        os.close(descriptor)
