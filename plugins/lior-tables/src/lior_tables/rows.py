"""Rows as a user gives them, in one form: a float64 array for each column of numbers, codes for words.

:func:`table` takes pandas and polars frames, NumPy arrays and lists of rows. Nothing is learned here; that is
:mod:`lior_tables.columns`.
"""

from __future__ import annotations

import contextlib
import datetime
import numbers
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

_DAY = np.timedelta64(1, "D")
_INFINITE = "Input X contains infinity or a value too large for dtype('float64'){where}."


class ColumnNote(UserWarning):
    """How a column is taken where that is a choice; the command line prints it as a note."""


@attrs.frozen(eq=False)
class Words:
    """A column of words: an index into ``levels`` for each row, -1 where there is none."""

    codes: NDArray[np.int32]
    levels: tuple[str, ...]

    @classmethod
    def of(cls, values: Iterable[str | None]) -> Words:
        """Number the words in the order of their first appearance."""
        known: dict[str, int] = {}
        codes = [-1 if value is None else known.setdefault(value, len(known)) for value in values]
        return cls(np.array(codes, dtype=np.int32), tuple(known))

    def take(self, rows: NDArray[np.int64]) -> Words:
        """Some of the rows."""
        return Words(self.codes[rows], self.levels)

    def recoded(self, levels: Sequence[str]) -> NDArray[np.int32]:
        """Indices into other ``levels``; -2 for a word that is not among them, -1 for none."""
        place = {level: i for i, level in enumerate(levels)}
        to = np.array([place.get(level, -2) for level in self.levels] + [-1], dtype=np.int32)
        return to[self.codes]  # the last entry is that of -1

    def __len__(self) -> int:
        return len(self.codes)


Column: TypeAlias = "Floats | Words"


@attrs.frozen(eq=False)
class Table:
    """Rows of named columns; a missing number is NaN, a missing word has the code -1."""

    columns: dict[str, Column]
    size: int

    def __len__(self) -> int:
        return self.size

    def take(self, rows: NDArray[np.int64]) -> Table:
        """The rows at these positions, in this order."""
        found: dict[str, Column] = {
            name: column.take(rows) if isinstance(column, Words) else column[rows]
            for name, column in self.columns.items()
        }
        return Table(found, len(rows))

    def followed_by(self, other: Table) -> Table:
        """These rows, then those of a table with the same columns."""
        return Table(
            {name: _joined(column, other.columns[name]) for name, column in self.columns.items()},
            len(self) + len(other),
        )

    def cell(self, row: int, name: str) -> float | str | None:
        """One value; ``None`` where there is none."""
        column = self.columns[name]
        if isinstance(column, Words):
            code = int(column.codes[row])
            return None if code < 0 else column.levels[code]
        value = float(column[row])
        return None if np.isnan(value) else value

    def keys(self) -> NDArray[np.float64]:
        """All columns as numbers, ``(rows, columns)``, equal where the rows are equal; words by their order.

        The numbers of two tables with the same words agree, in whatever order these appear.
        """
        found = np.empty((len(self), len(self.columns)))
        for i, column in enumerate(self.columns.values()):
            if isinstance(column, Words):
                found[:, i] = column.recoded(sorted(column.levels))
            else:
                found[:, i] = np.where(np.isnan(column), -np.inf, column)
        return found + 0.0  # -0 is 0


def _joined(first: Column, second: Column) -> Column:
    if isinstance(first, Words):
        second = as_words(second)  # a column without any value has no words, and looks like numbers
        levels = tuple(dict.fromkeys((*first.levels, *second.levels)))
        return Words(np.concatenate([first.recoded(levels), second.recoded(levels)]), levels)
    return np.concatenate([first, as_numbers(second)])


def as_numbers(column: Column) -> Floats:
    """A column of numbers; ``TypeError`` for words, unless all are missing."""
    if isinstance(column, Words):
        if (column.codes >= 0).any():
            raise TypeError(f"{column.levels[0]!r} is a word, and numbers were there before")
        return np.full(len(column), np.nan)
    return column


def as_words(column: Column) -> Words:
    """A column of words; numbers become the words that print them, ``3`` for 3.0."""
    if isinstance(column, Words):
        return column
    return Words.of(None if np.isnan(value) else spelled(value) for value in column)


def spelled(value: float) -> str:
    """A number as a word; whole ones without a point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


# --- from the user's types ---


def is_frame(x: object) -> bool:
    """Whether ``x`` is a frame of pandas or polars; neither is imported for that."""
    return _is_pandas(x) or _is_polars(x)


def table(x: Any, names: Sequence[str]) -> Table:
    """One form for a frame, or for an array or list of rows that has as many columns as ``names``.

    Raises
    ------
    TypeError
        For a value that is neither a number nor a word, and for types of columns that have no meaning here.
    ValueError
        For infinite numbers.
    """
    if _is_pandas(x):
        found = {name: _from_pandas(x.iloc[:, i], name) for i, name in enumerate(names)}
    elif _is_polars(x):
        found = {name: _from_polars(x[:, i], name) for i, name in enumerate(names)}
    else:
        array = np.asarray(x)
        if array.dtype.kind in "fiub":
            values = np.asarray(array, dtype=np.float64)
            found = {name: np.ascontiguousarray(values[:, i]) for i, name in enumerate(names)}
        else:
            found = {name: _from_objects(array[:, i], name) for i, name in enumerate(names)}
    for name, column in found.items():
        if not isinstance(column, Words) and np.isinf(column).any():
            raise ValueError(_INFINITE.format(where=f" (column {name!r})"))
    return Table(found, len(x))


def _is_pandas(x: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(x, pandas.DataFrame)


def _is_polars(x: object) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(x, polars.DataFrame)


def _from_pandas(series: Any, name: str) -> Column:
    from pandas.api import types

    kind = series.dtype
    if types.is_complex_dtype(kind):
        raise ValueError(f"Complex data not supported (column {name!r})")
    if types.is_bool_dtype(kind) or types.is_numeric_dtype(kind):
        return np.array(series.to_numpy(dtype=np.float64, na_value=np.nan))
    if types.is_datetime64_any_dtype(kind):
        naive = series.dt.tz_convert(None) if getattr(kind, "tz", None) is not None else series
        return _days(naive.to_numpy(), name)
    if isinstance(kind, sys.modules["pandas"].CategoricalDtype):
        return Words(np.asarray(series.cat.codes, dtype=np.int32), tuple(map(str, series.cat.categories)))
    if types.is_string_dtype(kind) or types.is_object_dtype(kind):
        return _from_objects(series.to_numpy(dtype=object, na_value=None), name, parse=False)
    raise TypeError(_NO_MEANING.format(name=name, kind=kind))


_NO_MEANING = (
    "column {name!r} has the type {kind}, which is neither number, word nor date; convert or drop it"
)


def _from_polars(series: Any, name: str) -> Column:
    import polars

    kind = series.dtype
    if kind.is_numeric() or kind in (polars.Boolean, polars.Null):
        return np.array(series.cast(polars.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)
    if kind in (polars.Date, polars.Datetime):
        return _days(series.cast(polars.Datetime("us")).to_numpy(), name)
    if kind in (polars.String, polars.Categorical, polars.Enum):
        return Words.of(series.cast(polars.String).to_list())
    raise TypeError(_NO_MEANING.format(name=name, kind=kind))


def _days(values: NDArray[Any], name: str) -> Floats:
    note = f"column {name!r} holds dates; they enter as days since 1970"
    warnings.warn(note, ColumnNote, stacklevel=2)
    days: Floats = (values.astype("datetime64[us]") - np.datetime64("1970-01-01", "us")) / _DAY
    return days  # NaT becomes NaN


def _from_objects(values: Iterable[Any], name: str, *, parse: bool = True) -> Column:
    """Numbers if all values are (or, with ``parse``, spell) numbers; dates if all are; else words."""
    cleaned = [None if _missing(value) else value for value in values]
    present = [value for value in cleaned if value is not None]
    if all(isinstance(value, numbers.Real) for value in present):
        return np.array([np.nan if value is None else float(value) for value in cleaned], dtype=np.float64)
    if all(isinstance(value, datetime.date) for value in present):
        return _days(np.array(cleaned, dtype="datetime64[us]"), name)
    for value in present:
        if not isinstance(value, str | numbers.Real | bytes):
            raise TypeError(
                f"argument must be a string or a number, not {type(value).__name__!r} (column {name!r})"
            )
    with contextlib.suppress(ValueError):
        if parse:  # NumPy makes words of numbers where both are in one array
            return np.array([np.nan if value is None else float(value) for value in cleaned])
    return Words.of(None if value is None else str(value) for value in cleaned)


def _missing(value: Any) -> bool:
    """``None``, NaN in any of its types, and what pandas has for a missing value."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value
