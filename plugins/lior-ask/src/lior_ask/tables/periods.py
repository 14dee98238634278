"""Periods in questions: "in March", "seit dem 3. Mai", "la semaine dernière", "from mid October to now".

A period is read from left to right: a word such as "since", an edge such as "the end of", a date, and perhaps
another date behind "to" or "or". Days without a month and relative dates are near a given day.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Set
from datetime import date, timedelta

import attrs

from lior_ask.languages.dates import MONTHS
from lior_ask.languages.lists import any_of, either, languages
from lior_ask.tables.days import (
    BARE,
    DAY_NUMBER,
    FOLLOWS,
    NAME,
    NTH,
    OTHER_WORDS,
    PATTERNS,
    SIDES,
    UNIT_FORMS,
    Period,
    any_period,
    around,
    begin_of,
    end_of,
    moved,
)

_SPACE = r"(?:\s+|(?<=['’])\s*)"
_LEAD = {key: re.compile(rf"{any_period(key)}{_SPACE}") for key in (*SIDES, "start")}
_LEAD["in"] = re.compile(rf"{any_period('in', 'few_in', 'relative_in')}{_SPACE}")
"""Patterns of words before a date: :data:`SIDES`, "start" of a span such as "between", and "in"."""
_ARTICLE = re.compile(rf"{any_period('before_date', 'few_the', 'of_unit', 'relative_the')}{_SPACE}")
_EDGES = {
    key: re.compile(rf"{any_period(key)}(?:\s+|-|(?<=['’])\s*|$)")
    for key in ("begin", "end", "middle", "half_month_1", "half_month_2")
}
_FORTNIGHT = re.compile(any_period("fortnight"))
"""A half that is always one of a month."""
_ORDINALS = [each.lists["words.ordinals"][:4] for each in languages()]
_NTHS = any_of(word for own in _ORDINALS for word in own)
_WEEK_OF = re.compile(
    rf"(?:(?P<nth>{_NTHS})\w{{0,2}}\s+|(?P<last>{any_period('last_of')})\s+)?"
    rf"(?:{UNIT_FORMS['week']}|(?P<end>{any_period('weekend')}))\s+"
)
_UNIT = {unit: re.compile(rf"{UNIT_FORMS[unit]}s?(?!\w)(?!\s+\d)") for unit in ("week", "month", "year")}
_TO = re.compile(rf"\s*(?:(?:{any_period('to')}(?!\w)\s*)+|-|–)\s*")
_AND = re.compile(rf"\s+{any_period('and')}\s+")
_OR = re.compile(rf"\s*(?:,\s*(?:{any_period('and', 'or')}\s+)?|\s{any_period('and', 'or')}\s+|/\s*)")
_ONWARDS = re.compile(rf"\s+{any_period('onwards')}(?!\w)")
_LATER, _EARLIER = (re.compile(rf"\s+{any_period(key)}(?!\w)") for key in ("or_later", "or_earlier"))


def _normalised(text: str, language: str) -> str:
    """Return a question with parts of compounds apart, "Januarhälfte", and with days in numbers as ISO 8601.

    In English, 3/4/2026 stays as it is, since either number may be the month.
    """
    text = _COMPOUND.sub(r"\1 \3 \2", text)
    return text if language == "english" else _SLASHED.sub(_day_first, text)


def _day_first(match: re.Match[str]) -> str:
    day, month = int(match[1]), int(match[2])
    return f"{match[3]}-{month:02}-{day:02}" if day <= 31 and month <= 12 else match[0]


_COMPOUND = re.compile(
    rf"(?<!\w)({any_period('compound_before')})\s+({any_of(MONTHS)})({any_period('compound_end')})(?!\w)",
    re.I,
)
_SLASHED = re.compile(r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\w/])")


def period_in(text: str, today: date, language: str = "english", start: int = 0) -> tuple[Period | None, str]:
    """Return the first period of a question, and the question with a comma in its place.

    It begins at the position ``start`` or after it. Only in English, 3/4/2026 may be in March.

    >>> period_in("what did we spend in march 2025?", date(2025, 6, 1))[0].last
    datetime.date(2025, 3, 31)
    >>> period_in("from mid october to now", date(2025, 11, 30))[0].first
    datetime.date(2025, 10, 15)
    >>> period_in("am 3/4/2026", date(2025, 11, 30), "german")[0].first
    datetime.date(2026, 4, 3)
    """
    text = _normalised(text, language)
    small = text.lower()
    text = text if len(small) == len(text) else small
    reader = _Reader(small, today)
    for match in _WORD.finditer(small, start):
        if found := reader.read(match.start()):
            period, end = found
            shown = " ".join(text[match.start() : end].split())
            over = not _PAST[language].isdisjoint(re.findall(r"\w+", small))
            return attrs.evolve(period, shown=shown, over=over), text[: match.start()] + " , " + text[end:]
    return None, text


_PAST = defaultdict(frozenset[str], {each.name: frozenset(each.lists["words.past"]) for each in languages()})
"""Verbs in the past tense of each language: "was" asks for something else in German."""
_NUMBERED = re.compile(rf"\d{NTH}(?!\w)|(?<!\w){any_period('the_day')}\s+\d")
_OF_UNIT = re.compile(
    rf"(?:{UNIT_FORMS['day']}|{UNIT_FORMS['week']})\s+(?:{any_period('before_date', 'in')}\s+)*$"
)
_WORD = re.compile(r"(?<![\w/:.,-])(?=\w)")
_Read = tuple[Period, int]
"""A period, and where its words end."""


@attrs.frozen
class _Reader:
    """A reader of the periods of a text in lower case."""

    text: str
    today: date

    def read(self, at: int) -> _Read | None:
        """Return the period whose words begin at a position."""
        for lead, start in self._leads(at):
            for place in self._behind_articles(start):
                if found := self._led(lead, at, place):
                    return found
        return None

    def _leads(self, at: int) -> Iterator[tuple[frozenset[str], int]]:
        """Yield the kinds of words such as "since" at a position with their end, the longest ones first."""
        ends = dict[int, set[str]]()
        for key, pattern in _LEAD.items():
            if match := pattern.match(self.text, at):
                ends.setdefault(match.end(), set()).add(key)
        yield from ((frozenset(ends[end]), end) for end in sorted(ends, reverse=True))
        yield frozenset(), at

    def _behind_articles(self, at: int) -> list[int]:
        """Return the positions behind articles, the last one first."""
        places = [at]
        while match := _ARTICLE.match(self.text, places[-1]):
            if match.end() == places[-1]:
                break
            places.append(match.end())
        return places[::-1]

    def _led(self, lead: frozenset[str], begin: int, at: int) -> _Read | None:
        """Return the period of the date at a position behind the words ``lead``, which begin at ``begin``."""
        if (span := self._span(lead, begin, at)) is not None:
            return span
        found = self._dated(at, lead)
        if found is None:
            return None
        period, end = found
        if not lead & SIDES or "in" in lead:
            period, end = self._with_next(period, end)
        if self.text[begin:end].strip() in OTHER_WORDS:
            return None
        if match := _LATER.match(self.text, end):
            return attrs.evolve(period, last=None), match.end()
        if match := _EARLIER.match(self.text, end):
            return attrs.evolve(period, first=None), match.end()
        if "since" in lead and (onwards := _ONWARDS.match(self.text, end)):
            return attrs.evolve(period, last=None), onwards.end()
        return _sided(period, lead), end

    def _span(self, lead: frozenset[str], begin: int, at: int) -> _Read | None:
        """Return a period from one date to another one."""
        if lead & SIDES and not lead & {"start", "in", "since"}:
            return None
        first = self._dated(at, lead, spans=True) or self._number(at)
        if first is None:
            return None
        one, end = first
        between = "start" in lead and "in" not in lead
        joined = _TO.match(self.text, end) or (_AND.match(self.text, end) if between or one.bare else None)
        if joined is None:
            return None
        only = timedelta(1) if joined.re is _AND and not between else timedelta.max  # "on 3 and 7 May"
        for place in self._behind_articles(joined.end()):
            other = self._dated(place, _UNTIL, spans=True) or self._number(place)
            both = other and self._joined(one, other[0], begin, other[1])
            if other and both and both.ends and both.ends[1] - both.ends[0] <= only:
                return both, other[1]
        return None

    def _joined(self, one: Period, other: Period, begin: int, end: int) -> Period | None:
        """Return the period from the begin of one to the end of another, or ``None`` if they do not fit."""
        numbered = len(_NUMBERED.findall(self.text[begin:end]))
        if other.bare and numbered < 2 and not FOLLOWS.match(self.text, end):
            return None  # "from 10 to 20 euros"
        if one.bare and other.bare:
            if not (numbered or _OF_UNIT.search(self.text[:begin])):
                return None
            one = one.of_month(self.today) or one
        return _spanning(one, other, self.today)

    def _with_next(self, period: Period, end: int) -> _Read:
        """Return a period with those that follow it at once: "in April and May", "2023 or 2024"."""
        unit = _size(period)
        while match := _OR.match(self.text, end):
            for lead, start in self._leads(match.end()):
                sided = lead & SIDES and "in" not in lead
                found = None if sided else self._dated(start, _IN) or self._number(start)
                if found and found[0].shown.isdecimal() and not FOLLOWS.match(self.text, found[1]):
                    continue  # "on 3 May, 4 payments"
                both = found and _united(period, found[0], unit)
                if found and both:
                    period, end = both, found[1]
                    break
            else:
                break
        return period, end

    def _number(self, at: int) -> _Read | None:
        """Return the day of a month that is only a number."""
        match = DAY_NUMBER.match(self.text, at)
        if match is None or not 1 <= int(match["day"]) <= 31:
            return None
        return Period(shown=match[0], bare=int(match["day"])), match.end()

    def _dated(self, at: int, lead: frozenset[str], *, spans: bool = False) -> _Read | None:
        """Return the day, month or other period at a position, with an edge such as "the end of"."""
        for key, pattern in _EDGES.items():
            whole = key in ("begin", "end")  # "the end of March" alone is in March
            match = None if whole and not (spans or lead & SIDES) else pattern.match(self.text, at)
            if match is None:
                continue
            for place in self._behind_articles(match.end()):
                inner = self._atom(place, lead, spans=True) or self._unit(place)
                if inner and (found := _edge(key, inner[0], lead, spans=spans)):
                    return found, inner[1]
            month = around(self.today, "month")
            if _FORTNIGHT.search(match[0]) and (found := _edge(key, month, lead, spans=spans)):
                return found, match.end()
        return self._week_of(at, lead) or self._atom(at, lead, spans=spans)

    def _week_of(self, at: int, lead: frozenset[str]) -> _Read | None:
        """Return the week or weekend of a day, or a week of a month, counted from its first day on."""
        match = _WEEK_OF.match(self.text, at)
        starts = (start for said, start in self._leads(match.end()) if not said & SIDES) if match else ()
        for place in (place for start in starts for place in self._behind_articles(start)):
            found = self._atom(place, lead, spans=True)
            if match is None or found is None or (ends := found[0].ends) is None:
                continue
            first, last = ends
            number = next((own.index(match["nth"]) for own in _ORDINALS if match["nth"] in own), -1)
            days = 1 if match["end"] else 6
            if ends == _month(first) and (match["last"] or number >= 0) and days == 6:
                first = last - timedelta(6) if number < 0 else first + timedelta(7 * number)
            elif first == last and number < 0 and not match["last"]:
                first = first if found[0].yearless else begin_of(first, "week") + timedelta(6 - days)
            else:
                continue
            return attrs.evolve(found[0], first=first, last=first + timedelta(days)), found[1]
        return None

    def _unit(self, at: int) -> _Read | None:
        """Return today's week, month or year."""
        for unit, pattern in _UNIT.items():
            if match := pattern.match(self.text, at):
                return around(self.today, unit), match.end()
        return None

    def _atom(self, at: int, lead: frozenset[str], *, spans: bool) -> _Read | None:
        """Return the longest of what may be at a position; the number of a day alone is none in a span."""
        best: _Read | None = None
        for pattern, made in PATTERNS:
            if (not spans or pattern not in BARE) and (match := pattern.match(self.text, at)):
                period = made(match, self.today, lead)
                if period and (best is None or match.end() > best[1]):
                    best = period, match.end()
        return best


_IN = frozenset(("in",))
_UNTIL = frozenset(("until", "end"))
"""The lead of the second date of a span."""


def _sided(period: Period, lead: Set[str]) -> Period:
    """Return the period since, until, before or after another one."""
    if "since" in lead and "in" not in lead:
        return attrs.evolve(period, last=None)
    if "until" in lead:
        return attrs.evolve(period, first=None)
    if "before" in lead and period.first:
        return attrs.evolve(period, first=None, last=period.first - timedelta(1))
    if "after" in lead and period.last:
        return attrs.evolve(period, first=period.last + timedelta(1), last=None)
    return period


def _month(day: date) -> tuple[date, date]:
    return begin_of(day, "month"), end_of(day, "month")


def _edge(key: str, period: Period, lead: Set[str], *, spans: bool) -> Period | None:
    """Return the first or the last day of a period, its middle or its halves, or ``None`` if it has none."""
    if period.ends is None:
        return None
    first, last = period.ends
    if key == "begin":
        return attrs.evolve(period, last=first)
    if key == "end":  # "before the end of the year" has its last day
        day = last + timedelta(bool("before" in lead))
        return attrs.evolve(period, first=day, last=day)
    if (first, last) != _month(first):
        return None
    middle = (15, 15) if spans or lead & SIDES else (11, 20)
    days = {"middle": middle, "half_month_1": (1, 15), "half_month_2": (16, last.day)}[key]
    return attrs.evolve(period, first=first.replace(day=days[0]), last=first.replace(day=days[1]))


def _spanning(one: Period, other: Period, today: date) -> Period | None:
    """Return the period from the begin of one to the end of another, or ``None`` if they do not fit."""
    if other.bare and one.first and one.first == one.last:
        later = other.bare < one.first.day  # "from 25 November to the 3rd"
        other = other.of_month(end_of(one.first, "month") + timedelta(1) if later else one.first) or other
    elif one.bare and other.last:
        one = one.of_month(other.last) or one
    if one.first is None or other.last is None:
        return None
    if one.yearless and other.yearless and one.first > other.last:  # "from December to January"
        one = one.within(today.year - (today.month <= other.last.month))
    first, last = one.first or other.last, other.last
    if one.yearless and not other.yearless:
        first = moved(first, last.year - (moved(first, last.year) > last))
    elif other.yearless and not one.yearless:
        last = moved(last, first.year + (moved(last, first.year) < first))
    both = one.yearless and other.yearless
    return Period(first=first, last=last, yearless=both, shown="") if first <= last else None


def _size(period: Period) -> str:
    """Return whether a period is a day, a month or a year, or an empty string."""
    if period.ends is None:
        return ""
    first, last = period.ends
    units = (
        unit
        for unit in ("day", "month", "year")
        if (begin_of(last, unit), end_of(first, unit)) == (first, last)
    )
    return next(units, "")


def _united(one: Period, other: Period, unit: str) -> Period | None:
    """Return two periods as one if the second is next to the first, and both consist of the same units."""
    if other.bare and one.last and unit == "day":
        other = other.of_month(one.last) or other
    if one.last and other.last and one.yearless != other.yearless:
        year = (other.last if one.yearless else one.last).year
        one, other = (each.within(year) if each.yearless else each for each in (one, other))
    if not unit or _size(other) != unit or one.ends is None or other.ends is None:
        return None
    if one.ends[1] + timedelta(1) == other.ends[0]:
        return attrs.evolve(one, last=other.last)
    return attrs.evolve(one, first=other.first) if other.ends[1] + timedelta(1) == one.ends[0] else None


_NEXT = rf"\s*(?:,|-|–|{any_period('to')}|{any_period('and')})"
_BEFORE = rf"(?:{any_period('timed')}|\d{{1,2}}{NTH}?(?:\s+{either('dates.of')})?|{any_of(MONTHS)}\b{_NEXT})"
_BEHIND = rf"\.?,?\s+{either('dates.of')}?\s*\d|{_NEXT}\s*{any_of(MONTHS)}\b"
"""Patterns before or after a word that show that it is the name of a month."""


def as_names(text: str, names: Set[str]) -> str:
    """Return the question with a mark before each month that is a name: "from Jan", not "in May"."""

    def marked(match: re.Match[str]) -> str:
        first = match.start() <= 1 or match["name"].islower()
        timed = match["timed"] or match["dated"] or (first and match["name"].lower() in OTHER_WORDS)
        return match[0] if timed else f"{NAME}{match[0]}"

    pattern = rf"\b(?P<timed>{_BEFORE}\s*)?(?P<name>{any_of(sorted(names))})\b(?P<dated>{_BEHIND})?"
    return re.sub(pattern, marked, text, flags=re.I) if names else text
