"""Archives: shards of suffix arrays on the disk, of which a read opens only the pages that it needs.

An archive is a folder with ``archive.json`` and a folder for each shard; a complete shard has its final
name. Shards do not depend on each other: any process that sees the folder can build one.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import attrs
import numpy as np
from numpy.typing import NDArray

from lior.errors import DataError
from lior.files import PARTIAL, replacing, sync
from lior_archive import suffixes
from lior_archive.suffixes import Shard

MANIFEST = "archive.json"
_FORMAT = {"program": "lior archive", "version": 3}
_ABOUT = "documents.json"
_SHARE = 0.75
"""Maximum size of the frequently read arrays, as a share of the available memory.

Larger ones are not read ahead, which would evict pages that are needed again.
"""


@attrs.frozen
class Entry:
    """The manifest's entry of a shard."""

    name: str
    bytes: int
    """Bytes of its documents."""
    documents: int
    sha256: str
    """SHA-256 of names and texts of its documents."""


def write_shard(folder: Path, spool: Path, sha256: str) -> None:
    """Sort the text of ``spool``, written by :func:`spooled`, into the shard ``folder``; the spool is
    removed.

    Raises
    ------
    OSError
        When the disk is full; nothing of the shard remains.
    """
    part = folder.with_name(folder.name + PARTIAL)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(0o700)
        text, order = np.load(spool), part / "order.npy"
        _save(order, suffixes.order_of(text))
        # Read from the file: the other arrays are computed in the memory that it took.
        shard = suffixes.complete(text, np.load(order, mmap_mode="c"))
        for name, array in shard._asdict().items():
            if name != "order":
                _save(part / f"{name}.npy", array)
        about = spool.with_suffix(".json")
        (part / _ABOUT).write_bytes(about.read_bytes())
        (part / "sha256").write_text(sha256)
        shutil.rmtree(folder, ignore_errors=True)
        for file in part.iterdir():
            sync(file)
        part.rename(folder)
        sync(folder.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    for path in (spool, about):
        path.unlink(missing_ok=True)


def spooled(spool: Path, texts: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> None:
    """Write documents, in a shard's format, to a file from which any process can build the shard."""
    # Not flushed: after a power cut, a damaged spool is written again.
    about = {"names": list(names), "sizes": [len(text) for text in texts]}
    spool.with_suffix(".json").write_text(json.dumps(about))
    _save(spool.with_suffix(".npy"), suffixes.laid_out(texts))
    spool.with_suffix(".npy").rename(spool)


def remove_unfinished(folder: Path, entries: Sequence[Entry]) -> None:
    """Remove unfinished files of ``entries``, left by a worker that failed or was stopped."""
    for entry in entries:
        shutil.rmtree(folder / (entry.name + PARTIAL), ignore_errors=True)
    for path in (folder / (entry.name + end) for entry in entries for end in (".spool", ".npy", ".json")):
        with contextlib.suppress(OSError):
            path.unlink()


def _save(path: Path, array: NDArray[Any]) -> None:
    """Save an array as :func:`numpy.save` does, but with the reason in errors."""
    with path.open("wb") as stream:
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(array.reshape(-1).view(np.uint8).data)


def digest_of(folder: Path) -> str | None:
    """Return the SHA-256 that a shard was built from; None if there is no complete shard."""
    try:
        found = (folder / "sha256").read_text()
        _open(folder)
        return found
    except (OSError, UnicodeDecodeError, DataError):
        return None


def publish(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the manifest of an archive, and remove shards that are not in it."""
    content = {"format": _FORMAT, "shards": [attrs.asdict(entry) for entry in entries]}
    with replacing(folder / MANIFEST, private=True) as stream:
        stream.write(json.dumps(content, indent=1).encode())
    named = {entry.name for entry in entries}
    for path in folder.iterdir():
        if path.name.isdigit() and path.is_dir() and path.name not in named:
            shutil.rmtree(path, ignore_errors=True)


def entries(folder: Path) -> list[Entry]:
    """Return the entries of an archive's manifest.

    Raises
    ------
    DataError
        When the folder is no archive, damaged, or of another version.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise DataError(f"{folder}: an archive of another version; build it again with `lior archive`")
        found = [Entry(**entry) for entry in content["shards"]]
        if not all(entry.name.isdigit() for entry in found):  # a path could lead out of the archive
            raise ValueError("a shard's name is not a number")
        return found
    except FileNotFoundError:
        raise DataError(
            f"{folder}: no archive there ({MANIFEST} is missing); `lior archive` builds or completes one"
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{folder / MANIFEST}: cannot be read ({error})") from error


@attrs.frozen(eq=False)
class Documents:
    """The documents of a shard's text, in their order."""

    names: list[str]
    ends: NDArray[np.int64]
    """Cumulative lengths of the documents and their breaks, ``(D,)``."""
    shard: Shard

    def tokens(self, number: int) -> NDArray[np.int64]:
        """Return the tokens of a document."""
        size = len(self.shard.text)
        begin = int(self.ends[number - 1]) if number else 0
        return self.shard.text[size - self.ends[number] : size - begin - 1][::-1].astype(np.int64)

    def line(self, number: int) -> int:
        """Return the line, from 1, at which a piece of a document begins, after pieces of the same name."""
        first = number
        while first and self.names[first - 1] == self.names[number]:
            first -= 1
        return 1 + sum(int((self.tokens(piece) == ord("\n")).sum()) for piece in range(first, number))


def documents(folder: str | Path, shards: Sequence[Shard]) -> list[Documents]:
    """Return the documents of each of the shards from :func:`open_archive`.

    Raises
    ------
    DataError
        When a file is missing or damaged.
    """
    found = []
    for entry, shard in zip(entries(Path(folder)), shards, strict=True):
        path = Path(folder) / entry.name / _ABOUT
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            ends = np.cumsum(np.array(about["sizes"], np.int64) + 1)
            if len(about["names"]) != len(ends) or (len(ends) and ends[-1] != len(shard.text)):
                raise ValueError("it does not fit the text")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: damaged ({error}); run `lior archive` again to repair it") from error
        found.append(Documents(about["names"], ends, shard))
    return found


def open_archive(folder: str | Path) -> tuple[Shard, ...]:
    """Return the shards of an archive, as maps of its files.

    Raises
    ------
    DataError
        When the folder is no archive, or a file is missing or damaged.
    """
    folders = [Path(folder) / entry.name for entry in entries(Path(folder))]
    read = sum(_size(each / f"{name}.npy") for each in folders for name in suffixes.READ)
    fits = read <= _SHARE * _available()
    return tuple(_open(each, fits) for each in folders)


def _available() -> int:
    """Return the bytes of memory that the system can provide, including its disk cache."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _open(folder: Path, fits: bool = True) -> Shard:
    try:
        # Copy on write: the same type as an array in memory, and no change reaches the file.
        maps = {
            name: _mapped(folder / f"{name}.npy", ahead=fits and name in suffixes.READ)
            for name in Shard._fields
        }
        size = len(maps["text"])
        expected = {"text": ((size,), "u1"), "order": ((size,), "u4"), **suffixes.arrays_beside(size)}
        for name, (shape, kind) in expected.items():
            if maps[name].shape != shape or maps[name].dtype != kind:
                raise ValueError(f"{name}.npy does not belong to a shard")
        bounds = maps["pairs"].astype(np.int64)
        if bounds[0] or bounds[-1] != size or (np.diff(bounds) < 0).any():
            raise ValueError("pairs.npy does not belong to a shard")
        return Shard(**maps)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder}: damaged ({error}); run `lior archive` again to repair it") from error


_maps: WeakValueDictionary[tuple[str, int, int, int], NDArray[Any]] = WeakValueDictionary()
"""Mapped files; several memories of one process share them."""


def _mapped(path: Path, ahead: bool) -> NDArray[Any]:
    """Map a file as an array; the system reads ahead only if ``ahead``."""
    found = path.stat()
    key = str(path.absolute()), found.st_ino, found.st_mtime_ns, found.st_size
    if (array := _maps.get(key)) is None:
        loaded = np.load(path, mmap_mode="c")
        if not ahead and isinstance(loaded.base, mmap.mmap):
            loaded.base.madvise(mmap.MADV_RANDOM)
        _maps[key] = array = np.asarray(loaded)
    return array
