"""Tables inside text: rows of delimited cells, Markdown tables between bars, and blocks of ``key: value``."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest

from lior.interfaces import Table

_FRAME = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*")
_HEADING = re.compile(r"\s*#{1,6}\s+(.+?)[\s#]*$|(?:\*\*|__)(.+)(?:\*\*|__):?\s*$")
_MARKS = re.compile(r"\*\*|__|`|\[\[|\]\]|\[([^\]]{0,500})\]\([^)]{0,2000}\)")
SPARSE = 100
"""The maximum ratio of a table's cells to its filled cells."""
_NUMBER = re.compile(r"[-+\d.,\s]*\d[\d.,\s]*")
VALUE = re.compile(r"(?:[A-Z]{3}\s?)?(?=\D*\d)[\W\d_]+(?:[A-Z]{3})?")
"""A cell of a number or date, perhaps with a currency."""
YEAR = re.compile(r"(19|20)\d\d")
_FOOT = re.compile(
    r"[*†‡¹²³©]|\W*(page|seite|página|source|quelle|fuente|notes?|printed|exported|generated|created|stand"
    r"|as of|erstellt|gedruckt|exportiert|généré|imprimé|hinweis|anmerkung|nota)\b",
    re.I,
)
"""The beginning of a line that is no row, in a table whose other cells of that line are empty."""
_PAIR = re.compile(
    r"(?:[-*•+] )?(?:\*\*|__)?([^\W\d_][^:\n|*]{0,40}?)(?:\*\*|__)?:(?:\*\*|__)?[^\S\n]+(\S.*)"
)
"""A line of a key and its value."""
_PAGE = re.compile(r"\W*(page|seite|página|p\.) *\d", re.I)
UNNAMED = "column {}"
"""The name of a column, by its number, in a table without a header row."""
_HEAD = 50
"""The number of rows that show how many cells of a row are filled."""
_LONGEST = 300
"""The maximum length of a heading, in characters; the expression takes quadratic time."""


def delimited(lines: Sequence[str], delimiter: str, first: int = 0) -> tuple[Table, ...]:
    """Return the table of the lines from ``first`` on, or nothing if they have one column or no row."""
    quoted = any('"' in line for line in lines)
    rows = csv.reader(lines, delimiter=delimiter) if quoted else (line.split(delimiter) for line in lines)
    cells = [tuple(cell.strip().lstrip("\ufeff") for cell in row) for row in rows]
    numbers = [number for number, row in enumerate(cells) if number >= first and any(row)]
    return table([cells[number] for number in numbers], numbers)


def table(
    rows: Sequence[tuple[str, ...]], lines: Sequence[int], name: str = "", *, named: bool | None = None
) -> tuple[Table, ...]:
    """Return a table of rows, without the title, notes and repeated header rows that are among them.

    ``named`` is whether the first row is the header row; by default it is unless it has a number. Return
    nothing if there is no row, only one column, or hardly a cell is filled.
    """
    if named is None:
        first, end = _bounds(rows)
        rows, lines = rows[first:end], lines[first:end]
    if not rows or len(rows[0]) < 2:
        return ()
    named = _is_header(rows) if named is None else named and any(rows[0])
    width = len(rows[0]) if named else max(map(len, rows))
    if width * len(rows) > SPARSE * sum(map(len, rows)) + 1000:  # empty cells would fill the memory
        return ()
    columns, below = tuple(UNNAMED.format(number) for number in range(1, width + 1)), 0
    if named:
        two = _has_second_header(rows, width)
        columns, below = joined(rows[0], rows[1]) if two else rows[0], 1 + two
    kept = [n for n in range(below, len(rows)) if not (_is_page(rows[n]) or (named and rows[n] == rows[0]))]
    squared = tuple(_squared(rows[n], width) for n in kept)
    found = Table(name=name, columns=_unique(columns), rows=squared, lines=tuple(lines[n] for n in kept))
    return (found,) if squared else ()


def _squared(row: tuple[str, ...], width: int) -> tuple[str, ...]:
    return row if len(row) == width else (*row[:width], *[""] * (width - len(row)))


def _is_header(rows: Sequence[tuple[str, ...]]) -> bool:
    """Return whether the first row has no number, or differs from rows with numbers: by words or by years."""
    first, below = rows[0], [cell for row in rows[1:6] for cell in row]
    if not any(re.search(r"\d", cell) for cell in first):
        return any(first)
    words = [bool(re.search(r"[^\W\d_]", cell)) or not cell for cell in first]
    years = any(words) and not any(map(YEAR.fullmatch, below))
    named = all(word or (years and YEAR.fullmatch(cell)) for word, cell in zip(words, first, strict=True))
    return named and (len(set(first)) == len(first) or years) and any(map(_NUMBER.fullmatch, below))


def _has_second_header(rows: Sequence[tuple[str, ...]], width: int) -> bool:
    """Return whether the header has two rows: groups of columns above their names, or units below them."""
    if len(rows) < 3 or not len(rows[0]) == len(rows[1]) == width:
        return False
    units = any(rows[1]) and all(re.fullmatch(r"[(\[].*[)\]]|", cell) for cell in rows[1])
    repeated = len({*filter(None, rows[0])}) < width and all(rows[1])
    words = not any(map(_NUMBER.fullmatch, rows[1])) and len({*rows[1][1:]} - {""}) > 0
    numbers = sum(bool(_NUMBER.fullmatch(cell)) for cell in rows[2])
    return bool(words and numbers and (units or (repeated and numbers > 1 and not rows[0][0])))


def joined(groups: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns, each after its group, which may be written above the first alone."""
    found, group = list[str](), ""
    for above, name in zip_longest(groups, names[: len(groups)], fillvalue=""):
        group = above or group
        found.append(name if name.startswith(group) else f"{group} {name}".strip())
    return tuple(found)


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns, with a number after a name that is there already."""
    found = dict[str, None]()
    for name in names:
        number, own = 2, name
        while name and own in found:
            number, own = number + 1, f"{name} {number}"
        found[own or f"\0{len(found)}"] = None
    return tuple("" if name[:1] == "\0" else name for name in found)


def _bounds(rows: Sequence[tuple[str, ...]]) -> tuple[int, int]:
    """Return the first and the end of the rows, without lines above the header and notes below the rows."""
    filled = [sum(map(bool, row)) for row in rows[:_HEAD]]
    usual = sorted(filled)[len(filled) // 2] if filled else 0
    first, end = header_below(rows[:_HEAD]), len(rows)
    while first + 2 < len(filled) and rows[first][0] and filled[first] * 2 <= usual and filled[first] == 1:
        if usual == 2 and len(rows[first]) > 1 and any(re.search(r"\d", cell) for cell in rows[first + 1]):
            break  # a header whose other cell is empty
        first += 1
    while end > first + 2 and usual > 1 and _is_below(rows[end - 1]):
        end -= 1
    return first, end


def header_below(rows: Sequence[tuple[str, ...]]) -> int:
    """Return the header row below lines on an account or another title; 0 if there are none.

    It is the row that names most columns of numbers and dates. Lines above it, which a spreadsheet program
    may have filled up with empty cells, have no gap, and fewer cells or a word in such a column.
    """
    best, first, columns = 0, 0, set[int]()
    filled, valued = Counter[int](), Counter[int]()
    for number in range(len(rows) - 1, -1, -1):
        cells = {column: cell for column, cell in enumerate(rows[number]) if cell}
        named = {column for column in cells if 2 * valued[column] >= filled[column] > 0}
        if len(named) >= max(best, 1) and (0 in cells or not number) and _is_header(rows[number:]):
            best, first, columns = len(named), number, named
        filled.update([*cells])
        valued.update(column for column, cell in cells.items() if VALUE.fullmatch(cell))
    size = sum(map(bool, rows[first])) if first else 0
    for row in rows[:first]:
        own = [*filter(None, row)]
        words = any(
            cell and not VALUE.fullmatch(cell) for column, cell in enumerate(row) if column in columns
        )
        title = best > 1 or 2 * len(own) <= size or re.search(r"\d", " ".join(own))
        if not (all(row[: len(own)]) and (len(own) < size or words) and title):
            return 0
    return first


def _is_below(row: tuple[str, ...]) -> bool:
    """Return whether a last row is a note: a line without delimiters, or a cell that says so."""
    return bool(row[0]) and not any(row[1:]) and (len(row) == 1 or bool(_FOOT.match(row[0])))


def _is_page(row: tuple[str, ...]) -> bool:
    return not any(row[1:]) and bool(_PAGE.match(row[0]))


def barred(lines: Sequence[str], *, named: bool | None = None) -> tuple[Table, ...]:
    """Return the tables of Markdown: a header row, a line of dashes, and the rows below it.

    ``named`` is as for :func:`table`.
    """
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
        found += table(cells, rows, heading, named=named)
    return tuple(found)


def paired(lines: Sequence[str]) -> tuple[Table, ...]:
    """Return the tables of blocks of ``key: value``, a row for each; the next block has the same first key.

    Empty lines are between blocks. A block alone is text.
    """
    found = list[Table]()
    for key, group in groupby(_records(lines), lambda each: next(iter(each[1]), "")):
        begins, records = zip(*group, strict=True)
        columns = tuple(dict.fromkeys(key for record in records for key in record))
        if key and len(records) > 1 and len(columns) * len(records) <= 2 * sum(map(len, records)):
            rows = [tuple(record.get(key, "") for key in columns) for record in records]
            found += table([columns, *rows], [0, *begins], named=True)
    return tuple(found)


def _records(lines: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the first line of each block, and its keys and values; nothing for another block."""
    for number, block in _blocks(lines):
        matches = [_PAIR.fullmatch(line.strip()) for line in block] if ":" in block[0] else []
        record = {match[1].strip(): _cell(match[2]) for match in matches if match}
        yield number, record if len(record) == len(block) > 1 else {}


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the lines of each block between empty lines."""
    begin = 0
    for number in range(len(lines) + 1):
        if number == len(lines) or not lines[number].strip():
            if number > begin:
                yield begin, [*lines[begin:number]]
            begin = number + 1


def _inner(line: str) -> str:
    """Return a row without the bars around it."""
    return line.strip().removeprefix("|").removesuffix("|")


def _cell(text: str) -> str:
    """Return the words of a cell without Markdown marks."""
    return _MARKS.sub(lambda match: match[1] or "", text).replace("\\|", "|").strip()
