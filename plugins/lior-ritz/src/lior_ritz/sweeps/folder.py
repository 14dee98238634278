"""The directory of a sweep, which can be gone on with: ``sweep.json`` (what is varied, a row for each point
that is done, failures), ``sweep.csv`` (the rows as a table) and ``plots/``."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lior.errors import RunError
from lior.runs import files
from lior.runs.folder import RunFolder
from lior_ritz.runs.folder import SWEEP
from lior_ritz.sweeps.seeds import over_seeds
from lior_ritz.sweeps.sweep import Keeper, Plan, Point, Row, in_order

FORMAT = 2
_EVERY = 2.0
"""Seconds between two writings."""


class SweepDir(Keeper):
    """Rows that are written as they come; :meth:`close` it in the end."""

    def __init__(self, path: Path, plan: Plan) -> None:
        """Make the directory, or go on with the one of the same sweep.

        Raises
        ------
        RunError
            When there is something else, a sweep of another configuration, or another process that has it.
        """
        super().__init__()
        self.path, self.plan, self._written = path, plan, time.monotonic()
        if not (path / SWEEP).is_file():
            self._folder = RunFolder.create(path, {SWEEP: self._manifest()})
            return
        self._folder = RunFolder.open(path)
        try:
            found = _read(path / SWEEP)
            if difference := _difference(found["sweep"], json.loads(json.dumps(plan.identity()))):
                raise RunError(
                    f"{path}: holds another sweep ({difference}); repeat the command as it was, or give "
                    "another --out"
                )
            self.rows = {row["index"]: row for row in found["points"]}
            self.failures = {row["index"]: row for row in found["failures"]}
        except BaseException:
            self._folder.close()
            raise

    def add(self, point: Point, row: Row) -> None:
        """Keep a point that is done, and write it soon."""
        super().add(point, row)
        if time.monotonic() - self._written > _EVERY:
            self._write()

    def _write(self) -> None:
        try:
            files.write_text(self.path / "sweep.csv", table(in_order(self.rows)))
            files.write_text(self.path / SWEEP, self._manifest())
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written: {error.strerror or error}; free some space and repeat"
            ) from error
        self._written = time.monotonic()

    def _manifest(self) -> str:
        return json.dumps(summary(self.plan, self), indent=1) + "\n"

    def close(self) -> None:
        """Write what there is, and let others change it; ``RunError`` when it cannot be written."""
        try:
            self._write()
        finally:
            self._folder.close()


def summary(plan: Plan, keeper: Keeper) -> dict[str, Any]:
    """A sweep, ready for JSON."""
    rows = in_order(keeper.rows)
    return {
        "format": FORMAT,
        "sweep": plan.identity(),
        "points": rows,
        "failures": in_order(keeper.failures),
        "missing": len(plan.points) - len(rows),
        "seeds": over_seeds(plan.axes, rows),
        "seconds": sum(row["seconds"] for row in rows),
        "steps": sum(row["steps"] for row in rows),
    }


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


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise RunError(f"{path}: of format {found['format']}; this lior-ritz reads {FORMAT}")
        _ = found["sweep"]["axes"], found["points"], found["failures"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read as a sweep ({error!r}); give another --out") from error
    return dict(found)


def _difference(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first thing in which two sweeps differ, in words; empty when they are the same."""
    old, new = ([(axis["name"], axis["values"]) for axis in each["axes"]] for each in (there, now))
    if old != new:
        return f"over {_axes(old)} there, {_axes(new)} now"
    then, here = there["config"], now["config"]
    names = (name for name in dict.fromkeys([*then, *here]) if then.get(name) != here.get(name))
    return next((f"{name} is {then.get(name)!r} there, {here.get(name)!r} now" for name in names), "")


def _axes(axes: list[tuple[str, list[float]]]) -> str:
    return ", ".join(f"{name} from {values[0]:g} to {values[-1]:g} in {len(values)}" for name, values in axes)
