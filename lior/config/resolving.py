"""Resolve a configuration of any schema from layers: defaults, files, variables, overrides.

A schema is an attrs class whose fields are values declared with :func:`lior.config.options.option`, attrs
classes nested to any depth, and plugins declared with :func:`lior.config.components.plugin_option`; each has
a default::

    @attrs.frozen(kw_only=True)
    class Training:
        lr: float = option(5e-4, help="step size", low=0)

    @attrs.frozen(kw_only=True)
    class RunConfig:
        training: Training = attrs.field(factory=Training)
        potential: Component = plugin_option("box", help="the potential", key="type")

    config, origins = resolve(RunConfig, layers=["run.json"], prefix="RITZ_", overrides=["training.lr=0.01"])

:func:`resolve` goes one way. Defaults, tables and files, environment variables and overrides each become a
layer: values by path, each with its origin. The layers are merged, a later one over the ones before. The
merged layer is assembled to an object of the schema, with an instance of each plugin that it chooses. All
problems are reported at once. A class checks its fields against one another in ``__attrs_post_init__``,
which raises ``UsageError``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from os import PathLike
from reprlib import Repr
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import attrs

from lior.config.components import (
    Component,
    Components,
    Key,
    Path,
    as_table,
    chooses,
    options_of,
    plugin_key,
    plugin_keys,
    schema_keys,
    split_names,
)
from lior.config.options import RawText, TypedField, check_table, conform, parse, typed_fields
from lior.config.recipes import list_shipped, read_recipe
from lior.errors import ConfigError, PluginError, UsageError, did_you_mean, sentences
from lior.plugins.registry import Registry
from lior.plugins.trust import opening

S = TypeVar("S")
Given: TypeAlias = "str | PathLike[str] | Mapping[str, Any]"
"""A table, or a file or shipped recipe with a table."""

_short = Repr()
_short.maxstring = _short.maxother = 60  # a message is one line, for any value


class Labelled(NamedTuple):
    """A layer of values and the name of their origin in messages."""

    given: Given
    origin: str


class Override(NamedTuple):
    """A value from the command line or from code: ``key`` is dotted, as in ``data.holdout``, or a path."""

    key: str | Path
    value: Any
    origin: str = "--set"

    @classmethod
    def parse(cls, text: str, origin: str = "--set") -> Override:
        """Read ``key=value``; the value will be read as TOML if that gives the key's type.

        Raises
        ------
        UsageError
            If there is no ``=`` or no key.
        """
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{origin} {text!r}: write it as key=value, such as seed=1.")
        return cls(key.strip(), RawText(value.strip()), origin)


class Resolved(NamedTuple, Generic[S]):
    """A configuration and the origins of its values."""

    config: S
    origins: dict[str, str]
    """Origin of each dotted key: ``default``, a layer, an environment variable or a flag."""


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
) -> Resolved[S]:
    """Resolve a configuration from its layers.

    If a layer chooses another plugin, the options that lower layers gave to the old one are dropped. A text
    in place of a plugin's table is short for its name.

    Parameters
    ----------
    schema
        The attrs class of the configuration.
    layers
        The lowest first: tables (whose ``description`` is left out if it is not a key), or files and recipes
        as :func:`read` takes them. The origin of their values is ``table``, ``file PATH`` or ``recipe NAME``,
        unless a :class:`Labelled` layer says otherwise.
    env
        Environment variables; by default those of the process.
    prefix
        Beginning of the variables that set keys, as :func:`variable` names them; without it no variable
        sets one. The option of a plugin is spelled in capitals if the plugin spells it in small letters,
        and otherwise as the plugin spells it: ``RITZ_POTENTIAL__A`` and ``RITZ_POTENTIAL__barrier_meV``.
    reserved
        Variables with the prefix that set no key.
    overrides
        ``"key=value"`` or :class:`Override`; the last one of a key counts. A plugin may be given as an
        instance of an attrs class, which is then used itself; several plugins as a list.
    recipes
        Package with shipped recipes; without it every text is a path.
    registry
        Registry in which plugins are found: each chosen plugin is imported, its options are checked, and
        its instance is in the configuration. Without a registry none of this is done.

    Raises
    ------
    ConfigError
        With all problems of all layers, or of files that cannot be read.
    """
    plugins = plugin_keys(schema)
    tables = _table_layers(schema, layers, recipes, plugins)
    environ = (os.environ if env is None else env) if prefix else {}
    variables, unknown = _variable_layer(schema, environ, prefix, reserved, plugins)
    flags, malformed = _override_layer(overrides, plugins, registry)
    merged = _merge([_layer(schema()), *tables, variables, flags], plugins)
    config, faults = _assemble(schema, merged, registry)
    if problems := [*unknown, *malformed, *faults]:
        raise ConfigError(problems)
    return Resolved(config, {".".join(path): entry.origin for path, entry in merged.items()})


def values(config: Any, *, changed: bool = False) -> dict[str, Any]:
    """Return all values of ``config`` by dotted key, or those that are not the schema's defaults."""
    return {".".join(path): value for path, value in _show(config, changed)}


def to_table(config: Any, *, changed: bool = False) -> dict[str, Any]:
    """Return ``config`` as nested tables, complete or without defaults; :func:`resolve` inverts it."""
    return _nest(_show(config, changed))


def to_toml(config: Any, *, changed: bool = False) -> str:
    """Return ``config`` as TOML, complete or without defaults; :func:`resolve` inverts it."""
    import tomli_w

    # TOML has no null: an option that is None keeps its default.
    return tomli_w.dumps(_nest(item for item in _show(config, changed) if item[1] is not None))


def _show(config: Any, changed: bool) -> Iterator[tuple[Path, Any]]:
    defaults = _layer(type(config)()) if changed else {}
    return ((path, entry.value) for path, entry in _layer(config).items() if defaults.get(path) != entry)


# --- layers -----------------------------------------------------------------


class Entry(NamedTuple):
    """A value and its origin."""

    value: Any
    origin: str
    instances: Mapping[str, Any] = MappingProxyType({})
    """The plugins that were given as instances, by name; only for a key that chooses plugins."""
    file: str = ""
    """The file that has the value; a class that it names is imported with the user's permission only."""


Layer: TypeAlias = "dict[Path, Entry]"


def flatten(table: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the values of nested tables by path."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flatten(value, (*path, key))
        else:
            yield (*path, key), value


def _nest(values: Iterable[tuple[Path, Any]]) -> dict[str, Any]:
    """Return nested tables from values by path: the inverse of :func:`flatten`."""
    table: dict[str, Any] = {}
    for path, value in values:
        inner = table
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
    return table


def _layer(config: Any) -> Layer:
    """Return ``config`` as the lowest layer."""
    return {path: Entry(value, "default") for path, value in flatten(as_table(config))}


def _table_layers(
    schema: type, layers: Iterable[Given | Labelled], recipes: str, plugins: Sequence[Key]
) -> list[Layer]:
    """Return the layers of tables and files."""
    found: list[Layer] = []
    problems: list[str] = []
    for given, origin in (_label(layer, recipes) for layer in layers):
        try:
            table = given if isinstance(given, Mapping) else read_recipe(given, recipes)
        except ConfigError as error:
            problems += error.problems
            continue
        file = "" if isinstance(given, Mapping) else str(given)
        layer = {_whole(path, plugins): Entry(value, origin, file=file) for path, value in flatten(table)}
        if "description" not in typed_fields(schema):
            layer.pop(("description",), None)
        found.append(layer)
    if problems:
        raise ConfigError(problems)
    return found


def _label(layer: Given | Labelled, recipes: str) -> Labelled:
    if isinstance(layer, Labelled):
        return layer
    if isinstance(layer, Mapping):
        return Labelled(layer, "table")
    return Labelled(layer, f"{'recipe' if str(layer) in list_shipped(recipes) else 'file'} {layer}")


def _whole(path: Path, plugins: Iterable[Key]) -> Path:
    """Return the full path of a key: ``frame`` is short for ``frame.name`` if it chooses plugins."""
    return next((key.path for key in plugins if key.table == path), path)


def variable(path: Path, prefix: str) -> str:
    """Return the environment variable of a key: its path in capitals.

    >>> variable(("memory", "exact", "capacity"), "LIOR_")
    'LIOR_MEMORY__EXACT__CAPACITY'
    """
    return prefix + "__".join(path).upper()


def _variable_layer(
    schema: type, environ: Mapping[str, str], prefix: str, reserved: Collection[str], plugins: Sequence[Key]
) -> tuple[Layer, list[str]]:
    """Return the values of environment variables, and a problem for each that sets nothing."""
    known = {variable(key.path, prefix): key.path for key in schema_keys(schema)}
    known |= {variable(key.table, prefix): key.path for key in plugins}
    tables = {f"{variable(key.table, prefix)}__": key.table for key in plugins}
    layer: Layer = {}
    problems: list[str] = []
    for name in sorted(environ):
        if not name.startswith(prefix) or name in reserved:
            continue
        if name in known:
            layer[known[name]] = Entry(RawText(environ[name]), name)
        elif start := next(filter(name.startswith, tables), ""):
            words = name.removeprefix(start).split("__")
            option = (word.lower() if word.isupper() else word for word in words)
            layer[(*tables[start], *option)] = Entry(RawText(environ[name]), name)
        else:
            hint = did_you_mean(name, [*known, *reserved])
            owner = prefix.rstrip("_").lower()
            problems.append(sentences(f"{name}: not a variable of {owner}.", hint, "Unset or correct it."))
    return layer, problems


def _override_layer(
    overrides: Iterable[str | Override], plugins: Sequence[Key], registry: Registry | None
) -> tuple[Layer, list[str]]:
    """Return the values of overrides (the last of a key counts), and a problem for each malformed one."""
    layer: Layer = {}
    problems: list[str] = []
    for item in overrides:
        try:
            override = Override.parse(item) if isinstance(item, str) else item
        except UsageError as error:
            problems.append(str(error))
            continue
        path = tuple(override.key.split(".")) if isinstance(override.key, str) else override.key
        path = _whole(path, plugins)
        key = next((key for key in plugins if key.path == path), None)
        layer |= _entries(path, override, key, registry)
    return layer, problems


def _entries(path: Path, override: Override, key: Key | None, registry: Registry | None) -> Layer:
    """Return an override as entries; a plugin given as an instance becomes its name and its options."""
    value, origin = override.value, override.origin
    several = key is not None and key.several and isinstance(value, list | tuple)
    if key is None or not (several or attrs.has(type(value))):
        return {path: Entry(value, origin)}
    layer: Layer = {}
    instances: dict[str, Any] = {}
    names: list[str] = []
    for part in value if several else [value]:
        if not attrs.has(type(part)):
            names.append(str(part))
            continue
        cls = type(part)
        name = registry.name(key.kind, cls) if registry else f"{cls.__module__}:{cls.__qualname__}"
        names.append(name)
        instances[name] = part
        table = (*key.table, name) if key.several else key.table
        layer |= {(*table, option): Entry(given, origin) for option, given in options_of(part).items()}
    return {path: Entry(",".join(names), origin, instances), **layer}


# --- merging ----------------------------------------------------------------


def _merge(layers: Iterable[Layer], plugins: Sequence[Key]) -> Layer:
    """Lay ``layers`` over one another, the lowest first."""
    merged: Layer = {}
    for layer in layers:
        for key in plugins:
            if key.path in layer and key.path in merged:
                _drop_options_of_others(merged, key, _as_name(layer[key.path]))
        merged |= layer
    return merged


def _drop_options_of_others(merged: Layer, key: Key, names: str) -> None:
    """Drop the options of plugins that ``key`` chose before and that are not among ``names``."""
    new, old, depth = split_names(names), _as_name(merged[key.path]), len(key.table)
    for path in [p for p in merged if p[:depth] == key.table and p != key.path]:
        owner = path[depth] if key.several else old
        if owner not in new:
            del merged[path]


def _as_name(entry: Entry) -> str:
    """Return the name of the plugin that a value gives."""
    return str(conform(entry.value, str)) if isinstance(entry.value, str) else repr(entry.value)


# --- assembly ---------------------------------------------------------------


def _assemble(
    schema: type, layer: Layer, registry: Registry | None, path: Path = ()
) -> tuple[Any, list[str]]:
    """Return the ``schema``, at ``path``, that ``layer`` describes, and a sentence for every fault.

    Defaults replace invalid values. ``layer`` has a value for every key of the schema, and its paths begin
    at ``path``; ``registry`` has the names of plugins for the messages.
    """
    fields = typed_fields(schema)
    tables: dict[str, Layer] = {name: {} for name, typed in fields.items() if attrs.has(typed.hint)}
    scalars: dict[str, Entry] = {}
    problems: list[str] = []
    for inner, entry in layer.items():
        if fault := _misplaced(inner, fields, tables, path):
            problems.append(_problem((*path, *inner), entry, fault))
        elif len(inner) == 1:
            scalars[inner[0]] = entry
        else:
            tables[inner[0]][inner[1:]] = entry
    values, faults = check_table(schema, {name: entry.value for name, entry in scalars.items()})
    problems += [_problem((*path, f.name), scalars[f.name], f.message) for f in faults if f.name in scalars]
    for name, part in tables.items():
        if chooses(fields[name].hint):
            default = getattr(schema(), name)
            key = plugin_key((*path, name), fields[name], default)
            values[name], found = _plugins(part, key, default, registry)
        else:
            values[name], found = _assemble(fields[name].hint, part, registry, (*path, name))
        problems += found
    try:
        return schema(**values), problems
    except (UsageError, TypeError, ValueError) as error:
        # A valid value may not fit the default that replaces an invalid one; only the invalid one is
        # reported.
        at = ".".join(path)
        return schema(), problems or [f"{at}: {error}" if at else str(error)]


def _problem(path: Path, entry: Entry, message: str) -> str:
    """Return one line on an invalid value: key, value and origin, and the allowed values."""
    return f"{'.'.join(path)} = {_short.repr(entry.value)} (from {entry.origin}): {message}"


def _misplaced(inner: Path, fields: Mapping[str, TypedField], tables: Mapping[str, Layer], path: Path) -> str:
    """Return why ``inner`` cannot be in the table at ``path``, or an empty string."""
    head = inner[0]
    dotted = ".".join((*path, head))
    if head not in fields:
        known = f"Known: {', '.join(fields)}."
        return sentences(f"unknown {'option' if path else 'key'}.", did_you_mean(head, fields), known)
    if head in tables and len(inner) == 1:
        return f"this is a table; set the keys in it, such as {dotted}.<key>"
    if head not in tables and len(inner) > 1:
        return f"{dotted} is a single value, not a table"
    return ""


def _plugins(
    layer: Layer, key: Key, default: Component | Components, registry: Registry | None
) -> tuple[Component | Components, list[str]]:
    """Return the plugins that ``key`` chooses, with their options."""
    options = dict(layer)
    entry = options.pop(key.path[-1:])
    name = str(conform(entry.value, str)).strip() if isinstance(entry.value, str) else ""
    problems: list[str] = []
    if not name:
        allowed = registry.allowed(key.kind) if registry else f"the name of a {key.kind} plugin"
        problems.append(_problem(key.path, entry, f"allowed is {allowed}"))
        name = default.name
    if key.several:
        problems += _several(name, options, key, entry)
    problems += _clashes(options, key)
    if not key.several:
        return _component(name, options, key, key.table, entry, registry, problems), problems
    parts = {each: {p[1:]: e for p, e in options.items() if p[0] == each} for each in split_names(name)}
    components = (
        _component(each, own, key, (*key.table, each), entry, registry, problems)
        for each, own in parts.items()
    )
    return Components(components=tuple(components)), problems


def _component(
    name: str,
    layer: Layer,
    key: Key,
    table: Path,
    chosen: Entry,
    registry: Registry | None,
    problems: list[str],
) -> Component:
    """Return a plugin with its instance, if there is a registry; faults are added to ``problems``.

    Text is read by the type of the plugin's option, or as TOML if the type is unknown.
    """
    cls = None
    if registry is not None:
        try:
            with opening(chosen.file) if chosen.file else nullcontext():
                cls = registry.get(key.kind, name)
        except PluginError as error:
            problems.append(f"{key.dotted} (from {chosen.origin}): {error}")
    types = {} if cls is None else typed_fields(cls)
    options = _nest((path, _read(path, entry.value, types)) for path, entry in layer.items())
    if cls is None or name in chosen.instances:
        return Component(name=name, options=options, plugin=chosen.instances.get(name))
    given, faults = check_table(cls, options)
    for fault in faults:
        origin = layer[fault.name,].origin if (fault.name,) in layer else "default"
        entry = Entry(options.get(fault.name), origin)
        problems.append(_problem((*table, fault.name), entry, fault.message))
    if not faults:
        try:  # options that are valid one by one may contradict one another
            return Component(name=name, options=options, plugin=cls(**given))
        except (UsageError, TypeError, ValueError) as error:
            problems.append(f"{'.'.join(table)}: {error}")
    return Component(name=name, options=options)


def _read(path: Path, value: Any, types: Mapping[str, TypedField]) -> Any:
    """Return the value of an option; ``types`` are the types of the options, ``0`` may be a formula."""
    if not isinstance(value, RawText):
        return value
    if len(path) == 1 and path[0] in types:
        with suppress(TypeError):  # it is reported with the allowed values
            return conform(value, types[path[0]].hint)
    return parse(value)


def _several(names: str, options: Layer, key: Key, chosen: Entry) -> list[str]:
    """Return faults in the names of several plugins, and in options of no plugin, which are removed."""
    known, problems = split_names(names), []
    if len(set(known)) < len(known) or "" in known:
        problems.append(_problem(key.path, chosen, "allowed are different names, comma-separated"))
    for path, entry in list(options.items()):
        if len(path) < 2 or path[0] not in known:
            del options[path]
            message = sentences(
                f"name the plugin that the option belongs to: {'.'.join(key.table)}.<name>.<option>.",
                did_you_mean(path[0], known),
                f"{key.dotted} is {names!r}.",
            )
            problems.append(_problem((*key.table, *path), entry, message))
    return problems


def _clashes(options: Layer, key: Key) -> list[str]:
    """Return options that one layer sets as a value and another as a table; the tables are removed."""
    problems = []
    for path, entry in list(options.items()):
        if outer := next((path[:n] for n in range(1, len(path)) if path[:n] in options), None):
            del options[path]
            message = f"{'.'.join((*key.table, *outer))} is a single value, not a table"
            problems.append(_problem((*key.table, *path), entry, message))
    return problems


def build_plugin(kind: str, component: Component, registry: Registry) -> Any:
    """Return the instance of ``component``, or a new one if it has none yet.

    Raises
    ------
    PluginError
        If there is no such plugin or it is broken.
    UsageError
        If an option is unknown or out of range.
    """
    if component.plugin is not None:
        return component.plugin
    cls = registry.get(kind, component.name)
    given, faults = check_table(cls, component.options)
    if faults:
        raise ConfigError([f"{kind} {component.name!r}: {fault.name}: {fault.message}" for fault in faults])
    return cls(**given)
