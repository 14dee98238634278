"""Files and folders as readings: which files there are, which reader a file has, what is left out and why.

The reader of a file is chosen by suffix, and where no reader has the suffix, by content. Compressed files
are unpacked first. One bad file among many is listed with its reason; a single one is an error.
"""

from __future__ import annotations

import io
import re
import time
import warnings
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from functools import cache
from pathlib import Path, PurePath
from typing import BinaryIO

import attrs

from lior.ask.decoding import refuse_binary
from lior.ask.interfaces import Reader, Reading
from lior.data.documents import PACKED, expand, readable, unpacked, walk
from lior.errors import DataError, LiorError, PluginError
from lior.plugins.registry import registry

EMPTY = "empty"
"""Why a file without a word is left out."""

LIMIT = 64 << 20
"""Bytes of a file, unpacked, over which it is left out unless another limit is given."""

_HEAD = 8192
_PIECE = 1 << 24
_YOUNG = 2_000_000_000
"""Nanoseconds since a file was written within which another change may leave its time stamp as it is."""
_TRIES = 3
_CONTENT = [
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), suffix)
    for pattern, suffix in (
        (rb"%PDF-", ".pdf"),
        (rb"PK\x03\x04.{26}mimetypeapplication/epub\+zip", ".epub"),
        (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.text", ".odt"),
        (rb"PK\x03\x04.*word/", ".docx"),
        (rb"\s*<(!doctype\s+)?html", ".html"),
        (rb"From [^\n]*\d{4}\r?\n[\w-]+:", ".mbox"),
        (rb"((Received|Return-Path|Message-ID|From|To|Date|Subject|MIME-Version|Delivered-To|X-[\w-]+):"
         rb"[^\n]*\n([ \t][^\n]*\n)*){3}", ".eml"),
    )
]  # fmt: skip
"""Beginning of a file -> suffix of the reader that it gets; the first that matches."""


@attrs.frozen
class Source:
    """A file that is to be read."""

    name: str
    """Of the document: the path inside the folder given, with ``/``; the folder's name before it if there are
    several; the file's name for a file."""
    path: Path
    """Absolute."""
    given: bool = False
    """Whether the file itself was named, not a folder that it is in."""


class TooLarge(DataError):
    """A file has more bytes than are read."""


@attrs.frozen
class Document:
    """A file that was read."""

    name: str
    path: Path
    readings: list[Reading] = attrs.field(repr=False)


@attrs.frozen
class Skipped:
    """A file, folder or part of a file that was not read."""

    name: str
    reason: str


def read_file(path: str | Path, *, limit: int = LIMIT) -> list[Reading]:
    """The readings of one file.

    Raises
    ------
    DataError
        When it does not exist, is no text, is empty, damaged, protected or larger than ``limit`` bytes, or a
        package that its format needs is not installed; the message begins with the path.
    """
    path = Path(path)
    try:
        return read_bytes(load(path, limit=limit), path.name, limit=limit)
    except LiorError as error:
        raise DataError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error


def load(path: Path, *, limit: int = LIMIT) -> bytes:
    """The bytes of a file, as they are.

    Raises
    ------
    DataError
        When it cannot be read or is larger than ``limit``; when it is binary, after its first bytes.
    """
    with readable(path), path.open("rb") as stream:
        head = stream.read(_HEAD)
        if path.suffix.lower() not in PACKED and not _suffix(head, path.name):
            refuse_binary(head)  # before the rest of a film is read
        return head + _all(stream, limit - len(head))


def read_bytes(data: bytes, name: str, *, limit: int = LIMIT) -> list[Reading]:
    """The readings of the bytes of a file; ``name`` is the file's.

    Raises
    ------
    DataError
        As :func:`read_file`; the message is the reason alone.
    MissingPackage
        When a package that the format needs is not installed.
    """
    data, name = unpack(data, name, limit=limit)
    return read_with(reader_of(data, name), data, name)


def unpack(data: bytes, name: str, *, limit: int = LIMIT) -> tuple[bytes, str]:
    """The bytes in a compressed file, and its name without the suffix of that; others as they are.

    Raises
    ------
    DataError, MissingPackage
        As :func:`read_bytes`.
    """
    while (suffix := PurePath(name).suffix.lower()) in PACKED:
        try:
            with readable(name), unpacked(io.BytesIO(data), suffix) as stream:
                data = _all(stream, limit)
        except TooLarge:
            raise
        except DataError as error:
            raise DataError(str(error).removeprefix(f"{name}: ")) from error
        name = PurePath(name).stem
    if not data.strip():
        raise DataError(EMPTY)
    return data, name


def read_with(reader: Reader, data: bytes, name: str) -> list[Reading]:
    """As :func:`read_bytes`, of unpacked bytes and by that reader."""
    try:
        readings = reader.read(data, name)
    except LiorError:
        raise
    except Exception as error:  # whatever a library does with a damaged file, the others are read
        cause = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise DataError(f"damaged, or not what its name says ({cause})") from error
    readings = [reading for reading in readings if reading.text.strip()]
    if not readings:
        raise DataError("no text in it")
    return [_encodable(reading) for reading in readings]


def steady(path: Path, known: tuple[int, int] | None, *, limit: int = LIMIT) -> tuple[bytes | None, int, int]:
    """The bytes of a file, or nothing if it is as known, with its size and time stamp.

    Parameters
    ----------
    known
        Size and time stamp (nanoseconds) with which it was read before. The stamp is 0 for a file that was
        just written, which is read again.

    Raises
    ------
    DataError
        When it is too large, or changes whenever it is read.
    OSError
        When it cannot be read.
    """
    for _ in range(_TRIES):
        before = path.stat()
        if known == (before.st_size, before.st_mtime_ns):
            return None, *known
        if before.st_size > limit:
            raise TooLarge(f"larger than {limit:,} bytes, the limit for one file; split it")
        now = time.time_ns()
        if path.is_file():
            data = path.read_bytes()
        else:  # pipes and devices, some of which never end
            with path.open("rb") as stream:
                data = _all(stream, limit)
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return data, after.st_size, after.st_mtime_ns if now - after.st_mtime_ns > _YOUNG else 0
    raise DataError("changed whenever it was read; it is learned when it rests")


def document_names(file: str, parts: Iterable[str], taken: Container[str] = ()) -> list[str]:
    """The names of the documents in a file, whose own names in it are ``parts``; none is in ``taken``.

    >>> document_names("a.jsonl", ["x", "y", "x"]), document_names("a.txt", [""])
    (['a.jsonl#x', 'a.jsonl#y', "a.jsonl#x'"], ['a.txt'])
    """
    names: dict[str, None] = {}
    for part in parts:
        name = f"{file}#{part}" if part else file
        while name in names or name in taken:
            name += "'"
        names[name] = None
    return list(names)


def tally(skipped: Iterable[Skipped]) -> str:
    """The most frequent reasons in one line: ``2 × hidden; 1 × empty``."""
    reasons = Counter(each.reason for each in skipped).most_common()
    more = f"; {sum(count for _, count in reasons[3:])} × other reasons" if len(reasons) > 3 else ""
    return "; ".join(f"{count} × {reason}" for reason, count in reasons[:3]) + more


def find_files(paths: Sequence[str | Path]) -> tuple[list[Source], list[Skipped]]:
    """The files below folders, in a stable order, each once; nothing is opened.

    Parameters
    ----------
    paths
        Folders, files and glob patterns.

    Raises
    ------
    DataError
        When a path does not exist or a pattern matches nothing.
    """
    found = [root for path in paths for root in expand(str(path))]
    roots = [root.resolve() if ".." in root.parts else root.absolute() for root in found]
    labels = _labels([root for root in roots if root.is_dir()])
    sources: dict[Path, Source] = {}
    skipped: dict[Path, Skipped] = {}
    for root in roots:
        if not root.is_dir():
            sources.setdefault(root, Source(root.name, root, given=True))
            continue
        for path, reason in walk(root):
            name = "/".join((*labels[root], path.relative_to(root).as_posix()))
            if reason:
                skipped.setdefault(path, Skipped(name, reason))
            else:
                sources.setdefault(path, Source(name, path))
    names = Counter(source.name for source in sources.values())
    unique = [
        attrs.evolve(each, name=each.path.as_posix()) if each.given and names[each.name] > 1 else each
        for each in sources.values()
    ]
    return unique, [each for path, each in skipped.items() if path not in sources]


def read_folder(paths: Sequence[str | Path], *, limit: int = LIMIT) -> tuple[list[Document], list[Skipped]]:
    """The documents at ``paths``, as :func:`find_files` finds them, and what was left out with its reason.

    Raises
    ------
    DataError
        When a path does not exist, or one file alone was given and cannot be read.
    """
    sources, skipped = find_files(paths)
    documents = []
    alone = len(sources) == 1 and not skipped and not Path(paths[0]).is_dir()
    for source in sources:
        try:
            readings = read_file(source.path, limit=limit)
        except DataError as error:
            if alone:
                raise
            skipped.append(Skipped(source.name, str(error).removeprefix(f"{source.path}: ")))
        else:
            documents.append(Document(source.name, source.path, readings))
    return documents, skipped


def _encodable(reading: Reading) -> Reading:
    """With U+FFFD for halves of characters, which JSON and HTML can spell but no file can hold."""
    try:
        reading.text.encode()
    except UnicodeEncodeError:
        return attrs.evolve(reading, text=re.sub("[\ud800-\udfff]", "\ufffd", reading.text))
    return reading


def _labels(folders: list[Path]) -> dict[Path, tuple[str, ...]]:
    """What stands before the paths inside each folder: nothing for one alone, else what tells them apart."""
    folders = list(dict.fromkeys(folders))
    if len(folders) < 2:
        return dict.fromkeys(folders, ())
    names = [folder.name for folder in folders]
    return {f: (f.name if names.count(f.name) == 1 and f.name else f.as_posix(),) for f in folders}


def _all(stream: BinaryIO, limit: int) -> bytes:
    """All bytes of a stream, at most ``limit``."""
    pieces, left = [], limit
    while piece := stream.read(min(_PIECE, max(left, 0) + 1)):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise TooLarge("larger than the limit for one file; raise it, or split the file")
    return b"".join(pieces)


def _suffix(head: bytes, name: str) -> str:
    """A suffix that decides on the reader, of the name or found by content; empty for neither."""
    suffix = PurePath(name).suffix.lower()
    if suffix in _readers(tuple(registry.names("reader"))):
        return suffix
    return next((found for pattern, found in _CONTENT if pattern.match(head)), "")


def reader_of(data: bytes, name: str) -> Reader:
    """The reader for a file: by suffix, then by content, then the one for text."""
    suffix = _suffix(data[:_HEAD], name) or ".txt"
    readers = _readers(tuple(registry.names("reader")))
    if suffix not in readers:
        raise DataError(f"no reader for {suffix} is installed")
    return readers[suffix]()


@cache
def _readers(names: tuple[str, ...]) -> dict[str, type[Reader]]:
    """Suffix -> reader. Those of other distributions go before lior's own, then the order of names."""
    found: dict[str, type[Reader]] = {}
    for name in sorted(names, key=lambda n: (registry.origins("reader", n)[0].distribution == "lior", n)):
        try:
            reader = registry.get("reader", name)
        except PluginError as error:  # one broken plugin must not keep all other formats from being read
            warnings.warn(str(error), stacklevel=2)
        else:
            found = dict.fromkeys(reader.suffixes, reader) | found
    return found
