"""Documents as they are found: files, folders, globs, standard input, and the text that comes with Python."""

from __future__ import annotations

import glob
import gzip
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import attrs

from lior.errors import DataError

EMBEDDED = "python-language-reference"
"""Name of the text that is always there: the standard library's ``pydoc_data.topics``."""

LIMIT = 1 << 31
"""Bytes of a text, unpacked, over which it is refused unless another limit is given."""

_GLOB = frozenset("*?[")
_SNIFF_BYTES = 8192


class RawDocument(NamedTuple):
    """A document before it is tokenised."""

    name: str
    data: bytes


def as_bytes(text: str | bytes) -> bytes:
    """``text`` as UTF-8; the surrogates by which Python stands for other bytes become these bytes again."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def read_documents(paths: Sequence[str], *, field: str = "text", limit: int = LIMIT) -> list[RawDocument]:
    """The documents at ``paths``.

    Parameters
    ----------
    paths
        Files, folders (searched recursively, without hidden and binary files), glob patterns, ``-`` for
        standard input. ``.gz`` is unpacked; each line of a ``.jsonl`` file is a document. Without a path,
        the text that comes with Python (:func:`embedded`).
    field
        Key of the text in a line of JSONL.
    limit
        Largest number of bytes that are read, unpacked.

    Raises
    ------
    DataError
        When a path does not exist, holds no text, too much of it, or cannot be read.
    """
    if not paths:
        return embedded()
    reader = _Reader(field, limit)
    documents = [document for path in paths for document in reader.expand(path)]
    if not any(document.data for document in documents):
        raise DataError(f"{', '.join(paths)}: no text in there (0 bytes); give a file or folder with text")
    return documents


def embedded() -> list[RawDocument]:
    """The Python language reference that comes with Python, a document for each topic."""
    from pydoc_data.topics import topics

    return [RawDocument(f"{EMBEDDED}/{name}", text.encode()) for name, text in sorted(topics.items())]


@attrs.define
class _Reader:
    """Reads documents until ``left`` bytes are used up."""

    field: str
    left: int

    def expand(self, path: str) -> Iterator[RawDocument]:
        """The documents of a path as the user gave it."""
        if not path:
            raise DataError("'': a text has no name here; give files or folders, or - for standard input")
        if path == "-":
            yield RawDocument("<stdin>", self._bytes(sys.stdin.buffer, "standard input"))
            return
        found = _home(path)
        if _exists(found):
            files = _texts(found) if found.is_dir() else [found]
        elif _GLOB & set(path):
            matches = (Path(name) for name in glob.glob(str(found), recursive=True))  # noqa: PTH207 (absolute patterns)
            files = sorted(match for match in matches if match.is_file())
            if not files:
                raise DataError(f"{path}: the pattern matches no file")
        else:
            raise DataError(f"{path}: no such file or folder")
        for file in files:
            yield from self._file(file)

    def _file(self, path: Path) -> Iterator[RawDocument]:
        packed = path.suffix == ".gz"
        with _readable(path), gzip.open(path) if packed else path.open("rb") as stream:
            data = self._bytes(cast(BinaryIO, stream), path)
        if (path.with_suffix("") if packed else path).suffix in (".jsonl", ".ndjson"):
            yield from self._lines(path, data)
        else:
            yield RawDocument(str(path), data)

    def _bytes(self, stream: BinaryIO, name: object) -> bytes:
        """All of a stream, piece by piece; refused as soon as it exceeds the limit."""
        pieces: list[bytes] = []
        while piece := stream.read(1 << 24):
            pieces.append(piece)
            self.left -= len(piece)
            if self.left < 0:
                raise DataError(
                    f"{name}: more text than data.limit allows; raise it, or give less (a device never ends)"
                )
        return b"".join(pieces)

    def _lines(self, path: Path, data: bytes) -> Iterator[RawDocument]:
        """The documents of a JSON Lines file."""
        for number, line in enumerate(data.splitlines(), 1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where}: not JSON ({error})") from error
            if not isinstance(record, dict) or not isinstance(record.get(self.field), str):
                keys = ", ".join(sorted(record)[:8]) if isinstance(record, dict) else "not an object"
                raise DataError(
                    f"{where}: no text under {self.field!r} (found: {keys}); name the key with --field"
                )
            yield RawDocument(f"{path}:{number}", record[self.field].encode("utf-8", "surrogatepass"))


def _home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)  # there is no such user: the name is taken literally


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # a name that the file system cannot hold


def _texts(folder: Path) -> list[Path]:
    """The text files below a folder."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    texts = [path for path in files if path.suffix == ".gz" or _looks_like_text(path)]
    if not texts:
        raise DataError(f"{folder}: no text file in this folder ({len(files)} files looked at)")
    return texts


def _looks_like_text(path: Path) -> bool:
    with _readable(path), path.open("rb") as stream:
        head = stream.read(_SNIFF_BYTES)
    return bool(head) and b"\0" not in head


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise the errors of reading ``path`` as ``DataError``."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
