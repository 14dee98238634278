"""A checkpoint in memory, with its changes since it was opened or saved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import attrs

from lior.errors import DataError, RunError, did_you_mean, sentences
from lior.plugins.devices import pick_device
from lior.reading.documents import RawDocument
from lior.runs import documents as texts
from lior.runs import editing, syncing
from lior.runs.checkpoint import Checkpoint, Document
from lior.runs.directory import open_checkpoint
from lior.runs.format import read_manifest
from lior.runs.questions import Questions, Stored
from lior.runs.syncing import Synced

T = TypeVar("T")
Edit: TypeAlias = "Callable[[Edited], T]"
"""A change that can be repeated on another state of the run."""


@attrs.define(eq=False)
class Edited:
    """A checkpoint of a run, as it would be written now."""

    checkpoint: Checkpoint
    path: Path | None = None
    """The run's directory; ``None`` for a run that was never written."""
    base: Path | None = None
    """Path of the checkpoint that is unchanged or changed in memory."""
    changes: int = attrs.field(default=0, init=False)
    """Number of documents learned and forgotten since the run was opened or saved."""
    forgotten: bool = attrs.field(default=False, init=False)
    """Whether text was dropped, which no checkpoint on the disk may keep."""
    interrupted: bool = attrs.field(default=False, init=False)
    """Whether a change was interrupted, which leaves the memories between two states."""
    journal: list[Edit[object]] = attrs.field(factory=list, init=False)
    """The changes, to be repeated on another state of the run."""
    questions: Questions = attrs.field(factory=Questions, init=False)
    _moved: tuple[list[str], list[str]] = attrs.field(factory=lambda: ([], []), init=False)
    """Names of documents learned and dropped since the run was opened or saved."""

    @classmethod
    def open(cls, path: Path, device: str) -> Edited:
        """Open the newest checkpoint of the run at ``path``; raises as :func:`lior.load`."""
        checkpoint, base = open_checkpoint(path, device=pick_device(device))
        return cls(checkpoint, path, base)

    @property
    def stored(self) -> Stored:
        """The checkpoint on the disk that equals the one in memory."""
        if self.path is None or self.base is None or self.changes or self.interrupted:
            return None
        return self.path, self.base, self.checkpoint.digest

    def raw(self, name: str) -> list[RawDocument]:
        """Return the documents of exactly this name, with the structure that their readers found.

        Raises ``DataError`` when there is none.
        """
        found = texts.of_checkpoint(self.checkpoint, only=name).get(name) if isinstance(name, str) else None
        if found is None:
            if not isinstance(name, str):
                texts.check_name(name)
            fault = f"{editing.format_name(name)}: no document of this name in the run."
            raise DataError(sentences(fault, did_you_mean(name, self.checkpoint.corpus.names)))
        return found

    def learn(self, documents: Sequence[RawDocument], *, replace: bool = False) -> list[Document]:
        """Learn documents as they were read, all of them or none; raises as :meth:`lior.Run.learn`.

        With ``replace``, documents of the same names are forgotten first.
        """
        if replace:
            editing.check(documents, ())
            held = set(self.checkpoint.corpus.names)
            if gone := [each.name for each in documents if each.name in held]:
                self._forget(gone, relearned=gone)
        before = self.checkpoint.corpus.documents
        self._change(lambda: editing.learn(self.checkpoint, documents), len(documents), put=documents)
        self._note(lambda run: run.learn(documents, replace=replace))
        return self.checkpoint.documents()[before:]

    def forget(self, names: Sequence[str]) -> list[Document]:
        """Forget as :meth:`lior.Run.forget_all`."""
        gone = self._forget(names)
        exact = [*dict.fromkeys(each.name for each in gone)]
        self._note(lambda run: run.forget(exact))
        return gone

    def _forget(self, names: Sequence[str], relearned: Collection[str] = ()) -> list[Document]:
        """Forget documents; the index holds documents to be ``relearned`` until then."""
        indices = {index for name in names for index in editing.find(self.checkpoint, name)}
        every = self.checkpoint.corpus.names
        those = {every[index] for index in indices}
        gone = [document for document in self.checkpoint.documents() if document.name in those]
        self._change(
            lambda: editing.forget(self.checkpoint, indices), len(gone), drop=those.difference(relearned)
        )
        self.forgotten = self.forgotten or bool(indices)
        return gone

    def compare(self, paths: Sequence[str]) -> Synced:
        """Return what :meth:`follow` would do; nothing is changed."""
        assert self.path is not None
        found = syncing.scan_files(self.path, paths, base=self.base, held=self.checkpoint.corpus.names)
        return found.outcome() if found.up_to_date else syncing.compare(self.checkpoint, found).done

    def follow(self, paths: Sequence[str]) -> tuple[Synced, AbstractContextManager[None] | None]:
        """Do the changes of :meth:`lior.Run.sync`; returns the report, and a context manager for saving.

        It is ``None`` if there is nothing to save.
        """
        assert self.path is not None
        found = syncing.scan_files(self.path, paths, base=self.base, held=self.checkpoint.corpus.names)
        if found.up_to_date:
            return syncing.finish_sync(found), None
        changes = syncing.compare(self.checkpoint, found)
        if not changes:
            changes.save_manifest()
            return changes.done, None
        if changes.out:
            self._forget(changes.out, relearned=changes.done.changed)
        if changes.new:
            self.learn(changes.new)
        if moved := changes.moved:
            self._change(lambda: editing.restructure(self.checkpoint, moved), len(moved), put=moved)
            self.forgotten = True  # their old titles, for instance
        return changes.done, changes.saving()

    def _change(
        self,
        work: Callable[[], Checkpoint],
        changes: int,
        *,
        drop: Collection[str] = (),
        put: Sequence[RawDocument] = (),
    ) -> None:
        """Do ``work``, which changes the model and raises ``DataError`` only before; the index follows."""
        with self.questions.following(self.checkpoint, self.stored, drop, put):
            try:
                self.checkpoint = work()
            except DataError:
                raise
            except BaseException:
                self.interrupted = True
                raise
            self.changes += changes
            learned, gone = ([name for name in names if name not in drop] for names in self._moved)
            self._moved = [*learned, *(document.name for document in put)], [*gone, *drop]

    def _note(self, edit: Edit[object]) -> None:
        if self.path is not None:  # only then are there other processes
            self.journal.append(edit)

    def repeated(self, journal: Sequence[Edit[object]], last: Edit[T]) -> tuple[Edited, T]:
        """Return the run on the disk with the changes of a ``journal``, and the result of a ``last`` one."""
        assert self.path is not None
        newer = Edited.open(self.path, str(self.checkpoint.model.device))
        if not newer.checkpoint.is_of_training(self.checkpoint):
            raise RunError(f"{self.path}: another process trained the run anew; open it anew and repeat")
        for edit in journal:
            edit(newer)
        return newer, last(newer)

    def written(self, path: Path) -> None:
        """Note that the checkpoint at ``path`` equals the one in memory."""
        manifest, gone = read_manifest(path), self.forgotten
        self.base, self.changes, self.forgotten, self.journal = path, 0, False, []
        self.checkpoint = attrs.evolve(self.checkpoint, manifest=manifest, score=None, pending_erasure=gone)

    def take_moved(self) -> dict[str, Any]:
        """Return the names of documents learned and forgotten, which from now on are those of a saved run."""
        (learned, gone), self._moved = self._moved, ([], [])
        return {"learned": learned, "forgotten": [name for name in gone if name not in learned]}
