"""The folder of compiled code: in the user's cache, never in the installed package.

Each version of the code has a folder of its own. Compiling a version removes the folders of others that
were not used for :data:`STALE_DAYS`. While all folders take more than :data:`MOST_BYTES`, the least
recently used ones are removed too.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import stat
import time
from pathlib import Path

from platformdirs import user_cache_path

BELOW = "lior"
"""Name of the folder below ``NUMBA_CACHE_DIR``."""
STALE_DAYS = 30
MOST_BYTES = 64 << 20
_RECENT = 3600.0
"""Seconds after its last use for which a folder is kept above the limit: a process may be filling it."""


_NOBODY = 65534
"""User id that Linux shows for an owner that a container cannot map, such as the host's root."""


def root() -> Path:
    """Return the folder of all versions: below ``NUMBA_CACHE_DIR`` if set, else in the user's cache."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    return Path(given) / BELOW if given else user_cache_path("lior", appauthor=False) / "compiled"


def refuse_if_shared(path: Path) -> None:
    """Raise ``PermissionError`` if another user than root can write to ``path`` or replace it.

    A sticky folder such as ``/tmp`` is safe, and so is a group without other members.
    """
    place = path.resolve()
    for folder in (place, *place.parents):
        status = folder.stat()
        others = status.st_mode & stat.S_IWOTH or (
            status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid)
        )
        if status.st_uid not in (0, _NOBODY, os.getuid()) or (others and not status.st_mode & stat.S_ISVTX):
            raise PermissionError(f"another user can write {folder}")


def _is_own_group(number: int) -> bool:
    try:
        return number == os.getgid() and {*grp.getgrgid(number).gr_mem} <= {pwd.getpwuid(os.getuid()).pw_name}
    except KeyError:
        return False


def versions() -> list[Path]:
    """Return the folders of all versions, the one used last first."""
    with contextlib.suppress(OSError):
        return sorted((path for path in root().iterdir() if path.is_dir()), key=_used, reverse=True)
    return []


def size(path: Path) -> int:
    """Return the bytes of the files below a folder; files that vanish meanwhile do not count."""
    total = 0
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def mark_used(path: Path) -> None:
    """Note that a version is in use."""
    with contextlib.suppress(OSError):
        os.utime(path)


def remove_stale(current: Path) -> None:
    """Remove stale folders and what exceeds the limit; ``current`` and folders in use stay."""
    now, total = time.time(), size(current)
    for path in versions():
        if path == current:
            continue
        total += size(path)
        age = now - _used(path)
        if age > STALE_DAYS * 86400 or (total > MOST_BYTES and age > _RECENT):
            shutil.rmtree(path, ignore_errors=True)


def clear() -> None:
    """Remove the whole cache; running processes go on, and the next one compiles again."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(root())


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
