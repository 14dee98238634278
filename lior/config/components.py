"""Schemas: attrs classes in attrs classes, some of whose fields choose plugins.

Nothing here knows the schema of a particular system.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import attrs

from lior.config.options import TypedField, typed_fields

Path: TypeAlias = "tuple[str, ...]"
"""Keys from the outermost table inwards; not dotted, as a key may contain a dot."""


@attrs.frozen(kw_only=True)
class Component:
    """A plugin chosen by name, and its options by name."""

    name: str
    options: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Components:
    """One or several plugins of a kind, and the options of each."""

    name: str
    """Names, comma-separated."""
    options: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """Name of a plugin -> its options by name."""

    @property
    def names(self) -> list[str]:
        """Names of the plugins, in the order given."""
        return split_names(self.name)

    @property
    def components(self) -> tuple[Component, ...]:
        """The plugins, in the order given."""
        return tuple(Component(name=name, options=self.options.get(name, {})) for name in self.names)


def plugin_option(
    default: str, *, help: str, kind: str = "", key: str = "name", several: bool = False
) -> Any:
    """An attrs field that chooses plugins.

    Parameters
    ----------
    default
        Name of the plugin; several are comma-separated.
    help
        One line, without a full stop.
    kind
        Kind of plugin; the name of the field if not given.
    key
        Key of the table that holds the name; the plugin's options stand beside it.
    several
        Whether several plugins may be chosen: the field's type is then :class:`Components`, and
        :class:`Component` otherwise.
    """
    cls = Components if several else Component
    metadata = {"help": help, "kind": kind, "key": key}
    return attrs.field(factory=lambda: cls(name=default), metadata=metadata)


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
        """Path of the table that holds the key; of a plugin's key: where its options stand."""
        return self.path[:-1]


def keys(schema: type) -> Iterator[Key]:
    """Every key of a schema except the options of plugins, in the order of a file."""
    return _keys(schema(), ())


def _keys(defaults: Any, path: Path) -> Iterator[Key]:
    for name, typed in typed_fields(type(defaults)).items():
        value, here, metadata = getattr(defaults, name), (*path, name), typed.field.metadata
        if chooses(typed.hint):
            yield plugin_key(here, typed, value)
        elif attrs.has(typed.hint):
            yield from _keys(value, here)
        else:
            choices = tuple(metadata.get("choices") or ())
            yield Key(here, metadata.get("help", ""), value, typed.allowed, choices)


def plugin_key(table: Path, typed: TypedField, default: Component | Components) -> Key:
    """The key that holds the name, in the table of a field that chooses plugins."""
    metadata, several = typed.field.metadata, isinstance(default, Components)
    allowed = "plugins, comma-separated" if several else "a plugin"
    kind = metadata["kind"] or typed.field.name
    return Key((*table, metadata["key"]), metadata["help"], default.name, allowed, (), kind, several)


def plugin_keys(schema: type) -> list[Key]:
    """The keys of a schema that choose plugins."""
    return [key for key in keys(schema) if key.kind]


def chooses(hint: Any) -> bool:
    """Whether a field of this type chooses plugins."""
    return hint in (Component, Components)


def chosen(config: Any) -> Iterator[tuple[Key, Path, Component]]:
    """The components that ``config`` chooses, each with its key and the path of its options."""
    for key in plugin_keys(type(config)):
        value = attrgetter(".".join(key.table))(config)
        if isinstance(value, Components):
            yield from ((key, (*key.table, one.name), one) for one in value.components)
        else:
            yield key, key.table, value


def as_table(config: Any) -> dict[str, Any]:
    """``config`` as nested tables, whole, with the options of a plugin beside its name."""
    table: dict[str, Any] = {}
    for name, typed in typed_fields(type(config)).items():
        value = getattr(config, name)
        if isinstance(value, Component | Components):
            table[name] = {typed.field.metadata["key"]: value.name, **value.options}
        else:
            table[name] = as_table(value) if attrs.has(type(value)) else value
    return table


def split_names(names: str) -> list[str]:
    """Names of a comma-separated list.

    >>> split_names("sdm, exact")
    ['sdm', 'exact']
    """
    return [name.strip() for name in names.split(",")]
