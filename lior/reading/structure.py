"""The structure of a document: all that its reader found but the text, so that a run can keep it.

A run may come from a stranger: the unpacked structure, and the numbers in it, have bounds. The process that
reads files (:mod:`lior.reading.worker`) sends its documents in the same form.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table

_LINES = 1 << 26
"""The largest line number: a file of 64 MiB has no more lines."""
_LEAST, _TIMES = 1 << 22, 64
"""The maximum size of an unpacked structure, in bytes: a constant, and a number for each byte of the text.
The structure also has the cells of tables and a number for each line.
"""
_FIELDS = [field.name for field in attrs.fields(ParsedDocument) if field.name not in ("text", "tables")]
_COLUMNS = [field.name for field in attrs.fields(Table)]


def structure_of(document: ParsedDocument) -> bytes:
    """Return all fields of a parsed document but its text, as compressed JSON.

    Tables of empty cells that are out of proportion to the text are left out.
    """
    most = _most(document.text.encode("utf-8", "surrogatepass"))
    data = _pack(document)
    if len(data) > most:
        data = _pack(attrs.evolve(document, tables=()))
    return zlib.compress(data)


def with_structure(text: str, structure: bytes) -> ParsedDocument:
    """Return the parsed document of a text and what :func:`structure_of` gave.

    Raises ``DataError`` when they do not belong together, or it is out of proportion to the text.
    """
    try:
        most = _most(text.encode("utf-8", "surrogatepass"))
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(structure, most + 1)
        if len(data) > most:
            raise ValueError(f"more than {most:,} bytes for a text of {len(text):,} characters")
        if not unpacking.eof:
            raise ValueError("it ends too early")
        document = _document({**json.loads(data), "text": text})
        if document.lines is not None and len(document.lines) != text.count("\n") + 1:
            raise ValueError("there is not one number for each line")
    except (zlib.error, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        cause = str(error) if isinstance(error, (zlib.error, ValueError)) else type(error).__name__
        raise DataError(f"its structure is damaged ({cause})") from error
    return document


def as_json(documents: Iterable[ParsedDocument]) -> bytes:
    """Return parsed documents as JSON."""
    records = [{"text": document.text, **_record(document)} for document in documents]
    return json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def from_json(data: bytes) -> list[ParsedDocument]:
    """Return the parsed documents of :func:`as_json`."""
    return [_document(record) for record in json.loads(data)]


def by_lines(document: ParsedDocument) -> str:
    """Return the text of a document, each line at the line of the file that it is from.

    Lines that stand in one line of the file are joined by a space; other lines of the file are empty.
    """
    if document.lines is None:
        return document.text
    found: dict[int, str] = {}
    for number, line in zip(document.lines, document.text.split("\n"), strict=True):
        found[number] = " ".join(filter(None, (found.get(number), line)))
    parts, last = list[str](), 1
    for number in sorted(found):
        parts += "\n" * (number - last), found[number]
        last = number
    return "".join(parts)


def _most(text: bytes) -> int:
    return _LEAST + _TIMES * len(text)


def _pack(document: ParsedDocument) -> bytes:
    return json.dumps(_record(document), separators=(",", ":")).encode()


def _record(document: ParsedDocument) -> dict[str, Any]:
    """Return all fields but the text; without ``attrs.asdict``, which looks at each number and cell."""
    tables = [{name: getattr(table, name) for name in _COLUMNS} for table in document.tables]
    return {**{name: getattr(document, name) for name in _FIELDS}, "tables": tables}


def _document(record: dict[str, Any]) -> ParsedDocument:
    """Return the document of a record, each field as its type is.

    Raises ``ValueError``, ``TypeError``, ``LookupError`` or ``AttributeError`` for another one.
    """
    text, kind, name, title, *notes = _texts(
        [record[each] for each in ("text", "kind", "name", "title")] + record["notes"]
    )
    places = record["places"]
    names = _texts([place for _, place in places])
    lines = record["lines"]
    return ParsedDocument(
        text=text,
        kind=kind,
        name=name,
        title=title,
        notes=tuple(notes),
        lines=None if lines is None else _numbers(lines, 1),
        places=tuple(zip(_numbers([first for first, _ in places]), names, strict=True)),
        wrapped=_numbers(record["wrapped"]),
        titles=_numbers(record["titles"]),
        tables=tuple(map(_table, record["tables"])),
    )


def _table(record: dict[str, Any]) -> Table:
    columns, rows, lines = _texts(record["columns"]), record["rows"], _numbers(record["lines"])
    if len(lines) != len(rows) or any(len(row) != len(columns) for row in rows):
        raise ValueError("the rows of a table do not fit its columns and lines")
    kind, name, until = _texts([record[each] for each in ("kind", "name", "until")])
    cells = tuple(map(_texts, rows))
    return Table(kind=kind, name=name, columns=columns, rows=cells, lines=lines, until=until)


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if not set(map(type, values)) <= {str}:
        raise TypeError
    return tuple(values)


def _numbers(values: Sequence[Any], least: int = 0) -> tuple[int, ...]:
    if not set(map(type, values)) <= {int} or (values and not least <= min(values) <= max(values) <= _LINES):
        raise ValueError(f"a number is not from {least} to {_LINES:,}")
    return tuple(values)
