"""Tables inside text: rows of delimited cells, and Markdown tables between bars."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from lior.interfaces import Table

_FRAME = re.compile(r"\s*\|?\s*:?-{3,}:?\s*(\|\s*:?-{3,}:?\s*)*\|?\s*")
_HEADING = re.compile(r"\s*#{1,6}\s+(.+?)[\s#]*$|(?:\*\*|__)(.+)(?:\*\*|__):?\s*$")
_MARKS = re.compile(r"\*\*|__|`|\[\[|\]\]|\[([^\]]{0,500})\]\([^)]{0,2000}\)")
SPARSE = 100
"""The maximum ratio of a table's cells to its filled cells."""
_LONGEST = 300
"""The maximum length of a heading, in characters; the expression takes quadratic time."""


def delimited(lines: Sequence[str], delimiter: str, first: int = 0) -> tuple[Table, ...]:
    """Return the table of the lines from ``first`` on, or nothing if they have one column or no row."""
    quoted = any('"' in line for line in lines)
    rows = csv.reader(lines, delimiter=delimiter) if quoted else (line.split(delimiter) for line in lines)
    cells = [tuple(cell.strip().lstrip("\ufeff") for cell in row) for row in rows]
    numbers = [number for number, row in enumerate(cells) if number >= first and any(row)]
    return table([cells[number] for number in numbers], numbers)


def table(rows: Sequence[tuple[str, ...]], lines: Sequence[int], name: str = "") -> tuple[Table, ...]:
    """Return a table of rows; the first is the header row unless it has a number. Return nothing if there is
    no row, only one column, or hardly a cell is filled.
    """
    if not rows or len(rows[0]) < 2:
        return ()
    named = not any(re.search(r"\d", cell) for cell in rows[0]) or (
        len(set(rows[0])) == len(rows[0])
        and all(re.search(r"[^\W\d_]", cell) for cell in rows[0])
        and any(re.fullmatch(r"[-+\d.,\s]*\d[\d.,\s]*", cell) for row in rows[1:6] for cell in row)
    )
    width = len(rows[0]) if named else max(map(len, rows))
    if width * len(rows) > SPARSE * sum(map(len, rows)) + 1000:  # empty cells would fill the memory
        return ()
    columns = rows[0] if named else tuple(f"column {number}" for number in range(1, width + 1))
    squared = tuple(
        row if len(row) == width else (*row[:width], *[""] * (width - len(row))) for row in rows[named:]
    )
    return (Table(name=name, columns=columns, rows=squared, lines=tuple(lines[named:])),) if squared else ()


def barred(lines: Sequence[str]) -> tuple[Table, ...]:
    """Return the tables of Markdown: a header row, a line of dashes, and the rows below it."""
    found, heading, last = list[Table](), "", 0
    for number, line in enumerate(lines):
        if len(line) <= _LONGEST and (match := _HEADING.match(line)):
            heading = (match[1] or match[2]).strip("*_ ")
        if "|" not in line or number <= last or "|" not in lines[number - 1] or not _FRAME.fullmatch(line):
            continue
        last = number
        while last + 1 < len(lines) and "|" in lines[last + 1]:
            last += 1
        rows = [number - 1, *range(number + 1, last + 1)]
        cells = [tuple(_cell(c) for c in re.split(r"(?<!\\)\|", _inner(lines[row]))) for row in rows]
        found += table(cells, rows, heading)
    return tuple(found)


def _inner(line: str) -> str:
    """Return a row without the bars around it."""
    return line.strip().removeprefix("|").removesuffix("|")


def _cell(text: str) -> str:
    """Return the words of a cell without Markdown marks."""
    return _MARKS.sub(lambda match: match[1] or "", text).strip()
