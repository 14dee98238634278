"""Tables of HTML, whose cells may go across columns and down rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import attrs

from lior.interfaces import Table
from lior_plugins.readers.tables import SPARSE, joined, table

_WIDEST = 1000
"""The maximum number of columns or rows of a cell, and of cells of a row."""
_TEXT = 200
"""The maximum number of characters of a cell in a table without header cells."""
_ROWS = 3
"""The minimum number of rows of a table without header cells."""


@attrs.define
class Cell:
    """A cell while it is read."""

    head: bool
    across: int
    down: int
    parts: list[str] = attrs.field(factory=list)

    @property
    def text(self) -> str:
        """The words of the cell."""
        return " ".join("".join(self.parts).split())


@attrs.define
class Grid:
    """A table of HTML while it is read."""

    name: str
    nested: bool = False
    """Whether a cell has a table, so that this one only places its parts."""
    rows: list[list[Cell]] = attrs.field(factory=list)
    lines: list[int] = attrs.field(factory=list)
    """The line of the text with the first word of each row; -1 for none."""
    cell: Cell | None = None
    """The open cell."""

    def begin_row(self) -> None:
        """Begin a row."""
        self.cell = None
        self.rows.append([])
        self.lines.append(-1)

    def begin_cell(self, attributes: Sequence[tuple[str, str | None]], *, head: bool) -> None:
        """Begin a cell."""
        if not self.rows:
            self.begin_row()
        given = dict(attributes)
        self.cell = Cell(head, _span(given.get("colspan")), _span(given.get("rowspan")))
        self.rows[-1].append(self.cell)

    def put(self, text: str, line: int) -> None:
        """Continue the open cell with words of a line of the text."""
        if self.cell is not None:
            self.cell.parts.append(text)
            if self.lines[-1] < 0 and text and not text.isspace():
                self.lines[-1] = line

    def is_header(self) -> bool:
        """Return whether the last row has several cells, all of them header cells."""
        return bool(self.rows) and len(self.rows[-1]) > 1 and all(cell.head for cell in self.rows[-1])

    def tables(self) -> tuple[Table, ...]:
        """Return the table, or nothing if it only places parts of the page or describes one thing."""
        kept = [n for n, line in enumerate(self.lines) if line >= 0]
        while kept and len([cell for cell in self.rows[kept[0]] if cell.text]) < 2:  # a title
            del kept[0]
        if self.nested or len(kept) < 2:
            return ()
        rows, lines = [self.rows[n] for n in kept], [self.lines[n] for n in kept]
        every, heads = _expanded(rows), [all(cell.head for cell in row) for row in rows]
        count = heads.index(False) if False in heads else 0
        if not every or not count:
            return () if any(row[0].head for row in rows) else _headless(every, lines, self.name)
        columns = reduce(joined, every[1:count], every[0])
        return table([columns, *every[count:]], [0, *lines[count:]], self.name, named=True)


def _headless(rows: Sequence[tuple[str, ...]], lines: Sequence[int], name: str) -> tuple[Table, ...]:
    """Return a table without header cells if its first row is a header all the same, and its cells short."""
    if len(rows) < _ROWS or max(len(cell) for row in rows for cell in row) > _TEXT:
        return ()
    found = table(rows, lines, name)
    return found if found and len(found[0].rows) < len(rows) else ()


def _span(value: str | None) -> int:
    return max(1, min(int(value[:9]), _WIDEST)) if value and value[:9].isdecimal() else 1


def _expanded(rows: Sequence[Sequence[Cell]]) -> list[tuple[str, ...]]:
    """Return the texts of rows: a cell over several columns is in the first, one over rows in each.

    Return nothing if hardly a cell is filled, which would fill the memory.
    """
    found, below = list[tuple[str, ...]](), dict[int, tuple[int, str]]()
    left_over = 1000 + SPARSE * sum(map(len, rows))
    for row in rows:
        texts, cells = list[str](), iter(row)
        while len(texts) < _WIDEST:
            place = len(texts)
            left, text = below.pop(place, (0, ""))
            across = 1
            if not left:
                if (cell := next(cells, None)) is None:
                    break
                left, text, across = cell.down, cell.text, cell.across
            if left > 1:
                below[place] = left - 1, text
            texts += [text, *[""] * (across - 1)]
        found.append(tuple(texts))
        left_over -= len(texts)
        if left_over < 0:
            return []
    return found
