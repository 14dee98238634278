"""Periods in questions: "in March", "seit dem 3. Mai", "la semaine dernière".

Relative periods are relative to a given day.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Collection, Set
from datetime import date, timedelta

import attrs

from lior_ask.languages.dates import MONTHS
from lior_ask.languages.lists import any_of, either, languages

_LEAP = 2000
"""Year for comparing days without a year; it has a 29 February."""
NAME = "\x05"
"""Mark of a word that is a name, and not a month."""
_MONTH = rf"(?<!{NAME})(?:{'|'.join(sorted(MONTHS, key=len, reverse=True))})"
_ORDINAL = f"{either('dates.ordinal')}?"
_YEAR = r"(?<!\w-)(?:19|20)\d\d"


def _any(key: str) -> str:
    return either(f"periods.{key}")


_OF = rf"(?:{either('dates.of')}\s+)?"
_WEEKDAY = any_of(" ".join(name for each in languages() for name in each.lists["dates.weekdays"]).split())
_DATE = (
    rf"(?:(?:{_any('before_date')}|{_WEEKDAY},?)\s+)*(?:\d{{4}}-\d\d-\d\d|\d{{4}}-\d\d|\d{{1,2}}\.\d{{1,2}}\.(?:\d{{4}}|\d{{2}})?"
    rf"|\d{{1,2}}/\d{{1,2}}/\d{{4}}"
    rf"|\d{{1,2}}{_ORDINAL}\s+{_OF}(?:{_MONTH})\b\.?(?:,?\s+{_OF}{_YEAR})?"
    rf"|(?:{_MONTH})\b\.?\s+\d{{1,2}}{_ORDINAL}(?!\d)(?:,?\s+{_YEAR})?"
    rf"|(?:{_MONTH})\b\.?(?:,?\s+{_OF}{_YEAR})?|{_YEAR})"
)
_BETWEEN = re.compile(
    rf"\b(?P<start>{_any('start')}\s+)?(?P<end_a>{_any('end')}\s+)?(?P<a>{_DATE}|(?:{_any('before_date')}\s+)?\d{{1,2}}{_ORDINAL})\s*"
    rf"(?:(?P<and>{_any('and')})|{_any('to')}|-|–)\s*(?:{_any('end')}\s+)?(?P<b>{_DATE})(?!\w)"
)
_MONTHS = re.compile(
    rf"\b(?:{_any('in')}\s+)?(?P<a>(?:{_MONTH})\b)(?P<others>(?:,\s*(?:{_MONTH})\b)+),?\s+{_any('and')}\s+"
    rf"(?P<b>(?:{_MONTH})\b(?:\s+{_OF}{_YEAR})?)"
)
_SINCE = re.compile(
    rf"\b(?P<how>{_any('since')})\s+(?P<end>{_any('end')}\s+)?(?P<a>{_DATE})(?P<onwards>\s+{_any('onwards')})?(?!\w)"
)
_SIDE = re.compile(
    rf"\b(?:(?P<before>{_any('before')})|(?P<until>{_any('until')})|{_any('after')})\s+(?:{_any('end')}\s+)?(?P<a>{_DATE})(?!\w)"
)
UNIT_FORMS = {unit: _any(f"{unit}_units") for unit in ("day", "week", "month", "year")}
_IN = re.compile(
    rf"(?:\b{_any('in')}\s*)?(?:(?:{_any('before_date')}\s+)?(?!{UNIT_FORMS['month']}\s+{_YEAR})"
    rf"{_any('month_or_year')}\s+(?:{_OF}|d'\s*))?"
    rf"(?<!\w)(?P<a>{_DATE})(?!\w)"
)
_UNITS = "|".join(f"(?P<{unit}>{forms})" for unit, forms in UNIT_FORMS.items())
NUMBERS = {word: n for each in languages() for n, word in enumerate(each.lists["words.numbers"], 2)}
_FEW = re.compile(
    rf"\b(?:{_any('few_in')}\s+)?(?:{_any('few_the')}\s+)?(?:(?P<before>{_any('few_last')})|(?P<next>{_any('few_next')}))?"
    rf"\s*(?P<n>\d{{1,3}}|{any_of(NUMBERS)})\s+(?:(?:(?P<after>{_any('few_last')})|(?P<coming>{_any('few_next')}))\s+)?"
    rf"(?:{_UNITS})\b"
)
_WEEKDAYS = re.compile(
    rf"\b(?:{_any('in')}\s+)?(?:{_any('few_the')}\s+)?(?:"
    rf"(?:(?P<last>{_any('last_day')})|{_any('next_day')})\s+(?P<name>{_WEEKDAY})"
    rf"|(?P<named>{_WEEKDAY})\s+(?:(?P<past>{_any('last_day')})|{_any('next_day')}))(?!\w)"
)
"""Pattern of "next Friday"; a weekday alone may be a cell of a timetable."""
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
"""Key of the forms -> first and last month of a part of the year; seasons are those of meteorology, north of
the equator. Winter is in two years and is not read."""
_PART = re.compile(
    rf"\b(?:{_any('in')}\s+)?(?:{_any('before_date')}\s+)*(?:"
    + "|".join(f"(?P<{key}>{_any(key)})" for key in _PARTS)
    + rf")(?:\s+{_OF}(?P<year>{_YEAR}))?(?!\w)"
)
_RELATIVE = {
    "today": ("day", 0),
    "before_yesterday": ("day", -2),
    "yesterday": ("day", -1),
    "after_tomorrow": ("day", 2),
    "tomorrow": ("day", 1),
    "last_week": ("week", -1),
    "this_week": ("week", 0),
    "next_week": ("week", 1),
    "last_month": ("month", -1),
    "this_month": ("month", 0),
    "next_month": ("month", 1),
    "last_quarter": ("quarter", -1),
    "this_quarter": ("quarter", 0),
    "next_quarter": ("quarter", 1),
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

    def within(self, year: int) -> Period:
        """Return the same days in a year."""
        first, last = (day and _move(day, year) for day in (self.first, self.last))
        return attrs.evolve(self, first=first, last=last, yearless=False)

    @property
    def whole(self) -> bool:
        """Whether it consists of whole months."""
        begins = self.first is None or self.first.day == 1
        return begins and (self.last is None or self.last == _end(self.last, "month"))

    def inside(self, other: Period) -> bool:
        """Return whether it is inside another period, both with two ends."""
        if self.first is None or self.last is None or other.first is None or other.last is None:
            return False
        return other.first <= self.first and self.last <= other.last

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


def period_in(text: str, today: date) -> tuple[Period | None, str]:
    """Return the period of a question in lower case, and the question with a comma in its place.

    >>> period_in("what did we spend in march 2025?", date(2025, 6, 1))[0].last
    datetime.date(2025, 3, 31)
    """
    for pattern, made in (
        (RELATIVES, lambda match: relative(match, today)),
        (_FEW, lambda match: _few(match, today)),
        (_WEEKDAYS, lambda match: _weekday(match, today)),
        (_PART, _part),
        (_MONTHS, _months),
        (_BETWEEN, _between),
        (_SINCE, _since),
        (_SIDE, _side),
        (_IN, lambda match: None if match[0].strip() in OTHER_WORDS else _day(match["a"])),
    ):
        for match in pattern.finditer(text):
            found = made(match)
            if found:
                shown = " ".join(match[0].split())
                return attrs.evolve(found, shown=shown), text[: match.start()] + " , " + text[match.end() :]
    return None, text


OTHER_WORDS = frozenset(word for each in languages() for word in each.lists["periods.other_words"])
"""Months that are other words, too, if they are alone."""
_TO = rf"\s*(?:,|-|–|{_any('to')}|{_any('and')})"
_BEFORE = rf"(?:{_any('timed')}|\d{{1,2}}{_ORDINAL}(?:\s+{either('dates.of')})?|{any_of(MONTHS)}\b{_TO})"
_BEHIND = rf"\.?,?\s+{either('dates.of')}?\s*\d|{_TO}\s*{any_of(MONTHS)}\b"
"""Patterns before or after a word that show that it is the name of a month."""
RELATIVES = re.compile(
    rf"\b(?:{_any('relative_in')}\s*)?(?:{_any('relative_the')} )?(?:"
    + "|".join(f"(?P<{key}>{_any(key)})" for key in _RELATIVE)
    + r")(?!\w)"
)


def as_names(text: str, names: Set[str]) -> str:
    """Return the question with a mark before each month that is a name: "from Jan", not "in May"."""

    def marked(match: re.Match[str]) -> str:
        first = match.start() <= 1 or match["name"].islower()
        timed = match["timed"] or match["dated"] or (first and match["name"].lower() in OTHER_WORDS)
        return match[0] if timed else f"{NAME}{match[0]}"

    pattern = rf"\b(?P<timed>{_BEFORE}\s*)?(?P<name>{any_of(sorted(names))})\b(?P<dated>{_BEHIND})?"
    return re.sub(pattern, marked, text, flags=re.I) if names else text


def relative(match: re.Match[str], today: date) -> Period:
    """Return the period of a match of :data:`RELATIVES`."""
    unit, distance = next(_RELATIVE[key] for key in _RELATIVE if match[key])
    day = _begin(today, unit)
    for _ in range(abs(distance)):
        day = _begin(day - timedelta(1) if distance < 0 else _end(day, unit) + timedelta(1), unit)
    return around(day, unit)


def around(day: date, unit: str) -> Period:
    """Return the day, week, month or year that a day is in."""
    return Period(first=_begin(day, unit), last=_end(_begin(day, unit), unit), shown="")


def _weekday(match: re.Match[str], today: date) -> Period:
    """Return the next day of a name after today, or the last one before."""
    number = weekday_of(match["name"] or match["named"])
    ahead = (number - today.weekday() - 1) % 7 + 1
    before = (today.weekday() - number - 1) % 7 + 1
    day = today + timedelta(-before if match["last"] or match["past"] else ahead)
    return Period(first=day, last=day, shown="")


def weekday_of(name: str) -> int:
    """Return the number of a weekday by its name in lower case; Monday is 0."""
    weekdays = (own.lists["dates.weekdays"] for own in languages())
    return next(n for names in weekdays for n, forms in enumerate(names) if name in forms.split())


def _few(match: re.Match[str], today: date) -> Period | None:
    coming = match["next"] or match["coming"]
    if not (match["before"] or match["after"] or coming):
        return None
    number = (NUMBERS.get(match["n"]) or int(match["n"])) * (1 if coming else -1)
    if match["day"] or match["week"]:
        other = today + timedelta(number * (7 if match["week"] else 1))
    else:
        year, month = divmod(today.year * 12 + today.month - 1 + number * (12 if match["year"] else 1), 12)
        other = _safe(year, month + 1, today.day)
    return Period(first=min(today, other), last=max(today, other), shown="")


def _part(match: re.Match[str]) -> Period:
    first, last = next(_PARTS[key] for key in _PARTS if match[key])
    year = int(match["year"] or _LEAP)
    begin, end = date(year, first, 1), _end(date(year, last, 1), "month")
    return Period(first=begin, last=end, yearless=not match["year"], shown="")


def _between(match: re.Match[str]) -> Period | None:
    last = _day(match["b"])
    if last is None or last.last is None:
        return None
    first = _day(match["a"])
    if first is None:  # "between 3 and 7 May"
        number = re.search(r"\d+", match["a"])
        if not number or not last.first or not 1 <= int(number[0]) <= last.last.day:
            return None
        first = attrs.evolve(last, first=last.first.replace(day=int(number[0])))
    if first.first is None:
        return None
    if first.yearless and not last.yearless:
        first = first.within(last.last.year)
    if match.groupdict().get("end_a"):  # "between the end of March and …"
        first = attrs.evolve(first, first=first.last)
    if first.yearless != last.yearless or first.first is None or first.first > last.last:
        return None
    both = "start" in match.re.groupindex and match["and"] and not match["start"]
    if both and last.first and (first.last is None or first.last + timedelta(1) != last.first):
        return None  # "in April and July" is two periods
    return Period(first=first.first, last=last.last, yearless=last.yearless, shown="")


def _months(match: re.Match[str]) -> Period | None:
    """Return successive months, "in April, May and June 2025", or ``None``."""
    found = _between(match)
    count = 2 + len(re.findall(r"\w+", match["others"]))
    if found is None or found.first is None or found.last is None:
        return None
    return found if found.last.month - found.first.month + 1 == count else None


def _since(match: re.Match[str]) -> Period | None:
    found = _day(match["a"])
    if match["how"] == "from" and not match["onwards"]:
        return None  # "from March" is "in March"
    return found and attrs.evolve(found, first=found.last if match["end"] else found.first, last=None)


def _side(match: re.Match[str]) -> Period | None:
    found = _day(match["a"])
    if found is None or found.first is None or found.last is None:
        return None
    if match["before"]:
        return attrs.evolve(found, first=None, last=found.first - timedelta(1))
    if match["until"]:
        return attrs.evolve(found, first=None)
    return attrs.evolve(found, first=found.last + timedelta(1), last=None)


_NAMED = re.compile(
    rf"(?:(?P<day>\d{{1,2}}){_ORDINAL}\s+{_OF})?(?P<month>{_MONTH})\b\.?(?:\s+(?P<after>\d{{1,2}}){_ORDINAL}(?!\d))?"
    rf"(?:,?\s+{_OF}(?P<year>{_YEAR}))?"
)


def _day(text: str) -> Period | None:
    """Return the day, month or year of a date, or ``None`` if it does not exist."""
    text = re.sub(rf"^(?:(?:{_any('before_date')}|{_WEEKDAY},?)\s+)+", "", text.strip())
    year = month = day = 0
    if match := re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", text):
        year, month, day = (int(each or 0) for each in match.groups())
    elif match := re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})?", text):
        day, month, year = int(match[1]), int(match[2]), int(match[3] or 0)
        year += 2000 * (0 < year < 100)
    elif match := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", text):
        one, two, year = map(int, match.groups())
        if one <= 12 and two <= 12 and one != two:
            return None  # it is ambiguous
        day, month = (two, one) if two > 12 else (one, two)
    elif match := _NAMED.fullmatch(text):
        month, day = MONTHS[match["month"]], int(match["day"] or match["after"] or 0)
        year = int(match["year"] or 0)
    else:
        return None
    try:
        first = date(year or _LEAP, month or 1, day or 1)
    except ValueError:
        return None
    last = _end(first, "day" if day else "month" if month else "year")
    return Period(first=first, last=last, yearless=not year, shown="")


def _begin(day: date, unit: str) -> date:
    begins: dict[str, Callable[[], date]] = {
        "day": lambda: day,
        "week": lambda: day - timedelta(day.weekday()),
        "month": lambda: day.replace(day=1),
        "quarter": lambda: day.replace(month=day.month - (day.month - 1) % 3, day=1),
        "year": lambda: day.replace(month=1, day=1),
    }
    return begins[unit]()


def _end(day: date, unit: str) -> date:
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


def _move(day: date, year: int) -> date:
    """Return the day in another year; 29 February becomes the last day of February."""
    if (day.month, day.day) == (2, 29):
        return _end(date(year, 2, 1), "month")
    return day.replace(year=year)
