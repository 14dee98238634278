"""A run and the files that it was made from: learn what is new or changed, forget what is gone.

:func:`survey` looks at the files. Only what is not as the record of the run says is read, and torch is not
imported. :func:`compare` then finds what is to be done to the documents of the run, all of which becomes one
checkpoint (:meth:`lior.runs.run.Run.sync`).

The record is written before the checkpoint, with the files concerned marked, and after it. So whenever the
process ends, the next one compares these files with the documents that the run has, and does what is left.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from lior.errors import DataError, RunError, UsageError
from lior.reading.documents import LIMIT, RawDocument, expand
from lior.reading.files import LARGE, File, SkippedFile, find_files
from lior.reading.texts import STDIN, absolute, read_if_changed
from lior.runs import asking, files, record
from lior.runs import folder as runfolder
from lior.runs.record import Record

if TYPE_CHECKING:
    from lior.runs.checkpoint import Checkpoint

_KEPT = "; what the run holds of it stays"
_FOREIGN = "the run has another document of this name, which is not from here; forget it, or rename the file"
_CLOSED = ("cannot be opened", "cannot be read")
"""Reasons for which the files in a folder are not seen."""


@attrs.frozen
class Synced:
    """What was done, or would be: names of documents, in the order of the files."""

    learned: tuple[str, ...]
    """New in the files."""
    changed: tuple[str, ...]
    """Forgotten as they were, and learned as they are."""
    forgotten: tuple[str, ...]
    """No longer in the files."""
    unchanged: int
    """Documents that stay."""
    skipped: tuple[SkippedFile, ...]
    """Files and folders that were not read, and why."""
    notes: tuple[str, ...] = ()
    """What a user should know besides, one line each."""

    @property
    def changes(self) -> int:
        """Documents learned, changed and forgotten."""
        return len(self.learned) + len(self.changed) + len(self.forgotten)


@attrs.define
class Survey:
    """Files beside what the record says of them."""

    run: Path
    before: Record | None
    """The record; ``None`` where there is none that can be used."""
    paths: tuple[str, ...]
    field: str
    moved: bool
    """Whether ``paths`` are others than the run was made from."""
    read: dict[str, File] = attrs.field(factory=dict)
    """Files that may have other documents than the run."""
    entries: dict[str, File] = attrs.field(factory=dict)
    """All other files that are there, as the next record has them."""
    skipped: list[SkippedFile] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    @property
    def old(self) -> dict[str, File]:
        """Name of a file -> its entry in the record."""
        return dict(self.before.files) if self.before else {}

    @property
    def roots(self) -> list[Path]:
        """The folders in which changes show."""
        found = [root for path in self.paths for root in expand(path)]
        return [root if root.is_dir() else root.parent for root in found]

    @property
    def gone(self) -> list[str]:
        """Files of the record that are no longer there."""
        return [name for name in self.old if name not in self.read and name not in self.entries]

    @property
    def settled(self) -> bool:
        """Whether nothing is to be done to the documents of the run."""
        differ = any(file.content or self._had(name) for name, file in self.read.items())
        return self.before is not None and not differ and not any(map(self._had, self.gone))

    def _had(self, name: str) -> bool:
        return name in self.old and bool(self.old[name].documents)

    def outcome(
        self,
        learned: Iterable[str] = (),
        changed: Iterable[str] = (),
        forgotten: Iterable[str] = (),
        same: int = 0,
    ) -> Synced:
        """What a caller is told; ``same`` are documents of files that were read."""
        same += sum(len(each.documents) for each in self.entries.values())
        reasons = [SkippedFile(name, each.reason) for name, each in self.entries.items() if each.reason]
        reasons += [SkippedFile(name, file.reason) for name, file in self.read.items() if file.reason]
        known = {each.name for each in self.skipped}
        skipped = (*self.skipped, *(each for each in reasons if each.name not in known))
        return Synced(tuple(learned), tuple(changed), tuple(forgotten), same, skipped, tuple(self.notes))


@attrs.frozen
class Changes:
    """What is to be done to a run, and its record before and after it."""

    run: Path
    out: list[str]
    """Names of documents to forget."""
    new: list[RawDocument]
    """Documents to learn after that."""
    done: Synced
    before: Record
    after: Record

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Around the writing of the checkpoint.

        Raises ``OSError`` when the record cannot be marked; nothing is written then.
        """
        self.before.save(self.run)
        yield
        self.note()

    def note(self) -> None:
        """Write the record; where it cannot be written, the next process compares what is marked."""
        with contextlib.suppress(OSError):
            attrs.evolve(self.after, checkpoint=record.newest(self.run)).save(self.run)


def survey(run: Path, paths: Sequence[str] | None = None, *, base: Path | None = None) -> Survey:
    """Look at the files at ``paths``, or at those that the run at ``run`` was made from.

    Parameters
    ----------
    base
        The checkpoint that is in memory, instead of the newest. When it is older than the record, every file
        is read.

    Raises
    ------
    RunError
        When it is no run.
    UsageError
        When it was not made from files, and no paths are given.
    DataError
        When a path does not exist, or no file is left in all of them.
    """
    runfolder.check(run, program="lior", command="lior train")
    before, notes = None, []
    try:
        before = record.load(run)
    except RunError as error:
        notes.append(f"{error}; every file is compared with the run")
    made, field = _made_from(run)
    made, field = (before.paths, before.field) if before else (made, field)
    chosen = absolute(paths) if paths else made
    if not chosen or STDIN in chosen:
        raise UsageError(f"{run}: not made from files; name the folder: lior sync {run} FOLDER")
    found = Survey(run, before, chosen, field, moved=chosen != made, notes=notes)
    number = runfolder.number(base) if base else record.newest(run)
    anew = before is not None and number < before.checkpoint
    sources, skipped = find_files(chosen)
    home = run.resolve()
    inside = [source for source in sources if home in source.path.resolve().parents]
    sources = [source for source in sources if source not in inside]
    found.skipped = [*skipped, *(SkippedFile(source.name, "a file of the run itself") for source in inside)]
    if not sources:
        fault = "no file in there; nothing was forgotten, in case it is only away for now"
        raise DataError(f"{', '.join(chosen)}: {fault} (`lior forget` takes documents out)")
    for source in sources:
        old = found.old.get(source.name)
        known = old if old and old.size >= 0 and not anew else None
        file = read_if_changed(source, known, field=field, limit=LIMIT)
        if file and (file.size < 0 or file.reason == LARGE):
            found.skipped.append(SkippedFile(source.name, file.reason + _KEPT * bool(old and old.documents)))
            found.entries[source.name] = _marked(source.name, old)
        elif known and (file is None or file.sha256 == known.sha256):
            found.entries[source.name] = file or known
        elif file:
            found.read[source.name] = file
    for folder in (each.name for each in skipped if each.reason.startswith(_CLOSED)):
        hidden = {name: each for name, each in found.old.items() if name.startswith(f"{folder}/")}
        found.entries |= hidden
    return found


def finish(found: Survey) -> Synced:
    """The end where nothing is to be done: time stamps that are new go into the record."""
    entries = found.entries | {name: record.entry(file) for name, file in found.read.items()}
    after = Record(found.paths, found.field, entries, record.newest(found.run))
    if found.before is None or after != attrs.evolve(found.before, checkpoint=after.checkpoint):
        # another process that has the run writes the record itself; where it cannot be, nothing is lost
        with contextlib.suppress(RunError, OSError), files.lock(found.run / runfolder.LOCK):
            after.save(found.run)
    return found.outcome()


def compare(checkpoint: Checkpoint, found: Survey) -> Changes:
    """What is to be done to the documents of a run; nothing is changed.

    Raises ``UsageError`` when the files are others than before, and none of the documents is in them.
    """
    held = {name: b"".join(texts) for name, texts in asking.of_checkpoint(checkpoint).items()}
    own, entries = _own(checkpoint, found), dict(found.entries)
    learned, changed, same = list[RawDocument](), list[RawDocument](), set[str]()
    for name, file in found.read.items():
        foreign = [d for d in file.content if d.name not in own and held.get(d.name, d.data) != d.data]
        mine = [document for document in file.content if document not in foreign]
        same |= {document.name for document in mine if held.get(document.name) == document.data}
        changed += [d for d in mine if d.name in held and d.name not in same]
        learned += [d for d in mine if d.name not in held]
        found.skipped += [SkippedFile(document.name, _FOREIGN) for document in foreign]
        kept = attrs.evolve(record.entry(file), documents=tuple(_names_of(mine)))
        entries[name] = attrs.evolve(kept, size=-1) if foreign else kept
    stay = same | {document.name for document in changed} | _names(entries.values()) | _unseen(own, found)
    gone = [name for name in dict.fromkeys(checkpoint.corpus.names) if name in own and name not in stay]
    if found.moved and gone and not own & stay:
        raise UsageError(
            f"{', '.join(found.paths)}: none of the {len(gone):,} documents that {found.run} was made from "
            f"is in there, so all would be forgotten; add other text by `lior learn {found.run} ...`"
        )
    done = found.outcome(_names_of(learned), _names_of(changed), gone, len(same))
    marked = {
        name: _marked(name, found.old.get(name), entries[name].documents if name in entries else ())
        for name in (*found.read, *found.gone)
    }
    return Changes(
        found.run, [*done.changed, *gone], [*changed, *learned], done,
        before=Record(found.paths, found.field, found.old | found.entries | marked, record.newest(found.run)),
        after=Record(found.paths, found.field, entries),
    )  # fmt: skip


def _unseen(own: Iterable[str], found: Survey) -> set[str]:
    """Documents of files that cannot be read now, or are in folders that cannot be opened."""
    files = [name for name, each in found.entries.items() if each.size < 0]
    folders = tuple(f"{each.name}/" for each in found.skipped if each.reason.startswith(_CLOSED))
    return {name for name in own if name.startswith(folders) or any(_part_of(name, file) for file in files)}


def _own(checkpoint: Checkpoint, found: Survey) -> set[str]:
    """Documents of the run that are from the files, so that they can be gone from them."""
    if found.before is not None:
        return _names(found.before.files.values())
    made = _made_from(found.run)[0]
    if not made or STDIN in made:
        return set()
    return {document.name for document in checkpoint.documents() if document.added is None}


def _made_from(run: Path) -> tuple[tuple[str, ...], str]:
    """Paths of the text in a run's configuration, and the key of the text in JSON Lines."""
    try:
        data = tomllib.loads((run / runfolder.CONFIG).read_text(encoding="utf-8"))["data"]
        return tuple(map(str, data["text"])), str(data["field"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RunError(f"{run / runfolder.CONFIG}: cannot be read ({error})") from error


def _marked(name: str, old: File | None, documents: Sequence[str] = ()) -> File:
    """A file that must be read again."""
    return File(name, documents=tuple(dict.fromkeys((*(old.documents if old else ()), *documents))))


def _part_of(document: str, file: str) -> bool:
    return document == file or document.startswith(f"{file}#")


def _names(entries: Iterable[File]) -> set[str]:
    return {name for entry in entries for name in entry.documents}


def _names_of(documents: Iterable[RawDocument]) -> list[str]:
    return [document.name for document in documents]
