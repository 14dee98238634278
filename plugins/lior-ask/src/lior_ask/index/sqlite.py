"""An index in SQLite, in a file or in memory: private, and without traces of what was deleted.

A change is one transaction. What is deleted is overwritten with zeros (``secure_delete``), and after a
transaction that deletes, the write-ahead log is copied into the file and cut to nothing. SQLite leaves copies
of what it moved from one page to another in the unused middle of pages; these are overwritten, too. A file is
sealed when it is closed (:mod:`lior_ask.index.sealing`), and compared with its seal when it is opened.
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
"""Mark of these files in the header of SQLite: "lior"."""
_WAIT = 5.0
"""Seconds to wait for another process that writes."""
_CACHE, _LOG = 16_000, 4_000
"""KiB of pages in memory; pages of the write-ahead log from which on it is copied into the file."""


class SQLite(Database):
    """An open database of SQLite.

    Parameters
    ----------
    path
        Its file, which is created if there is none. None: in memory.
    frozen
        Whether the file is only read: the first change is made to a copy in memory.

    Raises
    ------
    DamagedIndex
        When the file is of another program or version, or is not as it was sealed.
    sqlite3.Error
        When it cannot be opened: ``OperationalError`` where the file system or another process is the cause.
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
        """Rows that this connection had changed when a transaction was kept last."""
        self._connection = self._connected()
        if self._writable and path:
            self._closing = weakref.finalize(self, _close, self._connection, path, self.lock, os.getpid())

    def _connected(self) -> sqlite3.Connection:
        if self.path is None:
            return self._created(_connect(":memory:"))
        if not self.frozen:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # there is one, or the folder can only be read
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
            connection.close()  # its locks would last as long as the error
            raise

    def _checked(self, connection: sqlite3.Connection, writable: bool) -> sqlite3.Connection:
        """The connection, if it is to an index of this version, which is made where there is nothing."""
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
        """A copy in memory."""
        copied = SQLite()
        with self.lock:
            self._connection.backup(copied._connection)
        return copied

    def close(self) -> None:
        if self._writable and self.path:
            self._closing()
        self._connection.close()

    def sound(self) -> bool:
        """Whether the tables fit together; all of the file is read."""
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
            # The first content is written into the file at once; what follows goes through a log, which
            # needs no flush to the disk.
            with contextlib.suppress(sqlite3.OperationalError):  # another process reads
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._logged = True
        if self._erased and self.path:
            with contextlib.suppress(sqlite3.DatabaseError, OSError):  # the change itself is kept
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
            except sqlite3.OperationalError:  # another process writes, or the file can only be read
                self._rollback()  # it may be the end of the transaction that failed
                return False
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={1000 * _WAIT:.0f}")
        return True

    def _scrub(self) -> None:
        """Overwrite what is left of deleted content."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute("PRAGMA shrink_memory")  # pages as they are now are not written again
        self._connection.execute("BEGIN IMMEDIATE")  # nobody else writes meanwhile
        try:
            if self.path and not _log_size(self.path):
                sealing.unseal(self.path)  # another process may have closed it
                _overwrite_unused(_descriptor(self.path))
                # A change, so that other processes do not use the pages that they have in memory.
                self._connection.execute("UPDATE meta SET value = value WHERE key = 'generation'")
        finally:
            self._connection.execute("COMMIT")

    def detach(self) -> None:
        """Go on in memory with a copy of the content; with none where it cannot be read."""
        copied = SQLite()
        self._rollback()  # of what failed; a copy would wait for its end
        try:
            self._connection.backup(copied._connection)
        except sqlite3.Error:
            copied = SQLite.copy_of(self.path) if self.path else SQLite()  # this connection may be of no use
        if self._writable and self.path:
            self._closing.detach()
        self._connection.close()
        self._connection, self.path, self.frozen = copied._connection, None, False

    @classmethod
    def copy_of(cls, path: Path) -> SQLite:
        """A copy in memory of the file at ``path``, by a connection of its own; empty where that fails.

        On a full disk SQLite cannot make the shared index of the log, which it does without where it has the
        file to itself, nor the log.
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
        """Put a copy with more entries in place of the file at ``path``, which is never half written.

        Raises ``OSError`` or ``sqlite3.Error`` when it cannot be written; then the file is as it was.
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
        # DataError: more than SQLite takes
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
    """The URI by which SQLite opens a file; ``Path.as_uri`` of Python 3.14 imports a client of HTTP."""
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
    """Of which program and version the file is."""
    names = ("application_id", "user_version")
    return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]


def _log_size(path: Path) -> int:
    """Bytes of the write-ahead log of a database."""
    with contextlib.suppress(OSError):
        return path.with_name(f"{path.name}-wal").stat().st_size
    return 0


_descriptors: dict[tuple[int, int], int] = {}
"""Device and file -> descriptor."""


def _descriptor(path: Path) -> int:
    """An open file that is never closed: closing it would release SQLite's locks on it in this process."""
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
