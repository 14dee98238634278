"""What ``--vary`` and ``--at`` mean: values of a sweep, ranges of a design or a family, one device."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lior.errors import UsageError

_AXIS = "allowed is NAME=LOW:HIGH:COUNT, NAME=LOW:HIGH:COUNT:log or NAME=VALUE,VALUE,..."
_RANGE = "allowed is NAME or NAME=LOW:HIGH"
_SPAN = "allowed is NAME=LOW:HIGH or NAME=LOW:HIGH:log"
_VALUE = "allowed is NAME=VALUE"
_DIGITS = 12


def axis(text: str) -> tuple[str, tuple[float, ...]]:
    """Name and values of an axis of a sweep.

    >>> axis("delta=0:2:5")
    ('delta', (0.0, 0.5, 1.0, 1.5, 2.0))
    >>> axis("domain.nq=16:64:3:log")
    ('domain.nq', (16.0, 32.0, 64.0))
    >>> axis("a=1.5,1.7")
    ('a', (1.5, 1.7))

    Raises
    ------
    UsageError
        When the text is nothing of that kind.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not name or not values:
        raise UsageError(f"--vary {text!r}: {_AXIS}")
    if ":" not in values:
        return name, tuple(_number(text, each, _AXIS) for each in values.split(","))
    parts = values.split(":")
    if len(parts) not in (3, 4) or (len(parts) == 4 and parts[3].strip() != "log"):
        raise UsageError(f"--vary {text!r}: {_AXIS}")
    low, high = (_number(text, each, _AXIS) for each in parts[:2])
    count = _number(text, parts[2], _AXIS)
    if count != int(count) or count < 2:
        raise UsageError(f"--vary {text!r}: COUNT = {parts[2]}; allowed is a whole number of at least 2")
    if low == high:
        raise UsageError(f"--vary {text!r}: LOW and HIGH are the same")
    shares = [i / (int(count) - 1) for i in range(int(count))]
    if len(parts) == 3:
        return name, tuple(_rounded(low + share * (high - low)) for share in shares)
    if low <= 0 or high <= 0:
        raise UsageError(f"--vary {text!r}: with log, LOW and HIGH have to be above 0")
    return name, tuple(_rounded(low * (high / low) ** share) for share in shares)


def ranges(text: str) -> dict[str, tuple[float, float] | None]:
    """Names of options with the ranges in which they may be varied; ``None`` where none is given.

    >>> ranges("a,delta=0:1")
    {'a': None, 'delta': (0.0, 1.0)}

    Raises
    ------
    UsageError
        When the text is nothing of that kind.
    """
    found: dict[str, tuple[float, float] | None] = {}
    for part in text.split(","):
        name, equals, values = (piece.strip() for piece in part.partition("="))
        if not name:
            raise UsageError(f"--vary {text!r}: {_RANGE}; several are separated by commas")
        if name in found:
            raise UsageError(f"--vary {text!r}: {name} is named twice")
        found[name] = None
        if equals:
            ends = values.split(":")
            if len(ends) != 2:
                raise UsageError(f"--vary {part!r}: {_RANGE}")
            low, high = (_number(part, end, _RANGE) for end in ends)
            if low >= high:
                raise UsageError(f"--vary {part!r}: LOW has to be below HIGH")
            found[name] = low, high
    return found


def span(text: str) -> tuple[str, float, float, bool]:
    """Name of an option of a family, its ends, and whether values are spread by their ratios.

    >>> span("barrier_meV=0.5:12:log")
    ('barrier_meV', 0.5, 12.0, True)

    Raises
    ------
    UsageError
        When the text is nothing of that kind.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    parts = [part.strip() for part in values.split(":")]
    if not (name and equals) or len(parts) not in (2, 3) or parts[2:] not in ([], ["log"]):
        raise UsageError(f"--vary {text!r}: {_SPAN}")
    low, high = (_number(text, part, _SPAN) for part in parts[:2])
    return name, low, high, len(parts) == 3


def values(option: str, texts: Iterable[str]) -> dict[str, float]:
    """One value of each option of a device.

    >>> values("--at", ["barrier_meV=3.3"])
    {'barrier_meV': 3.3}

    Raises
    ------
    UsageError
        When a text is nothing of that kind, or a name comes twice.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals):
            raise UsageError(f"{option} {text!r}: {_VALUE}")
        if name in found:
            raise UsageError(f"{option} {text!r}: {name} is named twice")
        found[name] = _number(text, value, _VALUE, option)
    return found


def _number(text: str, part: str, allowed: str, option: str = "--vary") -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{option} {text!r}: {part.strip()!r} is no finite number; {allowed}")
    return value


def _rounded(value: float) -> float:
    """Without the noise of the last digits, so that what is meant to be whole is."""
    return float(f"{value:.{_DIGITS}g}")
