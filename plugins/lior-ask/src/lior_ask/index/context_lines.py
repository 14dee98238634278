"""The lines of a document around a passage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """Return a passage with ``count`` lines before and after it; ``texts`` are those of its file, UTF-8.

    If the file has changed, the passage is the nearest one with its text, or else at its line, or the last.
    """
    parts = [lines_of(text) for text in texts]
    found = ((part, own) for part in parts for own in _places(part, passage))
    lines, passage = next(found, (parts[0], attrs.evolve(passage, line=min(passage.line, len(parts[0])))))
    last = min(passage.line + passage.text.count("\n"), len(lines))
    column, last, end_column = _span(lines, passage) or (None, last, None)
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

    The text of an encoded mail is the decoded one, at the same lines. ``parsed`` are the documents of the
    file, if they were read before. Raises ``OSError`` or ``LiorError`` when it cannot be read now.
    """
    data, inner = decompress(read_limited(path), path.name)
    documents = parsed or parse_bytes(data, inner)
    source = data if is_utf8(data) else b""
    if not source and b"\0" not in data and any(each.lines is not None for each in documents):
        source = decode_text(data)[0].encode()
    if not source or any(each.kind == "mail" and _is_encoded(each, lines_of(source)) for each in documents):
        return [by_lines(each).encode() for each in documents]
    return [source]


def _is_encoded(document: ParsedDocument, source: Sequence[str]) -> bool:
    """Return whether a line of a mail differs from the line of its file; a long header may continue below."""
    for line, number in zip(document.text.split("\n"), document.lines or (), strict=False):
        stored = source[number - 1] if number <= len(source) else ""
        if line not in stored and not line.startswith(stored.strip() or "\n"):
            return True
    return False


def lines_of(text: bytes) -> list[str]:
    """Return the lines of a text, at least one, without line ends."""
    lines = [line.rstrip("\r") for line in text.decode("utf-8", "replace").split("\n")]
    return lines if lines[-1] else lines[:-1] or lines


def _places(lines: Sequence[str], passage: Passage) -> Iterator[Passage]:
    """Yield the passage where its text is: at its line, then at other lines, the nearest first."""
    if _span(lines, passage):
        yield passage
        return
    begin = passage.text.split("\n")[0]
    fit = [number for number, line in enumerate(lines, 1) if begin in line]
    for number in sorted(fit, key=lambda number: abs(number - passage.line)):
        own = attrs.evolve(passage, line=number, column=lines[number - 1].find(begin) + 1)
        if _span(lines, own):
            yield own


def _span(lines: Sequence[str], passage: Passage) -> tuple[int, int, int] | None:
    """Return the column, last line and end column of a passage at its line; ``None`` if it is not there.

    Its column may differ if several lines of the text stand in one line of the file, and lines between its
    lines are empty if those continue the line before."""
    number, wanted = passage.line, passage.text.split("\n")
    first = lines[number - 1] if number <= len(lines) else ""
    if not first.startswith(wanted[0], passage.column - 1):
        text = " ".join(wanted)
        column = first.find(text) + 1
        return (column, number, column + len(text)) if column else None
    for part in wanted[1:]:
        below = (n for n in range(number + 1, len(lines) + 1) if lines[n - 1].strip())
        number = next(below, number)
        if not lines[number - 1].startswith(part):
            return None
    return passage.column, number, (1 if wanted[1:] else passage.column) + len(wanted[-1])
