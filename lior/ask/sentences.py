"""Sentences and lines of a paragraph, as offsets into its text.

A paragraph that was wrapped at a width is cut into sentences across its lines; one of short lines, such as a
list of facts, is cut at every line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

LONGEST = 700
"""Most characters of a passage; a longer sentence or line is cut at white space."""
_LEAST = 15
"""A sentence of fewer characters goes with the next one: "Yes.", "Step 1."."""
_NARROWEST, _WIDEST = 40, 140
"""Columns at which text is wrapped by hand or by an editor."""

Span = tuple[int, int]
"""Offsets of the first character and after the last one."""

_BREAK = re.compile(
    r"[.!?…][\"'”’»)\]*_`]*(?P<gap>\s+)(?=[\"'“‘«(\[*_`¿¡]*[^\W_a-z])|[。！？][」』”]?(?P<none>\s*)(?=\S)"
)
_FACT = re.compile(r"[\d:=.!?]")
"""In a short line that can stand alone, as "PIN 4711", unlike "Best" above a name."""
_LABEL = re.compile(r"\s*[^\W\d_][\w -]{0,30}:\s")
"""A line of its own, such as "Phone: 12 34", however long the line before it."""
_ABBREVIATED = re.compile(
    r"(?:^|[\s(\[\"'“])(?:(?:\w\.)*\w|\d{1,2}|mr|mrs|ms|dr|prof|st|vs|etc|cf|ca|approx|no|nr|fig|figs|eq|sec|p|pp|vol"
    r"|ed|al|inc|ltd|co|jr|sr|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|tel|bzw|usw|evtl|ggf|str|art|abs)\.$",
    re.IGNORECASE,
)


def units(text: str, lines: Sequence[Span]) -> Iterator[Span]:
    """The sentences of consecutive ``lines``, none of them blank; no unit has white space at its ends."""
    for begin, end in _runs(text, lines):
        for first, last in _sentences(text, begin, end):
            yield from pieces(text, first, last)


def pieces(text: str, begin: int, end: int) -> Iterator[Span]:
    """The text between two offsets without white space at its ends, cut where it is too long."""
    found = text[begin:end]
    end -= len(found) - len(found.rstrip())
    begin = min(begin + len(found) - len(found.lstrip()), end)
    while end - begin > LONGEST:
        cut = next((at for at in range(begin + LONGEST, begin + LONGEST // 2, -1) if text[at].isspace()), 0)
        last = cut = cut or begin + LONGEST
        while text[last - 1].isspace():
            last -= 1
        yield begin, last
        while text[cut].isspace():  # the end is no white space
            cut += 1
        begin = cut
    if begin < end:
        yield begin, end


def _runs(text: str, lines: Sequence[Span]) -> Iterator[Span]:
    """Lines that belong together, most because they were wrapped: the first word of the next had no room."""
    if len(lines) == 1:
        yield from lines
        return
    wide = max(end - begin for begin, end in lines)
    begin, end = lines[0]
    length = end - begin
    for first, last in lines[1:]:
        following = text[first:last]
        word = following.split(maxsplit=1)[0]
        full = _NARROWEST <= wide <= _WIDEST and length + 1 + len(word) > wide and not _LABEL.match(following)
        tiny = end - begin < _LEAST and not _FACT.search(text, begin, end)
        if full or tiny or (word[0].islower() and length >= _NARROWEST):
            end = last
        else:
            yield begin, end
            begin, end = first, last
        length = last - first
    yield begin, end


def _sentences(text: str, begin: int, end: int) -> Iterator[Span]:
    first = begin
    for match in _BREAK.finditer(text, begin, end):
        gap = "gap" if match["gap"] is not None else "none"
        last = match.start(gap)
        if last - first < _LEAST or (gap == "gap" and _ABBREVIATED.search(text, max(first, last - 12), last)):
            continue
        yield first, last
        first = match.end(gap)
    yield first, end
