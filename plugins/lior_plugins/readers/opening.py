"""Common code of readers of binary formats: packages, damaged files, zip archives and XML within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from io import BytesIO
from typing import IO, Any, Self
from xml.etree.ElementTree import Element, iterparse
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from lior.errors import DataError, LiorError, MissingPackage, install_hint
from lior.reading.limits import current_limits
from lior.reading.skipping import SkipReason, UnreadableFile

_MEMBERS = 100_000
"""The maximum number of members of an archive; each takes memory, whether it is read or not."""
_DEEPEST = 256
"""The maximum depth of nested elements; programs write a few dozen."""
_ELEMENTS = 2_000_000
"""The maximum number of elements of a paragraph, table or slide, about 300 MB; a part may have
twice as many.
"""
_BLOCK = 1 << 16
_LARGEST = 1 << 20
"""The maximum number of bytes read at once; all elements in them are in memory together."""
_BOMB = 1 << 12
"""The number of bytes read at once from a member whose decompression has no bound: bzip2 makes
80 MB of them.
"""


def library(name: str, form: str, part: str = "readers") -> Any:
    """Return the module ``name``, which reads a form of file.

    Raises ``MissingPackage`` when it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackage(f"{form} needs a package: {install_hint(part)}") from error


@contextmanager
def damage(form: str) -> Iterator[None]:
    """Context manager: raise a library's errors on a damaged file as ``DataError``."""
    try:
        yield
    except (LiorError, MemoryError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of Rust
            raise
        cause = f"{type(error).__name__}: {error}"[:200].splitlines()[0]
        raise DataError(f"damaged or protected {form} ({printable(cause)})") from error


def printable(text: str) -> str:
    """Return ``text`` with U+FFFD for control characters, which occur in names in damaged files."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


class _Unpacked:
    """A counter of the unpacked bytes of one file."""

    def __init__(self) -> None:
        self.left = current_limits().unpacked

    def count(self, data: bytes) -> bytes:
        """Return ``data`` and count it; raise ``UnreadableFile`` when the limit is exceeded."""
        self.left -= len(data)
        if self.left < 0:
            raise UnreadableFile(
                SkipReason.TOO_MUCH_TEXT, f"{current_limits().unpacked:,} bytes when unpacked"
            )
        return data


_UNPACKED: ContextVar[_Unpacked | None] = ContextVar("unpacked", default=None)


class Archive:
    """A zip archive whose members are counted while they are unpacked.

    Nested archives and documents count against the same limit. Sizes in the directory of the archive are not
    trusted, and unused members are not unpacked.
    """

    def __init__(self, data: bytes):
        if data.count(b"PK\1\2") > _MEMBERS:
            raise DataError(f"more than {_MEMBERS:,} files in it")
        self._zip = ZipFile(BytesIO(data))
        self.unpacked = _UNPACKED.get() or _Unpacked()

    def __enter__(self) -> Self:
        self._token = _UNPACKED.set(self.unpacked)
        return self

    def __exit__(self, *_: object) -> None:
        _UNPACKED.reset(self._token)
        self._zip.close()

    def __contains__(self, path: str) -> bool:
        return path in self._zip.NameToInfo

    def members(self) -> list[ZipInfo]:
        """Return the members that the directory of the archive lists."""
        return self._zip.infolist()

    def open(self, member: str | ZipInfo) -> _Member:
        """Return a member as a stream; raise ``KeyError`` if there is none."""
        info = member if isinstance(member, ZipInfo) else self._zip.getinfo(member)
        block = _BLOCK if info.compress_type in (0, ZIP_DEFLATED) else _BOMB
        return _Member(self._zip.open(info), self.unpacked, block)

    def read(self, member: str | ZipInfo) -> bytes:
        """Return the bytes of a member."""
        stream = self.open(member)
        return b"".join(iter(stream.read, b""))

    def elements(self, path: str, *names: str, begun: str = "") -> Iterator[Element]:
        """Yield the :func:`elements` of an XML member."""
        return elements(self.open(path), *names, begun=begun)


class _Member:
    """The stream of a member, which counts the bytes that are read."""

    def __init__(self, stream: IO[bytes], unpacked: _Unpacked, block: int):
        self._stream, self._unpacked, self._block, self._given = stream, unpacked, block, 0

    def read(self, size: int = _BLOCK) -> bytes:
        """Return the next bytes, or none at the end. Blocks grow with the bytes read, since Expat searches
        the end of a long name or value anew in each block.
        """
        block = self._unpacked.count(self._stream.read(max(self._block, min(self._given // 8, _LARGEST))))
        self._given += len(block) if self._block == _BLOCK else 0
        return block


def elements(stream: _Member, *names: str, begun: str = "") -> Iterator[Element]:
    """Yield the outermost elements with these local names; each is freed when the next one is requested.

    Enclosing elements with the name ``begun`` are yielded when they begin, for their attributes.
    """
    path, inside, count, total = list[Element](), 0, 0, 0
    for event, element in iterparse(stream, ("start", "end")):
        if event == "start":
            path.append(element)
            total += 1
            if inside:
                count += 1
            elif (name := local(element)) in names:
                inside, count = len(path), 0
            elif name == begun:
                yield element
            if len(path) > _DEEPEST:
                raise DataError(f"more than {_DEEPEST} elements inside each other")
            if count > _ELEMENTS or total > 2 * _ELEMENTS:
                raise UnreadableFile(SkipReason.TOO_MUCH_TEXT, f"{max(count, total):,} elements")
            continue
        if inside == len(path):
            yield element
            inside = 0
        path.pop()
        if not inside and path:
            del path[-1][-1]


def local(element: Element) -> str:
    """Return the name of an element without its namespace; formats have several versions of these."""
    return without_namespace(element.tag)


@lru_cache(1024)
def without_namespace(name: str) -> str:
    """
    >>> without_namespace("{urn:x}row"), without_namespace("x:row"), without_namespace("row")
    ('row', 'row', 'row')
    """
    return re.split("[}:]", name)[-1]


def attribute(element: Element, name: str) -> str:
    """Return the value of an attribute with that local name in any namespace, or empty if there is none."""
    return next((value for key, value in element.items() if without_namespace(key) == name), "")
