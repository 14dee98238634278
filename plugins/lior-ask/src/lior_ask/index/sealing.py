"""The seal of an index: size and CRC-32 of its file, in a file next to it, to detect damage.

Before a commit the seal is removed, under the lock of SQLite and flushed to the disk. Closing the index seals
it again if the write-ahead log is empty. So an existing seal is valid, even after a crash.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path

from lior.files import PARTIAL, follow, sync

ENDING = "-seal"
"""Suffix of the seal's file name after that of the index."""
LARGEST = 256 << 20
"""Maximum size of a file that is sealed, in bytes: a quarter of a second to read (chosen by hand)."""


def sealed(path: Path) -> bool:
    """Return whether a file has a seal."""
    return _place(path).exists()


def seal(path: Path) -> None:
    """Seal a file that nobody changes meanwhile; a file larger than ``LARGEST`` is not sealed.

    Raises ``OSError`` if it cannot be read or flushed, or the seal cannot be written.
    """
    if path.stat().st_size > LARGEST:
        return
    sync(path)
    place = _place(path)
    part = place.with_name(f"{place.name}.{os.getpid()}{PARTIAL}")
    part.touch(0o600)
    part.write_text(_text(path))
    part.replace(place)
    follow(place)


def unseal(path: Path) -> None:
    """Remove the seal of a file before a change; raises ``OSError`` if that fails."""
    with contextlib.suppress(FileNotFoundError):
        _place(path).unlink()
        sync(path.parent)


def broken(path: Path) -> bool:
    """Return whether a file differs from its seal; a file without a valid seal is not checked."""
    with contextlib.suppress(OSError, ValueError):
        before = _place(path).read_text()
        content, _, own = before.rpartition(" ")
        if zlib.crc32(content.encode()) == int(own, 16):
            # If the seal is removed meanwhile, another process changes the file.
            return _text(path) != before == _place(path).read_text()
    return False


def _place(path: Path) -> Path:
    return path.with_name(path.name + ENDING)


def _text(path: Path) -> str:
    """Return the content of a file's seal: size, CRC-32, and the CRC-32 of both."""
    crc = size = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            crc, size = zlib.crc32(block, crc), size + len(block)
    content = f"{size} {crc:08x}"
    return f"{content} {zlib.crc32(content.encode()):08x}"
