"""Files and folders as readings: which files there are, which reader a file has, what is left out and why.

The reader of a file is chosen by suffix, and where no reader has the suffix, by content. Compressed files
are unpacked first.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from functools import cache
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import attrs

from lior.errors import DataError, LiorError, MissingPackage, PluginError
from lior.interfaces import ParsedDocument, Reader
from lior.plugins.registry import registry
from lior.reading.decoding import refuse_binary
from lior.reading.documents import COMPRESSED, decompressed, expand, readable, walk

EMPTY = "empty"
"""Why a file without a word is left out."""
LARGE = "larger than the limit for one file; raise it, or split the file"

LIMIT = 64 << 20
"""Bytes of a file, decompressed, over which it is left out unless another limit is given."""

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


def _tuple(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.define
class File:
    """What is known of a file."""

    name: str
    size: int = -1
    """In bytes; -1 for a file that must be read again."""
    modified: int = 0
    """Time stamp in nanoseconds; 0 when it was too young to be told from the next change."""
    sha256: str = ""
    """Of its bytes."""
    documents: tuple[str, ...] = attrs.field(default=(), converter=_tuple)
    """Names of the documents from it."""
    reason: str = ""
    """Why it has none."""
    notes: tuple[str, ...] = attrs.field(default=(), converter=_tuple)
    """How it was read, where a user should know."""
    given: bool = False
    """Whether it is no file but a text given in Python."""
    content: Sequence[Any] = attrs.field(default=(), repr=False, eq=False)
    """What :func:`read_if_changed` read of it, as long as it is needed."""


@attrs.frozen
class SkippedFile:
    """A file, folder or part of a file that was not read."""

    name: str
    reason: str


def read_limited(path: Path, *, limit: int = LIMIT, whole: bool = False) -> bytes:
    """The bytes of a file as they are; of binary data the first ones only, by which it is refused.

    Parameters
    ----------
    whole
        Give all bytes of binary data, too.

    Raises ``OSError`` when it cannot be read; ``DataError`` when it is larger than ``limit``.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        if not whole and path.suffix.lower() not in COMPRESSED and not _suffix(head, path.name):
            try:
                refuse_binary(head)
            except DataError:
                return head  # the rest of a film is not read
        return head + _all(stream, limit - len(head))


def parse_bytes(data: bytes, name: str, *, limit: int = LIMIT) -> list[ParsedDocument]:
    """The readings of the bytes of a file; ``name`` is the file's.

    Raises ``DataError`` when it is no text, empty, damaged, protected or larger than ``limit`` (the message
    is the reason); ``MissingPackage`` when a package that the format needs is not installed.
    """
    data, name = decompress(data, name, limit=limit)
    return parse_with(choose_reader(data, name), data, name)


def decompress(data: bytes, name: str, *, limit: int = LIMIT) -> tuple[bytes, str]:
    """The bytes in a compressed file, and its name without the suffix of that; others as they are.

    Raises ``DataError``, ``MissingPackage`` as :func:`parse_bytes`.
    """
    while (suffix := PurePath(name).suffix.lower()) in COMPRESSED:
        try:
            with readable(name), decompressed(io.BytesIO(data), suffix) as stream:
                data = _all(stream, limit)
        except DataError as error:
            raise DataError(str(error).removeprefix(f"{name}: ")) from error
        name = PurePath(name).stem
    if not data.strip():
        raise DataError(EMPTY)
    return data, name


def parse_with(reader: Reader, data: bytes, name: str) -> list[ParsedDocument]:
    """As :func:`parse_bytes`, of unpacked bytes and by that reader."""
    try:
        readings = reader.read(data, name)
    except LiorError:
        raise
    except Exception as error:  # whatever a library does with a damaged file, the others are read
        cause = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise DataError(f"damaged, or not what its name says ({cause})") from error
    # A record may have a title alone; the title of a page without text says nothing.
    readings = [r for r in readings if r.text.strip() or (r.name and r.title.strip())]
    if not readings:
        raise DataError("no text in it")
    # Halves of characters, which JSON and HTML can spell and no file can hold, become U+FFFD.
    return [attrs.evolve(each, text=re.sub("[\ud800-\udfff]", "\ufffd", each.text)) for each in readings]


def read_if_changed(
    source: Source,
    known: File | None,
    parse: Callable[[bytes], Sequence[Any]],
    *,
    limit: int = LIMIT,
    whole: bool = False,
) -> File | None:
    """A file with ``parse`` of its bytes as its content, or the reason for none; ``None`` if it is as known.

    After a new time stamp its SHA-256 decides: it is ``known`` with that time stamp then. What ``limit`` and
    ``whole`` do is said at :func:`read_limited`.
    """
    file = File(source.name)
    try:
        for _ in range(_TRIES):
            before, now = source.path.stat(), time.time_ns()
            if known and (known.size, known.modified) == (before.st_size, before.st_mtime_ns):
                return None
            data, after = read_limited(source.path, limit=limit, whole=whole), source.path.stat()
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                break
        else:
            return attrs.evolve(file, reason="changed whenever it was read; it is learned when it rests")
        modified = after.st_mtime_ns if now - after.st_mtime_ns > _YOUNG else 0
        file = File(source.name, after.st_size, modified, hashlib.sha256(data).hexdigest())
        if known and file.sha256 == known.sha256:
            return attrs.evolve(known, size=file.size, modified=file.modified)
        file.content = parse(data)
    except MissingPackage as error:  # it may be installed the next time
        return File(source.name, reason=str(error))
    except OSError as error:
        return File(source.name, reason=f"cannot be read: {error.strerror or error}")
    except LiorError as error:
        file.reason = str(error)
    return file


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


def most_common_reasons(skipped: Iterable[SkippedFile]) -> str:
    """The most frequent reasons in one line: ``2 × hidden; 1 × empty``."""
    reasons = Counter(each.reason for each in skipped).most_common()
    more = f"; {sum(count for _, count in reasons[3:])} × other reasons" if len(reasons) > 3 else ""
    return "; ".join(f"{count} × {reason}" for reason, count in reasons[:3]) + more


def no_text_message(paths: Iterable[str], skipped: Sequence[SkippedFile]) -> str:
    """One line on why there is no text."""
    found = (
        f"no text in there ({len(skipped)} skipped: {most_common_reasons(skipped)})"
        if skipped
        else "no file in there"
    )
    return f"{', '.join(paths)}: {found}; give a file or folder with text"


def find_files(paths: Sequence[str | Path]) -> tuple[list[Source], list[SkippedFile]]:
    """The files below folders, in a stable order, each once; nothing is opened.

    Parameters
    ----------
    paths
        Folders, files and glob patterns.

    Raises ``DataError`` when a path does not exist or a pattern matches nothing.
    """
    found = [root for path in paths for root in expand(str(path))]
    roots = [root.resolve() if ".." in root.parts else root.absolute() for root in found]
    labels = _labels([root for root in roots if root.is_dir()])
    sources: dict[Path, Source] = {}
    skipped: dict[Path, SkippedFile] = {}
    for root in roots:
        if not root.is_dir():
            sources.setdefault(root, Source(root.name, root, given=True))
            continue
        for path, reason in walk(root):
            name = "/".join((*labels[root], path.relative_to(root).as_posix()))
            if reason:
                skipped.setdefault(path, SkippedFile(name, reason))
            else:
                sources.setdefault(path, Source(name, path))
    names = Counter(source.name for source in sources.values())
    unique = [
        attrs.evolve(each, name=each.path.as_posix()) if each.given and names[each.name] > 1 else each
        for each in sources.values()
    ]
    return unique, [each for path, each in skipped.items() if path not in sources]


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
    while left >= 0 and (piece := stream.read(min(_PIECE, left + 1))):
        pieces.append(piece)
        left -= len(piece)
    if left < 0:
        raise DataError(LARGE)
    return b"".join(pieces)


def _suffix(head: bytes, name: str) -> str:
    """A suffix that decides on the reader, of the name or found by content; empty for neither."""
    suffix = PurePath(name).suffix.lower()
    if suffix in _readers(tuple(registry.names("reader"))):
        return suffix
    return next((found for pattern, found in _CONTENT if pattern.match(head)), "")


def choose_reader(data: bytes, name: str) -> Reader:
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
