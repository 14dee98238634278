"""A simulated disk: its content after a crash is computed from a log of the calls to it.

``disk.c``, which is loaded before the C library, logs the calls. Flushed data (``fsync``) survive a crash.
Any part of the other changes may survive: the first few changes of a folder's names, and any writes to a
file. A write may be torn into sectors of 512 bytes. The size of a file may survive without its bytes, which
are zeros then.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import attrs

from lior.errors import LiorError

CRASH, EXIT = 1000, 77
"""The action that ends the process at a call, and the exit code."""
_RECORD = struct.Struct("6q")
_SECTOR = 512


def build(folder: Path) -> Path:
    """Return the library that is to be preloaded, compiled into ``folder``."""
    library = folder / "disk.so"
    source = Path(__file__).with_name("disk.c")
    compiler = shutil.which("cc")
    if compiler is None:
        raise LiorError("the simulation needs a C compiler, and there is no `cc`; install one (gcc or clang)")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-lpthread"], check=True)
    return library


@attrs.define(eq=False)
class File:
    """A file: its content for programs, its minimum content after a crash, and the writes between both."""

    now: bytearray
    safe: bytes
    late: list[tuple[int, bytes | None]] = attrs.field(factory=list)
    """The offset and data of each write; without data a new size."""

    def change(self, offset: int, data: bytes | None) -> None:
        """Write ``data`` or set the size."""
        _put(self.now, offset, data)
        self.late.append((offset, data))

    def flush(self) -> None:
        """Make all writes safe."""
        self.safe, self.late = bytes(self.now), []

    def after_crash(self, random: Random, share: float, torn: bool) -> bytes:
        """Return the safe content with about the ``share`` of the late writes."""
        content = bytearray(self.safe)
        for offset, data in self.late:
            if data is None or not torn:
                if random.random() < share:
                    _put(content, offset, data)
                continue
            if random.random() < share:  # the size comes before the data
                _put(content, max(len(content), offset + len(data)), None)
            for begin in range(0, len(data), _SECTOR):
                if random.random() < share:
                    _put(content, offset + begin, data[begin : begin + _SECTOR])
        return bytes(content)


def _put(content: bytearray, offset: int, data: bytes | None) -> None:
    end = offset + len(data or b"")
    if data is None:
        del content[offset:]
    content.extend(bytes(max(end - len(content), 0)))
    if data is not None:
        content[offset:end] = data


@attrs.define(eq=False)
class Folder:
    """The names in a folder, in the same three forms; a late change may affect several names at once."""

    now: dict[str, Any] = attrs.field(factory=dict)
    safe: dict[str, Any] = attrs.field(factory=dict)
    late: list[dict[str, Any]] = attrs.field(factory=list)

    def change(self, names: dict[str, Any]) -> None:
        """Give names to files and folders; ``None`` takes one away."""
        self.late.append(names)
        self.now = _name(self.now, names)

    def flush(self) -> None:
        """Make all names safe."""
        self.safe, self.late = dict(self.now), []

    def after_crash(self, random: Random, share: float) -> dict[str, Any]:
        """Return the safe names with the first of the late changes."""
        names, count = self.safe, round(share * len(self.late) + random.random() - 0.5)
        for change in self.late[: max(count, 0)]:
            names = _name(names, change)
        return names


def _name(names: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {name: node for name, node in {**names, **change}.items() if node is not None}


class Disk:
    """The files below a folder, the control of the calls to them, and the log of the calls.

    Parameters
    ----------
    root
        The folder; its initial content is safe.
    place
        The folder of the control and the log.
    """

    def __init__(self, root: Path, place: Path) -> None:
        self.root, self.shared, self.log = root, place / "control", place / "log"
        self.shared.write_bytes(bytes(64))
        self.log.write_bytes(b"")
        with self.shared.open("r+b") as stream:
            self._control = memoryview(mmap.mmap(stream.fileno(), 64)).cast("q")
        self._read = self.log.open("rb")
        self._scan()

    def close(self) -> None:
        """Close the log."""
        self._read.close()

    def _scan(self) -> None:
        self._files: dict[int, File] = {}
        self._top = self._scanned(self.root)

    def _scanned(self, place: Path) -> Folder:
        found = Folder()
        for path in place.iterdir():
            if path.is_dir():
                found.now[path.name] = self._scanned(path)
            else:
                data = path.read_bytes()
                found.now[path.name] = self._files[path.stat().st_ino] = File(bytearray(data), data)
        found.flush()
        return found

    # --- control ---

    @property
    def now(self) -> int:
        """The clock, in nanoseconds since 1970; every reading adds a microsecond."""
        return self._control[0]

    @now.setter
    def now(self, value: int) -> None:
        self._control[0] = value

    @property
    def fired(self) -> int:
        """The number of failed calls so far."""
        return self._control[4]

    @property
    def left(self) -> int:
        """The number of changes up to the one that fails; 0 if none is to fail."""
        return self._control[1]

    def fail_at(self, call: int, action: int) -> None:
        """Let the ``call``-th change from now on fail with an error, or end the process (:data:`CRASH`)."""
        self._control[2], self._control[1] = action, call

    def fail_reading_at(self, call: int) -> None:
        """Let the ``call``-th ``pread`` from now on fail with EIO."""
        self._control[5] = call

    def fill(self, full: bool) -> None:
        """Let no file grow from now on, or allow growth again."""
        self._control[3] = full

    # --- the log ---

    def catch_up(self) -> None:
        """Read the calls since the last time."""
        while head := self._read.read(_RECORD.size):
            kind, number, offset, *lengths = _RECORD.unpack(head)
            data, path, other = (self._read.read(length) for length in lengths)
            self._done(chr(kind), number, offset, data, os.fsdecode(path), os.fsdecode(other))

    def _done(self, kind: str, number: int, offset: int, data: bytes, path: str, other: str) -> None:
        if kind == "c":
            self._files[number] = File(bytearray(), b"")
            folder, name = self._place(path)
            folder.change({name: self._files[number]})
        elif kind in "wt":
            self._files[number].change(offset, data if kind == "w" else None)
        elif kind == "s":
            file = self._files[number]
            file.flush()
            folder, name = self._place(path)
            if folder.now.get(name) is not file:  # safetensors renames by an unlogged system call
                folder.change({old: None for old, each in folder.now.items() if each is file} | {name: file})
        elif kind == "d":
            self._folder(path).flush()
        elif kind in "um":
            folder, name = self._place(path)
            folder.change({name: Folder() if kind == "m" else None})
        else:
            folder, name = self._place(path)
            target, new = self._place(other)
            if folder is not target:
                raise NotImplementedError(f"{path} to another folder: {other}")
            folder.change({new: folder.now[name]} | ({name: None} if kind == "r" and name != new else {}))

    def _folder(self, path: str) -> Folder:
        folder = self._top
        for part in Path(path).relative_to(self.root).parts:
            folder = folder.now[part]
        return folder

    def _place(self, path: str) -> tuple[Folder, str]:
        return self._folder(str(Path(path).parent)), Path(path).name

    # --- crashes ---

    def settle(self) -> None:
        """Make all changes safe, as some time later."""
        self.catch_up()
        for file in self._files.values():
            file.flush()
        for folder in _folders(self._top):
            folder.flush()

    def power_cut(self, seed: int) -> None:
        """Replace the files by those that a power cut leaves; no process may have one open."""
        self.catch_up()
        random = Random(seed)
        share, torn = random.choice((0.0, 0.2, 0.5, 0.8, 1.0)), random.random() < 0.5
        shutil.rmtree(self.root)
        self.root.mkdir()
        _write(self._top, self.root, random, share, torn)
        self._scan()


def _folders(folder: Folder) -> list[Folder]:
    inside = [each for each in folder.now.values() if isinstance(each, Folder)]
    return [folder, *(deep for each in inside for deep in _folders(each))]


def _write(folder: Folder, place: Path, random: Random, share: float, torn: bool) -> None:
    for name, node in sorted(folder.after_crash(random, share).items()):
        if isinstance(node, Folder):
            (place / name).mkdir()
            _write(node, place / name, random, share, torn)
        else:
            (place / name).write_bytes(node.after_crash(random, share, torn))
