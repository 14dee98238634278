"""The configuration of a training run, resolved from its layers.

A value comes from the highest layer that sets it: the schema's default, a
recipe (a TOML file), ``LIOR_*`` environment variables, overrides (flags and
``--set``). Where each came from is kept, and all problems are reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

from lior.config import layered
from lior.config.layered import Labelled, Override, Resolved
from lior.config.layers import PREFIX
from lior.config.recipes import PACKAGE
from lior.config.schema import (
    Component,
    TrainConfig,
)
from lior.plugins.discovery import VARIABLES
from lior.plugins.registry import registry


def load(
    recipe: str | PathLike[str] | Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    overrides: Iterable[str | Override] = (),
    *,
    components: bool = False,
) -> Resolved[TrainConfig]:
    """Resolve a configuration from its layers.

    When a layer chooses another plugin, the options that lower layers gave to
    the old one are dropped.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, path of a TOML file, or a table.
    env
        Variables; those of the process if not given.
    overrides
        ``"key=value"`` or :class:`Override`; the last of a key counts.
    components
        Also import the plugins and check their options (:func:`check_components`).

    Raises
    ------
    ConfigError
        With all problems of all layers.
    """
    origin = "recipe" if isinstance(recipe, Mapping) else f"recipe {recipe}"
    return layered.resolve(
        TrainConfig,
        layers=[] if recipe is None else [Labelled(recipe, origin)],
        env=env,
        prefix=PREFIX,
        reserved=VARIABLES,
        overrides=overrides,
        recipes=PACKAGE,
        registry=registry,
        components=components,
    )


def check_components(config: TrainConfig, origins: Mapping[str, str] | None = None) -> list[str]:
    """Import the plugins that ``config`` chooses and check the options given to them.

    Parameters
    ----------
    origins
        Of the values, as in :class:`Resolved`, for the messages.

    Returns
    -------
    list of str
        One sentence for each problem; empty when :func:`build` will work.
    """
    return layered.check_components(config, registry, origins)


def build(kind: str, component: Component) -> Any:
    """The plugin that ``component`` describes.

    Raises
    ------
    PluginError
        If there is no such plugin or it is broken.
    UsageError
        If an option is unknown or out of range.
    """
    return layered.build(kind, component, registry)


def headline(config: TrainConfig) -> str:
    """One line on a training run, for its log."""
    return f"seed {config.seed}, text {', '.join(config.data.text) or 'embedded corpus'}"
