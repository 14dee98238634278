"""What is known of the files of an index, and what an update of it changed and left out."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence

import attrs

from lior.errors import quantity
from lior.reading.files import File
from lior.reading.limits import TAKES_ALL
from lior.reading.skipping import LIMITED, SkippedFile, SkipReason
from lior_ask.answer.selection import Answer
from lior_ask.index.database import Database, intact
from lior_ask.index.writing import encode


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

    waiting: tuple[str, ...] = ()
    """Files that are new or changed and not read yet; the next update goes on with them."""

    def __bool__(self) -> bool:
        return bool(self.learned or self.changed or self.forgotten)


@attrs.define
class Changes:
    """What an update has changed so far."""

    forgotten: list[str] = attrs.field(factory=list)
    learned: list[str] = attrs.field(factory=list)
    changed: list[str] = attrs.field(factory=list)
    waiting: list[str] = attrs.field(factory=list)
    limited: list[str] = attrs.field(factory=list)
    _noted: list[str] = attrs.field(factory=list)

    def leave(self, files: Iterable[File], names: Container[str]) -> None:
        """Note which files that are known are gone: those that are not among ``names``."""
        self.forgotten = [each.name for each in files if each.name not in names and not each.given]

    def add(self, file: File, known: File | None, *, replaced: bool) -> None:
        """Note a file that was read, what was known of it, and whether it has new documents."""
        self.limited += limit_of(file)
        if replaced and (file.documents or (known and known.documents)):
            (self.changed if known else self.learned).append(file.name)

    @property
    def not_yet(self) -> list[SkippedFile]:
        """The files of which nothing is read yet."""
        partly = {*self.learned, *self.changed}
        return [SkippedFile(name, SkipReason.NOT_YET) for name in self.waiting if name not in partly]

    def new_notes(self, files: Iterable[File], told: Sequence[str]) -> list[str]:
        """The notes on files, one line each, that are not ``told`` already."""
        touched = {*self.learned, *self.changed}
        found = list[str]()
        for file in files:
            lines = [f"{file.name}: {note}" for note in file.notes]
            found += [line for line in lines if line not in told]
            self._noted += lines if file.name in touched else []
        return found

    def update(self, notes: Sequence[str]) -> Update:
        """What was changed; ``notes`` are new ones."""
        lines = list[str]()
        if self.waiting:
            few = f"{quantity(len(self.waiting), 'file')} not read yet, such as {self.waiting[0]}"
            lines = [f"{few}: the files before took the time; the next question goes on"]
        return Update(
            learned=tuple(self.learned),
            changed=tuple(self.changed),
            forgotten=tuple(self.forgotten),
            notes=(*notes, *self._noted),
            limited=(*lines, *self.limited),
            waiting=tuple(self.waiting),
        )


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
        self._database.rows(replace, encode(file.name), json.dumps(entry))
        return file

    def delete(self, name: str) -> None:
        """Delete what is known of a file; a transaction is open."""
        self._database.rows("DELETE FROM files WHERE name = ?", encode(name))


def with_gaps(answer: Answer, files: Iterable[File], skipped: Iterable[SkippedFile]) -> Answer:
    """The answer; one that found nothing says which files were read in part, or not yet."""
    cut = [each.name for each in skipped if each.reason is SkipReason.NOT_YET]
    cut += [file.name for file in files if file.cut]
    if answer.found or not answer.note or not cut:
        return answer
    more = f" and {len(cut) - 1:,} more" if len(cut) > 1 else ""
    return attrs.evolve(answer, note=f"{answer.note}; only part of {cut[0]}{more} was read")


def skipped_of(files: Iterable[File]) -> list[SkippedFile]:
    """Those of some files that were not read."""
    return [file.skipped for file in files if file.skipped]


def cuts(note: str) -> bool:
    """Whether a note says that a limit left something out."""
    return note.endswith(TAKES_ALL)


def limit_of(file: File) -> list[str]:
    """What limits left out of a file, one line each."""
    if file.reason in LIMITED:
        return [f"skipped {file.name}: {file.skipped}"]
    return [f"{file.name}: {note}" for note in file.notes] if file.cut else []
