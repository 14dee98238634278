"""Units of measures: "more than a kilo" for a column in grams."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from lior_ask.languages.lists import languages
from lior_plugins import number_in

_SIZES = {
    "mass": {"g": "1", "kg": "1000", "t": "1000000", "mg": "0.001"},
    "length": {"mm": "1", "cm": "10", "m": "1000", "km": "1000000"},
    "time": {"min": "1", "h": "60", "d": "1440"},
    "volume": {"ml": "1", "cl": "10", "l": "1000"},
}
"""Dimension -> unit -> its size in the smallest unit."""
UNITS = {
    name: (dimension, Decimal(size))
    for dimension, sizes in _SIZES.items()
    for unit, size in sizes.items()
    for name in (unit, *(name for each in languages() for name in each.lists.get(f"units.{unit}", ())))
}
"""Name of a unit in any language -> its dimension, and its size in the smallest unit there."""


def factor(unit: str, names: Iterable[str]) -> Decimal | None:
    """Return the factor from a unit to that of a column, which one of ``names`` tells.

    It is 1 if one of both is unknown, and ``None`` if they measure different things.

    >>> factor("kilo", ["weight", "g"])
    Decimal('1000')
    """
    own = UNITS.get(unit)
    known = [UNITS[name] for name in names if name in UNITS]
    if own is None or not known:
        return Decimal(1)
    same = [size for dimension, size in known if dimension == own[0]]
    return own[1] / same[0] if same else None


def number_said(text: str) -> Decimal | None:
    """Return a number of a question in the likelier of the two ways to read it.

    >>> number_said("1.500"), number_said("2.50"), number_said("1,500"), number_said("0.125")
    (Decimal('1500'), Decimal('2.50'), Decimal('1500'), Decimal('0.125'))
    """
    likely = "." if re.search(r"\.\d{1,2}$|,\d{3}", text) else ","
    return next((found for mark in (likely, ".", ",") if (found := number_in(text, mark)) is not None), None)
