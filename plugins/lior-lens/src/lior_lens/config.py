"""The schema of a training run: every key with its default, its help and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import attrs

from lior.config import Labelled, Resolved, device_option, option, resolve
from lior.errors import UsageError
from lior_lens.losses import REGULAR, LossConfig
from lior_lens.network import ModelConfig

PREFIX = "LENS_"
"""Prefix of the environment variables that set keys: ``LENS_OPTIMIZER__LR`` sets ``optimizer.lr``."""
CONFIGS = "lior_lens.configs"
"""Package of the shipped recipes."""
STAGES = ("stage1_param_only", "stage2_hybrid", "stage3_finetune")
MODES = {"epe": "min", "epe_ratio": "min", "total": "min", "score": "max", "fullres_score": "max"}
"""Metrics of a validation that can choose the best checkpoint, and the better direction of each."""


@attrs.frozen(kw_only=True)
class DataConfig:
    """The training data."""

    long_side: int = option(
        192, help="long side of the pictures, in pixels; shapes change", low=32, high=4096
    )
    batch_size: int = option(32, help="pictures a step", low=1, high=4096)
    scenes: float = option(0.8, help="share of drawn scenes", low=0, high=1)
    boards: float = option(0.05, help="share of calibration boards", low=0, high=1)
    photos: float = option(
        0.15, help="share of photographs that installed packages bring, where there are any", low=0, high=1
    )
    folders: tuple[str, ...] = option((), help="folders of photographs without distortion, taken for photos")
    pairs: str = option(
        "", help="table of pairs, CSV: image_id,input_path,target_path; empty: pictures with known lenses"
    )
    loader_module: str = option("", help="module of a loader of your own")
    loader_fn: str = option(
        "build_train_val_loaders", help="its function; called with stage=..., it returns (train, validation)"
    )

    def __attrs_post_init__(self) -> None:
        if not self.scenes + self.boards + self.photos:
            raise UsageError("scenes, boards and photos are all 0; give one of them a share")
        if self.pairs and self.loader_module:
            raise UsageError("pairs and loader_module exclude one another; give one")

    @property
    def known(self) -> bool:
        """Whether the true lenses are known."""
        return not (self.pairs or self.loader_module)


@attrs.frozen(kw_only=True)
class OptimizerConfig:
    """AdamW; norms and biases are not decayed."""

    lr: float = option(1.5e-3, help="largest step size", low=1e-12, high=10)
    weight_decay: float = option(1e-2, help="of the other weights", low=0, high=1)


@attrs.frozen(kw_only=True)
class SchedulerConfig:
    """The step size over all steps of the run."""

    name: str = option("onecycle", help="its course", choices=("none", "cosine", "onecycle"))
    pct_start: float = option(
        0.15, help="onecycle: share of the steps in which it rises", low=1e-6, high=0.999999
    )


@attrs.frozen(kw_only=True)
class ProxyConfig:
    """A scorer of your own, asked at validation: ``function(pred, target, **options) -> dict`` of numbers."""

    module: str = option("", help="its module; lior_lens.scoring is the one in here; empty: none")
    function: str = option("proxy", help="its name in there")
    fullres_images: int = option(0, help="with data.pairs: pairs that it sees in full resolution", low=0)


@attrs.frozen(kw_only=True)
class TrainConfig:
    """How the network is trained."""

    stage: str = option(STAGES[0], help="parameters only, with flow, or fine-tuning of both", choices=STAGES)
    epochs: int = option(10, help="validations come after each", low=1, high=10**6)
    steps_per_epoch: int = option(
        100, help="steps of one; for a loader of your own the most", low=1, high=10**7
    )
    max_val_steps: int = option(8, help="batches of a validation", low=1, high=10**6)
    freeze_lens_epochs: int = option(1, help="stage 2: epochs in which only the flow learns", low=0)
    device: str = device_option("cpu", help="one that is absent falls back to cpu with a warning")
    grad_clip_norm: float = option(1.0, help="largest norm of a gradient; 0 = none", low=0)
    seed: int = option(0, help="of weights, samples and dropout", low=0, high=2**53)
    best_metric_name: str = option(
        "epe", help="what the best checkpoint is the best by", choices=tuple(MODES)
    )
    checkpoint_seconds: float = option(
        30.0, help="seconds between checkpoints; 0 writes one at every step", low=0
    )


@attrs.frozen(kw_only=True)
class LensConfig:
    """A run."""

    model: ModelConfig = attrs.field(factory=ModelConfig)
    loss: LossConfig = attrs.field(factory=LossConfig)
    data: DataConfig = attrs.field(factory=DataConfig)
    train: TrainConfig = attrs.field(factory=TrainConfig)
    optimizer: OptimizerConfig = attrs.field(factory=OptimizerConfig)
    scheduler: SchedulerConfig = attrs.field(factory=SchedulerConfig)
    proxy: ProxyConfig = attrs.field(factory=ProxyConfig)

    def __attrs_post_init__(self) -> None:
        """Refuse stages and losses that do not belong together."""
        loss, train = self.loss, self.train
        if not self.uses_flow:
            wrong = [name for name in REGULAR if getattr(loss, name)]
            if wrong:
                raise UsageError(f"loss.{wrong[0]} is for a flow, which {train.stage} has not; set it to 0")
        if not self.data.known and not loss.compares_pictures:
            raise UsageError(
                "pairs and loaders have no known lenses: give a picture loss a weight, such as "
                "loss.edge_weight=0.4"
            )
        if train.best_metric_name.endswith("score") and not self.proxy.module:
            raise UsageError(f"train.best_metric_name = {train.best_metric_name} needs proxy.module")
        if self.proxy.fullres_images and not (self.data.pairs and self.proxy.module):
            raise UsageError("proxy.fullres_images needs data.pairs and proxy.module")
        if train.best_metric_name == "fullres_score" and not self.proxy.fullres_images:
            raise UsageError("train.best_metric_name = fullres_score needs proxy.fullres_images")
        if train.best_metric_name.startswith("epe") and not self.data.known:
            raise UsageError(
                "without known lenses there is no epe: set train.best_metric_name to total or score, "
                "or add the recipe pairs"
            )

    @property
    def uses_flow(self) -> bool:
        """Whether the stage has a flow."""
        return self.train.stage != STAGES[0]

    @property
    def steps(self) -> int:
        """The number of steps of the run."""
        return self.train.epochs * self.train.steps_per_epoch


def load(
    layers: Iterable[str | PathLike[str] | Mapping[str, Any] | Labelled] = (),
    overrides: Iterable[str] = (),
    *,
    env: Mapping[str, str] | None = None,
) -> Resolved[LensConfig]:
    """Resolve a configuration: defaults, files, recipes, variables, overrides; raises ``ConfigError``."""
    return resolve(
        LensConfig,
        layers=layers,
        overrides=overrides,
        env=env,
        prefix=PREFIX,
        recipes=CONFIGS,
    )


def default_init(config: LensConfig, runs: Path = Path("runs")) -> Path | None:
    """Return the run whose network a stage begins with by default; ``None`` for stage 1."""
    index = STAGES.index(config.train.stage)
    return None if index == 0 else runs / STAGES[index - 1]
