"""Tables of a sheet as they are seen: titles, header rows, merged cells and totals."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, takewhile

import attrs

from lior.interfaces import ParsedDocument, Table
from lior.reading.limits import current_limits
from lior_plugins.readers.collecting import Collected, too_much_text
from lior_plugins.readers.sheet_rows import LONGEST_NAME, Row, Sheet
from lior_plugins.readers.tables import VALUE, YEAR, header_below

_TITLES = 4
"""The maximum number of rows above a table that become the title of the sheet."""
_EMPTY = 10
"""The ratio of a block's area to its filled cells above which the block is not a table."""
_PROBED = 50
"""The number of rows from which it is seen which columns of a table have numbers."""


@attrs.define
class _Open:
    """A table while its rows are collected."""

    name: str
    head: Row
    columns: range
    rows: list[Row] = attrs.field(factory=list)
    lines: list[int] = attrs.field(factory=list)

    def is_headed_anew(self, head: Row) -> bool:
        """Return whether a row below names the columns of another table: it has words where this one has
        numbers. In a table of words it has other columns.
        """
        if head.cells == self.head.cells:
            return False
        kinds = [kind for row in self.rows[:_PROBED] for kind in zip(row.columns, row.kinds, strict=True)]
        numbers = {column for column, kind in kinds if kind == "n"}
        return bool(numbers & {*head.columns}) if numbers else head.columns != self.head.columns

    def table(self) -> Table:
        """Return the table."""
        every = (self.head, *self.rows)
        columns = _columns(every)
        head, *rows = (_cells(row, columns) for row in every)
        return Table(name=self.name, columns=head, rows=tuple(rows), lines=tuple(self.lines))


class SeenSheet:
    """A sheet as it is seen."""

    def __init__(self, sheet: Sheet) -> None:
        self.name = sheet.name[:LONGEST_NAME]
        self._rows, self._found, self._title = sheet.rows, Collected(), list[str]()
        self._tables, self._open, self._heading = list[_Open](), list[_Open](), ""
        self._waiting = list[Row]()
        """A row alone that may be the head of what follows an empty row."""
        self._covered = _covered(sheet)

    def document(self, name: str, title: str) -> ParsedDocument:
        """Return the document of the sheet."""
        for block, above in self._blocks():
            if not self._found.text and above <= _TITLES:
                self._title += (text for row in block[:above] for text in row.cells)
                block = block[above:]
            if block:
                self._add(block)
        title = " ".join((title, *self._title)).strip()
        tables = tuple(each.table() for each in self._tables if each.rows)
        return attrs.evolve(self._found.document("rows", title), name=name, tables=tables)

    def _blocks(self) -> Iterator[tuple[list[Row], int]]:
        """Yield blocks of rows with no empty row inside, and how many rows stand above the head of each."""
        rows = self._rows
        first = next((n for n, row in enumerate(rows) if len(row.cells) > 1), 0)
        begins = [n for n, row in enumerate(rows) if not n or row.number != rows[n - 1].number + 1]
        for begin, end in pairwise([*begins, len(rows)]):
            yield rows[begin:end], end - begin if end <= first else self._head(rows[begin:end]) or 0

    def _add(self, block: list[Row]) -> None:
        """Add the rows of a block to the text, and to tables."""
        columns = _columns(block)
        filled, shown = sum(len(row.cells) for row in block), dict[int, Row]()
        scattered = len(block) * len(columns) > _EMPTY * filled + 100
        if not scattered:
            for table, span in self._parts(block, columns):
                part = block if len(span) >= columns[-1] - columns[0] + 1 else _within(block, span)
                self._continue(table, part, len(self._found.text) - block[0].number, shown)
            columns = _columns(shown.values(), columns)
        for row in block:
            seen = shown.get(row.number, row)
            self._found.begin(f"{self.name}, row {row.number}")
            cells = seen.cells if scattered else _cells(seen, columns)
            self._found.put(" | ".join(cells).rstrip(" |"), row.number)

    def _parts(self, block: list[Row], columns: Sequence[int]) -> list[tuple[_Open | None, range]]:
        """Return the columns of each part of a block, and the table above it. Empty columns separate parts
        of which each has a table above or a head of its own.
        """
        ends = [n for n in range(1, len(columns)) if columns[n] > columns[n - 1] + 1]
        parts = list[tuple[_Open | None, range, bool]]()
        for begin, end in pairwise([0, *ends, len(columns)]):
            span = range(columns[begin], columns[end - 1] + 1)
            above = (t for t in reversed(self._open) if span[0] in t.columns and span[-1] in t.columns)
            table = next(above, None)
            headed = table is None and len(span) > 1 and _head(_within(block, span)) is not None
            if parts and parts[-1][0] is table and not (headed and parts[-1][2]):
                _, before, headed_before = parts.pop()
                span, headed = range(before.start, span.stop), headed or headed_before
            parts.append((table, span, headed))
        return [(table, span) for table, span, _ in parts]

    def _continue(self, table: _Open | None, rows: list[Row], shift: int, shown: dict[int, Row]) -> None:
        """Add rows to the table above them, or to a new one if they have a head of their own.

        ``shift`` leads from the number of a row to its line in the text; rows with cells that are merged with
        others are added to ``shown``.
        """
        rows = rows if table else self._below_head(rows)
        head = self._head(rows)
        if head is not None and (table is None or table.is_headed_anew(rows[head])):
            table, rows = self._begin(rows, head)
        else:  # headings and remarks have one cell
            self._heading = rows[-1].cells[0] if all(len(row.cells) == 1 for row in rows) else ""
            if table is None:
                return
            rows = [row for row in rows if len(row.cells) > 1 and row.cells != table.head.cells]
        self._append(table, rows, shift, shown)

    def _append(self, table: _Open, rows: list[Row], shift: int, shown: dict[int, Row]) -> None:
        """Add rows to a table, without those whose formulas add up others."""
        for row in rows:
            full = self._fill(row, table.columns)
            if not row.total:
                table.rows.append(full)
                table.lines.append(row.number + shift)
            if full is not row:
                shown[row.number] = _joined(shown.get(row.number, row), full)

    def _head(self, block: list[Row]) -> int | None:
        """Return the first row of the head of a block, or ``None`` for a block that is not a table."""
        head = _head(block)
        while head and self._are_merged(block[head - 1], block[head]):
            head -= 1
        return head

    def _are_merged(self, row: Row, below: Row) -> bool:
        """Return whether a merged cell is in both rows."""
        covered = self._covered.get(row.number, ())
        return any(each in covered for each in self._covered.get(below.number, ()))

    def _below_head(self, rows: list[Row]) -> list[Row]:
        """Return rows below no table, with a row alone above that may be their head."""
        if self._waiting and {*_columns(rows)} <= {*self._waiting[0].columns}:
            rows = [*self._waiting, *rows]
        self._waiting = rows if len(rows) == 1 and _is_plain(rows[0]) else []
        return rows

    def _begin(self, rows: list[Row], head: int) -> tuple[_Open, list[Row]]:
        """Return a new table and the rows below its head, which has several rows if cells of it are merged.

        Its name is the heading above it or that of the sheet.
        """
        columns, end = _columns(rows), head + 1
        while end < len(rows) and self._are_merged(rows[end - 1], rows[end]):
            end += 1
        levels = rows[head:end]
        if len(levels) > 1:
            levels = [self._fill(row, range(columns[0], columns[-1] + 1)) for row in levels]
            stacked = zip(*(_cells(row, columns) for row in levels), strict=True)
            names = tuple(" ".join(dict.fromkeys(filter(None, cells))) for cells in stacked)
            levels = [Row(rows[head].number, columns, names, ("t",) * len(names))]
        above = [row.cells[0] for row in rows[:head] if len(row.cells) == 1]
        name = (above or [self._heading or self.name])[-1]
        table, self._heading = _Open(name, levels[0], range(columns[0], columns[-1] + 1)), ""
        apart = (t for t in self._open if t.columns[-1] < columns[0] or columns[-1] < t.columns[0])
        self._open = [*apart, table]
        self._tables.append(table)
        return table, rows[end:]

    def _fill(self, row: Row, columns: range) -> Row:
        """Return a row of a table with the value of each merged cell in all cells that it covers."""
        whole = columns[0], columns[-1]
        for left, right, value, kind in self._covered.get(row.number, ()):
            if (left, right) != whole:  # a heading over the table
                over = tuple(column for column in range(left, right + 1) if column in columns)
                row = _joined(row, Row(row.number, over, (value,) * len(over), (kind,) * len(over)))
        return row


def _covered(sheet: Sheet) -> dict[int, list[tuple[int, int, str, str]]]:
    """Return the first and last column, text and kind of the merged cells in each row."""
    found, left = dict[int, list[tuple[int, int, str, str]]](), current_limits().characters
    numbers = [row.number for row in sheet.rows] if sheet.merged else []
    for cell in sheet.merged:
        begin, end = bisect_left(numbers, cell.top), bisect_right(numbers, cell.bottom)
        if begin >= end or numbers[begin] != cell.top or cell.left not in sheet.rows[begin].columns:
            continue
        first = sheet.rows[begin]
        at = first.columns.index(cell.left)
        value, kind = first.cells[at], first.kinds[at]
        for number in numbers[begin:end]:
            left -= (cell.right - cell.left + 1) * (len(value) + 3)
            if left < 0:
                raise too_much_text()
            found.setdefault(number, []).append((cell.left, cell.right, value, kind))
    return found


def _head(block: Sequence[Row]) -> int | None:
    """Return the header row of a block, or ``None`` for a block that is not a table. Among the rows before
    the first number or date it is the one with most cells. If all cells are text, it is the first row with
    several cells. Lines on an account above it may have numbers.
    """
    columns = _columns(block[:_PROBED])
    if below := header_below([_cells(row, columns) for row in block[:_PROBED]]):
        return below
    plain = [len(row.cells) for row in takewhile(_is_plain, block)]
    several = [number for number, count in enumerate(plain) if count > 1]
    if not several or several[0] + 1 == len(block):
        return None
    return max(several, key=lambda number: plain[number]) if len(plain) < len(block) else several[0]


def _is_plain(row: Row) -> bool:
    """Return whether all cells are text, or several are years that ascend, as in the head of a table.

    A text and a number written as text are a key and its value.
    """
    if len(row.cells) == 2 and [*map(_is_value, row.cells)] == [False, True]:
        return False
    years = [cell for cell, kind in zip(row.cells, row.kinds, strict=True) if kind == "n"]
    return not years or (len(years) > 1 and years == sorted({*years}) and all(map(YEAR.fullmatch, years)))


def _is_value(cell: str) -> bool:
    """Return whether a cell is a number or a date, and no year."""
    return VALUE.fullmatch(cell) is not None and not YEAR.fullmatch(cell)


def _columns(rows: Iterable[Row], more: Iterable[int] = ()) -> tuple[int, ...]:
    """Return the columns of rows, ascending."""
    return tuple(sorted({*more}.union(*{row.columns for row in rows})))


def _within(rows: Sequence[Row], columns: range) -> list[Row]:
    """Return the parts of rows in a range of columns; rows without any are left out."""
    found = list[Row]()
    for row in rows:
        begin, end = bisect_left(row.columns, columns.start), bisect_left(row.columns, columns.stop)
        if end - begin == len(row.columns):
            found.append(row)
        elif end > begin:
            part = row.columns[begin:end], row.cells[begin:end], row.kinds[begin:end]
            found.append(Row(row.number, *part, row.total))
    return found


def _cells(row: Row, columns: tuple[int, ...]) -> tuple[str, ...]:
    """Return the texts of a row in these columns, empty ones for cells that it does not have."""
    if row.columns == columns:
        return row.cells
    filled = dict(zip(row.columns, row.cells, strict=True))
    return tuple(filled.get(column, "") for column in columns)


def _joined(row: Row, other: Row) -> Row:
    """Return a row with the cells of another one over its own."""
    cells = {c: (c, text, kind) for each in (row, other) for c, text, kind in zip(*each[1:4], strict=True)}
    columns, texts, kinds = zip(*(cells[column] for column in sorted(cells)), strict=True)
    return Row(row.number, columns, texts, kinds, row.total)
