"""The Unix socket of a run's server; only this user can open it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from platformdirs import user_runtime_path

from lior.errors import LiorError


def socket_file(run: Path) -> Path:
    """Return the path of the socket file of a run's server; the file need not exist."""
    name = hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:16]
    return user_runtime_path("lior", appauthor=False) / f"{name}.sock"


def make_private(folder: Path) -> None:
    """Create the folder of socket files, accessible to this user only.

    Raises
    ------
    LiorError
        When it belongs to another user, or others have access to it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise LiorError(f"{folder}: not a folder of this user alone; `chmod 700` it, or remove it")
