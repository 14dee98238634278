"""Strict typing of configuration values, from the type hints of attrs fields.

A whole number passes for a number; nothing else is converted: a truth value is
no number, a number is no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import attrs

from lior.config.options import allowed
from lior.errors import UsageError, did_you_mean, sentences

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}

_TABLES = (dict, Mapping)


class Text(str):
    """A value that came as text (from the environment or the command line) and may be TOML."""


class Fault(NamedTuple):
    """What is wrong with one value of a table."""

    name: str
    message: str


class TypedField(NamedTuple):
    """An attrs field with its resolved type."""

    field: attrs.Attribute[Any]
    hint: Any

    @property
    def allowed(self) -> str:
        """What values the field admits, in words."""
        words, limits = in_words(self.hint), allowed(self.field)
        return words if limits == "any value" else limits.replace("a number", words, 1)


def typed_fields(cls: type) -> dict[str, TypedField]:
    """The constructor's fields of an attrs class by name; empty for any other class."""
    if not attrs.has(cls):
        return {}
    try:
        hints = get_type_hints(cls)
    except Exception:  # a foreign class may have hints that do not resolve; the defaults tell the types
        hints = {}
    return {
        field.name: TypedField(field, hints.get(field.name, _type_of(field.default)))
        for field in attrs.fields(cls)
        if field.init
    }


def in_words(hint: Any) -> str:
    """What a type admits, in words."""
    if _is_union(hint):
        # TOML has no null, so that nobody can write None.
        return " or ".join(in_words(arm) for arm in get_args(hint) if arm is not NoneType)
    if get_origin(hint) in (tuple, list):
        return f"a list, each {in_words(get_args(hint)[0])}"
    if get_origin(hint) in _TABLES:
        return f"a table, each value {in_words(get_args(hint)[1])}"
    return _WORDS.get(hint, "any value")


def conform(value: Any, hint: Any) -> Any:
    """``value`` as a ``hint``.

    Text that came from the environment or the command line is read as TOML if
    that gives the type; one text stands for a list of it.

    Raises
    ------
    TypeError
        If it is of another type.
    """
    if isinstance(value, Text):
        for reading in (parse(value), str(value)):
            try:
                return conform(reading, hint)
            except TypeError:
                continue
        raise TypeError(hint)
    if _is_union(hint):
        return _first_arm(value, get_args(hint))
    if get_origin(hint) in (tuple, list):
        item = get_args(hint)[0]
        values = [value] if isinstance(value, str) and item is str else value
        if not isinstance(values, list | tuple):
            raise TypeError(hint)
        return get_origin(hint)(conform(v, item) for v in values)
    if get_origin(hint) in _TABLES:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise TypeError(hint)
        return {key: conform(inner, get_args(hint)[1]) for key, inner in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if hint in (*_WORDS, NoneType) and type(value) is not hint:
        raise TypeError(hint)
    return value


def parse(text: str) -> Any:
    """``text`` read as one TOML value, or itself if it is none.

    >>> parse("0.5"), parse("[1, 2]"), parse("rotor")
    (0.5, [1, 2], 'rotor')
    """
    import tomllib

    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return str(text)
    return table["value"] if len(table) == 1 else str(text)


def check_table(cls: type, table: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Check ``table`` against the fields of an attrs class.

    Returns
    -------
    values
        Those that are right, with their final types.
    faults
        Everything that is wrong, one per name.
    """
    fields = typed_fields(cls)
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in table.items():
        if name not in fields:
            known = f"Known: {', '.join(fields)}." if fields else "There are no options here."
            faults.append(Fault(name, sentences("unknown option.", did_you_mean(name, fields), known)))
            continue
        try:
            values[name] = _checked(fields[name], value)
        except (TypeError, ValueError, UsageError, OverflowError):
            faults.append(Fault(name, f"allowed is {fields[name].allowed}"))
    return values, [*faults, *_missing(fields, table)]


def _checked(field: TypedField, value: Any) -> Any:
    result = conform(value, field.hint)
    if "help" in field.field.metadata and field.field.validator is not None:
        field.field.validator(None, field.field, result)
    return result


def _missing(fields: Mapping[str, TypedField], table: Mapping[str, Any]) -> Iterator[Fault]:
    for name, (field, _) in fields.items():
        if field.default is attrs.NOTHING and name not in table:
            yield Fault(name, "must be given")


def _first_arm(value: Any, arms: tuple[Any, ...]) -> Any:
    for arm in arms:
        try:
            return conform(value, arm)
        except TypeError:
            continue
    raise TypeError(arms)


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def _type_of(default: Any) -> Any:
    return type(default) if type(default) in _WORDS else Any
