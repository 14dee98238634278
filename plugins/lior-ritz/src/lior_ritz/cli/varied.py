"""The grammar of ``--vary``: an option or a key, and its values.

All functions raise ``UsageError`` when a text does not follow it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lior.errors import UsageError

_AXIS = "allowed is NAME=LOW:HIGH:COUNT, NAME=LOW:HIGH:COUNT:log or NAME=VALUE,VALUE,..."
_DIGITS = 12
"""Significant digits of values between two ends, without the noise of the last ones."""


def axis(text: str) -> tuple[str, tuple[float, ...]]:
    """Name and values of an axis of a sweep.

    >>> axis("delta=0:2:5")
    ('delta', (0.0, 0.5, 1.0, 1.5, 2.0))
    >>> axis("domain.X=2:8:3:log")
    ('domain.X', (2.0, 4.0, 8.0))
    >>> axis("a=1.5,1.7")
    ('a', (1.5, 1.7))
    """
    name, values = _split(text)
    if ":" not in values:
        return name, tuple(_numbers(text, values.split(",")))
    (low, high, count), log = _ends(text, values)
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
    name, values = _split(text)
    words = tuple(word.strip() for word in values.split(","))
    if "." in name and all(words) and ":" not in values and not any(map(_is_number, words)):
        return name, words
    return axis(text)


def _split(text: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in text.partition("="))
    if not (name and value):
        raise UsageError(f"--vary {text!r}: {_AXIS}")
    return name, value


def _ends(text: str, values: str) -> tuple[list[float], bool]:
    """Low end, high end and count, and whether ``log`` is behind them."""
    parts = [part.strip() for part in values.split(":")]
    log = parts[-1] == "log"
    parts = parts[:-1] if log else parts
    if len(parts) != 3:
        raise UsageError(f"--vary {text!r}: {_AXIS}")
    return _numbers(text, parts), log


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _numbers(text: str, parts: Sequence[str]) -> list[float]:
    try:
        found = [float(part) for part in parts]
    except ValueError:
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise UsageError(f"--vary {text!r}: not a finite number; {_AXIS}")
    return found
