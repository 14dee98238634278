"""Units of measures: "more than a kilo" for a column in grams."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

_UNITS = {
    "mass": {
        "1": "g gr gram grams gramm gramme grammes gramo gramos",
        "1000": "kg kgs kilo kilos kilogram kilograms kilogramm kilogramme kilogrammes kilogramo kilogramos",
        "1000000": "t ton tons tonne tonnes tonnen tonelada toneladas",
        "0.001": "mg milligram milligrams milligramm",
    },
    "length": {
        "1": "mm millimetre millimetres millimeter millimeters millimètres milímetros",
        "10": "cm centimetre centimetres centimeter centimeters zentimeter centimètres centímetros",
        "1000": "m metre metres meter meters metern mètre mètres metro metros",
        "1000000": "km kilometre kilometres kilometer kilometers kilometern kilomètre kilomètres kilómetros",
    },
    "time": {
        "1": "min mins minute minutes minuten minuto minutos",
        "60": "h hr hrs hour hours stunde stunden std heure heures hora horas",
        "1440": "d day days tag tage tagen jour jours día días dia dias",
    },
    "volume": {
        "1": "ml millilitre millilitres milliliter millilitres mililitros",
        "10": "cl centilitre centilitres",
        "1000": "l litre litres liter liters litern litro litros",
    },
}
"""Dimension -> factor of a unit, and its names in all languages."""
UNITS = {
    name: (dimension, Decimal(factor))
    for dimension, factors in _UNITS.items()
    for factor, names in factors.items()
    for name in names.split()
}
"""Name of a unit -> its dimension, and its size in the smallest unit there."""


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
