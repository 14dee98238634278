"""Mail: single messages and mailboxes."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from functools import cached_property
from typing import ClassVar

import attrs

from lior.errors import DataError, quantity
from lior.interfaces import ParsedDocument, Table
from lior.reading.decoding import is_utf8
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.entries import read_entries
from lior_plugins.readers.html import visible
from lior_plugins.readers.text import PlainText

_BEGIN = re.compile(rb"(?:\A|(?<=\n))From (?:[^\n]*\d{4}[^\n]*|-? *)\n(?=[\w-]+:)")
_STATUS = re.compile(rb"^X-Mozilla-Status: ([0-9a-f]{1,4})\s", re.MULTILINE | re.IGNORECASE)
_DELETED = 0x8
"""The status bit of a deleted message, which Thunderbird keeps until the folder is compacted."""
_SIZE = re.compile(rb"(\d{1,10}) *\r?\n")
"""The first line of an Apple Mail message: its size in bytes; a property list follows the message."""
_HEADERS = ("Subject", "From", "To", "Date")
_COLUMNS = ("From", "To", "Date", "Subject")
_LONGEST = 10_000
"""The maximum number of characters of an encoded header that are decoded."""
_TRIED = 1000
"""The maximum number of lines compared to find the beginning of a part."""


@attrs.frozen(kw_only=True)
class Mail:
    """Reader of messages and mailboxes: subject, sender, recipient, date and text; notes name attachments."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".eml", ".emlx", ".mbox", ".mbx")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "mail" with a place for each message."""
        found = Collected()
        rows, begins = list[tuple[str, ...]](), list[int]()
        sources = [*_sources(data, name)]
        kept = [each for each in enumerate(sources, 1) if not _is_deleted(each[1][1])]
        if deleted := len(sources) - len(kept):
            found.notes.append(f"{quantity(deleted, 'message')} left out: deleted, and not yet removed")
        entries = ((f"message {number}", (number, source, first)) for number, (first, source) in kept)
        for number, lines, row, notes in read_entries(entries, _entry, found.notes):
            rows.append(row)
            begins.append(len(found.text))
            found.begin(row[-1] or f"message {number}")
            for at, line in lines:
                found.put(line, at)
            found.notes += notes
        if not found.places and kept and name.lower().endswith(".eml") and not _keys(data):
            plain = PlainText().read(data, name)  # a typed text, with headers in a natural language
            return [attrs.evolve(each, notes=(*each.notes, "no header: read as text")) for each in plain]
        if not found.places:
            raise DataError("damaged mail: " * bool(kept) + found.notes[-1])
        document = found.document("mail", found.places[0][1] if len(sources) == 1 else "")
        columns = tuple(map(str.lower, _COLUMNS))
        table = Table(kind="mail", columns=columns, rows=tuple(rows), lines=tuple(begins))
        return [attrs.evolve(document, tables=(table,))]


def _sources(data: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the first line and source of each message."""
    size = _SIZE.match(data) if name.lower().endswith(".emlx") else None
    if size:
        yield 2, data[size.end() : size.end() + int(size[1])].replace(b"\r\n", b"\n")
        return
    data = data.replace(b"\r\n", b"\n")
    starts = [match.start() for match in _BEGIN.finditer(data)] or [0]
    first = 1 + data.count(b"\n", 0, starts[0])
    for begin, end in zip(starts, [*starts[1:], len(data)], strict=True):
        yield first, data[begin:end]
        first += data.count(b"\n", begin, end)


def _is_deleted(source: bytes) -> bool:
    status = _STATUS.search(source[: source.find(b"\n\n")])
    return bool(status and int(status[1], 16) & _DELETED)


def _entry(
    entry: tuple[int, bytes, int],
) -> tuple[int, list[tuple[int, str]], tuple[str, ...], list[str]]:
    """Return the number, lines with their lines of the file, row and notes of a message."""
    number, source, first = entry
    if not _keys(source):
        raise DataError("no header")
    message = message_from_bytes(source)
    headers, notes, last = _headers(message), list[str](), source.count(b"\n")
    lines = _message(message, headers, source.decode("ascii", "surrogateescape").split("\n"), notes)
    # a part whose text was not found may seem too long
    placed = [(first + min(at, last), line) for at, line in (*lines, (0, ""))]
    notes += _left_out(message, headers["Subject"])
    return number, placed, tuple(headers[each] for each in _COLUMNS), notes


def _keys(source: bytes) -> list[str]:
    """Return the names of a message's headers."""
    return message_from_bytes(source.partition(b"\n\n")[0]).keys()


def _message(
    message: Message, headers: dict[str, str], source: list[str], notes: list[str]
) -> Iterator[tuple[int, str]]:
    """Yield header and text of a message, each line with its line of the source, from 0."""
    at = dict[str, int]()
    for number, line in enumerate(source):
        if line[:1] in "SsFfTtDd" and (name := line.partition(":")[0].title()) in _HEADERS:
            at.setdefault(name, number)
            if len(at) == len(_HEADERS):
                break
    for name in _HEADERS:
        if value := headers[name]:
            yield at.get(name, 0), f"{name}: {value}"
    yield 0, ""
    texts = [part for part in message.walk() if part.get_content_maintype() == "text" and not _attached(part)]
    plain = [part for part in texts if part.get_content_subtype() != "html"]
    finder = _Finder(source)
    parts = (
        (f"text {number} of {headers['Subject']!r}", part)
        for number, part in enumerate(plain or texts[:1], 1)
    )
    for lines in read_entries(parts, lambda part: list(_text(part, finder)), notes):
        yield from lines


def _left_out(message: Message, subject: str) -> Iterator[str]:
    """Yield a note for each part that is neither text nor its HTML version."""
    for part in message.walk():
        if not part.is_multipart() and (_attached(part) or part.get_content_maintype() != "text"):
            file = part.get_filename() or part.get_content_type()
            yield " ".join(f"attachment {file} of {subject!r} is left out".split())


def _attached(part: Message) -> bool:
    return part.get_content_disposition() == "attachment"


def _headers(message: Message) -> dict[str, str]:
    """Return the value of each header, empty where there is none."""
    found = dict[str, str]()
    for key, raw in message.raw_items():
        if (name := key.title()) in _HEADERS and name not in found:
            data = str(raw).encode("ascii", "surrogateescape")
            value = data.decode() if is_utf8(data) else _in_charset(data, message)
            if "=?" in value:
                with suppress(ValueError, LookupError):  # badly encoded: keep it as it is
                    value = str(make_header(decode_header(value[:_LONGEST])))
            found[name] = " ".join(value.split())
    return dict.fromkeys(_HEADERS, "") | found


def _in_charset(data: bytes, part: Message) -> str:
    """Return bytes as text in the encoding that a part names, or else in UTF-8."""
    try:
        return data.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):  # not a text encoding, or one that cannot replace invalid bytes
        return data.decode("utf-8", "replace")


def _text(part: Message, finder: _Finder) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text part; their places in the file are those of the encoded lines."""
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    data = part.get_payload(decode=True) or b""
    assert isinstance(data, bytes)
    payload = str(part.get_payload(decode=False))
    if not payload.isascii():  # it was decoded, and the source was not
        payload = data.decode("ascii", "surrogateescape")
    raw = payload.split("\n")
    first = finder.place(raw)
    text = _in_charset(data, part).replace("\r\n", "\n")
    at = range(len(raw)) if encoding != "base64" else [0]
    if encoding == "quoted-printable":  # "=" at the end of a line joins it with the next
        at = [number for number in at if not number or not raw[number - 1].endswith("=")]
    lines, numbers = text.split("\n"), tuple(range(1, text.count("\n") + 2))
    if part.get_content_subtype() == "html":
        document = visible(text)
        lines, numbers = document.text.split("\n"), document.lines or (1,)
    for number, line in zip(numbers, lines, strict=True):
        yield first + at[min(number, len(at)) - 1], line


class _Finder:
    """A finder of the lines at which the parts of a message begin, in their order."""

    def __init__(self, source: list[str]) -> None:
        self._source = source
        self._begin = self._at = source.index("") if "" in source else 0

    def place(self, part: list[str]) -> int:
        """Return the line of the message, from 0, at which a part begins; the text's first line if it is not
        found.
        """
        head = part[:8]
        if not head[-1]:
            head.pop()  # the part ends before what follows it, such as its boundary
        source, size = self._source, len(head)
        if source[self._begin + 1 : self._begin + 1 + size] == head:  # the only part
            return self._begin + 1
        places = self._places.get(head[0], []) if head else [self._at]
        first = bisect_left(places, self._at)
        for at in places[first : first + _TRIED]:
            if source[at : at + size] == head:
                self._at = at + 1
                return at
        return self._begin

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """The line numbers of each line's text, after the header."""
        found: dict[str, list[int]] = {}
        for number in range(self._begin, len(self._source)):
            found.setdefault(self._source[number], []).append(number)
        return found
