"""Archives: shards of suffix arrays on the disk, of which a read opens only the pages that it needs.

An archive is a folder with ``archive.json`` and a folder for each shard, which is complete when it has its
name. Shards do not depend on each other: any process that sees the folder can make one. Both have a manifest
with checksums, as runs have (:mod:`lior.runs.bundle`).
"""

from __future__ import annotations

import contextlib
import json
import mmap
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import attrs
import numpy as np
from numpy.typing import NDArray

from lior.errors import DataError, RunError
from lior.files import PARTIAL, replacing, sync
from lior.process import available_bytes
from lior.runs import bundle
from lior_archive import suffixes
from lior_archive.suffixes import Shard

MANIFEST = "archive.json"
_FORMAT = {"program": "lior archive", "version": 4}
_ABOUT, _FILES = "documents.json", "files.json"
CHECKED = 512 << 20
"""Bytes of an archive whose files are compared with their checksums whenever it is opened, which takes half a
second (chosen by hand). Those of a larger one are compared by ``lior archive``."""
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
        files = {file.name: bundle.fingerprint(file) for file in sorted(part.iterdir())}
        (part / _FILES).write_text(_signed({"documents": sha256, "files": files}))
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
    """The SHA-256 that a shard was made from; None where there is no complete one, or it is damaged."""
    try:
        _open(folder)
        return str(_verified(folder / _FILES)["documents"])
    except (OSError, ValueError, KeyError, DataError):
        return None


def _signed(content: dict[str, Any]) -> str:
    """A manifest as JSON, with its own checksum."""
    return json.dumps(content | {"sha256": bundle.digest(content)}, indent=1)


def _verified(path: Path) -> dict[str, Any]:
    """The content that :func:`_signed` gave; raises ``OSError`` or ``ValueError`` when it is not."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.pop("sha256", None) != bundle.digest(content):
        raise ValueError("its checksum does not match")
    return content


def _check(folder: Path, names: Sequence[str] = ()) -> None:
    """Compare files of a shard with their checksums, or all; raises ``OSError`` or ``ValueError``."""
    known = _verified(folder / _FILES)["files"]
    try:
        for name in names or known:
            bundle.verify(folder / name, known[name])
    except RunError as error:
        raise ValueError(str(error)) from error


def publish(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the manifest of an archive, and remove shards that are not in it."""
    content = {"format": _FORMAT, "shards": [attrs.asdict(entry) for entry in entries]}
    with replacing(folder / MANIFEST, private=True) as stream:
        stream.write(_signed(content).encode())
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
            raise DataError(f"{folder}: an archive of another version; make it anew with `lior archive`")
        content = _verified(folder / MANIFEST)
        found = [Entry(**entry) for entry in content["shards"]]
        if not all(entry.name.isdigit() for entry in found):  # a path could lead out of the archive
            raise ValueError("a shard's name is not a number")
        return found
    except FileNotFoundError:
        raise DataError(
            f"{folder}: no archive there ({MANIFEST} is missing); `lior archive` builds or completes one"
        ) from None
    except OSError as error:
        raise DataError(f"{folder / MANIFEST}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError) as error:
        fault = f"damaged ({error}); run `lior archive` again to repair it"
        raise DataError(f"{folder / MANIFEST}: {fault}") from error


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
            _check(path.parent, [_ABOUT])
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
    fits = read <= _SHARE * available_bytes()
    checked = sum(_size(file) for each in folders for file in each.glob("*")) <= CHECKED
    return tuple(_open(each, fits, checked) for each in folders)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _open(folder: Path, fits: bool = True, checked: bool = True) -> Shard:
    try:
        if checked:
            _check(folder)
        # Copy on write: of one type with an array in memory, and nothing reaches the file.
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
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{folder}: damaged ({error}); run `lior archive` again, which mends it") from error


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
