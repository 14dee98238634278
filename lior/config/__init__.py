"""Configuration: layers of values (recipes, environment, flags) become one checked object.

The names below are what others need for a training run of lior; :mod:`lior.config.layered` does the same for
any schema, with :mod:`lior.config.options` for the fields of plugins.
"""

from lior.config.layered import Labelled, Override, Resolved, to_toml, values
from lior.config.loading import build, check_components, headline, load
from lior.config.schema import (
    Component,
    DataConfig,
    GeometryConfig,
    Key,
    MemoryConfig,
    MixerConfig,
    TrainConfig,
    keys,
)
from lior.config.sections import split_names

__all__ = [
    "Component",
    "DataConfig",
    "GeometryConfig",
    "Key",
    "Labelled",
    "MemoryConfig",
    "MixerConfig",
    "Override",
    "Resolved",
    "TrainConfig",
    "build",
    "check_components",
    "headline",
    "keys",
    "load",
    "split_names",
    "to_toml",
    "values",
]
