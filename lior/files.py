r"""Files: their replacement, and their names as text.

A file is replaced at once: it is complete or absent, also after a crash or a power cut. The order of
operations: write a sibling, flush it to the disk, rename it over the name, flush the folder (T. Pillai et
al., *All File Systems Are Not Created Equal*, OSDI 2014).

A file system allows names with bytes that are no UTF-8, line breaks, and characters that control a terminal
or turn the direction of text. A name is therefore made printable when a file is found, and is stored, shown
and returned in this form. So no JSON parser, page or log has to handle these characters.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lior.errors import DataError

__all__ = [
    "CONTROLS",
    "PARTIAL",
    "escape",
    "follow",
    "in_line",
    "narrow_rights",
    "original",
    "printable",
    "replacing",
    "sync",
    "writing",
]


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


# --- names ---

CONTROLS = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 except tab and line breaks, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, overrides and isolates of the direction
    r"\u2028\u2029\ud800-\udfff"  # separators of lines; Python's characters for bytes that are not UTF-8
)
"""Characters, for a class of a regular expression, that no text shows."""
_HIDDEN = re.compile(rf"[\t\n\r{CONTROLS}]")
_AMBIGUOUS = re.compile(r"\\(?=u[0-9a-f]{4}|x[89a-f][0-9a-f])")
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|x([89a-f][0-9a-f]))")
_BYTES = 0xDC00
"""The offset of Python's characters for bytes that are no UTF-8."""


def escape(found: re.Match[str]) -> str:
    r"""Return ``\x`` and two digits for a byte that is no UTF-8, ``\u`` and four for another character."""
    code = ord(found[0])
    return f"\\x{code - _BYTES:02x}" if _BYTES + 0x80 <= code <= _BYTES + 0xFF else f"\\u{code:04x}"


def in_line(name: str) -> str:
    r"""Return a name other than a file's, with ``\u`` and four digits, or ``\x`` and two, for each character
    that no line shows.

    Results of :func:`printable` are not changed.
    """
    return _HIDDEN.sub(escape, name)


def printable(path: str) -> str:
    r"""Return the name or path of a file in one line, so that :func:`original` restores it.

    A byte that is no UTF-8 becomes ``\x`` and its two digits, as a shell writes it; a backslash before such
    digits becomes ``\u005c``.

    >>> printable("a\nb\udce9.txt"), printable(r"C:\users"), printable(r"\u0041")
    ('a\\u000ab\\xe9.txt', 'C:\\users', '\\u005cu0041')
    """
    return in_line(_AMBIGUOUS.sub(escape, path))


def original(name: str) -> str:
    r"""Return the name or path from which :func:`printable` made ``name``.

    >>> original("a\\u000ab\\xe9.txt")
    'a\nb\udce9.txt'
    """
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16) if found[1] else _BYTES + int(found[2], 16)), name)
