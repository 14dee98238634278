"""The original documents of a run: whole, with their lines, for an index of them.

This needs no torch if the tokens of the run are bytes.
"""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lior.errors import DataError, LiorError, RunError, UsageError
from lior.interfaces import ParsedDocument
from lior.reading.compression import is_compressed
from lior.reading.documents import RawDocument, as_bytes, read_documents
from lior.reading.finding import as_paths
from lior.reading.parsing import parse_bytes, whole_characters
from lior.reading.structure import by_lines, with_structure
from lior.runs import bundle, folder
from lior.runs.format import TEXT, check_text, misfits_as_run_errors, read_manifest, separate

_LOG = logging.getLogger("lior")
_TEXT = bundle.file_name(TEXT)


def verify_manifest(place: Path) -> dict[str, Any]:
    """Return the manifest of the checkpoint at ``place`` after verifying its text.

    Raises ``RunError`` if lior did not write it, or it is damaged.
    """
    manifest = read_manifest(place)
    with misfits_as_run_errors(place):
        bundle.verify(place / _TEXT, manifest["files"][_TEXT])
    return manifest


def texts_of(run: Path, document: str) -> list[bytes]:
    """Return the texts of a document in a run's index, each line at its line of the file.

    Raises ``RunError`` if no checkpoint of the run can be read, and ``DataError`` without such a document.
    """
    manifest, place = folder.newest(run, verify_manifest, stacklevel=3)
    with misfits_as_run_errors(place):
        held = documents_of_run(place, manifest)
    found = held.get(document) or held.get(document.rstrip("'"))  # of several with one name
    if found is None:
        raise DataError(f"{document}: no document of this name in the run.")
    return [*map(as_in_file, found)]


def parse_documents(documents: Sequence[RawDocument]) -> tuple[list[ParsedDocument], LiorError | None]:
    """Return the documents of a name, and the last fault of those that cannot be read."""
    found, fault = list[ParsedDocument](), None
    for document in documents:
        try:
            found += parse_document(document)
        except LiorError as error:
            fault = error
    return found, fault


def parse_document(document: RawDocument) -> list[ParsedDocument]:
    """Parse a document by its stored structure, else by its name, else as plain text."""
    if document.structure:
        return [_structure(document)]
    data, path = document.data, PurePath(document.name)
    while is_compressed(path.name):  # the run stores it decompressed
        path = path.with_suffix("")
    try:
        return parse_bytes(data, path.name or "text")
    except LiorError:
        return parse_bytes(data, "document.txt")


def _structure(document: RawDocument) -> ParsedDocument:
    text = whole_characters(document.data.decode("utf-8", "surrogatepass"))
    return with_structure(text, document.structure)


def as_in_file(document: RawDocument) -> bytes:
    """Return the text of a document, each line at its line of the file.

    Raises ``DataError`` when its structure is damaged.
    """
    return by_lines(_structure(document)).encode() if document.structure else document.data


def by_name(
    names: Sequence[str],
    texts: Callable[[int], bytes],
    structures: Sequence[bytes],
    split_parts: Iterable[Sequence[int]] = (),
    only: str | None = None,
) -> dict[str, list[RawDocument]]:
    """Group documents by name.

    Parameters
    ----------
    texts
        Function from a document's number to its text.
    structures
        Structure of each document; for a document in parts, the first has it.
    split_parts
        Pairs of numbers: the first document continues the second.
    only
        The name to return; by default all.
    """
    continued = {before: part for part, before in split_parts}
    parts = set(continued.values())
    found: dict[str, list[RawDocument]] = {}
    for number, name in enumerate(names):
        if number in parts or (only is not None and name != only):
            continue
        whole, last = texts(number), number
        while last in continued:  # the calibration split and the validation text may both be cut from it
            last = continued[last]
            whole += texts(last)
        found.setdefault(name, []).append(RawDocument(name, whole, structures[number]))
    return found


def documents_of_run(place: Path, manifest: Mapping[str, Any]) -> dict[str, list[RawDocument]]:
    """Return the documents of a checkpoint, whose text was verified, by name."""
    if manifest["components"]["tokenizer"][0]["name"] != "bytes":
        from lior.runs.checkpoint import load  # a tokenizer with a vocabulary needs torch

        return of_checkpoint(load(place))
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(place / _TEXT)
    except SafetensorError as error:
        raise RunError(f"{place / _TEXT}: damaged ({error})") from error
    check_text(arrays, manifest, vocab=256)
    starts = arrays["starts"].tolist()
    texts = separate(arrays["tokens"].astype(np.uint8).tobytes(), starts)
    structures = separate(arrays["structures"].tobytes(), arrays["structure_starts"].tolist())
    return by_name(manifest["documents"], texts.__getitem__, structures, manifest["split_parts"])


def note_learned(checkpoint: Any, texts: Sequence[RawDocument] = ()) -> None:
    """Tell the user which of ``texts`` a checkpoint's memories hold, at least in part.

    Without texts, these are the run's documents that its memories do not hold, as they are to be scored.
    """
    texts = texts or _chosen(checkpoint, lambda document: not document.held)
    sizes = {len(text.data) for text in texts}
    note_known(_chosen(checkpoint, lambda document: document.held and document.bytes in sizes), texts)


def note_known(held: Iterable[RawDocument], texts: Iterable[RawDocument]) -> None:
    """Tell the user which of ``texts``, which are to be scored, are among the documents ``held``."""
    learned = {each.data for each in held} - {b""}
    if known := [text.name for text in texts if text.data in learned]:
        more = f" and {len(known) - 1:,} more" if known[1:] else ""
        _LOG.info("%s%s: learned by this run, so the score is of known text", known[0], more)


def _chosen(checkpoint: Any, wanted: Callable[[Any], bool]) -> list[RawDocument]:
    """Return the documents of a checkpoint of which ``wanted`` is true."""
    listed = checkpoint.documents()
    found = []
    for name in {each.name for each in listed if wanted(each)}:
        same = (each for each in listed if each.name == name)
        pairs = zip(same, of_checkpoint(checkpoint, name)[name], strict=True)
        found += [text for each, text in pairs if wanted(each)]
    return found


def of_checkpoint(checkpoint: Any, only: str | None = None) -> dict[str, list[RawDocument]]:
    """Return the documents of a :class:`~lior.runs.checkpoint.Checkpoint` in memory, or of one name."""
    corpus, decode = checkpoint.corpus, checkpoint.model.tokenizer.decode

    def text(number: int) -> bytes:
        begin, end = corpus.bounds(number)
        return bytes(decode(corpus.tokens[begin:end].tolist()))

    return by_name(corpus.names, text, corpus.structures, corpus.split_parts.items(), only)


def as_text(name: str, value: Any) -> bytes:
    """A text that was given as an argument of that name; raises ``UsageError`` for anything else."""
    if not isinstance(value, str | bytes):
        raise UsageError(f"{name} is of type {type(value).__name__}; give a text (str or bytes)")
    try:
        return as_bytes(value)
    except UnicodeEncodeError as error:
        fault = f"character {error.start} is half of a surrogate pair, which UTF-8 cannot express"
        raise UsageError(f"{name}: {fault}; give whole characters, or bytes") from error


def check_name(name: Any) -> str:
    """Return ``name`` if a document can have it; raises ``DataError`` otherwise."""
    if isinstance(name, str) and name.splitlines() == [name] and "\0" not in name:
        with suppress(UnicodeEncodeError):
            name.encode()
            return name
    allowed = "one line of text that UTF-8 can express, without NUL"
    raise DataError(f"{reprlib.repr(name)}: a document needs a name, {allowed}; give another")


def named(texts: Mapping[str, str | bytes]) -> list[RawDocument]:
    """The documents of a mapping of names to texts; raises as :func:`check_name` and :func:`as_text`."""
    if not isinstance(texts, Mapping):
        raise UsageError(
            f"documents is of type {type(texts).__name__}; give a table of names and texts (dict)"
        )
    return [
        RawDocument(check_name(name), as_text(f"document {name!r}", text)) for name, text in texts.items()
    ]


def given(text: str | Path | Sequence[str] | Mapping[str, str | bytes], field: str) -> list[RawDocument]:
    """The documents of paths, or of a mapping of names to texts; see :meth:`lior.Run.learn`."""
    if isinstance(text, Mapping):
        return named(text)
    paths = as_paths("text", text)
    if not paths:
        raise UsageError("nothing to learn was given; name files or folders")
    return read_documents(paths, field=field, strict=True)
