"""Questions to the documents of a run, without torch where the tokens of the run are bytes.

The index is a function of the documents: what is learned and forgotten changes it exactly. It is made at the
first question and kept in the folder of the checkpoint that it belongs to. With this folder it is removed,
so that no forgotten text stays in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lior.ask.database import DamagedIndex, Database
from lior.ask.index import Index
from lior.errors import DataError, LiorError, RunError
from lior.interfaces import ParsedDocument
from lior.reading.compression import is_compressed
from lior.reading.files import cause_of
from lior.reading.parsing import parse_bytes
from lior.reading.skipping import SkippedFile
from lior.runs import bundle, files, folder
from lior.runs.bundle import digest
from lior.runs.format import TEXT, misfits_as_run_errors, read_manifest

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
        index = built(_documents(place, manifest), retriever=retriever)
        if keep:
            keep_index(index, run, place, digest(manifest))
    if not len(index):
        raise DataError(f"{run}: its documents have no text that can be asked")
    return index


def _read(place: Path, retriever: str | None) -> tuple[dict[str, Any], Index | None]:
    """The manifest of a checkpoint, and its index if it was kept."""
    manifest = read_manifest(place)
    index = kept_index(place, digest(manifest), retriever=retriever)
    if index is None:
        with misfits_as_run_errors(place):
            bundle.verify(place / _TEXT, manifest["files"][_TEXT])
    return manifest, index


# --- the index of some documents ---


def built(documents: Mapping[str, Sequence[bytes]], *, retriever: str | None = None) -> Index:
    """An index in memory of documents by their names; an apostrophe tells several of one name apart."""
    index = Index(retriever=retriever)
    for name, texts in documents.items():
        learn(index, name, texts)
    return index


def learn(index: Index, name: str, texts: Sequence[bytes]) -> None:
    """Add the documents of a name. Without text that can be asked they are listed in ``index.skipped``."""
    parsed: list[ParsedDocument] = []
    skipped = None
    for data in texts:
        try:
            parsed += _parsed(name, data)
        except LiorError as error:
            skipped = SkippedFile(name, *cause_of(error))
    index.put(name, parsed, None if parsed else skipped)


def _parsed(name: str, data: bytes) -> list[ParsedDocument]:
    """A document as its name says, or else as plain text: a run may hold the text that was in a PDF."""
    path = PurePath(name)
    while is_compressed(path.name):  # the run holds it decompressed
        path = path.with_suffix("")
    try:
        return parse_bytes(data, path.name or "text")
    except LiorError:
        return parse_bytes(data, "document.txt")


def by_name(
    names: Sequence[str],
    texts: Callable[[int], bytes],
    split_parts: Iterable[Sequence[int]] = (),
    only: str | None = None,
) -> dict[str, list[bytes]]:
    """Name -> its documents.

    Parameters
    ----------
    texts
        The document of a number.
    split_parts
        Pairs of numbers: the first document continues the second.
    only
        The name that is wanted; all if not given.
    """
    continued = {before: part for part, before in split_parts}
    parts = set(continued.values())
    found: dict[str, list[bytes]] = {}
    for number, name in enumerate(names):
        if number in parts or (only is not None and name != only):
            continue
        whole, last = texts(number), number
        while last in continued:  # the calibration split and the validation text may both be cut from it
            last = continued[last]
            whole += texts(last)
        found.setdefault(name, []).append(whole)
    return found


def _documents(place: Path, manifest: Mapping[str, Any]) -> dict[str, list[bytes]]:
    """The documents of a checkpoint whose text was verified."""
    with misfits_as_run_errors(place):
        if manifest["components"]["tokenizer"][0]["name"] != "bytes":
            from lior.runs.checkpoint import load  # a tokenizer with a vocabulary needs torch

            return of_checkpoint(load(place))
        from safetensors.numpy import load_file

        arrays = load_file(place / _TEXT)
        tokens, starts = arrays["tokens"], [*arrays["starts"].tolist(), len(arrays["tokens"])]
        data = tokens.astype(np.uint8).tobytes()
        return by_name(
            manifest["documents"], lambda i: data[starts[i] : starts[i + 1]], manifest["split_parts"]
        )


def of_checkpoint(checkpoint: Any, only: str | None = None) -> dict[str, list[bytes]]:
    """The documents of a :class:`~lior.runs.checkpoint.Checkpoint` in memory, or those of one name."""
    corpus, decode = checkpoint.corpus, checkpoint.model.tokenizer.decode

    def text(number: int) -> bytes:
        begin, end = corpus.bounds(number)
        return bytes(decode(corpus.tokens[begin:end].tolist()))

    return by_name(corpus.names, text, corpus.split_parts.items(), only)


# --- the index on the disk ---


def kept_index(place: Path, digest: str, *, retriever: str | None = None) -> Index | None:
    """The index that was kept with the checkpoint at ``place``; ``None`` if there is none to be used.

    ``digest`` is that of the checkpoint. A damaged file is no fault of the run: it is made anew.
    """
    try:
        database = Database(place / KEPT, frozen=True)
        if database.meta("checkpoint") != digest or not database.sound():
            return None
        return Index(retriever=retriever, database=database)
    except (OSError, sqlite3.Error, DamagedIndex):
        return None


def keep_index(index: Index, run: Path, place: Path, digest: str) -> None:
    """Keep ``index`` with the checkpoint at ``place``, unless another process changes the run.

    Without the lock, the checkpoint could be removed meanwhile, and its text would come back with the file.
    Where the file cannot be written, the index is made again the next time.
    """
    index.warm_up()
    try:
        with files.lock(run / folder.LOCK):
            if place in folder.listed(run):
                index.copy_to(place / KEPT, checkpoint=digest)
    except (OSError, sqlite3.Error, RunError):
        return
