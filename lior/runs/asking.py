"""Questions to the documents of a run, without torch where the tokens of the run are bytes.

The index is a function of the documents: what is learned and forgotten changes it exactly. It is made at the
first question and kept in the folder of the checkpoint that it belongs to. With this folder it is removed,
so that no forgotten text stays in it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lior.ask.database import DamagedIndex
from lior.ask.index import Index
from lior.ask.sqlite import SQLite
from lior.errors import DataError, LiorError, RunError
from lior.interfaces import ParsedDocument
from lior.reading.compression import is_compressed
from lior.reading.documents import RawDocument
from lior.reading.files import cause_of
from lior.reading.parsing import parse_bytes, whole_characters
from lior.reading.skipping import SkippedFile
from lior.reading.structure import by_lines, with_structure
from lior.runs import bundle, files, folder
from lior.runs.bundle import digest
from lior.runs.format import TEXT, check_text, misfits_as_run_errors, read_manifest, separated

KEPT = "questions.index"
"""File in the folder of a checkpoint."""
_TEXT = bundle.file_name(TEXT)


def open_index(run: Path, *, retriever: str | None = None, keep: bool = True) -> Index:
    """The index of the documents of the run at ``run``, from its newest checkpoint.

    Raises ``RunError`` when it is no run, or no checkpoint of it can be read; ``DataError`` when there is no
    text in its documents.
    """
    folder.check(run, program="lior", command="lior train")
    (manifest, index), place = folder.newest(run, lambda place: _read(place, retriever), stacklevel=3)
    if manifest["pending_erasure"] and folder.older_remains(run, place):
        from lior.runs.directory import open_checkpoint  # it finishes what was interrupted

        open_checkpoint(run)
    if index is None:
        with misfits_as_run_errors(place):
            index = built(_documents(place, manifest), retriever=retriever)
        if keep:
            keep_index(index, run, place, digest(manifest))
    if not len(index):
        raise DataError(f"{run}: its documents have no text that can be asked")
    return index


def texts_of(run: Path, document: str) -> list[bytes]:
    """The texts of a document of the index of a run, each line where it stands in the file.

    Raises ``RunError`` as :func:`open_index`; ``DataError`` when there is no such document.
    """
    (manifest, _), place = folder.newest(run, lambda place: _read(place, None, kept=False), stacklevel=3)
    with misfits_as_run_errors(place):
        held = _documents(place, manifest)
    found = held.get(document) or held.get(document.rstrip("'"))  # of several with one name
    if found is None:
        raise DataError(f"{document}: no document of this name in the run.")
    return [*map(as_in_file, found)]


def _read(place: Path, retriever: str | None, *, kept: bool = True) -> tuple[dict[str, Any], Index | None]:
    """The manifest of a checkpoint, and its index if it was ``kept``; else its text is verified."""
    manifest = read_manifest(place)
    index = kept_index(place, digest(manifest), retriever=retriever) if kept else None
    if index is None:
        with misfits_as_run_errors(place):
            bundle.verify(place / _TEXT, manifest["files"][_TEXT])
    return manifest, index


# --- the index of some documents ---


def built(documents: Mapping[str, Sequence[RawDocument]], *, retriever: str | None = None) -> Index:
    """An index in memory of documents by their names; an apostrophe tells several of one name apart."""
    index = Index(retriever=retriever)
    for name, several in documents.items():
        learn(index, name, several)
    return index


def learn(index: Index, name: str, documents: Sequence[RawDocument]) -> None:
    """Put the documents of a name in place of those that it has.

    Without text that can be asked they are listed in ``index.skipped``.
    """
    parsed: list[ParsedDocument] = []
    skipped = None
    for document in documents:
        try:
            parsed += parsed_of(document)
        except LiorError as error:
            skipped = SkippedFile(name, *cause_of(error))
    index.put(name, parsed, None if parsed else skipped)


def parsed_of(document: RawDocument) -> list[ParsedDocument]:
    """A document as its reader found it, or else as its name says, or else as plain text."""
    if document.structure:
        return [_structured(document)]
    data, path = document.data, PurePath(document.name)
    while is_compressed(path.name):  # the run holds it decompressed
        path = path.with_suffix("")
    try:
        return parse_bytes(data, path.name or "text")
    except LiorError:
        return parse_bytes(data, "document.txt")


def _structured(document: RawDocument) -> ParsedDocument:
    text = whole_characters(document.data.decode("utf-8", "surrogatepass"))
    return with_structure(text, document.structure)


def as_in_file(document: RawDocument) -> bytes:
    """The text of a document, each line at the line of the file that it is from.

    Raises ``DataError`` when its structure is damaged.
    """
    return by_lines(_structured(document)).encode() if document.structure else document.data


def by_name(
    names: Sequence[str],
    texts: Callable[[int], bytes],
    structures: Sequence[bytes],
    split_parts: Iterable[Sequence[int]] = (),
    only: str | None = None,
) -> dict[str, list[RawDocument]]:
    """Name -> its documents.

    Parameters
    ----------
    texts
        The document of a number.
    structures
        That of each document; of one in parts, the first has it.
    split_parts
        Pairs of numbers: the first document continues the second.
    only
        The name that is wanted; all if not given.
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


def _documents(place: Path, manifest: Mapping[str, Any]) -> dict[str, list[RawDocument]]:
    """The documents of a checkpoint whose text was verified."""
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
    texts = separated(arrays["tokens"].astype(np.uint8).tobytes(), starts)
    structures = separated(arrays["structures"].tobytes(), arrays["structure_starts"].tolist())
    return by_name(manifest["documents"], texts.__getitem__, structures, manifest["split_parts"])


def of_checkpoint(checkpoint: Any, only: str | None = None) -> dict[str, list[RawDocument]]:
    """The documents of a :class:`~lior.runs.checkpoint.Checkpoint` in memory, or those of one name."""
    corpus, decode = checkpoint.corpus, checkpoint.model.tokenizer.decode

    def text(number: int) -> bytes:
        begin, end = corpus.bounds(number)
        return bytes(decode(corpus.tokens[begin:end].tolist()))

    return by_name(corpus.names, text, corpus.structures, corpus.split_parts.items(), only)


# --- the index on the disk ---


def kept_index(place: Path, digest: str, *, retriever: str | None = None) -> Index | None:
    """The index that was kept with the checkpoint at ``place``; ``None`` if there is none to be used.

    ``digest`` is that of the checkpoint. A damaged file is no fault of the run: it is made anew.
    """
    try:
        database = SQLite(place / KEPT, frozen=True)
        if database.meta("checkpoint") != digest or not database.sound():
            return None
        return Index(retriever=retriever, database=database)
    except (OSError, sqlite3.Error, DamagedIndex):
        return None


def has_questions(place: Path, digest: str) -> bool:
    """Whether the index that was kept with the checkpoint at ``place`` has confirmed questions."""
    try:
        database = SQLite(place / KEPT, frozen=True)
        return database.meta("checkpoint") == digest and bool(
            database.rows("SELECT 1 FROM questions LIMIT 1")
        )
    except (OSError, sqlite3.Error, DamagedIndex):
        return False


def keep_index(index: Index, run: Path, place: Path, digest: str) -> None:
    """:func:`keep` ``index``; where that cannot be done, it is made again the next time."""
    index.warm_up()
    with contextlib.suppress(RunError):
        keep(index, run, place, digest)


def keep(index: Index, run: Path, place: Path, digest: str) -> None:
    """Keep ``index`` with the checkpoint at ``place``.

    Raises ``RunError`` when it cannot be written, or another process changes the run: without the lock, the
    checkpoint could be removed meanwhile, and its text would come back with the file.
    """
    try:
        with files.lock(run / folder.LOCK):
            if place not in folder.listed(run):
                raise RunError(f"{run}: another process changed the run since it was opened; open it anew")
            index.copy_to(place / KEPT, checkpoint=digest)
    except (OSError, sqlite3.Error) as error:
        raise RunError(f"{place / KEPT}: cannot be written ({error})") from error
