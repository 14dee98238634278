"""A document as what it is: a table with a header, a calendar, a mail with its head, a text with headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from typing import Any

from lior.interfaces import Passage
from lior_ask import columns_in, event_time
from lior_serve.sources import Version

_AROUND = 100
"""The number of rows before and after a passage that are shown with it."""
_PREFIX = re.compile(r"\s*(?:(#{1,6})|([-*+]|\d+[.)])|(>))\s+")
"""A pattern of what makes a line of Markdown a heading, an item or a quotation."""
_STYLES = "text", "heading", "item", "quotation"
_EMPHASIS = re.compile(r"\*\*|__|`")


def view(
    version: Version, passage: Passage, lines: Mapping[str, Any], language: str = "english"
) -> dict[str, Any] | None:
    """Return the document around a passage and its ``lines``, or ``None`` if it is plain lines.

    Days, and names of columns that lior gives, are in ``language``.

    ``kind`` is ``table`` or ``events``, with ``columns`` and ``rows``, each with its ``line`` and ``cells``;
    or ``mail``, with the names and values of its ``head``, or ``text``. The last two have ``parts``, each
    with its ``line``, a ``style``, and its ``text`` before, in and after the passage.
    """
    if re.search(r"\.(md|markdown)$", lines["name"], re.IGNORECASE):
        return {"kind": "text", "parts": [*_lines_set(lines)]}
    for head, rows in version.index.tables(passage.document):
        at = max(sum(row.begin <= passage.line for row in rows) - 1, 0)
        names = [column.name for column in head.columns]
        names = names if head.kind == "rows" else [*columns_in(names, language)]
        if head.kind == "mail":
            end = rows[at + 1].begin if at + 1 < len(rows) else float("inf")
            own = version.index.of_document(passage.document)
            own = [each for each in own if rows[at].begin <= each.line < end]
            told = [*zip(names, rows[at].cells, strict=True)]
            return {"kind": "mail", "head": told, "parts": [*_paragraphs(own, rows[at].line, passage)]}
        if head.kind == "rows" and rows and not rows[0].begin - 3 <= passage.line <= rows[-1].line:
            continue  # the text around a table
        events, near = head.kind == "events", rows[max(at - _AROUND, 0) : at + _AROUND]
        cells = [each.cells for each in near]
        if events:
            cells = [(event_time(begin, end, language), *parts) for begin, end, *parts in cells]
        shown = [{"line": row.line, "cells": own} for row, own in zip(near, cells, strict=True)]
        return {"kind": "events" if events else "table", "columns": names, "rows": shown}
    return None


def _paragraphs(own: list[Passage], subject: int, passage: Passage) -> Iterator[dict[str, Any]]:
    """Yield the paragraphs of a mail; those of its head are left out."""
    head = {each.group for each in own if each.line <= subject}
    for group, found in groupby(own, lambda each: each.group):
        several = [*found]
        quoted = [each.text in passage.text and each.line - passage.line in (0, 1) for each in several]
        begin = quoted.index(True) if any(quoted) else len(several)
        ends = 0, begin, begin + sum(quoted), len(several)
        if group not in head:
            text = [" ".join(each.text for each in several[a:b]) for a, b in pairwise(ends)]
            yield {"line": several[0].line, "style": "text", "text": text}


def _lines_set(lines: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of Markdown that are not empty, without what marks them as headings or items."""
    mark = lines["mark"]
    for number, line in enumerate(lines["lines"], lines["first"]):
        found = _PREFIX.match(line)
        skip = found.end() if found else 0
        begin = mark.get("column", 1) - 1 if number == mark["line"] else 0
        end = mark.get("end_column", len(line) + 1) - 1 if number == mark["end_line"] else len(line)
        if not mark["line"] <= number <= mark["end_line"]:
            begin = end = len(line)
        parts = line[skip : max(begin, skip)], line[max(begin, skip) : end], line[max(end, skip) :]
        if line.strip():
            style = _STYLES[found.lastindex or 0] if found else "text"
            yield {"line": number, "style": style, "text": [_EMPHASIS.sub("", part) for part in parts]}
