"""The directory of a run: configuration, telemetry, log and checkpoint.

::

    config.toml      the resolved configuration; training again with it gives the same model
    metrics.jsonl    one JSON object a line: time, stage, step, steps and the stage's numbers
    train.log        what happened, in words
    summary.json     the numbers of the finished run, as `lior train --json` prints them
    checkpoint/      the model (:mod:`lior.checkpoint`)

``lior eval`` and ``lior generate`` need nothing but this directory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import torch

from lior import checkpoint
from lior.checkpoint import Loaded
from lior.config import TrainConfig, to_toml
from lior.corpus import Corpus
from lior.errors import RunError
from lior.model import Model
from lior.telemetry import Telemetry

_CHECKPOINT = "checkpoint"


@attrs.frozen
class RunDir:
    """A run directory that is being written."""

    path: Path
    config: TrainConfig

    @classmethod
    def create(cls, path: Path, config: TrainConfig) -> RunDir:
        """Make the directory and write the configuration.

        Raises
        ------
        RunError
            When it exists and is not empty, or cannot be written.
        """
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            fault = "the name is not UTF-8, and safetensors reads no such path"
            raise RunError(f"{path}: {fault}; give another --out") from error
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunError(f"{path}: the directory is not empty; nothing was touched; give another --out")
            table = to_toml(_with_absolute_paths(config))
            # TOML is UTF-8: in a file name that is not, "?" makes a pattern that finds the file again.
            (path / "config.toml").write_text(table, encoding="utf-8", errors="replace")
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}; give another --out") from error
        return cls(path, config)

    @property
    def checkpoint(self) -> Path:
        """Where the model is."""
        return self.path / _CHECKPOINT

    def telemetry(self) -> Telemetry:
        """A listener that writes ``metrics.jsonl`` and ``train.log``."""
        return Telemetry(self.path)

    def save(self, model: Model, text: Corpus, train: int, summary: dict[str, Any]) -> None:
        """Write the checkpoint and the summary.

        Raises
        ------
        RunError
            When the directory cannot be written, for instance because the disk is full.
        """
        config = self.config
        kinds = ("tokenizer", "encoder", "frame", "rsource", "product")
        components: dict[str, Any] = {kind: getattr(config, kind) for kind in kinds}
        components["memory"] = list(config.memory.components)
        try:
            checkpoint.save(self.checkpoint, model, components, text, train)
            (self.path / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def open_run(path: Path, *, device: torch.device | str = "cpu") -> Loaded:
    """The model and texts of the run at ``path``.

    Raises
    ------
    RunError
        When it is no run, unfinished or damaged.
    """
    if not path.exists():
        raise RunError(f"{path}: no such run directory; `lior train --out {path}` makes one")
    if not path.is_dir():
        raise RunError(f"{path}: not a run directory of lior but a file; give the directory that --out named")
    if not (path / "config.toml").is_file():
        raise RunError(f"{path}: not a run directory of lior (config.toml is missing)")
    if not (path / _CHECKPOINT).is_dir():
        raise RunError(f"{path}: the run has no checkpoint: training did not finish; train again")
    return checkpoint.load(path / _CHECKPOINT, device=device)


def _with_absolute_paths(config: TrainConfig) -> TrainConfig:
    data = config.data
    text = tuple(p if p == "-" else str(Path(p).expanduser().absolute()) for p in data.text)
    valid = str(Path(data.valid).expanduser().absolute()) if data.valid else ""
    return attrs.evolve(config, data=attrs.evolve(data, text=text, valid=valid))
