"""Layers of a configuration: flat tables of values that remember where each came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from lior._discovery import VARIABLES
from lior._suggest import did_you_mean, sentences
from lior._values import Text
from lior.errors import UsageError

PREFIX = "LIOR_"
"""Of the environment variables that belong to lior."""

Path: TypeAlias = "tuple[str, ...]"
"""Keys from the outermost table inwards; not dotted, as a key may contain a dot."""


class Entry(NamedTuple):
    """A value and where it came from."""

    value: Any
    origin: str


Layer: TypeAlias = "dict[Path, Entry]"


class Override(NamedTuple):
    """A value from the command line or from code: ``key`` is dotted, as in ``geometry.steps``, or a path."""

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
            raise UsageError(f"{origin} {text!r}: write it as key=value, such as geometry.steps=100.")
        return cls(key.strip(), Text(value.strip()), origin)


def variable(path: Path) -> str:
    """The environment variable of a key.

    >>> variable(("memory", "exact", "capacity"))
    'LIOR_MEMORY__EXACT__CAPACITY'
    """
    return PREFIX + "__".join(path).upper()


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


def recipe_layer(table: Mapping[str, Any], origin: str, plugins: Iterable[str]) -> Layer:
    """The values of a recipe; ``frame = "x"`` is short for ``frame.name = "x"``."""
    items = ((path, value) for path, value in flatten(table) if path != ("description",))
    return {_whole(path, plugins): Entry(value, origin) for path, value in items}


def environment_layer(
    environ: Mapping[str, str], sections: Iterable[str], plugins: Iterable[str]
) -> tuple[Layer, list[str]]:
    """The values in ``LIOR_*`` variables, and a problem for each that means nothing."""
    layer: Layer = {}
    problems: list[str] = []
    known = [*(variable((section,)) for section in sections), *VARIABLES]
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in VARIABLES:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if path[0] not in sections:
            hint = did_you_mean(name, known)
            problems.append(sentences(f"{name}: not a variable of lior.", hint, "Unset or correct it."))
            continue
        layer[_whole(path, plugins)] = Entry(Text(environ[name]), name)
    return layer, problems


def override_layer(overrides: Iterable[str | Override], plugins: Iterable[str]) -> tuple[Layer, list[str]]:
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
        layer[_whole(path, plugins)] = Entry(override.value, override.origin)
    return layer, problems


def _whole(path: Path, plugins: Iterable[str]) -> Path:
    return (*path, "name") if len(path) == 1 and path[0] in plugins else path
