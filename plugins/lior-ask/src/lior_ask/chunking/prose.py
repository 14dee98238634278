"""Prose and Markdown: paragraphs, lists, definitions, tables, code between fences, below their headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

import attrs

from lior_ask.chunking.code import statements
from lior_ask.chunking.page import ITEM, LONG, Outline, Page, Part
from lior_ask.chunking.terms import defined

_ATX = re.compile(r" {0,3}(#{1,6})\s+(.+?)[\s#]*$")
_RULE = re.compile(r"([=\-~^\"'*+#.`:_])\1{2,}\s*$")
_BOLD = re.compile(r" {0,3}(\*\*|__)([^\W\d][^*_\d.!:]*\??)\1\s*$")
_FRAME = re.compile(r"\s*[│├┤┼─┌┬┐└┴┘╞╡╪═╔╗╚╝╠╣║+|-]*[├┼─┌└╞╪═╔╚╠][│├┤┼─┌┬┐└┴┘╞╡╪═╔╗╚╝╠╣║+|-]*\s*$")
"""Pattern of a line of the frame around a table."""
_LONGEST_RULE = 10_000
"""Maximum length of a rule in characters; the pattern takes memory."""
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|+=-]+\|?\s*$")
_LITERAL = re.compile(
    r"^(?!\s*\.\. ).*::\s*$|^\s*\.\. (?:code|code-block|sourcecode|parsed-literal|prompt)::"
)
"""Pattern of a paragraph that announces code in reStructuredText."""
_LINK = re.compile(r"\s*(?:(?:[-*+•]|\d{1,3}[.)])\s+)?\[[^\[\]]+\]\([^()\s]*\)\s*$")
_LEADERS = re.compile(r"(?:\. ?){4,}\s*(\w{1,5})\s*$")
_NUMBERED = re.compile(
    r"(?:(\d{1,2}(?:\.\d{1,3})+)\.?|(?:Chapter|Appendix|Part) [\dA-Z]{1,4}[.:]?)\s+\S.{0,78}[^\s.,;:!?]$"
)
_ENTRY = re.compile(r"\s*((?:\d{1,3}\.)+)\s+\S.{0,78}[^\s.,;:!]$")
"""Pattern of an entry in a table of contents that has a section number and no page number."""
_MOST_LINES = 20_000
"""Maximum number of lines of a paragraph."""
_LARGEST_GROUP = 40
"""Maximum number of passages of a paragraph or list in one group."""
_CAPITALS = re.compile(r"[A-Z][A-Z0-9 ,&/()'-]{2,58}$")
_SECTION, _PSEUDO, _TERMS = -9, 90, 100
"""Levels of numbered chapters (above all others), of headings in bold, and of terms without indent."""


def prose(page: Page, title: tuple[str, ...], first: int = 0, group: int = 0) -> Iterator[Part]:
    """Return the parts of paragraphs, lists, definitions, tables and fenced code, with their headings."""
    return _Chunker(page, Outline(title), group).cut(first)


@attrs.define
class _Chunker:
    """A chunker with the state that it keeps between the paragraphs of a text."""

    page: Page
    outline: Outline
    group: int
    levels: dict[str, int] = attrs.field(factory=lambda: {"": 0})
    """The level of each kind of heading."""
    empty: int | None = None
    """The line of a heading or term that has nothing below it yet."""
    listed: bool = False
    """Whether a list or code that follows belongs to the paragraph before."""
    literal: int = -1
    """The indent of a line that announces code, in columns, or -1; deeper lines below it are code."""
    attached: bool = False
    """Whether the next paragraph continues the definition above, whatever its indent is."""

    def cut(self, number: int) -> Iterator[Part]:
        """Yield all parts from a line on."""
        page = self.page
        while number < len(page.lines):
            if page.blank(number):
                number += 1
            elif page.lines[number] == "+":  # of AsciiDoc
                self.attached, number = True, number + 1
            elif page.indent(number) > self.literal >= 0:
                end = number
                while not page.blank(end) and page.indent(end) > self.literal:
                    end += 1
                yield from statements(page, range(number, end), self.group, self.outline.headings)
                number = end
            elif number not in page.titles and (heading := _heading(page, number, self.levels)):
                level, text, (first, last) = heading
                yield from self._enter(level, text, first)
                number = last + 1
            elif term := defined(page, number):
                yield from self._enter(_TERMS + page.indent(number), term.text, number)
                number = term.last + (not term.inline)
                beside = not page.blank(number) and page.indent(number) <= page.indent(term.last)
                if term.inline or (beside and term.marked):
                    self.attached = True
                    end = self._end(number)
                    yield from self._paragraph(range(number, end), entry=term.inline)
                    number = end
            else:
                end = self._end(number)
                yield from self._paragraph(range(number, end))
                number = end
        yield from self._leave_empty()

    def _enter(self, level: int, text: str, line: int) -> Iterator[Part]:
        """Begin a section or a definition, and yield an empty heading before it."""
        if self.outline.open and level <= self.outline.open[-1][0]:
            yield from self._leave_empty()
        self.outline.enter(level, text)
        self.empty, self.listed, self.attached, self.literal = line, False, False, -1
        self.group += 1

    def _leave_empty(self) -> Iterator[Part]:
        """Yield the heading that has nothing below it as a part."""
        if self.empty is not None:
            yield from self.page.line(self.empty, self.group, self.outline.headings[:-1])
        self.empty = None

    def _end(self, number: int) -> int:
        """Return the line after a paragraph."""
        page, end = self.page, number + 1
        if fence := _FENCE.match(page.lines[number]):
            while end < len(page.lines) and not page.lines[end].strip().startswith(fence[1]):
                end += 1
            return min(end + 1, len(page.lines))
        floor = self._floor(number)
        # The maximum length limits memory: the lines after it are a new paragraph. A table is not divided,
        # since only its first line is a header row.
        last = len(page.lines) if _is_table(page, range(number, number + 2)) else number + _MOST_LINES
        while end < last and not page.blank(end) and page.indent(end) > floor:
            line = page.lines[end]
            if _FENCE.match(line) or _ATX.match(line) or line == "+" or defined(page, end):
                break
            end += 1
        return end

    def _floor(self, number: int) -> int:
        """Return the indent at or below which a line is not of the paragraph that begins at a line."""
        page, inner = self.page, self.outline.open[-1][0] - _TERMS if self.outline.open else -1
        if not self.attached:
            return min(inner, page.indent(number) - 1)
        # Deeper lines are of a definition that begins on the line of its term.
        deeper = inner >= 0 and not page.blank(number + 1) and page.indent(number + 1) > inner
        return inner if deeper else -1

    def _paragraph(self, lines: range, *, entry: bool = False) -> Iterator[Part]:
        page, first = self.page, self.page.lines[lines[0]]
        fenced = bool(_FENCE.match(first))
        if not (self.attached or fenced):
            level = _TERMS + page.indent(lines[0])
            if self.outline.open and level <= self.outline.open[-1][0]:
                yield from self._leave_empty()
            self.outline.leave(level)
        below = fenced and not page.blank(lines[0] - 1)
        if not below and not (self.listed and (fenced or ITEM.match(first))):
            self.group += 1
        headings = self.outline.headings
        if fenced:
            parts = _fenced(page, lines, self.group, headings)
        else:
            parts = _lines(page, lines, self.group, headings, entry=entry)
        for count, part in enumerate(parts, 1):
            self.group += count % _LARGEST_GROUP == 0
            yield part if part.group == self.group else attrs.evolve(part, group=self.group)
        # A list or code belongs to the paragraph that announces it or to the list before it. Code directly
        # below a paragraph belongs to it as well.
        self.listed = page.lines[lines[-1]].rstrip().endswith(":") or bool(ITEM.match(first))
        self.empty, self.attached = None, False
        self.literal = page.indent(lines[0]) if _LITERAL.search(page.lines[lines[-1]][-LONG:]) else -1


def _heading(page: Page, number: int, levels: dict[str, int]) -> tuple[int, str, tuple[int, int]] | None:
    """Return level and text of the heading at a line, the line of its text and its last line, or ``None``."""
    line = page.lines[number]
    if len(line) > LONG or line.lstrip().startswith("```"):
        return None
    if match := _ATX.match(line):
        return len(match[1]), match[2], (number, number)
    over = _RULE.match(line)
    if over and (between := _between_rules(page, number, over[1])):
        level = levels.setdefault(over[1] * 2, len(levels))
        return level, between, (number + 1, number + 2)
    if (bold := _BOLD.match(line)) and page.blank(number - 1):
        return _PSEUDO, bold[2].strip(), (number, number)
    if page.blank(number - 1) and page.blank(number + 1) and (numbered := _NUMBERED.match(line)):
        return _SECTION + (numbered[1] or "").count("."), line.strip(), (number, number)
    if over or (not page.blank(number - 1) and not _RULE.match(page.lines[number - 1])):
        return None
    return _underlined(page, number, levels)


def _between_rules(page: Page, number: int, sign: str) -> str:
    """Return the text between the rule at a line and an equal one, or an empty string."""
    if page.blank(number + 1) or page.blank(number + 2):
        return ""
    under, text = _RULE.match(page.lines[number + 2]), page.lines[number + 1]
    return text.strip() if under and under[1] == sign and not _RULE.match(text) else ""


def _underlined(page: Page, number: int, levels: dict[str, int]) -> tuple[int, str, tuple[int, int]] | None:
    """Return what :func:`_heading` does for a heading above a rule, or in capital letters."""
    line, below = page.lines[number], "" if page.blank(number + 1) else page.lines[number + 1]
    under = _RULE.match(below)
    if under and len(line.strip()) <= 2 * len(below.strip()) and not ITEM.match(line):
        return levels.setdefault(under[1], len(levels)), line.strip(), (number, number + 1)
    if _CAPITALS.match(line) and (not below or below[0].isspace()):
        return levels.setdefault("capitals", len(levels)), line.strip(), (number, number)
    return None


def _fenced(page: Page, lines: range, group: int, headings: tuple[str, ...]) -> Iterator[Part]:
    """Yield the code between fences."""
    last = lines[-1] if _FENCE.match(page.lines[lines[-1]]) else lines[-1] + 1
    for blank, numbers in groupby(range(lines[0] + 1, last), page.blank):
        if not blank:
            yield from statements(page, list(numbers), group, headings)


def _lines(page: Page, lines: range, group: int, headings: tuple[str, ...], *, entry: bool) -> Iterator[Part]:
    """Yield a paragraph, its list items, or the rows of a table; an ``entry`` has its term before it."""
    if _is_table(page, lines):
        yield from _table(page, lines, group, headings)
        return
    waiting: list[int] = []
    contents, amounts = _is_contents(page, lines), _has_amounts(page, lines)
    for number in lines:
        line = page.lines[number]
        named = number not in page.wrapped and (contents or _names(line)) and not amounts
        names = number in page.titles or named
        ruled = (len(line) <= _LONGEST_RULE and _RULE.match(line)) or _FRAME.match(line[:LONG])
        if names or ruled or ITEM.match(line) or line.lstrip()[:1] == "│":
            yield from page.cut(waiting, group, headings)
            waiting = []
        if names:
            yield from _title(page, number, lines, group, headings)
        elif not ruled:
            waiting.append(number)
    yield from page.cut(waiting, group, headings, together=entry)


def _is_contents(page: Page, lines: range) -> bool:
    """Return whether lines are a table of contents with the numbers of sections."""
    entries = [_ENTRY.match(page.lines[number][:LONG]) for number in lines]
    return len(lines) > 3 and all(entries) and any(e[1].count(".") > 1 for e in entries if e)


def _has_amounts(page: Page, lines: range) -> bool:
    """Return whether numbers behind leaders are no pages: more than a third are less than the one before."""
    ends = (_LEADERS.search(page.lines[number][-LONG:]) for number in lines if _names(page.lines[number]))
    numbers = [int(end[1]) for end in ends if end and end[1].isdecimal()]
    return 3 * sum(b < a for a, b in pairwise(numbers)) > len(numbers)


def _title(page: Page, number: int, lines: range, group: int, headings: tuple[str, ...]) -> Iterator[Part]:
    """Yield a line that only names something, with its continuations; nothing for one of these."""
    if number in page.wrapped:
        return
    last = number
    while last + 1 in page.wrapped and last < lines[-1]:
        last += 1
    for part in page.line(number, group, headings, last):
        yield attrs.evolve(part, title=True)


def _is_table(page: Page, lines: range) -> bool:
    """Return whether lines begin with the header row of a table and the rule below it."""
    rule = page.lines[lines[1]][:LONG] if len(lines) > 1 and lines[1] < len(page.lines) else ""
    return "|" in rule and "-" in rule and "|" in page.lines[lines[0]] and bool(_TABLE_RULE.match(rule))


def _names(line: str) -> bool:
    """Return whether a line ends with leaders and a page number, or is only a link."""
    dotted = "..." in line or ". . ." in line
    return bool((dotted and _LEADERS.search(line[-LONG:])) or ("](" in line and _LINK.match(line[:LONG])))


def _table(page: Page, lines: Sequence[int], group: int, headings: tuple[str, ...]) -> Iterator[Part]:
    """Yield the rows of a table, with the names of its columns as the last heading."""
    names = " ".join(page.lines[lines[0]].replace("|", " ").split())
    for number in lines:
        if re.search(r"\w", page.lines[number]):
            first = number == lines[0]
            for part in page.line(number, group, headings if first else (*headings, names)):
                yield attrs.evolve(part, title=first and len(lines) > 2, alone=True)
