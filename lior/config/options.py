"""Options as attrs fields that carry their help text and their allowed range.

One declaration serves the command line's help, the defaults, the validation
of configuration files and the constructor::

    @attrs.frozen(kw_only=True)
    class LowRank:
        rank: int = option(4, help="columns of U", low=0)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs

from lior.errors import UsageError


def allowed(field: attrs.Attribute[Any]) -> str:
    """What values ``field`` admits, in words."""
    low, high, choices = (field.metadata.get(k) for k in ("low", "high", "choices"))
    if choices:
        return "one of " + ", ".join(map(str, choices))
    if low is not None and high is not None:
        return f"a number from {low} to {high}"
    if low is not None:
        return f"a {'finite ' if _must_be_finite(field) else ''}number of at least {low}"
    return f"a number of at most {high}" if high is not None else "any value"


def _must_be_finite(field: attrs.Attribute[Any]) -> bool:
    """Whether infinity, which lies above every lower bound, is refused: where it is not the default."""
    return isinstance(field.default, float) and not math.isinf(field.default)


def _check_range(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    low, high, choices = (field.metadata.get(k) for k in ("low", "high", "choices"))
    if choices and value not in choices:
        raise UsageError(f"{field.name} = {value!r}: allowed is {allowed(field)}")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (
        (low is not None or high is not None)
        and value is not None
        and (
            not number
            or math.isnan(value)
            or (math.isinf(value) and _must_be_finite(field))
            or (low is not None and value < low)
            or (high is not None and value > high)
        )
    ):
        raise UsageError(f"{field.name} = {value!r}: allowed is {allowed(field)}")


def option(
    default: Any,
    *,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] | None = None,
) -> Any:
    """An attrs field with a help text and a checked range.

    Parameters
    ----------
    default
        Default value; its type is the option's type.
    help
        One line, without a full stop, as shown by ``--help``.
    low, high
        Inclusive bounds of a number. Without an upper one a number must be
        finite, unless the default is infinite.
    choices
        The allowed values.

    Raises
    ------
    UsageError
        From the class's constructor, when a value is out of range.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": tuple(choices) if choices else None}
    return attrs.field(default=default, metadata=metadata, validator=_check_range)
