"""Checks that all potentials make of their options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from lior.errors import UsageError
from lior_ritz.problem import Device, require_known


def words(text: str) -> tuple[str, ...]:
    """Names that spaces part, such as those of a potential's ``device``."""
    return tuple(text.split())


def require_finite(potential: Any) -> None:
    """Refuse a number among the options that is no number or infinite.

    Raises ``UsageError`` naming the option and its value.
    """
    for field in attrs.fields(type(potential)):
        value = getattr(potential, field.name) if field.init else None
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{field.name} = {value!r}: allowed is a finite number")


def lookup(potential: Any, device: Device) -> Callable[[str], Any]:
    """A function from the name of an option to its value: the varied one, or else the potential's own.

    Raises ``UsageError`` when ``device`` has a name that the potential does not let vary.
    """
    require_known(device, potential.device)
    return lambda name: device[name] if name in device else getattr(potential, name)


def given(potential: object, device: Iterable[str], *names: str) -> str | None:
    """Return the one of several equivalent options that is given or varied; ``None`` when none is.

    Raises ``UsageError`` when more than one is.
    """
    found = [name for name in names if name in set(device) or getattr(potential, name) is not None]
    if len(found) > 1:
        raise UsageError(f"{' and '.join(found)} say the same thing; give one of them")
    return found[0] if found else None
