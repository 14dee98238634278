"""Tables from files: CSV with any of the usual separators, compressed or not, and Parquet."""

from __future__ import annotations

import csv
import io
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
from pandas.api import types

from lior.errors import (
    DataError,
    MissingPackage,
    UsageError,
    did_you_mean,
    install_hint,
    out_of_memory,
    quantity,
    sentences,
)
from lior_tables import images
from lior_tables.cells import Column, Form, restored
from lior_tables.rows import ColumnNote, first_cells, no_column, note_numbers

PARQUET = (".parquet", ".pq")
_SEPARATORS = ",;\t|"
_SAMPLE = 1 << 16
"""Number of characters from which the separator is guessed."""
_HEAD = 1000
"""Number of rows in which codes with leading zeros are looked for."""
_CODE = r"\s*[-+]?0\d+\s*"
_NONE = "None"
_SAME = 0.995
"""Share of the rows with the same target above which a note says so, chosen by hand."""
_FEW = 20
"""Maximum number of distinct whole numbers in a target that are taken for classes by default."""


NO_PARQUET = f"Parquet needs the package pyarrow: {install_hint('parquet')}"


def opened(
    path: Path, task: Task | None = None, *, pictures: str = "", size: int = 32, targets: Sequence[str] = ()
) -> pd.DataFrame:
    """Read a table, a picture, the pictures of a folder, or a table that names pictures.

    Parameters
    ----------
    task
        Task of a model: pictures are read like those that it was fitted to.
    pictures, size
        Without a task: the column that names files, and the maximum number of pixels along an axis.
    targets
        Without a task: the columns to predict, whose cells stay as they are written.

    Raises
    ------
    DataError, MissingPackage, UsageError
        As :func:`read` and :func:`lior_tables.images.read`.
    """
    if task is not None:
        if not task.pictures:
            return task.with_targets(read(path, task.none, task.targets))
        column, shape = task.pictures, tuple(task.shape)
    else:
        column, shape = pictures, ()
    if images.holds(path):
        return images.read(path, column, shape=shape, size=size)
    if not column:
        return read(path, targets=targets)
    targets = targets if task is None else task.targets
    frame = images.read(path, column, listed=read(path, targets=targets), shape=shape, size=size)
    return frame if task is None else task.with_targets(frame)


def read(path: Path, none: Sequence[str] | None = None, targets: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of a file; ``-`` is CSV from standard input.

    The separator (comma, semicolon, tab or bar) is detected. Texts that are numbers or dates stay texts,
    which the estimators read; so do codes such as ``007``. In CSV the word ``None`` is a gap, except in the
    columns in ``attrs["none"]``, where it is a value.

    Parameters
    ----------
    none
        Columns in which ``None`` is a value; by default, the columns of words in which it is the commonest.
    targets
        Columns of CSV whose cells stay texts as they are written, such as the classes ``2`` and ``2.10``.

    Raises
    ------
    DataError
        When the file is missing, empty or no table, or two columns have the same name.
    MissingPackage
        For Parquet without pyarrow.
    """
    try:
        if path.suffix.lower() in PARQUET:
            frame = pd.read_parquet(path)
            names = frame.columns
        elif str(path) == "-":
            frame, names = _csv(io.BytesIO(sys.stdin.buffer.read()), None, none, targets)
        else:
            frame, names = _csv(path, "infer", none, targets)
    except ImportError as error:
        raise MissingPackage(f"{path}: {NO_PARQUET}") from error
    except Exception as error:  # each library of a format or a compression has errors of its own
        if out_of_memory(error):
            raise
        strerror = getattr(error, "strerror", None)
        cause = f"cannot be read: {strerror}" if strerror else f"not a table: {_cause(error)}"
        raise DataError(f"{path}: {cause}") from error
    if frame.empty:
        raise DataError(f"{path}: no rows under the header" if len(frame.columns) else f"{path}: empty")
    repeated = names[names.duplicated()]
    if len(repeated):
        raise DataError(f"{path}: two columns are named {repeated[0]!r}; rename one")
    return frame.rename(columns=str).reset_index(drop=True)


class _Binary(ValueError):
    """The file is no text."""


def _cause(error: Exception) -> str:
    """Return why a file is no table, in our words."""
    text = str(error)
    if isinstance(error, pd.errors.EmptyDataError):
        return "the file is empty"
    if isinstance(error, _Binary):
        return "binary, or in UTF-16; save it as CSV in UTF-8, or as Parquet"
    if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", text):
        head, line, cells = map(int, found.groups())
        return f"line {line} has {quantity(cells, 'cell')}, and the lines before have {head}; correct it"
    if found := re.search(r"EOF inside string starting at row (\d+)", text):
        return f"a quotation mark in line {int(found[1]) + 1} has no second one; correct it"
    return "damaged, or neither CSV nor Parquet"


def _csv(
    source: Any, compression: str | None, none: Sequence[str] | None, targets: Sequence[str]
) -> tuple[pd.DataFrame, pd.Index[str]]:
    """Return the rows, and the original names of the columns; pandas numbers repeated names."""
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            with pd.io.common.get_handle(source, "r", encoding=encoding, compression=compression) as opened:
                text: Any = opened.handle
                if "\0" in (start := text.read(_SAMPLE)):
                    raise _Binary
                separator = _separator(start)
                text.seek(0)
                names = pd.read_csv(text, sep=separator, header=None, nrows=1, dtype=str).iloc[0]
                text.seek(0)
                head = pd.read_csv(text, sep=separator, nrows=_HEAD, dtype=str)
                codes = [name for name, cells in head.items() if cells.str.fullmatch(_CODE).any()]
                text.seek(0)
                words = dict.fromkeys([*targets, *codes], str)
                frame = _stripped(pd.read_csv(text, sep=separator, low_memory=False, dtype=words), words)
                if none or (none is None and any(_has_gaps(column) for _, column in frame.items())):
                    text.seek(0)
                    spelled = pd.read_csv(text, sep=separator, dtype=str, keep_default_na=False)
                    _keep_none(frame, spelled.apply(lambda column: column.str.strip()) == _NONE, none)
        except UnicodeDecodeError:
            continue
        return frame, pd.Index(names.dropna())
    raise AssertionError("every byte is a character of Latin-1")


def _stripped(frame: pd.DataFrame, words: Mapping[str, type]) -> pd.DataFrame:
    """Return the rows without white space around the cells; columns that had some are read again."""
    for name, column in frame.items():
        if types.infer_dtype(column, skipna=True) != "string":
            continue
        bare = column.str.strip()
        if not bare.equals(column):
            text = io.StringIO(bare.to_csv(index=False))
            again = pd.read_csv(text, low_memory=False, dtype=words, skip_blank_lines=False)
            frame[name] = again.iloc[:, 0]
    return frame


def _has_gaps(column: Column) -> bool:
    """Return whether a column has words and gaps."""
    there = column.dropna()
    return 0 < len(there) < len(column) and types.infer_dtype(there) == "string"


def _keep_none(frame: pd.DataFrame, said: pd.DataFrame, none: Sequence[str] | None) -> None:
    """Restore the word ``None`` where it is a value; ``said`` marks its cells."""
    kept = none
    if kept is None:
        words = [name for name, column in frame.items() if _has_gaps(column)]
        words = [name for name in words if not _are_numbers(frame[name])]
        kept = [name for name in words if said[name].sum() >= frame[name].value_counts().iloc[0]]
    kept = [name for name in kept if name in frame]
    for name in kept:
        frame[name] = frame[name].astype(object).where(~said[name], _NONE)
    frame.attrs["none"] = kept


def _separator(head: str) -> str:
    line = head.split("\n", 1)[0]
    try:
        return csv.Sniffer().sniff(line, delimiters=_SEPARATORS).delimiter
    except csv.Error:  # the comma is the default, also without any separator
        return max(_SEPARATORS, key=line.count)


def as_numbers(column: Column, form: Form | None = None) -> Column:
    """Return the numbers or hours of texts; the column, if they have no form or one of them is no number."""
    if types.is_numeric_dtype(column) or not (form := form or Form.of(column, 1)):
        return column
    found = form.read(column)
    return column if form.kind in ("date", "truth value") or form.lost(column, found) else found


def _are_numbers(column: Column, form: Form | None = None) -> bool:
    return bool(types.is_numeric_dtype(as_numbers(column, form)))


# --- the task ---


def _names(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(given)


@attrs.frozen(kw_only=True)
class Task:
    """The targets of a model and the columns of a file from which it predicts."""

    targets: tuple[str, ...] = attrs.field(converter=_names)
    inputs: tuple[str, ...] = attrs.field(converter=_names)
    classes: bool = False
    pictures: str = ""
    """The column that names the files of pictures; empty for a table."""
    shape: tuple[int, ...] = attrs.field(default=(), converter=tuple)
    """Height, width and components of the pictures."""
    none: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    """Columns in which the word ``None`` is a value."""
    spelled: bool = False
    """Whether the classes are texts as they are written in a file: ``2.10`` is not ``2.1``."""
    forms: dict[str, Form] = attrs.field(factory=dict, converter=restored)
    """The form of targets that are texts of numbers."""

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        targets: Sequence[str],
        *,
        drop: Sequence[str] = (),
        classes: bool | None = None,
        others: Sequence[str] = (),
    ) -> Task:
        """Return the task that options describe.

        Parameters
        ----------
        others
            Columns that other options name, which must be there.
        classes
            ``None``: classes if the target has words, truth values, or at most 20 different whole numbers
            that most values share.

        Raises
        ------
        UsageError
            For a missing column, a target that is given twice or dropped, if no column is left to predict
            from, or if nearly every row has a class of its own.
        """
        known = list(frame.columns)
        named = [*targets, *drop]
        for name in [*named, *others]:
            if name not in known:
                raise UsageError(no_column(name, known))
            if name in targets and named.count(name) > 1:
                where = "to --target and to --drop" if name in drop else "to --target twice"
                raise UsageError(f"the column {name!r} is given {where}; give it once")
        forms = {name: form for name in targets if (form := Form.of(frame[name]))}
        forms = {name: form for name, form in forms.items() if form.kind != "truth value"}  # two classes
        for name in targets:
            if types.is_datetime64_any_dtype(frame[name]) or (name in forms and forms[name].kind == "date"):
                raise UsageError(
                    f"the target {name!r} holds dates, which are neither numbers nor classes; "
                    "give days or seconds as numbers"
                )
        inputs = [name for name in known if name not in named]
        pictures, shape = frame.attrs.get("pictures", ""), frame.attrs.get("shape", ())
        if pictures:
            inputs = _only_pictures(inputs, pictures, shape)
        if not inputs:
            raise UsageError("no column is left to predict from")
        different = frame[targets[0]].nunique()
        too_many = different > max(_FEW, len(frame) // 2)
        if classes is None:
            form = forms.get(targets[0])
            column = form.read(frame[targets[0]]) if form else frame[targets[0]]
            classes = len(targets) == 1 and are_classes(column)
            if len(targets) == 1:
                _note_kind(targets[0], column, classes)
        if classes and len(targets) > 1:
            raise UsageError("--classify takes one target; fit a model for each")
        if classes and too_many:
            raise UsageError(
                f"the target {targets[0]!r} has {different:,} different values in {len(frame):,} rows; "
                "these are too many to learn as classes; choose another --target"
            )
        for name in () if classes else forms:
            note_numbers(frame[name], name, forms[name])
        return cls(
            targets=targets,
            inputs=inputs,
            classes=classes,
            pictures=pictures,
            shape=shape,
            none=frame.attrs.get("none", ()),
            spelled=classes and not types.is_numeric_dtype(frame[targets[0]]),
            forms={} if classes else forms,
        )

    def with_targets(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a file with the targets that it has as numbers, or as classes of this task."""
        for name in self.targets:
            if name in frame and not self.spelled:
                frame[name] = as_numbers(frame[name], self.forms.get(name))
            elif name in frame and types.is_numeric_dtype(frame[name]):
                frame[name] = frame[name].map(str, na_action="ignore")
        return frame

    def rows(self, frame: pd.DataFrame, path: Path) -> pd.DataFrame:
        """Return the columns to predict from; ``DataError`` when one is missing."""
        inputs = [*self.inputs, *images.pixels(self.shape)] if self.pictures else self.inputs
        return _columns(frame, inputs, path, "which the model needs")

    def answers(self, frame: pd.DataFrame, path: Path) -> Any:
        """Return the targets, ``(rows,)`` or ``(rows, targets)``.

        Raises
        ------
        DataError
            When a target is missing, has gaps, or has words where numbers are needed.
        """
        found = _columns(frame, self.targets, path, "which holds what is to be predicted")
        for name, column in found.items():
            gone = np.flatnonzero(column.isna())
            if len(gone):
                raise DataError(
                    f"{path}: the target {name!r} is missing in {len(gone):,} of {len(column):,} rows, first "
                    f"in row {column.index[gone[0]]}; leave these rows out, or give --skip-missing"
                )
            wild = np.isinf(column) if types.is_float_dtype(column) else column.isna()
            if wild.any():
                raise DataError(
                    f"{path}: the target {name!r} has infinity, or a number above 1e308, in row "
                    f"{column.index[wild.argmax()]}; correct it"
                )
            if not self.classes and not types.is_numeric_dtype(column):
                form = self.forms.get(name, Form("number"))
                bad = form.lost(column, form.read(column)) or [*range(len(column))]
                skip = ", or give --skip-missing" * (name in self.forms)
                some = f"{quantity(len(bad), 'cell')} that {'is' if len(bad) == 1 else 'are'} no"
                raise DataError(
                    f"{path}: the target {name!r} has {some} {form.what(len(bad))} "
                    f"({first_cells(column, bad)}); correct or remove these rows{skip}; "
                    "a fit with --classify predicts words"
                )
        values = found.to_numpy()
        return values[:, 0] if len(self.targets) == 1 else values


def _only_pictures(inputs: list[str], pictures: str, shape: tuple[int, ...]) -> list[str]:
    """Return the column of names; other inputs beside pictures are refused, except the folder of a target."""
    others = set(inputs) - {pictures, images.FOLDER, *images.pixels(shape)}
    if others:
        raise UsageError(f"column {min(others)!r} cannot be an input beside pictures; add it to --drop")
    if pictures not in inputs:
        raise UsageError(f"the column {pictures!r} names the pictures, which are the inputs; do not drop it")
    return [pictures]


def _columns(frame: pd.DataFrame, names: Sequence[str], path: Path, what: str) -> pd.DataFrame:
    gone = [name for name in names if name not in frame]
    if gone:
        hint = did_you_mean(gone[0], frame.columns)
        raise DataError(sentences(f"{path}: no column {gone[0]!r}, {what}.", hint))
    return frame[list(names)]


def _whole_numbers(column: Column) -> Any:
    """Return the different values of a column of few whole numbers, ascending; none of another one."""
    there = column.dropna()
    different = np.sort(there.unique())
    few = len(different) <= min(_FEW, max(len(there) // 10, 2))
    return different if few and not (different % 1 != 0).any() else different[:0]


def _note_kind(name: str, column: Column, classes: bool) -> None:
    """Note how a target of more than two whole numbers is read, and the option that changes it."""
    if not types.is_numeric_dtype(column) or types.is_bool_dtype(column):
        return
    if (count := len(_whole_numbers(column))) > 2:
        read = "classes; --regress predicts a number" if classes else "numbers; --classify predicts a class"
        note = f"the target {name!r} has {count} different whole numbers, read as {read}"
        warnings.warn(note, ColumnNote, stacklevel=3)


def check_variety(targets: pd.DataFrame, path: Path, *, classes: bool) -> None:
    """Note targets of which one value has nearly all rows.

    Raises
    ------
    DataError
        For a single class.
    """
    for name, column in targets.items():
        counts = column.value_counts()
        if classes and len(counts) == 1:
            raise DataError(f"{path}: the target {name!r} has one class only, {counts.index[0]!r}")
        if len(column) and counts.max() > _SAME * len(column):
            value, rows = counts.index.tolist()[0], f"{counts.max():,} of {len(column):,} rows"
            note = f"the target {name!r} is {value!r} in {rows}: there is little to learn"
            warnings.warn(note, ColumnNote, stacklevel=3)


def are_classes(column: Column) -> bool:
    """Return whether values look like classes: words, truth values, or few whole numbers."""
    if not types.is_numeric_dtype(column) or types.is_bool_dtype(column):
        return True
    different = _whole_numbers(column)
    if not len(different):
        return False
    # 0 or 1 and consecutive numbers are codes of classes rather than counts.
    return len(different) == 2 or (different[0] in (0, 1) and bool((np.diff(different) == 1).all()))
