"""Tables from files: CSV with any of the usual separators, compressed or not, and Parquet."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lior.errors import DataError, MissingPackage, UsageError, did_you_mean, sentences

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_PARQUET = (".parquet", ".pq")
_SAMPLE = 1 << 16
"""Characters that the separator is guessed from."""
_DATE = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?"
_DECIMAL_COMMA = r"[+-]?\d+(,\d+)?"
_FEW = 20
"""Most distinct whole numbers of a target that are taken for classes where nothing says which it is."""


def read(path: Path) -> DataFrame:
    """The rows of a file; ``-`` is CSV from standard input.

    The separator (comma, semicolon, tab or bar) is found; with semicolons numbers may have decimal commas.
    Dates as in ``2026-11-21`` become dates.

    Raises
    ------
    DataError
        When it is not there, empty or no table.
    MissingPackage
        For Parquet without pyarrow.
    """
    import pandas

    try:
        if path.suffix.lower() in _PARQUET:
            frame = pandas.read_parquet(path)
        elif str(path) == "-":
            frame = _csv(io.BytesIO(sys.stdin.buffer.read()), None)
        else:
            frame = _csv(path, "infer")
    except ImportError as error:
        raise MissingPackage(
            f"{path}: Parquet is read by the package pyarrow; install it: pip install 'lior-tables[parquet]'"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError, EOFError) as error:
        cause = " ".join(str(error).split())
        raise DataError(f"{path}: not a table: {cause or type(error).__name__}") from error
    if frame.empty:
        raise DataError(f"{path}: no rows under the header" if len(frame.columns) else f"{path}: empty")
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise DataError(f"{path}: two columns are named {repeated[0]!r}; rename one")
    frame.columns = frame.columns.map(str)
    return frame.apply(_dated) if len(frame.columns) else frame


def _csv(source: Any, compression: str | None) -> DataFrame:
    import pandas

    for encoding in ("utf-8-sig", "latin-1"):
        try:
            with pandas.io.common.get_handle(
                source, "r", encoding=encoding, compression=compression
            ) as opened:
                text: Any = opened.handle
                head = text.read(_SAMPLE)
                separator = _separator(head)
                text.seek(0)
                frame = pandas.read_csv(text, sep=separator, low_memory=False)
        except UnicodeDecodeError:
            continue
        return frame.apply(_with_point) if separator == ";" else frame
    raise AssertionError("every byte is a character of Latin-1")


def _separator(head: str) -> str:
    line = head.split("\n", 1)[0]
    if not any(mark in line for mark in ",;\t|"):
        return ","
    try:
        return csv.Sniffer().sniff(line, delimiters=",;\t|").delimiter
    except csv.Error:
        return max(",;\t|", key=line.count)


def _with_point(column: Series[Any]) -> Series[Any]:
    """A column of decimal commas as numbers."""
    there = column.dropna()
    if _is_text(column) and len(there) and there.str.fullmatch(_DECIMAL_COMMA).all():
        return column.str.replace(",", ".").astype(float)
    return column


def _dated(column: Series[Any]) -> Series[Any]:
    """A column of ISO 8601 dates as dates."""
    import pandas

    there = column.dropna()
    if _is_text(column) and len(there) and there.str.fullmatch(_DATE).all():
        return pandas.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    return column


def _is_text(column: Series[Any]) -> bool:
    from pandas.api import types

    return types.is_string_dtype(column.dtype) and column.map(type).isin((str, float, type(None))).all()


# --- what is to be predicted ---


@attrs.frozen(kw_only=True)
class Task:
    """What a model predicts from which columns of a file."""

    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    weight: str | None = None
    classes: bool = False

    @classmethod
    def of(
        cls,
        frame: DataFrame,
        targets: Sequence[str],
        *,
        drop: Sequence[str] = (),
        weight: str | None = None,
        classes: bool | None = None,
    ) -> Task:
        """The task that options describe.

        Parameters
        ----------
        classes
            ``None``: classes if the target has words, truth values, or at most 20 different whole numbers
            that most values share.

        Raises
        ------
        UsageError
            For a column that is not there, or when no column is left to predict from.
        """
        known = list(frame.columns)
        for name in (*targets, *drop, *([weight] if weight else ())):
            if name not in known:
                raise UsageError(
                    sentences(
                        f"no column {name!r}.", did_you_mean(name, known), f"There are {_listed(known)}."
                    )
                )
        left = {*targets, *drop, *([weight] if weight else ())}
        inputs = tuple(name for name in known if name not in left)
        if not inputs:
            raise UsageError("no column is left to predict from")
        if classes is None:
            classes = len(targets) == 1 and are_classes(frame[targets[0]])
        if classes and len(targets) > 1:
            raise UsageError("--classify takes one target; fit a model for each")
        return cls(targets=tuple(targets), inputs=inputs, weight=weight, classes=classes)

    def rows(self, frame: DataFrame, path: Path) -> DataFrame:
        """The columns to predict from.

        Raises
        ------
        DataError
            When one is missing.
        """
        gone = [name for name in self.inputs if name not in frame.columns]
        if gone:
            hint = did_you_mean(gone[0], frame.columns)
            raise DataError(sentences(f"{path}: no column {gone[0]!r}, which the model needs.", hint))
        return frame[list(self.inputs)]

    def answers(self, frame: DataFrame, path: Path) -> Any:
        """The targets, ``(rows,)`` or ``(rows, targets)``.

        Raises
        ------
        DataError
            When one is not there, has gaps, or has words where numbers are needed.
        """
        from pandas.api import types

        gone = [name for name in self.targets if name not in frame.columns]
        if gone:
            raise DataError(f"{path}: no column {gone[0]!r}, which holds what is to be predicted")
        for name in self.targets:
            column = frame[name]
            if column.isna().any():
                row, count = int(np.flatnonzero(column.isna())[0]), int(column.isna().sum())
                raise DataError(
                    f"{path}: the target {name!r} is missing in {count:,} of {len(column):,} rows, first in "
                    f"row {row}; leave these rows out, or give --skip-missing"
                )
            if not self.classes and not types.is_numeric_dtype(column):
                raise DataError(
                    f"{path}: the target {name!r} holds {column.iloc[0]!r}, which is no number; "
                    "--classify predicts words"
                )
        found = frame[list(self.targets)].to_numpy()
        return found[:, 0] if len(self.targets) == 1 else found

    def weights(self, frame: DataFrame, path: Path) -> Any:
        """The weights, ``None`` where all rows count alike; ``DataError`` when they are not there."""
        if self.weight is None:
            return None
        if self.weight not in frame.columns:
            raise DataError(f"{path}: no column {self.weight!r}, which holds the weights")
        return frame[self.weight].to_numpy()


def are_classes(column: Series[Any]) -> bool:
    """Whether values look like classes: words, truth values, or few whole numbers."""
    from pandas.api import types

    there = column.dropna()
    if not types.is_numeric_dtype(column) or types.is_bool_dtype(column):
        return True
    different = there.unique()
    whole = bool((there == there.round()).all())
    return whole and len(different) <= min(_FEW, max(len(there) // 10, 2)) and _is_run(different)


def _is_run(values: Any) -> bool:
    """Whether whole numbers are 0 or 1 and those that follow: codes of classes rather than counts."""
    ordered = np.sort(values)
    return len(ordered) == 2 or (ordered[0] in (0, 1) and bool((np.diff(ordered) == 1).all()))


def _listed(names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
