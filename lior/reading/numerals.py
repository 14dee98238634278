"""Numbers as people write them in tables: currency, unit, separators of thousands, decimal comma."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs

_ENOUGH = 0.8
"""Minimum share of the non-empty cells of a column of numbers that are numbers."""
_CURRENCY = r"[€$£¥]|EUR|USD|GBP|CHF|Fr\.?"
_NUMBER = re.compile(
    rf"(?P<sign>[-+−]?)\s?(?P<before>{_CURRENCY})?\s?(?P<minus>[-−]?)"
    r"(?P<digits>\d{1,3}(?:(?P<mark>[ \u00a0\u202f'’.,])\d{3}(?!\d))(?:(?P=mark)\d{3}(?!\d))*(?:[.,]\d+)?"
    r"|\d+(?:[.,]\d+)?|[.,]\d+)(?:[.,][-–])?\s?(?P<after>[^\d\s.,'’+:/-][^\d\s:]{0,5})?"
)
_CODE = re.compile(r"[-+]?0\d+$")
"""Pattern of a code: a number with leading zeros."""
_SPACES = re.compile("[ \u00a0\u202f'’]")


@attrs.frozen
class Numerals:
    """The way in which the numbers of a column are written."""

    decimal: str = "."
    """The decimal mark; empty if "1.234" may be read in two ways."""
    unit: str = ""
    """The currency or unit."""

    @classmethod
    def of(cls, cells: Sequence[str], share: float = _ENOUGH) -> Numerals | None:
        """Return the way in which cells without white space around them are written.

        ``None`` if fewer than ``share`` of them are numbers, they have several units, or one of them has
        leading zeros, as codes do.

        >>> Numerals.of(["1.234,50 €", "7,00 €"]), Numerals.of(["007", "008"])
        (Numerals(decimal=',', unit='€'), None)
        """
        matches = [m for cell in cells if (m := _NUMBER.fullmatch(cell))]
        if not matches or len(matches) < share * len(cells) or any(map(_CODE.match, cells)):
            return None
        units = {unit.strip() for m in matches if (unit := m["before"] or m["after"] or "")}
        return (
            cls(_decimal([m["digits"] for m in matches]), next(iter(units), "")) if len(units) < 2 else None
        )

    def number(self, cell: str) -> Decimal | None:
        """Return :func:`number_in` for a cell of this column."""
        return number_in(cell, self.decimal)


def number_in(cell: str, decimal: str) -> Decimal | None:
    """Return the number in a cell, or ``None`` if there is none or it may be read in two ways.

    >>> number_in("1.234,50 €", ","), number_in("free", ".")
    (Decimal('1234.50'), None)
    """
    if decimal and cell.isascii() and cell.isdigit():  # most cells of large tables
        return Decimal(cell)
    match = _NUMBER.fullmatch(cell.strip()) if decimal else None
    if match is None:
        return None
    digits = _SPACES.sub("", match["digits"])
    digits = digits.replace("," if decimal == "." else ".", "").replace(",", ".")
    if digits.count(".") > 1:
        return None
    return Decimal(digits) * (-1 if "−" in (s := match["sign"] + match["minus"]) or "-" in s else 1)


def _decimal(numbers: Iterable[str]) -> str:
    """Return the decimal mark, or an empty string if it is not clear."""
    seen, either = set[str](), set[str]()
    for digits in numbers:
        marks = re.findall(r"[.,]", digits)
        if len(set(marks)) == 2:
            seen.add(marks[-1])
        elif len(marks) > 1:
            seen.add("," if marks[0] == "." else ".")
        elif marks and (len(digits) - digits.index(marks[0]) != 4 or digits[0] == "0" or digits[0] in ".,"):
            seen.add(marks[0])
        elif marks:
            either.add(marks[0])
    if len(seen) == 1:
        return seen.pop()
    if seen or "." in either:
        return ""
    return "."  # "1,234" without any decimals
