"""Blocks: passages that belong together, and their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from lior.interfaces import Block, Passage, PassageView
from lior_ask.chunking.page import Part

MOST = 1200
"""Maximum number of characters of a block, unless a single passage has more."""


def number_blocks(parts: Iterable[Part], *, merged: bool) -> Iterator[tuple[Part, int]]:
    """Yield each part with the number of its block, from 0.

    A block is a paragraph with the list that it announces, a definition, or a message; a longer one is
    divided. If ``merged``, successive paragraphs below one heading share a block up to its maximum size. A
    part that is ``alone`` is a block.
    """
    number, begin = -1, 0
    above: tuple[str, ...] | None = None
    for run in _runs(parts, merged=merged):
        fits = merged and run[0].headings == above and run[-1].end - begin <= MOST
        if not fits:
            above = None
        for part in run:
            if above is None or part.alone or part.end - begin > MOST:
                number, begin = number + 1, part.begin
            above = None if part.alone else part.headings
            yield part, number


def _runs(parts: Iterable[Part], *, merged: bool) -> Iterator[list[Part]]:
    """Yield the parts of each paragraph, definition or message."""
    for _, run in groupby(parts, lambda part: (part.group, part.headings if merged else ())):
        yield [*run]


def rows_of_block(view: PassageView, row: int) -> range:
    """Return the rows of the block of a row."""
    block_of = view.layout.block_of
    begin, end = np.searchsorted(block_of, [block_of[row], block_of[row] + 1])
    return range(int(begin), int(end))


def blocks_of(passages: Sequence[Passage]) -> list[Block]:
    """Return the blocks of a document, from all its passages."""
    parts = ([*part] for _, part in groupby(passages, lambda passage: passage.block))
    return [join(part, 0, len(part) - 1) for part in parts]


def block_around(passage: Passage, passages: Sequence[Passage]) -> Block | None:
    """Return the block of a passage, from all passages of its document; ``None`` if it is not among them."""
    if passage not in passages:
        return None
    block = [each for each in passages if each.block == passage.block]
    return join(block, block.index(passage))


def join(passages: Sequence[Passage], first: int, last: int | None = None) -> Block:
    """Return a block.

    Parameters
    ----------
    passages
        All passages of the block.
    first, last
        Indices of the first and last passage of the quotation; one passage if ``last`` is not given.
    """
    headings = passages[0].context.split("\n")[:-1]
    text, begins = headings[-1] if headings else "", list[int]()
    line, column = passages[0].line, 1
    text += "\n" * bool(text)
    for passage in passages:
        # Lines of a document that is not a plain file may stand in one line of the file.
        if passage.line > line or passage.column < column:
            text += "\n" * min(max(passage.line - line, 1), 2)
            line, column = passage.line, 1
        begins.append(len(text) + passage.column - column)
        text += " " * (passage.column - column) + passage.text
        *above, rest = passage.text.split("\n")
        line += len(above)
        column = len(rest) + 1 if above else passage.column + len(rest)
    last = first if last is None else last
    return Block(
        document=passages[0].document,
        line=passages[0].line,
        end_line=passages[-1].line + passages[-1].text.count("\n"),
        text=text,
        begin=begins[first],
        end=begins[last] + len(passages[last].text),
    )
