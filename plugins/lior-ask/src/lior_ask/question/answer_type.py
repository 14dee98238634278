"""What a question expects of the sentence that answers it: a number, a time, a person, a place, a reason.

The kinds are told by English words.
"""

from __future__ import annotations

import re
from functools import lru_cache

_NUMBERS = "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred"
_TIMES = """january february march april may june july august september october november december jan feb mar
    apr jun jul aug sep oct nov dec mondays? tuesdays? wednesdays? thursdays? fridays? saturdays? sundays?
    mon tue wed thu fri sat sun noon midnight morning evening afternoon night weekend spring summer autumn
    winter christmas easter today tomorrow yesterday o'clock hourly daily weekly monthly yearly every hours?
    days? weeks? months? years? minutes? seconds?"""


def _any(words: str) -> str:
    return rf"\b({'|'.join(words.split())})\b"


_EXPECTED = tuple(
    (re.compile(asked, re.I), re.compile(wanted))
    for asked, wanted in (
        (
            r"\b(when|what (time|date)|(which|what) (day|month|year|evening|date)|how (long|often|early|late"
            r"|soon|quickly|old)|deadline|birthday|days?)\b",
            rf"\b(19|20)\d\d\b|\b\d\d?([:.]\d\d|st|nd|rd|th| ?[ap]m)\b|(?i:{_any(_TIMES)})",
        ),
        (
            r"\bhow (much|many|far|big|tall|high|deep|hot|cold|warm|loud|thick|wide|heavy|expensive|fast"
            r"|strong|large|small)\b|\b(number|price|cost|pay|amount|temperature|size|weight|speed|rate|code|phone"
            r"|telephone|pin)\b",
            rf"(?<![A-Za-z_])\d|(?i:{_any(_NUMBERS + ' half quarter dozen once twice none')})",
        ),
        (
            r"\b(who|whose|whom|(which|what) (person|customer|company|doctor|teacher)|name of)\b",
            r"(?<=[\w,;:('\"] )[A-Z][a-z]+|\b(Mr|Mrs|Ms|Dr|Prof)\b|@|\b[A-Z][a-z]+(, | (is|was|has|had)\b)",
        ),
        (
            r"\bwhere\b|\bwhich (office|room|place)\b",
            r"(?i)\b(in|at|on|behind|under|near|beside|next to|above|below|between|from|inside|outside)\b",
        ),
        (r"\bwhy\b", r"(?i)\b(because|since|so|due|for|therefore|reasons?|caused?|otherwise)\b"),
    )
)  # the first kind that fits is expected


@lru_cache(maxsize=64)
def expected(question: str) -> re.Pattern[str] | None:
    """What a sentence that answers has, or ``None`` where the question does not tell."""
    return next((wanted for asked, wanted in _EXPECTED if asked.search(question)), None)


def suits(question: str, text: str) -> bool:
    """Whether a passage has what the question asks for.

    >>> suits("When is the flight?", "It departs at 12:15."), suits("When is the flight?", "It is full.")
    (True, False)
    """
    wanted = expected(question)
    return bool(wanted and wanted.search(text))
