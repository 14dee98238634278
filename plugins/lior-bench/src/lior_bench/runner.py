"""The loop over all systems and texts, one after the other."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs

from lior.errors import Interrupted, LiorError, RunError
from lior_bench import datasets, report
from lior_bench.children import Unmeasured
from lior_bench.datasets import BenchText
from lior_bench.results import ResultRow, Results, orderings
from lior_bench.systems import System, recipe_name, systems

QUICK_BYTES = 200_000
"""The length to which a quick comparison cuts a text, in bytes."""

JSON_NAME = "bench.json"

_PACKAGES = ("lior", "torch", "numpy", "pyppmd", "zstandard", "zpaq", "matplotlib")
_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")

Progress = Callable[[str], None]


class OrderingError(LiorError):
    """An ordering of systems that must hold does not."""


@attrs.frozen(kw_only=True)
class BenchSettings:
    """The systems and texts of a comparison."""

    paths: tuple[str, ...]
    """The paths of the texts; empty: the embedded text."""
    recipes: tuple[str, ...]
    baselines: tuple[str, ...]
    seeds: int
    quick: bool
    field: str
    """The key of the text in JSON Lines."""
    command: str
    """The command of the user, for the report."""
    check_orderings: bool = False


def bench(settings: BenchSettings, out: Path, progress: Progress) -> Results:
    """Measure, and write ``bench.json``, ``bench.md`` and ``bench.png`` to ``out``.

    Parameters
    ----------
    out
        Directory, new or empty.
    progress
        A function that is called with each line of progress.

    Raises
    ------
    LiorError
        For texts that cannot be read and a directory that cannot be used.
    Interrupted
        On Ctrl-C; what was measured is kept.
    """
    _create(out)
    with tempfile.TemporaryDirectory(prefix="lior-bench-") as folder:
        limit = QUICK_BYTES if settings.quick else 0
        found = datasets.prepare(settings.paths, Path(folder), field=settings.field, limit=limit)
        results = Results(out / JSON_NAME, _about(settings, found))
        try:
            results.save()
            for text in found:
                _measure_text(text, settings, results, progress)
        except KeyboardInterrupt:
            report.write(results, out)
            rows = sum(bool(row.runs) for row in results.rows.values())
            raise Interrupted(f"interrupted: {out} keeps the {rows} rows that were measured") from None
    results.complete = True
    if settings.check_orderings:
        results.orderings = orderings(results, [recipe_name(recipe) for recipe in settings.recipes])
    results.save()
    for note in report.write(results, out):
        progress(note)
    return results


def check(results: Results, progress: Progress) -> None:
    """Print the orderings.

    Raises
    ------
    OrderingError
        When an ordering does not hold.
    """
    broken = []
    for ordering in results.orderings:
        sides = ("{system} {mode} ({bits_per_byte})".format(**ordering[side]) for side in ("better", "worse"))
        line = f"{' < '.join(sides)} on {ordering['text']}"
        if ordering["holds"] is False:
            broken.append(line)
        else:
            progress(f"{'holds' if ordering['holds'] else 'not checked'}: {line}")
    if broken:
        raise OrderingError(f"an ordering does not hold: {'; '.join(broken)}")


def _create(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        empty = not any(out.iterdir())
    except OSError as error:
        raise RunError(f"{out}: cannot be written: {error.strerror}; give another --out") from error
    if not empty:
        raise RunError(f"{out}: the directory is not empty; nothing was touched; give another --out")


def _measure_text(text: BenchText, settings: BenchSettings, results: Results, progress: Progress) -> None:
    progress(f"{text.name}: {text.split:,} bytes to learn, {text.scored:,} to score")
    for system in systems(text, settings.recipes, settings.baselines, results, quick=settings.quick):
        for seed in range(settings.seeds) if system.random else [None]:
            _measure(system, text, seed, results, progress)


def _measure(system: System, text: BenchText, seed: int | None, results: Results, progress: Progress) -> None:
    waiting = system.keys(text)
    try:
        for run in system.measure(seed):
            progress(_line(results.add(waiting[0], run)))
            waiting.pop(0)
    except Unmeasured as fault:
        for key in waiting:
            progress(_line(results.add_failure(key, fault, seed)))


def _line(row: ResultRow) -> str:
    if row.status != "ok":
        return f"  {row.key}: {row.status}: {row.reason}"
    run = row.runs[-1]
    seed = f", seed {run.seed}" if run.seed is not None else ""
    bits = run.numbers()["bits_per_byte"]
    return f"  {row.key}{seed}: {bits:.4f} bits per byte, {run.train_seconds + run.score_seconds:.3g} s"


def _about(settings: BenchSettings, found: Sequence[BenchText]) -> dict[str, Any]:
    return {
        "command": settings.command,
        "date": time.strftime("%Y-%m-%d %H:%M:%S%z"),
        "machine": machine(),
        "settings": {name: getattr(settings, name) for name in ("recipes", "baselines", "seeds", "quick")},
        "texts": [text.summary() for text in found],
    }


def machine() -> dict[str, Any]:
    """Return properties of the machine that affect the numbers: processor, cores, versions,
    thread settings.
    """
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
