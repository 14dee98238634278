"""Files that are read again only after a change: the record of each file, and its update."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from lior.errors import DataError, LiorError, MissingPackage
from lior.reading.compression import is_compressed, read_all
from lior.reading.decoding import refuse_binary
from lior.reading.finding import SourceFile
from lior.reading.limits import QUESTION, Limits, current_limits
from lior.reading.parsing import ABSENT, HEAD, estimate_cost, known_suffix, reader_version
from lior.reading.skipping import LIMITED, SkippedFile, SkipReason, UnreadableFile

_YOUNG = 2_000_000_000
"""The age of a file, in nanoseconds, below which another change may leave its time stamp the same."""
_TRIES = 3


@attrs.define
class File:
    """The record of a file that was read or left out."""

    name: str
    size: int = -1
    """The size in bytes, or -1 for a file that must be read again."""
    modified: int = 0
    """The time stamp in nanoseconds, or 0 if the file was so young that another change could keep the time
    stamp.
    """
    sha256: str = ""
    """The SHA-256 of its bytes, as hexadecimal digits."""
    documents: tuple[str, ...] = attrs.field(default=(), converter=tuple[str, ...])
    """The names of its documents."""
    reason: SkipReason | None = attrs.field(default=None, converter=attrs.converters.optional(SkipReason))
    """The reason why it has no documents, or ``None``."""
    detail: str = ""
    """The detail of the reason."""
    reader: str = ""
    """The version of its reader, from :func:`~lior.reading.parsing.reader_version`."""
    notes: tuple[str, ...] = attrs.field(default=(), converter=tuple[str, ...])
    """Remarks for the user on how it was read."""
    cut: bool = False
    """Whether a limit left out a part of it."""
    given: bool = False
    """Whether it is no file but a text given in Python, or at standard input."""
    content: Sequence[Any] = attrs.field(default=(), repr=False, eq=False)
    """The result of parsing in :func:`read_if_changed`, as long as it is needed."""
    texts: Sequence[bytes] = attrs.field(default=(), repr=False, eq=False)
    """The given texts, as long as they are needed."""

    def same_as(self, known: File) -> bool:
        """Return whether it has the bytes, the reader and the outcome of ``known``."""
        return self.has_bytes_of(known) and self.reason == known.reason

    def has_bytes_of(self, known: File) -> bool:
        """Return whether it has the bytes and the reader of ``known``, so that parsing again is
        unnecessary.
        """
        return bool(self.sha256) and (self.sha256, self.reader) == (known.sha256, known.reader)

    @property
    def skipped(self) -> SkippedFile | None:
        """The file with the reason why it was left out; ``None`` if it was read."""
        return SkippedFile(self.name, self.reason, self.detail) if self.reason else None


def find_changed(sources: Iterable[SourceFile], known: Mapping[str, File]) -> list[SourceFile]:
    """Return the files that are new or whose size, time stamp or reader has changed; the cheapest first."""
    found = list[tuple[tuple[bool, int], SourceFile]]()
    for source in sources:
        file, size = known.get(source.name), 0
        with contextlib.suppress(OSError):  # reading reports the error
            state = source.path.stat()
            size = state.st_size
            if file and _is_known(source, file, state):
                continue
        found.append((estimate_cost(source, size), source))
    return [source for _, source in sorted(found, key=lambda pair: pair[0])]


def _is_known(source: SourceFile, known: File, state: os.stat_result) -> bool:
    """Return whether size, time stamp and reader are unchanged, so that the file need not be opened."""
    again = (known.cut or known.reason in LIMITED) and current_limits() not in (Limits(), QUESTION)
    now = state.st_size, state.st_mtime_ns, reader_version(source.path.name)
    return not again and (known.size, known.modified, known.reader) == now


def read_if_changed(
    source: SourceFile,
    known: File | None,
    parse: Callable[[bytes], Sequence[Any]],
    *,
    limit: float | None = None,
    whole: bool = False,
) -> File | None:
    """Read and parse a file, unless size, time stamp and reader are those of ``known``; ``None`` then.

    The result of ``parse`` for the bytes of the file becomes :attr:`File.content`. A file that cannot be read
    or parsed has a :attr:`File.reason` instead. A file with a new time stamp and the SHA-256 of ``known`` is
    not parsed again: the result is ``known`` with the new time stamp. One that a limit left out or cut is
    read again with other limits than the usual ones.

    Parameters
    ----------
    known
        The record of the file when it was last read; ``None`` for a new file.
    limit, whole
        As of :func:`read_limited`.
    """
    file = File(source.name, reader=reader_version(source.path.name))
    again = known and (known.cut or known.reason in LIMITED) and current_limits() not in (Limits(), QUESTION)
    try:
        for _ in range(_TRIES):
            before, now = source.path.stat(), time.time_ns()
            if known and _is_known(source, known, before):
                return None
            data, after = read_limited(source.path, limit=limit, whole=whole), source.path.stat()
            same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
            if same or not stat.S_ISREG(after.st_mode):  # a pipe can be read once
                break
        else:
            return attrs.evolve(file, reason=SkipReason.UNSTABLE)
        modified = after.st_mtime_ns if now - after.st_mtime_ns > _YOUNG else 0
        file.size, file.modified, file.sha256 = after.st_size, modified, hashlib.sha256(data).hexdigest()
        if known and not again and file.has_bytes_of(known):
            return attrs.evolve(known, size=file.size, modified=file.modified)
        file.content = parse(data)
    except OSError as error:
        return File(source.name, reason=SkipReason.UNREADABLE, detail=str(error.strerror or error))
    except LiorError as error:
        file.reason, file.detail = cause_of(error)
        if file.reason is SkipReason.MISSING_PACKAGE and ABSENT not in file.reader:
            file.size, file.sha256 = -1, ""  # otherwise its installation would go unnoticed
    return file


def cause_of(error: LiorError) -> tuple[SkipReason, str]:
    """Return the reason and its detail for an error of reading; a reader's own message is the detail."""
    if isinstance(error, UnreadableFile):
        return error.reason, error.detail
    missing = isinstance(error, MissingPackage)
    return SkipReason.MISSING_PACKAGE if missing else SkipReason.REFUSED, str(error)


def read_limited(path: Path, *, limit: float | None = None, whole: bool = False) -> bytes:
    """Return the bytes of a file; of binary data only the beginning, which is enough to refuse it.

    Parameters
    ----------
    limit
        The maximum number of bytes; the default is that of :func:`~lior.reading.limits.current_limits`.
    whole
        Whether to return all bytes of binary data, too.

    Raises
    ------
    OSError
        When it cannot be read.
    UnreadableFile
        When it is larger than ``limit``.
    """
    limit = current_limits().unpacked if limit is None else limit
    with path.open("rb") as stream:
        head = stream.read(HEAD)
        if not whole and not is_compressed(path.name) and not known_suffix(head, path.name):
            try:
                refuse_binary(head)
            except DataError:
                return head  # the rest of a film is not read
        return head + read_all(stream, limit - len(head))
