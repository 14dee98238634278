"""Options: attrs fields with a help text and an allowed range, and strict checks of values against them.

One declaration serves the command line's help, the defaults, the validation of configurations and the
constructor::

    @attrs.frozen(kw_only=True)
    class LowRank:
        rank: int = option(4, help="columns of U", low=0)

A value has the type of the field's type hint. An integer is accepted as a number; no other types are
converted: a truth value is not a number, and a number is not text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from inspect import signature
from types import NoneType, UnionType
from typing import Any, NamedTuple, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from lior.errors import UsageError, did_you_mean, sentences

P = ParamSpec("P")
R = TypeVar("R")

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_TABLES = (dict, Mapping)


def option(
    default: Any,
    *,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] | Callable[[], Sequence[Any]] | None = None,
) -> Any:
    """Return an attrs field with a help text and a checked range.

    Parameters
    ----------
    default
        Default value; its type is the option's type.
    help
        One line, without a full stop, as shown by ``--help``.
    low, high
        Inclusive bounds of a number. Without an upper bound a number must be finite, unless the default is
        infinite.
    choices
        The allowed values, or a function that returns them when a value is checked.

    Raises
    ------
    UsageError
        From the class's constructor, when a value is out of range.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices}
    return attrs.field(default=default, metadata=metadata, validator=_check_range)


def _check_range(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    low, high, choices = _range(field)
    wrong = choices is not None and value not in choices
    if (low is not None or high is not None) and value is not None:
        wrong |= not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value)
        wrong = wrong or (math.isinf(value) and _must_be_finite(field))
        wrong = wrong or (low is not None and value < low) or (high is not None and value > high)
    if wrong:
        raise UsageError(f"{field.name} = {value!r}: allowed is {_allowed(field)}")


def _range(field: attrs.Attribute[Any]) -> tuple[Any, Any, tuple[Any, ...] | None]:
    """Return the bounds and the allowed values of a field."""
    low, high, choices = (field.metadata.get(k) for k in ("low", "high", "choices"))
    return low, high, tuple(choices() if callable(choices) else choices) if choices else None


def _allowed(field: attrs.Attribute[Any], number: str = "a number") -> str:
    """Return the values that ``field`` admits, in words."""
    low, high, choices = _range(field)
    if choices is not None:
        return "one of " + ", ".join(map(str, choices))
    if low is not None and high is not None:
        return f"{number} from {low} to {high}"
    if low is not None:
        return f"{'a finite number' if _must_be_finite(field) else number} of at least {low}"
    return f"{number} of at most {high}" if high is not None else ""


def _must_be_finite(field: attrs.Attribute[Any]) -> bool:
    """Return whether infinity, which is above every lower bound, is refused: unless it is the default."""
    return isinstance(field.default, float) and not math.isinf(field.default)


class RawText(str):
    """Text from the environment or the command line, which may be TOML."""


class Fault(NamedTuple):
    """A fault of one value of a table: its name and a message."""

    name: str
    message: str


class TypedField(NamedTuple):
    """An attrs field with its resolved type."""

    field: attrs.Attribute[Any]
    hint: Any

    @property
    def choices(self) -> tuple[Any, ...]:
        """The allowed values; empty without a list of them."""
        return _range(self.field)[2] or ()

    @property
    def allowed(self) -> str:
        """The values that the field admits, in words."""
        words = in_words(self.hint)
        return _allowed(self.field, words) or words


def typed_fields(cls: type) -> dict[str, TypedField]:
    """Return the constructor's fields of an attrs class by name; empty for any other class."""
    if not attrs.has(cls):
        return {}
    try:
        hints = get_type_hints(cls)
    except Exception:  # a foreign class may have hints that do not resolve; the defaults determine the types
        hints = {}
    fields = [field for field in attrs.fields(cls) if field.init]
    known = {
        each.name: type(each.default) if type(each.default) in _WORDS else Any for each in fields
    } | hints
    return {field.name: TypedField(field, known[field.name]) for field in fields}


def in_words(hint: Any) -> str:
    """Describe the values that a type allows, in words."""
    if _is_union(hint):
        # TOML has no null, so that nobody can write None.
        return " or ".join(in_words(arm) for arm in get_args(hint) if arm is not NoneType)
    if get_origin(hint) in (tuple, list):
        return f"a list, each {in_words(get_args(hint)[0])}"
    if get_origin(hint) in _TABLES:
        return f"a table, each value {in_words(get_args(hint)[1])}"
    return _WORDS.get(hint, "any value")


def conform(value: Any, hint: Any) -> Any:
    """Convert ``value`` to the type ``hint``.

    :class:`RawText` is read as TOML if that gives the type; a single text is read as a list with one item.

    Raises
    ------
    TypeError
        If ``value`` has another type.
    """
    if isinstance(value, RawText):
        return _first(((reading, hint) for reading in (parse(value), str(value))), hint)
    if _is_union(hint):
        return _first(((value, arm) for arm in get_args(hint)), hint)
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


def _first(readings: Iterator[tuple[Any, Any]], hint: Any) -> Any:
    """Convert with the first of several (value, type) pairs that fit."""
    for value, arm in readings:
        try:
            return conform(value, arm)
        except TypeError:
            continue
    raise TypeError(hint)


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def parse(text: str) -> Any:
    """Return ``text`` read as one TOML value, or itself if it is not TOML.

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
        The valid values, with their final types.
    faults
        One for each name that is unknown or missing, or whose value is invalid.
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
            values[name] = _check(fields[name], value)
        except (TypeError, ValueError, UsageError, OverflowError):
            faults.append(Fault(name, f"allowed is {fields[name].allowed}"))
    missing = (name for name, (field, _) in fields.items() if field.default is attrs.NOTHING)
    return values, [*faults, *(Fault(name, "must be given") for name in missing if name not in table)]


def _check(field: TypedField, value: Any) -> Any:
    result = conform(value, field.hint)
    if "help" in field.field.metadata and field.field.validator is not None:
        field.field.validator(None, field.field, result)
    return result


def _sections(name: str, settings: Iterable[type]) -> str:
    """Return a sentence on the tables in ``settings`` that have an option ``name``, or an empty string."""
    fields = (item for cls in settings for item in typed_fields(cls).items())
    tables = [
        table for table, typed in fields if not typed.field.metadata and name in typed_fields(typed.hint)
    ]
    given = " or ".join(f"{table}={{{name!r}: ...}}" for table in tables)
    return f"It is an option of a table: {given}." if given else ""


def check_keywords(*settings: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function raise ``UsageError`` for an unknown keyword, with the nearest known one.

    ``settings`` are attrs classes whose fields the function takes as further keywords.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        own = (p.name for p in signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD)
        known = [*own, *(field.name for cls in settings for field in attrs.fields(cls))]

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name not in known:
                    hint = _sections(name, settings) or did_you_mean(name, known)
                    hint = hint or f"Known: {', '.join(known)}."
                    raise UsageError(f"{function.__name__}: no argument {name!r}. {hint}")
            return function(*args, **kwargs)

        return checked

    return decorate
