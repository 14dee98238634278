"""Values on a rectangular grid, from a file."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lior.errors import UsageError
from lior_ritz.problem import AXES

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

LARGEST = 4_000_000
"""Nodes of a grid."""


class AssumedAxes(UserWarning):
    """The order of an array's axes was not given; the command line prints it as a note."""


def read_grid(path: str, extent: tuple[float, ...], axes: str) -> tuple[list[Array], Array]:
    """Nodes of each axis, ascending, and the values on their grid, ``[nx]`` to ``[nx, ny, nz]``.

    Raises ``UsageError`` when the file cannot be read, is too large, or has no complete grid of finite
    numbers, or ``axes`` does not name its indices.

    ``path``: a ``.npy``, ``.csv`` or ``.txt`` file of the columns ``x V``, ``x y V`` or ``x y z V``, or of
    values alone. ``extent``: first and last x, and y, and z, of a file that has values alone; empty for one
    of columns. ``axes``: which coordinate each index of such values is, the slowest first; ``""`` is the
    order in which runs write their arrays, ``yx`` or ``zyx``.
    """
    if not path:
        raise UsageError("path must be given: a file with the potential's values")
    table = _load(Path(path))
    if table.size > 4 * LARGEST:
        raise UsageError(f"path: {path!r} has {table.size} numbers; allowed are {4 * LARGEST}")
    if not np.isfinite(table).all():
        raise UsageError(f"path: {path!r} has values that are no finite numbers")
    if extent:
        return _spread(path, table, extent, axes)
    if axes:
        raise UsageError("axes is of values without coordinates: give extent as well, or leave it out")
    if table.ndim != 2 or table.shape[1] not in (2, 3, 4):
        raise UsageError(
            f"path: {path!r} has an array of {list(table.shape)}; allowed are the columns x V, x y V or "
            f"x y z V, or with extent the values alone"
        )
    nodes = [np.unique(column) for column in table.T[:-1]]
    shape = tuple(map(len, nodes))
    if len(table) != np.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise UsageError(f"path: {path!r} has {len(table)} lines, and a full grid of its coordinates {sizes}")
    at = tuple(np.searchsorted(axis, column) for axis, column in zip(nodes, table.T, strict=False))
    values = np.full(shape, np.nan)
    values[at] = table[:, -1]
    if np.isnan(values).any():
        raise UsageError(f"path: {path!r} has a node twice and another one not at all")
    return nodes, values


def _spread(path: str, table: Array, extent: tuple[float, ...], axes: str) -> tuple[list[Array], Array]:
    """Values alone, whose last index is x unless ``axes`` says otherwise."""
    values = table[:, 0] if table.ndim == 2 and table.shape[1] == 1 else table
    dim = values.ndim
    if dim not in (1, 2, 3) or len(extent) != 2 * dim:
        raise UsageError(
            f"extent has {len(extent)} numbers for the array {list(values.shape)} of {path!r}; allowed are "
            f"the first and last x, then y and z, two for each of its 1 to 3 indices"
        )
    names = AXES[:dim]
    if axes and sorted(axes) != sorted(names):
        raise UsageError(
            f"axes = {axes!r}: the array {list(values.shape)} of {path!r} needs each of {', '.join(names)} "
            f"once, the slowest index first, as in {names[::-1]!r}"
        )
    if not axes and dim > 1:
        _note_order(path, names)
    ends = list(zip(extent[::2], extent[1::2], strict=True))
    if any(not (np.isfinite(low) and np.isfinite(high) and low < high) for low, high in ends):
        raise UsageError(f"extent = {list(extent)}: allowed is a first coordinate below the last one")
    values = np.ascontiguousarray(values.transpose([(axes or names[::-1]).index(name) for name in names]))
    return [
        np.linspace(low, high, size) for (low, high), size in zip(ends, values.shape, strict=True)
    ], values


@cache  # a run builds its potential several times
def _note_order(path: str, names: str) -> None:
    assumed, other = names[::-1], names
    warnings.warn(
        f"potential.axes is not given: the indices of {path!r} are taken to be [{', '.join(assumed)}], as "
        f'runs write them; say axes = "{assumed}", or "{other}" for [{", ".join(other)}]',
        AssumedAxes,
        stacklevel=2,
    )


def _load(path: Path) -> Array:
    """The numbers in a file, with columns in the order ``x y z V``."""
    try:
        if path.suffix == ".npy":
            table = np.load(path, allow_pickle=False)
            if not isinstance(table, np.ndarray) or table.dtype.kind not in "iuf":
                raise UsageError(f"path: {str(path)!r} holds no array of real numbers")
            return np.asarray(table, dtype=np.float64)
        if path.suffix not in (".csv", ".txt"):
            raise UsageError(f"path: {str(path)!r} has another ending than .npy, .csv and .txt")
        if path.stat().st_size > 100 * LARGEST:
            raise UsageError(f"path: {str(path)!r} is larger than {100 * LARGEST} bytes")
        return _parse(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise UsageError(f"path: {str(path)!r} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"path: {str(path)!r} cannot be understood: {cause}") from None


def _parse(text: str, path: str) -> Array:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("#")]
    if not lines:
        raise UsageError(f"path: {path!r} is empty")
    comma = "." if ";" in lines[-1] else " "  # columns are parted by one of the two
    rows = [line.replace(",", comma).replace(";", " ").split() for line in lines]
    names = None if all(map(_is_number, rows[0])) else rows.pop(0)
    if len({len(row) for row in rows}) != 1:
        raise UsageError(f"path: {path!r} has lines of different lengths, or none but a header")
    table = np.array(rows, dtype=np.float64)
    if names is None:
        return table
    if len(names) != table.shape[1]:
        found = f"{len(names)} names of columns and {table.shape[1]} numbers on each line"
        raise UsageError(f"path: {path!r} has {found}; part columns with spaces, commas, or semicolons")
    order = [*AXES[: len(names) - 1], "v"]
    given = [name.strip('"').lower() for name in names]
    if sorted(given) != sorted(order):
        raise UsageError(
            f"path: {path!r} has the columns {' '.join(names)!r}; allowed are x V, x y V or x y z V, with "
            f"their units in length_unit and energy_unit"
        )
    return table[:, [given.index(name) for name in order]]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
