"""Layers of a configuration: flat tables of values that remember where each came from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import attrs

from lior.config.sections import Path, Section, chooses, split_names
from lior.config.values import Text, conform, typed_fields
from lior.errors import UsageError, did_you_mean, sentences

PREFIX = "LIOR_"
"""Of the environment variables that belong to lior."""


class Entry(NamedTuple):
    """A value and where it came from."""

    value: Any
    origin: str


Layer: TypeAlias = "dict[Path, Entry]"


class Variable(Text):
    """The text of an environment variable, whose name does not tell which letters of its key are capitals."""


class Override(NamedTuple):
    """A value from the command line or from code: ``key`` is dotted (``geometry.updates``) or a path."""

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
            raise UsageError(f"{origin} {text!r}: write it as key=value, such as geometry.updates=100.")
        return cls(key.strip(), Text(value.strip()), origin)


def variable(path: Path, prefix: str = PREFIX) -> str:
    """The environment variable of a key.

    >>> variable(("memory", "exact", "capacity"))
    'LIOR_MEMORY__EXACT__CAPACITY'
    """
    return prefix + "__".join(path).upper()


def flatten(table: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values of nested tables by path."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flatten(value, (*path, key))
        else:
            yield (*path, key), value


def nest(values: Mapping[Path, Any]) -> dict[str, Any]:
    """The nested tables that :func:`flatten` takes apart."""
    table: dict[str, Any] = {}
    for path, value in values.items():
        inner = table
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
    return table


def table_layer(table: Mapping[str, Any], origin: str, sections: Iterable[Section]) -> Layer:
    """The values of a table; ``frame = "x"`` is short for ``frame.name = "x"``."""
    return {_whole(path, sections): Entry(value, origin) for path, value in flatten(table)}


def environment_layer(
    environ: Mapping[str, str],
    prefix: str,
    schema: type,
    sections: Iterable[Section],
    reserved: Collection[str] = (),
) -> tuple[Layer, list[str]]:
    """The values in variables with ``prefix``, and a problem for each that means nothing.

    ``reserved`` are variables with the prefix that mean something else.
    """
    layer: Layer = {}
    problems: list[str] = []
    fields = typed_fields(schema)
    known = [*(variable((name,), prefix) for name in fields), *reserved]
    for name in sorted(environ):
        if not name.startswith(prefix) or name in reserved:
            continue
        path = _as_in_schema(tuple(name.removeprefix(prefix).lower().split("__")), schema)
        if path[0] not in fields:
            owner, hint = prefix.rstrip("_").lower(), did_you_mean(name, known)
            problems.append(sentences(f"{name}: not a variable of {owner}.", hint, "Unset or correct it."))
            continue
        layer[_whole(path, sections)] = Entry(Variable(environ[name]), name)
    return layer, problems


def override_layer(
    overrides: Iterable[str | Override], sections: Iterable[Section]
) -> tuple[Layer, list[str]]:
    """The values of overrides (the last of a key counts), and a problem for each that is malformed."""
    layer: Layer = {}
    problems: list[str] = []
    for item in overrides:
        try:
            override = Override.parse(item) if isinstance(item, str) else item
        except UsageError as error:
            problems.append(str(error))
            continue
        path = tuple(override.key.split(".")) if isinstance(override.key, str) else override.key
        layer[_whole(path, sections)] = Entry(override.value, override.origin)
    return layer, problems


def merge(layers: Iterable[Layer], sections: Iterable[Section]) -> Layer:
    """Lay ``layers`` over one another, the lowest first."""
    merged: Layer = {}
    for layer in layers:
        for section in sections:
            if section.chosen in layer and section.chosen in merged:
                _drop_options_of_others(merged, section, as_text(layer[section.chosen]))
        for path, entry in layer.items():
            merged[_as_merged(path, merged) if isinstance(entry.value, Variable) else path] = entry
    return merged


def _drop_options_of_others(merged: Layer, section: Section, names: str) -> None:
    """Forget the options that were given to plugins of ``section`` that are not chosen any longer."""
    new, old, depth = split_names(names), as_text(merged[section.chosen]), len(section.path)
    for path in [p for p in merged if p[:depth] == section.path and p != section.chosen]:
        owner = path[depth] if section.several else old
        if owner not in new:
            del merged[path]


def as_text(entry: Entry) -> str:
    """A value as the name of a plugin."""
    return str(conform(entry.value, str)) if isinstance(entry.value, str) else repr(entry.value)


def as_spelled(word: str, known: Iterable[str]) -> str:
    """The one of ``known`` that ``word`` is but for capitals; itself if there is none.

    >>> as_spelled("barrier_mev", ["a", "barrier_meV"])
    'barrier_meV'
    """
    names = list(known)
    return word if word in names else next((name for name in names if name.lower() == word), word)


def _as_in_schema(path: Path, schema: Any) -> Path:
    """``path``, of a variable, as the schema spells it, as far as that says."""
    if not path or chooses(schema) or not attrs.has(schema):
        return path
    fields = typed_fields(schema)
    name = as_spelled(path[0], fields)
    return (name, *_as_in_schema(path[1:], fields[name].hint if name in fields else None))


def _as_merged(path: Path, merged: Layer) -> Path:
    """``path``, of a variable, as lower layers spell it: options of plugins are not in the schema."""
    same = (known for known in merged if tuple(map(str.lower, known)) == tuple(map(str.lower, path)))
    return path if path in merged else next(same, path)


def _whole(path: Path, sections: Iterable[Section]) -> Path:
    return next((section.chosen for section in sections if section.path == path), path)
