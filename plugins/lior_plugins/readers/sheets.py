"""Spreadsheets, XLSX and ODS, from their XML: a document and tables for each sheet.

Only cells that are there are read: a cell far down on the right takes no memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import PurePath
from typing import IO, ClassVar
from xml.etree import ElementTree
from zipfile import ZipFile

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior.reading.compression import LIMIT
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.office import OFFICE, TABLE, TEXT, related, words
from lior_plugins.readers.opening import damaged, local, unzipped

_Row = tuple[int, dict[int, tuple[str, bool]]]
"""Number of a row, from 1; column, from 0 -> what the cell shows, and whether that is text."""
_MOST_REPEATED = 1000
"""Equal cells or rows that ODS writes once."""
_TITLES = 4
"""Rows that may stand above a table; they are the title of the sheet."""
_EMPTY = 10
"""Cells of the frame of a block for one that is filled, above which it is no table."""
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""Numbers of the formats of dates and times that every workbook has (ECMA-376, 18.8.30)."""
_PERCENT = {9, 10}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
"""What a format shows as it stands, colours and conditions."""


@attrs.frozen(kw_only=True)
class Xlsx:
    """Reader of XLSX: rows as cells between bars, numbers in full, dates as ISO 8601."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """A document of kind "rows" for each sheet, with a place for each row."""
        with damaged("XLSX"), unzipped(data) as archive:
            return _documents(_xlsx(archive), name)


@attrs.frozen(kw_only=True)
class Ods:
    """Reader of OpenDocument spreadsheets, as of XLSX."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".ods",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """A document of kind "rows" for each sheet, with a place for each row."""
        with damaged("ODS"), unzipped(data) as archive, archive.open("content.xml") as content:
            return _documents(_ods(content), name)


def _documents(sheets: Iterator[tuple[str, Iterator[_Row]]], name: str) -> list[ParsedDocument]:
    """The documents of sheets; they have names of their own where there are several."""
    found, left = list[tuple[str, list[_Row]]](), LIMIT
    for sheet, rows in sheets:
        found.append((sheet, []))
        for row in rows:
            left -= sum(len(text) for text, _ in row[1].values())
            if left < 0:
                raise DataError(f"more than {LIMIT:,} characters")
            found[-1][1].append(row)
    found = [each for each in found if each[1]]
    if len(found) == 1:
        return [_document(*found[0], "", "")]
    return [_document(*each, each[0], f"{PurePath(name).stem} {each[0]}") for each in found]


def _document(sheet: str, rows: list[_Row], name: str, title: str) -> ParsedDocument:
    found, tables = Collected(), list[Table]()
    first = next((n for n, (_, cells) in enumerate(rows) if len(cells) > 1), 0)
    blocks = groupby(enumerate(rows), lambda each: each[1][0] - each[0])  # with no empty row inside
    for numbered in ([*group] for _, group in blocks):
        block = [row for _, row in numbered]
        head = _head(block)
        above = len(block) if numbered[-1][0] < first else head or 0
        if not found.text and above <= _TITLES:
            title = " ".join(
                (title, *(text for _, cells in block[:above] for text, _ in cells.values()))
            ).strip()
            block, head = block[above:], None if head is None else 0
        columns = sorted({column for _, cells in block for column in cells})
        filled, begin = sum(len(cells) for _, cells in block), len(found.text)
        scattered = len(block) * len(columns) > _EMPTY * filled + 100
        for row in block:
            found.begin(f"{sheet}, row {row[0]}")
            found.put(" | ".join(_cells(row, sorted(row[1]) if scattered else columns)).rstrip(" |"))
        if head is not None and not scattered:
            names, *below = (_cells(row, columns) for row in block[head:])
            lines = range(begin + head + 1, len(found.text))
            tables.append(Table(name=sheet, columns=names, rows=tuple(below), lines=tuple(lines)))
    return attrs.evolve(found.document("rows", title), name=name, tables=tuple(tables))


def _head(block: list[_Row]) -> int | None:
    """The row that has the names of the columns: of those before the first number or date, the one with most
    cells; the first with several where all cells are text; ``None`` for a block that is no table."""
    plain = [len(cells) if all(text for _, text in cells.values()) else 0 for _, cells in block]
    before = plain.index(0) if 0 in plain else len(plain)
    several = [number for number in range(before) if plain[number] > 1]
    if not several or several[0] + 1 == len(block):
        return None
    return max(several, key=lambda number: plain[number]) if before < len(plain) else several[0]


def _cells(row: _Row, columns: list[int]) -> tuple[str, ...]:
    return tuple(row[1].get(column, ("", True))[0] for column in columns)


def _number(value: float) -> str:
    """A number in full, but without the noise of binary fractions.

    >>> _number(3.0), _number(0.1 + 0.2), _number(1e15)
    ('3', '0.3', '1000000000000000')
    """
    return f"{value:.0f}" if abs(value) < 1e16 and value == int(value) else f"{value:.15g}"


# --- XLSX: ECMA-376, part 1, 18 ---


def _xlsx(archive: ZipFile) -> Iterator[tuple[str, Iterator[_Row]]]:
    """Name and rows of each sheet."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    targets = {key: path for key, path, _ in related(archive, "xl/workbook.xml")}
    early = next((each.get("date1904") for each in book if local(each) == "workbookPr"), "0")
    styles = _Styles(archive, datetime(1904, 1, 1) if early in ("1", "true") else datetime(1899, 12, 30))
    strings = list[str]()
    if "xl/sharedStrings.xml" in archive.namelist():
        with archive.open("xl/sharedStrings.xml") as stream:
            strings = [_string(each) for each in _elements(stream, "si")]
    for sheet in (each for each in book.iter() if local(each) == "sheet"):
        key = next(value for name, value in sheet.items() if name.endswith("}id"))
        if "worksheets/" in targets[key]:  # not a chart
            with archive.open(targets[key]) as stream:
                yield sheet.get("name", ""), _xlsx_rows(stream, strings, styles)


def _elements(stream: IO[bytes], name: str) -> Iterator[ElementTree.Element]:
    """The elements of a local name in a stream, each emptied when the next is wanted."""
    for _, element in ElementTree.iterparse(stream):
        if element.tag.endswith(name) and local(element) == name:
            yield element
            element.clear()


def _string(element: ElementTree.Element) -> str:
    """Text of a string, without its pronunciation."""
    parts = [each for each in element if local(each) in ("t", "r")]
    return "".join(each.text or "" for part in parts for each in part.iter() if local(each) == "t")


def _xlsx_rows(stream: IO[bytes], strings: list[str], styles: _Styles) -> Iterator[_Row]:
    number = 0
    for row in _elements(stream, "row"):
        number, column, cells = int(row.get("r", number + 1)), -1, dict[int, tuple[str, bool]]()
        for cell in row:
            letters = re.match(r"[A-Z]*", cell.get("r", ""))[0]  # type: ignore[index] # it always matches
            column = column + 1 if not letters else _column(letters)
            kind = cell.get("t", "n")
            value = next((each.text or "" for each in cell if local(each) == "v"), "")
            if kind == "inlineStr":
                value = "".join(_string(each) for each in cell if local(each) == "is")
            elif kind == "s" and value:
                value = strings[int(value)]
            elif kind == "b":
                value = "TRUE" if value == "1" else "FALSE"
            elif kind == "n" and value:
                value = styles.shown(float(value), int(cell.get("s", "0")))
            if value.strip():
                cells[column] = " ".join(value.split()), kind in ("s", "str", "inlineStr")
        if cells:
            yield number, cells


def _column(letters: str) -> int:
    """
    >>> _column("A"), _column("AB")
    (0, 27)
    """
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number - 1


class _Styles:
    """What the formats of a workbook show of a number, as far as it matters here: dates, times, percent."""

    def __init__(self, archive: ZipFile, first: datetime) -> None:
        self._first = first
        self._formats = list[tuple[int, str]]()
        if "xl/styles.xml" not in archive.namelist():
            return
        styles = ElementTree.fromstring(archive.read("xl/styles.xml"))
        codes = {
            int(each.get("numFmtId", "0")): _LITERAL.sub("", each.get("formatCode", "")).lower()
            for each in styles.iter()
            if local(each) == "numFmt"
        }
        for styled in (each for group in styles if local(group) == "cellXfs" for each in group):
            number = int(styled.get("numFmtId", "0"))
            self._formats.append((number, codes.get(number, "")))

    def shown(self, value: float, style: int) -> str:
        number, code = self._formats[style] if style < len(self._formats) else (0, "")
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


# --- ODS: OpenDocument 1.3, part 3, 9 ---


def _ods(content: IO[bytes]) -> Iterator[tuple[str, Iterator[_Row]]]:
    """Name and rows of each sheet."""
    for table in _elements(content, "table"):
        if table.tag == f"{TABLE}table":
            yield table.get(f"{TABLE}name", ""), _ods_rows(table)


def _ods_rows(table: ElementTree.Element) -> Iterator[_Row]:
    number = 0
    for row in table.iter(f"{TABLE}table-row"):
        column, cells = 0, dict[int, tuple[str, bool]]()
        for cell in row:
            repeated = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
            if shown := _ods_cell(cell):
                cells |= dict.fromkeys(range(column, column + min(repeated, _MOST_REPEATED)), shown)
            column += repeated
        repeated = int(row.get(f"{TABLE}number-rows-repeated", "1"))
        for again in range(min(repeated, _MOST_REPEATED) if cells else 0):
            yield number + again + 1, cells
        number += repeated


def _ods_cell(cell: ElementTree.Element) -> tuple[str, bool] | None:
    kind = cell.get(f"{OFFICE}value-type", "")
    value = " ".join(" ".join(words(each) for each in cell if each.tag == f"{TEXT}p").split())
    if kind in ("float", "currency"):
        value = _number(float(cell.get(f"{OFFICE}value", "0")))
    elif kind == "date":
        value = cell.get(f"{OFFICE}date-value", "").replace("T", " ")
    return (value, kind == "string") if value else None
