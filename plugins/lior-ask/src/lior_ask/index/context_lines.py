"""The lines of a document around a passage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from lior.interfaces import ParsedDocument, Passage
from lior.reading import by_lines, decode_text, decompress, is_utf8, parse_bytes, read_limited


@attrs.frozen(kw_only=True)
class Lines:
    """Some lines of a document, and the position of a passage in them."""

    first: int
    """The number of the first line, from 1."""
    lines: tuple[str, ...]
    total: int
    """The number of lines of the document."""
    line: int
    """The first line of the passage, from 1."""
    end_line: int
    """The last line of the passage, from 1."""
    column: int | None
    """The column of the passage in its first line, from 1; ``None`` if its text is not in the document."""
    end_column: int | None
    """The column after the passage in its last line, from 1."""


def around(texts: Sequence[bytes], passage: Passage, count: int) -> Lines:
    """Return a passage with ``count`` lines before and after it; ``texts`` are those of its file, UTF-8."""
    parts = [lines_of(text) for text in texts]
    wanted = passage.text.split("\n")
    lines = next((part for part in parts if _contains(part, passage, wanted)), parts[0])
    last = min(passage.line + len(wanted) - 1, len(lines))
    column = end_column = None
    if _contains(lines, passage, wanted):
        column = passage.column
        end_column = (column if len(wanted) == 1 else 1) + len(wanted[-1])
    first = max(passage.line - count, 1)
    return Lines(
        first=first,
        lines=tuple(lines[first - 1 : last + count]),
        total=len(lines),
        line=passage.line,
        end_line=last,
        column=column,
        end_column=end_column,
    )


def file_texts(path: Path, parsed: Sequence[ParsedDocument] = ()) -> list[bytes]:
    """Return the text of a file in UTF-8, or the extracted texts of formats such as PDF and sheets.

    ``parsed`` are the documents of the file, if they were read before. Raises ``OSError`` or ``LiorError``
    when it cannot be read now.
    """
    data, inner = decompress(read_limited(path), path.name)
    documents = parsed or parse_bytes(data, inner)
    if is_utf8(data):
        return [data]
    if b"\0" not in data and any(each.lines is not None for each in documents):
        return [decode_text(data)[0].encode()]
    return [by_lines(each).encode() for each in documents]


def lines_of(text: bytes) -> list[str]:
    """Return the lines of a text, at least one, without line ends."""
    lines = [line.rstrip("\r") for line in text.decode("utf-8", "replace").split("\n")]
    return lines if lines[-1] else lines[:-1] or lines


def _contains(lines: Sequence[str], passage: Passage, wanted: Sequence[str]) -> bool:
    """Return whether the passage is at its line and column of these lines."""
    here = lines[passage.line - 1 : passage.line - 1 + len(wanted)]
    if len(here) < len(wanted):
        return False
    return here[0][passage.column - 1 :].startswith(wanted[0]) and all(
        line.startswith(part) for line, part in zip(here[1:], wanted[1:], strict=True)
    )
