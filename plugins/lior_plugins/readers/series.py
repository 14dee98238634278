"""Series of a calendar: when an event that repeats takes place (RFC 5545, section 3.8.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice

import attrs

MOST = 4000
"""Times of a series that are told apart; a daily one has as many in eleven years."""
_RULE = re.compile(r"(?=.*\bFREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)\b)(?!.*\bINTERVAL=(?!0*[1-9]\d*(;|$)))", re.I)
"""What is expanded: dateutil does not come back from an interval of 0, and takes minutes to find no hour."""
_ENDS = re.compile(r"\b(UNTIL|COUNT)=", re.I)


@attrs.frozen
class Series:
    """When an event takes place."""

    begins: tuple[datetime, ...]
    """Ascending, without those that are left out."""
    whole: bool
    """Whether these are all; false for one without an end, of which those until some day are here."""


def expand(
    begin: datetime,
    rules: Sequence[str],
    more: Iterable[datetime],
    without: Iterable[datetime],
    until: datetime,
) -> Series:
    """The times of an event that begins at ``begin``, as written there, whatever the zone.

    Parameters
    ----------
    rules
        Values of RRULE; one that is malformed, or of less than a day, adds nothing.
    more, without
        Values of RDATE and EXDATE, and of RECURRENCE-ID of events that take the place of one.
    until
        Where a series without an end is cut.
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
    with suppress(ValueError, OverflowError):  # of rules that lead to no date
        for each in islice(found, MOST + 1):
            if endless and each > max(until, begin):
                break
            begins.append(each)
    return Series(tuple(begins[:MOST]), not endless and len(begins) <= MOST)
