"""XLSX (ECMA-376, part 1, 18) and XLS, read by calamine.

Calamine reports no percentages, totals or formulas without values: they are marked in the XML of XLSX before.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from io import BytesIO
from math import isfinite
from typing import Any
from xml.etree.ElementTree import Element
from zipfile import ZipFile

from lior.errors import DataError
from lior_plugins.readers.entries import read_entries
from lior_plugins.readers.opening import Archive, library, local
from lior_plugins.readers.sheet_rows import WIDEST, Merged, Sheet, column_of, finite, in_full

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
_UNSTORED = "it has formulas without stored values: open and save it once in a spreadsheet program"


def sheets_of(data: bytes, notes: list[str]) -> Iterator[Sheet]:
    """Yield the sheets that can be read."""
    book = library("python_calamine", "XLSX").CalamineWorkbook.from_filelike(BytesIO(data))

    def read(name: str) -> Sheet:
        sheet = book.get_sheet_by_name(name)
        merged = [Merged(a + 1, b, c + 1, d) for (a, b), (c, d) in sheet.merged_cell_ranges or ()]
        found, (above, before) = Sheet(sheet.name, merged=merged), sheet.start or (0, 0)
        for number, values in enumerate(sheet.iter_rows(), above + 1):
            total = any(isinstance(each, str) and each.startswith(_TOTAL) for each in values)
            cells = ((n, *_shown(each)) for n, each in enumerate(values, before) if each != "")
            found.add(number, cells, total)
        return found

    names = ((f"sheet {name}", name) for name in dict.fromkeys(book.sheet_names))
    return read_entries(names, read, notes)


def _shown(value: Any) -> tuple[str, str]:
    """Return a value of a cell as it is displayed, and its kind."""
    if isinstance(value, str):
        marked = value[:1] in (_SHARE, _TOTAL)
        return " ".join(value[marked:].split()), "n" if marked else "t"
    if isinstance(value, bool):
        return str(value).upper(), "n"
    if isinstance(value, float | int):
        return in_full(value) if isfinite(value) else str(value), "n"
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


def marked(data: bytes, notes: list[str]) -> bytes:
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
        kind, value = re.search(rb'\bt="(\w+)"', match[1]), finite(match[2].decode("ascii", "replace"))
        if value is None or (kind and kind[1] != b"n"):
            return match[0]
        return _text_cell(match[1], f"{_SHARE}{in_full(round(100 * value, 10))}%")

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
    wide = [column_of(each.decode()) for each in {*re.findall(rb'\br="([A-Z]{1,9})', sheet)}]
    width = max(wide, default=0) - min(wide, default=0) + 1
    most = rows[0] + _MOST_CELLS // width if rows else 0
    strays = rows[bisect_right(rows, most) :]
    if len(strays) > _STRAYS or width > WIDEST or (not strays and max(deep, default=0) > most):
        raise DataError("its cells are too far apart")
    if strays:
        notes.append(f"row {strays[0]} of a sheet is left out: it is too far from the others")
        numbers = "|".join(map(str, strays)).encode()
        row = rb'<(%b)row [^<>]{0,300}?\br="(?:%b)"[^<>]{0,300}(?:/>|>.*?</\1row>)' % (_P, numbers)
        sheet = re.sub(row, b"", sheet, flags=re.DOTALL)
    return sheet
