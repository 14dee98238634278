"""The directory of a run.

::

    config.toml, config.json   the resolved configuration; running it again gives the same energies
    run_meta.json              who, when, where, with which versions, and how it ended
    logs/                      metrics.jsonl, a line a step; train.log, what happened in words
    checkpoints/               of a network, a folder each: model_best, model_final; until the end, training
    results.json, arrays/, plots/  see the README; a run that failed has logs/error_traceback.txt
    lock                       held by the process that changes the run
"""

from __future__ import annotations

import json
import platform
import socket
import time
import traceback
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from lior.config import to_table, to_toml
from lior.errors import RunError, UsageError
from lior.plugins import opening
from lior.runs import START, LoopState, Telemetry, bundle, write_text
from lior.runs import folder as runfolder
from lior.runs.folder import CONFIG, RunFolder
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.training.solution import Solution, finished, judge

if TYPE_CHECKING:
    from lior_ritz.training.trainer import Trainer

FORMAT = bundle.Format(program="lior-ritz", version=2)
_META, _METRICS, _LOG, _TRACEBACK = (
    "run_meta.json",
    "logs/metrics.jsonl",
    "logs/train.log",
    "logs/error_traceback.txt",
)
SWEEP = "sweep.json"
"""The file of numbers in the directory of a sweep."""
COMPLETED = "completed"
_FINISHED = "the run is finished, there is nothing to go on with"
_REMARKS = {
    "loss_total": "loss",
    "loss_eigsum": "sum of energies",
    "grad_norm": "gradient",
    "lr": "rate",
    "eval_eigsum": "on finer nodes",
    "quadrature_mismatch": "relative difference",
    "nq": "nq",
}
"""Number of a step -> what the log calls it."""


@attrs.define
class RitzRun:
    """A run directory that is being written; :meth:`close` it in the end."""

    folder: RunFolder
    config: RitzConfig
    meta: dict[str, Any]

    @classmethod
    def create(cls, path: Path, config: RitzConfig) -> RitzRun:
        """Make the directory; ``RunError`` when it is not empty or cannot be written."""
        meta = _describe(path, config)
        contents = {_META: _json(meta), "config.json": _json(to_table(config)), CONFIG: to_toml(config)}
        return cls(RunFolder.create(path, contents), config, meta)

    @classmethod
    def reopen(cls, path: Path) -> tuple[RitzRun, Trainer | None, LoopState, float]:
        """A run that was stopped, with its trainer, if it has one, its loop as they were, and its processor
        seconds.

        Raises ``RunError`` when it is no run, another process has it, it is finished, or its checkpoints are
        damaged.
        """
        _check(path)
        folder = RunFolder.open(path)
        try:
            meta, config = _meta(path), _config(path)
            if not config.solver.network:
                if meta["status"] == COMPLETED:
                    raise RunError(f"{path}: {_FINISHED}")
                return cls(folder, config, meta), None, START, 0.0
            (trainer, manifest), folder.newest = _newest(path, config)
            if manifest["finished"]:
                raise RunError(f"{path}: {_FINISHED}")
            with bundle.misfits_as_run_errors(path, program=FORMAT.program):
                state = LoopState(**manifest["loop"])
            return cls(folder, trainer.config, meta), trainer, state, manifest["seconds"]
        except BaseException:
            folder.close()
            raise

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder.path

    def close(self) -> None:
        """Let others change the run."""
        self.folder.close()

    def telemetry(self, state: LoopState) -> Telemetry:
        """A callback that writes the logs, from where the metrics were."""
        return Telemetry(
            self.path,
            state.metrics,
            state.elapsed,
            metrics=_METRICS,
            log=_LOG,
            describe=headline,
            remark=self._remark,
        )

    def _remark(self, stage: str, step: int, steps: int, metrics: Mapping[str, Any]) -> str | None:
        """A line of the log, every ``training.log_every`` steps and at each evaluation."""
        if "eval_eigsum" not in metrics and step % self.config.training.log_every:
            return None
        known = {text: metrics.get(name) for name, text in _REMARKS.items()}
        said = [f"{text} {value:.12g}" for text, value in known.items() if value is not None]
        return f"{stage} {step}/{steps}: {', '.join(said)}"

    def save(self, trainer: Trainer, numbers: Mapping[str, Any], *, finished: bool) -> None:
        """Write a checkpoint and remove those that need not be kept; ``OSError`` when that fails."""
        groups, best = trainer.tensors(), trainer.best
        if finished:
            del groups["training"]
        score = best.evaluation.eigsum if best else None
        manifest = {"trainer": trainer.numbers(), "finished": finished, "score": score, **numbers}
        number = trainer.progress.step + finished  # the last has a number of its own
        with self.folder.writing(number, partial(bundle.read, format=FORMAT)) as path:
            bundle.write(path, groups, manifest, format=FORMAT)
        self.folder.prune(last=self.config.training.checkpoint.last)

    def end(self, status: str, error: Exception | None = None) -> None:
        """Note how the run ended, and why if it failed; ``OSError`` when that cannot be written."""
        self.meta |= {"status": status, "end_time": _now()}
        if error is not None:
            self.meta["error"] = " ".join(str(error).split()) or type(error).__name__
            write_text(self.path / _TRACEBACK, "".join(traceback.format_exception(error)))
        write_text(self.path / _META, _json(self.meta))


def open_run(path: Path, *, nq: int | None = None) -> tuple[Solution, list[dict[str, Any]]]:
    """A finished run's solution, worked out anew from its best parameters, and its metrics, a dict a line.

    Raises ``RunError`` when it is no run, unfinished or damaged; ``UsageError`` when there is no network that
    ``nq`` could be of.

    ``nq``: nodes on each axis of the coarser of the two rules; those of the run if not given.
    """
    _check(path)
    config = _config(path)
    unfinished = RunError(f"{path}: the run did not finish; `lior ritz resume {path}` goes on with it")
    if not config.solver.network:
        if nq is not None:
            raise UsageError(
                f"{path}: nq is of a network's states; those of this run are the reference's; leave it out"
            )
        if _meta(path)["status"] != COMPLETED:
            raise unfinished
        return judge(config), []
    (trainer, manifest), _ = _newest(path, config)
    if not manifest["finished"]:
        raise unfinished
    if nq is not None and trainer.best is not None:
        trainer.best.size = nq
    return finished(trainer, manifest["seconds"]), list(metrics(path))


def _check(path: Path) -> None:
    """Refuse what is no run directory; raises ``RunError``."""
    if (path / SWEEP).is_file():
        raise RunError(f"{path}: a sweep, not a run; plots/ in it has its pictures, {SWEEP} its numbers")
    runfolder.check(path, program=FORMAT.program, command="lior ritz run")


def metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's metrics; a last one that was cut short is left out."""
    file = path / _METRICS
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            return


def headline(config: RitzConfig) -> str:
    """A run in one line."""
    solver = config.solver
    if not solver.network:
        return f"{config.potential.name}, {solver.K} states by the reference"
    return f"{config.potential.name}, {solver.K} states of {solver.M} functions, seed {config.training.seed}"


def _config(path: Path) -> RitzConfig:
    with opening(path):
        return configuration.load([path / CONFIG], env={}).config


def _meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads((path / _META).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path / _META}: cannot be read ({error}); solve the problem again") from None
    return dict(meta)


def _newest(path: Path, config: RitzConfig) -> tuple[tuple[Trainer, dict[str, Any]], Path]:
    """The trainer of the newest checkpoint that verifies."""
    from lior_ritz.training.trainer import Trainer

    def load(place: Path) -> tuple[Trainer, dict[str, Any]]:
        manifest, groups = bundle.read(place, format=FORMAT)
        with bundle.misfits_as_run_errors(place, program=FORMAT.program):
            trainer = Trainer(config, configuration.problem(config))
            trainer.restore(groups, manifest["trainer"])
            return trainer, manifest

    return runfolder.newest(path, load)


def _describe(path: Path, config: RitzConfig) -> dict[str, Any]:
    """The first version of ``run_meta.json``."""
    threads = None  # of NumPy's nothing is known
    if config.solver.network:
        import torch

        threads = torch.get_num_threads()
    return {
        "format": attrs.asdict(FORMAT),  # first, as in a manifest
        "run_id": path.absolute().name,
        "status": "started",
        "start_time": _now(),
        "end_time": None,
        "hostname": socket.gethostname(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("lior", "lior-ritz", "torch", "numpy", "scipy")},
        "git_sha": None,  # an installed package has none: its version says what ran
        "seed": config.training.seed,
        "threads": threads,
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
