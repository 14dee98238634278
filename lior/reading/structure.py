"""The structure of a document: all that its reader found but the text, so that a run can keep it."""

from __future__ import annotations

import json
import zlib
from typing import Any

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table


def structure_of(document: ParsedDocument) -> bytes:
    """All fields of a parsed document but its text, as compressed JSON."""
    record = attrs.asdict(document, filter=attrs.filters.exclude("text"))
    return zlib.compress(json.dumps(record, separators=(",", ":")).encode())


def with_structure(text: str, structure: bytes) -> ParsedDocument:
    """The parsed document of a text and what :func:`structure_of` gave.

    Raises ``DataError`` when they do not belong together.
    """
    try:
        record = json.loads(zlib.decompress(structure))
        tables = tuple(Table(**_tuples(table)) for table in record.pop("tables"))
        document = ParsedDocument(text=text, tables=tables, **_tuples(record))
        if document.lines is not None and len(document.lines) != text.count("\n") + 1:
            raise ValueError("there is not one number for each line")
    except (zlib.error, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"its structure is damaged ({error})") from error
    return document


def by_lines(document: ParsedDocument) -> str:
    """The text of a document, each line at the line of the file that it is from.

    Lines that stand in one line of the file are joined by a space; other lines of the file are empty.
    """
    if document.lines is None:
        return document.text
    found: dict[int, str] = {}
    for number, line in zip(document.lines, document.text.split("\n"), strict=True):
        found[number] = " ".join(filter(None, (found.get(number), line)))
    return "\n".join(found.get(number, "") for number in range(1, max(found) + 1))


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    """A record with tuples in place of lists."""
    return {name: _tuple(value) for name, value in record.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value
