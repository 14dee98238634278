"""Series of a calendar: when an event that repeats takes place (RFC 5545, section 3.8.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice

import attrs

MOST = 4000
"""The maximum number of times of a series; a daily one reaches it in eleven years."""
_RULE = re.compile(r"(?=.*\bFREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)\b)(?!.*\bINTERVAL=(?!0*[1-9]\d*(;|$)))", re.I)
"""Rules that are expanded: dateutil never returns for an interval of 0, and takes minutes if no
hour matches.
"""
_ENDS = re.compile(r"\b(UNTIL|COUNT)=", re.I)


@attrs.frozen
class Series:
    """The times of an event."""

    begins: tuple[datetime, ...]
    """The beginnings in ascending order, without excluded times."""
    whole: bool
    """Whether the times are complete; false for a series without an end, which is cut at some day."""


def expand(
    begin: datetime,
    rules: Sequence[str],
    more: Iterable[datetime],
    without: Iterable[datetime],
    until: datetime,
) -> Series:
    """Return the times of an event that begins at ``begin``, as written there, whatever the zone.

    Parameters
    ----------
    rules
        Values of RRULE; a malformed rule, or one for less than a day, adds nothing.
    more, without
        Values of RDATE and EXDATE, and of RECURRENCE-ID of events that take the place of one.
    until
        The time at which a series without an end is cut.
    """
    from dateutil.rrule import rruleset, rrulestr  # every question asks readers for their versions

    found = rruleset()
    found.rdate(begin)
    rules = [rule for rule in rules if _RULE.match(rule)]
    for rule in rules:
        try:
            found.rrule(rrulestr(rule, dtstart=begin, ignoretz=True))
        except (ValueError, TypeError, AttributeError, OverflowError):
            continue
    for moment in more:
        found.rdate(moment)
    for moment in without:
        found.exdate(moment)
    endless = any(not _ENDS.search(rule) for rule in rules)
    begins = list[datetime]()
    with suppress(ValueError, OverflowError):  # from rules without any date
        for each in islice(found, MOST + 1):
            if endless and each > max(until, begin):
                break
            begins.append(each)
    return Series(tuple(begins[:MOST]), not endless and len(begins) <= MOST)
