"""Configuration: layers of values (recipes, environment, flags) become one checked object.

The names below configure a training run of lior. There are five public modules.
:mod:`~lior.config.resolving` does the same for the schema of any other system.
:mod:`~lior.config.components` has fields that choose plugins, and :mod:`~lior.config.options` has fields
with help and a checked range. :mod:`~lior.config.recipes` reads files, and :mod:`~lior.config.sampling` has
the options of drawing tokens.
"""

from lior.config.components import Component, Components, Key, split_names, without_instances
from lior.config.resolving import (
    Override,
    Resolved,
    flatten,
    to_toml,
    values,
    variable,
)
from lior.config.schema import (
    GEOMETRY,
    GEOMETRY_KEYS,
    PREFIX,
    GeometryConfig,
    MixerConfig,
    TrainConfig,
    build,
    headline,
    keys,
    load,
    load_chosen,
    with_instances,
)

__all__ = [
    "GEOMETRY",
    "GEOMETRY_KEYS",
    "PREFIX",
    "Component",
    "Components",
    "GeometryConfig",
    "Key",
    "MixerConfig",
    "Override",
    "Resolved",
    "TrainConfig",
    "build",
    "components",
    "flatten",
    "headline",
    "keys",
    "load",
    "load_chosen",
    "options",
    "recipes",
    "resolving",
    "sampling",
    "schema",
    "split_names",
    "to_toml",
    "values",
    "variable",
    "with_instances",
    "without_instances",
]
