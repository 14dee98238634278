"""A trained run in memory: many readers of one version, and one writer that makes the next.

A version never changes. The writer, a thread, has its own copy of the run. It learns or forgets there, saves
the run, and only then shows readers a copy of the result. A reader uses one version from beginning to end;
the exchange is one assignment. Acknowledged changes are on the disk. A note names the changes in progress,
and the next start reports them if the process is killed.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import gc
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

import attrs

from lior import Run, load
from lior.errors import DataError, LiorError, RunError, UsageError
from lior.interfaces import Passage, Tokenizer
from lior.reading import RawDocument
from lior.runs import Document, as_in_file, locked
from lior.runs.folder import LOCK, list_checkpoints
from lior_serve.sources import Version, confirm_as, state_of

NOTE = "learning.json"
"""The file in the run's directory with the names of documents that are being learned and forgotten."""
_LOG = logging.getLogger("lior_serve")
_TOGETHER = 64
"""The maximum number of waiting changes that are saved as one checkpoint."""
_WATCH = 2.0
"""The idle time, in seconds, after which the writer warms up and checks for changes by other processes."""
_PATIENCE, _TURN = 60.0, 0.02
"""The maximum time, in seconds, that a change waits for other processes, and the interval
between two checks.
"""


@attrs.frozen(eq=False, kw_only=True)
class RunVersion(Version):
    """A read-only run at one moment."""

    run: Run

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the model."""
        return self.run.model.tokenizer

    def text(self, name: str) -> list[bytes]:
        """Return the texts of the documents with this name, each line at its place in the file."""
        return [*map(as_in_file, self.run.edited.raw(name))]


@attrs.frozen
class Change:
    """A change of the run, with the future of its outcome."""

    what: str
    """The kind of change: ``learn``, ``forget``, ``sync`` or ``confirm``."""
    names: tuple[str, ...]
    work: Callable[[Run], Any]
    outcome: Future[Any] = attrs.field(factory=Future)


class RunSource:
    """A run in memory, and its writer.

    Parameters
    ----------
    editable
        Whether it may be changed; a read-only run takes half the memory.
    folders
        The folders that :meth:`sync` may read.

    Raises
    ------
    LiorError
        When it is not a run or cannot be read.
    """

    def __init__(
        self, path: Path, *, device: str = "cpu", editable: bool = False, folders: Sequence[Path] = ()
    ) -> None:
        self.path, self.device, self.editable, self.folders = path.absolute(), device, editable, folders
        self.name = self.path.name
        self.working: dict[str, Any] | None = None
        """The work of the writer: ``what``, ``documents``, ``since``; ``None`` if it is idle."""
        self._queue: SimpleQueue[Change | None] = SimpleQueue()
        self._closed = False
        self._number, self._warm = 0, False
        self._current: RunVersion | None = None
        self._open()
        self.lost = _lost(self.path, self.current.names)
        """The changes that were lost when a server of this run was killed, such as ``learn: notes.txt``."""
        self._writer = threading.Thread(target=self._write, name="lior-writer", daemon=True)
        self._writer.start()

    @property
    def current(self) -> RunVersion:
        """The version that requests begin with."""
        assert self._current is not None
        return self._current

    def refresh(self) -> None:
        """Do nothing: the writer's thread checks every two seconds for changes by other processes."""

    # --- changes, from any thread ---

    def learn(self, documents: Sequence[RawDocument], *, replace: bool = False) -> Future[list[Document]]:
        """Learn documents; with ``replace``, those of the same names are forgotten first."""
        names = tuple(document.name for document in documents)
        return self._ask(Change("learn", names, lambda run: run.edited.learn(documents, replace=replace)))

    def forget(self, name: str) -> Future[Document]:
        """Forget a document of exactly this name."""

        def work(run: Run) -> Document:
            run.text(name)  # only people at a terminal may give the end of a path
            return run.forget(name)

        return self._ask(Change("forget", (name,), work))

    def sync(self) -> Future[Any]:
        """Learn and forget what changed in the folders that the server was given."""
        return self._ask(Change("sync", (), lambda run: run.sync([*map(str, self.folders)])))

    def confirm(self, question: str, passage: Passage, good: bool) -> bool:
        """Count in the run that a passage answers a question, or no longer; return whether that changed
        anything.
        """

        def work(run: Run) -> bool:
            return confirm_as(good, lambda: run.confirm(question, passage))

        return self._ask(Change("confirm", (), work)).result()

    def _ask(self, change: Change) -> Future[Any]:
        if not self.editable:
            raise UsageError("the server is read-only; start it with --allow-edit to learn and forget")
        if self._closed:
            raise RunError("the server is stopping; nothing was changed")
        self._queue.put(change)
        return change.outcome

    def close(self, seconds: float) -> bool:
        """Finish the write in progress, refuse waiting changes; return whether that took at
        most ``seconds``.
        """
        self._closed = True
        self._queue.put(None)
        self._writer.join(seconds)
        return not self._writer.is_alive()

    # --- the writer ---

    def _open(self) -> None:
        """Read the run from the disk and show it."""
        self._seen = list_checkpoints(self.path)[:1]
        self._run = load(self.path, device=self.device)
        self._run.index.warm_up()
        self._show()
        self._warm_up()

    def _show(self) -> None:
        """Make a new version of the present run, with the vectors of the former version."""
        former = self._current
        if former is not None:
            self._run.index.content.adopt(former.index.content)
        run = copy.deepcopy(self._run) if self.editable else self._run
        self._number += 1
        documents = tuple(run.documents())
        self._current = RunVersion(number=self._number, run=run, index=run.index, documents=documents)
        self._warm = False
        forgotten = former is not None and not {*former.documents} <= {*documents}
        former = None
        if forgotten:
            gc.collect()  # an index refers to itself, so that only this frees a former version

    def _warm_up(self) -> None:
        """Compute the data that questions need from a new version, and cache its index; no change waits for
        it.
        """
        if self._warm or self._current is None:
            return
        self._current.index.warm_up(encode=False)
        if self.editable:
            self._run.index.content.adopt(self._current.index.content)
            edited = self._run.edited
            edited.questions.cache(edited.stored)
        self._warm = True
        gc.collect()  # free former versions, whose texts this version has, too

    def _write(self) -> None:
        while not self._closed:
            try:
                first = self._queue.get(timeout=_WATCH)
            except Empty:
                self._follow()
                self._warm_up()
                continue
            if first is not None:
                self._apply([first, *self._more(first)])
        for change in self._more(None):
            change.outcome.set_exception(RunError("the server is stopping; nothing was changed"))

    def _more(self, first: Change | None) -> list[Change]:
        """Return queued changes that can be saved together with ``first``, or all of them if it
        is ``None``.
        """
        found: list[Change] = []
        while first is None or (first.what != "sync" and len(found) < _TOGETHER):
            try:
                change = self._queue.get_nowait()
            except Empty:
                break
            if change is None:
                self._closed = True
            elif change.what == "sync" and first is not None:
                self._queue.put(change)
                break
            else:
                found.append(change)
        return found

    def _follow(self) -> None:
        """Read the run again if another process has changed it."""
        if list_checkpoints(self.path)[:1] == self._seen:
            return
        try:
            self._open()
        except LiorError as error:  # keep the present version
            _LOG.warning("the run was changed by another process and cannot be read: %s", error)

    def _apply(self, changes: Sequence[Change]) -> None:
        """Make changes, together or, where one fails, each alone."""
        wanted = [change for change in changes if change.outcome.set_running_or_notify_cancel()]
        names = [name for change in wanted for name in change.names]
        what = wanted[0].what if wanted else ""
        self.working = {"what": what, "documents": len(names), "since": time.time()}
        try:
            with _note(self.path, wanted, lambda: self._closed):
                self._follow()
                try:
                    self._make(wanted)
                except DataError:  # a command was faster, so that a change is no longer possible
                    self._make_each([change for change in wanted if not change.outcome.done()])
        except Exception as error:
            _LOG.error("a change was not made: %s", type(error).__name__)
            for change in wanted:
                if not change.outcome.done():
                    change.outcome.set_exception(error)
            with contextlib.suppress(LiorError):
                self._open()
        finally:
            self.working = None

    def _make(self, changes: Sequence[Change]) -> None:
        """Make changes, save them as one checkpoint, show the new version, and resolve the futures."""
        done: list[tuple[Change, Any]] = []
        for change in changes:
            try:
                done.append((change, change.work(self._run)))
            except (DataError, UsageError) as error:  # before anything was changed
                change.outcome.set_exception(error)
        if self._run.changes:
            self._run.save(warm_up=False)
        if done:
            self._seen = list_checkpoints(self.path)[:1]
            self._show()
        for change, outcome in done:
            change.outcome.set_result(outcome)

    def _make_each(self, changes: Sequence[Change]) -> None:
        """Make each change alone, in the run as it is on the disk."""
        self._open()
        for change in changes:
            try:
                self._make([change])
            except DataError as error:
                change.outcome.set_exception(error)
                self._open()

    def state(self) -> dict[str, Any]:
        """Return a description of the source and of the work in progress, ready for JSON."""
        return state_of(
            self,
            model=True,
            editable=self.editable,
            syncs=bool(self.folders),
            working=self.working,
            waiting=self._queue.qsize(),
            lost=list(self.lost),
            confirms=self.editable,
        )


@contextlib.contextmanager
def _note(run: Path, changes: Sequence[Change], stopped: Callable[[], bool]) -> Iterator[None]:
    """Context manager: hold the note of a run, which names the changes in case the process is killed.

    Servers of one run take turns by this lock. They wait for a command that saves the run.

    Raises ``RunError`` when others change the run for too long, ``stopped`` is true, or writing fails.
    """
    told = {what: [n for c in changes if c.what == what for n in c.names] for what in ("learn", "forget")}
    until = time.monotonic() + _PATIENCE
    try:
        while (note := _hold(run)) is None or locked(run / LOCK):
            if note:
                note.close()
            if stopped():
                raise RunError("the server is stopping; nothing was changed")
            if time.monotonic() > until:
                raise RunError(f"{run}: another process is changing this run; ask again in a moment")
            time.sleep(_TURN)
        note.truncate()
        note.write(json.dumps(told).encode())
        note.flush()
        os.fsync(note.fileno())
    except OSError as error:
        raise RunError(f"{run}: cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        with note, contextlib.suppress(OSError):
            (run / NOTE).unlink()


def _hold(run: Path) -> IO[bytes] | None:
    """Open the note of a run, a new one if necessary, and lock it; return ``None`` while another server holds
    it.
    """
    stream = os.fdopen(os.open(run / NOTE, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(stream.fileno()), (run / NOTE).stat()):  # it was not removed meanwhile
            return stream
    stream.close()
    return None


def _lost(run: Path, held: Collection[str]) -> tuple[str, ...]:
    """Return the changes that a note names and the run, with documents ``held``, lacks; remove the note.

    There are none while a running server makes them.
    """
    try:
        if not (run / NOTE).exists() or (note := _hold(run)) is None:
            return ()
        with note:
            (run / NOTE).unlink()
            told = json.loads(note.read())
            missing = [f"learn: {name}" for name in told["learn"] if name not in held]
            return (*missing, *(f"forget: {name}" for name in told["forget"] if name in held))
    except (OSError, ValueError, LookupError, TypeError):  # from a full or read-only disk
        return ()
