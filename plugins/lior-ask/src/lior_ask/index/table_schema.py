"""Columns of tables: their types (number, date or text), and the numbers and dates in their cells."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import attrs

from lior_ask.languages.dates import MARK, MONTHS, dates, is_day
from lior_ask.languages.lists import any_of, either, languages, words
from lior_ask.languages.words import tokens
from lior_plugins import CLOCK, NOTHING, SHORT_DATE, Numerals, hours_in, months_first, number_in

Kind = Literal["number", "date", "text"]
_MOST, _LONGEST = 2000, 80
"""Maximum number of different cells stored of a text column, and maximum number of characters of each."""
_SAMPLE = 4000
"""Maximum number of cells used to infer a column's type."""
_ENOUGH = 0.8
"""Minimum share of the non-empty cells that have the type of their column."""
_QUANTITIES = words("columns.quantities") - words("columns.no_measure")
_MANY = {w for w in _QUANTITIES if not any(w != many and many.startswith(w) for many in _QUANTITIES)}
"""Words in names of columns that are never row numbers: "hours", not "hour"."""
_NUMBERED = ("", ")", "º", "°", "#")
"""Signs beside row numbers, which are no units."""
_ISO = re.compile(r"\d{4}-(\d\d)-(\d\d)(?:[T ]\d\d:\d\d(?::\d\d)?)?")
"""Pattern of ISO dates, which most files have and which are read fast."""
_DAY = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_LEAP = 2000
"""The year of days without one, which may be 29 February."""
_YEARLESS = re.compile(r"\s*--(\d\d)-?(\d\d)\s*")
"""Pattern of a day without a year in contacts (RFC 6350, section 4.3.1)."""
_YEAR_MONTH = re.compile(r"\s*(\d{4})[-/](\d{1,2})\s*")
_TIME = re.compile(r"(?<![\d:])(\d{1,2}):(\d\d)(?::(\d\d))?(?:[.,]\d+)?(?![\d:])(?:\s?([AaPp])\.?[Mm]\b\.?)?")
_HOURS = re.compile(either("tables.hours"), re.I)
"""Pattern of a word in the name of a column of durations in hours and minutes."""
_PARTS = re.compile(r"\d+ ?h\S* ?\d+", re.I)
"""Pattern of a duration in hours and minutes, with their units."""
_EARLY = 6
"""The hour before which few times of day are."""
_SPANS = re.compile(either("tables.durations"), re.I)
"""Pattern of a word in the name of a column of durations, of hours and minutes or minutes and seconds."""
_NAMES = {name for each in languages() for name in " ".join(each.lists["dates.weekdays"]).split()}
_MARDI = re.compile(rf"\b{any_of(_NAMES & {*MONTHS})}(?=[.,]?\s+\d\d?\.?\s+[^\W\d])\.?", re.I)
"""Pattern of a weekday that is a month elsewhere: French "mar." before a day and a month."""
_WEEKDAYS = any_of(sorted(_NAMES - {*MONTHS}))
_SHORT_YEAR = re.compile(r"[\s,.-]{1,3}['’]?(\d\d)(?=\s*$|,?\s+\d\d?:\d\d)")
"""A year of two digits, after a day and a month: before a time, or at the end."""
_MONTH_YEAR = re.compile(r"\s*([^\W\d_]+\.?)\s?(?:['’]|[ -](?=3[2-9]|[4-9]\d))(\d\d)\s*")
"""Pattern of a month and a year of two digits, which is no day."""
_AROUND = re.compile(
    rf"[\s,;.()\[\]]|\b(?:{either('dates.beside_in_cells')}|{_WEEKDAYS})\b|(?<=[T\s])?[+-]\d\d:?\d\d|Z$", re.I
)
"""Pattern of text that may surround a date in its cell."""


def _tuple(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class Column:
    """A column, with the type inferred from its cells."""

    name: str
    kind: Kind = "text"
    decimal: str = "."
    """The decimal mark of its numbers; empty if "1.234" may be read in two ways."""
    unit: str = ""
    """The currency or unit of its numbers."""
    minus: str = ""
    """The mark of a side of an account whose amounts are negative: ``DR``."""
    duration: Literal["", "h:mm", "h:mm:ss"] = ""
    """The form of its durations. Their numbers are hours, or the unit of the first part of ``m:ss``."""
    key: bool = False
    """Whether its numbers are successive row numbers."""
    months_first: bool | None = None
    """Whether "3/4" is a day of March; ``None`` if unknown."""
    first: str = ""
    """The earliest date, as :func:`date_of` returns it."""
    last: str = ""
    """The latest date, as :func:`date_of` returns it."""
    values: tuple[str, ...] = attrs.field(default=(), converter=_tuple, repr=False)
    """The different cells of a text column, up to the maximum number and length."""
    whole: bool = True
    """Whether ``values`` has all different cells."""

    def number(self, cell: str) -> Decimal | None:
        """Return :func:`~lior_plugins.readers.numerals.number_in` for a cell of this column, or its hours."""
        if self.duration:
            return hours_in(cell, seconds=self.duration == "h:mm:ss")
        return number_in(cell, self.decimal, self.minus)

    def show(self, number: Decimal) -> str:
        """Return a number of this column as it is shown: ``1,234.50``, or ``37:05`` for a duration.

        >>> Column(name="hours", kind="number", duration="h:mm").show(Decimal("37.5"))
        '37:30'
        """
        if not self.duration:
            return f"{number:,f}"
        seconds = self.duration == "h:mm:ss"
        whole, last = divmod(round(abs(number) * (3600 if seconds else 60)), 60)
        shown = f"{whole // 60}:{whole % 60:02}:{last:02}" if seconds else f"{whole}:{last:02}"
        return "-" * (number < 0) + shown

    def date(self, cell: str) -> str:
        """Return :func:`date_of` for a cell of this column."""
        return date_of(cell, months_first=self.months_first)


def column(name: str, cells: Sequence[str], kind: Kind | None = None) -> Column:
    """Return the column of these cells; ``kind`` is its type, if known."""
    filled = [cell for cell in map(str.strip, cells) if cell and cell.lower() not in NOTHING]
    sample = filled[:: len(filled) // _SAMPLE + 1]
    found = Column(name=" ".join(name.split()))
    if kind in (None, "number") and (form := _duration(found.name, sample)):
        told = (
            form == "h:mm:ss"
            or any(map(_PARTS.match, sample))
            or any(map(_HOURS.fullmatch, _words(found.name)))
        )
        return attrs.evolve(found, kind="number", duration=form, unit="h" * told)
    known = Numerals.of(sample) if kind in (None, "number") else None
    if known and known.unit.lower().rstrip(".") not in MONTHS:  # "5 March" is a day
        found = attrs.evolve(found, kind="number", **attrs.asdict(known))
        return attrs.evolve(found, key=_is_key(found, sample, filled))
    if sample and kind in (None, "date") and (kind or _ENOUGH * len(sample) <= sum(map(_is_date, sample))):
        order = months_first(filled)
        days = [each for cell in filled if (each := date_of(cell, months_first=order))]
        first, last = min(days, default=""), max(days, default="")
        return attrs.evolve(found, kind="date", months_first=order, first=first, last=last)
    values = tuple(dict.fromkeys(cell for cell in filled if len(cell) <= _LONGEST))[:_MOST]
    return attrs.evolve(found, values=values, whole=len(values) == len(set(filled)))


def _duration(name: str, cells: Sequence[str]) -> Literal["", "h:mm", "h:mm:ss"]:
    """Return the form of durations, or nothing if the cells may be times of day.

    Durations have units, as in "2h 15min", more than 24 hours or a sign; or the name of the column says what
    they are; or some are below six hours and none has a leading zero, as most times of day have.
    """
    found = [match for cell in cells if (match := CLOCK.fullmatch(cell))]
    parts = any(map(_PARTS.match, cells))
    whole = sum(hours_in(cell, seconds=False) is not None for cell in cells) if parts else len(found)
    if not whole or whole < _ENOUGH * len(cells) or not words("columns.scores").isdisjoint(_words(name)):
        return ""
    told = any(_HOURS.fullmatch(word) or _SPANS.fullmatch(word) for word in _words(name))
    short = any(int(match[2]) < _EARLY for match in found)
    bare = short and not any(len(match[2]) == 2 and match[2][0] == "0" for match in found)
    if not (parts or told or bare or any(match[1] or int(match[2]) > 24 for match in found)):
        return ""
    return "h:mm:ss" if any(match[4] for match in found) else "h:mm"


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", name.lower())


def _is_key(column: Column, sample: Sequence[str], cells: Sequence[str]) -> bool:
    """Return whether the cells are row numbers, which have no unit; a sample decides most columns."""
    some = sorted(_read(column, sample))
    named = column.unit in _NUMBERED and _MANY.isdisjoint(tokens(column.name))
    may = named and all(b - a >= 1 for a, b in pairwise(some))
    return may and bool(some) and some[-1] - some[0] < len(cells) and _count(_read(column, cells))


def _read(column: Column, cells: Sequence[str]) -> list[Decimal]:
    """Return the numbers in the cells that have one."""
    return [number for cell in cells if (number := column.number(cell)) is not None]


def _count(numbers: list[Decimal]) -> bool:
    """Return whether numbers are row numbers: whole, successive, and not a few small ones by chance."""
    line = sorted(numbers)
    if len(line) < 3 or line[0] % 1 or any(after - before != 1 for before, after in pairwise(line)):
        return False
    return line[0] > 99 or (numbers in (line, line[::-1]) and (1 in line[:2] or len(line) > 4))


# --- dates ---


@lru_cache(1 << 14)  # many rows have the same day
def date_of(cell: str, *, months_first: bool | None = None) -> str:
    """Return the date in a cell: ``2025-03-04 17:30``, ``2025-03-04``, or ``2025-03`` for a month.

    A date without a year begins with ``0000``. Empty if there is no such day, or it may be read in two ways.

    >>> date_of("Thu, 24 Jul 2025 21:14:00 +0200"), date_of("3 May"), date_of("March 2025"), date_of("3/4/25")
    ('2025-07-24 21:14:00', '0000-05-03', '2025-03', '')
    >>> date_of("--0503"), date_of("31 September 1938"), date_of("2025-02-29")
    ('0000-05-03', '', '')
    """
    if (match := _ISO.fullmatch(cell)) and "01" <= match[1] <= "12" and "01" <= match[2] <= "28":
        return cell.replace("T", " ")
    if match := _YEARLESS.fullmatch(cell):
        return _show(0, int(match[1]), int(match[2]))
    if match := _DAY.search(cell):
        return _show(int(match[1]), int(match[2]), int(match[3]), cell[match.end() :])
    if match := SHORT_DATE.search(cell):
        return _short(match, months_first)
    if match := _YEAR_MONTH.fullmatch(cell):
        return _show(int(match[1]), int(match[2]), 0)
    return _name(cell)


def _short(match: re.Match[str], months_first: bool | None) -> str:
    """Return the date of numbers of one or two digits, or an empty string if it may be read in two ways."""
    first, second, year = int(match[1]), int(match[3]), int(match[4] or 0)
    if match[4] and len(match[4]) == 2:
        year = _century(year)
    unclear = match[2] == "/" and months_first is None
    if unclear and first != second and max(first, second) < 13:
        return ""
    day_first = not months_first and not (unclear and second > 12)
    day, month = (first, second) if day_first else (second, first)
    return _show(year, month, day, match.string[: match.start()] + " " + match.string[match.end() :])


def _century(year: int) -> int:
    """Return the year of two digits: from 1970 to 2069.

    >>> _century(69), _century(70)
    (2069, 1970)
    """
    return year + (2000 if year < 70 else 1900)


def _name(cell: str) -> str:
    """Return a date with the name of a month, or an empty string."""
    small = _MARDI.sub("", cell.lower())
    found = dates(small, tokens(small))
    if not found:
        return _month(cell)
    if len(found) != 1:
        return ""
    days = [word for word in found[0].words if is_day(word)]
    months = [word for word in found[0].words if not is_day(word)]
    if len(days) == 1:
        rest = small[: found[0].begin] + " " + small[found[0].end :]
        month, day = map(int, days[0].removeprefix(MARK).split("-"))
        short = _SHORT_YEAR.match(small, found[0].end)
        year = int(found[0].year or 0) or _year_in(rest) or (_century(int(short[1])) if short else 0)
        return _show(year, month, day, rest)
    return months[0].removeprefix(MARK) if len(months) == 1 and not days else ""


def _month(cell: str) -> str:
    """Return a month alone, as ``0000-05``, or with a year of two digits; or an empty string."""
    if match := _MONTH_YEAR.fullmatch(cell):
        month = MONTHS.get(match[1].lower().rstrip("."), 0)
        return _show(_century(int(match[2])), month, 0)
    small = f"1 {cell.lower().strip()}"
    found = dates(small, tokens(small)) if re.fullmatch(r"\s*[^\W\d_]+\.?\s*", cell) else []
    days = [word for word in found[0].words if is_day(word)] if len(found) == 1 else []
    return f"0000-{days[0].removeprefix(MARK)[:2]}" if days else ""


def _year_in(text: str) -> int:
    """Return the separate year, as in ``May  3 10:00:01 2025``, or 0."""
    found = re.findall(r"(?<![\d:+-])(?:19|20)\d\d(?![\d:])", text)
    return int(found[0]) if len(found) == 1 else 0


def _show(year: int, month: int, day: int, rest: str = "") -> str:
    if not (1 <= month <= 12 and 0 <= day <= monthrange(year or _LEAP, month)[1]):
        return ""  # people write 31 September, too
    date = f"{year:04}-{month:02}" + (f"-{day:02}" if day else "")
    time = _TIME.search(rest)
    if not time or not day:
        return date
    hour = int(time[1]) % 12 + 12 * (time[4] in "Pp") if time[4] else int(time[1])
    return f"{date} {hour:02}:{time[2]}" + (f":{time[3]}" if time[3] else "")


def _is_date(cell: str) -> bool:
    """Return whether a cell is a date and nothing else."""
    if len(cell) > 50 or not any(date_of(cell, months_first=order) for order in (False, True)):
        return False
    rest = _AROUND.sub("", _TIME.sub(" ", SHORT_DATE.sub(" ", _DAY.sub(" ", _MARDI.sub("", cell)))))
    named = r"(\d{1,2}(st|nd|rd|th|er)?)?[^\W\d_]{3,9}(\d{1,2}(st|nd|rd|th)?)?(\d{4}|['’]?\d\d)?"
    return not rest or bool(
        re.fullmatch(rf"{named}|\d{{4}}-\d\d?", rest) or re.fullmatch(named, rest.replace("-", ""))
    )
