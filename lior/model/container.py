"""The file that ``lior compress`` writes: a header, then code words.

Numbers are little-endian. ::

    5   magic
    1   version of the format
    4   CRC-32 of everything that follows
    1   length of the recipe's name; 0 for a trained run
    ..  name of the recipe, UTF-8
    32  SHA-256 of the run's manifest, or of the untrained model's parts
    8   length of the original in bytes
    8   its length in tokens
    32  its SHA-256
    4   CRC-32 of the type of CPU and the versions of the libraries
    ..  code words, 4 bytes each
"""

from __future__ import annotations

import struct
import zlib
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import attrs

from lior.errors import DataError

FORMAT = 1
"""Version of the layout. A newer one is refused."""

_MAGIC = b"\x89lior"
_START = struct.Struct("<BI")
_NUMBERS = struct.Struct("<32sQQ32sI")
_LIBRARIES = ("lior", "torch", "numpy", "numba", "llvmlite", "constriction")


@attrs.frozen
class Container:
    """A compressed file."""

    recipe: str
    """Recipe of an untrained model; empty for a trained run."""
    identity: bytes
    """SHA-256 of what the model is, 32 bytes."""
    size: int
    """Length of the original in bytes."""
    tokens: int
    """Its length in tokens."""
    sha256: bytes
    """SHA-256 of the original, 32 bytes."""
    machine: int
    """What :func:`machine` was where it was made."""
    words: bytes
    """Code words, a multiple of 4 bytes."""

    def pack(self) -> bytes:
        """The file."""
        name = self.recipe.encode()
        numbers = _NUMBERS.pack(self.identity, self.size, self.tokens, self.sha256, self.machine)
        body = bytes([len(name)]) + name + numbers + self.words
        return _MAGIC + _START.pack(FORMAT, zlib.crc32(body)) + body


def unpack(data: bytes, *, name: str) -> Container:
    """The file ``data``, called ``name`` in messages.

    Raises
    ------
    DataError
        When it is none, or of a newer format, cut short or damaged.
    """
    begin = len(_MAGIC) + _START.size
    if data[: len(_MAGIC)] != _MAGIC[: len(data)] or not data:
        raise DataError(f"{name}: not a file that `lior compress` made")
    if len(data) < begin:
        raise DataError(f"{name}: cut short ({len(data)} bytes)")
    found, checksum = _START.unpack_from(data, len(_MAGIC))
    if found != FORMAT:
        raise DataError(
            f"{name}: written in format {found}, and this lior reads format {FORMAT}; install a newer lior"
        )
    body = data[begin:]
    if zlib.crc32(body) != checksum:
        raise DataError(f"{name}: cut short or damaged (its checksum does not match)")
    try:
        at = 1 + body[0]
        identity, size, tokens, sha256, made_on = _NUMBERS.unpack_from(body, at)
        words = body[at + _NUMBERS.size :]
        if len(words) % 4:
            raise ValueError("code words")
        return Container(body[1:at].decode(), identity, size, tokens, sha256, made_on, words)
    except (IndexError, struct.error, ValueError) as error:
        raise DataError(f"{name}: not a file that `lior compress` made ({error})") from error


def machine() -> int:
    """A number for the type of CPU and the libraries' versions, on which the last bits of sums depend."""
    binding = import_module("llvmlite.binding")
    parts = [binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()]
    return zlib.crc32("\n".join(parts + [f"{name} {_version(name)}" for name in _LIBRARIES]).encode())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
