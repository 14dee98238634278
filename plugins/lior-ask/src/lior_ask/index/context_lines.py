"""The lines of a document around a passage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from lior.interfaces import ParsedDocument, Passage
from lior.reading.compression import decompress
from lior.reading.decoding import is_utf8
from lior.reading.files import read_limited
from lior.reading.parsing import parse_bytes


@attrs.frozen(kw_only=True)
class Lines:
    """Some lines of a document, and where in them a passage stands."""

    first: int
    """Number of the first line, from 1."""
    lines: tuple[str, ...]
    total: int
    """Lines of the document."""
    line: int
    """First line of the passage, from 1."""
    end_line: int
    """Its last line."""
    column: int | None
    """Where it begins in its first line, from 1; ``None`` where the text is not as in the document."""
    end_column: int | None
    """Where it ends in its last line, from 1, one behind."""


def around(texts: Sequence[bytes], passage: Passage, count: int) -> Lines:
    """The passage with ``count`` lines before and after it; ``texts`` are those of its file, UTF-8."""
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
    """The file's own bytes, or the extracted text of formats without lines, such as PDF.

    ``parsed`` is what was read of it, if it is known. Raises ``OSError`` or ``LiorError`` when it cannot be
    read now.
    """
    data, inner = decompress(read_limited(path), path.name)
    documents = parsed or parse_bytes(data, inner)
    if is_utf8(data) or any(each.lines is not None for each in documents):
        return [data]
    return [each.text.encode() for each in documents]


def lines_of(text: bytes) -> list[str]:
    """The lines of a text, at least one, without their ends."""
    lines = [line.rstrip("\r") for line in text.decode("utf-8", "replace").split("\n")]
    return lines if lines[-1] else lines[:-1] or lines


def _contains(lines: Sequence[str], passage: Passage, wanted: Sequence[str]) -> bool:
    """Whether the passage stands at its line and column of these lines."""
    here = lines[passage.line - 1 : passage.line - 1 + len(wanted)]
    if len(here) < len(wanted):
        return False
    return here[0][passage.column - 1 :].startswith(wanted[0]) and all(
        line.startswith(part) for line, part in zip(here[1:], wanted[1:], strict=True)
    )
