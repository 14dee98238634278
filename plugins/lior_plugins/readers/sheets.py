"""Spreadsheets as they are seen: a document for each sheet, and its tables.

XLSX and XLS are read by calamine. What it does not tell is marked in the XML of XLSX before: percentages,
totals, and formulas without values. ODS is read from its XML, since calamine has neither its merged cells nor
its percentages.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from io import BytesIO
from itertools import pairwise, takewhile
from math import isfinite
from pathlib import PurePath
from typing import Any, ClassVar, NamedTuple
from xml.etree.ElementTree import Element
from zipfile import ZipFile

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior.reading.entries import read_entries
from lior.reading.limits import current_limits
from lior.reading.skipping import SkipReason, UnreadableFile
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.office import OFFICE, TABLE, TEXT, words
from lior_plugins.readers.opening import Archive, damage, library, local

_MOST_COLUMNS = 16384
"""The maximum number of columns of a sheet, in all programs."""
_LONGEST_NAME = 100
"""The maximum length of a sheet's name, in characters; the place of each row has it."""
_MOST_REPEATED = 1000
"""The maximum number of equal cells or rows that ODS stores once and that are repeated."""
_TITLES = 4
"""The maximum number of rows above a table that become the title of the sheet."""
_EMPTY = 10
"""The ratio of a block's area to its filled cells above which the block is not a table."""
_PROBED = 50
"""The number of rows from which it is seen which columns of a table have numbers."""
_YEAR = re.compile(r"(19|20)\d\d")
_UNSTORED = "it has formulas without stored values: open and save it once in a spreadsheet program"


class _Row(NamedTuple):
    """A row with a cell that is filled."""

    number: int
    """The row number, from 1."""
    columns: tuple[int, ...]
    """The columns of the filled cells, from 0, ascending."""
    cells: tuple[str, ...]
    """The displayed texts of these cells."""
    kinds: tuple[str, ...]
    """A letter for each of these cells: ``t`` for a text, ``n`` for a number, date or time."""
    total: bool = False
    """Whether a formula adds up the rows above."""


class _Merged(NamedTuple):
    """A merged cell, from its first to its last row (from 1) and column (from 0)."""

    top: int
    left: int
    bottom: int
    right: int


@attrs.define
class _Sheet:
    """A sheet as it is in the file."""

    name: str
    rows: list[_Row] = attrs.field(factory=list)
    merged: list[_Merged] = attrs.field(factory=list)
    _same: dict[Any, Any] = attrs.field(factory=dict)
    """Tuples of columns and kinds, so that equal ones are one object."""
    _left: float = attrs.field(factory=lambda: current_limits().characters)

    def add(self, number: int, cells: Iterable[tuple[int, str, str]], total: bool) -> None:
        """Add a row of columns, texts and kinds; empty cells are left out."""
        filled = [cell for cell in cells if cell[1]]
        if filled:
            columns, texts, kinds = zip(*filled, strict=True)
            self._left -= len("".join(texts)) + 3 * len(texts)
            if self._left < 0:
                raise _too_much_text()
            columns, kinds = self._same.setdefault(columns, columns), self._same.setdefault(kinds, kinds)
            self.rows.append(_Row(number, columns, texts, kinds, total))


@attrs.frozen(kw_only=True)
class Xlsx:
    """Reader of XLSX and XLS: rows as cells between bars, numbers in full, dates as ISO 8601."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xls")
    packages: ClassVar[tuple[str, ...]] = ("python-calamine",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return a document of kind "rows" for each sheet; its lines are the rows of the sheet."""
        notes = list[str]()
        with damage("XLSX" if data.startswith(b"PK") else "XLS"):
            if data.startswith(b"PK"):
                data = _marked(data, notes)
            return _documents(_calamine(data, notes), name, notes)


@attrs.frozen(kw_only=True)
class Ods:
    """Reader of OpenDocument spreadsheets, in the same form as XLSX."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".ods",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return a document of kind "rows" for each sheet; its lines are the rows of the sheet."""
        notes = list[str]()
        with damage("ODS"), Archive(data) as archive:
            return _documents(_ods(archive, notes), name, notes)


def _documents(sheets: Iterable[_Sheet], name: str, notes: list[str]) -> list[ParsedDocument]:
    """Return the documents of sheets. Several sheets have names of their own. The first document has the
    notes.
    """
    found = [_Seen(sheet) for sheet in sheets if sheet.rows]
    if not found and notes:
        raise DataError(notes[0])
    if len(found) == 1:
        documents = [found[0].document("", "")]
    else:
        documents = [each.document(each.name, f"{PurePath(name).stem} {each.name}") for each in found]
    return [attrs.evolve(each, notes=() if n else tuple(notes)) for n, each in enumerate(documents)]


# --- what is seen: titles, tables and totals ---


@attrs.define
class _Open:
    """A table while its rows are collected."""

    name: str
    head: _Row
    columns: range
    rows: list[_Row] = attrs.field(factory=list)
    lines: list[int] = attrs.field(factory=list)

    def is_headed_anew(self, head: _Row) -> bool:
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
        every = {row.columns for row in (self.head, *self.rows)}
        columns = tuple(sorted({column for columns in every for column in columns}))
        head, *rows = (_cells(row, columns) for row in (self.head, *self.rows))
        return Table(name=self.name, columns=head, rows=tuple(rows), lines=tuple(self.lines))


class _Seen:
    """A sheet as it is seen."""

    def __init__(self, sheet: _Sheet) -> None:
        self.name = sheet.name[:_LONGEST_NAME]
        self._rows, self._found, self._title = sheet.rows, Collected(), list[str]()
        self._tables, self._open, self._heading = list[_Open](), list[_Open](), ""
        self._waiting = list[_Row]()
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

    def _blocks(self) -> Iterator[tuple[list[_Row], int]]:
        """Yield blocks of rows with no empty row inside, and how many rows stand above the head of each."""
        rows = self._rows
        first = next((n for n, row in enumerate(rows) if len(row.cells) > 1), 0)
        begins = [n for n, row in enumerate(rows) if not n or row.number != rows[n - 1].number + 1]
        for begin, end in pairwise([*begins, len(rows)]):
            yield rows[begin:end], end - begin if end <= first else self._head(rows[begin:end]) or 0

    def _add(self, block: list[_Row]) -> None:
        """Add the rows of a block to the text, and to tables."""
        columns = _columns(block)
        filled, shown = sum(len(row.cells) for row in block), dict[int, _Row]()
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

    def _parts(self, block: list[_Row], columns: Sequence[int]) -> list[tuple[_Open | None, range]]:
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

    def _continue(self, table: _Open | None, rows: list[_Row], shift: int, shown: dict[int, _Row]) -> None:
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

    def _append(self, table: _Open, rows: list[_Row], shift: int, shown: dict[int, _Row]) -> None:
        """Add rows to a table, without those whose formulas add up others."""
        for row in rows:
            full = self._fill(row, table.columns)
            if not row.total:
                table.rows.append(full)
                table.lines.append(row.number + shift)
            if full is not row:
                shown[row.number] = _joined(shown.get(row.number, row), full)

    def _head(self, block: list[_Row]) -> int | None:
        """Return the first row of the head of a block, or ``None`` for a block that is not a table."""
        head = _head(block)
        while head and self._are_merged(block[head - 1], block[head]):
            head -= 1
        return head

    def _are_merged(self, row: _Row, below: _Row) -> bool:
        """Return whether a merged cell is in both rows."""
        covered = self._covered.get(row.number, ()) if self._covered else ()
        return any(each in covered for each in self._covered.get(below.number, ()))

    def _below_head(self, rows: list[_Row]) -> list[_Row]:
        """Return rows below no table, with a row alone above that may be their head."""
        if self._waiting and {*_columns(rows)} <= {*self._waiting[0].columns}:
            rows = [*self._waiting, *rows]
        self._waiting = rows if len(rows) == 1 and _is_plain(rows[0]) else []
        return rows

    def _begin(self, rows: list[_Row], head: int) -> tuple[_Open, list[_Row]]:
        """Return a new table and the rows below its head, which has several rows if cells of it are merged.

        Its name is the heading above it or that of the sheet.
        """
        columns, end = _columns(rows), head + 1
        while end < len(rows) and self._are_merged(rows[end - 1], rows[end]):
            end += 1
        levels = rows[head:end]
        if len(levels) > 1:
            levels = [self._fill(row, range(columns[0], columns[-1] + 1)) for row in levels]
            names = [" ".join(dict.fromkeys(filter(None, (_at(row, c) for row in levels)))) for c in columns]
            levels = [_Row(rows[head].number, columns, tuple(names), ("t",) * len(names))]
        above = [row.cells[0] for row in rows[:head] if len(row.cells) == 1]
        name = (above or [self._heading or self.name])[-1]
        table, self._heading = _Open(name, levels[0], range(columns[0], columns[-1] + 1)), ""
        apart = (t for t in self._open if t.columns[-1] < columns[0] or columns[-1] < t.columns[0])
        self._open = [*apart, table]
        self._tables.append(table)
        return table, rows[end:]

    def _fill(self, row: _Row, columns: range) -> _Row:
        """Return a row of a table with the value of each merged cell in all cells that it covers."""
        whole = columns[0], columns[-1]
        for left, right, value, kind in self._covered.get(row.number, ()):
            if (left, right) != whole:  # a heading over the table
                over = tuple(column for column in range(left, right + 1) if column in columns)
                row = _joined(row, _Row(row.number, over, (value,) * len(over), (kind,) * len(over)))
        return row


def _covered(sheet: _Sheet) -> dict[int, list[tuple[int, int, str, str]]]:
    """Return the first and last column, text and kind of the merged cells in each row."""
    found, left = dict[int, list[tuple[int, int, str, str]]](), current_limits().characters
    numbers = [row.number for row in sheet.rows] if sheet.merged else []
    for cell in sheet.merged:
        begin = bisect_left(numbers, cell.top)
        if (
            begin == len(numbers)
            or numbers[begin] != cell.top
            or not (value := _at(sheet.rows[begin], cell.left))
        ):
            continue
        kind = sheet.rows[begin].kinds[sheet.rows[begin].columns.index(cell.left)]
        for number in numbers[begin : bisect_right(numbers, cell.bottom)]:
            left -= (cell.right - cell.left + 1) * (len(value) + 3)
            if left < 0:
                raise _too_much_text()
            found.setdefault(number, []).append((cell.left, cell.right, value, kind))
    return found


def _head(block: Sequence[_Row]) -> int | None:
    """Return the header row of a block, or ``None`` for a block that is not a table. Among the rows before
    the first number or date it is the one with most cells. If all cells are text, it is the first row with
    several cells.
    """
    plain = [len(row.cells) for row in takewhile(_is_plain, block)]
    several = [number for number, count in enumerate(plain) if count > 1]
    if not several or several[0] + 1 == len(block):
        return None
    return max(several, key=lambda number: plain[number]) if len(plain) < len(block) else several[0]


def _is_plain(row: _Row) -> bool:
    """Return whether all cells are text, or several are years that ascend, as in the head of a table."""
    years = [cell for cell, kind in zip(row.cells, row.kinds, strict=True) if kind == "n"]
    return not years or (len(years) > 1 and years == sorted({*years}) and all(map(_YEAR.fullmatch, years)))


def _columns(rows: Iterable[_Row], more: Iterable[int] = ()) -> tuple[int, ...]:
    """Return the columns of rows, ascending."""
    return tuple(
        sorted({column for columns in ({row.columns for row in rows} | {tuple(more)}) for column in columns})
    )


def _within(rows: Sequence[_Row], columns: range) -> list[_Row]:
    """Return the parts of rows in a range of columns; rows without any are left out."""
    found = list[_Row]()
    for row in rows:
        begin, end = bisect_left(row.columns, columns.start), bisect_left(row.columns, columns.stop)
        if end - begin == len(row.columns):
            found.append(row)
        elif end > begin:
            part = row.columns[begin:end], row.cells[begin:end], row.kinds[begin:end]
            found.append(_Row(row.number, *part, row.total))
    return found


def _cells(row: _Row, columns: tuple[int, ...]) -> tuple[str, ...]:
    """Return the texts of a row in these columns, empty ones for cells that it does not have."""
    if row.columns == columns:
        return row.cells
    filled = dict(zip(row.columns, row.cells, strict=True))
    return tuple(filled.get(column, "") for column in columns)


def _at(row: _Row, column: int) -> str:
    return row.cells[row.columns.index(column)] if column in row.columns else ""


def _joined(row: _Row, other: _Row) -> _Row:
    """Return a row with the cells of another one over its own."""
    cells = {c: (c, text, kind) for each in (row, other) for c, text, kind in zip(*each[1:4], strict=True)}
    columns, texts, kinds = zip(*(cells[column] for column in sorted(cells)), strict=True)
    return _Row(row.number, columns, texts, kinds, row.total)


def _too_much_text() -> UnreadableFile:
    return UnreadableFile(SkipReason.TOO_MUCH_TEXT, f"{current_limits().characters:,} characters")


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _number(value: float) -> str:
    """Return a number in full, but without the noise of binary fractions.

    >>> _number(3.0), _number(0.1 + 0.2), _number(1e15)
    ('3', '0.3', '1000000000000000')
    """
    return f"{value:.0f}" if abs(value) < 1e16 and value == int(value) else f"{value:.15g}"


def _float(digits: str) -> float | None:
    """Return a number of a file, or ``None`` if it is not a finite number."""
    with suppress(ValueError):
        value = float(digits)
        return value if isfinite(value) else None
    return None


# --- XLSX (ECMA-376, part 1, 18) and XLS ---

_MOST_CELLS = 12 << 20
"""The maximum area of a sheet from its first to its last cell; calamine takes 32 bytes for each."""
_STRAYS = 10
"""The maximum number of rows far below the others that are left out of a sheet with a larger area."""
_PARTS = re.compile(r"\[Content_Types\]\.xml|_rels/\.rels|xl/(_rels/|worksheets/)?[^/]+\.(xml|rels)", re.I)
"""The parts of a workbook that are read."""
_PERCENT = {"9", "10"}
"""The numbers of the built-in formats of percentages (ECMA-376, 18.8.30)."""
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
"""The parts of a number format that are literal text, colours and conditions."""
_P = rb"(?:\w{1,9}:)?"
_FORMULA = rb"<%bf(?:[^<>]{0,300}/>|[^<>]{0,300}>([^<]*)</%bf>)" % (_P, _P)
_CALCULATED = re.compile(
    rb"<%bc ([^<>]{0,300})>\s*%b\s*(?:<%bv\s*/>|<%bv>([^<]*)</%bv>)?\s*</%bc>" % (_P, _FORMULA, *[_P] * 4)
)
_ADDED = re.compile(
    rb'r="([A-Z]{1,3})\d+"[^>]*>\s*<[^>]*>(?:SUM|SUBTOTAL|AVERAGE)\((?:\d+,)?\$?\1\$?\d+:\$?\1\$?\d+\)'
)
"""A cell's place and its formula over cells of its own column; in files the names are English."""
_SHARE, _TOTAL = "\ue000", "\ue001"
"""Marks before the texts of percentages and totals; programs write neither."""


def _calamine(data: bytes, notes: list[str]) -> Iterator[_Sheet]:
    """Yield the sheets that can be read."""
    book = library("python_calamine", "XLSX").CalamineWorkbook.from_filelike(BytesIO(data))

    def read(name: str) -> _Sheet:
        sheet = book.get_sheet_by_name(name)
        merged = [_Merged(a + 1, b, c + 1, d) for (a, b), (c, d) in sheet.merged_cell_ranges or ()]
        found, (above, before) = _Sheet(sheet.name, merged=merged), sheet.start or (0, 0)
        for number, values in enumerate(sheet.iter_rows(), above + 1):
            total = any(isinstance(each, str) and each.startswith(_TOTAL) for each in values)
            found.add(
                number, ((n, *_shown(each)) for n, each in enumerate(values, before) if each != ""), total
            )
        return found

    yield from read_entries(
        ((f"sheet {name}", name) for name in dict.fromkeys(book.sheet_names)), read, notes
    )


def _shown(value: Any) -> tuple[str, str]:
    """Return a value of a cell as it is displayed, and its kind."""
    if isinstance(value, str):
        marked = value[:1] in (_SHARE, _TOTAL)
        return _squeeze(value[marked:]), "n" if marked else "t"
    if isinstance(value, bool):
        return str(value).upper(), "n"
    if isinstance(value, float | int):
        return _number(value) if isfinite(value) else str(value), "n"
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}" + f":{seconds:02}" * bool(seconds), "n"
    if isinstance(value, time):
        value = datetime.combine(date(1900, 1, 1), value)
    if isinstance(value, datetime):
        with suppress(OverflowError):  # the last second of the year 9999
            value = (value + timedelta(milliseconds=500)).replace(microsecond=0)
        if value.date() <= date(1900, 1, 31):  # the format shows only the time of a longer one
            value = value.time()
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat(), "n"
    return value.isoformat(*" " * isinstance(value, datetime), "seconds" if value.second else "minutes"), "n"


def _marked(data: bytes, notes: list[str]) -> bytes:
    """Return a workbook of the parts that are read, unpacked within bounds, with marks in them."""
    made, unstored = BytesIO(), list[str]()
    with Archive(data) as archive, ZipFile(made, "w") as unpacked:
        shares = _share_styles(archive) if "xl/styles.xml" in archive else []
        names = dict.fromkeys(each.filename for each in archive.members())

        def read(name: str) -> bytes:
            part = archive.read(name)
            return _mark(part, shares, unstored, notes) if "/worksheets/" in name else part

        for name in names:
            if _PARTS.fullmatch(name):
                for part in read_entries([(name, name)], read, notes):
                    unpacked.writestr(name, part)
    notes += dict.fromkeys(unstored)
    return made.getvalue()


def _share_styles(archive: Archive) -> list[int]:
    """Return the numbers of the styles that show percentages."""
    codes, styles = dict[str, str](), list[Element]()
    for each in archive.elements("xl/styles.xml", "numFmt", "cellXfs"):
        if local(each) == "cellXfs":
            styles = [*each]
        else:
            codes[each.get("numFmtId", "")] = _LITERAL.sub("", each.get("formatCode", "")[:255])
    shown = [codes.get(number := each.get("numFmtId", ""), "%" * (number in _PERCENT)) for each in styles]
    return [style for style, code in enumerate(shown) if "%" in code]


def _mark(sheet: bytes, shares: list[int], unstored: list[str], notes: list[str]) -> bytes:
    """Return the XML of a sheet with marks before percentages and totals."""

    def share(match: re.Match[bytes]) -> bytes:
        kind, value = re.search(rb'\bt="(\w+)"', match[1]), _float(match[2].decode("ascii", "replace"))
        if value is None or (kind and kind[1] != b"n"):
            return match[0]
        return _text_cell(match[1], f"{_SHARE}{_number(round(100 * value, 10))}%")

    def calculated(match: re.Match[bytes]) -> bytes:
        if not match[3] and b't="str"' not in match[1]:
            unstored.append(_UNSTORED)
        if not _ADDED.search(match[0]):
            return match[0]
        return _text_cell(match[1], _TOTAL + (match[3] or b"").decode("utf-8", "replace"))

    sheet = _without_strays(sheet, notes)
    if b"f>" in sheet:
        sheet = _CALCULATED.sub(calculated, sheet)
    if shares:
        styles = "|".join(map(str, shares)).encode()
        cell = rb'<%bc ([^<>]{0,300}?\bs="(?:%b)"[^<>]{0,300})>\s*(?:%b)?\s*<%bv>([^<]*)</%bv>\s*</%bc>'
        sheet = re.sub(cell % (_P, styles, _FORMULA.replace(b"([^<]*)", b"[^<]*"), _P, _P, _P), share, sheet)
    return sheet


def _text_cell(attributes: bytes, text: str) -> bytes:
    """Return the XML of a cell with a text."""
    place = re.search(rb'\br="\w+"', attributes)
    return b'<c %b t="str"><v>%b</v></c>' % (place[0] if place else b"", text.encode())


def _without_strays(sheet: bytes, notes: list[str]) -> bytes:
    """Return the XML of a sheet without a few rows far below the others, so that calamine has the memory."""
    rows = sorted(map(int, re.findall(rb'<%brow [^<>]{0,300}?\br="(\d{1,9})' % _P, sheet)))
    deep = map(int, {*re.findall(rb'\br="[A-Z]+(\d{6,12})"', sheet)})
    wide = [_column(each.decode()) for each in {*re.findall(rb'\br="([A-Z]{1,9})', sheet)}]
    width = max(wide, default=0) - min(wide, default=0) + 1
    most = rows[0] + _MOST_CELLS // width if rows else 0
    strays = rows[bisect_right(rows, most) :]
    if len(strays) > _STRAYS or width > _MOST_COLUMNS or (not strays and max(deep, default=0) > most):
        raise DataError("its cells are too far apart")
    if strays:
        notes.append(f"row {strays[0]} of a sheet is left out: it is too far from the others")
        numbers = "|".join(map(str, strays)).encode()
        row = rb'<(%b)row [^<>]{0,300}?\br="(?:%b)"[^<>]{0,300}(?:/>|>.*?</\1row>)' % (_P, numbers)
        sheet = re.sub(row, b"", sheet, flags=re.DOTALL)
    return sheet


def _column(letters: str) -> int:
    """
    >>> _column("A"), _column("AB")
    (0, 27)
    """
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number - 1


# --- ODS: OpenDocument 1.3, part 3, 9 ---

_ADDED_UP = re.compile(r"of:=(?:SUM|SUBTOTAL|AVERAGE)\((?:\d+;)?\[\.([A-Z]{1,3})\d+:\.([A-Z]{1,3})\d+\]\)")
"""A formula over cells of a column."""


def _ods(archive: Archive, notes: list[str]) -> Iterator[_Sheet]:
    """Yield the sheets."""
    found = [_Sheet("")]  # for rows in no sheet
    for number, repeated, part in read_entries(_ods_rows(archive), _ods_part, notes):
        if isinstance(part, str):
            yield found.pop()
            found.append(_Sheet(part))
            continue
        cells, spans, total = part
        found[0].merged.extend(
            _Merged(number, left, number + rows - 1, left + columns - 1) for left, rows, columns in spans
        )
        for again in range(min(repeated, _MOST_REPEATED) if cells else 0):
            found[0].add(number + again, cells, total)
    yield found.pop()


def _ods_part(part: tuple[int, int, Element]) -> tuple[int, int, Any]:
    """Return the number and repetition of a row, and what it has; for a sheet its name instead."""
    number, repeated, element = part
    return number, repeated, _ods_row(element) if number else element.get(f"{TABLE}name", "")


def _ods_rows(archive: Archive) -> Iterator[tuple[str, tuple[int, int, Element]]]:
    """Yield the place of each sheet and row, then the number and repetition of the row and the element."""
    name, number = "", 1
    for each in archive.elements("content.xml", "table-row", begun="table"):
        repeated = _count(each, "rows-repeated")
        if local(each) == "table":
            name, number = each.get(f"{TABLE}name", "")[:_LONGEST_NAME], 1
            yield f"sheet {name}", (0, 0, each)
        else:
            yield f"{name}, row {number}", (number, repeated, each)
            number += repeated


def _ods_row(row: Element) -> tuple[list[tuple[int, str, str]], list[tuple[int, int, int]], bool]:
    """Return the cells of a row; the column, height and width of those that are merged; and whether it adds
    up others.
    """
    cells, spans, total, column = list[tuple[int, str, str]](), list[tuple[int, int, int]](), False, 0
    for cell in row:
        many, kind = _count(cell, "columns-repeated"), cell.get(f"{OFFICE}value-type", "")
        if column < _MOST_COLUMNS and local(cell) == "table-cell" and (shown := _ods_cell(cell, kind)):
            last = min(column + min(many, _MOST_REPEATED), _MOST_COLUMNS)
            cells += ((each, shown, "t" if kind == "string" else "n") for each in range(column, last))
            size = _count(cell, "rows-spanned"), _count(cell, "columns-spanned")
            spans += [(column, *size)] if size != (1, 1) else []
            added = _ADDED_UP.match(cell.get(f"{TABLE}formula", "")[:300])
            if added and _column(added[1]) == _column(added[2]) == column:
                total = True
        column += many
    return cells, spans, total


def _count(element: Element, what: str) -> int:
    """Return a count of rows or columns of OpenDocument; 1 if there is none."""
    digits = element.get(f"{TABLE}number-{what}", "")
    return int(digits) if digits.isdecimal() and len(digits) < 10 else 1


def _ods_cell(cell: Element, kind: str) -> str:
    """Return the displayed text of a cell with a type of value; empty for an empty cell."""
    if kind in ("float", "currency") and (value := _float(cell.get(f"{OFFICE}value", ""))) is not None:
        return _number(value)
    if kind == "date":
        return cell.get(f"{OFFICE}date-value", "").replace("T", " ")
    return _squeeze(" ".join(words(each) for each in cell if each.tag == f"{TEXT}p"))
