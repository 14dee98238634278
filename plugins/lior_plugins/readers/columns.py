"""The reading order of a page with columns of prose, from the positions of its words.

Lengths are in points, and y grows upwards. Anything that is not a column of prose keeps the order of the
page, such as tables and labels with amounts beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, groupby, pairwise
from math import inf
from statistics import median

import attrs

BEGINS = "\x03"
"""A mark before a line that does not continue the sentence of the line before."""
_STRIPS = 200
"""The number of vertical strips of a page, each narrower than the gap between columns."""
_GAP = 0.7
"""The maximum gap of words in a piece, in line heights; a larger gap separates two pieces."""
_CELL = 1.5
"""The minimum gap between the cells of a table, in line heights."""
_LONG = 8
"""The minimum length of a column's lines, in line heights; labels and amounts are shorter."""
_FEWEST = 3
"""The minimum number of lines of a column."""
_FULL = 0.7
"""The minimum length of a full line, as a share of the column's width; prose consists mostly of
such lines.
"""
_WITHIN = 0.25
"""The minimum share of a column's full lines that begin with a letter that is not upper case."""
_NEAR = 3
"""The maximum horizontal distance between the beginnings of aligned lines, in points."""
_APART = 0.4
"""The extra distance, in line heights over the median, at which a line begins a paragraph."""
_SAME = 0.93
"""The minimum ratio of two lines' heights if both have the same font size."""
_RAGGED = 0.85
"""A share of the column's width: a line that would reach it with the next word was broken for
lack of room.
"""
_CELLS = 8
"""The number of pieces before and after a piece in which its neighbours in the row are searched."""
_TURNS = 2
"""The allowed number of extra column changes, relative to a page whose words come column by column."""
_DIVIDED = re.compile("[^\\W\\d_][-\N{HYPHEN}\xad\x02]$")


@attrs.frozen
class Box:
    """A word or adjacent words, with their position on the page."""

    left: float
    bottom: float
    right: float
    top: float
    text: str = ""
    first: float = 0
    """The width of the first word, in points."""
    line: int = 0
    """The row of the page in the original order, from 0."""

    @property
    def width(self) -> float:
        """The distance from the left to the right edge, in points."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """The distance from the bottom to the top edge, in points."""
        return self.top - self.bottom

    def within(self, other: Box) -> bool:
        """Return whether this box has an area and is inside the other box."""
        across = other.left <= self.left < self.right <= other.right
        return across and other.bottom <= self.bottom < self.top <= other.top


def may_have_columns(boxes: Sequence[Box]) -> bool:
    """Return whether a vertical strip that few lines cross has text on both sides; a quick, rough test."""
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
    """Return the text of a page: column by column where it has columns of prose, else row by row.

    A word that ends with U+0002 is divided there and is joined with the next word. In a page with columns,
    :data:`BEGINS` precedes each line that begins anew. The text is empty if the words come in the order of a
    table's cells.
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
    """Yield rows: words that follow each other from left to right."""
    row = list[Box]()
    for word in words:
        if row and not (word.left > row[-1].left and _beside(row[-1], word)):
            yield row
            row = []
        row.append(word)
    if row:
        yield row


def _beside(a: Box, b: Box) -> bool:
    """Return whether boxes share at least half of their height."""
    return 2 * (min(a.top, b.top) - max(a.bottom, b.bottom)) > min(a.height, b.height)


def _pieces(words: Sequence[Box], number: int) -> Iterator[Box]:
    """Yield the pieces of a row, which is cut where its words are far apart."""
    begin = 0
    for end in range(1, len(words) + 1):
        last = words[end - 1]
        if end == len(words) or words[end].left - last.right > _GAP * last.height:
            yield attrs.evolve(_join(words[begin:end]), first=words[begin].width, line=number)
            begin = end


def _join(boxes: Sequence[Box], sentence: bool = True) -> Box:
    """Return the boxes of a line as one box of their median height; ``sentence``: it may
    continue a sentence.
    """
    middle = sorted(boxes, key=lambda box: box.height)[len(boxes) // 2]
    first, last = boxes[0], boxes[-1]
    text = " ".join(box.text for box in boxes)
    width = first.first if sentence else -inf
    return Box(first.left, middle.bottom, last.right, middle.top, text, width, first.line)


def _row_text(words: Sequence[Box]) -> str:
    """Return the words of a row, with several spaces between the cells of a table."""
    text = words[0].text
    for before, word in pairwise(words):
        text += (" " if word.left - before.right < _CELL * word.height else 4 * " ") + word.text
    return text


def _place(piece: Box) -> tuple[int, float]:
    return piece.line, piece.left


# --- columns ---


def _edges(pieces: list[Box], height: float) -> list[float]:
    """Return the x coordinates that separate the columns, ascending; empty without columns.

    To the right of each, aligned long lines begin; to its left, other long lines end at the same height.
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
    """Return the pieces that fill the width of their column, or nothing if these are not prose. In prose they
    are most of the text, and some continue a sentence, which rows of a table seldom do.
    """
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
        """The distance in points from which on a line begins a paragraph."""

    def parts(self) -> Iterator[list[list[Box]]]:
        """Yield the parts of the page from top to bottom, each as the lines of its columns. Parts with tables
        and with lines across the columns have one column.
        """
        slices = [*self._slices()]
        prose = [self._is_prose(part) for part in slices]
        if len(slices) > 1:  # headers and footers
            prose[0] &= not self._is_margin(slices[0], slices[1])
            prose[-1] &= not self._is_margin(slices[-1], slices[-2])
        for columns, run in groupby(zip(prose, slices, strict=True), lambda pair: pair[0]):
            yield self._columns([piece for _, part in run for piece in part], columns)

    def _columns(self, pieces: list[Box], prose: bool) -> list[list[Box]]:
        """Return the lines of each column of the pieces; one column if they are not prose."""
        numbers = sorted({self.column[piece] for piece in pieces}) if prose else [-1]
        found = list[list[Box]]()
        for number in numbers:
            column = sorted((p for p in pieces if number in (-1, self.column[p])), key=_place)
            lines = ([*line] for _, line in groupby(column, lambda piece: piece.line))
            found.append([_join(line, prose or len(line) == 1) for line in lines])
        return found

    def _slices(self) -> Iterator[list[Box]]:
        """Yield slices of the page, cut at gaps and where lines across the columns begin or end."""
        part, low, across = list[Box](), 0.0, False
        for number, piece in enumerate(self.downwards):
            below = low - piece.top > self.far
            last = across and not below and self._is_alone(number)  # the last line across may be short
            if part and (below or across != (last or piece.line in self.crossing)):
                yield part
                part = []
            across = last or piece.line in self.crossing
            low = min(low, piece.bottom) if part else piece.bottom
            part.append(piece)
        yield part

    def _is_alone(self, number: int) -> bool:
        """Return whether no piece is beside this one in another column."""
        piece, near = self.downwards[number], self.downwards[max(number - _CELLS, 0) : number + _CELLS + 1]
        return all(self.column[each] == self.column[piece] for each in near if _beside(piece, each))

    def _is_prose(self, pieces: list[Box]) -> bool:
        """Return whether pieces belong to columns: they fill these, or at most one row, of headings, has
        several.
        """
        if pieces[0].line in self.crossing:
            return False
        rows = [[*row] for _, row in groupby(sorted(pieces, key=_place), lambda piece: piece.line)]
        cells = sum(len(row) - 1 for row in rows if self.column[row[0]] < self.column[row[-1]])
        return cells <= max(self.column.values()) or bool(_filled(pieces, self.height))

    def _is_margin(self, pieces: list[Box], other: list[Box]) -> bool:
        """Return whether pieces are one row of small text far from ``other``, such as a page number."""
        low, high = sorted([pieces, other], key=lambda part: part[0].top)
        gap = min(piece.bottom for piece in high) - max(piece.top for piece in low)
        rows = {piece.line for piece in pieces}
        return len(rows) == 1 and gap > self.far + self.height and pieces[0].height * _SAME < self.height

    def flow(self, columns: list[list[Box]]) -> str:
        """Return the text of columns one after the other, footnotes last."""
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
