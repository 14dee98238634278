"""A configuration in layers, for any schema.

A schema is an attrs class whose fields are values declared with
:func:`lior.config.options.option`, attrs classes nested to any depth, and plugins
declared with :func:`plugin_option`; each has a default::

    @attrs.frozen(kw_only=True)
    class Training:
        lr: float = option(5e-4, help="step size", low=0)

    @attrs.frozen(kw_only=True)
    class RunConfig:
        training: Training = attrs.field(factory=Training)
        potential: Component = plugin_option("box", help="the potential", key="type")

    config, origins = resolve(RunConfig, layers=["run.json"], prefix="RITZ_", overrides=["training.lr=0.01"])

A value comes from the highest layer that sets it: the schema's default, the
tables and files, environment variables, overrides. Where each came from is
kept, and all problems are reported at once. What fields of one class must be
together is checked by its ``__attrs_post_init__``, which raises ``UsageError``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping
from os import PathLike
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from lior.config.assembly import assemble, problem
from lior.config.layers import (
    Entry,
    Layer,
    Override,
    Variable,
    as_spelled,
    as_text,
    environment_layer,
    flatten,
    merge,
    nest,
    override_layer,
    table_layer,
    variable,
)
from lior.config.recipes import describe, shipped
from lior.config.recipes import read as read_recipe
from lior.config.sections import (
    Component,
    Components,
    Key,
    Section,
    as_table,
    chosen,
    keys,
    plugin_option,
    sections,
)
from lior.config.values import Text, TypedField, check_table, conform, typed_fields
from lior.errors import ConfigError, PluginError, UsageError
from lior.plugins.registry import Registry

__all__ = [
    "Component",
    "Components",
    "Key",
    "Labelled",
    "Override",
    "Resolved",
    "TypedField",
    "build",
    "check_components",
    "describe",
    "keys",
    "plugin_option",
    "read",
    "resolve",
    "shipped",
    "to_table",
    "to_toml",
    "typed_fields",
    "values",
    "variable",
]

S = TypeVar("S")
Given: TypeAlias = "str | PathLike[str] | Mapping[str, Any]"
"""A table, or a file or shipped recipe with one."""


class Labelled(NamedTuple):
    """A layer, and what its values say they are from."""

    given: Given
    origin: str


class Resolved(NamedTuple, Generic[S]):
    """A configuration and where its values came from."""

    config: S
    origins: dict[str, str]
    """Dotted key -> ``default``, the origin of a layer, the environment variable or the flag."""


def resolve(
    schema: type[S],
    *,
    layers: Iterable[Given | Labelled] = (),
    env: Mapping[str, str] | None = None,
    prefix: str = "",
    reserved: Collection[str] = (),
    overrides: Iterable[str | Override] = (),
    recipes: str = "",
    registry: Registry | None = None,
    components: bool = True,
) -> Resolved[S]:
    """Resolve a configuration from its layers.

    When a layer chooses another plugin, the options that lower layers gave to
    the old one are dropped. A text in place of a plugin's table is short for
    its name.

    Parameters
    ----------
    schema
        The attrs class of the configuration.
    layers
        The lowest first: tables (of which ``description`` is left out if it
        is no key), or what :func:`read` reads. Their values are from
        ``table``, ``file PATH`` or ``recipe NAME``, unless a
        :class:`Labelled` layer says otherwise.
    env
        Variables; those of the process if not given.
    prefix
        Of the variables that set keys: with ``RITZ_``, ``RITZ_TRAINING__LR``
        sets ``training.lr``. Capitals in keys do not count. Without a prefix
        no variable is read.
    reserved
        Variables with the prefix that set no key.
    overrides
        ``"key=value"`` or :class:`Override`; the last of a key counts.
    recipes
        Package with shipped recipes; without it every text is a path.
    registry
        Where plugins are found.
    components
        Whether to import them from ``registry`` and check their options
        (:func:`check_components`). Options from variables are spelled as the
        plugin's only then.

    Raises
    ------
    ConfigError
        With all problems of all layers; if files cannot be read, with theirs.
    """
    found = list(sections(schema))
    stack = [_defaults(schema), *_read(schema, layers, recipes, found)]
    environ = (os.environ if env is None else env) if prefix else {}
    variables, unknown = environment_layer(environ, prefix, schema, found, reserved)
    flags, malformed = override_layer(overrides, found)
    merged = merge([*stack, variables, flags], found)
    checked = registry if components else None
    if checked is not None:
        for section in found:
            _type_options(merged, section, checked)
    config, faults = assemble(schema, merged, registry)
    origins = {".".join(path): entry.origin for path, entry in merged.items()}
    problems = [*unknown, *malformed, *faults]
    if checked is not None:
        problems += check_components(config, checked, origins)
    if problems:
        raise ConfigError(problems)
    return Resolved(config, origins)


def read(recipe: str | PathLike[str], recipes: str = "") -> dict[str, Any]:
    """The table in a TOML or JSON file, or in a shipped recipe of the package ``recipes``.

    A file is JSON when its name ends in ``.json``, else TOML; a byte order
    mark is passed over. What is ``null`` in JSON is as if it were not there.

    Raises
    ------
    ConfigError
        If there is no such file or recipe, or it cannot be read.
    """
    return read_recipe(recipe, recipes)


def values(config: Any, *, changed: bool = False) -> dict[str, Any]:
    """All values of ``config`` by dotted key, or those that are not the schema's defaults."""
    return {".".join(path): entry.value for path, entry in _shown(config, changed).items()}


def to_table(config: Any, *, changed: bool = False) -> dict[str, Any]:
    """``config`` as nested tables, whole or without the schema's defaults; :func:`resolve` gives it back."""
    return nest({path: entry.value for path, entry in _shown(config, changed).items()})


def to_toml(config: Any, *, changed: bool = False) -> str:
    """``config`` as TOML, whole or without the schema's defaults; :func:`resolve` gives it back."""
    import tomli_w

    # TOML has no null: an option that is None is left to its default.
    given = {p: entry.value for p, entry in _shown(config, changed).items() if entry.value is not None}
    return tomli_w.dumps(nest(given))


def check_components(config: Any, registry: Registry, origins: Mapping[str, str] | None = None) -> list[str]:
    """Import the plugins that ``config`` chooses and check the options given to them.

    Parameters
    ----------
    config
        An instance of any schema.
    registry
        Where the plugins are found.
    origins
        Of the values, as in :class:`Resolved`, for the messages.

    Returns
    -------
    list of str
        One sentence for each problem; empty when :func:`build` will work.
    """
    origins = origins or {}
    problems: list[str] = []
    for section, path, component in chosen(config):
        try:
            cls = registry.get(section.kind, component.name)
        except PluginError as error:
            key = ".".join(section.chosen)
            problems.append(f"{key} (from {origins.get(key, 'code')}): {error}")
            continue
        given, faults = check_table(cls, component.options)
        for fault in faults:
            here = (*path, fault.name)
            entry = Entry(component.options.get(fault.name), origins.get(".".join(here), "code"))
            problems.append(problem(here, entry, fault.message))
        if not faults:
            problems += _construction(cls, given, ".".join(path))
    return problems


def build(kind: str, component: Component, registry: Registry) -> Any:
    """The plugin that ``component`` describes.

    Raises
    ------
    PluginError
        If there is no such plugin or it is broken.
    UsageError
        If an option is unknown or out of range.
    """
    cls = registry.get(kind, component.name)
    given, faults = check_table(cls, component.options)
    if faults:
        raise ConfigError([f"{kind} {component.name!r}: {fault.name}: {fault.message}" for fault in faults])
    return cls(**given)


def _defaults(schema: type) -> Layer:
    return _layer(schema())


def _layer(config: Any) -> Layer:
    """``config`` as the lowest layer."""
    return {path: Entry(value, "default") for path, value in flatten(as_table(config))}


def _shown(config: Any, changed: bool) -> Layer:
    defaults = _defaults(type(config)) if changed else {}
    return {path: entry for path, entry in _layer(config).items() if defaults.get(path) != entry}


def _read(
    schema: type, layers: Iterable[Given | Labelled], recipes: str, found: Iterable[Section]
) -> list[Layer]:
    """The layers that tables and files make."""
    read_layers: list[Layer] = []
    problems: list[str] = []
    for given, origin in (_labelled(layer, recipes) for layer in layers):
        try:
            table = given if isinstance(given, Mapping) else read(given, recipes)
        except ConfigError as error:
            problems += error.problems
            continue
        layer = table_layer(table, origin, found)
        if "description" not in typed_fields(schema):
            layer.pop(("description",), None)
        read_layers.append(layer)
    if problems:
        raise ConfigError(problems)
    return read_layers


def _labelled(layer: Given | Labelled, recipes: str) -> Labelled:
    if isinstance(layer, Labelled):
        return layer
    if isinstance(layer, Mapping):
        return Labelled(layer, "table")
    return Labelled(layer, f"{'recipe' if str(layer) in shipped(recipes) else 'file'} {layer}")


def _type_options(merged: Layer, section: Section, registry: Registry) -> None:
    """Read options of ``section`` that came as text as their plugin types them: ``0`` may be a formula.

    Those from variables get the capitals that the plugin gives them.
    """
    at = len(section.path) + section.several
    for path, entry in list(merged.items()):
        if not isinstance(entry.value, Text) or path[: len(section.path)] != section.path:
            continue
        if path == section.chosen or len(path) <= at:
            continue
        try:
            plugin = path[at - 1] if section.several else as_text(merged[section.chosen])
            fields = typed_fields(registry.get(section.kind, plugin))
        except PluginError:  # check_components says so
            continue
        name = as_spelled(path[at], fields) if isinstance(entry.value, Variable) else path[at]
        if len(path) == at + 1 and name in fields:
            with contextlib.suppress(TypeError):  # check_components says so
                entry = entry._replace(value=conform(entry.value, fields[name].hint))
        if name == path[at]:
            merged[path] = entry
        else:
            del merged[path]
            merged.setdefault((*path[:at], name, *path[at + 1 :]), entry)


def _construction(cls: type, given: Mapping[str, Any], prefix: str) -> list[str]:
    """What the constructor says about options that are right one by one."""
    try:
        cls(**given)
    except (UsageError, TypeError, ValueError) as error:
        return [f"{prefix}: {error}"]
    return []
