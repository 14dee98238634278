"""The schema of a configuration: attrs classes in attrs classes, some of which choose plugins.

Nothing here knows the schema of a particular system.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import attrs

from lior.config.values import TypedField, typed_fields

Path: TypeAlias = "tuple[str, ...]"
"""Keys from the outermost table inwards; not dotted, as a key may contain a dot."""

_SELECTOR = "name"


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
    default: str,
    *,
    help: str,
    kind: str = "",
    key: str = _SELECTOR,
    section: type[Component] | type[Components] = Component,
) -> Any:
    """An attrs field that chooses a plugin, annotated with ``section``.

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
    section
        ``Component`` for one plugin, ``Components`` for several, or a subclass.
    """
    metadata = {"help": help, "kind": kind, "key": key}
    return attrs.field(factory=lambda: section(name=default), metadata=metadata)


class Section(NamedTuple):
    """A table of the schema that chooses plugins."""

    path: Path
    kind: str
    selector: str
    """Key that holds the name."""
    several: bool
    """Whether it takes several, comma-separated, each with a table of options."""
    help: str

    @property
    def chosen(self) -> Path:
        """Path of the key that holds the name."""
        return (*self.path, self.selector)


class Key(NamedTuple):
    """One key of the schema."""

    path: Path
    help: str
    default: Any
    allowed: str
    kind: str
    """Kind of plugin that the key chooses, or empty."""
    several: bool
    """Whether the key takes several plugins, comma-separated."""
    choices: tuple[str, ...]

    @property
    def dotted(self) -> str:
        """As in ``--set`` and in messages."""
        return ".".join(self.path)


def chooses(hint: Any) -> bool:
    """Whether a field of this type chooses plugins."""
    return isinstance(hint, type) and issubclass(hint, Component | Components)


def section(name: str, typed: TypedField, path: Path = ()) -> Section:
    """What the field ``name`` of the table at ``path`` says of the plugins that it chooses."""
    metadata = typed.field.metadata
    return Section(
        path=(*path, name),
        kind=metadata.get("kind") or name,
        selector=metadata.get("key", _SELECTOR),
        several=issubclass(typed.hint, Components),
        help=metadata.get("help", ""),
    )


def sections(schema: type, path: Path = ()) -> Iterator[Section]:
    """The tables of a schema that choose plugins, at any depth."""
    for name, typed in typed_fields(schema).items():
        if chooses(typed.hint):
            yield section(name, typed, path)
        elif attrs.has(typed.hint):
            yield from sections(typed.hint, (*path, name))


def chosen(config: Any) -> Iterator[tuple[Section, Path, Component]]:
    """The components that ``config`` chooses, each with its section and the path of its options."""
    for part in sections(type(config)):
        value = attrgetter(".".join(part.path))(config)
        if isinstance(value, Components):
            yield from ((part, (*part.path, one.name), one) for one in value.components)
        else:
            yield part, part.path, value


def as_table(config: Any) -> dict[str, Any]:
    """``config`` as nested tables, whole, with the options of a plugin beside its name."""
    table: dict[str, Any] = {}
    for name, typed in typed_fields(type(config)).items():
        value = getattr(config, name)
        if isinstance(value, Component | Components):
            table[name] = {section(name, typed).selector: value.name, **value.options}
        else:
            table[name] = as_table(value) if attrs.has(type(value)) else value
    return table


def keys(schema: type) -> Iterator[Key]:
    """Every key of a schema but the options of plugins, in the order of a file."""
    return _keys(schema(), ())


def _keys(defaults: Any, path: Path) -> Iterator[Key]:
    for name, typed in typed_fields(type(defaults)).items():
        value, here = getattr(defaults, name), (*path, name)
        if chooses(typed.hint):
            part = section(name, typed, path)
            allowed = "plugins, comma-separated" if part.several else "a plugin"
            yield Key(part.chosen, part.help, value.name, allowed, part.kind, part.several, ())
        elif attrs.has(typed.hint):
            yield from _keys(value, here)
        else:
            metadata = typed.field.metadata
            choices = tuple(metadata.get("choices") or ())
            yield Key(here, metadata.get("help", ""), value, typed.allowed, "", False, choices)


def split_names(names: str) -> list[str]:
    """Names of a comma-separated list.

    >>> split_names("sdm, exact")
    ['sdm', 'exact']
    """
    return [name.strip() for name in names.split(",")]
