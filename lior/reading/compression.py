"""Compressed files: the supported formats, and decompression."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath
from typing import BinaryIO, cast

import attrs

from lior.errors import MissingPackage, install_hint
from lior.reading import isolation
from lior.reading.limits import Limits, current_limits
from lior.reading.skipping import SkipReason, UnreadableFile

COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma", ".zst": "zstandard"}
"""The module that decompresses a file with ``open``, by the suffix of the file."""

DECOMPRESSED_LIMIT = 64 << 20
"""The default maximum size of a decompressed file, in bytes; a larger file is left out."""

_BLOCK = 1 << 24


def is_compressed(name: str) -> bool:
    """Return whether a file of this name is compressed."""
    return PurePath(name).suffix.lower() in COMPRESSED


def decompress(
    data: bytes, name: str, *, limit: float | None = None, count: Callable[[bytes], object] = len
) -> tuple[bytes, str]:
    """Return the decompressed bytes of a file and its name without the suffix; other files are unchanged.

    Another process decompresses the bytes. ``limit`` is in bytes; its default is that of
    :func:`~lior.reading.limits.current_limits`. A larger limit raises the limits of time and memory by the
    same factor. ``count`` is called with each decompressed block and may raise; readers, which run in that
    process already, use it.

    Raises
    ------
    UnreadableFile
        When it is damaged, empty, or larger than ``limit`` bytes when decompressed, however often packed;
        when it takes more time or memory than the limits.
    MissingPackage
        When the package that decompresses it is not installed.
    """
    limit = current_limits().unpacked if limit is None else limit
    if is_compressed(name) and not isolation.is_inside():
        name, data = isolation.read_apart(data, name, _raise_limits(limit), limit=limit)
    while is_compressed(name):
        module = COMPRESSED[PurePath(name).suffix.lower()]
        try:
            with _open(data, module, PurePath(name).suffix) as stream:
                data = read_all(stream, limit, count)
                limit -= len(data)
        except (UnreadableFile, MissingPackage):
            raise
        except Exception as error:  # each library has its own
            raise UnreadableFile(SkipReason.BAD_ARCHIVE, f"{module} file ({error})") from error
        name = PurePath(name).stem
    if not data.strip():
        raise UnreadableFile(SkipReason.EMPTY)
    return data, name


def _raise_limits(limit: float) -> Limits:
    """Return the limits for a file that may have ``limit`` bytes."""
    factor = max(1.0, limit / DECOMPRESSED_LIMIT)
    return attrs.evolve(
        current_limits(), seconds=current_limits().seconds * factor, memory=current_limits().memory * factor
    )


def _open(data: bytes, module: str, suffix: str) -> BinaryIO:
    try:
        return cast(BinaryIO, import_module(module).open(io.BytesIO(data)))
    except ImportError as error:
        raise MissingPackage(f"{suffix} needs a package: {install_hint('readers')}") from error


def read_all(stream: BinaryIO, limit: float, count: Callable[[bytes], object] = len) -> bytes:
    """Return all bytes of a stream, read block by block.

    Raises ``UnreadableFile`` as soon as they are more than ``limit``.
    """
    blocks, left = [], limit
    while left >= 0 and (block := stream.read(int(min(_BLOCK, left + 1)))):
        count(block)
        blocks.append(block)
        left -= len(block)
    if left < 0:
        raise UnreadableFile(SkipReason.TOO_LARGE)
    return b"".join(blocks)
