"""Mail, chats, logs and rows: one message, line or row after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lior.ask.cutting.page import Page, Part
from lior.ask.cutting.prose import prose

_BURST = 6
"""Messages of a chat that are one group."""
_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*):\s*(.*)")
_QUOTED_FIELDS = ("from", "to", "cc", "date", "subject")


def mail(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Messages, with sender and subject as the context of their lines."""
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
        message = Page("\n".join(page.lines[:end])) if end < len(page.lines) else page
        for part in prose(message, context, number, group):
            group = part.group
            yield part
        group += 1


def chat(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Messages, of one or more lines; lines, where the reader does not say where they begin."""
    starts = set(page.places)
    messages: list[list[int]] = []
    for number in range(len(page.lines)):
        if page.blank(number):
            continue
        if messages and starts and number not in starts:
            messages[-1].append(number)
        else:
            messages.append([number])
    for count, message in enumerate(messages):
        yield from page.line(message[0], count // _BURST, title, message[-1])


def log(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Lines; indented ones, such as those of a traceback, are in the group of the line that they follow."""
    group = 0
    for number, line in enumerate(page.lines):
        if line.strip():
            group += not line[0].isspace()
            yield from page.line(number, group, title)


def rows(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Rows, with the names of the columns as their context."""
    numbers = [number for number in range(len(page.lines)) if not page.blank(number)]
    head = title
    if len(numbers) > 1 and not re.search(r"\d", page.lines[numbers[0]]):
        head = (*title, " ".join(re.findall(r"\w+", page.lines[numbers.pop(0)])))
    for number in numbers:
        yield from page.line(number, number, head)
