"""What is known of the files of an index, and what an update of it changed and left out."""

from __future__ import annotations

import json
from collections.abc import Iterable

import attrs

from lior.ask.answering import Answer
from lior.ask.database import Database, intact
from lior.ask.writing import encoded
from lior.reading.files import File
from lior.reading.skipping import LIMITED, SkippedFile


@attrs.frozen(kw_only=True)
class Update:
    """What :meth:`Index.update` changed, as names of files."""

    learned: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What a user should know of how these files were read, and of how the index is kept; one line each."""
    limited: tuple[str, ...] = ()
    """Files that were read now and took more than the limits, or crashed their reader; one line each."""

    def __bool__(self) -> bool:
        return bool(self.learned or self.changed or self.forgotten)


class FileStore:
    """What is known of files, by their names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @intact()
    def read(self) -> dict[str, File]:
        """All that is known.

        Raises ``DamagedIndex`` when it is damaged.
        """
        found = self._database.rows("SELECT name, entry FROM files ORDER BY name")
        names = [name.decode("utf-8", "surrogatepass") for name, _ in found]
        return {name: File(name, **json.loads(entry)) for name, (_, entry) in zip(names, found, strict=True)}

    def set(self, file: File) -> File:
        """Keep what is known of a file, which is given back; a transaction is open."""
        entry = attrs.asdict(file, filter=attrs.filters.exclude("name", "content", "texts"))
        replace = "INSERT INTO files VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET entry = excluded.entry"
        self._database.rows(replace, encoded(file.name), json.dumps(entry))
        return file

    def delete(self, name: str) -> None:
        """Delete what is known of a file; a transaction is open."""
        self._database.rows("DELETE FROM files WHERE name = ?", encoded(name))


def with_gaps(answer: Answer, files: Iterable[File]) -> Answer:
    """The answer; one that found nothing says which files were read in part."""
    cut = [file.name for file in files if file.cut]
    if answer.found or not answer.note or not cut:
        return answer
    more = f" and {len(cut) - 1:,} more" if len(cut) > 1 else ""
    return attrs.evolve(answer, note=f"{answer.note}; only part of {cut[0]}{more} was read")


def skipped_of(files: Iterable[File]) -> list[SkippedFile]:
    """Those of some files that were not read."""
    return [file.skipped for file in files if file.skipped]


def limited_of(file: File) -> list[str]:
    """What limits left out of a file, one line each."""
    if file.reason in LIMITED:
        return [f"skipped {file.name}: {file.skipped}"]
    return [f"{file.name}: {note}" for note in file.notes] if file.cut else []
