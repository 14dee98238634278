"""Rows from a user, in one form: a pandas frame with columns of float64 and of categories.

:func:`table` takes frames of pandas and polars, NumPy arrays and lists of rows. A missing value is NaN; a
word is a category, and the categories of a column are sorted. Nothing is learned here; that is
:mod:`lior_tables.columns`.
"""

from __future__ import annotations

import math
import numbers
import reprlib
import sys
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from pandas.api.types import union_categoricals

from lior.errors import did_you_mean, quantity, sentences
from lior_plugins import NOTHING
from lior_tables.cells import CODE, Column, Form

Floats: TypeAlias = NDArray[np.float64]

_NUMBERS = {"empty", "floating", "integer", "mixed-integer-float", "boolean", "decimal"}
_DATES = {"datetime", "datetime64", "date"}
DAYS = "days since 1970"
"""Name of the attribute of a column that was made from dates."""
_LISTED = 12
"""Maximum number of columns that a message lists."""
_SHOWN = 3
"""Maximum number of rows that a note names."""


class ColumnNote(UserWarning):
    """A note on how an ambiguous column is interpreted; the command line prints it."""


def is_frame(x: object) -> bool:
    """Return whether ``x`` is a frame of pandas or polars."""
    return isinstance(x, pd.DataFrame) or _is_polars(x)


def _is_polars(x: object) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(x, polars.DataFrame)


def table(
    x: Any,
    names: Sequence[str],
    forms: Mapping[str, Form | None] | None = None,
    dates: Collection[str] = (),
    numbers: Collection[str] = (),
) -> pd.DataFrame:
    """Convert a frame, or an array or list of rows with as many columns as ``names``, to one form.

    Dates are days since 1970; ``attrs["dates"]`` names their columns. Texts that are numbers or dates
    are read by the form in ``forms`` (``None``: they stay texts), or by one inferred from the cells.
    ``attrs["forms"]`` has all forms. Numbers in a column of ``dates`` count as missing; so do words there
    and in a column of ``numbers``, unless all are words. Truth values in a column whose texts stay texts
    are the words True and False.

    Raises
    ------
    TypeError
        For a value that is neither a number nor a word, and for column types that have no meaning here.
    ValueError
        For infinite numbers.
    """
    if isinstance(x, pd.DataFrame):
        given = [x.iloc[:, i] for i in range(len(names))]
    elif _is_polars(x):
        given = [_from_polars(x[:, i]) for i in range(len(names))]
    else:
        given = [pd.Series(column) for column in np.asarray(x).T]
    known, bare, columns = dict(forms or {}), not is_frame(x), []
    for name, column in zip(names, given, strict=True):
        cells = column.reset_index(drop=True)
        if name in dates and types.is_numeric_dtype(cells):
            known[name] = Form("date")
        elif name in known and known[name] is None and types.infer_dtype(cells, skipna=True) == "boolean":
            cells = cells.astype(object).map(str, na_action="ignore")
        elif name in (*dates, *numbers) and name not in known and _has_words(cells):
            cells = cells.astype(object).map(str, na_action="ignore")
            known[name] = Form.among(cells, "date" if name in dates else "number")
        form = known[name] if name in known else _form(cells, name, bare=bare)
        known[name] = form
        columns.append(_column(cells if form is None else read_cells(cells, name, form, column), name))
    for name, own, column in zip(names, given, columns, strict=True):
        if not is_words(column) and np.isinf(column).any():
            row = own.index[np.isinf(column).argmax()]
            raise ValueError(f"column {name!r}: row {row} has infinity, or a number above 1e308; correct it")
    found = pd.DataFrame(dict(enumerate(columns)), index=range(len(x))).set_axis(list(names), axis=1)
    found.attrs["dates"] = [name for name, column in zip(names, columns, strict=True) if DAYS in column.attrs]
    found.attrs["forms"] = {name: form for name, form in known.items() if form}
    return found


def _has_words(column: Column) -> bool:
    return not types.is_numeric_dtype(column) and any(isinstance(cell, str) for cell in column.dropna())


def _from_polars(column: Any) -> Column:
    if column.dtype.is_numeric():
        column = column.cast(sys.modules["polars"].Float64).fill_null(float("nan")).to_numpy()
        return pd.Series(column)
    return pd.Series(column.to_list(), dtype=object)


def _form(column: Column, name: str, *, bare: bool) -> Form | None:
    """Return the form of a column of texts, if it has one; a note shows how its cells are read."""
    form = Form.of(column, bare=bare)
    if form:
        note_numbers(column, name, form)
    return form


def note_numbers(column: Column, name: str, form: Form) -> None:
    """Show in a note how the first cell that is no bare number is read; dates have a note of their own."""
    there = column.dropna().unique().astype(object)
    unlike = [cell.strip() for cell in there[pd.isna(pd.to_numeric(there, errors="coerce"))]]
    values = form.values([cell for cell in unlike if cell.lower() not in NOTHING][:1])
    for cell, value in values.items() if form.kind in ("number", "time") else ():
        note = f"column {name!r} holds numbers: {cell!r} is read as {value:.10g}"
        warnings.warn(note + " hours" * (form.kind == "time"), ColumnNote, stacklevel=6)


def read_cells(column: Column, name: str, form: Form, named: Column | None = None) -> Column:
    """Return the values of texts; a note names the cells without one, which count as missing.

    ``named`` are the same cells with the numbers of the rows as the index.
    """
    found = form.read(column)
    lost = form.lost(column, found)
    if lost:
        counts = f"{quantity(len(lost), 'cell')} that {'is' if len(lost) == 1 else 'are'} no"
        note = f"{counts} {form.what(len(lost))} count{'s' * (len(lost) == 1)} as missing"
        cells = first_cells(column if named is None else named, lost)
        warnings.warn(f"column {name!r}: {note} ({cells})", ColumnNote, stacklevel=5)
    return found


def no_column(name: str, known: Sequence[Any], what: str = "") -> str:
    """Return the message for a name that is no column of ``known``, with the nearest one."""
    listed = ", ".join(map(str, known[:_LISTED]))
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    hint = did_you_mean(name, map(str, known))
    return sentences(f"no column {name!r}{what}.", hint, f"There are {listed}{more}.")


def first_cells(column: Column, rows: Sequence[int]) -> str:
    """Return the first cells of a column that a message names: ``'free' in row 3``."""
    cells = [f"{reprlib.repr(str(column.iloc[row]))} in row {column.index[row]}" for row in rows[:_SHOWN]]
    return ", ".join(cells) + ", …" * (len(rows) > _SHOWN)


def _column(values: Column, name: str) -> Column:
    """Return numbers, dates as numbers, or words."""
    kind = values.dtype
    if types.is_complex_dtype(kind):
        raise ValueError(f"Complex data not supported (column {name!r})")
    if types.is_numeric_dtype(kind):  # and truth values
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan))
    if isinstance(kind, pd.CategoricalDtype):
        return _words(values)
    what = kind.kind if kind.kind in "mM" else types.infer_dtype(values, skipna=True)
    if what in _NUMBERS or (
        what.startswith("mixed") and all(isinstance(value, numbers.Real) for value in values.dropna())
    ):
        return pd.Series(values.array.astype(object)).map(float, na_action="ignore").astype(np.float64)
    if what == "M" or what in _DATES:
        return _days(values)
    _check_words(values, name, what)
    return _words(values)


def _check_words(values: Column, name: str, what: str) -> None:
    """Raise ``TypeError`` for a column that is neither words nor mixed with numbers."""
    kind = values.dtype
    if not types.is_string_dtype(kind) and not types.is_object_dtype(kind):
        raise TypeError(
            f"column {name!r} has the type {kind}, which is neither number, word nor date; convert or drop it"
        )
    if what != "string":
        for value in values.dropna():
            if not isinstance(value, str | numbers.Real | bytes):
                kind = type(value).__name__
                raise TypeError(f"argument must be a string or a number, not {kind!r} (column {name!r})")


def _days(values: Column) -> Column:
    days = pd.to_datetime(values, utc=True) - pd.Timestamp(0, tz="UTC")
    found = (days / pd.Timedelta(days=1)).astype(np.float64)
    found.attrs[DAYS] = True
    return found


def _words(values: Column) -> Column:
    words = values.astype(object).map(str, na_action="ignore")
    return pd.Series(pd.Categorical(words, pd.Index(sorted(words.dropna().unique()), dtype=object)))


# --- columns ---


def is_words(column: Column) -> bool:
    """Return whether a column of a :func:`table` holds words."""
    return isinstance(column.dtype, pd.CategoricalDtype)


def as_numbers(column: Column) -> Floats:
    """Return a column of numbers; ``TypeError`` for words, unless all are missing."""
    if is_words(column) and column.notna().any():
        first = column[column.first_valid_index()]
        raise TypeError(f"{first!r} is a word, and numbers were there before")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def as_dates(column: Column) -> Column:
    """Return a column of days since 1970 as texts, with the time of day if one of them has it."""
    dates = pd.Timestamp(0) + pd.to_timedelta(column, "D")
    return dates.dt.strftime("%Y-%m-%d" if (column.dropna() % 1 == 0).all() else "%Y-%m-%d %H:%M")


def as_words(column: Column) -> Column:
    """Return a column as words; numbers become the words that print them, ``3`` for 3.0."""
    return column if is_words(column) else _words(column.map(_spell, na_action="ignore"))


def _spell(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def as_known_words(column: Column, known: Collection[str]) -> Column:
    """Return numbers as words, those that known words write as these: ``2.50`` for 2.5.

    A file in which all cells of such a column are numbers does not show how they are written. A code such as
    ``007`` is no number.
    """
    written: dict[str, str] = {}
    for word in known:
        value = None if CODE.fullmatch(word) else _finite(word)
        written |= {} if value is None else {_spell(value): word}
    written |= {word: word for word in known}
    return _words(column.map(lambda value: written.get(_spell(value), _spell(value)), na_action="ignore"))


def _finite(word: str) -> float | None:
    """Return the finite number that a word writes, or ``None``."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def rounded(value: float, spread: float, digits: int = 6, *, mark: str = "") -> str:
    """Return a number in the digits that tell it from others of the same spread, and without an exponent
    below 10¹⁵.

    Parameters
    ----------
    spread
        Typical difference of such numbers; numbers that are larger have more than ``digits`` digits.
    mark
        The mark between thousands.
    """
    more = math.log10(abs(value) / spread) if spread > 0 and 0 < abs(value) / spread < math.inf else 0
    digits = min(digits + max(int(more), 0), 17)
    return f"{value:{mark}.0f}" if 10**digits <= abs(value) < 1e15 else f"{value:{mark}.{digits}g}"


def join(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Append to the rows of one table the rows of another with the same columns."""
    columns = {}
    for i in range(first.shape[1]):
        one, other = first.iloc[:, i], second.iloc[:, i]
        if is_words(one):  # a column without any value has no words, and looks like numbers
            columns[i] = pd.Series(
                union_categoricals([one, as_words(other)], sort_categories=True, ignore_order=True)
            )
        else:
            columns[i] = pd.Series(np.concatenate([one, as_numbers(other)]))
    return pd.DataFrame(columns).set_axis(first.columns, axis=1)


def keys(frame: pd.DataFrame) -> Floats:
    """Return all columns as numbers, ``(rows, columns)``, equal for equal rows; words by their order."""
    found = [
        column.cat.codes if is_words(column) else column.fillna(-np.inf) + 0.0  # -0 is 0
        for _, column in frame.items()
    ]
    return np.column_stack([np.empty((len(frame), 0)), *found])
