"""Bytes to parsed documents: the reader of a file is chosen by suffix, or else by content.

Compressed files are decompressed first.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Container, Iterable
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import PurePath

import attrs

from lior.errors import LiorError, PluginError
from lior.files import printable
from lior.interfaces import ParsedDocument, Reader
from lior.plugins.registry import registry
from lior.reading import isolation
from lior.reading.compression import COMPRESSED, decompress
from lior.reading.decoding import beginning
from lior.reading.finding import SourceFile
from lior.reading.limits import TAKES_ALL, current_limits
from lior.reading.skipping import SkipReason, UnreadableFile
from lior.reading.structure import from_json

HEAD = 8192
"""The number of bytes at the beginning of a file that are used to detect its format."""
_APART = 8
"""The cost of a byte in a format that another process reads, as a multiple of that of plain text."""
_SHARE = 2 / 3
"""The limit of text for a plain table, as a share of that for other plain files: its cells take
memory, too.
"""
ABSENT = "not installed"
"""The version of a missing package in :func:`reader_version`."""

_CONTENT = [
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), suffix)
    for pattern, suffix in (
        (rb"%PDF-", ".pdf"),
        (rb"PK\x03\x04.{26}mimetypeapplication/epub\+zip", ".epub"),
        (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.text", ".odt"),
        (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.spreadsheet", ".ods"),
        (rb"PK\x03\x04.*word/", ".docx"),
        (rb"PK\x03\x04.*xl/", ".xlsx"),
        (rb"PK\x03\x04.*ppt/", ".pptx"),
        (rb"BEGIN:VCALENDAR\s", ".ics"),
        (rb"BEGIN:VCARD\s", ".vcf"),
        (rb"\s*<(!doctype\s+)?html", ".html"),
        (rb"From ([^\n]*\d{4}[^\n]*|-? *\r?)\n[\w-]+:", ".mbox"),
        (
            rb"((Received|Return-Path|Message-ID|From|To|Date|Subject|MIME-Version|Delivered-To|X-[\w-]+|ARC-[\w-]+|"
            rb"List-[\w-]+|Content-[\w-]+|DKIM-Signature|Authentication-Results|Received-SPF|Sender|Reply-To|Cc|"
            rb"References|In-Reply-To|User-Agent|Envelope-To):"
            rb"[^\n]*\n([ \t][^\n]*\n)*){3}",
            ".eml",
        ),
    )
]
"""Patterns of the beginning of a file with the suffix that selects the reader; the first match counts."""


_DELIVERED = re.compile(r"\d{9,10}\.[^.]+\.")
"""A pattern of a Maildir message's name, which ends with the server's name: ``1700000000.M1P2.mx.pl``."""


class BrokenReader(UserWarning):
    """An installed reader cannot be used; the command line prints it as a note."""


def parse_bytes(data: bytes, name: str, *, limit: float | None = None) -> list[ParsedDocument]:
    """Return the documents in the bytes of a file; ``name`` is the file's.

    Readers run in another process (:mod:`lior.reading.isolation`), except those with ``in_process``.

    Raises
    ------
    DataError
        When it is no text, empty, damaged, protected, larger than ``limit`` bytes when decompressed, or takes
        more than :func:`~lior.reading.limits.current_limits`; the message is the reason.
    MissingPackage
        When a package that the format needs is not installed.
    """
    data, name = decompress(data, name, limit=limit)
    reader = choose_reader(data, name)
    if not getattr(reader, "divisible", False):
        return parse_with(reader, data, name)
    share = 1 if getattr(reader, "in_process", False) else _SHARE
    first = beginning(data, share * current_limits().characters, current_limits().lines)
    documents = parse_with(reader, first, name)
    if len(first) == len(data):
        return documents
    note = f"only its first {len(first) / 1e6:,.1f} of {len(data) / 1e6:,.1f} MB can be found; {TAKES_ALL}"
    return [attrs.evolve(each, notes=(*each.notes, note)) for each in documents]


def estimate_cost(source: SourceFile, size: int) -> tuple[bool, int]:
    """Estimate the cost of reading a file from its name and size, as a sort key: cheap files
    are read first.
    """
    reader = _readers(tuple(registry.names("reader"))).get(source.path.suffix.lower())
    apart = reader is None or not getattr(reader, "in_process", False)
    return getattr(reader, "slow", False), size * (_APART if apart else 1)


def parse_with(reader: Reader, data: bytes, name: str) -> list[ParsedDocument]:
    """Parse uncompressed bytes with the given reader; see :func:`parse_bytes`."""
    if not isolation.is_inside() and (plugin := _apart(type(reader), tuple(registry.names("reader")))):
        return from_json(isolation.read_apart(data, name, reader=plugin)[1])
    try:
        documents = _checked(reader.read(data, name))
    except LiorError:
        raise
    except Exception as error:  # no library's error on a damaged file may stop the others
        cause = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise UnreadableFile(SkipReason.DAMAGED, cause) from error
    # A record may have a title alone; the title of a page without text is worthless.
    documents = [d for d in documents if d.text.strip() or (d.name and d.title.strip())]
    if not documents:
        raise UnreadableFile(SkipReason.NO_TEXT)
    return [attrs.evolve(each, text=whole_characters(each.text)) for each in documents]


def _checked(documents: object) -> list[ParsedDocument]:
    """Return what a reader gave; raises ``TypeError`` unless these are documents with text."""
    found = []
    for each in documents if isinstance(documents, Iterable) else [documents]:
        if not isinstance(each, ParsedDocument) or not isinstance(each.text, str):
            raise TypeError(f"its reader gave {type(each).__name__}, not ParsedDocument with a text of str")
        found.append(each)
    return found


@cache
def _apart(reader: type[Reader], names: tuple[str, ...]) -> str:
    """Return the name by which another process finds a reader; empty for a reader that must run in this
    process.

    A reader that was registered in Python is known in this process only.
    """
    name = registry.name("reader", reader)
    installed = registry.origins("reader", name)[0].distribution
    return name if installed and not getattr(reader, "in_process", False) else ""


def whole_characters(text: str) -> str:
    """Return ``text`` with U+FFFD for lone surrogates, which JSON and HTML can express and UTF-8 cannot."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def choose_reader(data: bytes, name: str) -> Reader:
    """Return the reader for a file: by suffix, then by content, then the one for text.

    Raises ``UnreadableFile`` when no reader of that format is installed.
    """
    suffix = known_suffix(data[:HEAD], name) or ".txt"
    readers = _readers(tuple(registry.names("reader")))
    if suffix not in readers:
        raise UnreadableFile(SkipReason.NO_READER, suffix)
    return readers[suffix]()


def known_suffix(head: bytes, name: str) -> str:
    """Return the suffix that selects the reader, from the name or the content; empty if neither has one."""
    suffix = PurePath(name).suffix.lower()
    known = suffix if suffix in _readers(tuple(registry.names("reader"))) else ""
    if known and not _DELIVERED.match(name):
        return known
    return next((found for pattern, found in _CONTENT if pattern.match(head)), known)


def reader_version(name: str) -> str:
    """Return a text that changes when the reader of this file name or its packages change.

    It has the names and versions of the reader's distribution and of the packages in its attribute
    ``packages`` (:data:`ABSENT` for one that is not installed). If the content selects the reader, or
    ``packages`` is ``None`` as for archives, it is a digest of the versions of all readers.
    """
    return _reader_version(tuple(PurePath(name.lower()).suffixes[-2:]), tuple(registry.names("reader")))


@cache
def _reader_version(suffixes: tuple[str, ...], names: tuple[str, ...]) -> str:
    suffix = suffixes[-1] if suffixes else ""
    if suffix in COMPRESSED:
        return f"{_package(COMPRESSED[suffix])}, {_reader_version(suffixes[:-1], names)}"
    reader = _readers(names).get(suffix)
    if reader is None or getattr(reader, "packages", ()) is None:
        every = {each for each in _readers(names).values() if getattr(each, "packages", ()) is not None}
        return "any of " + sha256("\n".join(sorted(map(_version, every))).encode()).hexdigest()[:16]
    return _version(reader)


def _version(reader: type[Reader]) -> str:
    origin = registry.origins("reader", registry.name("reader", reader))[0]
    packages = map(_package, getattr(reader, "packages", ()))
    return ", ".join((f"{origin.name} of {origin.source}", *packages))


@cache
def _package(name: str) -> str:
    """Return the name and version of a distribution; nothing for a module that comes with Python."""
    if name in sys.stdlib_module_names:
        return name
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"{name} {ABSENT}"


@cache
def _readers(names: tuple[str, ...]) -> dict[str, type[Reader]]:
    """Return the reader of each suffix: other distributions go before lior's own, then the order of names."""
    found: dict[str, type[Reader]] = {}
    for name in sorted(names, key=lambda n: (registry.origins("reader", n)[0].distribution == "lior", n)):
        try:
            reader = registry.get("reader", name)
        except PluginError as error:  # one broken plugin must not keep all other formats from being read
            warnings.warn(f"{error} `lior plugins --check` checks all.", BrokenReader, stacklevel=2)
        else:
            found = dict.fromkeys(reader.suffixes, reader) | found
    return found


def document_names(file: str, parts: Iterable[str], taken: Container[str] = ()) -> list[str]:
    """Return names for the documents ``parts`` of a file; none of them is in ``taken``.

    In a run, each document is a file of its own and keeps its name.

    >>> document_names("a.jsonl", ["x", "y", "x"]), document_names("a.txt", [""])
    (['a.jsonl#x', 'a.jsonl#y', "a.jsonl#x'"], ['a.txt'])
    >>> document_names("a.jsonl#x", ["x"]), document_names("a.jsonl#x'", ["x"])
    (['a.jsonl#x'], ["a.jsonl#x'"])
    """
    names: dict[str, None] = {}
    for part in parts:
        part = printable(part)
        own = not part or file.rstrip("'").endswith("#" + part.rstrip("'"))
        name = file if own else f"{file}#{part}"
        while name in names or name in taken:
            name += "'"
        names[name] = None
    return list(names)
