"""Seconds, memory and disk of archives and of counts in memory, by the size of the text: table and picture.

    python -m lior_bench.growing TEXT.jsonl [--megabytes 1 10 100] [--counted 30] [--save FOLDER]

Each size is a prefix of the text, or the text several times; a command of its own makes the archive, and up
to ``--counted`` megabytes another trains recipe ``fast``. Memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lior.plots import figures
from lior.plots.panels import Curve, LineChart, Picture

LIOR = str(Path(sys.executable).with_name("lior"))
_ARCHIVE, _COUNTS = "archive", "counts in memory (fast)"


class Cost(NamedTuple):
    """Of one command."""

    kind: str
    bytes: int
    """Of the text."""
    seconds: float
    memory: int
    """Resident bytes of the largest process."""
    disk: int
    """Bytes that it wrote."""


def texts(source: Path, folder: Path, size: int) -> list[str]:
    """Files of together about ``size`` bytes."""
    whole = source.stat().st_size
    if size >= whole:
        links = [folder / f"{number:03}.jsonl" for number in range(round(size / whole))]
        for link in links:
            link.symlink_to(source.resolve())
        return [str(link) for link in links]
    part = folder / "part.jsonl"
    with source.open("rb") as lines, part.open("wb") as out:
        for line in lines:
            if out.tell() >= size:
                break
            out.write(line)
    return [str(part)]


def measured(kind: str, command: Sequence[str], given: Sequence[str], out: Path) -> Cost:
    """What a command costs that writes the folder ``out``."""
    began = time.perf_counter()
    child = subprocess.Popen([LIOR, *command, "--quiet"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"exit code {child.returncode}: lior {' '.join(command)}")
    disk = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    size = sum(Path(path).stat().st_size for path in given)
    return Cost(kind, size, seconds, usage.ru_maxrss * 1024, disk)


def costs(source: Path, megabytes: Sequence[float], counted: float, workers: int) -> Iterator[Cost]:
    """Of each size, of the archive and of counts."""
    for size in megabytes:
        with tempfile.TemporaryDirectory(dir=source.parent) as name:
            folder = Path(name)
            given = texts(source, folder, int(size * 1e6))
            made = ["archive", str(folder / "archive"), *given, "--workers", str(workers)]
            yield measured(_ARCHIVE, made, given, folder / "archive")
            if size <= counted:
                trained = ["train", *given, "--config", "fast", "--out", str(folder / "run")]
                yield measured(_COUNTS, trained, given, folder / "run")


def picture(found: Sequence[Cost]) -> Picture:
    """Time, memory and disk by the size of the text."""

    def chart(title: str, unit: str, number: Callable[[Cost], float]) -> LineChart:
        curves = [
            Curve(
                name=kind,
                x=[cost.bytes / 1e6 for cost in found if cost.kind == kind],
                y=[number(cost) for cost in found if cost.kind == kind],
            )
            for kind in dict.fromkeys(cost.kind for cost in found)
        ]
        return LineChart(title=title, x_label="text, MB", y_label=unit, curves=curves, log_x=True, log_y=True)

    panels = [
        chart("time", "ns a byte", lambda cost: 1e9 * cost.seconds / cost.bytes),
        chart("memory of the largest process", "GB", lambda cost: cost.memory / 1e9),
        chart("disk", "bytes a byte", lambda cost: cost.disk / cost.bytes),
    ]
    return Picture(name="scale", title="what a text costs, by its size", panels=panels, columns=3)


def main() -> None:
    """Measure, print, and draw."""
    parser = argparse.ArgumentParser(prog="python -m lior_bench.growing", description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 10, 100])
    parser.add_argument("--counted", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--save", type=Path)
    given = parser.parse_args()
    found = []
    print("| what | text, MB | s | ns a byte | memory, GB | disk, bytes a byte |\n|---|---|---|---|---|---|")
    for cost in costs(given.text, given.megabytes, given.counted, given.workers):
        found.append(cost)
        kind, size, seconds, memory, disk = cost
        row = [kind, f"{size / 1e6:,.0f}", f"{seconds:,.1f}", f"{1e9 * seconds / size:,.0f}"]
        print("|", " | ".join([*row, f"{memory / 1e9:.2f}", f"{disk / size:.1f}"]), "|", flush=True)
    if given.save:
        figures.write(picture(found), given.save, ("png",))


if __name__ == "__main__":
    main()
