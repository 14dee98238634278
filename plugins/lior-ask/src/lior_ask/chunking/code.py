"""Code: signatures, sentences of comments and docstrings, and lines, with the definitions around them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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
    outline = Outline(title)
    number, group = 0, 0
    comment, code = list[int](), list[int]()  # lines that are not yet yielded
    attached = False  # the group of a definition began with the comment above it
    looked = 0  # comments and decorators up to this line were checked

    def flush() -> Iterator[Part]:
        if not (comment or code):
            return
        yield from page.cut(comment, group, outline.headings)
        yield from statements(page, code, group, outline.headings)
        comment.clear()
        code.clear()

    while number < len(page.lines):
        line = page.lines[number]
        if page.blank(number):
            yield from flush()
            number, group, attached = number + 1, group + (not outline.open), False
            continue
        bare = line.lstrip()
        indent, commented = len(line) - len(bare), bare[0] in "#/*-;%" and bool(_COMMENT.match(line))
        ends = bool(outline.open) and outline.open[-1][0] >= indent and bare[0] not in ")}]"
        if ends and not (commented and indent):
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
            if not (attached or comment) and number >= looked:
                attached, looked = _announces(page, number)
                group += attached
            comment += [number] * commented
            yield from flush() if len(comment) >= _MOST_LINES else ()
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
