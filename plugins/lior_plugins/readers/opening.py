"""What readers of binary formats share: their packages, damaged files, zip archives and XML within bounds."""

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

from lior.errors import DataError, LiorError, MissingPackage
from lior.reading.limits import limits
from lior.reading.skipping import SkipReason, UnreadableFile

_MEMBERS = 100_000
"""Members of an archive; each takes memory, whether it is read or not."""
_DEEPEST = 256
"""Elements inside each other; in what programs write they are a few dozen."""
_ELEMENTS = 2_000_000
"""Elements of one paragraph, table or slide, in memory together: about 300 MB; twice as many of a part."""
_BLOCK = 1 << 16
_LARGEST = 1 << 20
"""Most bytes read at once; all elements in them are in memory together."""
_BOMB = 1 << 12
"""Bytes read at once of a member whose compression has no bound of its own: bzip2 makes 80 MB of them."""


def library(name: str, form: str, extra: str = "readers") -> Any:
    """The module ``name``, which reads a form of file.

    Raises ``MissingPackage`` when it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackage(f"{form} needs a package; install it: pip install 'lior[{extra}]'") from error


@contextmanager
def damage(form: str) -> Iterator[None]:
    """Raise whatever a library does with a damaged file as ``DataError``."""
    try:
        yield
    except (LiorError, MemoryError):
        raise
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"[:200].splitlines()[0]
        raise DataError(f"damaged or protected {form} ({printable(cause)})") from error


def printable(text: str) -> str:
    """``text`` with U+FFFD for what controls a terminal; damaged files have it in their names."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


class _Unpacked:
    """Bytes that are unpacked of one file."""

    def __init__(self) -> None:
        self.left = limits().unpacked

    def count(self, data: bytes) -> bytes:
        """``data``; raises ``UnreadableFile`` when it is more than is left."""
        self.left -= len(data)
        if self.left < 0:
            raise UnreadableFile(SkipReason.TOO_MUCH_TEXT, f"{limits().unpacked:,} bytes when unpacked")
        return data


_UNPACKED: ContextVar[_Unpacked | None] = ContextVar("unpacked", default=None)


class Archive:
    """A zip archive whose members are counted while they are unpacked.

    An archive or document inside it counts against the same bound. What the directory of the archive claims
    of sizes is not relied on, and members that nobody asks for are not unpacked.
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
        """What is in it, as its directory says."""
        return self._zip.infolist()

    def open(self, member: str | ZipInfo) -> _Member:
        """A member as a stream; raises ``KeyError`` if there is none."""
        info = member if isinstance(member, ZipInfo) else self._zip.getinfo(member)
        block = _BLOCK if info.compress_type in (0, ZIP_DEFLATED) else _BOMB
        return _Member(self._zip.open(info), self.unpacked, block)

    def read(self, member: str | ZipInfo) -> bytes:
        """The bytes of a member."""
        stream = self.open(member)
        return b"".join(iter(stream.read, b""))

    def elements(self, path: str, *names: str, begun: str = "") -> Iterator[Element]:
        """As :func:`elements`, of a member that is XML."""
        return elements(self.open(path), *names, begun=begun)


class _Member:
    """The stream of a member; what is read of it is counted."""

    def __init__(self, stream: IO[bytes], unpacked: _Unpacked, block: int):
        self._stream, self._unpacked, self._block, self._given = stream, unpacked, block, 0

    def read(self, size: int = _BLOCK) -> bytes:
        """The next bytes; none at the end. Blocks grow with what was read: Expat looks for the end of a long
        name or value anew in each."""
        block = self._unpacked.count(self._stream.read(max(self._block, min(self._given // 8, _LARGEST))))
        self._given += len(block) if self._block == _BLOCK else 0
        return block


def elements(stream: _Member, *names: str, begun: str = "") -> Iterator[Element]:
    """The outermost elements of these local names, one after the other, each gone when the next is wanted.

    Those of the name ``begun`` around them are given when they begin, for their attributes.
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
    """The name of an element without its namespace, of which formats have several versions."""
    return without_namespace(element.tag)


@lru_cache(1024)
def without_namespace(name: str) -> str:
    """
    >>> without_namespace("{urn:x}row"), without_namespace("x:row"), without_namespace("row")
    ('row', 'row', 'row')
    """
    return re.split("[}:]", name)[-1]


def attribute(element: Element, name: str) -> str:
    """The value of an attribute of that local name, whatever its namespace; empty if there is none."""
    return next((value for key, value in element.items() if without_namespace(key) == name), "")
