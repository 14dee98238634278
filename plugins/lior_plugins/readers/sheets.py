"""Spreadsheets, XLSX and ODS from their XML, XLS by xlrd: a document and tables for each sheet.

Only existing cells are read: a cell far down on the right takes no memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from io import StringIO
from itertools import pairwise
from math import isfinite
from pathlib import PurePath
from typing import Any, ClassVar, NamedTuple
from xml.etree.ElementTree import Element
from xml.parsers.expat import ParserCreate

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior.reading.entries import read_entries
from lior.reading.limits import current_limits
from lior.reading.skipping import SkipReason, UnreadableFile
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.office import OFFICE, TABLE, TEXT, read_relations, words
from lior_plugins.readers.opening import Archive, attribute, damage, library, local, without_namespace

_MOST_COLUMNS = 16384
"""The maximum number of columns of a sheet, in all programs."""
_LONGEST_NAME = 100
"""The maximum length of a sheet's name, in characters; the place of each row has it."""
_LONGEST_FORMAT = 255
"""The maximum length of a number format, in characters, as in Excel."""
_MOST_REPEATED = 1000
"""The maximum number of equal cells or rows that ODS stores once and that are repeated."""
_TITLES = 4
"""The maximum number of rows above a table that become the title of the sheet."""
_EMPTY = 10
"""The ratio of a block's area to its filled cells above which the block is not a table."""
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""The numbers of the built-in formats of dates and times (ECMA-376, 18.8.30)."""
_PERCENT = {9, 10}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
"""The parts of a number format that are literal text, colours and conditions."""


class _Row(NamedTuple):
    """A row with a cell that is filled."""

    number: int
    """The row number, from 1."""
    columns: tuple[int, ...]
    """The columns of the filled cells, from 0, ascending."""
    cells: tuple[str, ...]
    """The displayed texts of these cells."""
    plain: bool
    """Whether all cells are text."""


@attrs.frozen(kw_only=True)
class Xlsx:
    """Reader of XLSX and XLS: rows as cells between bars, numbers in full, dates as ISO 8601."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xls")
    packages: ClassVar[tuple[str, ...]] = ("xlrd",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return a document of kind "rows" for each sheet, with a place for each row."""
        notes = list[str]()
        if name.lower().endswith(".xls") and not data.startswith(b"PK"):  # some files are XLSX
            with damage("XLS"):
                return _documents(_xls(data, notes), name, notes)
        with damage("XLSX"), Archive(data) as archive:
            return _documents(_xlsx(archive, notes), name, notes)


@attrs.frozen(kw_only=True)
class Ods:
    """Reader of OpenDocument spreadsheets, in the same form as XLSX."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".ods",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return a document of kind "rows" for each sheet, with a place for each row."""
        notes = list[str]()
        with damage("ODS"), Archive(data) as archive:
            return _documents(_ods(archive, notes), name, notes)


def _documents(parts: Iterable[str | _Row], name: str, notes: list[str]) -> list[ParsedDocument]:
    """Return the documents of sheets, given as a name and then the rows of each. Several sheets have names of
    their own. The first document has the notes.
    """
    found, left = list[tuple[str, list[_Row]]](), current_limits().characters
    for part in parts:
        if isinstance(part, str):
            found.append((part[:_LONGEST_NAME], []))
            continue
        left -= sum(map(len, part.cells)) + 3 * len(part.cells)
        if left < 0:
            raise UnreadableFile(SkipReason.TOO_MUCH_TEXT, f"{current_limits().characters:,} characters")
        found[-1][1].append(part)
    found = [each for each in found if each[1]]
    if not found and notes:
        raise DataError(notes[0])
    if len(found) == 1:
        documents = [_document(*found[0], "", "")]
    else:
        documents = [_document(*each, each[0], f"{PurePath(name).stem} {each[0]}") for each in found]
    return [attrs.evolve(each, notes=() if n else tuple(notes)) for n, each in enumerate(documents)]


def _document(sheet: str, rows: list[_Row], name: str, title: str) -> ParsedDocument:
    found, tables = Collected(), list[Table]()
    first = next((n for n, row in enumerate(rows) if len(row.cells) > 1), 0)
    begins = [n for n, row in enumerate(rows) if not n or row.number != rows[n - 1].number + 1]
    for begin, end in pairwise([*begins, len(rows)]):  # blocks with no empty row inside
        block = rows[begin:end]
        head = _head(block)
        above = len(block) if end <= first else head or 0
        if not found.text and above <= _TITLES:
            title = " ".join((title, *(text for row in block[:above] for text in row.cells))).strip()
            block, head = block[above:], None if head is None else 0
        columns = tuple(sorted({column for columns in {row.columns for row in block} for column in columns}))
        filled, line = sum(len(row.cells) for row in block), len(found.text)
        scattered = len(block) * len(columns) > _EMPTY * filled + 100
        cells = [row.cells if scattered or row.columns == columns else _cells(row, columns) for row in block]
        for row, shown in zip(block, cells, strict=True):
            found.begin(f"{sheet}, row {row.number}")
            found.put(" | ".join(shown).rstrip(" |"))
        if head is not None and not scattered:
            lines = tuple(range(line + head + 1, len(found.text)))
            tables.append(Table(name=sheet, columns=cells[head], rows=tuple(cells[head + 1 :]), lines=lines))
    return attrs.evolve(found.document("rows", title), name=name, tables=tuple(tables))


def _head(block: list[_Row]) -> int | None:
    """Return the header row of a block, or ``None`` for a block that is not a table. Among the rows before
    the first number or date it is the one with most cells. If all cells are text, it is the first row with
    several cells.
    """
    plain = [len(row.cells) if row.plain else 0 for row in block]
    before = plain.index(0) if 0 in plain else len(plain)
    several = [number for number in range(before) if plain[number] > 1]
    if not several or several[0] + 1 == len(block):
        return None
    return max(several, key=lambda number: plain[number]) if before < len(plain) else several[0]


def _cells(row: _Row, columns: tuple[int, ...]) -> tuple[str, ...]:
    filled = dict(zip(row.columns, row.cells, strict=True))
    return tuple(filled.get(column, "") for column in columns)


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


def _whole(digits: str, otherwise: int) -> int:
    """Return a count of a file, or ``otherwise`` if it is not a whole number."""
    return int(digits) if digits.isdecimal() and len(digits) < 10 else otherwise


# --- XLSX: ECMA-376, part 1, 18 ---


def _xlsx(archive: Archive, notes: list[str]) -> Iterator[str | _Row]:
    """Yield the name and rows of each sheet."""
    targets = {key: path for key, path, _ in read_relations(archive, "xl/workbook.xml")}
    first, sheets = datetime(1899, 12, 30), dict[str, str]()
    parts = archive.elements("xl/workbook.xml", "workbookPr", "sheet")
    for each in read_entries(
        ((f"sheet {part.get('name')}", part) for part in parts), lambda part: part, notes
    ):
        if local(each) == "sheet":
            key = attribute(each, "id")
            sheets.setdefault(targets.get(key, key), each.get("name", ""))
        elif each.get("date1904") in ("1", "true"):
            first = datetime(1904, 1, 1)
    formats, strings = dict[str, tuple[int, str]](), list[str]()
    if "xl/styles.xml" in archive:
        formats = next(read_entries([("formats of numbers", archive)], _formats, notes), {})
    if "xl/sharedStrings.xml" in archive:
        found = enumerate(archive.elements("xl/sharedStrings.xml", "si"))
        entries = ((f"shared string {number}", each) for number, each in found)
        strings = [*read_entries(entries, _string, notes, whole="shared strings")]
    styles = _Styles(formats, first)
    for path, name in sheets.items():
        if "worksheets/" in path or path not in targets.values():  # not a chart sheet
            yield name
            rows = ((f"{name}, row {raw.number}", raw) for raw in _xlsx_rows(archive, path))
            for row in read_entries(rows, _Shown(strings, styles).row, notes, whole=f"sheet {name}"):
                if row.cells:
                    yield row


def _string(element: Element) -> str:
    """Return the text of a string without phonetic annotations."""
    parts = [each for each in element if local(each) in ("t", "r")]
    return _squeeze("".join(each.text or "" for part in parts for each in part.iter() if local(each) == "t"))


def _squeeze(text: str) -> str:
    return " ".join(text.split())


class _Raw(NamedTuple):
    """A row of XLSX as it is in the file."""

    number: int
    cells: list[tuple[int, str, str, str]]
    """The column, type, style and value of each cell with a value."""


def _xlsx_rows(archive: Archive, path: str) -> Iterator[_Raw]:
    """Yield the rows of a sheet, from Expat's callbacks: a million elements would take seconds and memory."""
    cells, parser, stream = _Cells(), ParserCreate(), archive.open(path)
    parser.buffer_text = True
    parser.StartElementHandler, parser.CharacterDataHandler = cells.start, cells.texts.append
    parser.EndElementHandler = cells.end
    block, last = b"", False
    while not last:
        block = stream.read()
        last = not block
        try:
            parser.Parse(block, last)
        finally:  # the rows before the damage
            yield from cells.taken()


class _Cells:
    """A collector of the rows of an XLSX sheet during parsing; a cell ends where the next begins."""

    def __init__(self) -> None:
        self.texts = list[str]()
        """The texts that were read since the last start tag."""
        self._names = dict[str, str]()
        """The names of elements without their namespace."""
        self._rows, self._number, self._column = list[_Raw](), 0, -1
        self._filled = list[tuple[int, str, str, str]]()
        self._value, self._kind, self._style = "", "n", ""
        self._taking = self._spoken = False
        """Whether text belongs to the cell, and whether it is a phonetic annotation."""

    def taken(self) -> list[_Raw]:
        """Return the complete rows; each row is returned once."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        if self._taking:
            self._take()
        self.texts.clear()
        name = self._names.get(tag) or self._names.setdefault(tag, without_namespace(tag))
        if name in ("v", "t"):
            self._taking = not self._spoken
        elif name == "c":
            if self._value:
                self._fill()
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            letters = attributes.get("r", "").rstrip("0123456789")
            self._column, self._spoken = _column(letters) if letters else self._column + 1, False
        elif name == "row":
            self._end_row()
            number = attributes.get("r", "")[:9]
            self._number = int(number) if number.isdecimal() else self._number + 1
        elif name in ("r", "rPh"):
            self._spoken = name == "rPh"

    def end(self, tag: str) -> None:
        """End an element."""
        if self._names.get(tag) == "row":
            self._end_row()

    def _take(self) -> None:
        self._value += "".join(self.texts)
        self._taking = False

    def _end_row(self) -> None:
        if self._taking:
            self._take()
        if self._value:
            self._fill()
        if self._filled:
            self._rows.append(_Raw(self._number, self._filled))
            self._filled = []
        self._column = -1

    def _fill(self) -> None:
        value, self._value = self._value.strip(), ""
        if value and 0 <= self._column < _MOST_COLUMNS:
            self._filled.append((self._column, self._kind, self._style, value))


class _Shown:
    """The displayed texts of a workbook's cells."""

    def __init__(self, strings: list[str], styles: _Styles):
        self._strings, self._styles = strings, styles
        self._same = dict[tuple[int, ...], tuple[int, ...]]()
        """Tuples of columns, so that equal ones are one object."""

    def row(self, raw: _Raw) -> _Row:
        """Return a row as displayed; raise ``DataError`` for a string that the workbook lacks."""
        filled, plain = dict[int, str](), True
        for column, kind, style, value in raw.cells:
            shown = self._styles.shown(value, style) if kind == "n" else self._cell(kind, value)
            if shown:
                filled[column] = shown
                plain = plain and kind in ("s", "str", "inlineStr")
        columns = tuple(filled)
        if any(one > two for one, two in pairwise(columns)):
            filled = dict(sorted(filled.items()))
            columns = tuple(filled)
        return _Row(raw.number, self._same.setdefault(columns, columns), tuple(filled.values()), plain)

    def _cell(self, kind: str, value: str) -> str:
        if kind == "s":
            if not (value.isdecimal() and len(value) < 10 and int(value) < len(self._strings)):
                raise DataError(f"there is no shared string {value[:20]}, of {len(self._strings):,}")
            return self._strings[int(value)]
        return ("FALSE", "TRUE")[value == "1"] if kind == "b" else _squeeze(value)


@lru_cache(_MOST_COLUMNS)
def _column(letters: str) -> int:
    """
    >>> _column("A"), _column("AB")
    (0, 27)
    """
    number = 0
    for letter in letters[:4]:
        number = 26 * number + ord(letter) - 64
    return number - 1


def _formats(archive: Archive) -> dict[str, tuple[int, str]]:
    """Return the number and code of each style's format, for dates, times and percentages."""
    codes, styles, found = dict[int, str](), list[Element](), dict[str, tuple[int, str]]()
    for each in archive.elements("xl/styles.xml", "numFmt", "cellXfs"):
        if local(each) == "cellXfs":
            styles = [*each]
        else:
            code = each.get("formatCode", "")[:_LONGEST_FORMAT]
            codes[_whole(each.get("numFmtId", ""), 0)] = _LITERAL.sub("", code).lower()
    for style, each in enumerate(styles):
        number = _whole(each.get("numFmtId", ""), 0)
        code = codes.get(number, "")
        if number in _PERCENT | _DATES or re.search("[%dmyhs]", code):
            found[str(style)] = number, code
    return found


class _Styles:
    """The display of numbers by a workbook's formats, as far as it matters here: dates, times,
    percentages.
    """

    def __init__(self, formats: dict[str, tuple[int, str]], first: datetime) -> None:
        self._formats, self._first = formats, first

    def shown(self, digits: str, style: str) -> str:
        """Return the displayed text of a number in a cell with a style."""
        if style not in self._formats and len(digits) < 16 and digits.isdecimal() and digits[0] not in "0":
            return digits
        if (value := _float(digits)) is None:
            return _squeeze(digits)
        return self._formatted(value, *self._formats.get(style, (0, "")))

    def _formatted(self, value: float, number: int, code: str) -> str:
        if number in _PERCENT or "%" in code:
            return f"{_number(round(100 * value, 10))}%"
        if "general" in code or not (number in _DATES or re.search("[dmyhs]", code)):
            return _number(value)
        if not 0 <= value < 2_958_466:  # after the year 9999
            return _number(value)
        moment = self._first + timedelta(seconds=round(86400 * value))
        time = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
        if number in (18, 19, 20, 21, 32, 33, 45, 46, 47) or (code and not re.search("[dy]", code)):
            whole, part = divmod(round(86400 * value), 3600)
            return time if value < 1 else f"{whole}:{part // 60:02}" + f":{part % 60:02}" * bool(part % 60)
        return moment.strftime("%Y-%m-%d") if value == int(value) else f"{moment:%Y-%m-%d} {time}"


# --- XLS, the format of Excel up to 2003 ---


def _xls(data: bytes, notes: list[str]) -> Iterator[str | _Row]:
    """Yield the name and rows of each sheet."""
    xlrd = library("xlrd", "XLS")
    book = xlrd.open_workbook(
        file_contents=data, formatting_info=True, ragged_rows=True, on_demand=True, logfile=StringIO()
    )
    first = datetime(1904, 1, 1) if book.datemode else datetime(1899, 12, 30)
    for number in range(book.nsheets):
        sheet = book.sheet_by_index(number)
        codes = ((str(n), xf.format_key, book.format_map[xf.format_key]) for n, xf in enumerate(book.xf_list))
        formats = {style: (key, _LITERAL.sub("", code.format_str).lower()) for style, key, code in codes}
        styles = _Styles(formats, first)
        yield sheet.name
        rows = ((row + 1, sheet.row(row)) for row in range(sheet.nrows))
        entries = ((f"{sheet.name}, row {row}", (xlrd, row, cells, styles)) for row, cells in rows)
        for each in read_entries(entries, _xls_row, notes):
            if each.cells:
                yield each
        book.unload_sheet(number)


def _xls_row(entry: tuple[Any, int, list[Any], _Styles]) -> _Row:
    """Return a row as displayed."""
    xlrd, number, cells, styles = entry
    filled, plain = dict[int, str](), True
    for column, cell in enumerate(cells):
        if cell.ctype == xlrd.XL_CELL_BOOLEAN:
            shown = ("FALSE", "TRUE")[cell.value]
        elif cell.ctype == xlrd.XL_CELL_ERROR:
            shown = xlrd.error_text_from_code.get(cell.value, "")
        elif isinstance(cell.value, str):
            shown = _squeeze(cell.value)
        else:
            shown = styles.shown(repr(cell.value), str(cell.xf_index))
        if shown:
            filled[column] = shown
            plain = plain and cell.ctype == xlrd.XL_CELL_TEXT
    return _Row(number, tuple(filled), tuple(filled.values()), plain)


# --- ODS: OpenDocument 1.3, part 3, 9 ---


def _ods(archive: Archive, notes: list[str]) -> Iterator[str | _Row]:
    """Yield the name and rows of each sheet."""
    for part in read_entries(_ods_parts(archive), _ods_part, notes):
        if isinstance(part, str):
            yield part
            continue
        repeated, row = part
        for again in range(min(repeated, _MOST_REPEATED) if row.cells else 0):
            yield row._replace(number=row.number + again)


def _ods_parts(archive: Archive) -> Iterator[tuple[str, tuple[int, int, Element]]]:
    """Yield the place of each sheet and row, then the number and repetition of the row and the element."""
    name, number = "", 1
    for each in archive.elements("content.xml", "table-row", begun="table"):
        repeated = _repeat(each, "rows")
        if local(each) == "table":
            name, number = each.get(f"{TABLE}name", "")[:_LONGEST_NAME], 1
            yield f"sheet {name}", (0, 0, each)
        else:
            yield f"{name}, row {number}", (number, repeated, each)
            number += repeated


def _ods_part(part: tuple[int, int, Element]) -> str | tuple[int, _Row]:
    """Return the name of a sheet, or a row and its number of repetitions."""
    number, repeated, element = part
    if not number:
        return element.get(f"{TABLE}name", "")
    return repeated, _ods_row(element)._replace(number=number)


def _repeat(element: Element, what: str) -> int:
    return _whole(element.get(f"{TABLE}number-{what}-repeated", ""), 1)


def _ods_row(row: Element) -> _Row:
    columns, cells, plain, column = list[int](), list[str](), True, 0
    for cell in row:
        repeated = _repeat(cell, "columns")
        kind = cell.get(f"{OFFICE}value-type", "")
        if column < _MOST_COLUMNS and (shown := _ods_cell(cell, kind)):
            many = range(column, min(column + min(repeated, _MOST_REPEATED), _MOST_COLUMNS))
            columns += many
            cells += [shown] * len(many)
            plain = plain and kind == "string"
        column += repeated
    return _Row(0, tuple(columns), tuple(cells), plain)


def _ods_cell(cell: Element, kind: str) -> str:
    """Return the displayed text of a cell with a type of value; empty for an empty cell."""
    if kind in ("float", "currency") and (value := _float(cell.get(f"{OFFICE}value", ""))) is not None:
        return _number(value)
    if kind == "date":
        return cell.get(f"{OFFICE}date-value", "").replace("T", " ")
    return _squeeze(" ".join(words(each) for each in cell if each.tag == f"{TEXT}p"))
