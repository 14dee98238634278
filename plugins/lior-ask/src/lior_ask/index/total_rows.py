"""Rows of a table that sum up the others: totals, subtotals, means, and the balances of a statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import attrs

from lior_ask.index.table_schema import Column
from lior_ask.languages.lists import either
from lior_plugins import NOTHING

_LABEL = {
    mark: re.compile(rf"(?<!\w)(?:{either(key)}|{sign})(?!\w)", re.I)
    for mark, key, sign in (("mean", "tables.averages", "ø"), ("total", "tables.totals", "[∑Σ]"))
}
"""Mark of a row -> pattern of its label."""
_BALANCE = re.compile(rf"{either('tables.balances')}\b", re.I)
_LONGEST = 60
"""Maximum number of characters of a label."""
_NEAR = Decimal("0.1")
"""Maximum difference, as a share, of a row with no more than a label from the sum."""
_EXACT = Decimal("1e-9")
"""Maximum difference of equal sums."""
_FILLED = 0.6
"""Minimum share of the rows in which a column of labels is filled."""
_ROWS, _DIGITS = 3, 4
"""Minimum numbers of rows and of digits of their sums for a last row with a text of its own."""
_LARGE = 5_000
"""Number of rows above which a table is searched only if a row has a label."""


@attrs.define
class _Sums:
    """The sums and counts of the numbers of each column."""

    sums: list[Decimal]
    counts: list[int]

    @classmethod
    def of(cls, width: int, rows: Sequence[Sequence[Decimal | None]] = ()) -> _Sums:
        """Return the sums of rows."""
        found = cls([Decimal(0)] * width, [0] * width)
        for row in rows:
            found.add(row)
        return found

    def add(self, row: Sequence[Decimal | None]) -> None:
        """Add a row."""
        for place, number in enumerate(row):
            if number is not None:
                self.sums[place] += number
                self.counts[place] += 1

    def differs(self, place: int, number: Decimal, mean: bool) -> Decimal:
        """Return the difference of a number from the sum or mean as a share of it; 1 for less than two rows.

        A mean may be rounded to the digits that it has.
        """
        if self.counts[place] < 2:
            return Decimal(1)
        expected = self.sums[place] / (self.counts[place] if mean else 1)
        step = Decimal(1).scaleb(min(int(number.as_tuple().exponent), 0)) if mean else _EXACT
        off = abs(expected - number)
        return Decimal(0) if off <= step / 2 else off / abs(expected) if expected else Decimal(1)


def total_rows(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Return the positions, from 0, of the rows that sum up others, ascending.

    The numbers of such a row are the sums, or means, of the rows above: of all, or of those since the last
    such row. A first row may sum up all rows below. Words such as "Total" are evidence: a row with nothing
    but such a label needs nearly right numbers only. A row without one must have no text, or be the last row
    and not equal by chance. So must a row that is filled as others are: "mittel" and "Media" are priorities,
    too. The balances of a statement are known by their label alone.
    """
    places = [n for n, each in enumerate(columns) if each.kind == "number" and each.decimal and not each.key]
    marks, width, found = _marks(columns, rows, places), len(places), list[int]()
    numbers = [[_number(columns[n], row[n]) for n in places] for row in rows] if marks else []
    above, since, opened = (_Sums.of(width) for _ in range(3))  # the last with an opening balance
    for position, (mark, row) in enumerate(zip(marks, numbers, strict=True)):
        groups = (since, above, opened) if position else (_Sums.of(width, numbers[1:] if mark else ()),)
        if mark == "balance" or (mark and any(_sums_up(mark, row, each) for each in groups)):
            since = _Sums.of(width)
            if mark == "balance" and not found:
                opened.add(row)
            found.append(position)
        else:
            for each in (above, since, opened):
                each.add(row)
    return tuple(found) if len(found) < len(rows) else ()


def _number(column: Column, cell: str) -> Decimal | None:
    """Return the number in a cell; of a duration its minutes, which are rounded, but not its hours."""
    number = column.number(cell)
    return round(number * 60, 6).normalize() if number is not None and column.duration else number


def _marks(columns: Sequence[Column], rows: Sequence[Sequence[str]], places: Sequence[int]) -> list[str]:
    """Return the mark of each row, or nothing for a large table without a label.

    The mark of a last row without a date ("Saldo" may stand there) or another mark is "last", or "blank" if
    it alone lacks a label.
    """
    texts = [n for n in range(len(columns)) if n not in places]
    if len(rows) > _LARGE and not _has_label(rows, texts):
        return []
    filled = [n for n in texts if sum(1 for row in rows if row[n].strip()) >= _FILLED * len(rows)]
    marks = [_mark([row[n] for n in texts], [row[n] for n in filled]) for row in rows]
    dates = [n for n in filled if columns[n].kind == "date"]
    if marks and not marks[-1] and not any(columns[n].date(rows[-1][n]) for n in dates):
        lacks = (n for n in filled if not rows[-1][n].strip())
        marks[-1] = "blank" if any(all(row[n].strip() for row in rows[:-1]) for n in lacks) else "last"
    return marks


def _has_label(rows: Sequence[Sequence[str]], texts: Sequence[int]) -> bool:
    return any(_label(cell.strip()) for n in texts for cell in {row[n] for row in rows})


def _mark(texts: Sequence[str], labels: Sequence[str]) -> str:
    """Return what the texts of a row say that it is: "balance", "mean" or "total", or nothing.

    It is in capitals if they say no more, with a capital if most columns of labels are filled, as in other
    rows, and "blank" if none is.
    """
    told = [*dict.fromkeys(cell for each in texts if (cell := each.strip()) and cell.lower() not in NOTHING)]
    mark = next(filter(None, map(_label, told)), "")
    if mark in _LABEL and len(told) == 1 and not re.search(r"\w", _LABEL[mark].sub("", told[0])):
        return mark.upper()
    if mark in _LABEL and len(labels) > 1 and 2 * sum(bool(cell.strip()) for cell in labels) > len(labels):
        return mark.title()
    return mark or "blank" * bool(labels and not told)


@lru_cache(1 << 14)
def _label(text: str) -> str:
    """Return the mark that a label gives, or nothing."""
    if not text or len(text) > _LONGEST or text[0].isdigit():
        return ""
    if _BALANCE.match(text):
        return "balance"
    return next((mark for mark, pattern in _LABEL.items() if pattern.search(text)), "")


def _sums_up(mark: str, row: Sequence[Decimal | None], above: _Sums) -> bool:
    """Return whether the numbers of a row sum up those above."""
    known = {n: number for n, number in enumerate(row) if number is not None}
    off = {n: above.differs(n, number, mark.lower() == "mean") for n, number in known.items()}
    equal = [n for n, share in off.items() if not share and row[n]]
    if mark in ("TOTAL", "MEAN") and not equal:
        return bool(off) and max(off.values()) <= _NEAR
    if mark in ("total", "mean", "TOTAL", "MEAN") or not equal:
        return bool(equal)
    digits = sum(len(f"{abs(known[n]):f}".replace(".", "").strip("0")) for n in equal)
    sure = max(above.counts[n] for n in equal) >= _ROWS and digits >= _DIGITS
    return not any(off.values()) and (sure or mark in ("Total", "blank"))
