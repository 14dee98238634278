"""Cut a reading into passages: sentences, list items, lines, rows and messages, each with its context.

How depends on the kind of the text. All cutters give offsets into the text of the reading; line, column and
text of a passage are derived from these in one place, so that what is quoted stands where it is said to be.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import PurePath

import attrs

from lior.interfaces import ParsedDocument, Passage

LONGEST = 700
"""Most characters of a passage; a longer sentence or line is cut at white space."""
_LEAST = 15
"""A sentence of fewer characters goes with the next one: "Yes.", "Step 1."."""
_NARROWEST, _WIDEST = 40, 140
"""Columns at which text is wrapped by hand or by an editor."""
_LARGEST_GROUP = 40
"""Most passages of a list that are one group."""
_CODE_LINES = 6
"""Most lines of code that are one passage: few are understood without their neighbours."""
_LONG = 300
"""A longer line is no heading and defines nothing; expressions that search for such take quadratic time."""
_BURST = 6
"""Messages of a chat that are one group."""

Span = tuple[int, int]
"""Offsets of the first character and after the last one."""


@attrs.frozen
class _Part:
    """A passage as offsets into the text."""

    begin: int
    end: int
    group: int
    headings: tuple[str, ...]


def cut(reading: ParsedDocument, document: str, label: str | None = None) -> list[Passage]:
    """The passages of a reading, in their order.

    Parameters
    ----------
    reading
        The text, its kind and the way back to the file.
    document
        Name that the passages carry.
    label
        Name whose words are context; ``document`` if not given. The last two parts of a path count.

    Returns
    -------
    list
        For a plain file, ``file_lines[p.line - 1][p.column - 1:]`` begins with the first line of ``p.text``.
        The context has one heading per line, the outermost first, and the words of the name as its last line.
    """
    page = _Page(reading.text, [first for first, _ in reading.places])
    # Records of a collection have a title; the name of their file is a word of all of them.
    words = "" if reading.name else name_words(document if label is None else label)
    title = (reading.title,) if reading.title else ()
    found = []
    for part in _CUTTERS[reading.kind](page, title):
        number = bisect_right(page.starts, part.begin) - 1
        place = bisect_right(reading.places, number, key=lambda pair: pair[0]) - 1
        passage = Passage(
            document=document,
            line=reading.lines[number] if reading.lines else number + 1,
            column=part.begin - page.starts[number] + 1,
            text=page.text[part.begin : part.end],
            context="\n".join((*part.headings, words)),
            place=reading.places[place][1] if place >= 0 else "",
            group=part.group,
        )
        found.append(passage)
    if not found and reading.title:  # a record of a collection may be a title alone
        line = reading.lines[0] if reading.lines else 1
        found = [Passage(document=document, line=line, text=reading.title, context=words)]
    return found


def name_words(name: str) -> str:
    """The words of a path's last two parts, without its ending.

    >>> name_words("house/heatPump_manual-2024.pdf")
    'house heat Pump manual 2024'
    """
    parts = PurePath(name).parts[-2:]
    stem = " ".join([*parts[:-1], PurePath(parts[-1]).stem]) if parts else ""
    return " ".join(re.findall(r"[^\W\d_]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+", stem))


class _Page:
    """A text and where its lines are."""

    def __init__(self, text: str, places: Sequence[int] = ()) -> None:
        self.text = text
        self.places = places
        """First line of each page, cell or message."""
        self.lines = text.split("\n")
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines[:-1])]

    def span(self, number: int) -> Span:
        """Offsets of a line without its end."""
        begin = self.starts[number]
        return begin, begin + len(self.lines[number])

    def blank(self, number: int) -> bool:
        """Whether a line does not exist or has nothing but white space."""
        return number >= len(self.lines) or number < 0 or not self.lines[number].strip()

    def cut(self, numbers: Sequence[int], group: int, headings: tuple[str, ...]) -> Iterator[_Part]:
        """Sentences of consecutive lines, none of them blank; those of a list item are one paragraph."""
        if numbers:
            spans = [self.span(number) for number in numbers]
            if _ITEM.match(self.lines[numbers[0]]):
                spans = [(spans[0][0], spans[-1][1])]
            for begin, end in units(self.text, spans):
                yield _Part(begin, end, group, headings)

    def line(self, number: int, group: int, headings: tuple[str, ...], last: int = -1) -> Iterator[_Part]:
        """A line, or those up to ``last``, in one piece if it is not too long."""
        for begin, end in pieces(self.text, self.starts[number], self.span(max(number, last))[1]):
            yield _Part(begin, end, group, headings)


# --- sentences and lines of a paragraph ---

# One that was wrapped at a width is cut into sentences across its lines; one of short lines, such as a list
# of facts, is cut at every line.

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


# --- prose and Markdown ---

_ATX = re.compile(r" {0,3}(#{1,6})\s+(.+?)[\s#]*$")
_RULE = re.compile(r"([=\-~^\"'*+#.`:_])\1{2,}\s*$")
_ITEM = re.compile(r"\s*(?:[-*+•–‣]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|\[[ xX]\])\s+\S")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_TABLE = re.compile(r"\s*\|.*\|\s*$")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|+=-]+\|?\s*$")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9 ,&/()'-]{2,58}$")


@attrs.define
class _Outline:
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
        """From the outermost to the innermost, with the title of the document."""
        found = tuple(text for _, text in self.open)
        return found if found[:1] == self.title else self.title + found


def _prose(page: _Page, title: tuple[str, ...], first: int = 0, group: int = 0) -> Iterator[_Part]:
    """Paragraphs, lists, tables and code between fences, below their headings."""
    outline, levels = _Outline(title), {"": 0}
    number, listed = first, False
    empty: int | None = None  # a heading that has nothing below it yet
    while number < len(page.lines):
        if page.blank(number):
            number += 1
            continue
        if heading := _heading(page, number, levels):
            level, text, last = heading
            if empty is not None and outline.open and level <= outline.open[-1][0]:
                yield from page.line(empty, group, outline.headings[:-1])
            outline.enter(level, text)
            empty, number, listed, group = last[0], last[1] + 1, False, group + 1
            continue
        end, fence = number + 1, _FENCE.match(page.lines[number])
        if fence:
            while end < len(page.lines) and not page.lines[end].strip().startswith(fence[1]):
                end += 1
            end = min(end + 1, len(page.lines))
        else:
            while not page.blank(end) and not (_FENCE.match(page.lines[end]) or _ATX.match(page.lines[end])):
                end += 1
        block = range(number, end)
        if not listed or not (fence or _ITEM.match(page.lines[number])):
            group += 1
        for count, part in enumerate(_block(page, block, group, outline.headings, fenced=bool(fence)), 1):
            group += count % _LARGEST_GROUP == 0
            yield part if part.group == group else attrs.evolve(part, group=group)
        # A list or code belongs to the paragraph that announces it, and to the list before it.
        listed = page.lines[end - 1].rstrip().endswith(":") or bool(_ITEM.match(page.lines[number]))
        empty, number = None, end
    if empty is not None:
        yield from page.line(empty, group, outline.headings[:-1])


def _heading(page: _Page, number: int, levels: dict[str, int]) -> tuple[int, str, tuple[int, int]] | None:
    """Level and text of the heading at a line, its line and the last one that belongs to it."""
    line, lines = page.lines[number], page.lines
    if len(line) > _LONG:
        return None
    if match := _ATX.match(line):
        return len(match[1]), match[2], (number, number)
    over = _RULE.match(line)
    if over and not page.blank(number + 1) and not page.blank(number + 2):
        under = _RULE.match(lines[number + 2])
        if under and under[1] == over[1] and not _RULE.match(lines[number + 1]):
            level = levels.setdefault(over[1] * 2, len(levels))
            return level, lines[number + 1].strip(), (number + 1, number + 2)
    if over or (not page.blank(number - 1) and not _RULE.match(lines[number - 1])):
        return None
    below = "" if page.blank(number + 1) else lines[number + 1]
    under = _RULE.match(below)
    if under and len(line.strip()) <= 2 * len(below.strip()) and not _ITEM.match(line):
        return levels.setdefault(under[1], len(levels)), line.strip(), (number, number + 1)
    if _CAPITALS.match(line) and (not below or below[0].isspace()):
        return levels.setdefault("capitals", len(levels)), line.strip(), (number, number)
    return None


def _block(
    page: _Page, block: range, group: int, headings: tuple[str, ...], *, fenced: bool
) -> Iterator[_Part]:
    """A paragraph, its list items, or the rows of a table."""
    if fenced:
        last = block[-1] if _FENCE.match(page.lines[block[-1]]) else block[-1] + 1
        for blank, numbers in groupby(range(block[0] + 1, last), page.blank):
            if not blank:
                yield from _statements(page, list(numbers), group, headings)
        return
    head, above = page.lines[block[0]], headings
    table = len(block) > 1 and _TABLE.match(head) and _TABLE_RULE.match(page.lines[block[1]][:_LONG])
    if table:
        headings = (*headings, " ".join(head.replace("|", " ").split()))
    waiting: list[int] = []
    for number in block:
        line = page.lines[number]
        ruled = table or _RULE.match(line)
        if ruled or _ITEM.match(line):
            yield from page.cut(waiting, group, headings)
            waiting = []
        if not ruled:
            waiting.append(number)
        elif table and re.search(r"\w", line):
            yield from page.line(number, group, headings if number > block[0] else above)
    yield from page.cut(waiting, group, headings)


def _statements(
    page: _Page, numbers: Sequence[int], group: int, headings: tuple[str, ...]
) -> Iterator[_Part]:
    """Lines of code, none of them blank, a few at a time; without those that have nothing to ask for."""
    for first in range(0, len(numbers), _CODE_LINES):
        few = numbers[first : first + _CODE_LINES]
        if any(_WORDY.search(page.lines[number]) for number in few):
            yield from page.line(few[0], group, headings, few[-1])


# --- mail and chat ---

_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*):\s*(.*)")
_QUOTED_FIELDS = ("from", "to", "cc", "date", "subject")


def _mail(page: _Page, title: tuple[str, ...]) -> Iterator[_Part]:
    """Messages, with subject and sender as the context of their lines."""
    starts = sorted({0, *page.places})
    group = 0
    for begin, end in zip(starts, [*starts[1:], len(page.lines)], strict=True):
        number, fields, headers = begin, dict[str, str](), list[int]()
        while number < end and not page.blank(number):
            match = _FIELD.match(page.lines[number])
            if match and match[1].lower() in _QUOTED_FIELDS:
                fields[match[1].lower()] = match[2].strip()
                headers.append(number)
            elif not match and not page.lines[number][:1].isspace():
                break
            number += 1
        known = [fields[name] for name in ("subject", "from") if fields.get(name)]
        context = tuple(dict.fromkeys([*title, *known]))
        for header in headers:
            yield from page.line(header, group, title)
        message = _Page("\n".join(page.lines[:end])) if end < len(page.lines) else page
        for part in _prose(message, context, number, group):
            group = part.group
            yield part
        group += 1


def _chat(page: _Page, title: tuple[str, ...]) -> Iterator[_Part]:
    """Messages, of one or more lines; lines, where the reader does not say where they begin."""
    starts = set(page.places)
    messages: list[list[int]] = []
    for number in range(len(page.lines)):
        if page.blank(number):
            continue
        if messages and starts and number not in starts:
            messages[-1].append(number)
        else:
            messages.append([number])
    for count, message in enumerate(messages):
        yield from page.line(message[0], count // _BURST, title, message[-1])


# --- logs and rows ---


def _log(page: _Page, title: tuple[str, ...]) -> Iterator[_Part]:
    """Lines; indented ones, such as those of a traceback, are in the group of the line that they follow."""
    group = 0
    for number, line in enumerate(page.lines):
        if line.strip():
            group += not line[0].isspace()
            yield from page.line(number, group, title)


def _rows(page: _Page, title: tuple[str, ...]) -> Iterator[_Part]:
    """Rows, with the names of the columns as their context."""
    numbers = [number for number in range(len(page.lines)) if not page.blank(number)]
    head = title
    if len(numbers) > 1 and not re.search(r"\d", page.lines[numbers[0]]):
        head = (*title, " ".join(re.findall(r"\w+", page.lines[numbers.pop(0)])))
    for number in numbers:
        yield from page.line(number, number, head)


# --- code ---

_DEFINITION = re.compile(
    r"\s*(?:(?:export|default|pub(?:\(\w+\))?|public|private|protected|static|final|abstract|async|unsafe|const)\s+)*"
    r"(?:def|class|function\*?|fn|func|struct|enum|trait|interface|impl|module|namespace|sub)\s+"
    r"(?:\([^)]*\)\s*)?([\w.:$]+)"
    r"|([A-Za-z_][\w-]*)\s*\(\)\s*\{"  # a function of a shell
    r"|[A-Za-z_][\w\s*&:<>,]*?\b(\w+)\s*\([^;=]*[{,]?\s*$"  # a function of C, not indented
)
_SECTION = re.compile(r"\[+([\w.\" -]+)\]+\s*$")  # of a configuration
_NO_FUNCTION = re.compile(r"\s*(?:if|for|while|switch|return|else|elif|with|match|case|import|from|print)\b")
_COMMENT = re.compile(r"\s*(?:#(?!include|define|if|endif|else)|//|/\*|\*|--\s|;|%)")
_WORDY = re.compile(r"[^\W\d]\W+\w")
"""Code that can be asked for: more than ``else:`` or a bracket."""
_ATTACHED = re.compile(r"\s*(?:@\w|#\[)")
_DOCSTRING = re.compile(r"\s*[rRbBuUfF]{0,2}(\"\"\"|''')")


def _code(page: _Page, title: tuple[str, ...]) -> Iterator[_Part]:
    """Signatures, sentences of comments and docstrings, and lines, with the definitions around them."""
    outline = _Outline(title)
    number, group = 0, 0
    comment, code = list[int](), list[int]()  # lines that wait for their neighbours
    attached = False  # the comment above a definition has begun its group

    def flush() -> Iterator[_Part]:
        yield from page.cut(comment, group, outline.headings)
        yield from _statements(page, code, group, outline.headings)
        comment.clear()
        code.clear()

    while number < len(page.lines):
        line = page.lines[number]
        if page.blank(number):
            if comment or code:
                yield from flush()
            number, group, attached = number + 1, group + (not outline.open), False
            continue
        bare = line.lstrip()
        indent = len(line) - len(bare)
        commented = bare[0] in "#/*-;%" and bool(_COMMENT.match(line))
        ends = bool(outline.open) and outline.open[-1][0] >= indent and bare[0] not in ")}]"
        if ends and not (commented and indent):
            if comment or code:
                yield from flush()
            outline.leave(indent)
            group += 1
        if line[0] == "[" and (section := _SECTION.match(line)):
            yield from flush()
            outline.enter(-1, section[1])
            number, group = number + 1, group + 1
            continue
        if commented or (bare[0] in "@#" and _ATTACHED.match(line)):
            if code:
                yield from flush()
            if not (attached or comment) and _announces(page, number):
                yield from flush()
                attached, group = True, group + 1
            comment += [number] * commented
            number += 1
            continue
        last, quotes = number, _DOCSTRING.match(line) if bare[0] in "rRbBuUfF\"'" else None
        name = "" if quotes else _defined(line)
        if comment or quotes or name:
            yield from flush()
        if quotes:
            last = _docstring_end(page, number, quotes[1])
            yield from _docstring(page, number, last, group, outline.headings)
        elif name:
            group += not attached
            outline.enter(indent, name)
            last = _signature_end(page, number)
            yield from page.line(number, group, outline.headings[:-1], last)
        else:
            code.append(number)
        number, attached = last + 1, False
    yield from flush()


def _defined(line: str) -> str:
    """The name that a line defines, if it does."""
    match = _DEFINITION.match(line) if len(line) <= _LONG else None
    return next(filter(None, match.groups()), "") if match and not _NO_FUNCTION.match(line) else ""


def _announces(page: _Page, number: int) -> bool:
    """Whether comments and decorators from a line on stand above a definition."""
    while not page.blank(number):
        line = page.lines[number]
        if not (_COMMENT.match(line) or _ATTACHED.match(line)):
            return bool(_defined(line))
        number += 1
    return False


def _signature_end(page: _Page, number: int) -> int:
    """Last line of a definition's head: where the brackets of its first line are closed."""
    depth = 0
    for last in range(number, min(number + 12, len(page.lines))):
        line = page.lines[last]
        depth += line.count("(") - line.count(")")
        if depth <= 0 or page.blank(last + 1):
            return last
    return number


def _docstring_end(page: _Page, number: int, quotes: str) -> int:
    rest = page.lines[number].partition(quotes)[2]
    while quotes not in rest and number + 1 < len(page.lines):
        number += 1
        rest = page.lines[number]
    return number


def _docstring(page: _Page, first: int, last: int, group: int, headings: tuple[str, ...]) -> Iterator[_Part]:
    """Sentences of the paragraphs of a docstring."""
    waiting: list[int] = []
    for number in range(first, last + 1):
        line = page.lines[number]
        worded = re.search(r"\w", line)
        if waiting and (not worded or _ITEM.match(line)):
            yield from page.cut(waiting, group, headings)
            waiting = []
        if worded:
            waiting.append(number)
    yield from page.cut(waiting, group, headings)


_CUTTERS: dict[str, Callable[[_Page, tuple[str, ...]], Iterator[_Part]]] = {
    "prose": _prose,
    "markdown": _prose,
    "mail": _mail,
    "chat": _chat,
    "log": _log,
    "rows": _rows,
    "code": _code,
}
