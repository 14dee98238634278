"""Documents that a model learns: the same files and document names as in an index.

The text of a document is that of its parsed document, as UTF-8. A plain file that is UTF-8 is learned byte
for byte.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import attrs

from lior.errors import DataError, MissingPackage
from lior.files import printable
from lior.interfaces import ParsedDocument
from lior.plugins.registry import registry
from lior.reading.compression import decompress, read_all
from lior.reading.decoding import is_utf8, refuse_binary
from lior.reading.files import File, read_if_changed
from lior.reading.finding import STDIN, SourceFile, find_files
from lior.reading.parsing import choose_reader, document_names, parse_with
from lior.reading.skipping import (
    SkippedFile,
    SkipReason,
    UnreadableFile,
    most_common_reasons,
    no_text_message,
)
from lior.reading.structure import structure_of

EMBEDDED = "python-language-reference"
"""The name of the text that is always available: the standard library's ``pydoc_data.topics``."""
LIMIT = 1 << 31
"""The default maximum size of a decompressed text, in bytes; a larger text is refused."""

_LOG = logging.getLogger("lior")
_JSON_LINES = (".jsonl", ".ndjson")
_HEAD = 1 << 16
_BINARY = "binary data, learned byte for byte"


class RawDocument(NamedTuple):
    """A document before it is tokenised."""

    name: str
    data: bytes
    structure: bytes = b""
    """The result of :func:`~lior.reading.structure.structure_of`; empty if name and text determine the
    structure.
    """


def as_bytes(text: str | bytes) -> bytes:
    """Return ``text`` as UTF-8; surrogates that Python uses for undecodable bytes become these
    bytes again.
    """
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def read_embedded() -> list[RawDocument]:
    """Return the Python language reference that comes with Python, a document for each topic."""
    from pydoc_data.topics import topics

    return [RawDocument(f"{EMBEDDED}/{name}", text.encode()) for name, text in sorted(topics.items())]


def read_documents(
    paths: Sequence[str], *, field: str = "text", limit: int = LIMIT, strict: bool = False, raw: bool = False
) -> list[RawDocument]:
    """Return the documents in the files at ``paths``; parameters and errors are as in :func:`read_files`."""
    return documents_of(read_files(paths, field=field, limit=limit, strict=strict, raw=raw))


def documents_of(files: Iterable[File]) -> list[RawDocument]:
    """Return the documents in files, in their order."""
    return [document for file in files for document in file.content]


def read_files(
    paths: Sequence[str], *, field: str = "text", limit: int = LIMIT, strict: bool = False, raw: bool = False
) -> list[File]:
    """Return the files at ``paths``, each parsed by the reader for its format, with its documents as content.

    The logger ``lior`` reports which files of a folder are left out, and how files were read.

    Parameters
    ----------
    paths
        Files, folders, glob patterns, ``-`` for standard input; without any, the text that comes with Python.
    field
        Key of the text in a line of JSON Lines.
    limit
        The maximum size of all files together, in bytes, compressed or not.
    strict
        Refuse an empty file too, if it was named.
    raw
        Read files byte for byte, whatever their format, and name documents by their paths. Only JSON Lines
        files are still split into one document a line.

    Returns
    -------
    list of File
        Those with content :class:`RawDocument`, and those that were left out, with the reason.

    Raises
    ------
    DataError
        When a path does not exist, a file that was named cannot be read, or there is no text, or too much.
    MissingPackage
        When the format of a file that was named needs a package that is not installed.
    """
    if not paths:
        return [File(EMBEDDED, given=True, content=read_embedded())]
    sources, skipped = find_files(paths)
    files = list[File]()
    for source in sources:
        if raw:
            source = attrs.evolve(source, name=printable(str(source.path)))
        file = _read_first(source, field=field, limit=limit, strict=strict, raw=raw)
        files.append(file)
        limit -= sum(len(document.data) for document in file.content)
    skipped += [file.skipped for file in files if file.skipped]
    if not any(file.content for file in files):
        raise DataError(no_text_message(paths, skipped))
    _log(files, skipped)
    return files


def read_document_file(
    source: SourceFile,
    known: File | None = None,
    *,
    field: str = "text",
    limit: int = LIMIT,
    raw: bool = False,
) -> File | None:
    """Read a file like :func:`~lior.reading.files.read_if_changed`, with its documents as the content.

    ``field`` and ``raw`` are as in :func:`read_files`; ``limit`` applies to this file.
    """
    notes = list[str]()

    def parse(data: bytes) -> list[RawDocument]:
        return _documents(data, source, field=field, limit=limit, raw=raw, notes=notes)

    file = read_if_changed(source, known, parse, limit=limit, whole=source.named)
    if file and (file.content or notes):
        file.documents, file.notes = tuple(each.name for each in file.content), tuple(notes)
    return file


def documents_in(data: bytes, name: str, *, limit: int = LIMIT) -> list[RawDocument]:
    """Return the documents in the bytes of a file that is not on this machine; ``name`` is the file's.

    Raises
    ------
    DataError
        When it is no text, empty, damaged or larger than ``limit`` bytes; the message is the reason.
    MissingPackage
        When its format needs a package that is not installed.
    """
    return _documents(data, SourceFile(name, Path(name)), field="text", limit=limit, raw=False, notes=[])


def _read_first(source: SourceFile, *, field: str, limit: int, strict: bool, raw: bool) -> File:
    """Read a file for the first time; raise the reason for one that was named and cannot be read."""
    if str(source.path) == STDIN:
        return _read_stdin(limit)
    file = read_document_file(source, field=field, limit=limit, raw=raw)
    assert file is not None
    if file.reason is SkipReason.TOO_LARGE:
        raise DataError(f"{source.path}: {_TOO_MUCH}")
    if source.named and file.reason is SkipReason.EMPTY and strict:
        raise DataError(f"{source.path}: no text in there ({file.size:,} bytes)")
    if source.named and file.reason not in (None, SkipReason.EMPTY):
        between = ", " if file.reason is SkipReason.BAD_LINE else ": "
        failed = MissingPackage if file.reason is SkipReason.MISSING_PACKAGE else DataError
        raise failed(f"{source.path}{between}{file.skipped}")
    return file


_TOO_MUCH = (
    "more text than data.limit allows; raise it, sort it (`lior archive`), or give less (a device never ends)"
)


def _read_stdin(limit: int) -> File:
    try:
        data = read_all(sys.stdin.buffer, limit)
    except UnreadableFile as error:
        raise DataError(f"standard input: {_TOO_MUCH}") from error
    if not data:
        raise DataError(f"{STDIN}: no text in there (0 bytes); give a file or folder with text")
    return File("<stdin>", given=True, content=[RawDocument("<stdin>", data)])


def _documents(
    data: bytes, source: SourceFile, *, field: str, limit: int, raw: bool, notes: list[str]
) -> list[RawDocument]:
    """Return the documents in the bytes of a file; ``notes`` are added on how they were read."""
    data, name = decompress(data, source.path.name, limit=limit)
    if PurePath(name).suffix.lower() in _JSON_LINES:
        return [document for document in _lines(data, source.name, field) if document.data]
    whole = [RawDocument(source.name, data)]
    reader = None if raw else choose_reader(data, name)
    plain = reader is None or isinstance(reader, registry.get("reader", "text"))
    if plain and _is_binary(data, refused=not source.named):
        notes.append(_BINARY)  # any bytes can be learned on request
        return whole
    if reader is None or (plain and is_utf8(data)):
        return whole
    documents = parse_with(reader, data, name)
    notes += [note for each in documents for note in each.notes]
    if _is_as_given(documents) and is_utf8(data):
        return whole
    names = document_names(source.name, [each.name for each in documents])
    made = map(_extract, names, documents)
    return [document for document in made if document.data.strip()]


def _is_as_given(documents: Sequence[ParsedDocument]) -> bool:
    """Return whether a reader found one document with the lines of its file."""
    first = documents[0]
    as_lines = first.lines is None or first.kind in ("code", "rows")
    return len(documents) == 1 and not first.name and as_lines


def _is_binary(data: bytes, *, refused: bool) -> bool:
    """Return whether data is not text; raise the reason if it is ``refused`` then."""
    try:
        refuse_binary(data[:_HEAD])
    except DataError:
        if refused:
            raise
        return True
    return False


def _lines(data: bytes, file: str, field: str) -> Iterator[RawDocument]:
    """Yield the documents of a JSON Lines file, named by ``_id`` or the number of the line.

    Raises ``UnreadableFile`` for a line that is no object with a text under ``field``.
    """
    documents = list[ParsedDocument]()
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableFile(SkipReason.BAD_LINE, f"line {number}: not JSON ({error})") from error
        if not isinstance(record, dict) or not isinstance(record.get(field), str):
            keys = ", ".join(sorted(record)[:8]) if isinstance(record, dict) else "not an object"
            fault = f"no text under {field!r} (found: {keys}); name the key with --field"
            raise UnreadableFile(SkipReason.BAD_LINE, f"line {number}: {fault}")
        documents.append(record_document(record, number, field))
    return map(_extract, document_names(file, [each.name for each in documents]), documents)


def record_document(record: dict[str, Any], number: int, field: str = "text") -> ParsedDocument:
    """Return the document of an object in a line of JSON Lines, which has that number from 1."""
    title = record.get("title")
    return ParsedDocument(
        text=record[field],
        kind="prose",
        name=str(record.get("_id", number)),
        title=title if isinstance(title, str) else "",
        lines=(number,) * (record[field].count("\n") + 1),
    )


def _extract(name: str, parsed: ParsedDocument) -> RawDocument:
    """Return a document with its structure, which the text does not determine."""
    return RawDocument(name, parsed.text.encode("utf-8", "surrogatepass"), structure_of(parsed))


def _log(files: Sequence[File], skipped: Sequence[SkippedFile]) -> None:
    """Log what was left out, in one line, and the details for those who want them."""
    if skipped:
        _LOG.info("%d skipped (%s)", len(skipped), most_common_reasons(skipped))
    for each in skipped:
        _LOG.debug("skipped %s: %s", each.name, each)
    for file in files:
        for note in file.notes:
            _LOG.log(logging.INFO if note == _BINARY else logging.DEBUG, "%s: %s", file.name, note)
