"""Code: signatures, sentences of comments and docstrings, and lines, with the definitions around them."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence

import attrs

from lior_ask.chunking.page import ITEM, LONG, Outline, Page, Part

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
"""Pattern of searchable code: more than ``else:`` or a bracket."""
_MOST_LINES = 20_000
"""Maximum number of lines of a comment that are cut together."""
_CODE_LINES = 6
"""Maximum number of lines of code in a passage: single lines are hard to understand alone."""
_ATTACHED = re.compile(r"\s*(?:@\w|#\[)")
_DOCSTRING = re.compile(r"\s*[rRbBuUfF]{0,2}(\"\"\"|''')")


def code(page: Page, title: tuple[str, ...]) -> Iterator[Part]:
    """Yield signatures, sentences of comments and docstrings, and lines, with the definitions around them."""
    return _Chunker(page, Outline(title)).cut()


@attrs.define
class _Chunker:
    """A chunker with the state that it keeps between the lines of code."""

    page: Page
    outline: Outline
    group: int = 0
    comment: list[int] = attrs.field(factory=list)
    """The lines of a comment that are not yet yielded."""
    code: list[int] = attrs.field(factory=list)
    """The lines of code that are not yet yielded."""
    attached: bool = False
    """Whether the group of a definition began with the comment above it."""
    looked: int = 0
    """The line up to which comments and decorators were checked."""

    def cut(self) -> Iterator[Part]:
        """Yield all parts."""
        number = 0
        while number < len(self.page.lines):
            if self.page.blank(number):
                yield from self._flush()
                self.group += not self.outline.open
                self.attached, number = False, number + 1
            else:
                number = yield from self._line(number)
        yield from self._flush()

    def _flush(self) -> Iterator[Part]:
        if self.comment or self.code:
            yield from self.page.cut(self.comment, self.group, self.outline.headings)
            yield from statements(self.page, self.code, self.group, self.outline.headings)
            self.comment.clear()
            self.code.clear()

    def _line(self, number: int) -> Generator[Part, None, int]:
        """Yield what ends at a line, and return the next line."""
        line, outline = self.page.lines[number], self.outline
        bare = line.lstrip()
        indent, commented = len(line) - len(bare), bare[0] in "#/*-;%" and bool(_COMMENT.match(line))
        ends = bool(outline.open) and outline.open[-1][0] >= indent and bare[0] not in ")}]"
        if ends and not (commented and indent):
            yield from self._flush()
            outline.leave(indent)
            self.group += 1
        if line[0] == "[" and (section := _SECTION.match(line)):
            yield from self._flush()
            outline.enter(-1, section[1])
            self.group += 1
            return number + 1
        if commented or (bare[0] in "@#" and _ATTACHED.match(line)):
            yield from self._above(number, commented=commented)
            return number + 1
        last = yield from self._statement(number, indent)
        self.attached = False
        return last + 1

    def _above(self, number: int, *, commented: bool) -> Iterator[Part]:
        """Take a line of a comment, or a decorator, which may belong to a definition below."""
        if self.code:
            yield from self._flush()
        if not (self.attached or self.comment) and number >= self.looked:
            self.attached, self.looked = _announces(self.page, number)
            self.group += self.attached
        self.comment += [number] * commented
        if len(self.comment) >= _MOST_LINES:
            yield from self._flush()

    def _statement(self, number: int, indent: int) -> Generator[Part, None, int]:
        """Take a docstring, a definition or a line of code, and return its last line."""
        page, line = self.page, self.page.lines[number]
        quotes = _DOCSTRING.match(line) if line[indent] in "rRbBuUfF\"'" else None
        name = "" if quotes else _defined(line)
        if self.comment or quotes or name:
            yield from self._flush()
        if quotes:
            last = _docstring_end(page, number, quotes[1])
            yield from _docstring(page, number, last, self.group, self.outline.headings)
            return last
        if name:
            self.group += not self.attached
            self.outline.enter(indent, name)
            last = _signature_end(page, number)
            yield from page.line(number, self.group, self.outline.headings[:-1], last)
            return last
        self.code.append(number)
        return number


def _defined(line: str) -> str:
    """Return the name that a line defines, or an empty string."""
    match = _DEFINITION.match(line) if len(line) <= LONG else None
    return next(filter(None, match.groups()), "") if match and not _NO_FUNCTION.match(line) else ""


def _announces(page: Page, number: int) -> tuple[bool, int]:
    """Return whether a definition follows the comments and decorators that begin at a line, and its line."""
    while not page.blank(number):
        line = page.lines[number]
        if not (_COMMENT.match(line) or _ATTACHED.match(line)):
            return bool(_defined(line)), number
        number += 1
    return False, number


def _signature_end(page: Page, number: int) -> int:
    """Return the last line of a signature: where the brackets of its first line are closed."""
    depth = 0
    for last in range(number, min(number + 12, len(page.lines))):
        line = page.lines[last]
        depth += line.count("(") - line.count(")")
        if depth <= 0 or page.blank(last + 1):
            return last
    return number


def _docstring_end(page: Page, number: int, quotes: str) -> int:
    rest = page.lines[number].partition(quotes)[2]
    while quotes not in rest and number + 1 < len(page.lines):
        number += 1
        rest = page.lines[number]
    return number


def _docstring(page: Page, first: int, last: int, group: int, headings: tuple[str, ...]) -> Iterator[Part]:
    """Yield the sentences of the paragraphs of a docstring."""
    waiting: list[int] = []
    for number in range(first, last + 1):
        line = page.lines[number]
        worded = re.search(r"\w", line)
        if waiting and (not worded or ITEM.match(line)):
            yield from page.cut(waiting, group, headings)
            waiting = []
        if worded:
            waiting.append(number)
    yield from page.cut(waiting, group, headings)


def statements(page: Page, numbers: Sequence[int], group: int, headings: tuple[str, ...]) -> Iterator[Part]:
    """Yield non-blank lines of code, a few at a time, without lines that have no words."""
    for first in range(0, len(numbers), _CODE_LINES):
        few = numbers[first : first + _CODE_LINES]
        if any(_WORDY.search(page.lines[number]) for number in few):
            yield from page.line(few[0], group, headings, few[-1])
