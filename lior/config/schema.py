"""The configuration of a training run: the keys, their defaults, help texts and allowed values.

A field added to a class below becomes a key of recipes, an environment variable, an override and a line of
``docs/cli.md``. In :class:`TrainConfig` and :class:`DataConfig` it also becomes a flag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

import attrs

from lior.config import recipes, resolving
from lior.config.components import Component, Components, Key, device_option, plugin_option, replace
from lior.config.components import schema_keys as keys_of
from lior.config.options import option
from lior.config.resolving import Labelled, Override, Resolved
from lior.errors import UsageError
from lior.plugins.discovery import VARIABLES
from lior.plugins.kinds import KINDS
from lior.plugins.registry import registry

PREFIX = "LIOR_"
"""Prefix of the environment variables of lior."""


@attrs.frozen(kw_only=True)
class DataConfig:
    """The text that a run reads."""

    text: tuple[str, ...] = option((), help="files or folders to learn from; none: the Python reference")
    valid: str = option("", help="text to validate on, instead of a held-out part")
    holdout: float = option(
        0.1, help="share of every document, or kind of file, to validate on", low=0, high=0.5
    )
    after_validation: str = option(
        "learn",
        help="learn: the memories take in the held-out text after it was scored; keep: it stays out of them",
        choices=("learn", "keep"),
    )
    field: str = option("text", help="field of a JSON Lines record that holds the text")
    limit: int = option(
        2**31, help="largest size of a text, unpacked, in bytes; a larger one is refused", low=1
    )


@attrs.frozen(kw_only=True)
class GeometryConfig:
    """Settings of learning the metric."""

    updates: int = option(100, help="updates of the metric", low=0)
    patience: int = option(
        0,
        help="end after so many checks of the calibration loss, one each twelfth of the updates, without a "
        "lower one; 0 = never",
        low=0,
    )
    batch: int = option(256, help="queries in an update", low=1)
    keys: int = option(
        8192,
        help="memory items that a query is compared with in an update; 0 = the whole memory, for a GPU",
        low=0,
    )
    near: int = option(
        0, help="nearest items of each query that every update includes; 0 = a uniform sample only", low=0
    )
    group: int = option(
        16, help="queries of an update that are close in the memory and share their nearest items", low=1
    )
    refresh: int = option(100, help="updates between searches for the nearest items", low=1)
    exclude: int = option(64, help="positions around a query whose items it is not compared with", low=1)
    noise: float = option(
        0.0, help="share of the letters and digits that are wrong in the contexts of queries", low=0, high=0.9
    )
    smoothing: float = option(
        0.02, help="probability of a token that is not in the memory", low=1e-6, high=0.5
    )
    keep: str = option(
        "always",
        help="gain: drop the geometry if it gains nothing, over a random and over none, in calibration",
        choices=("always", "gain"),
    )
    resilience_at: str = option(
        "query", help="point whose resilience scales a cost", choices=("query", "item", "both")
    )

    def __attrs_post_init__(self) -> None:
        if self.near and not self.keys:
            raise UsageError(
                f"near = {self.near} with keys = 0: the whole memory has the nearest items already; set near "
                "to 0, or keys to a number of items"
            )


@attrs.frozen(kw_only=True)
class MixerConfig:
    """Settings of weighing the experts of the memories."""

    calibration: float = option(
        0.1111, help="share of the training text, at its end, that the mixer is fitted on", low=0, high=0.9
    )
    passes: int = option(2, help="passes over each block of the calibration split", low=0)
    batch: int = option(128, help="positions in an update", low=1)
    learning_rate: float = option(0.0015, help="step size", low=0)
    cells: int = option(64, help="cells of the geometric gate; 0 turns it off", low=0)
    positions: int = option(
        65536, help="positions of the calibration split that are used, for each expert; 0 = all", low=0
    )


@attrs.frozen(kw_only=True)
class FitConfig:
    """Settings of fitted memories that learn from the training text."""

    passes: int = option(
        1, help="readings of the training text, each from an empty memory; 0 only counts it", low=0
    )
    folds: int = option(
        4,
        help="parts of the training text, on each of which a memory of the others is fitted; 0 is none",
        low=0,
        high=64,
    )
    calibration_passes: int = option(
        2, help="readings of the calibration split by an unchanged memory, for static use", low=0
    )
    noise_passes: int = option(
        2, help="readings of the calibration split with errors in half of it, for unseen contexts", low=0
    )

    def __attrs_post_init__(self) -> None:
        if self.folds == 1:
            raise UsageError("folds = 1: no other part is left to read it; allowed is 0, or 2 to 64")


@attrs.frozen(kw_only=True)
class CheckpointConfig:
    """Settings of when checkpoints are written, and which are kept."""

    seconds: float = option(
        60.0, help="seconds between checkpoints while training; 0 writes the first and the last", low=0
    )
    last: int = option(1, help="number of the newest checkpoints that are kept", low=1)
    every: int = option(0, help="keep every n-th checkpoint as well; 0 keeps no others", low=0)


@attrs.frozen(kw_only=True)
class TrainConfig:
    """A training run. A field that chooses plugins has the name of their kind."""

    seed: int = option(0, help="seed of all randomness", low=0, high=2**63 - 1)
    device: str = device_option("auto", help="device of the tensors; sdm counts and reads batches there")
    time_limit: float = option(0.0, help="seconds after which training ends; 0 is no limit", low=0)
    memory_budget: int = option(
        0,
        help="bytes that a memory with a budget may take; rare and old contexts go first; 0 is no limit",
        low=0,
    )
    data: DataConfig = attrs.field(factory=DataConfig)
    tokenizer: Component = plugin_option("bytes", help=KINDS["tokenizer"].help)
    encoder: Component = plugin_option("lags", help=KINDS["encoder"].help)
    frame: Component = plugin_option("lowrank", help=KINDS["frame"].help)
    rsource: Component = plugin_option("constitutive", help=KINDS["rsource"].help)
    product: Component = plugin_option("tensor", help=KINDS["product"].help)
    updater: Component = plugin_option("contrastive", help=KINDS["updater"].help)
    memory: Components = plugin_option("sdm", help=KINDS["memory"].help, several=True)
    geometry: GeometryConfig = attrs.field(factory=GeometryConfig)
    fit: FitConfig = attrs.field(factory=FitConfig)
    mixer: MixerConfig = attrs.field(factory=MixerConfig)
    checkpoint: CheckpointConfig = attrs.field(factory=CheckpointConfig)


GEOMETRY = "geometry"
"""The recipe in which all parts of the geometry act on predictions."""

GEOMETRY_KEYS = (
    *(f"{kind}." for kind in ("encoder", "frame", "rsource", "product", "updater", "geometry")),
    "mixer.cells",
    "memory.sdm.cells",
)
"""Prefixes of the keys that count only if a memory uses the geometry."""


def keys() -> Iterator[Key]:
    """Yield every key of the schema in recipe order, except options of plugins."""
    return keys_of(TrainConfig)


def load(
    recipe: str | PathLike[str] | Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    overrides: Iterable[str | Override] = (),
    *,
    components: bool = False,
) -> Resolved[TrainConfig]:
    """Resolve the configuration of a training run, as :func:`lior.config.resolving.resolve` does.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, path of a TOML or JSON file, or a table.
    env
        Environment variables; by default those of the process.
    overrides
        ``"key=value"`` or :class:`Override`; the last of a key counts.
    components
        Also import the plugins, check their options and build an instance of each.

    Raises
    ------
    ConfigError
        With all problems of all layers.
    """
    origin = "recipe" if isinstance(recipe, Mapping) else f"recipe {recipe}"
    return resolving.resolve(
        TrainConfig,
        layers=[] if recipe is None else [Labelled(recipe, origin)],
        env=env,
        prefix=PREFIX,
        reserved=VARIABLES,
        overrides=overrides,
        recipes=recipes.PACKAGE,
        registry=registry if components else None,
    )


def load_chosen(recipe: str | None = None, overrides: Iterable[str | Override] = ()) -> Resolved[TrainConfig]:
    """Resolve the configuration of a requested training, with its plugins; otherwise as :func:`load`.

    A user who names a part of the geometry, and neither a recipe nor a memory, gets the recipe
    :data:`GEOMETRY`: the default memory does not use it.
    """
    overrides = list(overrides)
    resolved = load(recipe, overrides=overrides, components=True)
    given = [key for key, origin in resolved.origins.items() if origin != "default" and recipe is None]
    chosen = any(key.startswith(GEOMETRY_KEYS) for key in given)
    if chosen and not any(key.startswith("memory.") for key in given):
        return load(GEOMETRY, overrides=overrides, components=True)
    return resolved


def build(kind: str, component: Component) -> Any:
    """Return the plugin of ``component``, as :func:`lior.config.resolving.build_plugin` does for lior's."""
    return resolving.build_plugin(kind, component, registry)


def with_instances(config: TrainConfig) -> TrainConfig:
    """Return ``config`` with an instance of each plugin that it chooses; existing instances stay.

    Raises as :func:`build`.
    """
    return replace(config, lambda kind, each: attrs.evolve(each, plugin=build(kind, each)))


def headline(config: TrainConfig) -> str:
    """Return one line on a training run, for its log."""
    return f"seed {config.seed}, text {', '.join(config.data.text) or 'embedded corpus'}"
