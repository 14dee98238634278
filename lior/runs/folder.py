"""The directory of a run, whatever kind of run it is: who may write it, and its checkpoints.

::

    config.toml      what the run was asked for; without it a directory is no run
    checkpoints/     a folder a step (:mod:`lior.runs.retention`); the newest that verifies counts
    lock             held by the process that changes the run

A program adds files and folders of its own. :class:`lior.runs.directory.RunDir` is what lior makes of it, and
another distribution can use it in the same way, with :mod:`lior.runs.storage` for the checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import attrs

from lior.errors import RunError, UsageError
from lior.runs import files as durable
from lior.runs import retention as steps

CONFIG, LOCK = "config.toml", "lock"


@attrs.define
class RunFolder:
    """A run directory that no other process writes; :meth:`close` it in the end."""

    path: Path
    _lock: IO[str] = attrs.field(repr=False)
    newest: Path | None = None
    """The newest checkpoint that is known to be good: the one that was read, or written last."""

    @classmethod
    def create(cls, path: Path, files: Mapping[str, str], *, mend: str = "give another --out") -> RunFolder:
        """Make the directory and write its first files.

        Parameters
        ----------
        files
            Name -> content. They are written in their order, so that ``config.toml`` belongs at the end: with
            it the directory is a run. What is not UTF-8 becomes "?".
        mend
            The end of what is said when the directory cannot be used.

        Raises
        ------
        RunError
            When it exists and is not empty, another process has it, or it cannot be written.
        """
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            fault = "the name is not UTF-8, and safetensors reads no such path"
            raise RunError(f"{path}: {fault}; {mend}") from error
        try:
            path.mkdir(parents=True, exist_ok=True)
            _refuse_unless_empty(path, mend)
            folder = cls(path, durable.lock(path / LOCK))
            try:
                _refuse_unless_empty(path, mend)  # another process may have been faster
                for name, text in files.items():
                    durable.write_text(path / name, text, errors="replace")
            except BaseException:
                folder.close()
                raise
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}; {mend}") from error
        return folder

    @classmethod
    def open(cls, path: Path, newest: Path | None = None) -> RunFolder:
        """Be the only process that writes the run at ``path``, as :func:`lior.runs.files.lock`.

        Raises
        ------
        RunError
            When another process has it.
        OSError
            When the directory cannot be written.
        """
        return cls(path, durable.lock(path / LOCK), newest)

    def close(self) -> None:
        """Let others change the run."""
        self._lock.close()

    def write(self, step: int, save: Callable[[Path], None]) -> Path:
        """Let ``save`` write the checkpoint of ``step`` to the path that it is given, which is returned.

        A damaged or forgotten checkpoint of this step is removed before, for a folder cannot be replaced at
        once. ``save`` must leave a whole checkpoint or none, as :func:`lior.runs.storage.write` does.

        Raises
        ------
        UsageError
            When ``step`` is that of :attr:`newest`, which stays until its successor is there.
        OSError
            When the one that is there cannot be removed; and whatever ``save`` raises.
        """
        place = steps.place(self.path, step)
        if place == self.newest:
            raise UsageError(
                f"{place}: the run's newest checkpoint, kept until the next is there; give that a higher step"
            )
        steps.set_aside(place)
        save(place)
        self.newest = place
        return place

    def prune(self, *, last: int = 1, every: int = 0) -> None:
        """Remove half-written checkpoints and those that :func:`lior.runs.retention.retained` drops.

        The newest that is known to be good always stays, and without one nothing is removed. What cannot be
        removed stays as well.
        """
        if self.newest is not None:
            steps.prune(self.path, newest=self.newest, last=last, every=every)


def check(path: Path, *, program: str, command: str) -> None:
    """Refuse what is no run directory.

    Parameters
    ----------
    program
        What the message calls the program whose run it should be, such as ``lior``.
    command
        Which command makes a run, such as ``lior train``.

    Raises
    ------
    RunError
        When there is nothing, a file, or a directory without ``config.toml``.
    """
    if not path.exists():
        raise RunError(f"{path}: no such run directory; `{command} --out {path}` makes one")
    if not path.is_dir():
        raise RunError(
            f"{path}: not a run directory of {program} but a file; give the directory that --out named"
        )
    if not (path / CONFIG).is_file():
        raise RunError(f"{path}: not a run directory of {program} (config.toml is missing)")


def _refuse_unless_empty(path: Path, mend: str) -> None:
    if any(item.name != LOCK for item in path.iterdir()):
        raise RunError(f"{path}: the directory is not empty; nothing was touched; {mend}")
