"""The directory of a run: configuration, telemetry, log and checkpoints.

::

    config.toml      the resolved configuration; training again with it gives the same model
    metrics.jsonl    one JSON object a line: time, stage, step, steps and the stage's numbers
    train.log        what happened, in words
    summary.json     the numbers of the finished run, as `lior train --json` prints them
    checkpoints/     a folder a step (:mod:`lior.runs.checkpoint`); the newest that verifies counts
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

from lior.config import TrainConfig, headline, load, to_toml
from lior.data.corpus import Corpus
from lior.errors import NewerFormat, RunError, TextRemains
from lior.model.language_model import Model
from lior.runs import checkpoint
from lior.runs import files as durable
from lior.runs import folder as runfolder
from lior.runs import retention as steps
from lior.runs.checkpoint import Training
from lior.runs.folder import CONFIG, RunFolder
from lior.runs.manifest import components, digest, read_manifest, verify
from lior.runs.stored import Loaded
from lior.runs.telemetry import Telemetry
from lior.tensors import pick_device


@attrs.define
class RunDir:
    """A run directory that is being written; :meth:`close` it in the end."""

    config: TrainConfig
    _folder: RunFolder

    @classmethod
    def create(cls, path: Path, config: TrainConfig) -> RunDir:
        """Make the directory and write the configuration.

        Raises
        ------
        RunError
            When it exists and is not empty, or cannot be written.
        """
        # TOML is UTF-8: in a file name that is not, "?" makes a pattern that finds the file again.
        table = to_toml(_with_absolute_paths(config))
        return cls(config, RunFolder.create(path, {CONFIG: table}))

    @classmethod
    def reopen(cls, path: Path) -> tuple[RunDir, Loaded]:
        """A run whose training is not over, and where it stands.

        Raises
        ------
        RunError
            When it is no run, another process has it, it is finished, or its configuration was changed.
        """
        _check(path)
        folder = RunFolder.open(path)
        try:
            config = load(path / CONFIG, env={}).config
            loaded, folder.newest = _newest(path, device=pick_device(config.device))
            if loaded.training is None:
                raise RunError(f"{path}: training is over, there is nothing to resume")
            if loaded.manifest["training"]["config"] != _fingerprint(path):
                raise RunError(
                    f"{path / CONFIG}: changed since the run began, so it cannot go on as it began; "
                    "undo that, or train anew with another --out"
                )
            return cls(config, folder), loaded
        except BaseException:
            folder.close()
            raise

    @classmethod
    def at(cls, path: Path, version: Path, loaded: Loaded) -> RunDir:
        """A run that was opened as ``loaded`` from ``version``, and is to get the next one.

        Raises
        ------
        RunError
            When another process has it, or has changed it.
        """
        _check(path)
        try:
            folder = RunFolder.open(path, version)
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error
        try:
            _refuse_if_changed(path, version, loaded)
            return cls(load(path / CONFIG, env={}).config, folder)
        except BaseException:
            folder.close()
            raise

    def close(self) -> None:
        """Let others change the run."""
        self._folder.close()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder.path

    @property
    def checkpoint(self) -> Path | None:
        """The newest checkpoint, if there is one."""
        return self._folder.newest

    def telemetry(self, position: int = 0, elapsed: float = 0.0) -> Telemetry:
        """A listener that writes ``metrics.jsonl`` from byte ``position`` on, and ``train.log``."""
        return Telemetry(self.path, position, elapsed, describe=headline)

    def save(
        self,
        step: int,
        model: Model,
        text: Corpus,
        train: int,
        *,
        training: Training | None = None,
        score: float | None = None,
    ) -> None:
        """Write the checkpoint of ``step``, then remove what need not be kept.

        Raises
        ------
        OSError
            When the directory cannot be written, for instance because the disk is full.
        """
        config = self.config
        kinds = ("tokenizer", "encoder", "frame", "rsource", "product")
        parts: dict[str, Any] = {kind: getattr(config, kind) for kind in kinds}
        parts["memory"] = list(config.memory.components)
        if training is not None:
            numbers = training.numbers | {"config": _fingerprint(self.path)}
            training = attrs.evolve(training, numbers=numbers)
        before = self.checkpoint
        self._folder.write(
            step,
            lambda place: checkpoint.save(
                place, model, parts, text, train, training=training, score=score, before=before
            ),
        )
        self._folder.prune(last=config.checkpoint.last, every=config.checkpoint.every)

    def save_edited(self, loaded: Loaded, *, forgotten: bool) -> None:
        """Write ``loaded`` as the run's next version; older ones are then removed as always.

        With ``forgotten`` all of them are, for they hold the text that is to be gone.

        Raises
        ------
        OSError
            When the directory cannot be written; the run is then as it was.
        RunError
            When the version was written, and an older one cannot be removed.
        """
        assert self.checkpoint is not None
        if _forgets(loaded):  # whoever forgot was broken off
            steps.remove_before(self.path, self.checkpoint)
        last = max(steps.number(place) for place in steps.listed(self.path))
        parts = components(loaded.manifest)
        place = self._folder.write(
            last + 1,
            lambda place: checkpoint.save(
                place, loaded.model, parts, loaded.text, loaded.train, added=loaded.added, forgets=forgotten
            ),
        )
        if not forgotten:
            self._folder.prune(last=self.config.checkpoint.last, every=self.config.checkpoint.every)
            return
        try:
            steps.remove_before(self.path, place)
        except OSError as error:
            raise RunError(_remains(self.path, error)) from error

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the numbers of the finished run; raises ``OSError`` like :meth:`save`."""
        durable.write_text(self.path / "summary.json", json.dumps(summary, indent=1) + "\n")


def open_run(path: Path, *, device: torch.device | str = "cpu") -> Loaded:
    """The model and texts of the run at ``path``.

    Raises
    ------
    RunError
        When it is no run, unfinished or damaged.
    """
    return open_version(path, device=device)[0]


def open_version(path: Path, *, device: torch.device | str = "cpu") -> tuple[Loaded, Path]:
    """As :func:`open_run`, and the checkpoint that it was read from.

    What was forgotten is removed from older ones, should the process that forgot it not have come to that.
    """
    _check(path)
    loaded, place = _newest(path, device=device)
    if loaded.training is not None:
        raise RunError(f"{path}: training did not finish; `lior train --resume {path}` goes on with it")
    if _forgets(loaded) and steps.before(path, place):
        _finish_forgetting(path, place)
    return loaded, place


def _forgets(loaded: Loaded) -> bool:
    """Whether a checkpoint is to be the oldest of its run."""
    return loaded.manifest.get("forgets") is True


def _finish_forgetting(path: Path, place: Path) -> None:
    try:
        with contextlib.closing(RunFolder.open(path)):
            steps.remove_before(path, place)
    except RunError:
        return  # another process has the run: the one that forgets, or one that will see to it
    except OSError as error:
        warnings.warn(_remains(path, error), TextRemains, stacklevel=3)


def _remains(path: Path, error: OSError) -> str:
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return (
        f"{path}: what was forgotten is still in earlier versions, which cannot be removed ({what}); "
        f"mend that, and `lior docs {path}` removes them"
    )


def unfinished(folder: Path) -> Path:
    """The run in ``folder`` that was stopped last.

    Raises
    ------
    RunError
        When there is none.
    """
    stopped: list[tuple[float, Path]] = []
    for run in folder.iterdir() if folder.is_dir() else ():
        for place in steps.listed(run):
            with contextlib.suppress(RunError):
                if read_manifest(place)["training"] is not None:
                    stopped.append((place.stat().st_mtime, run))
                break
    if not stopped:
        raise RunError(f"{folder}: no run there waits to be gone on with; name one: --resume RUN")
    return max(stopped)[1]


def newest(folders: Iterable[Path]) -> Path:
    """The finished run in one of ``folders`` that was written last.

    Raises
    ------
    RunError
        When there is none.
    """
    found: list[tuple[float, Path]] = []
    for run in (run for folder in folders if folder.is_dir() for run in folder.iterdir()):
        for place in steps.listed(run)[:1] if (run / CONFIG).is_file() else ():
            with contextlib.suppress(RunError):
                if read_manifest(place)["training"] is None:
                    found.append((place.stat().st_mtime, run))
    if not found:
        raise RunError("no finished run here or in runs/; `lior train` makes one, or name its directory")
    return max(found)[1]


def _check(path: Path) -> None:
    runfolder.check(path, program="lior", command="lior train")


def _newest(path: Path, *, device: torch.device | str) -> tuple[Loaded, Path]:
    """The newest checkpoint that verifies."""
    return steps.newest(path, lambda place: checkpoint.load(place, device=device), stacklevel=4)


def _refuse_if_changed(path: Path, version: Path, loaded: Loaded) -> None:
    """Refuse when ``loaded``, of ``version``, is not the newest any more; damaged ones do not count."""
    try:
        changed = digest(read_manifest(version)) != loaded.identity
    except RunError:
        changed = True
    for place in steps.listed(path):
        if steps.number(place) > steps.number(version):
            fault = _fault(place)
            if isinstance(fault, NewerFormat):
                raise fault
            changed = changed or fault is None
    if changed:
        raise RunError(
            f"{path}: another process changed the run since it was opened; open it anew and repeat"
        )


def _fault(place: Path) -> RunError | None:
    """Why a checkpoint cannot be read, if so; its tensors are not looked into."""
    try:
        with checkpoint.fitting_together(place):
            for name, expected in read_manifest(place)["files"].items():
                verify(place / name, expected)
    except RunError as fault:
        return fault
    return None


def _fingerprint(run: Path) -> str:
    return hashlib.sha256((run / CONFIG).read_bytes()).hexdigest()


def _with_absolute_paths(config: TrainConfig) -> TrainConfig:
    data = config.data
    text = tuple(p if p == "-" else str(Path(p).expanduser().absolute()) for p in data.text)
    valid = str(Path(data.valid).expanduser().absolute()) if data.valid else ""
    return attrs.evolve(config, data=attrs.evolve(data, text=text, valid=valid))
