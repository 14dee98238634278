"""The days, months and other periods that words name: "3 May", "last week", "the 14th", "the 1970s".

:mod:`lior_ask.tables.periods` reads them together with the words around them.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Collection, Iterator, Set
from contextlib import suppress
from datetime import date, timedelta

import attrs

from lior_ask.languages.dates import MONTHS
from lior_ask.languages.lists import any_of, either, languages, words
from lior_ask.tables.units import UNITS

LEAP = 2000
"""Year for comparing days without a year; it has a 29 February."""
NAME = "\x05"
"""Mark of a word that is a name, and not a month."""
NUMBERS = {word: n for each in languages() for n, word in enumerate(each.lists["words.numbers"], 2)}
OTHER_WORDS = frozenset(word for each in languages() for word in each.lists["periods.other_words"])
"""Months that are other words, too, if they are alone."""


_STOP = words("words.stop") | words("words.function")


def any_period(*keys: str) -> str:
    """Return a pattern of the forms that ``[periods]`` has for some keys, in all languages."""
    return either(*(f"periods.{key}" for key in keys))


_MONTH = rf"(?<!{NAME})(?:{'|'.join(sorted(MONTHS, key=len, reverse=True))})"
NTH = either("dates.ordinal")
_YEAR = r"(?:19|20)\d\d"
_OF = rf"(?:{either('dates.of')}\s+)?"
_WEEKDAY = any_of(" ".join(name for each in languages() for name in each.lists["dates.weekdays"]).split())
_WEEKDAY_NAME = any_of(name.split()[0] for each in languages() for name in each.lists["dates.weekdays"])
UNIT_FORMS = {unit: any_period(f"{unit}_units") for unit in ("day", "week", "month", "year")}
FOLLOWS = re.compile(
    rf"\s*(?:$|[?!,;:)]|\.\s*(?:$|[^\W\d])|{any_of(sorted(_STOP, key=len, reverse=True))}(?!\w))"
)
"""Pattern of what follows the number of a day: the end, a mark or a stop word, but no noun."""
SIDES = frozenset(("since", "until", "before", "after"))
"""Kinds of words that make a date the end of a period."""

_PARTS = {
    "quarter_1": (1, 3),
    "quarter_2": (4, 6),
    "quarter_3": (7, 9),
    "quarter_4": (10, 12),
    "half_1": (1, 6),
    "half_2": (7, 12),
    "spring": (3, 5),
    "summer": (6, 8),
    "autumn": (9, 11),
}
"""Key of the forms -> first and last month. Seasons are meteorological, north of the equator. Winter is in
two years, and is read only with its year."""
_RELATIVE = {
    "today": ("day", 0),
    "before_yesterday": ("day", -2),
    "yesterday": ("day", -1),
    "after_tomorrow": ("day", 2),
    "tomorrow": ("day", 1),
    "week_before_last": ("week", -2),
    "last_week": ("week", -1),
    "this_week": ("week", 0),
    "week_after_next": ("week", 2),
    "next_week": ("week", 1),
    "last_month": ("month", -1),
    "this_month": ("month", 0),
    "next_month": ("month", 1),
    "last_quarter": ("quarter", -1),
    "this_quarter": ("quarter", 0),
    "next_quarter": ("quarter", 1),
    "year_before_last": ("year", -2),
    "last_year": ("year", -1),
    "this_year": ("year", 0),
    "next_year": ("year", 1),
}
"""Key of the forms -> unit of the period, and its distance from today's."""


@attrs.frozen(kw_only=True)
class Period:
    """A period from ``first`` to ``last``, each ``None`` if open."""

    first: date | None = None
    last: date | None = None
    shown: str
    """The period in the words of the question."""
    yearless: bool = False
    """Whether the year is unknown; the days are then in the year 2000."""
    near: bool = attrs.field(default=False, eq=False, repr=False)
    """Whether it is a day of the nearest month, as none is named."""
    over: bool = attrs.field(default=False, eq=False, repr=False)
    """Whether the question is in the past tense: "what did I have in October?"."""
    bare: int = attrs.field(default=0, eq=False, repr=False)
    """The day of a month, if neither month nor year are known; there are no ends then."""

    def within(self, year: int) -> Period:
        """Return the same days in a year."""
        first, last = (day and moved(day, year) for day in (self.first, self.last))
        return attrs.evolve(self, first=first, last=last, yearless=False)

    def reachable(self, years: Collection[int], today: date) -> list[int]:
        """Return the years that it may be in if it has none: none after that in which it comes next.

        A series without an end has events in many years, but "in December" is not in ten years. In the past
        tense it has begun.

        >>> christmas = Period(first=date(2000, 12, 24), last=date(2000, 12, 26), shown="", yearless=True)
        >>> christmas.reachable([2025, 2026, 2027], date(2026, 12, 1))
        [2025, 2026]
        """
        known, first, last = sorted(years), self.first, self.last
        if self.over:
            found = [year for year in known if not year or not first or moved(first, year) <= today]
        else:
            found = [year for year in known if year < 2 or not last or moved(last, year - 1) < today]
        return found or known[:1]

    @property
    def ends(self) -> tuple[date, date] | None:
        """Both ends; ``None`` if one is open."""
        return (self.first, self.last) if self.first and self.last else None

    def coming(self, today: date) -> Period:
        """Return a day without a month in the next month if it is over; not if in the past tense."""
        if self.over or not (self.near and self.last and self.last < today):
            return self
        found = next((each for each in _near(today, self.last.day) if each > today), self.last)
        return attrs.evolve(self, first=found, last=found)

    def of_month(self, day: date) -> Period | None:
        """Return the bare day in the month of another one, or ``None`` if it does not exist."""
        with suppress(ValueError):
            own = day.replace(day=self.bare)
            return attrs.evolve(self, first=own, last=own, yearless=day.year == LEAP, bare=0)
        return None

    @property
    def whole(self) -> bool:
        """Whether it consists of whole months."""
        begins = self.first is None or self.first.day == 1
        return begins and (self.last is None or self.last == end_of(self.last, "month"))

    def inside(self, other: Period) -> bool:
        """Return whether it is inside another period, both with two ends."""
        own, outer = self.ends, other.ends
        return bool(own and outer and outer[0] <= own[0] and own[1] <= outer[1])

    def has(self, when: str) -> bool:
        """Return whether a date, as :func:`~lior_ask.index.table_schema.date_of` returns it, is in it."""
        day = f"{when}-01"[:10]
        return (self.first is None or str(self.first) <= day) and (self.last is None or day <= str(self.last))

    def covers(self, when: str) -> bool:
        """Return whether a date is in it: a day, a month or a year, ISO 8601; an empty string is not."""
        if when.startswith("0000"):
            when = f"2000{when[4:]}"
        own = self.within(int(when[:4])) if when and self.yearless else self
        return bool(when) and own.has(f"{when}-01-01"[:10])

    def recurs(self, years: Collection[int], kind: str) -> bool:
        """Return whether it means days of any year in a column of dates, whose ``years`` have 0 for none.

        Such are days beside others without a year, and the birthdays of contacts.
        """
        return self.yearless and bool(self.first and self.last) and (0 in years or kind == "contacts")


_UNIT_BEHIND = rf"(?!\s?(?:[€$£%]|(?:{any_of(UNITS)}|euros?|dollars?|pounds?|francs?)\b))"
_UNIT_BEHIND += rf"(?!-(?!{_YEAR}(?!\w))\w)"  # "2021-0417" is a number, "2021-2023" are years
_DATE = re.compile(
    rf"(?:(?:{_WEEKDAY}\.?,?\s+(?:{any_period('before_date')}\s+)?)?(?:{any_period('month_or_year')}\s+(?:{_OF}|d'\s*))?"
    rf"(?:(?P<iso>\d{{4}}-\d\d(?:-\d\d)?)(?!\d)|(?P<slashed>\d{{1,2}}/\d{{1,2}}/\d{{4}})"
    rf"|(?P<dotted>\d{{1,2}}\.\d{{1,2}}\.(?:\d{{4}}|\d{{2}})?)(?!\d)"
    rf"|(?:(?:(?P<day>\d{{1,2}}){NTH}?\s+{_OF}|(?P<one>{any_period('first_day')})\s+))?(?P<month>{_MONTH})\b\.?"
    rf"(?:\s+(?P<after>\d{{1,2}}){NTH}?(?![\d:]))?(?:,?\s+{_OF}(?P<year>{_YEAR}|['’]\d\d))?)"
    rf"|(?:(?!{UNIT_FORMS['month']}\s){any_period('month_or_year')}\s+(?:{_OF}|d'\s*))?(?P<only>{_YEAR}){_UNIT_BEHIND})(?!\w)"
)
_RELATIVES = re.compile("(?:" + "|".join(f"(?P<{key}>{any_period(key)})" for key in _RELATIVE) + r")(?!\w)")
_UNITS = "|".join(f"(?P<{unit}>{forms})" for unit, forms in UNIT_FORMS.items())
_COUNT = rf"(?:\d{{1,3}}|{any_of(NUMBERS)})"
_FEW = re.compile(
    rf"(?:(?P<before>{any_period('few_last')})|(?P<next>{any_period('few_next')}))?\s*(?P<n>{_COUNT})\s+"
    rf"(?:(?:(?P<after>{any_period('few_last')})|(?P<coming>{any_period('few_next')}))\s+)?(?:{_UNITS})\b"
)
_WEEKDAYS = re.compile(
    rf"(?:(?:(?P<last>{any_period('last_day')})|{any_period('next_day')})\s+(?P<name>{_WEEKDAY_NAME})"
    rf"|(?P<named>{_WEEKDAY_NAME})\s+(?:(?P<past>{any_period('last_day')})|{any_period('next_day')}))(?!\w)"
)
"""Pattern of "next Friday"; a weekday alone may be a cell of a timetable."""
_WEEKDAY_ALONE = re.compile(rf"(?:{any_period('last_day')}\s+)?(?P<name>{_WEEKDAY_NAME})(?!\w)")
_WEEKDAY_AND_DAY = re.compile(
    rf"(?:{any_period('last_day')}\s+)?(?P<name>{_WEEKDAY}),?\s+"
    rf"(?:{any_period('before_date', 'few_the')}\s+)?(?P<day>\d{{1,2}})(?:{NTH})?(?![\w:.,/]\w|\w)"
)
_PART = re.compile(
    "(?:"
    + "|".join(f"(?P<{key}>{any_period(key)})" for key in _PARTS)
    + rf")(?:\s+{_OF}(?P<year>{_YEAR}))?(?!\w)"
)
_SEASON = re.compile(
    rf"(?P<name>{any_period('seasons')})\s+{_OF}(?P<year>{_YEAR})(?:\s?[/-]\s?(?:\d\d)?\d\d)?(?!\w)"
)
_ISO_WEEK = re.compile(rf"{any_period('iso_week')}\s?(?P<n>\d{{1,2}})(?:[\s/]+(?P<year>{_YEAR}))?(?!\w)")
_FEASTS = {
    "christmas_eve": (12, 24),
    "christmas_day": (12, 25),
    "christmas": (12, 25),
    "new_years_eve": (12, 31),
    "new_year": (1, 1),
    "halloween": (10, 31),
}
"""Key of the forms -> month and day."""
_DAYS = ("christmas_eve", "christmas_day", "new_years_eve")
"""Feasts that are days and nothing else."""
_FEAST = re.compile(
    "(?:" + "|".join(f"(?P<{key}>{any_period(key)})" for key in _FEASTS) + r")(?!\w)(?!\s+\d)"
)
_WEEKEND = re.compile(
    rf"(?:(?P<last>{any_period('last_day')})\s+|(?P<next>{any_period('next_day')})\s+|(?P<this>{any_period('this')})\s+)?{any_period('weekend')}"
    rf"(?:\s+(?:(?P<past>{any_period('last_day')})|(?P<coming>{any_period('next_day')})))?(?!\w)"
)
_NOW = re.compile(rf"{any_period('now')}(?!\w)")
DAY_NUMBER = re.compile(rf"(?P<day>\d{{1,2}})(?P<nth>{NTH})?(?!\w|[.,:/]\d)")
_ON_DAY = re.compile(rf"(?P<on>{any_period('on_day')})\s+(?P<day>\d{{1,2}})(?P<nth>{NTH})?(?!\w|[.,:/]\d)")
_THE_DAY = re.compile(rf"(?<!\w){any_period('the_day')}\s+$")
_DECADE = re.compile(
    rf"(?:{any_period('decade_before')}\s+['’]?(?P<a>(?:\d\d)?\d0)"
    rf"|['’]?(?P<b>(?:1[0-9]|20)?\d0)(?:{any_period('decade_after')})|(?P<word>{any_period('decades')}))(?!\w)"
)
_AGO = re.compile(
    rf"(?:{any_period('ago_before')}\s+(?P<n>{_COUNT})\s+(?:{_UNITS})"
    rf"|(?P<m>{_COUNT})\s+(?:{_UNITS.replace('?P<', '?P<its_')})\s+{any_period('ago_after')})(?!\w)"
)
_CENTURY = re.compile(
    rf"(?:{any_period('century_before')}\s+(?P<a>[xvi]+|\d\d)|(?P<b>[xvi]+|\d\d)\s?{any_period('century_after')})(?!\w)"
)
_ROMAN = {"x": 10, "v": 5, "i": 1}


def _sides(lead: Set[str]) -> Set[str]:
    """Return the :data:`SIDES` in a lead; none if it may be "in", as "from" may."""
    return frozenset() if "in" in lead else lead & SIDES


def _relative(match: re.Match[str], today: date, lead: Set[str]) -> Period:
    """Return the period of a match of a relative one."""
    unit, distance = next(_RELATIVE[key] for key in _RELATIVE if match[key])
    day = begin_of(today, unit)
    for _ in range(abs(distance)):
        day = begin_of(day - timedelta(1) if distance < 0 else end_of(day, unit) + timedelta(1), unit)
    return around(day, unit)


def around(day: date, unit: str) -> Period:
    """Return the day, week, month or year that a day is in."""
    return Period(first=begin_of(day, unit), last=end_of(begin_of(day, unit), unit), shown="")


def _of_day(day: date) -> Period:
    return Period(first=day, last=day, shown="")


def _weekday(match: re.Match[str], today: date, lead: Set[str]) -> Period:
    """Return the next day of a name after today, or the last one before."""
    number = weekday_of(match["name"] or match["named"])
    ahead = (number - today.weekday() - 1) % 7 + 1
    before = (today.weekday() - number - 1) % 7 + 1
    return _of_day(today + timedelta(-before if match["last"] or match["past"] else ahead))


def _weekday_alone(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    """Return the last day of a name after "since", and the next one after "until"."""
    if not _sides(lead):
        return None
    number, ahead = weekday_of(match["name"]), lead & {"until", "before"}
    days = (number - today.weekday() - 1) % 7 + 1 if ahead else -((today.weekday() - number) % 7)
    return _of_day(today + timedelta(days))


def _weekday_and_day(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    number = weekday_of(match["name"])
    fit = (each for each in _near(today, int(match["day"])) if each.weekday() == number)
    return next(map(_of_day, fit), None)


def weekday_of(name: str) -> int:
    """Return the number of a weekday by its name in lower case; Monday is 0."""
    weekdays = (own.lists["dates.weekdays"] for own in languages())
    return next(n for names in weekdays for n, forms in enumerate(names) if name in forms.split())


def _few(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    coming = match["next"] or match["coming"]
    if not (match["before"] or match["after"] or coming):
        return None
    other = _away(today, match["n"], next(unit for unit in UNIT_FORMS if match[unit]), 1 if coming else -1)
    return Period(first=min(today, other), last=max(today, other), shown="")


def _ago(match: re.Match[str], today: date, lead: Set[str]) -> Period:
    """Return the day, week, month or year that is so long ago."""
    unit = next(unit for unit in UNIT_FORMS if match[unit] or match[f"its_{unit}"])
    return around(_away(today, match["n"] or match["m"], unit, -1), unit)


def _away(today: date, count: str, unit: str, sign: int) -> date:
    """Return the day that is so many units away."""
    number = (NUMBERS.get(count) or int(count)) * sign
    if unit in ("day", "week"):
        return today + timedelta(number * (7 if unit == "week" else 1))
    year, month = divmod(today.year * 12 + today.month - 1 + number * (12 if unit == "year" else 1), 12)
    return _safe(year, month + 1, today.day)


def _part(match: re.Match[str], today: date, lead: Set[str]) -> Period:
    first, last = next(_PARTS[key] for key in _PARTS if match[key])
    year = int(match["year"] or LEAP)
    begin, end = date(year, first, 1), end_of(date(year, last, 1), "month")
    return Period(first=begin, last=end, yearless=not match["year"], shown="")


def _place(word: str, key: str) -> int:
    """Return the number of the form of a key that a word has."""
    every = (each.lists[f"periods.{key}"] for each in languages())
    return next(n for own in every for n, form in enumerate(own) if re.fullmatch(form, word))


def _season(match: re.Match[str], today: date, lead: Set[str]) -> Period:
    """Return the season of a year; its winter ends in the next one."""
    begin = date(int(match["year"]), 3 + 3 * _place(match["name"], "seasons"), 1)
    return Period(first=begin, last=end_of(_away(begin, "2", "month", 1), "month"), shown="")


def _iso_week(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    with suppress(ValueError):
        monday = date.fromisocalendar(int(match["year"] or today.year), int(match["n"]), 1)
        return Period(first=monday, last=monday + timedelta(6), shown="")
    return None


def _feast(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    """Return the next day of a feast after "until", and the last one after "since"; else one of any year."""
    month, number = next(_FEASTS[key] for key in _FEASTS if match[key])
    if not _sides(lead):  # not "the Christmas party", nor what is spent on Christmas
        is_day = any(match[key] for key in _DAYS) and FOLLOWS.match(match.string, match.end())
        day = date(LEAP, month, number)
        return Period(first=day, last=day, shown="", yearless=True) if is_day else None
    day, ahead = date(today.year, month, number), bool(lead & {"until", "before"})
    return _of_day(day.replace(year=day.year + ((day < today) if ahead else -(day > today))))


def _weekend(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    monday = today - timedelta(today.weekday())
    if match["last"] or match["past"]:
        saturday = monday - timedelta(2)
    elif match["next"] or match["coming"] or match["this"]:
        over = today.weekday() > 4 and not match["this"]
        saturday = monday + timedelta(12 if over else 5)
    else:
        return None
    return Period(first=saturday, last=saturday + timedelta(1), shown="")


def _now(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    return _of_day(today) if lead & {"start", "end"} else None


def _near(today: date, day: int) -> Iterator[date]:
    """Yield the days of that number in this month, the one before and the next one, if they exist."""
    for months in (0, -1, 1):
        year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
        with suppress(ValueError):
            yield date(year, month + 1, day)


def _day_number(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    """Return the day of a number, "the 14th": the last one after "since", the next one after "until"."""
    nth, on = match["nth"] or "", match.groupdict().get("on")
    if "º" in nth or not ((on and nth == ".") or FOLLOWS.match(match.string, match.end())):
        return None  # "the 3rd floor", "el 4.º A"
    said = nth or _THE_DAY.search(match.string[: match.start()])
    if not on and not (nth if "in" in lead else said and _sides(lead)):
        return None
    near = [*_near(today, int(match["day"]))]
    if _sides(lead):
        ahead = lead & {"until", "before"}
        near = sorted((each for each in near if (each > today) == bool(ahead)), reverse=not ahead)
    found = next(map(_of_day, near), None)
    return found and attrs.evolve(found, near=not _sides(lead))


def _decade(match: re.Match[str], today: date, lead: Set[str]) -> Period:
    told, word = match["a"] or match["b"], match["word"]
    year = 20 + 10 * _place(word, "decades") if word else int(told)
    year += 1900 * (year < 100)
    return Period(first=date(year, 1, 1), last=date(year + 9, 12, 31), shown="")


def _century(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    told = match["a"] or match["b"]
    if told.isdecimal():
        number = int(told)
    else:
        digits = [_ROMAN[c] for c in told]
        number = sum(-d if d < after else d for d, after in zip(digits, [*digits[1:], 0], strict=True))
    if not 10 <= number <= 21:
        return None
    return Period(first=date(number * 100 - 100, 1, 1), last=date(number * 100 - 1, 12, 31), shown="")


def _date(match: re.Match[str], today: date, lead: Set[str]) -> Period | None:
    """Return the day, month or year of a date, or ``None`` if it does not exist or is ambiguous."""
    year = month = day = 0
    if match["iso"]:
        year, month, day, *_ = (*map(int, match["iso"].split("-")), 0)
    elif match["dotted"]:
        day, month, year, *_ = (int(each or 0) for each in match["dotted"].split("."))
        year += 2000 * (0 < year < 100)
    elif match["slashed"]:
        day, month, year = map(int, match["slashed"].split("/"))
        if day <= 12 and month <= 12 and day != month:
            return None
        day, month = (month, day) if month > 12 else (day, month)
    elif match["only"]:
        year = int(match["only"])
    else:
        month, year = MONTHS[match["month"]], int((match["year"] or "0").strip("'’"))
        year += 2000 * (0 < year < 100)
        day = int(match["day"] or match["after"] or bool(match["one"]))
    try:
        first = date(year or LEAP, month or 1, day or 1)
    except ValueError:
        return None
    last = end_of(first, "day" if day else "month" if month else "year")
    return Period(first=first, last=last, yearless=not year, shown="")


def begin_of(day: date, unit: str) -> date:
    """Return the first day of the day, week, month, quarter or year of a day."""
    begins: dict[str, Callable[[], date]] = {
        "day": lambda: day,
        "week": lambda: day - timedelta(day.weekday()),
        "month": lambda: day.replace(day=1),
        "quarter": lambda: day.replace(month=day.month - (day.month - 1) % 3, day=1),
        "year": lambda: day.replace(month=1, day=1),
    }
    return begins[unit]()


def end_of(day: date, unit: str) -> date:
    """Return the last day of the unit of a day; a week must begin with it."""
    if unit == "week":
        return day + timedelta(6)
    if unit == "quarter":
        day, unit = day.replace(day=1, month=day.month + 2 - (day.month - 1) % 3), "month"
    if unit == "month":
        return day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return day.replace(month=12, day=31) if unit == "year" else day


def _safe(year: int, month: int, day: int) -> date:
    """Return the day, or the last day of its month if it does not exist."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def moved(day: date, year: int) -> date:
    """Return the day in another year; 29 February becomes the last day of February."""
    if (day.month, day.day) == (2, 29):
        return end_of(date(year, 2, 1), "month")
    return day.replace(year=year)


BARE = (DAY_NUMBER, _ON_DAY)
"""Patterns of the number of a day alone."""
_Maker = Callable[["re.Match[str]", date, Set[str]], Period | None]
PATTERNS: tuple[tuple[re.Pattern[str], _Maker], ...] = (
    (_DATE, _date),
    (_RELATIVES, _relative),
    (_FEW, _few),
    (_WEEKDAYS, _weekday),
    (_WEEKDAY_ALONE, _weekday_alone),
    (_WEEKDAY_AND_DAY, _weekday_and_day),
    (_PART, _part),
    (_SEASON, _season),
    (_ISO_WEEK, _iso_week),
    (_FEAST, _feast),
    (_WEEKEND, _weekend),
    (_NOW, _now),
    (DAY_NUMBER, _day_number),
    (_ON_DAY, _day_number),
    (_DECADE, _decade),
    (_CENTURY, _century),
    (_AGO, _ago),
)
"""Patterns of periods, each with a function of its match, today and the kinds of words before it."""
