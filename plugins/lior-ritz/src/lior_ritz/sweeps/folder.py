"""The directory of a sweep: ``sweep.json`` (what was varied, a row a point, failures), ``sweep.csv`` (the
rows as a table) and ``plots/``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from lior.errors import RunError
from lior.runs import write_text
from lior_ritz.sweeps.sweep import Row


def write(path: Path, name: str, report: Row, rows: list[Row]) -> list[Path]:
    """Write ``report`` as ``name.json`` and ``rows`` as ``name.csv``; returns the files.

    Raises ``RunError`` when that is not possible.
    """
    contents = {f"{name}.json": json.dumps(report, indent=1) + "\n", f"{name}.csv": table(rows)}
    try:
        for file, text in contents.items():
            write_text(path / file, text)
    except OSError as error:
        why = error.strerror or error
        raise RunError(f"{path}: cannot be written: {why}; free some space and repeat") from error
    return [path / file for file in contents]


def table(rows: list[Row]) -> str:
    """Rows as CSV, a column for each number of a list; what is not known is left empty."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    """A row without lists: ``E_meV_0`` is the first number of ``E_meV``."""
    flat: dict[str, Any] = dict(row["values"])
    for name, value in row.items():
        if name in ("index", "values", "set"):
            continue
        named = {name: value}
        if isinstance(value, dict):
            named = {f"{name}_by_{by}": each for by, each in value.items()}
        for stem, each in named.items():
            many = isinstance(each, list)
            flat |= {f"{stem}_{k}": number for k, number in enumerate(each)} if many else {stem: each}
    return flat
