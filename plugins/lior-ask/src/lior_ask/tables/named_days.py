"""Days and years that a question names in passing, written out for :mod:`lior_ask.tables.periods`.

"since Wednesday", "since the 14th", "la semaine du 16 au 22", "the first half of November", "the 1970s".
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta

from lior_ask.languages.dates import MONTHS
from lior_ask.languages.lists import any_of, either, languages
from lior_ask.tables.periods import RELATIVES, UNIT_FORMS, around, relative, weekday_of

_MONTH = any_of(sorted(MONTHS, key=len, reverse=True))
_WEEKDAY = any_of(" ".join(name for each in languages() for name in each.lists["dates.weekdays"]).split())
_NTH = either("dates.ordinal")
_OF = rf"(?:{either('dates.of')}\s+)?"


def _any(*keys: str) -> str:
    return either(*(f"periods.{key}" for key in keys))


_ENDS = r"(?=\s*(?:$|[?!,;)]|\.\s*$))"
_SIDES = ("since", "until", "before", "after")
_SIDE = rf"\b(?P<side>{'|'.join(f'(?P<{side}>{_any(side)})' for side in _SIDES)})\s+"
_THE = rf"(?:{_any('before_date', 'few_the')}\s+)"
_SINCE_WEEKDAY = re.compile(rf"{_SIDE}{_THE}?(?:{_any('last_day')}\s+)?(?P<name>{_WEEKDAY})(?!\w)", re.I)
_SINCE_RELATIVE = re.compile(rf"{_SIDE}{RELATIVES.pattern}", re.I)
_SINCE_EDGE = re.compile(
    rf"{_SIDE}(?:(?P<end>{_any('end')})|{_any('begin')})\s*(?:{RELATIVES.pattern}|(?:{_any('of_unit')}\s*)?"
    rf"(?:(?P<week>{UNIT_FORMS['week']})|(?P<month>{UNIT_FORMS['month']})|(?P<year>{UNIT_FORMS['year']}))s?)(?!\w)(?!\s+\d)",
    re.I,
)
_SINCE_BEGIN = re.compile(rf"{_SIDE}{_any('begin')}\s+{_OF}(?={_MONTH}\b)", re.I)
_WEEKDAY_AND_DAY = re.compile(
    rf"\b(?P<name>{_WEEKDAY}),?\s+{_THE}?(?P<day>\d{{1,2}}){_NTH}?(?![\w:.,/]\w)(?!\s+{_OF}{_MONTH}\b)", re.I
)
_SINCE_DAY = re.compile(rf"{_SIDE}(?:{_THE}(?P<day>\d{{1,2}}){_NTH}?){_ENDS}", re.I)
_ON_DAY = re.compile(rf"\b{_any('in')}\s+{_THE}?(?P<day>\d{{1,2}}){_NTH}{_ENDS}", re.I)
_OF_MONTH = re.compile(rf"\b{_any('on_day')}\s+(?P<day>\d{{1,2}}){_ENDS}", re.I)
_FEASTS = {
    "christmas_eve": (12, 24),
    "christmas": (12, 25),
    "new_years_eve": (12, 31),
    "new_year": (1, 1),
    "halloween": (10, 31),
}
"""Key of the forms -> month and day."""
_FEAST = re.compile(
    rf"{_SIDE}(?:" + "|".join(f"(?P<{key}>{_any(key)})" for key in _FEASTS) + r")(?!\w)(?!\s+\d)", re.I
)
_DAYS = re.compile(
    rf"(?P<unit>(?:{UNIT_FORMS['day']}|{UNIT_FORMS['week']})\s+)?(?:\b{_any('start')}\s+)?{_THE}?(?<![\w.,-])(?P<a>\d{{1,2}})(?P<nth>{_NTH})?"
    rf"\s*(?:{_any('to')}|-|–)\s*{_THE}?(?P<b>\d{{1,2}}){_NTH}?{_ENDS}",
    re.I,
)
_HALF = re.compile(
    rf"\b(?:{_any('in')}\s+)?{_THE}*(?:(?P<one>{_any('half_month_1')})|{_any('half_month_2')})\s+(?:{_THE}|{_OF})*"
    rf"(?P<month>{_MONTH})\b(?P<year>\s+{_OF}(?:19|20)\d\d)?",
    re.I,
)
_DECADE = re.compile(
    rf"\b(?:{_any('in')}\s+)?{_THE}?(?:{_any('decade_before')}\s+['’]?(?P<a>(?:\d\d)?\d0)|['’]?(?P<b>(?:1[0-9]|20)?\d0)(?:{_any('decade_after')}))(?!\w)",
    re.I,
)
_CENTURY = re.compile(
    rf"\b(?:{_any('in')}\s+)?{_THE}?(?:{_any('century_before')}\s+(?P<a>[xvi]+|\d\d)|(?P<b>[xvi]+|\d\d)\s?{_any('century_after')})(?!\w)",
    re.I,
)
_ROMAN = {"x": 10, "v": 5, "i": 1}


def written_out(text: str, today: date) -> str:
    """Return a question with the days and years that it names as dates; nothing else changes.

    A weekday or a day without a month is the last one after "since", and the next one after "until". With
    both, the month is this one or one beside it. A span of days is in this month.

    >>> written_out("What came in since Monday?", date(2026, 11, 28))
    'What came in since 2026-11-23?'
    >>> written_out("bis Ende des Jahres, depuis le début du mois", date(2026, 11, 28))
    'bis 2026-12-31, depuis 2026-11-01'
    """
    rules: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], str | None]], ...] = (
        (_HALF, _half),
        (_WEEKDAY_AND_DAY, _weekday_and_day),
        (_SINCE_WEEKDAY, _since_weekday),
        (_SINCE_RELATIVE, _since_relative),
        (_SINCE_EDGE, _since_edge),
        (_SINCE_BEGIN, lambda match, today: f"{match['side']} "),
        (_SINCE_DAY, _since_day),
        (_ON_DAY, _on_day),
        (_OF_MONTH, _on_day),
        (_FEAST, _feast),
        (_DAYS, _days),
        (_DECADE, _decade),
        (_CENTURY, _century),
    )
    for pattern, made in rules:
        text = pattern.sub(lambda match, made=made: _or_same(match, made(match, today)), text)  # type: ignore[misc]
    return text


def _or_same(match: re.Match[str], found: str | None) -> str:
    return match[0] if found is None else found


def _half(match: re.Match[str], today: date) -> str:
    year = int((match["year"] or str(today.year))[-4:])
    last = calendar.monthrange(year, MONTHS[match["month"].lower()])[1]
    first, last = (1, 15) if match["one"] else (16, last)
    own, told = match["month"], match["year"] or ""
    return f"{first} {own} - {last} {own}{told}"


def _near(today: date, day: int) -> Iterator[date]:
    """Yield the days of that number in this month, the one before and the next one, if they exist."""
    for months in (0, -1, 1):
        year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
        with suppress(ValueError):
            yield date(year, month + 1, day)


def _weekday_and_day(match: re.Match[str], today: date) -> str | None:
    number = weekday_of(match["name"].lower())
    fit = [each for each in _near(today, int(match["day"])) if each.weekday() == number]
    return f"{fit[0]}" if fit else None


def _since_weekday(match: re.Match[str], today: date) -> str:
    number = weekday_of(match["name"].lower())
    ahead = match["until"] or match["before"]
    days = (number - today.weekday() - 1) % 7 + 1 if ahead else -((today.weekday() - number) % 7)
    return f"{match['side']} {today + timedelta(days)}"


def _since_relative(match: re.Match[str], today: date) -> str:
    found = relative(match, today)
    return f"{match['side']} {found.first if match['since'] or match['before'] else found.last}"


def _since_edge(match: re.Match[str], today: date) -> str:
    """Return the first or the last day of today's period; "before the end of the year" has its last day."""
    unit = next((unit for unit in ("week", "month", "year") if match[unit]), None)
    found = relative(match, today) if unit is None else around(today, unit)
    day = found.last if match["end"] else found.first
    assert day is not None
    return f"{match['side']} {day + timedelta(bool(match['end'] and match['before']))}"


def _since_day(match: re.Match[str], today: date) -> str | None:
    ahead = match["until"] or match["before"]
    near = sorted(_near(today, int(match["day"])))
    fit = [each for each in near if each > today] if ahead else [each for each in near if each <= today][::-1]
    return f"{match['side']} {fit[0]}" if fit else None


def _feast(match: re.Match[str], today: date) -> str:
    """Return the next day of a feast after "until" and "before", and the last one after "since"."""
    month, number = next(_FEASTS[key] for key in _FEASTS if match[key])
    day = date(today.year, month, number)
    ahead = bool(match["until"] or match["before"])
    years = (day < today) if ahead else -(day > today)
    return f"{match['side']} {day.replace(year=day.year + years)}"


def _on_day(match: re.Match[str], today: date) -> str | None:
    found = next(_near(today, int(match["day"])), None)
    return f" {found}" if found else None


def _days(match: re.Match[str], today: date) -> str | None:
    first, last = int(match["a"]), int(match["b"])
    if not (match["unit"] or match["nth"]) or first >= last:
        return None
    with suppress(ValueError):
        return f" {today.replace(day=first)} - {today.replace(day=last)}"
    return None


def _decade(match: re.Match[str], today: date) -> str:
    year = int(match["a"] or match["b"])
    year += 1900 * (year < 100)
    return f" {year}-01-01 - {year + 9}-12-31 "


def _century(match: re.Match[str], today: date) -> str | None:
    told = (match["a"] or match["b"]).lower()
    if told.isdecimal():
        number = int(told)
    else:
        digits = [_ROMAN[c] for c in told]
        pairs = zip(digits, [*digits[1:], 0], strict=True)
        number = sum(-d if d < after else d for d, after in pairs)
    return f" {number - 1}00-01-01 - {number - 1}99-12-31 " if 10 <= number <= 21 else None
