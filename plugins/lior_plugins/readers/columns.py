"""The order in which a page with columns of prose is read, told by where its words stand.

Lengths are in points, y upwards. What is no column of prose keeps the order that the page has: labels with
amounts beside them, and tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, groupby, pairwise
from math import inf
from statistics import median

import attrs

BEGINS = "\x03"
"""Before a line that does not go on with the sentence of the line before."""
_STRIPS = 200
"""Upright strips of a page, each narrower than the space between columns."""
_GAP = 0.7
"""Heights of a line; words that are further apart are pieces of their own."""
_CELL = 1.5
"""Heights of a line between the cells of a table, at least."""
_LONG = 8
"""Heights of a line; the lines of a column are longer than labels and amounts."""
_FEWEST = 3
"""Lines of a column."""
_FULL = 0.7
"""Of the width of a column; prose has mostly lines that fill it so far."""
_WITHIN = 0.25
"""Of the lines of a column; as many begin in lower case, or in a script without it."""
_NEAR = 3
"""Points between lines that begin below each other."""
_APART = 0.4
"""Heights of a line; where lines are further apart than most by so much, a paragraph begins."""
_SAME = 0.93
"""Of the height of a line; a smaller one has another size of letters."""
_RAGGED = 0.85
"""Of the width of a column; a line that would reach so far with the next word was broken for want of room."""
_CELLS = 8
"""Pieces of a row that are looked at on either side of one."""
_TURNS = 2
"""From column to column, more than a page needs that comes column by column."""
_DIVIDED = re.compile("[^\\W\\d_][-\N{HYPHEN}\xad\x02]$")


@attrs.frozen
class Box:
    """A word, or words beside each other, and where they stand."""

    left: float
    bottom: float
    right: float
    top: float
    text: str = ""
    first: float = 0
    """Width of the first word."""
    line: int = 0
    """Of the page as it came, from 0."""

    @property
    def width(self) -> float:
        """From the left to the right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From the bottom to the top."""
        return self.top - self.bottom

    def within(self, other: Box) -> bool:
        """Whether it is a box, and inside the other one."""
        across = other.left <= self.left < self.right <= other.right
        return across and other.bottom <= self.bottom < self.top <= other.top


def may_have_columns(boxes: Sequence[Box]) -> bool:
    """Whether text stands on both sides of an upright strip that few lines cross; quick, and often wrong."""
    if not boxes:
        return False
    begin, end = min(box.left for box in boxes), max(box.right for box in boxes)
    covered = [0.0] * (_STRIPS + 1)
    for box in boxes:
        covered[int(_STRIPS * (box.left - begin) / (end - begin))] += box.height
        covered[int(_STRIPS * (box.right - begin) / (end - begin))] -= box.height
    covered = list(accumulate(covered))
    before, after = accumulate(covered, max), [*accumulate(reversed(covered), max)]
    return any(here < _FULL * min(a, b) for here, a, b in zip(covered, before, reversed(after), strict=True))


def read_page(words: Iterable[Box]) -> str:
    """The text of a page: column by column where it has columns of prose, else row by row.

    A word that ends with U+0002 is divided there, and joined with the next one. Of a page with columns, there
    is :data:`BEGINS` before each line that begins anew. The text is empty where the words come by the cells
    of a table.
    """
    rows = [*_rows(words)]
    pieces = [piece for number, row in enumerate(rows) for piece in _pieces(row, number)]
    height = median(piece.height for piece in pieces) if pieces else 0
    if not (edges := _edges(pieces, height)):
        return "\n".join(map(_row_text, rows)).replace("\x02\n", "\x02")
    page = _Page(pieces, height, edges)
    parts = [*page.parts()]
    turns = sum(page.column[a] != page.column[b] for a, b in pairwise(pieces))
    if sum(map(len, parts)) + _TURNS < turns < len(pieces) / 2:
        return ""
    return f"\n{BEGINS}\n".join(map(page.flow, parts))


def _rows(words: Iterable[Box]) -> Iterator[list[Box]]:
    """Words that follow each other from the left to the right."""
    row = list[Box]()
    for word in words:
        if row and not (word.left > row[-1].left and _beside(row[-1], word)):
            yield row
            row = []
        row.append(word)
    if row:
        yield row


def _beside(a: Box, b: Box) -> bool:
    """Whether boxes share at least half of their height."""
    return 2 * (min(a.top, b.top) - max(a.bottom, b.bottom)) > min(a.height, b.height)


def _pieces(words: Sequence[Box], number: int) -> Iterator[Box]:
    """The words of a row, cut where they are far apart."""
    begin = 0
    for end in range(1, len(words) + 1):
        last = words[end - 1]
        if end == len(words) or words[end].left - last.right > _GAP * last.height:
            yield attrs.evolve(_join(words[begin:end]), first=words[begin].width, line=number)
            begin = end


def _join(boxes: Sequence[Box], sentence: bool = True) -> Box:
    """Boxes of a line as one; it is as high as most of its words. It may go on with a sentence, or not."""
    middle = sorted(boxes, key=lambda box: box.height)[len(boxes) // 2]
    first, last = boxes[0], boxes[-1]
    text = " ".join(box.text for box in boxes)
    width = first.first if sentence else -inf
    return Box(first.left, middle.bottom, last.right, middle.top, text, width, first.line)


def _row_text(words: Sequence[Box]) -> str:
    """The words of a row, with several spaces between the cells of a table."""
    text = words[0].text
    for before, word in pairwise(words):
        text += (" " if word.left - before.right < _CELL * word.height else 4 * " ") + word.text
    return text


def _place(piece: Box) -> tuple[int, float]:
    return piece.line, piece.left


# --- columns ---


def _edges(pieces: list[Box], height: float) -> list[float]:
    """Between which x the columns stand, ascending; nothing where there are none.

    At each, long lines begin below each other, and other long lines end before them at the same height.
    """
    found = list[tuple[int, float, float, float]]()
    for left in {round(piece.left): piece.left for piece in pieces if piece.width > _LONG * height}.values():
        right = [piece for piece in pieces if abs(piece.left - left) < _NEAR]
        top, bottom = max(piece.top for piece in right), min(piece.bottom for piece in right)
        beside = [p for p in pieces if p.right < left and p.bottom < top and p.top > bottom]
        if (filled := _filled(right, height)) and (others := _filled(beside, height)):
            end = median(piece.right for piece in filled)
            found.append((len(right), left, end, max(piece.right for piece in others)))
    columns = list[tuple[float, float]]()
    edges = list[float]()
    for _, left, end, before in sorted(found, reverse=True):
        if all(end < other or left > until for other, until in columns):
            columns.append((left, end))
            edges.append((before + left) / 2)
    return sorted(edges)


def _filled(pieces: list[Box], height: float) -> list[Box]:
    """The pieces that fill the width of their column, if they are most of the text and some are within a
    sentence, which rows of a table seldom are; or nothing."""
    widths = sorted((piece.width for piece in pieces), reverse=True)
    if len(widths) < _FEWEST or widths[_FEWEST - 1] < _LONG * height:
        return []
    full = [piece for piece in pieces if piece.width > _FULL * widths[_FEWEST - 1]]
    within = sum(piece.text[0].isalpha() and not piece.text[0].isupper() for piece in full)
    prose = sum(piece.width for piece in full) > _FULL * sum(widths) and within >= _WITHIN * len(full)
    return full if prose else []


class _Page:
    """A page with columns."""

    def __init__(self, pieces: list[Box], height: float, edges: list[float]) -> None:
        self.height = height
        self.column = {piece: sum(piece.left > x for x in edges) for piece in pieces}
        self.crossing = {
            p.line for p in pieces if any(p.left < x - _NEAR and p.right > x + _NEAR for x in edges)
        }
        self.downwards = sorted(pieces, key=lambda piece: -piece.top - piece.bottom)
        gaps = list[float]()
        for number in range(len(edges) + 1):
            lines = (piece for piece in self.downwards if self.column[piece] == number)
            gaps += (
                above.bottom - piece.top for above, piece in pairwise(lines) if not _beside(above, piece)
            )
        self.far = median(gaps or [0]) + _APART * height
        """Points between lines of which the second begins a paragraph."""

    def parts(self) -> Iterator[list[list[Box]]]:
        """From the top to the bottom, the lines of each column of a part; a part of tables and of lines
        across the columns has one column."""
        slices = [*self._slices()]
        prose = [self._is_prose(part) for part in slices]
        if len(slices) > 1:  # what stands above and below all text
            prose[0] &= not self._is_margin(slices[0], slices[1])
            prose[-1] &= not self._is_margin(slices[-1], slices[-2])
        for columns, run in groupby(zip(prose, slices, strict=True), lambda pair: pair[0]):
            yield self._columns([piece for _, part in run for piece in part], columns)

    def _columns(self, pieces: list[Box], prose: bool) -> list[list[Box]]:
        """The lines of each column of pieces; of one if they are no prose."""
        numbers = sorted({self.column[piece] for piece in pieces}) if prose else [-1]
        found = list[list[Box]]()
        for number in numbers:
            column = sorted((p for p in pieces if number in (-1, self.column[p])), key=_place)
            lines = ([*line] for _, line in groupby(column, lambda piece: piece.line))
            found.append([_join(line, prose or len(line) == 1) for line in lines])
        return found

    def _slices(self) -> Iterator[list[Box]]:
        """The pieces of the page, cut where it is empty and where lines across the columns begin or end."""
        part, low, across = list[Box](), 0.0, False
        for number, piece in enumerate(self.downwards):
            below = low - piece.top > self.far
            last = across and not below and self._is_alone(number)  # of lines across, the last may be short
            if part and (below or across != (last or piece.line in self.crossing)):
                yield part
                part = []
            across = last or piece.line in self.crossing
            low = min(low, piece.bottom) if part else piece.bottom
            part.append(piece)
        yield part

    def _is_alone(self, number: int) -> bool:
        """Whether nothing stands beside a piece in another column."""
        piece, near = self.downwards[number], self.downwards[max(number - _CELLS, 0) : number + _CELLS + 1]
        return all(self.column[each] == self.column[piece] for each in near if _beside(piece, each))

    def _is_prose(self, pieces: list[Box]) -> bool:
        """Whether pieces are of columns: they fill them, or have at most one row across, of headings."""
        if pieces[0].line in self.crossing:
            return False
        rows = [[*row] for _, row in groupby(sorted(pieces, key=_place), lambda piece: piece.line)]
        cells = sum(len(row) - 1 for row in rows if self.column[row[0]] < self.column[row[-1]])
        return cells <= max(self.column.values()) or bool(_filled(pieces, self.height))

    def _is_margin(self, pieces: list[Box], other: list[Box]) -> bool:
        """Whether pieces are one row of small text far from ``other``, such as the number of the page."""
        low, high = sorted([pieces, other], key=lambda part: part[0].top)
        gap = min(piece.bottom for piece in high) - max(piece.top for piece in low)
        rows = {piece.line for piece in pieces}
        return len(rows) == 1 and gap > self.far + self.height and pieces[0].height * _SAME < self.height

    def flow(self, columns: list[list[Box]]) -> str:
        """The text of columns one after the other, footnotes last."""
        notes = list[Box]()
        for lines in columns[:-1]:
            foot = len(lines)
            while foot and lines[foot - 1].height < _SAME * self.height:
                foot -= 1
            notes += lines[foot:]
            del lines[foot:]
        wide = {line: max(each.width for each in lines) for lines in (*columns, notes) for line in lines}
        flow = [*chain(*columns, notes)]
        text = BEGINS + flow[0].text
        for above, line in pairwise(flow):
            alike = min(above.height, line.height) >= _SAME * max(above.height, line.height)
            if not alike or above.bottom - line.top > self.far:
                text += f"\n{BEGINS}\n{BEGINS}{line.text}"
            elif _DIVIDED.search(above.text) and line.text[0].islower():
                text = text[:-1] + "\x02" + line.text
            else:
                anew = above.width + line.first < _RAGGED * wide[above]
                text += "\n" + BEGINS * anew + line.text
        return text
