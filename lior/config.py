"""The configuration of a training run, resolved from its layers.

A value comes from the highest layer that sets it: the schema's default, a
recipe (a TOML file), ``LIOR_*`` environment variables, overrides (flags and
``--set``). Where each came from is kept, and all problems are reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from os import PathLike
from reprlib import Repr
from typing import Any, NamedTuple

import attrs

from lior import _recipes
from lior._layers import (
    Entry,
    Layer,
    Override,
    environment_layer,
    flatten,
    nest,
    override_layer,
    recipe_layer,
)
from lior._registry import registry
from lior._schema import (
    Component,
    DataConfig,
    GeometryConfig,
    Key,
    MemoryConfig,
    MixerConfig,
    TrainConfig,
    keys,
    plugin_sections,
    split_names,
)
from lior._suggest import did_you_mean, sentences
from lior._values import Text, check_table, conform, parse, typed_fields
from lior.errors import ConfigError, PluginError, UsageError

__all__ = [
    "Component",
    "DataConfig",
    "GeometryConfig",
    "Key",
    "MemoryConfig",
    "MixerConfig",
    "Override",
    "Resolved",
    "TrainConfig",
    "build",
    "check_components",
    "keys",
    "load",
    "to_toml",
    "values",
]

_short = Repr()
_short.maxstring = _short.maxother = 60  # a message is one line, whatever the value


class Resolved(NamedTuple):
    """A configuration and where its values came from."""

    config: TrainConfig
    origins: dict[str, str]
    """Dotted key -> ``default``, ``recipe NAME``, the environment variable or the flag."""


def load(
    recipe: str | PathLike[str] | Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    overrides: Iterable[str | Override] = (),
    *,
    components: bool = False,
) -> Resolved:
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
    plugins = plugin_sections()
    layers = [_layer(TrainConfig())]
    if recipe is not None:
        table = recipe if isinstance(recipe, Mapping) else _recipes.read(recipe)
        origin = "recipe" if isinstance(recipe, Mapping) else f"recipe {recipe}"
        layers.append(recipe_layer(table, origin, plugins))
    environ = os.environ if env is None else env
    variables, unknown = environment_layer(environ, attrs.fields_dict(TrainConfig), plugins)
    flags, malformed = override_layer(overrides, plugins)
    merged = _merge([*layers, variables, flags])
    config, faults = _assemble(merged)
    origins = {".".join(path): entry.origin for path, entry in merged.items()}
    problems = [*unknown, *malformed, *faults]
    if components:
        problems += check_components(config, origins)
    if problems:
        raise ConfigError(problems)
    return Resolved(config, origins)


def values(config: TrainConfig, *, changed: bool = False) -> dict[str, Any]:
    """All values of ``config`` by dotted key, or those that are not the schema's defaults."""
    return {".".join(path): entry.value for path, entry in _shown(config, changed).items()}


def to_toml(config: TrainConfig, *, changed: bool = False) -> str:
    """``config`` as a recipe, whole or without the schema's defaults; ``load`` gives it back."""
    import tomli_w

    # TOML has no null: an option that is None is left to its default.
    given = {p: entry.value for p, entry in _shown(config, changed).items() if entry.value is not None}
    return tomli_w.dumps(nest(given))


def _shown(config: TrainConfig, changed: bool) -> Layer:
    defaults = _layer(TrainConfig()) if changed else {}
    return {path: entry for path, entry in _layer(config).items() if defaults.get(path) != entry}


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
    origins = origins or {}
    problems: list[str] = []
    for kind, prefix, component in _components(config):
        try:
            cls = registry.get(kind, component.name)
        except PluginError as error:
            key = f"{kind}.name"
            problems.append(f"{key} (from {origins.get(key, 'code')}): {error}")
            continue
        values, faults = check_table(cls, component.options)
        for fault in faults:
            key = f"{prefix}.{fault.name}"
            entry = Entry(component.options.get(fault.name), origins.get(key, "code"))
            problems.append(_problem(key, entry, fault.message))
        if not faults:
            problems += _construction(cls, values, prefix)
    return problems


def build(kind: str, component: Component) -> Any:
    """The plugin that ``component`` describes.

    Raises
    ------
    PluginError
        If there is no such plugin or it is broken.
    UsageError
        If an option is unknown or out of range.
    """
    cls = registry.get(kind, component.name)
    values, faults = check_table(cls, component.options)
    if faults:
        raise ConfigError([f"{kind} {component.name!r}: {fault.name}: {fault.message}" for fault in faults])
    return cls(**values)


def _components(config: TrainConfig) -> list[tuple[str, str, Component]]:
    """Kind, dotted prefix of the options, and component, for all that ``config`` chooses."""
    found: list[tuple[str, str, Component]] = []
    for kind in plugin_sections():
        section = getattr(config, kind)
        if isinstance(section, MemoryConfig):
            found += [(kind, f"{kind}.{part.name}", part) for part in section.components]
        else:
            found.append((kind, kind, section))
    return found


def _construction(cls: type, values: Mapping[str, Any], prefix: str) -> list[str]:
    """What the constructor says about options that are right one by one."""
    try:
        cls(**values)
    except (UsageError, TypeError, ValueError) as error:
        return [f"{prefix}: {error}"]
    return []


def _layer(config: TrainConfig) -> Layer:
    """``config`` as the lowest layer."""
    table: dict[str, Any] = {}
    for name, value in attrs.asdict(config, recurse=False).items():
        if isinstance(value, Component | MemoryConfig):
            table[name] = {"name": value.name, **value.options}
        else:
            table[name] = attrs.asdict(value) if attrs.has(type(value)) else value
    return {path: Entry(value, "default") for path, value in flatten(table)}


def _merge(layers: Iterable[Layer]) -> Layer:
    """Lay ``layers`` over one another, the lowest first."""
    merged: Layer = {}
    for layer in layers:
        for section, cls in plugin_sections().items():
            if (section, "name") in layer and (section, "name") in merged:
                old = _text(merged[section, "name"])
                new = split_names(_text(layer[section, "name"]))
                for path in [p for p in merged if p[0] == section and p[1] != "name"]:
                    owner = path[1] if cls is MemoryConfig else old
                    if owner not in new:
                        del merged[path]
        merged.update(layer)
    return merged


def _assemble(entries: Layer) -> tuple[TrainConfig, list[str]]:
    """The configuration that ``entries`` describe, with defaults in place of what is wrong."""
    fields = typed_fields(TrainConfig)
    sections: dict[str, Layer] = {name: {} for name, typed in fields.items() if attrs.has(typed.hint)}
    scalars: Layer = {}
    problems: list[str] = []
    for path, entry in entries.items():
        if fault := _misplaced(path, fields, sections):
            problems.append(_problem(".".join(path), entry, fault))
        elif len(path) == 1:
            scalars[path] = entry
        else:
            sections[path[0]][path[1:]] = entry
    values, faults = _checked(TrainConfig, scalars, "")
    problems += faults
    for name, layer in sections.items():
        cls = fields[name].hint
        read = {Component: _component, MemoryConfig: _memory}.get(cls)
        values[name], faults = read(layer, name) if read else _section(cls, layer, name)
        problems += faults
    return TrainConfig(**values), problems


def _misplaced(path: tuple[str, ...], fields: Iterable[str], sections: Iterable[str]) -> str:
    """Why ``path`` cannot be in a configuration, or an empty string."""
    head = path[0]
    if head not in fields:
        return sentences("unknown key.", did_you_mean(head, fields), f"Known: {', '.join(fields)}.")
    if head in sections and len(path) == 1:
        return f"this is a table; set the keys in it, such as {head}.<key>"
    if head not in sections and len(path) > 1:
        return f"{head} is a single value, not a table"
    return ""


def _section(cls: type, layer: Layer, prefix: str) -> tuple[Any, list[str]]:
    values, problems = _checked(cls, layer, f"{prefix}.")
    return cls(**values), problems


def _checked(cls: type, layer: Layer, prefix: str) -> tuple[dict[str, Any], list[str]]:
    """The values of ``layer`` that fit ``cls``, and a problem for each other."""
    entries = {".".join(path): entry for path, entry in layer.items()}
    values, faults = check_table(cls, {name: entry.value for name, entry in entries.items()})
    return values, [_problem(prefix + f.name, entries[f.name], f.message) for f in faults]


def _component(layer: Layer, kind: str) -> tuple[Component, list[str]]:
    name, problems = _name(layer, kind)
    return Component(name=name, options=_options(layer)), problems


def _memory(layer: Layer, kind: str) -> tuple[MemoryConfig, list[str]]:
    name, problems = _name(layer, kind)
    names = split_names(name)
    if len(set(names)) < len(names) or "" in names:
        fault = "allowed are different names, comma-separated"
        problems.append(_problem(f"{kind}.name", layer["name",], fault))
    options = {path: entry for path, entry in layer.items() if path != ("name",)}
    for path, entry in list(options.items()):
        if len(path) < 2 or path[0] not in names:
            del options[path]
            message = sentences(
                f"say whose option it is: {kind}.<name>.<option>.",
                did_you_mean(path[0], names),
                f"{kind}.name is {name!r}.",
            )
            problems.append(_problem(".".join((kind, *path)), entry, message))
    return MemoryConfig(name=name, options=_options(options)), problems


def _name(layer: Layer, kind: str) -> tuple[str, list[str]]:
    """The plugin that a section chooses."""
    entry = layer["name",]
    if isinstance(entry.value, str) and (name := _text(entry).strip()):
        return name, []
    fault = f"allowed is a name that `lior plugins --kind {kind}` lists"
    return getattr(TrainConfig(), kind).name, [_problem(f"{kind}.name", entry, fault)]


def _text(entry: Entry) -> str:
    return str(conform(entry.value, str)) if isinstance(entry.value, str) else repr(entry.value)


def _options(layer: Layer) -> dict[str, Any]:
    """Options of plugins: nested, and text read as TOML, for their types are not known yet."""
    values = ((path, entry.value) for path, entry in layer.items() if path != ("name",))
    return nest({path: parse(value) if isinstance(value, Text) else value for path, value in values})


def _problem(key: str, entry: Entry, message: str) -> str:
    return f"{key} = {_short.repr(entry.value)} (from {entry.origin}): {message}"
