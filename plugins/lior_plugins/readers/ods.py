"""Spreadsheets of OpenDocument 1.3 (part 3, 9), read from their XML: calamine has neither their merged cells
nor their percentages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from lior_plugins.readers.entries import read_entries
from lior_plugins.readers.office import OFFICE, TABLE, TEXT, words
from lior_plugins.readers.opening import Archive, local
from lior_plugins.readers.sheet_rows import LONGEST_NAME, WIDEST, Merged, Sheet, column_of, finite, in_full

_MOST_REPEATED = 1000
"""The maximum number of equal cells or rows that ODS stores once and that are repeated."""
_ADDED_UP = re.compile(r"of:=(?:SUM|SUBTOTAL|AVERAGE)\((?:\d+;)?\[\.([A-Z]{1,3})\d+:\.([A-Z]{1,3})\d+\]\)")
"""A formula over cells of a column."""


def sheets_of(archive: Archive, notes: list[str]) -> Iterator[Sheet]:
    """Yield the sheets."""
    sheet = Sheet("")  # for rows in no sheet
    for number, repeated, part in read_entries(_rows(archive), _part, notes):
        if isinstance(part, str):
            yield sheet
            sheet = Sheet(part)
            continue
        cells, spans, total = part
        sheet.merged += (
            Merged(number, left, number + down - 1, left + wide - 1) for left, down, wide in spans
        )
        for again in range(min(repeated, _MOST_REPEATED) if cells else 0):
            sheet.add(number + again, cells, total)
    yield sheet


def _part(part: tuple[int, int, Element]) -> tuple[int, int, Any]:
    """Return the number and repetition of a row, and what it has; for a sheet its name instead."""
    number, repeated, element = part
    return number, repeated, _row(element) if number else element.get(f"{TABLE}name", "")


def _rows(archive: Archive) -> Iterator[tuple[str, tuple[int, int, Element]]]:
    """Yield the place of each sheet and row, then the number and repetition of the row and the element."""
    name, number = "", 1
    for each in archive.elements("content.xml", "table-row", begun="table"):
        repeated = _count(each, "rows-repeated")
        if local(each) == "table":
            name, number = each.get(f"{TABLE}name", "")[:LONGEST_NAME], 1
            yield f"sheet {name}", (0, 0, each)
        else:
            yield f"{name}, row {number}", (number, repeated, each)
            number += repeated


def _row(row: Element) -> tuple[list[tuple[int, str, str]], list[tuple[int, int, int]], bool]:
    """Return the cells of a row; the column, height and width of those that are merged; and whether it adds
    up others.
    """
    cells, spans, total, column = list[tuple[int, str, str]](), list[tuple[int, int, int]](), False, 0
    for cell in row:
        many, kind = _count(cell, "columns-repeated"), cell.get(f"{OFFICE}value-type", "")
        if column < WIDEST and local(cell) == "table-cell" and (shown := _cell(cell, kind)):
            last = min(column + min(many, _MOST_REPEATED), WIDEST)
            cells += ((each, shown, "t" if kind == "string" else "n") for each in range(column, last))
            size = _count(cell, "rows-spanned"), _count(cell, "columns-spanned")
            spans += [(column, *size)] if size != (1, 1) else []
            added = _ADDED_UP.match(cell.get(f"{TABLE}formula", "")[:300])
            if added and column_of(added[1]) == column_of(added[2]) == column:
                total = True
        column += many
    return cells, spans, total


def _count(element: Element, what: str) -> int:
    """Return a count of rows or columns of OpenDocument; 1 if there is none."""
    digits = element.get(f"{TABLE}number-{what}", "")
    return int(digits) if digits.isdecimal() and len(digits) < 10 else 1


def _cell(cell: Element, kind: str) -> str:
    """Return the displayed text of a cell with a type of value; empty for an empty cell."""
    if kind in ("float", "currency") and (value := finite(cell.get(f"{OFFICE}value", ""))) is not None:
        return in_full(value)
    if kind == "date":
        return cell.get(f"{OFFICE}date-value", "").replace("T", " ")
    return " ".join(word for each in cell if each.tag == f"{TEXT}p" for word in words(each).split())
