"""Cells as people write them in tables: currency, unit, thousands, decimal comma, durations, dates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs

_ENOUGH = 0.8
"""Minimum share of numbers among the filled cells of a number column."""
_CURRENCY = r"[A-Z]{0,3}\$|[€£¥₹₺₽₩]|EUR|USD|GBP|CHF|JPY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|BRL|Fr\.?"
_MONEY = re.compile(_CURRENCY)
_NUMBER = re.compile(
    rf"(?P<sign>[-+−]?)\s?(?P<before>{_CURRENCY})?\s?(?P<minus>[-−]?)"
    r"(?P<digits>\d{1,3}(?:(?P<mark>[ \u00a0\u202f'’.,])\d{3}(?!\d))(?:(?P=mark)\d{3}(?!\d))*(?:[.,]\d+)?"
    r"|\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d+)?|\d+(?:[.,]\d+)?|[.,]\d+)"
    r"(?:[.,][-–]|(?P<end>(?:(?<=[.,]\d\d)|(?<=[.,]\d{3})) ?[-−]))?"
    r"\s?(?P<after>(?!(?:[DC][Rr]|[SH])$)[^\d\s.,'’+:/-][^\d\s:]{0,5})?(?:\s?(?P<side>[DC][Rr]|[SH]))?"
)
_IN_BRACKETS = re.compile(r"\(([^()]*\d[^()]*)\)")
"""Pattern of a negative number, as accountants write it: ``(67.00)``."""
_MARKER = re.compile(r"\(\d+\)")
"""Pattern of the mark of a footnote or a list item, if all cells are such."""
NOTHING = ("-", "–", "—", "?", "n/a", "na", "k.a.", "none", "null", "nan")
"""Cells without a value, in lower case."""
CLOCK = re.compile(r"([-+−]?)(\d{1,5}):([0-5]\d)(?::([0-5]\d))?")
"""Pattern of a duration in hours, minutes and seconds, or of a time of day."""
_PARTS = re.compile(
    r"(\d+(?:[.,]\d+)?)\s?(d(?:ays?)?|h(?:(?:ou)?rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)(?![a-z])\.?,?\s?"
)
"""Pattern of a part of a duration: ``2h`` of ``2h 15min``."""
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
"""Seconds of a unit by its first letter."""
SHORT_DATE = re.compile(
    r"(?<![\d.,:])(\d{1,2})([./-])(\d{1,2})(?:\2(\d{4}|\d{2})(?!\d)|(?<=\.\d)\.|(?<=\.\d\d)\.)"
)
"""Pattern of a date of numbers whose year, if any, is last."""
_CODE = re.compile(r"[-+]?0\d+$")
"""Pattern of a code: a number with leading zeros."""
_SPACES = re.compile("[ \u00a0\u202f'’]")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+|[1-9]\d?(?:,\d\d)+,\d{3}")
"""Pattern of a whole number with a mark between thousands."""
_LARGE = re.compile(r"(?<=\d)[kKM](?=\)?$)")
"""Pattern of the suffix of thousands or millions."""
_FACTORS = {"k": 1000, "K": 1000, "M": 1_000_000}
_ORDINALS = ("st", "nd", "rd")
"""Endings that count as ``th``: 1st and 4th have one unit."""


@attrs.frozen
class Numerals:
    """The way in which the numbers of a column are written."""

    decimal: str = "."
    """The decimal mark; empty if "1.234" may be read in two ways."""
    unit: str = ""
    """The currency or unit."""
    minus: str = ""
    """The mark of a side of the account, in upper case, whose amounts are negative: ``DR``."""

    @classmethod
    def of(cls, cells: Sequence[str], share: float = _ENOUGH) -> Numerals | None:
        """Return the way in which cells without white space around them are written.

        ``None`` if fewer than ``share`` of them are numbers, they have several units, or one of them has
        leading zeros, as codes do.

        >>> Numerals.of(["1.234,50 €", "7,00 €"]), Numerals.of(["007", "008"])
        (Numerals(decimal=',', unit='€', minus=''), None)
        """
        matches = [m for cell in cells if (m := _match(cell))]
        if not matches or len(matches) < share * len(cells) or any(map(_CODE.match, cells)):
            return None
        minus = _negative_side([(m["side"] or "").upper() for m in matches])
        sides = [] if minus else [m["side"] for m in matches if m["side"] in ("S", "H")]
        units = {unit.strip() for m in matches if (unit := m["before"] or m["after"] or "")}.union(sides)
        if len(units) > 1 or all(map(_MARKER.fullmatch, cells)):
            return None
        unit = next(iter(units), "")
        return cls(_decimal([m["digits"] for m in matches], bool(_MONEY.fullmatch(unit))), unit, minus)

    def number(self, cell: str) -> Decimal | None:
        """Return :func:`number_in` for a cell of this column."""
        return number_in(cell, self.decimal, self.minus)


def _negative_side(sides: Sequence[str]) -> str:
    """Return the side of an account whose amounts are negative, of the marks of all cells, or nothing.

    Credits among amounts without a mark are what is given back.
    """
    known = {*sides} - {""}
    if known == {"S", "H"}:  # Soll and Haben
        return "S"
    return "DR" if "DR" in known else "CR" * (known == {"CR"} and "" in sides)


def _match(cell: str) -> re.Match[str] | None:
    return _NUMBER.fullmatch(_IN_BRACKETS.sub(r"-\1", cell) if cell[-1:] == ")" or cell[:1] == "(" else cell)


def unit_in(cell: str) -> str | None:
    """Return the currency or unit of the number in a cell, or ``None`` if it is no number.

    >>> unit_in("$5"), unit_in("7 kg"), unit_in("7"), unit_in("free")
    ('$', 'kg', '', None)
    """
    match = _match(cell)
    return None if match is None else _unit(match)


def _unit(match: re.Match[str]) -> str:
    unit = (match["before"] or match["after"] or "").strip()
    return "th" if unit in _ORDINALS else unit


def with_main_unit(cells: Iterable[str]) -> list[str]:
    """Return the cells except numbers that do not have the most frequent unit.

    Numbers without a unit or with a currency lose the suffix of thousands or millions.

    >>> with_main_unit(["5 km", "7 km", "3 miles", "8", "new"]), with_main_unit(["16.1k", "634"])
    (['5 km', '7 km', '8', 'new'], ['16.1', '634'])
    """
    given = {cell: _LARGE.sub("", cell) for cell in cells}
    units = Counter(
        unit for cell, plain in given.items() if (unit := unit_in(plain)) or (unit == "" and plain != cell)
    )
    main = max(units, key=units.__getitem__, default="")
    read = (_without_suffix(cell, main)[0] for cell in given)
    return [cell for cell in read if unit_in(cell) in (None, "", main)]


def _without_suffix(cell: str, unit: str) -> tuple[str, int]:
    """Return a cell of a column with this unit without the suffix of large numbers, and its factor."""
    found = _LARGE.search(cell) if not unit or _MONEY.fullmatch(unit) else None
    return (_LARGE.sub("", cell), _FACTORS[found[0]]) if found else (cell, 1)


def number_in(cell: str, decimal: str, minus: str = "", unit: str | None = None) -> Decimal | None:
    """Return the number in a cell, or ``None`` if there is none or it may be read in two ways.

    Parameters
    ----------
    minus
        The mark of the side of an account whose amounts are negative.
    unit
        The unit of the column: a number with another one is ``None``, but for a currency in a column
        without a unit. Without a unit or with a currency, ``k`` and ``M``
        directly behind a number are thousands and millions. By default any unit is accepted.

    >>> number_in("1.234,50 €", ","), number_in("free", "."), number_in("(67.00)", ".")
    (Decimal('1234.50'), None, Decimal('-67.00'))
    >>> number_in("5 miles", ".", unit="km"), number_in("16.1k", ".", unit=""), number_in("13,5", ".")
    (None, Decimal('16100.0'), None)
    """
    if decimal and cell.isascii() and cell.isdigit():  # most cells of large tables
        return Decimal(cell)
    plain, factor = (cell.strip(), 1) if unit is None else _without_suffix(cell.strip(), unit)
    match = _match(plain) if decimal else None
    if match is None:
        return None
    side = match["side"] if match["side"] in ("S", "H") and not minus else ""
    other = _unit(match) or side
    if unit is not None and other not in ("", unit) and (unit or not _MONEY.fullmatch(other)):
        return None
    number = _without_groups(_SPACES.sub("", match["digits"]), decimal)
    if number is None:
        return None
    signs = f"{match['sign']}{match['minus']}{match['end'] or ''}"
    against = bool(minus) and (match["side"] or "").upper() == minus
    return number * factor * (-1 if ("−" in signs or "-" in signs) != against else 1)


def _without_groups(digits: str, decimal: str) -> Decimal | None:
    """Return the number of digits with marks, or ``None`` if these are not those of this decimal mark."""
    whole, _, fraction = digits.partition(decimal)
    if not (whole + fraction).isdigit():
        group = "," if decimal == "." else "."
        if not _GROUPED.fullmatch(whole) or (fraction and not fraction.isdigit()):
            return None
        whole = whole.replace(group, "")
    return Decimal(f"{whole}.{fraction}")


def _decimal(numbers: Sequence[str], money: bool) -> str:
    """Return the decimal mark, or an empty string if it is not clear.

    Of money, "152.340" has a thousands separator: no amount has three decimals, but a price of a litre has.
    """
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
    if money and not seen and either == {"."} and any(digits[:2].isdigit() for digits in numbers):
        return ","
    if seen or "." in either:
        return ""
    return "."  # "1,234" without any decimals


def hours_in(cell: str, *, seconds: bool) -> Decimal | None:
    """Return the hours of a duration; with ``seconds``, two parts are minutes and seconds.

    >>> hours_in("37:30", seconds=False), hours_in("-0:30", seconds=True), hours_in("1h 15min", seconds=False)
    (Decimal('37.5'), Decimal('-0.008333333333333333333333333333'), Decimal('1.25'))
    """
    match = CLOCK.fullmatch(cell.strip())
    if match is None:
        return _in_parts(re.sub(r"(?<=\dh)(\d\d?)$", r"\1m", cell.strip().lower()))  # 1h15
    parts = [int(part) for part in match.groups()[1:] if part]
    if seconds and len(parts) == 2:
        parts.insert(0, 0)
    parts.append(0)
    total = 3600 * parts[0] + 60 * parts[1] + parts[2]
    return Decimal(total if match[1] in ("", "+") else -total) / 3600


def _in_parts(text: str) -> Decimal | None:
    """Return the hours of a duration with units: ``2 h 15 min``."""
    if not text[:1].isdigit() or _PARTS.sub("", text):
        return None
    parts = [Decimal(count.replace(",", ".")) * _SECONDS[unit[0]] for count, unit in _PARTS.findall(text)]
    return sum(parts, Decimal(0)) / 3600


def months_first(cells: Iterable[str]) -> bool | None:
    """Return whether months precede days in dates with slashes, or ``None`` if unknown.

    >>> months_first(["3/4/25", "3/14/25"]), months_first(["3/4/25"]), months_first(["3.4.25"])
    (True, None, False)
    """
    pairs = {(int(m[1]), int(m[3])) for cell in cells if (m := SHORT_DATE.search(cell)) and m[2] == "/"}
    days, months = any(first > 12 for first, _ in pairs), any(second > 12 for _, second in pairs)
    return None if days == months and pairs else months
