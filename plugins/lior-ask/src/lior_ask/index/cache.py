"""The indexes in the user's cache: their folders, sizes, times of use, and removal."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import attrs
from platformdirs import user_cache_path

from lior.errors import UsageError
from lior.files import narrow_rights
from lior_ask.index import sealing
from lior_ask.index.database import DamagedIndex, Database
from lior_ask.index.sqlite import SQLite, address

_ENDINGS = ("", "-journal", "-wal", "-shm", sealing.ENDING)


@attrs.frozen
class CachedIndex:
    """The file of an index."""

    file: Path
    paths: tuple[str, ...]
    """The indexed folders and files; empty if unknown."""
    size: int
    """The size in bytes."""
    used: float
    """The time of the last opening, in seconds since 1970."""

    @property
    def gone(self) -> bool:
        """Whether none of the indexed folders and files exists any more."""
        return bool(self.paths) and not any(os.path.lexists(path) or "*" in path for path in self.paths)

    def remove(self) -> None:
        """Delete the files of the index; a process that has it open can continue."""
        for ending in _ENDINGS:
            self.file.with_name(self.file.name + ending).unlink(missing_ok=True)


def folder() -> Path:
    """Return the folder of cached indexes."""
    return user_cache_path("lior", appauthor=False) / "ask"


def cache_file(paths: Sequence[str]) -> Path:
    """Return the file of the index of ``paths``, which are sorted and absolute."""
    name = hashlib.sha256("\0".join(paths).encode("utf-8", "surrogateescape")).hexdigest()
    return folder() / f"{name[:24]}.index"


def narrow(file: Path) -> None:
    """Restrict access to an index and its folder, which need not exist yet, to the user."""
    with contextlib.suppress(OSError):  # it can only be read
        narrow_rights(file.parent.parent)
        narrow_rights(file.parent)
        for ending in _ENDINGS:
            part = file.with_name(file.name + ending)
            if part.exists() and part.stat().st_mode & 0o077:
                part.chmod(0o600)


def remember(database: Database, paths: Sequence[str]) -> None:
    """Store the paths in a cached index, and the present time as the time of use."""
    if database.path is None or database.frozen:
        return
    with contextlib.suppress(OSError, sqlite3.DatabaseError):  # it can only be read, or another writes
        if not database.meta("paths"):
            with database.writing():
                database.set_meta("paths", paths)
        os.utime(database.path)


def cached_indexes() -> list[CachedIndex]:
    """Return the indexes in the user's cache, the most recently used first."""
    found = list[CachedIndex]()
    for file in folder().glob("*.index"):
        with contextlib.suppress(OSError):
            parts = [file.with_name(file.name + ending) for ending in _ENDINGS]
            size = sum(part.stat().st_size for part in parts if part.exists())
            found.append(CachedIndex(file, _paths(file), size, file.stat().st_mtime))
    return sorted(found, key=lambda each: each.used, reverse=True)


def _paths(file: Path) -> tuple[str, ...]:
    try:
        with contextlib.closing(sqlite3.connect(address(file, "mode=ro"), uri=True)) as database:
            found = database.execute("SELECT value FROM meta WHERE key = 'paths'").fetchone()
            return tuple(json.loads(found[0])) if found else ()
    except (sqlite3.Error, ValueError):  # of another version, or damaged
        return ()


# --- opening ---


def share(database: Database | str, paths: Sequence[str]) -> Database:
    """Return an open database, or the one at an address, for an index of ``paths``.

    Raises ``UsageError`` if processes share it and it is of other paths: each would forget the other's files.
    """
    if isinstance(database, str):
        from lior_ask.index.postgres import PostgreSQL

        database = PostgreSQL(database)
    if database.shared and paths:
        with database.writing():
            known = database.meta("paths")
            if not known:
                database.set_meta("paths", paths)
            elif known != [*paths]:
                database.close()
                raise UsageError(
                    f"this index is of {', '.join(known)}; give the same, or none, or another schema"
                )
    return database


def open_database(place: Path | None, notes: list[str]) -> SQLite:
    """Return the database at ``place``, or one in memory, with a note, if the file cannot be used."""
    try:
        if place:
            narrow(place)
        return SQLite(place)
    except (sqlite3.OperationalError, OSError) as error:
        note_uncached(place, error, notes)
        return SQLite.copy_of(place) if place else SQLite()
    except (sqlite3.DatabaseError, DamagedIndex) as error:
        return open_again(place, error, notes)


def open_again(place: Path | None, error: Exception, notes: list[str]) -> SQLite:
    """Return the database at ``place`` if it is intact after all, or a new one.

    SQLite reports a failed read as damage (SQLITE_IOERR_CORRUPTFS); the next read may succeed.
    """
    if place is not None and not isinstance(error, DamagedIndex):
        try:
            database = SQLite(place)
            if database.sound():
                return database
            database.close()
        except (sqlite3.OperationalError, OSError) as other:  # a disk error: the file may be intact
            note_uncached(place, other, notes)
            return SQLite.copy_of(place)
        except (sqlite3.DatabaseError, DamagedIndex):
            pass
    return made_anew(place, error, notes)


def made_anew(place: Path | None, error: Exception, notes: list[str]) -> SQLite:
    """Return a new database at ``place``, in place of a damaged one."""
    notes.append(f"the cached index is not used, and made anew: {error}")
    if place is not None:
        for ending in _ENDINGS:
            with contextlib.suppress(OSError):
                place.with_name(place.name + ending).unlink(missing_ok=True)
    return open_database(place, notes)


def note_uncached(place: Path | None, error: Exception, notes: list[str]) -> None:
    """Add a note once that the database at ``place`` cannot be stored."""
    note = f"{place}: cannot be kept for the next time ({getattr(error, 'strerror', None) or error})"
    notes += [note] * (note not in notes)
