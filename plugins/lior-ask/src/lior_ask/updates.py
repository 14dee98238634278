"""Records of the files of an index, and the changes and omissions of an update."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence

import attrs

from lior.errors import quantity
from lior.reading import LIMITED, TAKES_ALL, File, SkippedFile, SkipReason
from lior_ask.answer.selection import Answer
from lior_ask.index.database import Database, intact
from lior_ask.index.writing import encode


@attrs.frozen(kw_only=True)
class Update:
    """The changes made by :meth:`Index.update`, as file names."""

    learned: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Notes for the user on how these files were read and how the index is stored, one line each."""
    limited: tuple[str, ...] = ()
    """Files read now that exceeded a limit or crashed their reader, one line each."""

    waiting: tuple[str, ...] = ()
    """New or changed files that are not read yet; the next update continues with them."""

    def __bool__(self) -> bool:
        return bool(self.learned or self.changed or self.forgotten)


@attrs.define
class Changes:
    """The changes of an update so far."""

    forgotten: list[str] = attrs.field(factory=list)
    learned: list[str] = attrs.field(factory=list)
    changed: list[str] = attrs.field(factory=list)
    waiting: list[str] = attrs.field(factory=list)
    limited: list[str] = attrs.field(factory=list)
    _noted: list[str] = attrs.field(factory=list)

    def leave(self, files: Iterable[File], names: Container[str]) -> None:
        """Record the known files that are not among ``names`` as gone."""
        self.forgotten = [each.name for each in files if each.name not in names and not each.given]

    def add(self, file: File, known: File | None, *, replaced: bool) -> None:
        """Record a file that was read, given its old record and whether its documents were replaced."""
        self.limited += limit_of(file)
        if replaced and (file.documents or (known and known.documents)):
            (self.changed if known else self.learned).append(file.name)

    @property
    def not_yet(self) -> list[SkippedFile]:
        """The files of which nothing was read yet."""
        partly = {*self.learned, *self.changed}
        return [SkippedFile(name, SkipReason.NOT_YET) for name in self.waiting if name not in partly]

    def new_notes(self, files: Iterable[File], told: Sequence[str]) -> list[str]:
        """Return the notes on files, one line each, that are not in ``told``."""
        touched = {*self.learned, *self.changed}
        found = list[str]()
        for file in files:
            lines = [f"{file.name}: {note}" for note in file.notes]
            found += [line for line in lines if line not in told]
            self._noted += lines if file.name in touched else []
        return found

    def update(self, notes: Sequence[str]) -> Update:
        """Return all changes; ``notes`` are new notes."""
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
    """A store of file records, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @intact()
    def read(self) -> dict[str, File]:
        """Return all records.

        Raises ``DamagedIndex`` if one is damaged.
        """
        found = self._database.rows("SELECT name, entry FROM files ORDER BY name")
        names = [name.decode("utf-8", "surrogatepass") for name, _ in found]
        return {name: File(name, **json.loads(entry)) for name, (_, entry) in zip(names, found, strict=True)}

    def set(self, file: File) -> File:
        """Store the record of a file, and return it; a transaction is open."""
        entry = attrs.asdict(file, filter=attrs.filters.exclude("name", "content", "texts"))
        replace = "INSERT INTO files VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET entry = excluded.entry"
        self._database.rows(replace, encode(file.name), json.dumps(entry))
        return file

    def delete(self, name: str) -> None:
        """Delete the record of a file; a transaction is open."""
        self._database.rows("DELETE FROM files WHERE name = ?", encode(name))


def with_gaps(answer: Answer, files: Iterable[File], skipped: Iterable[SkippedFile]) -> Answer:
    """Return the answer; if nothing was found, its note names files that were not fully read."""
    cut = [each.name for each in skipped if each.reason is SkipReason.NOT_YET]
    cut += [file.name for file in files if file.cut]
    if answer.found or not answer.note or not cut:
        return answer
    more = f" and {len(cut) - 1:,} more" if len(cut) > 1 else ""
    return attrs.evolve(answer, note=f"{answer.note}; only part of {cut[0]}{more} was read")


def skipped_of(files: Iterable[File]) -> list[SkippedFile]:
    """Return the files that were not read, with the reason."""
    return [file.skipped for file in files if file.skipped]


def cuts(note: str) -> bool:
    """Return whether a note reports an omission by a limit."""
    return note.endswith(TAKES_ALL)


def limit_of(file: File) -> list[str]:
    """Return the omissions of a file by limits, one line each."""
    if file.reason in LIMITED:
        return [f"skipped {file.name}: {file.skipped}"]
    return [f"{file.name}: {note}" for note in file.notes] if file.cut else []
