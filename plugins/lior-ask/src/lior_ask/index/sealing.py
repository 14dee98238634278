"""The seal of an index: size and CRC-32 of its file, in a file beside it, so that damage is noticed.

Who keeps a change removes the seal before, with the lock of SQLite and flushed to the disk; who closes the
index seals it again when the write-ahead log is empty. So a seal that is there is right, also after a crash.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path

from lior.files import PARTIAL, follow, sync

ENDING = "-seal"
"""What is added to the name of the file of an index."""
LARGEST = 256 << 20
"""Maximum size of a file that is sealed, in bytes: a quarter of a second to read (chosen by hand)."""


def sealed(path: Path) -> bool:
    """Whether a file has a seal."""
    return _place(path).exists()


def seal(path: Path) -> None:
    """Seal a file that nobody changes meanwhile; one that is larger than ``LARGEST`` is not.

    Raises ``OSError`` when it cannot be read or flushed, or the seal cannot be written.
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
    """Remove the seal of a file that is going to be changed; raises ``OSError`` when that cannot be done."""
    with contextlib.suppress(FileNotFoundError):
        _place(path).unlink()
        sync(path.parent)


def broken(path: Path) -> bool:
    """Whether a file is not the one that was sealed; a file without a valid seal is not looked at."""
    with contextlib.suppress(OSError, ValueError):
        before = _place(path).read_text()
        content, _, own = before.rpartition(" ")
        if zlib.crc32(content.encode()) == int(own, 16):
            # A seal that is removed meanwhile is that of a file that another process changes.
            return _text(path) != before == _place(path).read_text()
    return False


def _place(path: Path) -> Path:
    return path.with_name(path.name + ENDING)


def _text(path: Path) -> str:
    """What the seal of a file says: size, CRC-32, and the CRC-32 of both."""
    crc = size = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            crc, size = zlib.crc32(block, crc), size + len(block)
    content = f"{size} {crc:08x}"
    return f"{content} {zlib.crc32(content.encode()):08x}"
