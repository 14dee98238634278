"""Files as a model learns them: the same files and names of documents as in an index.

The text of a document is that of its reading, as UTF-8. A plain file that is UTF-8 is learned byte for byte.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path, PurePath

import attrs

from lior.ask.decoding import refuse_binary
from lior.ask.reading import (
    EMPTY,
    Skipped,
    Source,
    TooLarge,
    document_names,
    find_files,
    read_with,
    reader_of,
    steady,
    tally,
    unpack,
)
from lior.data.documents import LIMIT, RawDocument, embedded, json_lines, read_documents
from lior.errors import DataError, LiorError, MissingPackage
from lior.plugins.registry import registry

STDIN = "-"
"""Stands for standard input among paths."""

_LOG = logging.getLogger("lior")
_LINES = (".jsonl", ".ndjson")
_HEAD = 1 << 16


class Unreadable(DataError):
    """A file cannot be read now; that says nothing of the text in it."""


@attrs.frozen
class TextFile:
    """The documents of a file."""

    name: str
    size: int
    modified: int
    """Time stamp in nanoseconds; 0 when the file was just written."""
    sha256: str
    """Of its bytes."""
    documents: tuple[RawDocument, ...] = attrs.field(default=(), repr=False)
    reason: str = ""
    """Why there are no documents, if so."""
    notes: tuple[str, ...] = ()
    """How it was read, where a user should know."""


@attrs.frozen
class Texts:
    """What is at some paths."""

    documents: list[RawDocument]
    files: list[TextFile]
    skipped: list[Skipped]


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

    Raises
    ------
    DataError
        When a path does not exist, a file that was named cannot be read, or there is no text, or too much.
    MissingPackage
        When the format of a file that was named needs a package that is not installed.
    """
    if not paths:
        return Texts(embedded(), [], [])
    sources, skipped = find_files([path for path in paths if path != STDIN])
    files, left = [], limit
    for source in sources:
        file = _first(source, field, left, strict)
        if file.reason:
            skipped.append(Skipped(source.name, file.reason))
        files.append(file)
        left -= sum(len(document.data) for document in file.documents)
    documents = [document for file in files for document in file.documents]
    for at, path in enumerate(paths):
        if path == STDIN:
            before = len(find_files(paths[:at])[0]) if at else 0
            place = sum(len(file.documents) for file in files[:before])
            documents[place:place] = read_documents([path], field=field, limit=limit)
    if not documents:
        raise DataError(_nothing(paths, skipped))
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
    return _read(data, Source(name=name, path=Path(name)), field, limit)[0]


def look(
    source: Source, known: tuple[int, int, str] | None, *, field: str = "text", limit: int = LIMIT
) -> TextFile | None:
    """A file, read if it is not as known; ``None`` if nothing of it changed.

    Parameters
    ----------
    known
        Size, time stamp and SHA-256 of the file when it was read last. With this SHA-256 it is returned
        without documents and reason.

    Raises
    ------
    Unreadable
        When it cannot be read now.
    TooLarge
        When it has more than ``limit`` bytes, packed or not.
    """
    try:
        data, size, modified = steady(source.path, known and known[:2], limit=limit, whole=source.given)
    except TooLarge:
        raise
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from error
    except DataError as error:
        raise Unreadable(str(error)) from error
    if data is None:
        return None
    file = TextFile(source.name, size, modified, hashlib.sha256(data).hexdigest())
    if known and file.sha256 == known[2]:
        return file
    try:
        documents, notes = _read(data, source, field, limit)
    except TooLarge:
        raise
    except MissingPackage as error:
        raise Unreadable(str(error)) from error
    except LiorError as error:
        return attrs.evolve(file, reason=str(error))
    return attrs.evolve(file, documents=tuple(documents), notes=notes)


def _first(source: Source, field: str, limit: int, strict: bool) -> TextFile:
    """A file that is read for the first time, or the reason to leave it out."""
    try:
        file = look(source, None, field=field, limit=limit)
        assert file is not None
    except TooLarge:
        fault = "more text than data.limit allows; raise it, or give less (a device never ends)"
        raise DataError(f"{source.path}: {fault}") from None
    except Unreadable as error:
        file = TextFile(source.name, -1, 0, "", reason=str(error))
    if source.given and strict and file.reason == EMPTY:
        raise DataError(f"{source.path}: no text in there ({file.size:,} bytes)")
    if source.given and file.reason not in ("", EMPTY):
        raise DataError(f"{source.path}{', ' if file.reason.startswith('line ') else ': '}{file.reason}")
    return file


def _read(data: bytes, source: Source, field: str, limit: int) -> tuple[list[RawDocument], tuple[str, ...]]:
    """The documents in the bytes of a file, and notes on how they were read."""
    name = source.path.name
    data, name = unpack(data, name, limit=limit)
    if PurePath(name).suffix.lower() in _LINES:
        try:
            found = list(json_lines(data, source.path, field=field))
        except DataError as error:
            raise DataError(str(error).removeprefix(f"{source.path}, ")) from error
        parts = [document.name.removeprefix(f"{source.path}#") for document in found]
        names = document_names(source.name, parts)
        pairs = zip(names, found, strict=True)
        return [RawDocument(each, document.data) for each, document in pairs if document.data], ()
    reader = reader_of(data, name)
    if isinstance(reader, registry.get("reader", "text")):
        try:
            refuse_binary(data[:_HEAD])
        except DataError:
            if source.given:  # any bytes can be learned, when they are asked for
                return [RawDocument(source.name, data)], ("binary data, learned byte for byte",)
            raise
        if _plain(data):
            return [RawDocument(source.name, data)], ()
    readings = read_with(reader, data, name)
    notes = tuple(note for reading in readings for note in reading.notes)
    first = readings[0]
    whole = len(readings) == 1 and not first.name and (first.lines is None or first.kind in ("code", "rows"))
    if whole and _plain(data):
        return [RawDocument(source.name, data)], notes
    names = document_names(source.name, [reading.name for reading in readings])
    made = (RawDocument(n, r.text.encode()) for n, r in zip(names, readings, strict=True))
    return [document for document in made if document.data.strip()], notes


def _plain(data: bytes) -> bool:
    """Whether the bytes are UTF-8 as they are."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _nothing(paths: Sequence[str], skipped: Sequence[Skipped]) -> str:
    found = f"{len(skipped)} skipped: {tally(skipped)}" if skipped else "no file"
    return f"{', '.join(paths)}: no text in there ({found}); give a file or folder with text"


def _tell(files: Sequence[TextFile], skipped: Sequence[Skipped]) -> None:
    """Tell the log what was left out, in one line, and the details to those who want them."""
    if skipped:
        _LOG.info("%d skipped (%s)", len(skipped), tally(skipped))
    for each in skipped:
        _LOG.debug("skipped %s: %s", each.name, each.reason)
    for file in files:
        for note in file.notes:
            _LOG.debug("%s: %s", file.name, note)


def absolute(paths: Sequence[str]) -> tuple[str, ...]:
    """``paths`` as they can be read from any working directory."""
    return tuple(path if path == STDIN else str(Path(path).expanduser().absolute()) for path in paths)
