"""Terms that are defined: options, signatures, directives, and short lines above deeper ones."""

from __future__ import annotations

import re
from typing import NamedTuple

from lior_ask.chunking.page import ITEM, Page

_LONGEST = 160
"""Maximum number of characters of a line with a term."""
_MANY = 8
"""Maximum number of terms that share a definition."""
_FULL = 60
"""Minimum number of characters of a full line, which continues below."""
_WORDS = 6
"""Maximum number of words of a term that is neither option nor signature."""

_MARKED = re.compile(r"\s*(\S(?:.*\S)?)(?:::|;;)\s*$")
"""Pattern of a term in AsciiDoc, and in the output of readers that mark terms."""
_DIRECTIVE = re.compile(
    r"\s*\.\. (?:\w+:)?(\w*function|\w*method|class|(?:py)?data|macro|\w*type|struct|enum|enumerator"
    r"|\w*member|attribute|exception|option|cmdoption|envvar|command|variable|module|confval|setting|role|describe|object"
    r"|var|property|decorator|opcode|token)::\s+(\S.*)"
)
_OPTION = re.compile(r"-{1,2}[\w?#@!$*:%]|[+/][A-Za-z?]\b|`-{1,2}\w")
_SIGNATURE = re.compile(
    r"(?:(?:class|exception|async|classmethod|staticmethod|abstractmethod|property|coroutine|function|method"
    r"|command|variable|macro|type)\s+[\w.]+|[A-Za-z_][\w.]*(?=\())(?:\(.*\))?(?:\s*->.*)?\s*$"
    r"|[A-Za-z_]\w*[._][\w.]*\s*$"
)
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
"""Pattern of the gap between a term and its definition on the same line."""


class Term(NamedTuple):
    """A term that is followed by its definition."""

    text: str
    last: int
    """The last line of the term."""
    inline: bool = False
    """Whether its definition begins on that line."""
    marked: bool = False
    """Whether a mark identifies the term, so that its definition need not be indented."""


def defined(page: Page, number: int) -> Term | None:
    """Return the term at a line that is defined there or below, or ``None`` if there is none."""
    line = page.lines[number]
    bare = line.strip()
    if len(line) > _LONGEST or not bare or ITEM.match(line):
        return None
    if bare[-2:] in ("::", ";;") and (found := _mark(page, number)):
        return found
    if bare.startswith("..") and (match := _DIRECTIVE.match(line)):
        return _directive(page, number, match)
    option = bool(_OPTION.match(bare))
    if not _begins(page, number, option=option):
        return None
    if beside := _beside(page, number, option=option):
        return beside
    if option or _SIGNATURE.match(bare):
        return _alone(page, number, option=option)
    directly = _deeper(page, number, number + 1) and not ITEM.match(page.lines[number + 1])
    return Term(bare, number) if directly and _short(bare) else None


def _begins(page: Page, number: int, *, option: bool) -> bool:
    """Return whether a line begins a paragraph or a level of indentation, or is an option below another."""
    above = number - 1
    if page.blank(above) or page.indent(above) != page.indent(number):
        return True
    return option and bool(_OPTION.match(page.lines[above].strip()))


def _beside(page: Page, number: int, *, option: bool) -> Term | None:
    """Return a term whose definition begins on its line; further lines are aligned with the definition."""
    line = page.lines[number].expandtabs()
    column = page.indent(number + 1) if _deeper(page, number, number + 1) else 0
    gap = _GAP.search(line, page.indent(number))
    if 0 < column < len(line) and line[column - 1] == " " != line[column]:
        term = line[:column].strip()
        apart = line[column - 2] == " "
        if (option and (apart or len(line) >= _FULL)) or (apart and _short(term)):
            return Term(term, number, inline=True)
    if option and gap and not (term := line[: gap.start()].strip()).endswith((".", ":")):
        return Term(term, number, inline=True)
    return None


def _deeper(page: Page, number: int, below: int) -> bool:
    return not page.blank(below) and page.indent(below) >= page.indent(number) + 2


def _short(term: str) -> bool:
    return len(term.split()) <= _WORDS and term[-1] not in ".!?,;:" and not re.search(r"\d[\d.:/]", term)


def _mark(page: Page, number: int) -> Term | None:
    """Return one or more terms with a mark at their end; if a blank line follows, the mark announces code."""
    terms, last = list[str](), number
    while last < len(page.lines) and last - number < _MANY and (match := _MARKED.match(page.lines[last])):
        terms.append(match[1])
        last += 1
    return Term(", ".join(terms), last - 1, marked=True) if terms and not page.blank(last) else None


def _directive(page: Page, number: int, match: re.Match[str]) -> Term:
    """Return the names that a directive of reStructuredText describes, one per line."""
    terms, last, column = [f"{match[1]} {match[2]}"], number, match.start(2)
    while last - number < _MANY and not page.blank(last + 1) and page.indent(last + 1) == column:
        last += 1
        terms.append(page.lines[last].strip())
    return Term(", ".join(terms), last)


def _alone(page: Page, number: int, *, option: bool) -> Term | None:
    """Return options or signatures on their own lines, with the definition indented below."""
    terms, last, indent = list[str](), number, page.indent(number)
    while last - number < _MANY and not page.blank(last) and page.indent(last) == indent:
        bare = page.lines[last].strip()
        if not (_OPTION if option else _SIGNATURE).match(bare) or bare.endswith("."):
            break
        terms.append(bare)
        last += 1
    below = last + page.blank(last)
    return Term(", ".join(terms), last - 1) if terms and _deeper(page, number, below) else None
