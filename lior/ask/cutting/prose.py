"""Prose and Markdown: paragraphs, lists, tables and code between fences, below their headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

import attrs

from lior.ask.cutting.code import statements
from lior.ask.cutting.page import ITEM, LONG, Outline, Page, Part

_ATX = re.compile(r" {0,3}(#{1,6})\s+(.+?)[\s#]*$")
_RULE = re.compile(r"([=\-~^\"'*+#.`:_])\1{2,}\s*$")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_TABLE = re.compile(r"\s*\|.*\|\s*$")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|+=-]+\|?\s*$")
_LARGEST_GROUP = 40
"""Most passages of a list that are one group."""
_CAPITALS = re.compile(r"[A-Z][A-Z0-9 ,&/()'-]{2,58}$")


def prose(page: Page, title: tuple[str, ...], first: int = 0, group: int = 0) -> Iterator[Part]:
    """Paragraphs, lists, tables and code between fences, below their headings."""
    outline, levels = Outline(title), {"": 0}
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
        if not listed or not (fence or ITEM.match(page.lines[number])):
            group += 1
        for count, part in enumerate(_block(page, block, group, outline.headings, fenced=bool(fence)), 1):
            group += count % _LARGEST_GROUP == 0
            yield part if part.group == group else attrs.evolve(part, group=group)
        # A list or code belongs to the paragraph that announces it, and to the list before it.
        listed = page.lines[end - 1].rstrip().endswith(":") or bool(ITEM.match(page.lines[number]))
        empty, number = None, end
    if empty is not None:
        yield from page.line(empty, group, outline.headings[:-1])


def _heading(page: Page, number: int, levels: dict[str, int]) -> tuple[int, str, tuple[int, int]] | None:
    """Level and text of the heading at a line, its line and the last one that belongs to it."""
    line, lines = page.lines[number], page.lines
    if len(line) > LONG:
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
    if under and len(line.strip()) <= 2 * len(below.strip()) and not ITEM.match(line):
        return levels.setdefault(under[1], len(levels)), line.strip(), (number, number + 1)
    if _CAPITALS.match(line) and (not below or below[0].isspace()):
        return levels.setdefault("capitals", len(levels)), line.strip(), (number, number)
    return None


def _block(
    page: Page, block: range, group: int, headings: tuple[str, ...], *, fenced: bool
) -> Iterator[Part]:
    """A paragraph, its list items, or the rows of a table."""
    if fenced:
        last = block[-1] if _FENCE.match(page.lines[block[-1]]) else block[-1] + 1
        for blank, numbers in groupby(range(block[0] + 1, last), page.blank):
            if not blank:
                yield from statements(page, list(numbers), group, headings)
        return
    head, above = page.lines[block[0]], headings
    table = len(block) > 1 and _TABLE.match(head) and _TABLE_RULE.match(page.lines[block[1]][:LONG])
    if table:
        headings = (*headings, " ".join(head.replace("|", " ").split()))
    waiting: list[int] = []
    for number in block:
        line = page.lines[number]
        ruled = table or _RULE.match(line)
        if ruled or ITEM.match(line):
            yield from page.cut(waiting, group, headings)
            waiting = []
        if not ruled:
            waiting.append(number)
        elif table and re.search(r"\w", line):
            yield from page.line(number, group, headings if number > block[0] else above)
    yield from page.cut(waiting, group, headings)
