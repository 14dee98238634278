"""Files as a model learns them: the same files and names of documents as in an index.

The text of a document is that of its reading, as UTF-8. A plain file that is UTF-8 is learned byte for byte.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path, PurePath

import attrs

from lior.errors import DataError
from lior.plugins.registry import registry
from lior.reading import files as reading
from lior.reading.decoding import refuse_binary
from lior.reading.documents import LIMIT, RawDocument, embedded, json_lines, read_documents
from lior.reading.files import (
    EMPTY,
    LARGE,
    File,
    SkippedFile,
    Source,
    choose_reader,
    decompress,
    document_names,
    find_files,
    most_common_reasons,
    no_text_message,
    parse_with,
)

STDIN = "-"
"""Stands for standard input among paths."""

_LOG = logging.getLogger("lior")
_LINES = (".jsonl", ".ndjson")
_HEAD = 1 << 16


@attrs.frozen
class Texts:
    """What is at some paths."""

    documents: list[RawDocument]
    files: list[File]
    skipped: list[SkippedFile]


def read_texts(
    paths: Sequence[str], *, field: str = "text", limit: int = LIMIT, strict: bool = False
) -> Texts:
    """The documents at ``paths``, each file read by the reader for its format.

    What is left out of a folder, and how files were read, is told to the log ``lior``.

    Parameters
    ----------
    paths
        Files, folders, glob patterns, ``-`` for standard input; without any, the text that comes with Python.
    field
        Key of the text in a line of JSON Lines.
    limit
        Largest number of bytes of all files together, packed or not.
    strict
        Refuse an empty file too, if it was named.

    Raises ``DataError`` when a path does not exist, a file that was named cannot be read, or there is no
    text, or too much; ``MissingPackage`` when the format of a file that was named needs a package that is not
    installed.
    """
    if not paths:
        return Texts(embedded(), [], [])
    sources, skipped = find_files([path for path in paths if path != STDIN])
    files, left = [], limit
    for source in sources:
        file = _first(source, field, left, strict)
        if file.reason:
            skipped.append(SkippedFile(source.name, file.reason))
        files.append(file)
        left -= sum(len(document.data) for document in file.content)
    documents = [document for file in files for document in file.content]
    for at, path in enumerate(paths):
        if path == STDIN:
            before = len(find_files(paths[:at])[0]) if at else 0
            place = sum(len(file.content) for file in files[:before])
            documents[place:place] = read_documents([path], field=field, limit=limit)
    if not documents:
        raise DataError(no_text_message(paths, skipped))
    _tell(files, skipped)
    return Texts(documents, files, skipped)


def documents_in(data: bytes, name: str, *, field: str = "text", limit: int = LIMIT) -> list[RawDocument]:
    """The documents in the bytes of a file that is not on this machine; ``name`` is the file's.

    Raises
    ------
    DataError
        When it is no text, empty, damaged or larger than ``limit``; the message is the reason.
    MissingPackage
        When its format needs a package that is not installed.
    """
    return _read(data, Source(name=name, path=Path(name)), field, limit, [])


def read_if_changed(
    source: Source, known: File | None, *, field: str = "text", limit: int = LIMIT
) -> File | None:
    """:func:`lior.reading.files.read_if_changed` with :class:`RawDocument` as the content."""
    notes: list[str] = []
    file = reading.read_if_changed(
        source, known, lambda data: _read(data, source, field, limit, notes), limit=limit, whole=source.given
    )
    if file and (file.content or notes):
        file.documents, file.notes = tuple(each.name for each in file.content), tuple(notes)
    return file


def _first(source: Source, field: str, limit: int, strict: bool) -> File:
    """A file that is read for the first time, or the reason to leave it out."""
    file = read_if_changed(source, None, field=field, limit=limit)
    assert file is not None
    fault = file.reason
    if fault == LARGE:
        fault = "more text than data.limit allows; raise it, or give less (a device never ends)"
    elif not source.given:
        fault = ""
    elif fault == EMPTY:
        fault = f"no text in there ({file.size:,} bytes)" if strict else ""
    if fault:
        raise DataError(f"{source.path}{', ' if fault.startswith('line ') else ': '}{fault}")
    return file


def _read(data: bytes, source: Source, field: str, limit: int, notes: list[str]) -> list[RawDocument]:
    """The documents in the bytes of a file; ``notes`` are added on how they were read."""
    name = source.path.name
    data, name = decompress(data, name, limit=limit)
    if PurePath(name).suffix.lower() in _LINES:
        try:
            found = list(json_lines(data, source.path, field=field))
        except DataError as error:
            raise DataError(str(error).removeprefix(f"{source.path}, ")) from error
        parts = [document.name.removeprefix(f"{source.path}#") for document in found]
        names = document_names(source.name, parts)
        pairs = zip(names, found, strict=True)
        return [RawDocument(each, document.data) for each, document in pairs if document.data]
    reader = choose_reader(data, name)
    if isinstance(reader, registry.get("reader", "text")):
        try:
            refuse_binary(data[:_HEAD])
        except DataError:
            if source.given:  # any bytes can be learned, when they are asked for
                notes.append("binary data, learned byte for byte")
                return [RawDocument(source.name, data)]
            raise
        if is_utf8_text(data):
            return [RawDocument(source.name, data)]
    readings = parse_with(reader, data, name)
    notes += [note for each in readings for note in each.notes]
    first = readings[0]
    whole = len(readings) == 1 and not first.name and (first.lines is None or first.kind in ("code", "rows"))
    if whole and is_utf8_text(data):
        return [RawDocument(source.name, data)]
    names = document_names(source.name, [each.name for each in readings])
    made = (RawDocument(n, r.text.encode()) for n, r in zip(names, readings, strict=True))
    return [document for document in made if document.data.strip()]


def is_utf8_text(data: bytes) -> bool:
    """Whether the bytes are UTF-8 without null bytes."""
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _tell(files: Sequence[File], skipped: Sequence[SkippedFile]) -> None:
    """Tell the log what was left out, in one line, and the details to those who want them."""
    if skipped:
        _LOG.info("%d skipped (%s)", len(skipped), most_common_reasons(skipped))
    for each in skipped:
        _LOG.debug("skipped %s: %s", each.name, each.reason)
    for file in files:
        for note in file.notes:
            _LOG.debug("%s: %s", file.name, note)


def absolute(paths: Sequence[str]) -> tuple[str, ...]:
    """``paths`` as they can be read from any working directory."""
    return tuple(path if path == STDIN else str(Path(path).expanduser().absolute()) for path in paths)
