"""Columns of texts that are numbers, dates or times, as people write them: ``$2,329.46``, ``19.02.2021``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np
import pandas as pd

from lior_plugins import NOTHING, Numerals, hours_in, months_first, number_in, with_main_unit

Column: TypeAlias = "pd.Series[Any]"
ENOUGH = 0.8
"""Minimum share of the different cells that are numbers or dates, as in lior-ask."""
_SAMPLE = 4000
"""Maximum number of cells from which the form of a column is inferred."""
_BARE = re.compile(r"[-+]?\d+(\.\d+)?")
CODE = re.compile(r"[-+]?0\d+")
"""Pattern of a code, such as 007."""
_TIME = r"\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?"
_DATE = re.compile(
    r"(?:[^\W\d]{2,9}\.?,? )?"  # a weekday
    r"(?:\d{4}([-/.])\d\d?\1\d\d?|\d\d?([-/.])\d\d?\2(?:\d{4}|\d\d)"
    r"|\d\d?\.?[ -]?[^\W\d]{3,9}\.?,?[ -](?:\d{4}|\d\d)|[^\W\d]{3,9}\.? \d\d?,? \d{4})"
    rf"(?:(?:,? ?T?| at ){_TIME}.*)?",
    re.I,
)
_TRUTH = {"true": 1.0, "false": 0.0}
"""Values of the words for truth values, as tables without gaps have them."""
_NOON = re.compile(rf"({_TIME}|\d\d?)\s?([ap])\.?m\.?", re.I)


@attrs.frozen
class Form:
    """The way in which the cells of a column are written."""

    kind: Literal["number", "time", "date", "truth value"]
    decimal: str = "."
    """The decimal mark of numbers; empty if only bare ones such as ``1e-3`` are read."""
    minus: str = ""
    """The mark of a side of an account whose amounts are negative: ``DR``."""
    first: bool = False
    """Whether months come first in dates with slashes; whether times have seconds."""
    unit: str | None = None
    """The only unit of numbers that is read; ``None`` in models that were saved before: any."""

    @classmethod
    def of(cls, column: Column, share: float = ENOUGH, *, bare: bool = True) -> Form | None:
        """Return the form of a column of texts, or ``None`` if they stay texts.

        Parameters
        ----------
        share
            Minimum share of the different cells that can be read; of the rows, if the others have another
            unit.
        bare
            Whether cells that are all bare numbers are read; texts of a frame that are such are names, unless
            a mark of a gap made them texts.
        """
        cells = _different(column)
        cells = cells[:: len(cells) // _SAMPLE + 1]
        if not cells or any(map(CODE.fullmatch, cells)):
            return None
        if all(cell.lower() in _TRUTH for cell in cells):
            return cls("truth value")
        if not bare and all(map(_BARE.fullmatch, cells)) and not _has_marks(column):
            return None
        form = max(_forms(cells, share), key=lambda form: len(form.values(cells)))
        read = form.values(cells)
        enough = len(read) >= share * len(cells) or form._has_most_rows(column, cells, read, share)
        return form if enough else None

    @classmethod
    def among(cls, column: Column, kind: Literal["number", "date"]) -> Form | None:
        """Return the form of texts in a column whose training rows were plain numbers, truth values or dates.

        It is ``None`` if the texts differ and none has a value: they are then of another column.
        """
        cells = _different(column)
        known = [form for form in (cls(kind, ""), cls.of(column)) if form and form.kind == kind]
        known += [cls("truth value")] * (kind == "number")
        form = max(known, key=lambda form: len(form.values(cells)))
        return form if len(cells) < 2 or form.values(cells) else None

    def _has_most_rows(
        self, column: Column, cells: Sequence[str], read: Mapping[str, Any], share: float
    ) -> bool:
        """Return whether a unit is that of most rows, although other units have many different numbers."""
        if len(attrs.evolve(self, unit=None).values(cells)) < share * len(cells):
            return False
        rows = column.dropna().str.strip()
        return bool(rows[rows.isin(cells)].isin(list(read)).mean() >= share)

    def what(self, count: int) -> str:
        """Return what cells are in a message: ``numbers in kg``."""
        return self.kind + "s" * (count != 1) + f" in {self.unit}" * bool(self.unit)

    def read(self, column: Column) -> Column:
        """Return numbers, hours or dates, missing where a text has none; other columns unchanged.

        A number such as a bare year is no date.
        """
        if self.kind == "date" and pd.api.types.is_numeric_dtype(column):
            return pd.Series(pd.NaT, column.index, dtype="datetime64[ns, UTC]")
        if pd.api.types.infer_dtype(column, skipna=True) != "string":
            return column
        values = self.values(_different(column))
        found = column.map(lambda cell: values.get(str(cell).strip()), na_action="ignore")
        return pd.to_datetime(found, utc=True) if self.kind == "date" else found.astype(np.float64)

    def lost(self, column: Column, found: Column) -> list[int]:
        """Return the rows of ``column`` whose cell has no value in ``found``, and is no mark of a gap."""
        gone = np.flatnonzero(found.isna() & column.notna())
        return [i for i in gone.tolist() if str(column.iloc[i]).strip().lower() not in ("", *NOTHING)]

    def values(self, cells: Sequence[str]) -> dict[str, Any]:
        """Return the values of the cells that have one."""
        if self.kind == "date":
            return _dates([cell for cell in cells if _DATE.fullmatch(cell)], months=self.first)
        if self.kind == "truth value":
            return {cell: _TRUTH[cell.lower()] for cell in cells if cell.lower() in _TRUTH}
        value = partial(_hours, seconds=self.first) if self.kind == "time" else self._number
        return {cell: found for cell in cells if (found := value(cell)) is not None}

    def _number(self, cell: str) -> float | None:
        found = number_in(cell, self.decimal, self.minus, self.unit)
        try:
            return float(cell if found is None and self.decimal in (".", "") else found)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return None


def restored(given: Mapping[str, Any]) -> dict[str, Form | None]:
    """Return the forms of a record by column, or the forms themselves."""
    return {name: Form(**form) if isinstance(form, dict) else form for name, form in given.items()}


def _different(column: Column) -> list[str]:
    """Return the different cells of a column, without gaps; none if one of them is no text."""
    there = column.dropna()
    if pd.api.types.infer_dtype(there) != "string":
        return []
    return [
        cell for cell in dict.fromkeys(map(str.strip, there.unique())) if cell.lower() not in ("", *NOTHING)
    ]


def _has_marks(column: Column) -> bool:
    return any(cell.strip().lower() in NOTHING for cell in column.dropna().unique())


def _forms(cells: Sequence[str], share: float) -> list[Form]:
    """Return the forms that the cells may have."""
    known = _numerals(cells, share)
    seconds = any(cell.count(":") == 2 for cell in cells)
    return [
        Form("number", known.decimal, known.minus, unit=known.unit) if known else Form("number", ""),
        Form("time", first=seconds),
        Form("date", first=bool(months_first(cells))),
    ]


def _numerals(cells: Sequence[str], share: float) -> Numerals | None:
    """Return the way in which most numbers of the main unit are written."""
    own = with_main_unit(cells)
    known = Numerals.of(own, share)
    if known is None or known.decimal:
        return known
    if not any("," in cell for cell in own):
        return attrs.evolve(known, decimal=".")  # 1.234 kg: the way in which programs write numbers
    clear = []
    for mark in ".,":
        part = [cell for cell in own if number_in(cell, mark) is not None]
        found = Numerals.of(part) if len(part) >= share * len(own) else None
        clear += [found] if found and found.decimal == mark else []
    return clear[0] if len(clear) == 1 else known


def _hours(cell: str, *, seconds: bool) -> float | None:
    """Return the hours of a time of day or a duration: ``5:30 pm``, ``1h 30m``."""
    if match := _NOON.fullmatch(cell):
        clock = match[1] if ":" in match[1] else f"{match[1]}:00"
        hours = _hours(clock, seconds=False)
        return None if hours is None else hours % 12 + 12 * (match[2] in "pP")
    found = hours_in(re.sub(r"(:\d\d:\d\d)[.,]\d+$", r"\1", cell), seconds=seconds)
    return None if found is None else float(found)


def _dates(cells: Sequence[str], *, months: bool) -> dict[str, pd.Timestamp]:
    """Return the dates of cells; days come first unless ``months``, but after a year of four digits."""
    given = pd.Series(list(cells), list(cells), dtype=object)
    years = given.str.match(r"(?:\D* )?\d{4}")
    found: dict[str, pd.Timestamp] = {}
    for part, first in ((given[years], False), (given[~years], not months)):
        if len(part):
            dates = pd.to_datetime(part, format="mixed", dayfirst=first, utc=True, errors="coerce")
            found |= dates.dropna().to_dict()
    return found
