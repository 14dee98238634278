"""A run and its files: learn what is new or changed, forget what is gone.

:func:`scan` reads the files that differ from the manifest of the run, without torch. :func:`compare` then
determines the changes to the documents of the run, which become one checkpoint
(:meth:`lior.runs.run.Run.sync`).

The manifest is written before the checkpoint, with the affected files marked, and again after it. So if the
process ends at any time, the next one compares these files with the documents of the run, and does the
rest.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from lior.errors import DataError, RunError, UsageError
from lior.reading.documents import LIMIT, RawDocument, read_document_file
from lior.reading.files import File
from lior.reading.finding import STDIN, SourceFile, absolute, find_files, folders_of
from lior.reading.skipping import LIMITED, SkippedFile, SkipReason
from lior.runs import documents, files, manifest
from lior.runs import folder as runfolder
from lior.runs.format import read_manifest
from lior.runs.manifest import FileManifest

if TYPE_CHECKING:
    from lior.runs.checkpoint import Checkpoint

_UNSEEN = (SkipReason.CLOSED_FOLDER, SkipReason.UNREADABLE)
"""Reasons for which the files in a folder cannot be seen."""
_PASSING = (SkipReason.TOO_LARGE, SkipReason.MISSING_PACKAGE)
"""Reasons independent of the text: the run's documents of such a file stay."""


@attrs.frozen
class Synced:
    """The result of a sync or dry run: names of documents, in file order."""

    learned: tuple[str, ...]
    """Documents that are new in the files."""
    changed: tuple[str, ...]
    """Documents whose old version was forgotten and whose new version was learned."""
    forgotten: tuple[str, ...]
    """Documents that are no longer in the files."""
    unchanged: int
    """Number of unchanged documents."""
    skipped: tuple[SkippedFile, ...]
    """Files and folders that were not read, with reasons."""
    notes: tuple[str, ...] = ()
    """Further notes for the user, one line each."""

    @property
    def changes(self) -> int:
        """Number of documents learned, changed and forgotten."""
        return len(self.learned) + len(self.changed) + len(self.forgotten)


@attrs.define
class Scan:
    """The files at the paths of a run, and their entries in its manifest."""

    run: Path
    before: FileManifest | None
    """The manifest; ``None`` without a usable one."""
    paths: tuple[str, ...]
    field: str
    moved: bool
    """Whether ``paths`` differ from the run's own."""
    read: dict[str, File] = attrs.field(factory=dict)
    """Files that may have other documents than the run."""
    entries: dict[str, File] = attrs.field(factory=dict)
    """All other files, as entries of the next manifest."""
    held: Collection[str] = ()
    """Names of the documents in the run."""
    skipped: list[SkippedFile] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    @property
    def old(self) -> dict[str, File]:
        """Entries of the manifest by file name."""
        return dict(self.before.files) if self.before else {}

    @property
    def roots(self) -> list[Path]:
        """The folders in which to watch for changes."""
        return folders_of(self.paths)

    @property
    def gone(self) -> list[str]:
        """Files of the manifest that are no longer there."""
        return [name for name in self.old if name not in self.read and name not in self.entries]

    @property
    def up_to_date(self) -> bool:
        """Whether the run has exactly the documents of the files."""
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
        """Return the report for a caller; ``same`` is the number of unchanged documents in the files read."""
        same += sum(name in self.held for each in self.entries.values() for name in each.documents)
        every = (file.skipped for file in (*self.entries.values(), *self.read.values()))
        known = {each.name for each in self.skipped}
        skipped = (*self.skipped, *(each for each in every if each and each.name not in known))
        return Synced(tuple(learned), tuple(changed), tuple(forgotten), same, skipped, tuple(self.notes))


@attrs.frozen
class Changes:
    """Documents to forget and to learn, and the manifest before and after that."""

    run: Path
    out: list[str]
    """Names of documents to forget."""
    new: list[RawDocument]
    """Documents to learn after that."""
    moved: list[RawDocument]
    """Documents with the run's text and another structure, such as other lines of their file."""
    done: Synced
    before: FileManifest
    after: FileManifest

    def __bool__(self) -> bool:
        return bool(self.done.changes or self.moved)

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Write the manifest before and after the block, which writes the checkpoint.

        Raises ``OSError`` when the manifest cannot be marked; nothing is written then.
        """
        self.before.save(self.run)
        yield
        self.save_manifest()

    def save_manifest(self) -> None:
        """Write the new manifest; if that fails, the next process compares the marked files."""
        with contextlib.suppress(OSError):
            attrs.evolve(self.after, checkpoint=manifest.newest(self.run)).save(self.run)


def scan_files(
    run: Path,
    paths: Sequence[str] | None = None,
    *,
    base: Path | None = None,
    held: Iterable[str] | None = None,
) -> Scan:
    """Find the files at ``paths``, or the files of ``run``, and read the changed ones.

    Parameters
    ----------
    base
        The checkpoint in memory, instead of the newest. If it is older than the manifest, every file is
        read.
    held
        Names of the documents in memory, instead of those of the newest checkpoint.

    Raises
    ------
    RunError
        When it is no run.
    UsageError
        When it was not made from files, and no paths are given.
    DataError
        When a path does not exist, or there is no file left in any of them.
    """
    runfolder.check(run, program="lior", command="lior train")
    before, notes = None, []
    try:
        before = manifest.load(run)
    except RunError as error:
        notes.append(f"{error}; every file is compared with the run")
    made, field = _made_from(run)
    made, field = (before.paths, before.field) if before else (made, field)
    chosen = absolute(paths) if paths else made
    if not chosen or STDIN in chosen:
        raise UsageError(f"{run}: not made from files; name the folder: lior sync {run} FOLDER")
    names = frozenset(_names_in(run) if held is None else held)
    found = Scan(run, before, chosen, field, moved=chosen != made, held=names, notes=notes)
    number = runfolder.number(base) if base else manifest.newest(run)
    anew = before is not None and number < before.checkpoint
    sources, skipped = _outside(run, chosen)
    found.skipped = [*skipped]
    if not sources:
        fault = "no file in there; nothing was forgotten, in case it is only away for now"
        raise DataError(f"{', '.join(chosen)}: {fault} (`lior forget` takes documents out)")
    for source in sources:
        _read(source, found, anew=anew)
    for folder in [each.name for each in skipped if each.reason in _UNSEEN]:
        hidden = {name: each for name, each in found.old.items() if name.startswith(f"{folder}/")}
        found.entries |= hidden
    return found


def _names_in(run: Path) -> list[str]:
    """Return the names of the documents in the newest checkpoint whose manifest can be read."""
    for place in runfolder.list_checkpoints(run):
        with contextlib.suppress(RunError):
            return list(read_manifest(place)["documents"])
    return []


def _outside(run: Path, paths: Sequence[str]) -> tuple[list[SourceFile], list[SkippedFile]]:
    """Return the files at ``paths`` that are not in the directory of the run, and what is left out."""
    sources, skipped = find_files(paths)
    home = run.resolve()
    inside = [source for source in sources if home in source.path.resolve().parents]
    own = (SkippedFile(source.name, SkipReason.OWN_RUN) for source in inside)
    return [source for source in sources if source not in inside], [*skipped, *own]


def _read(source: SourceFile, found: Scan, *, anew: bool) -> None:
    """Read a file if it has changed, or ``anew``, and add it to ``found``."""
    name, old = source.name, found.old.get(source.name)
    known = old if old and old.size >= 0 and not anew else None
    file = read_document_file(source, known, field=found.field, limit=LIMIT)
    limited = file and file.reason in LIMITED and old and old.documents
    if file and file.skipped and (file.size < 0 or file.reason in _PASSING or limited):
        found.skipped.append(attrs.evolve(file.skipped, kept=bool(old and old.documents)))
        found.entries[name] = _mark(name, old)
    elif known and (file is None or file.same_as(known)):
        found.entries[name] = file or known
    elif file:
        found.read[name] = file


def finish_sync(found: Scan) -> Synced:
    """Update the manifest of a run that is up to date, for instance after a file got a new time stamp."""
    entries = found.entries | {name: manifest.entry(file) for name, file in found.read.items()}
    after = FileManifest(found.paths, found.field, entries, manifest.newest(found.run))
    if found.before is None or after != attrs.evolve(found.before, checkpoint=after.checkpoint):
        # another process that holds the run writes the manifest itself; if that fails, nothing is lost
        with contextlib.suppress(RunError, OSError), files.lock(found.run / runfolder.LOCK):
            after.save(found.run)
    return found.outcome()


@attrs.define
class _Comparison:
    """Documents of files, compared with those of a run file by file."""

    held: Mapping[str, RawDocument]
    """Documents of the run by name."""
    own: set[str]
    """Names of the run's documents that came from its files."""
    learned: list[RawDocument] = attrs.field(factory=list)
    changed: list[RawDocument] = attrs.field(factory=list)
    moved: list[RawDocument] = attrs.field(factory=list)
    """Documents with the run's text and another structure."""
    same: set[str] = attrs.field(factory=set)
    """Names of documents with the run's text."""

    def add(self, content: Sequence[RawDocument]) -> list[RawDocument]:
        """Sort the documents of a file; returns those whose name a document of another origin has."""
        foreign, held = list[RawDocument](), self.held
        unchanged = [d for d in content if d.name in held and held[d.name].data == d.data]
        self.moved += [d for d in unchanged if held[d.name] != d]
        self.same |= {*_names_of(unchanged)}
        for document in content:
            if document.name not in held:
                self.learned.append(document)
            elif document not in unchanged and document.name not in self.own:
                foreign.append(document)
            elif document.name not in self.same:
                self.changed.append(document)
        return foreign


def compare(checkpoint: Checkpoint, found: Scan) -> Changes:
    """Return the changes that make the documents of a run equal to the files'; nothing is changed yet.

    Raises ``UsageError`` if the files are others than before and hold none of the documents.
    """
    held = {name: _join(several) for name, several in documents.of_checkpoint(checkpoint).items()}
    own, entries = _from_files(checkpoint, found), dict(found.entries)
    compared = _Comparison(held, own)
    for name, file in found.read.items():
        foreign = compared.add(file.content)
        mine = [document for document in file.content if document not in foreign]
        found.skipped += [SkippedFile(document.name, SkipReason.NAME_TAKEN) for document in foreign]
        kept = attrs.evolve(manifest.entry(file), documents=tuple(_names_of(mine)))
        entries[name] = attrs.evolve(kept, size=-1) if foreign else kept
    same, changed, learned = compared.same, compared.changed, compared.learned
    stay = same | {document.name for document in changed} | _names(entries.values()) | _unseen(own, found)
    gone = [name for name in dict.fromkeys(checkpoint.corpus.names) if name in own and name not in stay]
    if found.moved and gone and not own & stay:
        raise UsageError(
            f"{', '.join(found.paths)}: none of the {len(gone):,} documents that {found.run} was made from "
            f"is in there, so all would be forgotten; add other text by `lior learn {found.run} ...`"
        )
    done = found.outcome(_names_of(learned), _names_of(changed), gone, len(same))
    marked = {
        name: _mark(name, found.old.get(name), entries[name].documents if name in entries else ())
        for name in (*found.read, *found.gone)
    }
    return Changes(
        found.run,
        [*done.changed, *gone],
        [*changed, *learned],
        compared.moved,
        done,
        before=FileManifest(
            found.paths, found.field, found.old | found.entries | marked, manifest.newest(found.run)
        ),
        after=FileManifest(found.paths, found.field, entries),
    )


def _join(documents: Sequence[RawDocument]) -> RawDocument:
    """Join the documents of one name."""
    data, structure = (b"".join(parts) for parts in list(zip(*documents, strict=True))[1:])
    return RawDocument(documents[0].name, data, structure)


def _unseen(own: Iterable[str], found: Scan) -> set[str]:
    """Return names of documents of files that cannot be read now, or are in folders that cannot be opened."""
    files = [name for name, each in found.entries.items() if each.size < 0]
    folders = (f"{each.name}/" for each in found.skipped if each.reason in _UNSEEN)
    inside = (*folders, *(f"{name}#" for name in files))
    return {name for name in own if name in files or name.startswith(inside)}


def _from_files(checkpoint: Checkpoint, found: Scan) -> set[str]:
    """Return names of the documents of the run that came from its files."""
    if found.before is not None:
        return _names(found.before.files.values())
    made = _made_from(found.run)[0]
    if not made or STDIN in made:
        return set()
    return {document.name for document in checkpoint.documents() if document.added is None}


def _made_from(run: Path) -> tuple[tuple[str, ...], str]:
    """Return paths of the text in a run's configuration, and the key of the text in JSON Lines."""
    try:
        data = tomllib.loads((run / runfolder.CONFIG).read_text(encoding="utf-8"))["data"]
        return tuple(map(str, data["text"])), str(data["field"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RunError(f"{run / runfolder.CONFIG}: cannot be read ({error})") from error


def _mark(name: str, old: File | None, documents: Sequence[str] = ()) -> File:
    """Return an entry that makes the next scan read the file again; it lists the names of its documents."""
    return File(name, documents=tuple(dict.fromkeys((*(old.documents if old else ()), *documents))))


def _names(entries: Iterable[File]) -> set[str]:
    return {name for entry in entries for name in entry.documents}


def _names_of(documents: Iterable[RawDocument]) -> list[str]:
    return [document.name for document in documents]
