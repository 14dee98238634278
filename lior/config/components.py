"""Schemas: attrs classes in attrs classes, some of whose fields choose plugins.

This module does not know the schema of a particular system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias, TypeVar

import attrs

from lior.config.options import TypedField, option, typed_fields
from lior.plugins.registry import registry

S = TypeVar("S")
Path: TypeAlias = "tuple[str, ...]"
"""Keys from the outermost table inwards; not dotted, as a key may contain a dot."""


def device_option(default: str, *, help: str) -> Any:
    """Return an attrs field that chooses a device: ``auto``, or a plugin of the kind ``device``."""
    return option(default, help=help, choices=lambda: ("auto", *registry.names("device")))


@attrs.frozen(kw_only=True)
class Component:
    """A chosen plugin: its name, its options, and the plugin itself."""

    name: str
    options: dict[str, Any] = attrs.field(factory=dict)
    """The given options, by name."""
    plugin: Any = attrs.field(default=None, eq=False, repr=False)
    """The instance; ``None`` in a configuration that was resolved without a registry."""

    @property
    def all_options(self) -> dict[str, Any]:
        """Return the instance's options, including defaults; for an instance without fields, the given
        ones."""
        if not attrs.has(type(self.plugin)):
            return self.options
        return options_of(self.plugin)


@attrs.frozen(kw_only=True)
class Components:
    """One or several chosen plugins of a kind, in the given order."""

    components: tuple[Component, ...]

    @property
    def name(self) -> str:
        """Names, comma-separated."""
        return ",".join(self.names)

    @property
    def names(self) -> list[str]:
        """Names of the plugins."""
        return [component.name for component in self.components]

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Options by the name of the plugin, for plugins with options."""
        return {component.name: component.options for component in self.components if component.options}


def options_of(plugin: Any) -> dict[str, Any]:
    """Return the constructor's arguments of an instance of an attrs class, by name."""
    return {
        str(field.alias): getattr(plugin, field.name) for field in attrs.fields(type(plugin)) if field.init
    }


def plugin_option(
    default: str, *, help: str, kind: str = "", key: str = "name", several: bool = False
) -> Any:
    """Return an attrs field that chooses plugins.

    Parameters
    ----------
    default
        Name of the plugin; several are comma-separated.
    help
        One line, without a full stop.
    kind
        Kind of plugin; by default the name of the field.
    key
        Key of the table that holds the name, beside the plugin's options.
    several
        Whether several plugins may be chosen: the field's type is then :class:`Components`, and
        :class:`Component` otherwise.
    """
    chosen = tuple(Component(name=name) for name in split_names(default))
    metadata = {"help": help, "kind": kind, "key": key}
    return attrs.field(default=Components(components=chosen) if several else chosen[0], metadata=metadata)


class Key(NamedTuple):
    """A key of a schema: a value, or the name of plugins."""

    path: Path
    help: str
    default: Any
    allowed: str
    """The allowed values, in words."""
    choices: tuple[str, ...] = ()
    kind: str = ""
    """Kind of plugin that the key chooses, or empty."""
    several: bool = False
    """Whether the key takes several plugins, comma-separated, each with a table of options."""

    @property
    def dotted(self) -> str:
        """The key as in ``--set`` and in messages."""
        return ".".join(self.path)

    @property
    def table(self) -> Path:
        """Path of the table that holds the key; for a plugin's key, the table with its options."""
        return self.path[:-1]


def schema_keys(schema: type) -> Iterator[Key]:
    """Yield every key of a schema in file order, except options of plugins."""
    return _keys(schema(), ())


def _keys(defaults: Any, path: Path) -> Iterator[Key]:
    for name, typed in typed_fields(type(defaults)).items():
        value, here, metadata = getattr(defaults, name), (*path, name), typed.field.metadata
        if chooses(typed.hint):
            yield plugin_key(here, typed, value)
        elif attrs.has(typed.hint):
            yield from _keys(value, here)
        else:
            yield Key(here, metadata.get("help", ""), value, typed.allowed, typed.choices)


def plugin_key(table: Path, typed: TypedField, default: Component | Components) -> Key:
    """Return the key that holds the name, in the table of a field that chooses plugins."""
    metadata, several = typed.field.metadata, isinstance(default, Components)
    allowed = "plugins, comma-separated" if several else "a plugin"
    kind = metadata["kind"] or typed.field.name
    return Key((*table, metadata["key"]), metadata["help"], default.name, allowed, (), kind, several)


def plugin_keys(schema: type) -> list[Key]:
    """Return the keys of a schema that choose plugins."""
    return [key for key in schema_keys(schema) if key.kind]


def chooses(hint: Any) -> bool:
    """Return whether a field of this type chooses plugins."""
    return hint in (Component, Components)


def replace(config: S, change: Callable[[str, Component], Component]) -> S:
    """Return ``config`` with each chosen plugin replaced by ``change(kind, component)``."""
    changes: dict[str, Any] = {}
    for name, typed in typed_fields(type(config)).items():
        value = getattr(config, name)
        kind = typed.field.metadata.get("kind") or name
        if isinstance(value, Component):
            changes[name] = change(kind, value)
        elif isinstance(value, Components):
            changes[name] = Components(components=tuple(change(kind, each) for each in value.components))
        elif attrs.has(type(value)):
            changes[name] = replace(value, change)
    return attrs.evolve(config, **changes)  # type: ignore[misc]


def without_instances(config: S) -> S:
    """Return ``config`` for another training, with new memories and tokenizers, since these store what they
    read."""
    return replace(config, lambda _, component: attrs.evolve(component, plugin=None))


def as_table(config: Any) -> dict[str, Any]:
    """Return ``config`` as complete nested tables, with the options of a plugin beside its name."""
    table: dict[str, Any] = {}
    for name, typed in typed_fields(type(config)).items():
        value = getattr(config, name)
        if isinstance(value, Component | Components):
            table[name] = {typed.field.metadata["key"]: value.name, **value.options}
        else:
            table[name] = as_table(value) if attrs.has(type(value)) else value
    return table


def split_names(names: str) -> list[str]:
    """Return names of a comma-separated list.

    >>> split_names("sdm, exact")
    ['sdm', 'exact']
    """
    return [name.strip() for name in names.split(",")]
