"""The directory of a sweep, which can be gone on with.

::

    sweep.json    what is varied, the configuration, a row for each point that is done, failures, seconds
    sweep.csv     the rows as a table
    checkpoints/  the network of the last point that was done, where the next one begins
    plots/        pictures
    lock          held by the process that changes it
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lior.errors import RunError
from lior.runs import bundle, files
from lior.runs import folder as runfolder
from lior.runs.folder import RunFolder
from lior_ritz.continuation import Start
from lior_ritz.rundir import SWEEP
from lior_ritz.seeds import over_seeds
from lior_ritz.sweep import Keeper, Plan, Point, Row, in_order

FORMAT = bundle.Format(program="lior-ritz sweep", version=1)
_MANIFEST, _TABLE = SWEEP, "sweep.csv"


class SweepDir(Keeper):
    """Rows that are written as soon as they are there; :meth:`close` it in the end."""

    def __init__(self, path: Path, plan: Plan) -> None:
        """Make the directory, or go on with the one of the same sweep.

        Raises
        ------
        RunError
            When there is something else, a sweep of another configuration, or another process that has it.
        """
        super().__init__()
        self.path, self.plan = path, plan
        self._identity = json.loads(json.dumps(plan.identity()))
        self._order = {point.index: number for number, point in enumerate(plan.points)}
        if (path / _MANIFEST).is_file():
            self._reopen()
        else:
            self._folder = RunFolder.create(path, {_MANIFEST: self._manifest()})

    def _reopen(self) -> None:
        self._folder = RunFolder.open(self.path)
        try:
            found = _read(self.path / _MANIFEST)
            if difference := _difference(found["sweep"], self._identity):
                raise RunError(
                    f"{self.path}: holds another sweep ({difference}); repeat the command as it was, or give "
                    "another --out"
                )
            self.rows = {row["index"]: row for row in found["points"]}
            self.failures = {row["index"]: row for row in found["failures"]}
            self.starts = self._kept_starts()
        except BaseException:
            self._folder.close()
            raise

    def _kept_starts(self) -> dict[tuple[int, ...], tuple[int, Start]]:
        """What points handed on; where that is lost, training begins anew."""

        def load(place: Path) -> dict[tuple[int, ...], tuple[int, Start]]:
            manifest, groups = bundle.read(place, format=FORMAT)
            with bundle.misfits_as_run_errors(place, program=FORMAT.program):
                return {
                    tuple(kept["symmetry"]): (kept["index"], Start.restored(groups[name], kept["start"]))
                    for name, kept in manifest["starts"].items()
                }

        try:
            found, self._folder.newest = runfolder.newest(self.path, load)
        except RunError:
            return {}
        return found

    def add(self, point: Point, row: Row, start: Start) -> None:
        """Write a point that is done; raises ``RunError`` when that is not possible."""
        super().add(point, row, start)
        try:
            self._keep_starts(1 + self._order[point.index])
            self._write()
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written: {error.strerror or error}; free some space and repeat"
            ) from error

    def _keep_starts(self, number: int) -> None:
        """Write what points handed on, unless a later point than this, the ``number``-th, has."""
        newest = self._folder.newest
        if newest is not None and runfolder.number(newest) >= number:
            return
        groups, kept = {}, {}
        for symmetry, (index, start) in self.starts.items():
            name = f"start-{index}"
            groups[name], numbers = start.snapshot()
            kept[name] = {"symmetry": list(symmetry), "index": index, "start": numbers}
        self._folder.write(number, lambda place: bundle.write(place, groups, {"starts": kept}, format=FORMAT))
        self._folder.prune(last=1)

    def fail(self, point: Point, row: Row) -> None:
        """Write that a point failed."""
        super().fail(point, row)
        self._write()

    def _write(self) -> None:
        files.write_text(self.path / _TABLE, table(in_order(self.rows)))
        files.write_text(self.path / _MANIFEST, self._manifest())

    def _manifest(self) -> str:
        return json.dumps(summary(self.plan, self), indent=1) + "\n"

    def close(self) -> None:
        """Let others change it."""
        self._folder.close()


def summary(plan: Plan, keeper: Keeper) -> dict[str, Any]:
    """A sweep, ready for JSON."""
    rows = in_order(keeper.rows)
    return {
        "format": FORMAT.version,
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
        lists = (
            {f"{name}_by_{option}": each for option, each in value.items()} if isinstance(value, dict) else {}
        )
        if isinstance(value, list):
            lists = {name: value}
        flat |= {f"{stem}_{k}": number for stem, each in lists.items() for k, number in enumerate(each)}
        if not isinstance(value, list | dict):
            flat[name] = value
    return flat


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT.version:
            raise RunError(f"{path}: of format {found['format']}; this lior-ritz reads {FORMAT.version}")
        _ = found["sweep"]["axes"], found["points"], found["failures"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read as a sweep ({error!r}); give another --out") from error
    return dict(found)


def _difference(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first thing in which two sweeps differ, in words; empty when they are the same."""
    ours = [(axis["name"], axis["values"]) for axis in now["axes"]]
    theirs = [(axis["name"], axis["values"]) for axis in there["axes"]]
    if ours != theirs:
        return f"over {_axes(theirs)} there, {_axes(ours)} now"
    if there["warm"] != now["warm"]:
        return "one of both with --cold"
    old, new = there["config"], now["config"]
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            return f"{name} is {old.get(name)!r} there, {new.get(name)!r} now"
    return ""


def _axes(axes: list[tuple[str, list[float]]]) -> str:
    return ", ".join(f"{name} from {values[0]:g} to {values[-1]:g} in {len(values)}" for name, values in axes)
