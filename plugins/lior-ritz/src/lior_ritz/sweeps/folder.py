"""The directory of a sweep: ``sweep.json`` (what was varied, a row a point, failures), ``sweep.csv`` (the
rows as a table) and ``plots/``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from lior.errors import RunError
from lior.runs import files
from lior_ritz.runs.folder import SWEEP
from lior_ritz.sweeps.sweep import Answers, Row


def write(found: Answers, path: Path) -> list[Path]:
    """Write the numbers; ``RunError`` when that is not possible. Returns the files."""
    contents = {SWEEP: json.dumps(found.report(), indent=1) + "\n", "sweep.csv": table(found.rows)}
    try:
        for name, text in contents.items():
            files.write_text(path / name, text)
    except OSError as error:
        why = error.strerror or error
        raise RunError(f"{path}: cannot be written: {why}; free some space and repeat") from error
    return [path / name for name in contents]


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
        if isinstance(value, list | dict):
            lists = (
                {name: value}
                if isinstance(value, list)
                else {f"{name}_by_{by}": v for by, v in value.items()}
            )
            flat |= {f"{stem}_{k}": number for stem, each in lists.items() for k, number in enumerate(each)}
        else:
            flat[name] = value
    return flat
