"""An index in SQLite, in a file or in memory: private, and without traces of deleted content.

A change is one transaction. Deleted content is overwritten with zeros (``secure_delete``). After a
transaction that deletes, the write-ahead log is copied into the file and truncated. SQLite leaves copies of
data that it moved between pages in the unused middle of pages; these are overwritten, too. A file is sealed
when it is closed (:mod:`lior_ask.index.sealing`), and compared with its seal when it is opened.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import quote

from lior.files import PARTIAL, follow, sync
from lior_ask.index import sealing
from lior_ask.index.database import KEEP, DamagedIndex, Database, Dialect, schema, version

_APPLICATION = 0x6C696F72
"""Application ID in the SQLite header: "lior"."""
_WAIT = 5.0
"""Maximum wait for another process that writes, in seconds."""
_CACHE, _LOG = 16_000, 4_000
"""Page cache in KiB; number of pages of the write-ahead log at which it is copied into the file."""


class SQLite(Database):
    """An open database of SQLite.

    Parameters
    ----------
    path
        The file, which is created if missing. None: in memory.
    frozen
        Whether the file is only read: the first change is made to a copy in memory.

    Raises
    ------
    DamagedIndex
        When the file is of another program or version, or differs from its seal.
    sqlite3.Error
        When it cannot be opened; ``OperationalError`` if the file system or another process is the cause.
    """

    dialect = Dialect(
        text="TEXT",
        blob="BLOB",
        id="INTEGER PRIMARY KEY",
        tree="WITHOUT ROWID",
        lines="group_concat({}, char(10))",
    )

    def __init__(self, path: Path | None = None, *, frozen: bool = False) -> None:
        super().__init__()
        self.path, self.frozen, self._logged, self._writable = path, frozen, False, False
        self._counted = 0
        """The number of rows changed by this connection at the last commit."""
        self._connection = self._connected()
        if self._writable and path:
            self._closing = weakref.finalize(self, _close, self._connection, path, self.lock, os.getpid())

    def _connected(self) -> sqlite3.Connection:
        if self.path is None:
            return self._created(_connect(":memory:"))
        if not self.frozen:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # it exists, or the folder is read-only
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if sealing.broken(self.path):
            raise DamagedIndex(f"{self.path}: changed since it was written (its checksum does not match)")
        writable = not self.frozen and os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        self._writable = writable
        mode = "rw" if writable else "ro&immutable=1"
        connection = _connect(address(self.path, f"mode={mode}"))
        try:
            return self._checked(connection, writable)
        except BaseException:
            connection.close()  # an open connection would hold its locks as long as the error exists
            raise

    def _checked(self, connection: sqlite3.Connection, writable: bool) -> sqlite3.Connection:
        """Return the connection if the index has this version; create the tables in an empty file."""
        marks = _marks(connection)
        if marks == [0, 0] and writable and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            return self._created(connection)
        if marks != [_APPLICATION, version()]:
            raise DamagedIndex(f"{self.path}: not an index of this version of lior")
        if (
            writable and self.path and _log_size(self.path)
        ):  # a process was killed; the log may have text that is gone
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return connection

    @staticmethod
    def _created(connection: sqlite3.Connection) -> sqlite3.Connection:
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():  # no other process was faster
            for statement in schema(SQLite.dialect):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
            connection.execute(f"PRAGMA user_version={version()}")
        connection.execute("COMMIT")
        return connection

    def __deepcopy__(self, _: object) -> SQLite:
        """Return a copy in memory."""
        copied = SQLite()
        with self.lock:
            self._connection.backup(copied._connection)
        return copied

    def close(self) -> None:
        if self._writable and self.path:
            self._closing()
        self._connection.close()

    def sound(self) -> bool:
        """Return whether the tables are consistent; it reads the whole file."""
        return self.rows("PRAGMA quick_check(1)") == [("ok",)]

    # --- statements ---

    def rows(self, statement: str, *values: Any) -> list[Any]:
        with self.lock:
            return self._connection.execute(statement, values).fetchall()

    def run(self, statement: str, rows: Iterable[Any]) -> None:
        self._connection.executemany(statement, rows)

    # --- transactions ---

    def _begin(self, *, writes: bool) -> None:
        if writes and self.frozen:
            self.detach()
        self._connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    def _end(self) -> None:
        if self._connection.in_transaction:
            self._commit()

    def _commit(self) -> None:
        if self.path and self._connection.total_changes != self._counted:
            try:
                sealing.unseal(self.path)
            except OSError as error:
                raise sqlite3.OperationalError(str(error)) from error
        self._connection.execute("COMMIT")
        self._counted = self._connection.total_changes

    def _rollback(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _written(self) -> None:
        if self._changed and not self._logged and self.path:
            # The first content is written directly into the file; later changes go through a log, which needs
            # no flush to the disk.
            with contextlib.suppress(sqlite3.OperationalError):  # another process reads
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._logged = True
        if self._erased and self.path:
            with contextlib.suppress(sqlite3.DatabaseError, OSError):  # the change itself is committed
                self._scrub()

    def spare_time(self, work: Callable[[], object]) -> bool:
        with self.lock:
            if self._open or self.frozen:
                return False
            try:
                self._connection.execute("PRAGMA busy_timeout=0")
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    work()
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._commit()
            except sqlite3.OperationalError:  # another process writes, or the file is read-only
                self._rollback()  # the commit may have failed
                return False
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={1000 * _WAIT:.0f}")
        return True

    def _scrub(self) -> None:
        """Overwrite the rest of deleted content."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute("PRAGMA shrink_memory")  # so that cached pages are not written again
        self._connection.execute("BEGIN IMMEDIATE")  # nobody else writes meanwhile
        try:
            if self.path and not _log_size(self.path):
                sealing.unseal(self.path)  # another process may have closed it
                _overwrite_unused(_descriptor(self.path))
                # A change, so that other processes do not use their cached pages.
                self._connection.execute("UPDATE meta SET value = value WHERE key = 'generation'")
        finally:
            self._connection.execute("COMMIT")

    def detach(self) -> None:
        """Continue in memory with a copy of the content, or empty if it cannot be read."""
        copied = SQLite()
        self._rollback()  # the copy would wait for a failed transaction
        try:
            self._connection.backup(copied._connection)
        except sqlite3.Error:
            copied = SQLite.copy_of(self.path) if self.path else SQLite()  # this connection may be broken
        if self._writable and self.path:
            self._closing.detach()
        self._connection.close()
        self._connection, self.path, self.frozen = copied._connection, None, False

    @classmethod
    def copy_of(cls, path: Path) -> SQLite:
        """Return a copy in memory of the file at ``path`` by its own connection; empty if that fails.

        On a full disk SQLite can create neither the log nor its shared index. It needs no shared index with
        an exclusive lock.
        """
        ways = [("mode=ro", "NORMAL"), ("mode=rw", "EXCLUSIVE")]
        if not _log_size(path):
            ways.append(("mode=ro&immutable=1", "NORMAL"))
        for mode, locking in ways:
            copied, place = cls(), address(path, mode)
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(place, uri=True)) as connection,
            ):
                connection.execute(f"PRAGMA locking_mode={locking}")
                if _marks(connection) == [_APPLICATION, version()]:
                    connection.backup(copied._connection)
                    return copied
        return cls()

    def copy_to(self, path: Path, meta: Mapping[str, Any]) -> None:
        """Replace the file at ``path`` atomically by a copy with more entries.

        Raises ``OSError`` or ``sqlite3.Error`` if it cannot be written; the file is then unchanged.
        """
        part = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
        try:
            part.touch(0o600)
            with contextlib.closing(_connect(address(part, "mode=rw"))) as copied:
                with self.lock:
                    self._connection.backup(copied)
                rows = [(key, json.dumps(value)) for key, value in meta.items()]
                copied.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)
            with part.open("r+b") as stream:
                _overwrite_unused(stream.fileno())
            sealing.unseal(path)
            part.replace(path)
            follow(path)
        finally:
            part.unlink(missing_ok=True)
        sync(path.parent)
        sealing.seal(path)

    def _keep(self, key: str, data: memoryview) -> None:
        # DataError: larger than SQLite allows
        with self.lock:
            outer = self._connection.in_transaction
            with contextlib.suppress(sqlite3.OperationalError, sqlite3.DataError, OSError):
                self._connection.execute("PRAGMA busy_timeout=0")
                if not outer:
                    self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute(KEEP, (key, data))
                if not outer:
                    self._commit()
            if not outer:
                self._rollback()
            self._connection.execute(f"PRAGMA busy_timeout={1000 * _WAIT:.0f}")


def _close(connection: sqlite3.Connection, path: Path, lock: RLock, process: int) -> None:
    """Close a connection, and seal the file unless another process uses it."""
    if process != os.getpid() or not lock.acquire(blocking=False):
        return
    try:
        with contextlib.suppress(sqlite3.Error, OSError):
            if not connection.in_transaction and not sealing.sealed(path):
                connection.execute("PRAGMA busy_timeout=0")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.execute("BEGIN IMMEDIATE")
                mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
                if mode == "wal" and not _log_size(path):
                    sealing.seal(path)
                connection.execute("ROLLBACK")
        connection.close()
    finally:
        lock.release()


def address(path: Path, options: str) -> str:
    """Return the URI by which SQLite opens a file; ``Path.as_uri`` of Python 3.14 imports an HTTP client."""
    return f"file://{quote(os.fsencode(path.absolute()))}?{options}"


def _connect(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        place, timeout=_WAIT, isolation_level=None, check_same_thread=False, uri=True, cached_statements=256
    )
    settings = "secure_delete=ON", "temp_store=MEMORY", "synchronous=NORMAL", f"cache_size=-{_CACHE}"
    try:
        for setting in (*settings, f"wal_autocheckpoint={_LOG}"):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def _marks(connection: sqlite3.Connection) -> list[int]:
    """Return application ID and version of the file."""
    names = ("application_id", "user_version")
    return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]


def _log_size(path: Path) -> int:
    """Return the size of a database's write-ahead log in bytes."""
    with contextlib.suppress(OSError):
        return path.with_name(f"{path.name}-wal").stat().st_size
    return 0


_descriptors: dict[tuple[int, int], int] = {}
"""Device and file -> descriptor."""


def _descriptor(path: Path) -> int:
    """Return a descriptor that is never closed: closing it would release SQLite's locks in this process."""
    found = path.stat()
    key = found.st_dev, found.st_ino
    if key not in _descriptors:
        _descriptors[key] = os.open(path, os.O_RDWR)
    return _descriptors[key]


def _overwrite_unused(descriptor: int) -> None:
    """Overwrite the unused middle of pages, between their directory and their content, with zeros.

    The format is that of https://www.sqlite.org/fileformat2.html, section 1.6. A page of another kind begins
    with the number of a page, whose first byte is zero in files of less than 64 GB.
    """
    with open(descriptor, "r+b", closefd=False) as stream:
        stream.seek(0)
        size = int.from_bytes(stream.read(18)[16:], "big")
        zeros, place, wrong = bytes(size), 0, list[tuple[int, int]]()
        stream.seek(0)
        while block := stream.read(size * 256):
            for page in range(0, len(block) - size + 1, size):
                at = page + (0 if place + page else 100)
                kind, _, cells, content = struct.unpack_from(">BHHH", block, at)
                begin, end = at + (12 if kind in (2, 5) else 8) + 2 * cells, page + content
                if kind in (2, 5, 10, 13) and block[begin:end] != zeros[: max(end - begin, 0)]:
                    wrong.append((place + begin, end - begin))
            place += len(block)
        for begin, length in wrong:
            stream.seek(begin)
            stream.write(zeros[:length])
