"""The directory of a run of lior: configuration, telemetry, log, summary and checkpoints.

::

    config.toml      the resolved configuration; training again with it gives the same model
    metrics.jsonl    one JSON object a line: time, stage, step, steps and the stage's numbers
    train.log        the events of training, in words
    sync.json        the files that the documents are from (:mod:`lior.runs.manifest`)
    summary.json     the numbers of the finished run, as `lior train --json` prints them, and the checksum of
                     metrics.jsonl
    checkpoints/     a folder for each (:mod:`lior.runs.checkpoint`); the newest that verifies counts
    lock             held by the process that changes the run

Commands that take a run need nothing but this directory; ``lior plot`` adds ``plots/``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import torch

from lior.config import TrainConfig, headline, load, to_toml, with_instances
from lior.errors import NewerFormat, RunError, TextRemains
from lior.plugins.devices import pick_device
from lior.plugins.trust import opening
from lior.reading.files import File
from lior.reading.finding import STDIN, absolute
from lior.runs import bundle, files, manifest
from lior.runs import checkpoint as checkpoints
from lior.runs import folder as runfolder
from lior.runs.checkpoint import Checkpoint
from lior.runs.folder import CONFIG, LOCK, RunFolder
from lior.runs.format import FORMAT, TEXT, misfits_as_run_errors, read_manifest
from lior.runs.manifest import FileManifest
from lior.runs.telemetry import Telemetry

PATIENCE = 10.0
"""Seconds that a change waits while another process writes to the run."""
_SUMMARY, _METRICS = "summary.json", "metrics.jsonl"
_CHECKSUM = "metrics_sha256"
"""Key of ``summary.json`` for the checksum of ``metrics.jsonl``."""


@attrs.define
class RunDirectory:
    """A run directory that only this process writes, as a context manager."""

    config: TrainConfig
    folder: RunFolder

    @classmethod
    def create(cls, path: Path, config: TrainConfig) -> RunDirectory:
        """Create the directory and write the configuration.

        Raises
        ------
        RunError
            When it exists and is not empty, or cannot be written.
        """
        # TOML is UTF-8: in other file names, "?" makes a pattern that finds the file again.
        table = to_toml(_with_absolute_paths(config))
        return cls(config, RunFolder.create(path, {CONFIG: table}))

    @classmethod
    def resume(cls, path: Path) -> tuple[RunDirectory, Checkpoint]:
        """Return an unfinished run, and its newest checkpoint.

        Raises
        ------
        RunError
            When it is no run, another process has locked it, it is finished, or its configuration was
            changed.
        """
        _check(path)
        folder = RunFolder.open(path)
        try:
            config = load(path / CONFIG, env={}).config
            checkpoint, folder.newest = _newest(path, device=pick_device(config.device))
            if checkpoint.training is None:
                raise RunError(f"{path}: training is over, there is nothing to resume")
            if checkpoint.training.numbers["config"] != _fingerprint(path):
                raise RunError(
                    f"{path / CONFIG}: changed since the run began, so the run cannot continue; "
                    "undo the change, or train again with another --out"
                )
            with opening(path):
                return cls(with_instances(config), folder), checkpoint
        except BaseException:
            folder.close()
            raise

    @classmethod
    def edit(cls, path: Path, base: Path) -> RunDirectory:
        """Lock a finished run whose checkpoint at ``base`` is in memory, to write the next one.

        It waits for another process that writes, :data:`PATIENCE` seconds at most.

        Raises
        ------
        RunError
            When another process locks the run for longer, or the directory cannot be written.
        """
        _check(path)
        folder = RunFolder.open(path, base, patience=PATIENCE)
        try:
            return cls(load(path / CONFIG, env={}).config, folder)
        except BaseException:
            folder.close()
            raise

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock, so that other processes can change the run."""
        self.folder.close()

    @property
    def path(self) -> Path:
        """The directory."""
        return self.folder.path

    def telemetry(self, position: int = 0, elapsed: float = 0.0) -> Telemetry:
        """Return a callback that writes ``metrics.jsonl`` from byte ``position`` on, and ``train.log``."""
        return Telemetry(self.path, position, elapsed, describe=headline)

    def save_manifest(self, found: Iterable[File]) -> None:
        """Write the manifest of the files of the run, for :mod:`lior.runs.syncing`.

        Raises
        ------
        OSError
            When the directory cannot be written.
        """
        data = self.config.data
        FileManifest.of(data.text, data.field, found).save(self.path)

    def save(self, number: int, checkpoint: Checkpoint) -> None:
        """Write the checkpoint of that number, then remove those that need not be kept.

        Raises
        ------
        OSError
            When the directory cannot be written, for instance because the disk is full.
        RunError
            When the checkpoint cannot be read back; the older ones stay.
        """
        if checkpoint.training is not None:
            numbers = checkpoint.training.numbers | {"config": _fingerprint(self.path)}
            checkpoint = attrs.evolve(checkpoint, training=attrs.evolve(checkpoint.training, numbers=numbers))
        before = self.folder.newest
        with self.folder.writing(number, checkpoints.load) as path:
            share = {TEXT: before} if before else None
            bundle.write(path, *checkpoints.contents(checkpoint), format=FORMAT, share=share)
        self._prune()

    def save_edited(self, checkpoint: Checkpoint, *, forgotten: bool) -> None:
        """Write ``checkpoint`` as the next one; older ones are removed as after :meth:`save`.

        With ``forgotten`` all older ones are removed, because they hold the forgotten text.

        Raises
        ------
        OSError
            When the directory cannot be written; the run is then unchanged.
        RunError
            As :meth:`save`; or when the checkpoint was written, but an older one cannot be removed.
        """
        assert self.folder.newest is not None
        if checkpoint.pending_erasure:  # the process that forgot was interrupted
            runfolder.remove_older(self.path, self.folder.newest)
        edited = attrs.evolve(checkpoint, score=None, pending_erasure=forgotten)
        last = runfolder.number(runfolder.list_checkpoints(self.path)[0])
        with self.folder.writing(last + 1, checkpoints.load) as path:
            bundle.write(path, *checkpoints.contents(edited), format=FORMAT)
        if not forgotten:
            self._prune()
            return
        try:
            runfolder.remove_older(self.path, path)
        except OSError as error:
            raise RunError(_remains(self.path, error)) from error

    def _prune(self) -> None:
        self.folder.prune(last=self.config.checkpoint.last, every=self.config.checkpoint.every)

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the numbers of the finished run; raises ``OSError`` like :meth:`save`."""
        if (metrics := self.path / _METRICS).exists():
            summary = summary | {_CHECKSUM: hashlib.sha256(metrics.read_bytes()).hexdigest()}
        files.write_text(self.path / _SUMMARY, json.dumps(summary, indent=1) + "\n")


# --- reading ---


def open_run(path: Path, *, device: torch.device | str = "cpu") -> Checkpoint:
    """Return the newest checkpoint of the finished run at ``path``.

    Raises
    ------
    RunError
        When it is no run, unfinished or damaged.
    """
    return open_checkpoint(path, device=device)[0]


def open_checkpoint(path: Path, *, device: torch.device | str = "cpu") -> tuple[Checkpoint, Path]:
    """Return the checkpoint of :func:`open_run`, with its path.

    If a process that forgot documents was interrupted before it removed older checkpoints, they are
    removed.
    """
    _check(path)
    try:
        checkpoint, found = _newest(path, device=device)
    except RunError:
        if not runfolder.list_checkpoints(path) and files.locked(path / LOCK):
            raise RunError(f"{path}: {unfinished(path)}") from None
        raise
    if checkpoint.training is not None:
        raise RunError(f"{path}: {unfinished(path)}")
    if checkpoint.pending_erasure and runfolder.older_remains(path, found):
        _finish_erasure(path, found)
    return checkpoint, found


def read_summary(path: Path) -> dict[str, Any] | None:
    """Return the final numbers of the training of the run at ``path``, if it has any.

    Raises
    ------
    RunError
        When the file cannot be read.
    """
    summary = _read_summary(path)
    return summary and {key: value for key, value in summary.items() if key != _CHECKSUM}


def _read_summary(path: Path) -> dict[str, Any] | None:
    file = path / _SUMMARY
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{file}: cannot be read ({error})") from error


def damage(path: Path) -> dict[str, bool]:
    """Whether the files that a run has beside its checkpoints are damaged, by name.

    ``metrics.jsonl`` of a run that has no checksum of it is damaged where a line is no JSON object.
    """

    def check_metrics() -> None:
        data, wanted = (path / _METRICS).read_bytes(), (_read_summary(path) or {}).get(_CHECKSUM)
        if wanted is not None and hashlib.sha256(data).hexdigest() != wanted:
            raise RunError(f"{path / _METRICS}: its checksum does not match")
        for line in data.splitlines():
            dict(json.loads(line))

    checks = {
        manifest.NAME: lambda: manifest.load(path),
        _METRICS: check_metrics,
        _SUMMARY: lambda: _read_summary(path),
    }
    found = {}
    for name, check in checks.items():
        if (path / name).exists():
            try:
                check()
                found[name] = False
            except (RunError, OSError, ValueError, TypeError, RecursionError):
                found[name] = True
    return found


def newest(folders: Iterable[Path], *, finished: bool = True) -> Path:
    """Return the run in ``folders`` that was written last, among finished or, without ``finished``, stopped
    ones.

    Raises
    ------
    RunError
        When there is none.
    """
    found: list[tuple[float, Path]] = []
    for run in (run for folder in folders if folder.is_dir() for run in folder.iterdir()):
        for path in runfolder.list_checkpoints(run)[:1] if (run / CONFIG).is_file() else ():
            with contextlib.suppress(RunError):
                if (read_manifest(path)["training"] is None) is finished:
                    found.append(((path / bundle.MANIFEST).stat().st_mtime, run))
    if not found and finished:
        raise RunError("no finished run here or in runs/; `lior train` makes one, or name its directory")
    if not found:
        raise RunError(f"no stopped run in {', '.join(map(str, folders))}; name one: --resume RUN")
    return max(found)[1]


def _check(path: Path) -> None:
    runfolder.check(path, program="lior", command="lior train")


def _newest(path: Path, *, device: torch.device | str) -> tuple[Checkpoint, Path]:
    """Return the newest valid checkpoint."""
    return runfolder.newest(path, lambda each: checkpoints.load(each, device=device), stacklevel=4)


def unfinished(path: Path) -> str:
    """Explain why the run at ``path`` has no finished checkpoint, and what to do."""
    if files.locked(path / LOCK):
        return "another process is training this run now; wait until it ends"
    return f"training did not finish; `lior train --resume {path}` goes on with it"


def unstarted(path: Path) -> TrainConfig | None:
    """The configuration of a run that ended before its first checkpoint, if that names files to read again.

    Raises ``RunError`` when ``path`` is no run.
    """
    _check(path)
    if runfolder.list_checkpoints(path):
        return None
    config = load(path / CONFIG, env={}).config
    return config if config.data.text and STDIN not in config.data.text else None


def is_changed(path: Path, base: Path, checkpoint: Checkpoint) -> bool:
    """Return whether ``checkpoint``, read from ``base``, is no longer the newest; damaged ones do not
    count.

    Raises ``NewerFormat`` when a later version of lior wrote a newer one.
    """
    try:
        changed = bundle.digest(read_manifest(base)) != checkpoint.digest
    except RunError:
        changed = True
    for other in runfolder.list_checkpoints(path):
        if runfolder.number(other) > runfolder.number(base):
            fault = _fault(other)
            if isinstance(fault, NewerFormat):
                raise fault
            changed = changed or fault is None
    return changed


def _fault(path: Path) -> RunError | None:
    """Return why a checkpoint cannot be read, if so; checksums are compared, tensors not loaded."""
    try:
        with misfits_as_run_errors(path):
            for name, expected in read_manifest(path)["files"].items():
                bundle.verify(path / name, expected)
    except RunError as fault:
        return fault
    return None


# --- forgotten text ---


def _finish_erasure(path: Path, newest: Path) -> None:
    try:
        with files.lock(path / LOCK):
            runfolder.remove_older(path, newest)
    except RunError:
        return  # another process has locked the run: it is forgetting, or the next process removes the text
    except OSError as error:
        warnings.warn(_remains(path, error), TextRemains, stacklevel=3)


def _remains(path: Path, error: OSError) -> str:
    cause = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return (
        f"{path}: forgotten text is still in earlier checkpoints, which cannot be removed ({cause}); "
        f"mend that, and `lior docs {path}` removes them"
    )


# --- configuration ---


def _fingerprint(run: Path) -> str:
    return hashlib.sha256((run / CONFIG).read_bytes()).hexdigest()


def _with_absolute_paths(config: TrainConfig) -> TrainConfig:
    data = config.data
    valid = str(Path(data.valid).expanduser().absolute()) if data.valid else ""
    return attrs.evolve(config, data=attrs.evolve(data, text=absolute(data.text), valid=valid))
