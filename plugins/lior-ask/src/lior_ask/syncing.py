"""Updates of an index: the new, changed and deleted files of its folders, read within the time limit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cache, partial

from lior.reading import (
    Account,
    SkippedFile,
    SkipReason,
    SourceFile,
    end_idle_workers,
    find_changed,
    find_files,
    open_account,
    parse_bytes,
    read_if_changed,
)
from lior_ask.content import Content
from lior_ask.updates import Changes, Update, skipped_of


class _Overtaken(Exception):
    """The exception for content that another process changed after the file records were read."""


class FolderSync:
    """The files of folders, whose changes go into the content of an index.

    Parameters
    ----------
    content
        The content, whose ``paths`` are the folders.
    progress
        Called before each file with the number of files done and of all files; at the end both are equal.
    """

    def __init__(self, content: Content, progress: Callable[[int, int], object]) -> None:
        self._content, self._progress = content, progress
        self._reported = 0
        if content.paths:
            content.refill = self._refill

    def update(self) -> Update:
        """Add new and changed files of the folders, within the time limit, and delete missing ones."""
        while True:
            with contextlib.suppress(_Overtaken):
                return self._content.safely(partial(self._update, *find_files(self._content.paths)))

    def of(self, content: Content) -> FolderSync:
        """Return the same for a copy of the content."""
        copied = FolderSync(content, self._progress)
        copied._reported = self._reported
        return copied

    def _refill(self) -> None:
        with contextlib.suppress(_Overtaken):
            self._update(*find_files(self._content.paths))

    def _update(self, sources: Sequence[SourceFile], skipped: list[SkippedFile]) -> Update:
        content, done = self._content, Changes()
        content.sources = {source.name: source for source in sources}
        with contextlib.ExitStack() as stack:
            paid = stack.enter_context(open_account())
            stack.callback(end_idle_workers)  # a question needs memory, too
            content.read_records()
            done.leave(content.files.values(), content.sources)
            begin = cache(partial(_begin, content, stack, content.seen))
            for name in done.forgotten:
                begin()
                content.delete(name)
            found = find_changed(sources, content.files)
            for number, source in enumerate(found, len(sources) - len(found)):
                self._progress(number, len(sources))
                self._read(source, paid, begin, done)
        self._progress(len(sources), len(sources))
        content.vectors.hurried = not paid.lasts
        content.files = dict(sorted(content.files.items()))  # they were read in another order
        content.skipped = [*skipped, *done.not_yet, *skipped_of(content.files.values())]
        new = content.notes[self._reported :]
        content.notes += done.new_notes(content.files.values(), content.notes)
        self._reported = len(content.notes)
        return done.update(new)

    def _read(self, source: SourceFile, paid: Account, begin: Callable[[], None], done: Changes) -> None:
        """Read a file within the time left, and store it if it changed, after ``begin()``."""
        if not paid.lasts:
            done.waiting.append(source.name)
            return
        with paid.file():
            known = self._content.files.get(source.name)
            file = read_if_changed(source, known, partial(parse_bytes, name=source.path.name))
            if file is None or file == known:
                return
            if file.reason is SkipReason.NOT_YET:
                done.waiting.append(source.name)
                return
            begin()
            done.add(file, known, replaced=self._content.renew(file, known))
            if file.cut and file.size < 0:
                done.waiting.append(source.name)


def _begin(content: Content, stack: contextlib.ExitStack, seen: int | None) -> None:
    """Open a transaction, which ends with ``stack``.

    Raises :exc:`_Overtaken` if the records, of the generation ``seen``, are not the newest.
    """
    stack.enter_context(content.changing())
    if content.database.meta("generation") != seen:
        raise _Overtaken
