"""Values on a rectangular grid, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from lior.errors import UsageError

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

LARGEST = 4_000_000
"""Nodes of a grid."""


def read_grid(path: str, extent: tuple[float, ...]) -> tuple[list[Array], Array]:
    """Nodes of each axis, ascending, and the values on their grid, ``[nx]`` or ``[nx, ny]``.

    Parameters
    ----------
    path
        A ``.npy``, ``.csv`` or ``.txt`` file of the columns ``x V`` or ``x y V``, or of values alone.
    extent
        First and last x, and y, of a file that has values alone; empty for one of columns.

    Raises
    ------
    UsageError
        When the file cannot be read, is too large, or has no complete grid of finite numbers.
    """
    if not path:
        raise UsageError("path must be given: a file with the potential's values")
    table = _load(Path(path))
    if table.size > 3 * LARGEST:
        raise UsageError(f"path: {path!r} has {table.size} numbers; allowed are {3 * LARGEST}")
    if not np.isfinite(table).all():
        raise UsageError(f"path: {path!r} has values that are no finite numbers")
    if extent:
        return _spread(path, table, extent)
    if table.ndim != 2 or table.shape[1] not in (2, 3):
        raise UsageError(
            f"path: {path!r} has an array of {list(table.shape)}; allowed are the columns x V or x y V, or "
            f"with extent the values alone"
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


def _spread(path: str, table: Array, extent: tuple[float, ...]) -> tuple[list[Array], Array]:
    values = table[:, 0] if table.ndim == 2 and table.shape[1] == 1 else table
    if values.ndim not in (1, 2) or len(extent) != 2 * values.ndim:
        raise UsageError(
            f"extent has {len(extent)} numbers for the array {list(values.shape)} of {path!r}; allowed are "
            f"the first and last x of [nx], or x and y of [nx, ny]"
        )
    ends = list(zip(extent[::2], extent[1::2], strict=True))
    if any(not (np.isfinite(low) and np.isfinite(high) and low < high) for low, high in ends):
        raise UsageError(f"extent = {list(extent)}: allowed is a first coordinate below the last one")
    return [
        np.linspace(low, high, size) for (low, high), size in zip(ends, values.shape, strict=True)
    ], values


def _load(path: Path) -> Array:
    """The numbers in a file, with columns in the order ``x y V``."""
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
    rows = [line.replace(",", " ").replace(";", " ").split() for line in lines if not line.startswith("#")]
    if not rows:
        raise UsageError(f"path: {path!r} is empty")
    names = None if all(map(_is_number, rows[0])) else rows.pop(0)
    if len({len(row) for row in rows}) != 1:
        raise UsageError(f"path: {path!r} has lines of different lengths, or none but a header")
    table = np.array(rows, dtype=np.float64)
    if names is None:
        return table
    order = ["x", "y", "v"] if len(names) == 3 else ["x", "v"]
    given = [name.strip('"').lower() for name in names]
    if sorted(given) != sorted(order):
        raise UsageError(
            f"path: {path!r} has the columns {' '.join(names)!r}; allowed are x V or x y V, with their "
            f"units in length_unit and energy_unit"
        )
    return table[:, [given.index(name) for name in order]]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
