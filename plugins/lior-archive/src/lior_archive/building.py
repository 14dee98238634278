"""Build an archive of texts of any size: read them as a stream, and sort them shard by shard in workers.

This process reads documents and lays them out as shards; workers, which see the same folder, sort them. A
shard is a file of its own, saved as soon as it is complete. So an interrupted build can continue, with any
number of workers, and only shards whose documents changed are sorted again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path, PurePath
from typing import IO, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from lior.errors import DataError, MissingPackage, RunError, UsageError, install_hint
from lior.files import replacing
from lior.reading import (
    COMPRESSED,
    DECOMPRESSED_LIMIT,
    RawDocument,
    SkippedFile,
    SkipReason,
    SourceFile,
    archive_names,
    documents_in,
    expand,
    find_files,
    is_compressed,
    read_document_file,
)
from lior.runs import lock
from lior.workers import Where, Workers
from lior_archive import shards
from lior_archive.shards import Entry

SHARD = 1 << 29
"""Bytes of a shard; sorting one takes seven times as much memory."""
PIECE = 1 << 20
"""Approximate size, in bytes, of the pieces of a longer document; it is cut at ends of lines, where
contexts end.

So the counts of a text do not depend on the size of the shards.
"""
_LINES = (".jsonl", ".ndjson")
_ORDINARY = ("", ".txt", ".log", ".md", ".text")
_SAMPLED = b'{"_id": '
"""The beginning of a sample."""
_SHARES = 1 << 32

Progress = Callable[[str, int, int, dict[str, float]], object]


@attrs.define
class Summary:
    """The outcome of a build."""

    shards: int = 0
    sorted: int = 0
    """Number of shards that were built; the others existed already."""
    documents: int = 0
    bytes: int = 0
    sample_documents: int = 0
    sample_bytes: int = 0
    skipped: list[SkippedFile] = attrs.field(factory=list)
    seconds: float = 0.0


@attrs.define
class _Batch:
    """Documents of one shard, or pieces of them."""

    names: list[str] = attrs.field(factory=list)
    texts: list[NDArray[np.uint8]] = attrs.field(factory=list)
    size: int = 0

    def add(self, name: str, data: bytes) -> None:
        self.names.append(name)
        self.texts.append(np.frombuffer(data, np.uint8))
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """SHA-256 of names and texts."""
        found = hashlib.sha256()
        for name, text in zip(self.names, self.texts, strict=True):
            found.update(f"{len(name)} {len(text)} {name}".encode("utf-8", "surrogateescape"))
            found.update(text.data)
        return found.hexdigest()


def build(
    paths: Sequence[str],
    folder: Path,
    *,
    field: str = "text",
    shard: int = SHARD,
    workers: Where = 1,
    sample: Path | None = None,
    share: float = 0.01,
    progress: Progress = lambda *_: None,
) -> Summary:
    """Build an archive of the documents of ``paths``, or update it to them.

    Parameters
    ----------
    paths
        Files, folders, glob patterns; addresses such as ``s3://bucket/*.jsonl.zst`` that fsspec reads.
    field
        Key of the text in a line of JSON Lines.
    shard
        Minimum bytes of text at which a shard ends.
    workers
        As in :class:`~lior.workers.Workers`; workers of a cluster need the folder under the same name.
    sample
        File for some of the documents, as JSON Lines, to train and score a model; the archive does not hold
        them. It must not lie in ``folder`` or among the texts.
    share
        Share of the documents for the sample; a document's name decides.

    Raises
    ------
    DataError
        When a path does not exist, or there is no text; or when the disk is full (complete shards stay).
    MissingPackage
        When a package that reads an address or a compressed file is not installed.
    RunError
        When another process is changing the archive, or the folder has other files; nothing is then written.
    UsageError
        For a size or share out of range, standard input, a place of the sample that is not allowed, or
        missing workers.
    """
    if not PIECE <= shard <= 1 << 30:
        raise UsageError(f"shard = {shard}: allowed are {PIECE} to {1 << 30} bytes")
    if not 0 < share < 1:
        raise UsageError(f"share = {share}: a number between 0 and 1")
    if "-" in paths:
        raise UsageError("standard input cannot be read again to resume; save it to a file, and name that")
    roots = [root for path in paths if "://" not in path for root in expand(path)]
    if sample:
        _check_sample(sample, [folder, *roots])
    started, done, made = time.perf_counter(), Summary(), list[Entry]()
    with closing(_lock(folder)), _tidy(folder, made), _sampling(sample) as stream, Workers(workers) as team:

        def tasks() -> Iterator[tuple[Path, Path, str]]:
            for number, batch in enumerate(_batches(paths, field, shard, stream, share, done, progress)):
                entry = Entry(f"{number:05}", batch.size, len(batch.names), batch.sha256)
                made.append(entry)
                if shards.digest_of(folder / entry.name) != entry.sha256:
                    spool = folder / f"{entry.name}.spool"
                    shards.spooled(spool, batch.texts, batch.names)
                    done.sorted += 1
                    yield folder / entry.name, spool, entry.sha256

        for _ in team.map(shards.write_shard, tasks()):
            pass
        if not made:
            raise DataError(f"{', '.join(paths)}: no text in there{_reasons(done.skipped)}")
        shards.publish(folder, made)
    done.shards, done.seconds = len(made), time.perf_counter() - started
    return done


@contextmanager
def _tidy(folder: Path, made: Sequence[Entry]) -> Iterator[None]:
    """Remove half-written files, and name the archive in errors of reading or writing a file."""
    try:
        yield
    except OSError as error:
        where, cause = f"{error.filename}: " if error.filename else "", error.strerror or error
        raise DataError(f"{folder}: {where}{cause}; fix this, and run the same command again") from error
    finally:
        shards.remove_unfinished(folder, made)


def check_folder(folder: Path) -> None:
    """Refuse a folder with other files than those of an archive; raises ``RunError``."""
    files = folder.iterdir() if folder.is_dir() else ()
    names = {path.name for path in files if not path.name.startswith(".")}
    if others := names - archive_names(names) - {"lock"}:
        fault = f"not empty, and no archive ({min(others)} is in it); nothing was touched"
        raise RunError(f"{folder}: {fault}; name a new folder for OUT")


def _lock(folder: Path) -> IO[str]:
    folder.mkdir(0o700, parents=True, exist_ok=True)
    check_folder(folder)
    try:
        return lock(folder / "lock")
    except RunError:
        raise RunError(f"{folder}: another process is changing this archive; wait until it ends") from None


def _check_sample(sample: Path, roots: Sequence[Path]) -> None:
    """Refuse a sample that would replace a text or another file, or that the next build would read as one."""
    place = sample.resolve()
    if inside := [root for root in roots if root.resolve() in (place, *place.parents)]:
        fault = f"{inside[0]} is read as text, or holds the archive"
        raise UsageError(f"sample = {sample}: {fault}; name a file outside of the texts and of the archive")
    if sample.is_file() and not _is_sample(sample):
        fault = "there is another file, and no sample of an archive; nothing was touched"
        raise UsageError(f"sample = {sample}: {fault}; name a new file")


def _is_sample(file: Path) -> bool:
    """Return whether a file is empty or begins as a sample does."""
    with file.open("rb") as stream:
        return stream.read(len(_SAMPLED)) in (b"", _SAMPLED)


def _sampling(sample: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    return replacing(sample) if sample else nullcontext()


def _reasons(skipped: Sequence[SkippedFile]) -> str:
    return f"; {skipped[0].name}: {skipped[0]}" if skipped else ""


def _batches(
    paths: Sequence[str],
    field: str,
    shard: int,
    stream: IO[bytes] | None,
    share: float,
    done: Summary,
    progress: Progress,
) -> Iterator[_Batch]:
    """Yield the documents of the archive, a shard at a time; documents of the sample go to ``stream``."""
    batch, last, counted, number, steps = _Batch(), "", None, 0, 0
    for document, step, steps in _documents(paths, field, done.skipped):
        for piece in _pieces(document.data):
            number = number + 1 if document.name == last else 0
            last = document.name
            if stream and _chosen(name := f"{last}:{number}" if number else last, share):
                record = {"_id": name, "text": piece.decode("utf-8", "replace")}
                stream.write(json.dumps(record).encode() + b"\n")
                done.sample_documents += 1
                done.sample_bytes += len(piece)
                continue
            batch.add(last, piece)
            done.documents += counted != last
            counted = last
            done.bytes += len(piece)
            if batch.size >= shard:
                progress("archive", step, steps, {"bytes": done.bytes})
                yield batch
                batch = _Batch()
    progress("archive", max(steps, 1), max(steps, 1), {"bytes": done.bytes})
    if batch.size:
        yield batch


def _chosen(name: str, share: float) -> bool:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") < share * _SHARES


def _pieces(data: bytes) -> Iterator[bytes]:
    begin = 0
    while begin < len(data):
        end = min(begin + PIECE, len(data))
        if end < len(data):
            end = data.rfind(b"\n", begin, end) + 1 or end
        yield data[begin:end]
        begin = end


# --- documents, one after the other ---


def _documents(
    paths: Sequence[str], field: str, skipped: list[SkippedFile]
) -> Iterator[tuple[RawDocument, int, int]]:
    """Yield the documents of all paths, with the number of finished files and their total."""
    sources, left = find_files([path for path in paths if "://" not in path]) if paths else ([], [])
    skipped += left
    remote = [found for path in paths if "://" in path for found in _remote(path)]
    steps = len(sources) + len(remote)
    openers: list[tuple[SourceFile, Callable[[], IO[bytes]] | None]] = [(source, None) for source in sources]
    openers += [(SourceFile(found.path, Path(found.path), named=True), found.open) for found in remote]
    for step, (source, opener) in enumerate(openers):
        try:
            for document in _of_file(source, opener, field, skipped):
                yield document, step, steps
        except DataError as error:
            skipped.append(SkippedFile(source.name, SkipReason.UNREADABLE, str(error)))


def _remote(path: str) -> list[Any]:
    try:
        import fsspec
    except ImportError:
        raise MissingPackage(f"{path}: addresses need fsspec: {install_hint('cluster')}") from None
    try:
        found = list(fsspec.open_files(path, "rb"))
    except ImportError as error:  # of one kind of address
        raise MissingPackage(f"{path}: {error}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    if not found:
        raise DataError(f"{path}: nothing is there")
    return found


def _of_file(
    source: SourceFile, opener: Callable[[], IO[bytes]] | None, field: str, skipped: list[SkippedFile]
) -> Iterator[RawDocument]:
    name = source.path.name
    inner = PurePath(name).with_suffix("").name if is_compressed(name) else name
    kind = PurePath(inner).suffix.lower()
    if kind in _LINES or (kind in _ORDINARY and _large(source, opener)):
        with (opener or (lambda: source.path.open("rb")))() as raw, _unpack(raw, name) as stream:
            yield from _records(stream, source.name, field) if kind in _LINES else _text(stream, source.name)
        return
    if opener:
        with opener() as raw:
            yield from documents_in(raw.read(DECOMPRESSED_LIMIT + 1), name)
        return
    file = read_document_file(source, limit=DECOMPRESSED_LIMIT)
    assert file is not None
    if file.skipped:
        skipped.append(file.skipped)
    yield from file.content


def _large(source: SourceFile, opener: object) -> bool:
    return opener is not None or source.path.stat().st_size > DECOMPRESSED_LIMIT


def _unpack(raw: IO[bytes], name: str) -> AbstractContextManager[IO[bytes]]:
    """Return the stream, decompressed according to the name."""
    suffix = PurePath(name).suffix.lower()
    if suffix not in COMPRESSED:
        return nullcontext(raw)
    from importlib import import_module

    try:
        opened = import_module(COMPRESSED[suffix]).open(raw, "rb")
    except ImportError:
        raise MissingPackage(f"{name}: .zst needs zstandard: {install_hint('readers')}") from None
    return closing(opened)


def _text(stream: IO[bytes], name: str) -> Iterator[RawDocument]:
    """Yield a text in pieces that end with a line."""
    rest = b""
    while block := stream.read(PIECE - len(rest) if len(rest) < PIECE else PIECE):
        block = rest + block
        end = block.rfind(b"\n") + 1 or len(block)
        yield RawDocument(name, block[:end])
        rest = block[end:]
    if rest:
        yield RawDocument(name, rest)


def _records(stream: IO[bytes], name: str, field: str) -> Iterator[RawDocument]:
    """Yield the documents of JSON Lines, named by ``_id`` or the number of the line."""
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            text, key = record[field], record.get("_id", number)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"line {number}: no object with a text under {field!r} ({error!r})") from None
        if not isinstance(text, str):
            raise DataError(f"line {number}: no text under {field!r}; name the key with --field")
        yield RawDocument(f"{name}#{key}", text.encode("utf-8", "surrogatepass"))
