"""Documents as they are found: files, folders, globs, standard input, and the text that comes with Python."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple, cast

import attrs

from lior.errors import DataError, LiorError, MissingPackage

EMBEDDED = "python-language-reference"
"""Name of the text that is always there: the standard library's ``pydoc_data.topics``."""

LIMIT = 1 << 31
"""Bytes of a text, decompressed, over which it is refused unless another limit is given."""

COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma", ".zst": "zstandard"}
"""Suffix of a compressed file -> module that unpacks it with ``open``."""

_FOREIGN = ("node_modules", "site-packages", "venv", "__pycache__")
"""Folders that programs fill."""

_RUN = {"config.toml", "checkpoints"}
"""What the directory of a run has: it is made from the text around it, and changes with it."""

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
        standard input. Compressed files are unpacked; each line of a ``.jsonl`` file is a document. Without
        a path, the text that comes with Python (:func:`embedded`).
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
        if path == "-":
            yield RawDocument("<stdin>", self._bytes(sys.stdin.buffer, "standard input"))
            return
        for found in expand(path):
            for file in _texts(found) if found.is_dir() else [found]:
                yield from self._file(file)

    def _file(self, path: Path) -> Iterator[RawDocument]:
        packed = path.suffix in COMPRESSED
        with readable(path), path.open("rb") as raw, decompressed(raw, path.suffix) as stream:
            data = self._bytes(stream, path)
        if (path.with_suffix("") if packed else path).suffix in (".jsonl", ".ndjson"):
            yield from json_lines(data, path, field=self.field)
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


def json_lines(data: bytes, path: str | Path, *, field: str) -> Iterator[RawDocument]:
    """The documents of a JSON Lines file, each with the text under the key ``field``.

    Their names are ``PATH#ID`` with the ``_id`` of the line, or its number.

    Raises
    ------
    DataError
        For a line that is no object with a text; the message begins with ``path``.
    """
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error})") from error
        if not isinstance(record, dict) or not isinstance(record.get(field), str):
            keys = ", ".join(sorted(record)[:8]) if isinstance(record, dict) else "not an object"
            raise DataError(f"{where}: no text under {field!r} (found: {keys}); name the key with --field")
        name = f"{path}#{record.get('_id', number)}"
        yield RawDocument(name, record[field].encode("utf-8", "surrogatepass"))


def expand(path: str) -> list[Path]:
    """The file, the folder, or the files of a pattern that a user's ``path`` stands for.

    Raises
    ------
    DataError
        When there is none.
    """
    if not path:
        raise DataError("'': a text has no name here; give files or folders, or - for standard input")
    found = _home(path)
    if _exists(found):
        return [found]
    if not _GLOB & set(path):
        raise DataError(f"{path}: no such file or folder")
    matches = (Path(name) for name in glob.glob(str(found), recursive=True))  # noqa: PTH207 (absolute patterns)
    files = sorted(match for match in matches if match.is_file())
    if not files:
        raise DataError(f"{path}: the pattern matches no file")
    return files


def walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files below a folder in the order of their paths, each with the reason to leave it out or ``""``.

    A folder that is left out comes once, without what is in it. Links to folders are not followed, so that
    there are no loops.
    """
    stack: list[os.DirEntry[str] | Path] = [folder]
    while stack:
        entry = stack.pop()
        path = Path(entry)
        if isinstance(entry, os.DirEntry) and (reason := _left_out(entry)):
            yield path, reason
        elif entry.is_dir():
            try:
                with os.scandir(path) as entries:
                    found = sorted(entries, key=lambda each: each.name, reverse=True)
                if path != folder and {each.name for each in found} >= _RUN:
                    yield path, "a run of lior"
                else:
                    stack += found
            except OSError as error:
                yield path, f"cannot be opened: {error.strerror or error}"
        else:
            yield path, ""


def _left_out(entry: os.DirEntry[str]) -> str:
    """The reason for which a file or folder below the one given is not read; empty if it is."""
    if entry.name.startswith("."):
        return "hidden"
    try:
        if entry.is_dir():
            if entry.is_symlink():
                return "a link to a folder; give it by name to have it read"
            return "filled by programs" if entry.name in _FOREIGN else ""
        if not entry.is_file():
            return "a link that leads nowhere" if entry.is_symlink() else "not a regular file"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return ""


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
    files = [path for path, reason in walk(folder) if not reason]
    texts = [path for path in files if path.suffix in COMPRESSED or _looks_like_text(path)]
    if not texts:
        raise DataError(f"{folder}: no text file in this folder ({len(files)} files looked at)")
    return texts


def _looks_like_text(path: Path) -> bool:
    with readable(path), path.open("rb") as stream:
        head = stream.read(_SNIFF_BYTES)
    return bool(head) and b"\0" not in head


def decompressed(stream: BinaryIO, suffix: str) -> BinaryIO:
    """``stream`` as it is, or unpacked where :data:`COMPRESSED` has ``suffix``.

    Raises
    ------
    MissingPackage
        When the package that unpacks it is not installed.
    """
    if suffix not in COMPRESSED:
        return stream
    try:
        opened = import_module(COMPRESSED[suffix]).open(stream)
    except ImportError as error:
        raise MissingPackage(f"{suffix} needs a package; install it: pip install 'lior[readers]'") from error
    return cast(BinaryIO, opened)


@contextmanager
def readable(path: object) -> Iterator[None]:
    """Raise the errors of reading and unpacking ``path`` as ``DataError``."""
    try:
        yield
    except LiorError:
        raise
    except Exception as error:
        packed = COMPRESSED.get(PurePath(str(path)).suffix.lower())
        if packed and not (isinstance(error, OSError) and error.errno):
            raise DataError(f"{path}: damaged {packed} file ({error})") from error
        if not isinstance(error, OSError):
            raise
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
