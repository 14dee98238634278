"""Dates in a text as words: "18 February 2025", "2025-02-18" and "18.2.25" have the same words.

Names of months are read in all languages. Relative dates ("next Tuesday") are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

from lior.interfaces import Date
from lior_ask.languages.lists import either, languages
from lior_ask.languages.words import IDENTIFIER, identifiers, tokens

MARK = "d:"
"""Prefix of the word of a date; no other word has it."""
MONTHS = {
    name: number
    for language in languages()
    for number, names in enumerate(language.lists["dates.months"], 1)
    for name in names.split()
}
_SHAPE = bytes.maketrans(b"123456789", b"000000000")
_NUMBERS = re.compile(
    r"[0-9](?<![0-9.,:/][0-9])[0-9]{0,3}(?:-[0-9]{1,2}(?:-[0-9]{1,4})?|/[0-9]{1,2}(?:/[0-9]{1,4})?"
    r"|\.[0-9]{1,2}\.(?:[0-9]{2,4})?|\ [0-9]{2}\ [0-9]{2})(?![0-9])"
)
_NAME = re.compile(rf"\b(?:{'|'.join(sorted(MONTHS, key=len, reverse=True))})\b")
_DAY, _YEAR = rf"([0-9]{{1,2}})(?![0-9:]){either('dates.ordinal')}?", r"(1[0-9]{3}|20[0-9]{2})(?![0-9])"
_OF = either("dates.of")
_BEFORE = re.compile(
    rf"\b(?:{_DAY}\s*(?:-|–|&|,|{either('dates.joins')})\s*)?(?<![\w:.,]){_DAY}[\s/.-]{{0,3}}(?:{_OF}\s)?$"
)
_REACH = 24
"""Number of characters before the name of a month in which its day is sought."""
_AFTER = re.compile(rf"\.?[\s-]+(?:{either('dates.the')}\s)?{_DAY}(?:,?\s+{_YEAR})?")
_AFTER_YEAR = re.compile(rf"\.?,?[\s/-]{{1,2}}(?:{_OF}\s)?{_YEAR}")


_LONE_YEAR = re.compile(r"(?<![\w.,:/+-])(?:19|20)\d\d(?![\w/+:-]|[.,]\d)")


def is_day(word: str) -> bool:
    """Return whether the word of a date is a day, and not a month.

    >>> is_day("d:02-18"), is_day("d:2025-02")
    (True, False)
    """
    return len(word) == len(MARK) + 5


def counted_words(text: str) -> list[str]:
    """Return the words of a text that are counted: its tokens, its dates and its identifiers.

    >>> counted_words("Rent from 18 Feb 2025 by pay_rent")
    ['rent', 'from', '18', 'feb', '2025', 'by', 'pay', 'rent', 'd:02-18', 'd:2025-02', 'i:pay_rent']
    """
    words = tokens(text)
    found = [date.words for date in dates(text, words)], identifiers(text)
    return [*words, *chain.from_iterable(chain(*found))] if any(found) else words


def apart(text: str) -> list[str]:
    """Return words as :func:`counted_words` does, without the numbers and months of days.

    >>> apart("Rent from 18 Feb 2025")
    ['rent', 'from', 'd:02-18', 'd:2025-02']
    """
    found = dates(text, tokens(text))
    for date in sorted(found, key=lambda date: -date.begin):
        if any(map(is_day, date.words)):
            text = f"{text[: date.begin]} {text[date.end :]}"
    return [*tokens(text), *chain.from_iterable(date.words for date in found)]


def is_marked(word: str) -> bool:
    """Return whether a word is a date or an identifier."""
    return word.startswith((MARK, IDENTIFIER))


def show(word: str) -> str:
    """Return a word for display, a date or an identifier without its prefix."""
    return word.removeprefix(MARK).removeprefix(IDENTIFIER)


def dates(text: str, words: Sequence[str]) -> list[Date]:
    """Return the dates of a text with the tokens ``words``, in any order.

    >>> [date.words for date in dates("18.2., 2/18 and 3/4", [])]
    [('d:02-18',), ('d:02-18',), ('d:04-03', 'd:03-04')]
    """
    found = list[Date]()
    shape = text.encode("utf-8", "replace").translate(_SHAPE)
    # A fast test: every date in numbers has one of these shapes.
    if (
        b"0000-0" in shape
        or b"-0000" in shape
        or b"0/0" in shape
        or b"0.0." in shape
        or b"0.00." in shape
        or b"00 00 00" in shape
    ):
        for match in _NUMBERS.finditer(text):
            if known := _numeric(match.group()):
                found.append(Date(match.start(), match.end(), *known))
    if not MONTHS.keys().isdisjoint(words):
        found += _write(text)
    return found


@lru_cache(1 << 12)  # lines of a log repeat dates
def _numeric(whole: str) -> tuple[tuple[str, ...], str] | None:
    """Return the words and the year of a date in numbers, or ``None``."""
    mark = next(each for each in whole if not each.isdigit())
    parts = [part for part in whole.split(mark) if part]
    year, readings = _readings(mark, parts)
    words = tuple(word for month, day in readings for word in _words(year, month, day))
    return (words, str(year or "")) if words else None


def _readings(mark: str, parts: Sequence[str]) -> tuple[int, list[tuple[int, int]]]:
    """Return the year, 0 if unknown, and each month and day that numbers with a mark between may mean."""
    first, second, third = [*map(int, parts), 0, 0][:3]
    year, readings = third, [(second, first)]
    if len(parts[0]) == 4:
        year, readings = first, [(second, third)]
    elif len(parts[0]) > 2 or (mark in "- " and len(parts[-1]) < 4) or len(parts[-1]) == 3:
        return 0, []
    elif len(parts[-1]) == 2 and len(parts) == 3:
        year += 2000 if third < 70 else 1900
    if mark == "/" and len(parts[0]) < 3 and first != second:
        readings.append((first, second))
    return year, readings


def _write(text: str) -> Iterator[Date]:
    """Yield the dates with the name of a month."""
    small = text.lower()
    if len(small) != len(text):  # a lower-case letter has another length
        return
    for match in _NAME.finditer(small):
        begin, end = match.span()
        start = max(0, begin - _REACH)
        if before := _BEFORE.search(small[start:begin]):
            days, after = before.groups(), _AFTER_YEAR.match(small, end)
            begin = start + before.start()
        elif after := _AFTER.match(small, end):
            days = after.groups()[:1]
        else:
            days, after = (), _AFTER_YEAR.match(small, end)
        year = (after.groups()[-1] if after else "") or ""
        month, each = MONTHS[match.group()], [int(day) for day in days if day] or [0]
        words = tuple(dict.fromkeys(w for day in each for w in _words(int(year or 0), month, day)))
        if words:
            yield Date(begin, after.end() if after else end, words, year)


def _words(year: int, month: int, day: int) -> Iterator[str]:
    if not (1 <= month <= 12 and day <= 31 and (day or year) and (not year or 1000 <= year < 2100)):
        return
    if day:
        yield f"{MARK}{month:02}-{day:02}"
    if year:
        yield f"{MARK}{year}-{month:02}"


def first_date(text: str) -> str:
    """Return the first date with a year in a text, or else its first year from 1900 on, or an empty string.

    >>> first_date("due on 3 May 2025"), first_date("the roof of 1998"), first_date("3 May")
    ('2025-05-03', '1998', '')
    """
    found = sorted(dates(text, tokens(text)), key=lambda date: date.begin)
    for date in (each for each in found if each.year):
        day = next(filter(is_day, date.words), "")
        month = next((word for word in date.words if not is_day(word)), "")
        return f"{date.year}-{day.removeprefix(MARK)}" if day else month.removeprefix(MARK)
    year = _LONE_YEAR.search(text)
    return year[0] if year else ""
