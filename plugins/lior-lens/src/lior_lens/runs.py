"""Runs on disk: a training run from its configuration to its best network, or from where it was stopped;
packages.

::

    config.toml        the resolved configuration, written before the first step
    metrics.jsonl      a line a step, and one a validation
    train.log          what happened, in words
    checkpoints/       weights now and at their best, moments, the random generator
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from lior.config import Labelled, read_recipe, to_toml
from lior.errors import RunError
from lior.runs import START, Loop, LoopState, Stopwatch, Telemetry, bundle, never_stop
from lior.runs import folder as runfolder
from lior.runs.folder import CONFIG, RunFolder
from lior_lens import config as configuration
from lior_lens.config import LensConfig
from lior_lens.network import LensNetwork
from lior_lens.training import Trainer

FORMAT = bundle.Format(program="lior-lens", version=1)
_PROGRAM, _COMMAND = "lior-lens", "lior lens train"
SHIPPED = Path(__file__).parent / "weights" / "small"
"""The network that comes with the package."""


@attrs.frozen(kw_only=True)
class Trained:
    """The outcome of a run."""

    path: Path
    best: float
    best_step: int
    validation: dict[str, float]
    """The metrics of the last validation."""
    warnings: int

    @property
    def headline(self) -> str:
        """The outcome in one line, for the log."""
        return f"best {self.best:.6g} at step {self.best_step:,}"


@attrs.define(kw_only=True)
class _Stage:
    """All steps of a run as one stage of the loop."""

    trainer: Trainer
    progress: Callable[[str, int, int, dict[str, Any]], None]
    validation: dict[str, float] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        return self.trainer.config.train.stage

    @property
    def message(self) -> str:
        return f"{self.trainer.config.steps:,} steps of {self.trainer.config.data.batch_size} pictures"

    def begin(self) -> None:
        """Nothing is prepared."""

    def advance(self) -> bool:
        """One step, and a validation at the end of an epoch."""
        trainer, steps = self.trainer, self.trainer.config.steps
        if trainer.progress.step >= steps:
            return False
        numbers = trainer.step()
        if trainer.due:
            self.validation = trainer.validate()
            numbers |= self.validation
        self.progress(self.name, trainer.progress.step, steps, numbers)
        return True

    def end(self) -> None:
        """The trainer has the results."""


def run(
    config: LensConfig,
    out: Path,
    *,
    init_from: Path | None = None,
    callbacks: Iterable[object] = (),
    stop: Callable[[], bool] = never_stop,
) -> Trained:
    """Train a network and keep the run in ``out``.

    Parameters
    ----------
    init_from
        A run or package whose network is begun with.

    Raises ``UsageError`` when the configuration asks for what cannot be; ``RunError`` when the directory
    cannot be used, or the loss is not finite; ``Stopped`` when ``stop`` returned true; the checkpoint is
    written.
    """
    trainer = begun(config, init_from)
    folder = RunFolder.create(out, {CONFIG: to_toml(config)})
    return _train(trainer, folder, START, callbacks, stop)


def begun(config: LensConfig, init_from: Path | None = None) -> Trainer:
    """A trainer before its first step, with the network of a run; raises as :func:`run`."""
    trainer = Trainer(config, fresh=init_from is None)
    if init_from is not None:
        before, weights = _weights(init_from)
        if bool(before.model.pretrained_backbone) != bool(config.model.pretrained_backbone):
            raise RunError(
                f"--init-from {init_from}: model.pretrained_backbone was "
                f"{before.model.pretrained_backbone!r}; it decides how colours are scaled, give the same"
            )
        trainer.begin_with(weights)
    return trainer


def resume(path: Path, *, callbacks: Iterable[object] = (), stop: Callable[[], bool] = never_stop) -> Trained:
    """Go on with a run that was stopped; the outcome is that of a run never stopped, to the last bit.

    Raises ``RunError`` when there is no run, or it is finished or damaged; ``UsageError`` when its loader
    cannot be imported; ``Stopped`` when ``stop`` returned true.
    """
    runfolder.check(path, program=_PROGRAM, command=_COMMAND)
    config = read_config(path)
    folder = RunFolder.open(path)
    try:
        trainer = Trainer(config, fresh=False)  # a loader that is missing is no fault of a checkpoint

        def load(place: Path) -> dict[str, Any]:
            manifest, tensors = bundle.read(place, format=FORMAT)
            _check_config(path, manifest)
            with bundle.misfits_as_run_errors(place, program=_PROGRAM):
                if not manifest["finished"]:
                    trainer.restore(tensors, manifest)
                return manifest

        manifest, folder.newest = runfolder.newest(path, load)
        if manifest["finished"]:
            raise RunError(
                f"{path}: the run is finished; `lior lens train --init-from {path}` begins another with it"
            )
        with bundle.misfits_as_run_errors(path, program=_PROGRAM):
            state = LoopState(**manifest["loop"])
    except BaseException:
        folder.close()
        raise
    return _train(trainer, folder, state, callbacks, stop)


@attrs.define(kw_only=True)
class _Training(Loop[_Stage]):
    """The loop over the steps of a trainer, with its checkpoints."""

    trainer: Trainer
    kept: RunFolder

    def write(self, state: LoopState, stage: _Stage | None, finished: bool = False) -> None:
        """Write a checkpoint, in the place of the one before."""
        trainer = self.trainer
        tensors = trainer.tensors()
        manifest = {
            **trainer.numbers(),
            "loop": attrs.asdict(state),
            "finished": finished,
            "stage": trainer.config.train.stage,
            "score": trainer.progress.best,
            "config": bundle.fingerprint(self.kept.path / CONFIG),
        }
        number = trainer.progress.step + finished
        with self.kept.writing(number, partial(bundle.read, format=FORMAT)) as path:
            bundle.write(path, tensors, manifest, format=FORMAT)
        self.kept.prune(last=1)


def _train(
    trainer: Trainer,
    folder: RunFolder,
    state: LoopState,
    callbacks: Iterable[object],
    stop: Callable[[], bool],
) -> Trained:
    config = trainer.config
    loop = _Training(
        trainer=trainer,
        kept=folder,
        folder=folder,
        command="lior lens resume",
        telemetry=Telemetry(folder.path, state.metrics, state.elapsed, describe=headline),
        callbacks=callbacks,
        stop=stop,
        interval=config.train.checkpoint_seconds,
        clock=Stopwatch(state),
        step=state.step,
    )
    try:
        loop.hook.lior_train_start(config=config, run=folder.path)
        stage = _Stage(trainer=trainer, progress=loop.progress)
        loop.run([stage])
        if not stage.validation:
            stage.validation = trainer.validate()
        with loop.reported():
            loop.write(loop.state(1), stage, finished=True)
        assert trainer.progress.best is not None
        result = Trained(
            path=folder.path,
            best=trainer.progress.best,
            best_step=trainer.progress.best_step,
            validation=stage.validation,
            warnings=len(trainer.warnings),
        )
        loop.hook.lior_train_end(result=result)
        return result
    finally:
        folder.close()


def headline(config: LensConfig) -> str:
    """A run in one line."""
    train, model = config.train, config.model
    return f"{train.stage}, {model.backbone_name}, {config.data.long_side} pixels, seed {train.seed}"


def read_config(path: Path) -> LensConfig:
    """The configuration of a run or a package; raises ``RunError`` when it has none."""
    return configuration.load([layer_of(path)], env={}).config


def layer_of(path: Path) -> Labelled:
    """Return the settings of a run or a package; raises ``RunError`` when it has none.

    Unknown keys are ignored, so that runs of earlier versions can be read.
    """
    if not (path / CONFIG).is_file():
        raise RunError(
            f"{path}: no run and no package of lior-lens (config.toml is missing); `{_COMMAND}` makes a run"
        )
    given = read_recipe(path / CONFIG, configuration.CONFIGS)
    return Labelled(_known(given, attrs.asdict(LensConfig())), f"file {path / CONFIG}")


def _known(given: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of nested tables whose keys are known."""
    return {
        name: _known(value, keys[name]) if isinstance(value, dict) else value
        for name, value in given.items()
        if name in keys
    }


def _weights(path: Path) -> tuple[LensConfig, Mapping[str, Tensor]]:
    """Configuration and best weights of a run or a package."""
    config = read_config(path)
    runfolder.check(path, program=_PROGRAM, command=_COMMAND)
    if (path / "package").is_dir():
        manifest, tensors = bundle.read(path / "package", format=FORMAT)
        _check_config(path, manifest)
        return config, {name: value.float() for name, value in tensors["model"].items()}
    (manifest, tensors), _ = runfolder.newest(path, lambda place: bundle.read(place, format=FORMAT))
    _check_config(path, manifest)
    return config, tensors["model_best"] or tensors["model"]


def _check_config(path: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a configuration that is not the one of the manifest; manifests of earlier versions have none."""
    if "config" in manifest:
        with bundle.misfits_as_run_errors(path, program=_PROGRAM):
            bundle.verify(path / CONFIG, manifest["config"])


@attrs.frozen(kw_only=True, eq=False)
class LensModel:
    """A network that is ready for inference."""

    network: LensNetwork
    config: LensConfig

    @classmethod
    def open(cls, path: Path | None = None) -> LensModel:
        """The network of a run or a package, or the shipped one; raises ``RunError`` when it is not whole."""
        place = path or SHIPPED
        config, weights = _weights(place)
        network = LensNetwork(config.model, fresh=False)
        with bundle.misfits_as_run_errors(place, program=_PROGRAM):
            kept = dict(weights)
            for name, value in network.state_dict().items():
                kept.setdefault(name, value)  # counters that a package leaves out
            network.load_state_dict(kept)
        return cls(network=network.eval(), config=config)

    @torch.inference_mode()
    def predict(self, image: Tensor) -> Any:
        """The network's :class:`~lior_lens.network.Prediction` of ``[B, 3, H, W]``."""
        return self.network(image, residual=self.config.uses_flow)


def package(run: Path, out: Path) -> int:
    """Write the best network of a run to a folder that is read like a run, small enough to be shipped.

    Returns
    -------
    bytes
        Size of the folder.

    Raises ``RunError`` when there is no network, or the folder exists.
    """
    config, weights = _weights(run)
    if out.exists():
        raise RunError(f"{out}: exists; nothing was touched; give another name")
    kept = {
        name: value.half() if value.is_floating_point() else value
        for name, value in weights.items()
        if not name.endswith("num_batches_tracked")
        and not (name.startswith("residual_head.") and not config.uses_flow)
    }
    out.mkdir(parents=True)
    (out / CONFIG).write_text(to_toml(config), encoding="utf-8")
    manifest = {"stage": config.train.stage, "notes": {}, "config": bundle.fingerprint(out / CONFIG)}
    bundle.write(out / "package", {"model": kept}, manifest, format=FORMAT)
    return sum(each.stat().st_size for each in out.rglob("*") if each.is_file())


def info(path: Path | None = None) -> dict[str, Any]:
    """Return a description of a run or package, ready for JSON."""
    place = path or SHIPPED
    model = LensModel.open(place)
    weights = sum(p.numel() for p in model.network.parameters())
    size = sum(each.stat().st_size for each in place.rglob("*") if each.is_file())
    found: dict[str, Any] = {
        "path": str(place),
        "stage": model.config.train.stage,
        "backbone": model.config.model.backbone_name,
        "weights": weights,
        "bytes": size,
        "long_side": model.config.data.long_side,
        "uses_flow": model.config.uses_flow,
    }
    if (place / "package").is_dir():
        found["notes"] = bundle.read_manifest(place / "package", format=FORMAT)["notes"]
    else:
        (manifest, _) = runfolder.newest(place, lambda each: bundle.read(each, format=FORMAT))[0]
        best = manifest["progress"]["best"]
        found |= {"finished": manifest["finished"], "step": manifest["progress"]["step"]}
        found["best"] = best if best is not None and math.isfinite(best) else None
    return found
