"""What ``--vary`` and ``--at`` mean: values of a sweep, ranges of a design or a family, one device.

All raise ``UsageError`` when a text is nothing of the kind, or a name comes twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lior.errors import UsageError

_AXIS = "allowed is NAME=LOW:HIGH:COUNT, NAME=LOW:HIGH:COUNT:log or NAME=VALUE,VALUE,..."
_RANGE = "allowed is NAME or NAME=LOW:HIGH"
_VALUE = "allowed is NAME=VALUE"
_DIGITS = 12
"""Of values between two ends: without the noise of the last digits, what is meant to be whole is."""


def axis(text: str) -> tuple[str, tuple[float, ...]]:
    """Name and values of an axis of a sweep.

    >>> axis("delta=0:2:5")
    ('delta', (0.0, 0.5, 1.0, 1.5, 2.0))
    >>> axis("domain.X=2:8:3:log")
    ('domain.X', (2.0, 4.0, 8.0))
    >>> axis("a=1.5,1.7")
    ('a', (1.5, 1.7))
    """
    name, values = _split(text, _AXIS)
    if ":" not in values:
        return name, tuple(_numbers(text, values.split(","), _AXIS))
    (low, high, count), log = _ends(text, values, 3, _AXIS)
    if count != int(count) or count < 2:
        raise UsageError(f"--vary {text!r}: COUNT = {count:g}; allowed is a whole number of at least 2")
    if low == high:
        raise UsageError(f"--vary {text!r}: LOW and HIGH are the same")
    if log and (low <= 0 or high <= 0):
        raise UsageError(f"--vary {text!r}: with log, LOW and HIGH have to be above 0")
    shares = [i / (int(count) - 1) for i in range(int(count))]
    found = [low * (high / low) ** share if log else low + share * (high - low) for share in shares]
    return name, tuple(float(f"{value:.{_DIGITS}g}") for value in found)


def any_axis(text: str) -> tuple[str, tuple[float | str, ...]]:
    """The same, or words of a key of the configuration.

    >>> any_axis("model.activation=tanh,sine")
    ('model.activation', ('tanh', 'sine'))
    """
    name, values = _split(text, _AXIS)
    words = tuple(word.strip() for word in values.split(","))
    if "." in name and all(words) and ":" not in values and not any(map(_is_number, words)):
        return name, words
    return axis(text)


def ranges(text: str) -> dict[str, tuple[float, float] | None]:
    """Names of options with the ranges in which they may be varied; ``None`` where none is given.

    >>> ranges("a,delta=0:1")
    {'a': None, 'delta': (0.0, 1.0)}
    """
    found: dict[str, tuple[float, float] | None] = {}
    for part in text.split(","):
        name, equals, values = (piece.strip() for piece in part.partition("="))
        if not name or name in found:
            raise UsageError(f"--vary {text!r}: {_RANGE}; several are separated by commas, each once")
        found[name] = None
        if equals:
            (low, high), _ = _ends(part, values, 2, _RANGE)
            if low >= high:
                raise UsageError(f"--vary {part!r}: LOW has to be below HIGH")
            found[name] = low, high
    return found


def values(option: str, texts: Iterable[str]) -> dict[str, float]:
    """One value of each option of a device.

    >>> values("--at", ["barrier_meV=3.3"])
    {'barrier_meV': 3.3}
    """
    found: dict[str, float] = {}
    for text in texts:
        name, value = _split(text, _VALUE, option)
        if name in found:
            raise UsageError(f"{option} {text!r}: {name} is named twice")
        [found[name]] = _numbers(text, [value], _VALUE, option)
    return found


def _split(text: str, allowed: str, option: str = "--vary") -> tuple[str, str]:
    name, _, value = (part.strip() for part in text.partition("="))
    if not (name and value):
        raise UsageError(f"{option} {text!r}: {allowed}")
    return name, value


def _ends(text: str, values: str, count: int, allowed: str) -> tuple[list[float], bool]:
    """So many numbers between colons, and whether ``log`` is behind them."""
    parts = [part.strip() for part in values.split(":")]
    log = parts[-1] == "log" and "log" in allowed
    parts = parts[:-1] if log else parts
    if len(parts) != count:
        raise UsageError(f"--vary {text!r}: {allowed}")
    return _numbers(text, parts, allowed), log


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _numbers(text: str, parts: Sequence[str], allowed: str, option: str = "--vary") -> list[float]:
    try:
        found = [float(part) for part in parts]
    except ValueError:
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise UsageError(f"{option} {text!r}: not a finite number; {allowed}")
    return found
