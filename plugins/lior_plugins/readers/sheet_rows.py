"""A sheet's filled cells as they are in the file."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from math import isfinite
from typing import Any, NamedTuple

import attrs

from lior.reading.limits import current_limits
from lior_plugins.readers.collecting import too_much_text

WIDEST = 16384
"""The maximum number of columns of a sheet, in all programs."""
LONGEST_NAME = 100
"""The maximum length of a sheet's name, in characters; the place of each row has it."""


class Row(NamedTuple):
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


class Merged(NamedTuple):
    """A merged cell, from its first to its last row (from 1) and column (from 0)."""

    top: int
    left: int
    bottom: int
    right: int


@attrs.define
class Sheet:
    """A sheet as it is in the file."""

    name: str
    rows: list[Row] = attrs.field(factory=list)
    merged: list[Merged] = attrs.field(factory=list)
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
                raise too_much_text()
            columns, kinds = self._same.setdefault(columns, columns), self._same.setdefault(kinds, kinds)
            self.rows.append(Row(number, columns, texts, kinds, total))


def in_full(value: float) -> str:
    """Return a number in full, but without the noise of binary fractions.

    >>> in_full(3.0), in_full(0.1 + 0.2), in_full(1e15)
    ('3', '0.3', '1000000000000000')
    """
    return f"{value:.0f}" if abs(value) < 1e16 and value == int(value) else f"{value:.15g}"


def finite(digits: str) -> float | None:
    """Return a number of a file, or ``None`` if it is not a finite number."""
    with suppress(ValueError):
        value = float(digits)
        return value if isfinite(value) else None
    return None


def column_of(letters: str) -> int:
    """Return the number of a column, from 0, from its letters.

    >>> column_of("A"), column_of("AB")
    (0, 27)
    """
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number - 1
