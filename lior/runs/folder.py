"""The directory of a run of any program: write access, its checkpoints, and which of them are kept.

::

    config.toml      the requested options; a directory without it is not a run
    checkpoints/     a folder for each checkpoint, with its number; the newest valid one counts
    lock             held by the process that changes the run

A program adds files and folders of its own. :class:`lior.runs.directory.RunDirectory` adds those of lior,
and a program of another distribution can do the same, with :mod:`lior.runs.bundle` for the contents of
checkpoints.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TypeVar

import attrs

from lior.errors import LiorError, RunError, SkippedCheckpoint, UsageError
from lior.packages import PARTS
from lior.runs import files

__all__ = [
    "CONFIG",
    "LOCK",
    "RunFolder",
    "check",
    "check_place",
    "checkpoint_path",
    "choose_kept",
    "list_checkpoints",
    "newest",
    "number",
    "older_remains",
    "refuse_used",
    "remove_older",
]


T = TypeVar("T")

CONFIG, LOCK = "config.toml", "lock"
_CHECKPOINTS = "checkpoints"
_NAME = re.compile(r"step-(\d{9})")
_PROGRAM = re.compile(r'\{\s*"format": \{\s*"program": "([^"]+)"')
"""The beginning of a manifest, and of ``run_meta.json`` in a run that may have no checkpoint."""
_REMEDY = "give another --out"
_NOT_EMPTY = f"the directory is not empty; nothing was touched; {_REMEDY}"


@attrs.define
class RunFolder:
    """A run directory that no other process writes; :meth:`close` it at the end."""

    path: Path
    _lock: IO[str] = attrs.field(repr=False)
    newest: Path | None = None
    """The newest checkpoint that is known to be valid: the one that was read, or written last."""

    @classmethod
    def create(cls, path: Path, contents: Mapping[str, str]) -> RunFolder:
        """Create the directory and write its first files.

        A directory in which the same run began, and was killed before its first checkpoint, is taken.

        Parameters
        ----------
        contents
            Texts by file name, written in this order. ``config.toml`` must come last: it makes the
            directory a run. Characters that UTF-8 cannot encode become "?".

        Raises
        ------
        RunError
            When it exists and has something else in it, another process has it, or it cannot be written.
        """
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            fault = "the name is not UTF-8, and safetensors reads no such path"
            raise RunError(f"{path}: {fault}; {_REMEDY}") from error
        try:
            path.mkdir(0o700, parents=True, exist_ok=True)
            refuse_used(path, contents)
            folder = cls(path, files.lock(path / LOCK))
            try:
                refuse_used(path, contents)  # another process may have been faster
                for name, text in contents.items():
                    files.write_text(path / name, text, errors="replace")
            except BaseException:
                folder.close()
                raise
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}; {_REMEDY}") from error
        return folder

    @classmethod
    def open(cls, path: Path, newest: Path | None = None, *, patience: float = 0.0) -> RunFolder:
        """Lock the run at ``path`` for writing; ``patience`` as in :func:`lior.runs.files.lock`.

        Raises
        ------
        RunError
            When another process holds it, or the directory cannot be written.
        """
        try:
            return cls(path, files.lock(path / LOCK, patience=patience), newest)
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error

    def close(self) -> None:
        """Release the lock, so that other processes can change the run."""
        self._lock.close()

    @contextlib.contextmanager
    def writing(self, number: int, read: Callable[[Path], object] | None = None) -> Iterator[Path]:
        """Give the path of the checkpoint of that number, which the block writes (context manager).

        A damaged or forgotten checkpoint of this number is removed before, because a folder cannot be
        replaced in one operation. The block must write a whole checkpoint or none, as
        :func:`lior.runs.bundle.write` does.

        Parameters
        ----------
        read
            Function that opens a checkpoint of the program. A new one that it cannot open is removed, so that
            it never replaces a good one.

        Raises
        ------
        UsageError
            When :attr:`newest` has this number: it remains until its successor exists.
        OSError
            When the old checkpoint cannot be removed.
        RunError
            When ``read`` cannot open the new one.
        """
        path = checkpoint_path(self.path, number)
        if path == self.newest:
            raise UsageError(
                f"{path}: the run's newest checkpoint, kept until the next is written; give a higher number"
            )
        _remove(path)
        yield path
        try:
            if read is not None:
                read(path)
        except LiorError as error:
            _remove(path)
            raise RunError(f"nothing was saved, because it could not be read back: {error}") from error
        except BaseException:
            _remove(path)
            raise
        self.newest = path

    def prune(self, *, last: int = 1, every: int = 0) -> None:
        """Remove half-written files and the checkpoints that :func:`choose_kept` does not keep.

        :attr:`newest` is always kept; without it nothing is removed. Files that cannot be removed remain.
        """
        if self.newest is None:
            return
        files.remove_partial(self.path)
        files.remove_partial(self.path / _CHECKPOINTS)
        paths = list_checkpoints(self.path)
        kept = choose_kept({number(path): _score(path) for path in paths}, last=last, every=every)
        for path in paths:
            if number(path) not in kept and path != self.newest:
                with contextlib.suppress(OSError):
                    _remove(path)


def check(path: Path, *, program: str, command: str) -> None:
    """Refuse a path that is not a run directory.

    Parameters
    ----------
    program
        Name of the program in the message, such as ``lior``.
    command
        Command that creates a run, such as ``lior train``.

    Raises
    ------
    RunError
        When there is nothing, a file, a directory without ``config.toml``, or the run of another program.
    """
    if not path.exists():
        raise RunError(f"{path}: no such run directory; `{command} --out {path}` makes one")
    if not path.is_dir():
        raise RunError(
            f"{path}: not a run directory of {program} but a file; give the directory that --out named"
        )
    if not (path / CONFIG).is_file():
        raise RunError(f"{path}: not a run directory of {program} (config.toml is missing)")
    if (found := _program(path)) not in (None, program):
        names = (found, f"{found}[model]")
        uses = [part.brings for part in PARTS.values() if part.requirement in names]
        hint = f"; it is for `{uses[0].rpartition(': ')[2]}`" if uses else ""
        raise RunError(f"{path}: a run of {found}, not of {program}{hint}")


def _program(run: Path) -> str | None:
    """Return the program that wrote a run; ``None`` if the directory does not say it."""
    manifests = [checkpoint / "manifest.json" for checkpoint in list_checkpoints(run)[:1]]
    for file in (*manifests, run / "run_meta.json"):
        with contextlib.suppress(OSError, UnicodeDecodeError), file.open(encoding="utf-8") as stream:
            if found := _PROGRAM.match(stream.read(200)):
                return found[1]
    return None


def refuse_used(path: Path, contents: Mapping[str, str]) -> None:
    """Refuse a directory that is neither empty nor the beginning of the run with the same first files.

    Parameters
    ----------
    contents
        As for :meth:`RunFolder.create`.

    Raises
    ------
    RunError
        When there is a checkpoint, or anything that a run with these files had not written before its first.
    """
    if not path.exists():
        return
    there = {each.name for each in path.iterdir() if not each.name.endswith(files.PARTIAL)} - {LOCK}
    same = CONFIG in contents and all(_has(path / name, contents[name]) for name in there & contents.keys())
    begun = same and (CONFIG in there or there <= contents.keys()) and not list_checkpoints(path)
    if there and not begun:
        raise RunError(f"{path}: {_NOT_EMPTY}")


def check_place(path: Path) -> None:
    """Refuse, before any work, a path at which no run can be created.

    Raises
    ------
    RunError
        When a folder there cannot be written, or has something else in it than the beginning of a run.
    """
    try:
        place = next(each for each in (path, *path.absolute().parents) if each.exists())
        with tempfile.TemporaryDirectory(prefix=".lior-", dir=place):
            pass  # permissions say nothing about a file system that is read-only, or the kernel's own
        there = {each.name for each in path.iterdir()} - {LOCK} if path.exists() else set()
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}; {_REMEDY}") from error
    if there and (CONFIG not in there or list_checkpoints(path)):
        raise RunError(f"{path}: {_NOT_EMPTY}")


def _has(file: Path, text: str) -> bool:
    return file.is_file() and file.read_bytes() == text.encode(errors="replace")


# --- checkpoints ---


def checkpoint_path(run: Path, number: int) -> Path:
    """Return the path of the checkpoint of that number, which is below 10⁹."""
    return run / _CHECKPOINTS / f"step-{number:09d}"


def number(path: Path) -> int:
    """Return the number of the checkpoint at ``path``."""
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def list_checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints of a run, the newest first; they are not opened."""
    folder = run / _CHECKPOINTS
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:  # a snapshot: other processes write and remove
        found = [Path(entry) for entry in entries if _NAME.fullmatch(entry.name) and entry.is_dir()]
    return sorted(found, key=number, reverse=True)


def newest(run: Path, load: Callable[[Path], T], *, stacklevel: int = 2) -> tuple[T, Path]:
    """Return the newest valid checkpoint, as returned by ``load``, and its path.

    A newer one that is not valid is skipped with the warning :class:`~lior.errors.SkippedCheckpoint`. If
    another process writes or removes checkpoints in the meantime, the search begins again.

    Parameters
    ----------
    load
        Function that reads the checkpoint at a path, and raises ``RunError`` if it cannot be used.
    stacklevel
        Number of the caller whose line the warning names, as for :func:`warnings.warn`; 2 is the direct
        caller.

    Raises
    ------
    RunError
        When no checkpoint is valid; it has the fault of the newest.
    """
    faults: list[RunError] = []
    paths = list_checkpoints(run)
    for path in paths:
        try:
            loaded = load(path)
        except RunError as fault:
            if list_checkpoints(run) != paths:  # another process wrote a newer one and removed this
                return newest(run, load, stacklevel=stacklevel + 1)
            faults.append(fault)
            continue
        for skipped in faults:
            warnings.warn(
                f"an older checkpoint is used, for {skipped}", SkippedCheckpoint, stacklevel=stacklevel
            )
        return loaded, path
    if faults:
        raise faults[0]
    if list_checkpoints(run):  # written since
        return newest(run, load, stacklevel=stacklevel + 1)
    raise RunError(f"{run}: the run has no checkpoint: training did not finish; repeat its command")


# --- choice of checkpoints to keep ---


def choose_kept(scores: Mapping[int, float | None], *, last: int, every: int) -> set[int]:
    """Return the numbers of the checkpoints to keep: the last few, each ``every``-th, and the best one.

    Parameters
    ----------
    scores
        Score of each number, the lower the better, ``None`` if unknown.
    last
        Number of newest checkpoints to keep; 0 counts as 1.
    every
        Interval of kept checkpoints, counted from the first, which is kept as well; 0 keeps none for this
        reason.
    """
    numbers = sorted(scores)
    kept = set(numbers[-max(last, 1) :])
    known = {number: score for number, score in scores.items() if score is not None}
    if known:
        kept.add(min(known, key=lambda number: (known[number], -number)))
    return kept | set(numbers[::every] if every else ())


def older_remains(run: Path, path: Path) -> list[Path]:
    """Return checkpoints older than that at ``path``, and half-written files, which may hold older text."""
    older = [each for each in list_checkpoints(run) if number(each) < number(path)]
    return older + [each for folder in (run, run / _CHECKPOINTS) for each in files.partial(folder)]


def remove_older(run: Path, path: Path) -> None:
    """Remove the files of :func:`older_remains`, whatever their score.

    Raises
    ------
    OSError
        When one cannot be removed: its text would remain.
    """
    for each in older_remains(run, path):
        gone = each if each.name.endswith(files.PARTIAL) else _rename(each)
        if gone.is_dir() and not gone.is_symlink():
            shutil.rmtree(gone)
        else:
            gone.unlink()
    files.sync(run / _CHECKPOINTS)
    files.sync(run)


def _remove(path: Path) -> None:
    """Remove a checkpoint if it exists; raises ``OSError`` if it cannot be renamed."""
    if path.exists():
        shutil.rmtree(_rename(path), ignore_errors=True)


def _rename(path: Path) -> Path:
    """Rename a checkpoint before removing it, so that half of one is never listed."""
    gone = path.with_name(f"{path.name}.old{files.PARTIAL}")
    shutil.rmtree(gone, ignore_errors=True)
    return path.rename(gone)


def _score(path: Path) -> float | None:
    try:
        score = json.loads((path / "manifest.json").read_text(encoding="utf-8"))["score"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return score if isinstance(score, float) else None
