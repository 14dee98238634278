"""Mail: single messages and mailboxes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import ClassVar

import attrs

from lior.ask.interfaces import Reading
from lior.errors import DataError
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.html import visible

_BEGIN = re.compile(rb"(?:\A|(?<=\n))From [^\n]*\d{4}[^\n]*\n(?=[\w-]+:)")
_HEADERS = ("Subject", "From", "To", "Date")


@attrs.frozen(kw_only=True)
class Mail:
    """Subject, sender, recipient, date and text of each message; attachments are named in the notes."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".eml", ".mbox", ".mbx")

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "mail" with a place for each message."""
        data = data.replace(b"\r\n", b"\n")
        starts = [match.end() for match in _BEGIN.finditer(data)] or [0]
        ends = [*(match.start() for match in _BEGIN.finditer(data)), len(data)][-len(starts) :]
        found = Collected()
        for start, end in zip(starts, ends, strict=True):
            message = message_from_bytes(data[start:end], policy=policy.default)
            if not message.keys():
                raise DataError("damaged mail: a message without a header")
            found.begin(_header(message, "Subject") or "no subject")
            begin = data.count(b"\n", 0, start) + 1
            source = data[start:end].decode("ascii", "surrogateescape").split("\n")
            for at, line in _message(message, source, found.notes):
                found.put(line, begin + at)
        return [found.reading("mail", found.places[0][1] if len(starts) == 1 else "")]


def _message(message: EmailMessage, source: list[str], notes: list[str]) -> Iterator[tuple[int, str]]:
    """The lines of a message, each with its line in the message from 0."""
    for name in _HEADERS:
        if value := _header(message, name):
            at = next((n for n, line in enumerate(source) if line.lower().startswith(f"{name.lower()}:")), 0)
            yield at, f"{name}: {value}"
    yield 0, ""
    body = message.get_body(("plain", "html"))
    seen = 0
    for part in message.walk():
        if part is body:
            yield from _body(part, source)
        elif not part.is_multipart() and (part.is_attachment() or part.get_filename()):
            seen += 1
            file = part.get_filename() or str(seen)
            notes.append(
                " ".join(f"attachment {file} of {_header(message, 'Subject')!r} is left out".split())
            )
    yield 0, ""


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # the standard library fails on some malformed headers
        return ""


def _body(part: EmailMessage, source: list[str]) -> Iterator[tuple[int, str]]:
    """The lines of a text part. Their places in the file are those of the encoded lines."""
    raw = part.get_payload(decode=False)
    raw_lines = raw.split("\n") if isinstance(raw, str) else []
    first = _place(raw_lines, source)
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    data = part.get_payload(decode=True) or b""
    assert isinstance(data, bytes)
    try:
        text = data.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        text = data.decode("utf-8", "replace")
    if encoding == "base64":
        at = [first] * (text.count("\n") + 1)
    elif encoding == "quoted-printable":  # "=" at the end of a line joins it with the next
        joined = [number == 0 or not raw_lines[number - 1].endswith("=") for number in range(len(raw_lines))]
        at = [first + number for number, begins in enumerate(joined) if begins]
    else:
        at = [first + number for number in range(len(raw_lines))]
    lines = text.replace("\r\n", "\n").split("\n")
    numbers: tuple[int, ...] = tuple(range(1, len(lines) + 1))
    if part.get_content_subtype() == "html":
        reading = visible("\n".join(lines))
        lines, numbers = reading.text.split("\n"), reading.lines or (1,)
    for number, line in zip(numbers, lines, strict=True):
        yield at[min(number, len(at)) - 1] if at else first, line


def _place(part: list[str], source: list[str]) -> int:
    """Line of ``source``, from 0, at which the lines of ``part`` begin."""
    written = [line for line in part if line.strip()][:3]
    skip = part.index(written[0]) if written else 0
    for number in range(source.index("") if "" in source else 0, len(source)):
        if written and source[number : number + 1] == written[:1]:
            block = [line for line in source[number:] if line.strip()][: len(written)]
            if block == written:
                return number - skip
    return 0
