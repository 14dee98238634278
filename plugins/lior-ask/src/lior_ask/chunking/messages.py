"""Mail, chats, logs and rows: one message, line or row after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice

import attrs

from lior_ask.chunking.page import Page, Part
from lior_ask.chunking.prose import prose

_BURST = 6
"""Number of chat messages in a group, unless its last one is a question, whose reply belongs to it."""
_ASKS = re.compile(r"[?？؟][\s\W]{0,9}$")
_TAIL = 20
"""Number of characters at the end of a message in which its question mark is sought."""
_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*):\s*(.*)")
_QUOTED_FIELDS = ("from", "to", "cc", "date", "subject")


def mail(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Yield the lines of mails, with sender and subject as their context."""
    starts = sorted({0, *page.places})
    group = 0
    for begin, end in zip(starts, [*starts[1:], len(page.lines)], strict=True):
        number, fields, headers = begin, dict[str, str](), list[int]()
        while number < end and not page.blank(number):
            match = _FIELD.match(page.lines[number])
            if match and match[1].lower() in _QUOTED_FIELDS:
                fields[match[1].lower()] = match[2].strip()
                headers.append(number)
            elif not match and not page.lines[number][:1].isspace():
                break
            number += 1
        known = [fields[name] for name in ("from", "subject") if fields.get(name)]
        context = tuple(dict.fromkeys([*title, *known]))
        for header in headers:
            yield from page.line(header, group, title)
        message, first, offset = page, number, 0
        if end < len(page.lines):  # its own page, so that the chunker does not read the next message
            message, first, offset = (
                Page("\n".join(page.lines[begin:end])),
                number - begin,
                page.starts[begin],
            )
        for part in prose(message, context, first, group):
            group = part.group
            yield attrs.evolve(part, begin=part.begin + offset, end=part.end + offset)
        group += 1


def chat(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Yield messages of one or more lines; single lines if the reader gives no starts of messages."""
    starts = set(page.places)
    group, count, first, last = 0, 0, -1, -1
    for number in range(len(page.lines) + 1):
        if number < len(page.lines) and page.blank(number):
            continue
        begins = first < 0 or not starts or number in starts
        if number < len(page.lines) and not begins:
            last = number
            continue
        if first >= 0:
            yield from page.line(first, group, title, last)
            count += 1
            if count >= _BURST and not _ASKS.search(page.lines[last][-_TAIL:]):
                group, count = group + 1, 0
        first, last = number, number


def log(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Yield lines; indented lines, such as a traceback, join the group of the line before them."""
    group = 0
    for number, line in enumerate(page.lines):
        if line.strip():
            group += not line[0].isspace()
            yield from page.line(number, group, title)


def rows(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Yield rows, with the names of the columns as their context."""
    numbers = (number for number in range(len(page.lines)) if not page.blank(number))
    few = [*islice(numbers, 2)]
    head = title
    if len(few) > 1 and not re.search(r"\d", page.lines[few[0]]):
        head = (*title, " ".join(re.findall(r"\w+", page.lines[few.pop(0)])))
    for number in chain(few, numbers):
        yield from page.line(number, number, head)
