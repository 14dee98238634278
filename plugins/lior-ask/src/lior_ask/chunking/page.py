"""Shared parts of the chunkers: the lines of a text, sentences, the headings above a line."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate

import attrs

from lior_ask.languages.dates import MONTHS
from lior_ask.languages.lists import any_of
from lior_ask.languages.lists import words as listed

LONGEST = 700
"""Maximum number of characters of a passage; a longer sentence or line is cut at white space."""
_LEAST = 15
"""Minimum number of characters of a sentence; a shorter one joins the next: "Yes.", "Step 1."."""
_NARROWEST, _WIDEST = 40, 140
"""Minimum and maximum column at which text may have been wrapped by hand or by an editor."""
LONG = 300
"""Maximum number of characters of a heading or definition line; the search patterns take quadratic time."""
ITEM = re.compile(r"\s*(?:[-*+•–‣]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|\[[ xX]\])\s+\S")
"""Pattern of the beginning of a list item."""
_LAST_SPACE = re.compile(r".*\s", re.DOTALL)

Span = tuple[int, int]
"""Offsets of the first character and after the last one."""


@attrs.frozen
class Part:
    """A passage as offsets into the text."""

    begin: int
    end: int
    group: int
    headings: tuple[str, ...]
    title: bool = False
    """Whether it only names content that stands elsewhere."""
    alone: bool = False
    """Whether it is its own block, such as a row of a table."""


class Page:
    """A text and the offsets of its lines."""

    def __init__(
        self,
        text: str,
        places: Sequence[int] = (),
        wrapped: frozenset[int] = frozenset(),
        titles: frozenset[int] = frozenset(),
    ) -> None:
        self.text = text
        self.places = places
        """The first line of each page, cell or message, from 0."""
        self.wrapped, self.titles = wrapped, titles
        """Lines that continue the sentence of the line before, and lines that only name content elsewhere."""
        self.lines = text.split("\n")
        self.starts = array("q", accumulate((len(line) + 1 for line in self.lines), initial=0))
        """The offset of each line, and of the end, 8 bytes each."""

    def span(self, number: int) -> Span:
        """Return the offsets of a line without its line end."""
        begin = self.starts[number]
        return begin, begin + len(self.lines[number])

    def indent(self, number: int) -> int:
        """Return the width of the white space before a line, in columns."""
        line = self.lines[number]
        if line[:1] not in (" ", "\t"):
            return 0
        line = line.expandtabs() if "\t" in line else line
        return len(line) - len(line.lstrip())

    def blank(self, number: int) -> bool:
        """Return whether a line does not exist or has only white space."""
        return number >= len(self.lines) or number < 0 or not self.lines[number].strip()

    def cut(
        self, numbers: Sequence[int], group: int, headings: tuple[str, ...], *, together: bool = False
    ) -> Iterator[Part]:
        """Yield the sentences of consecutive non-blank lines.

        The lines of a list item are one paragraph, as are all lines if ``together``."""
        if numbers:
            spans = list[Span]()
            item = together or bool(ITEM.match(self.lines[numbers[0]]))
            for number in numbers:
                begin, end = self.span(number)
                if spans and (item or number in self.wrapped):
                    spans[-1] = spans[-1][0], end
                else:
                    spans.append((begin, end))
            for begin, end in units(self.text, spans):
                yield Part(begin, end, group, headings)

    def line(self, number: int, group: int, headings: tuple[str, ...], last: int = -1) -> Iterator[Part]:
        """Yield a line, or the lines up to ``last``, in one part if the text is not too long."""
        for begin, end in pieces(self.text, self.starts[number], self.span(max(number, last))[1]):
            yield Part(begin, end, group, headings)


# --- sentences and lines of a paragraph ---

# A paragraph that was wrapped at a width is cut into sentences across its lines. A paragraph of short lines,
# such as a list of facts, is cut at every line.

_BREAK = re.compile(
    r"[.!?…][\"'”’»)\]*_`]*(?P<gap>\s+)(?=[\"'“‘«(\[*_`¿¡]*[^\W_a-z])|[。！？][」』”]?(?P<none>\s*)(?=\S)"
)
_FACT = re.compile(r"[\d:=.!?]")
"""Pattern in a short line that can stand alone, such as "PIN 4711", unlike "Best" above a name."""
_LABEL = re.compile(r"\s*[^\W\d_][\w -]{0,30}:\s|\s*\[?\d{1,4}[-./]\d{1,2}[-./]?\d{0,4},?\s\d{1,2}:\d\d\b")
"""Pattern of a line that never continues the line before, such as "Phone: 12 34" or "24.03. 09:15 Ada"."""
_ENTRIES = 3
"""Minimum number of lines that begin with a capital, have no stop and are a list; two may be one sentence."""
_LEADER = r"(?:(?:[.·_\u2010-\u2015-] ?){5,}|(?:… ?){2,}|\s[.…]{2,4}(?=\s[^\w\s]?\d))"
"""Pattern of a leader, the dots or dashes between a name and its amount; a short one precedes a number."""
_CELLS = re.compile(rf"\S {{4,}}\S|\S\s?{_LEADER}")
"""Pattern in a row of a table, which never continues the row before, however long that is."""
_LED = re.compile(rf"{_LEADER}\s")
_ABBREVIATED = re.compile(
    rf"(?:^|[\s(\[\"'“])(?:(?:\w\.)*\w|\d{{1,2}}|{any_of(sorted(listed('words.abbreviations')))})\.$",
    re.IGNORECASE,
)

_OF_DATE = re.compile(r"(?:\b(\d{1,2}\.\d{1,2})|\b([^\W\d_]+))\.$")
"""Pattern of the text before a year or a time, with a stop: "12.12. 2026", "24.03. 09:15", "12 Dez. 2026"."""


def units(text: str, lines: Sequence[Span]) -> Iterator[Span]:
    """Yield the sentences of consecutive non-blank ``lines``, without white space at their ends."""
    for begin, end in _runs(text, lines):
        for first, last in _sentences(text, begin, end):
            yield from pieces(text, first, last)


def pieces(text: str, begin: int, end: int) -> Iterator[Span]:
    """Yield the text between two offsets without white space at its ends, cut if it is too long."""
    found = text[begin:end]
    end -= len(found) - len(found.rstrip())
    begin = min(begin + len(found) - len(found.lstrip()), end)
    while end - begin > LONGEST:
        space = _LAST_SPACE.match(text, begin + LONGEST // 2 + 1, begin + LONGEST + 1)
        last = cut = space.end() - 1 if space else begin + LONGEST
        while text[last - 1].isspace():
            last -= 1
        yield begin, last
        while text[cut].isspace():  # the text does not end with white space
            cut += 1
        begin = cut
    if begin < end:
        yield begin, end


def _runs(text: str, lines: Sequence[Span]) -> Iterator[Span]:
    """Yield joined lines: a line was wrapped if the first word of the next line did not fit on it."""
    wide = max(end - begin for begin, end in lines)
    if len(lines) == 1 or _entries(text, lines, wide):
        yield from lines
        return
    begin, end = lines[0]
    length = end - begin
    cells = _CELLS.search(text, begin, end)  # of the first line of a run; no line joins a row
    small = text[begin].islower()  # a run that begins small may be a list in small letters
    for first, last in lines[1:]:
        following = text[first:last]
        word = following.split(maxsplit=1)[0]
        label = _LABEL.match(following)
        full = _NARROWEST <= wide <= _WIDEST and _is_full(length, word, wide) and not label
        tiny = end - begin < _LEAST and not _FACT.search(text, begin, end)
        row = _CELLS.search(text, first, last)
        full = full and not cells
        goes_on = word[0].islower() and length >= _NARROWEST and not (small or label)
        if not row and (full or tiny or goes_on):
            small = small or (tiny and word[0].islower())
            end = last
        else:
            yield begin, end
            begin, end, cells, small = first, last, row, word[0].islower()
        length = last - first
    yield begin, end


def _is_full(length: int, following: str, wide: int) -> bool:
    """Return whether the first word of the following line would not have fit on a line."""
    return length + 1 + len(following) > wide


def _entries(text: str, lines: Sequence[Span], wide: int) -> bool:
    """Return whether lines are a list without bullets, such as prices.

    No line of a list has a stop. If all lines begin with a capital letter, there are at least three, or each
    has a number. If all begin with a small letter, a line had room for the first word of the next one.
    """
    spans = [(begin, begin + len(text[begin:end].rstrip())) for begin, end in lines]
    if any(
        not text[begin].isalnum() or text[end - 1] in ".!?,;:-–" or _BREAK.search(text, begin, end)
        for begin, end in spans
    ):
        return False
    small = [text[begin].islower() for begin, _ in spans]
    if not any(small):
        numbers = all(re.search(r"\d", text[begin:end]) for begin, end in spans)
        return numbers or len(spans) >= _ENTRIES
    lengths, words = [end - begin for begin, end in spans], [text[b:e].split(maxsplit=1)[0] for b, e in spans]
    return all(small) and not all(
        _is_full(each, word, wide) for each, word in zip(lengths[:-1], words[1:], strict=True)
    )


def _sentences(text: str, begin: int, end: int) -> Iterator[Span]:
    first = begin
    for match in _BREAK.finditer(text, begin, end):
        gap = "gap" if match["gap"] is not None else "none"
        last = match.start(gap)
        if last - first < _LEAST or (gap == "gap" and _goes_on(text, max(first, last - 12), match)):
            continue
        yield first, last
        first = match.end(gap)
    yield first, end


def _goes_on(text: str, begin: int, stop: re.Match[str]) -> bool:
    """Return whether the text from ``begin`` to a stop ends with an abbreviation or leader, or in a date."""
    last = stop.start("gap")
    led = _LED.search(text, begin, stop.end() + 2)
    if (led and led.end() > last) or _ABBREVIATED.search(text, begin, last):
        return True
    part = _OF_DATE.search(text, begin, last)
    if not part:
        return False
    following = text[stop.end() : stop.end() + 4]
    return following[:1].isdigit() if part[1] else part[2].lower() in MONTHS and following.isdigit()


@attrs.define
class Outline:
    """The headings above a line."""

    title: tuple[str, ...]
    open: list[tuple[int, str]] = attrs.field(factory=list)

    def leave(self, level: int) -> None:
        """End the sections of this and of deeper levels."""
        while self.open and self.open[-1][0] >= level:
            self.open.pop()

    def enter(self, level: int, text: str) -> None:
        """Begin a section; it ends those of the same and of deeper levels."""
        self.leave(level)
        self.open.append((level, text))

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings from the outermost to the innermost, after the title of the document."""
        found = tuple(text for _, text in self.open)
        return found if found[:1] == self.title else self.title + found
