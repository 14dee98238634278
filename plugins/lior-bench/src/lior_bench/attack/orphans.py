"""Commands that start processes, killed by ``kill -9``: these processes end within five seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random

from lior_bench.attack.making import notes, question, trained

_WITHIN, _PATIENCE = 5.0, 120.0
"""Seconds in which all end, and in which a command has to start a process."""
_PAGE = b"<html><body><p>The keeper of the fern lantern is Nora.</p></body></html>"


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """Kill one command of the sample, else each of ten thrice, or ``count`` times; yield what goes on."""
    random = Random(f"orphans {seed}")
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        for name, command in _commands(home, sample).items():
            for number in range(1 if sample else count or 3):
                if only in name:
                    for fault in _killed(command, home / f"{name} {number}", random):
                        yield f"seed {seed}, {name}, kill {number}: {fault}"


def _commands(home: Path, sample: bool) -> dict[str, list[str]]:
    """Ten commands that start processes: those that read files, compile, or work on parts."""
    folder = home / "notes"
    notes(folder)
    for number in range(9):
        (folder / f"{number}.html").write_bytes(_PAGE)
    ask = {"ask": ["ask", str(folder), question("amber"), "--no-cache"]}
    if sample:
        return ask
    run, book, table = str(trained(home / "run", folder)), str(home / "book.txt"), str(home / "table.csv")
    Path(book).write_text("".join(f"Line {n} is one of many, {n * n % 97}.\n" for n in range(150_000)))
    rows = (f"{n % 101},{n * 7 % 103},{n * n % 107}\n" for n in range(9_000))
    Path(table).write_text("a,b,y\n" + "".join(rows))
    made = lambda: str(home / uuid.uuid4().hex)  # noqa: E731
    return ask | {
        "sync": ["sync", str(folder), "--watch"],
        "serve": ["serve", str(folder), "--port", "0"],
        "mcp": ["mcp", str(folder)],
        "learn": ["learn", run, str(folder / "0.html")],
        "train": ["train", str(folder), "--out", made()],
        "eval": ["eval", run, book, "--online"],
        "archive": ["archive", made(), book, "--shard", str(1 << 20), "--workers", "2"],
        "table fit": ["table", "fit", table, "--target", "y", "--workers", "2", "--out", made()],
        "ritz sweep": ["ritz", "sweep", "--network", "--vary", "training.seed=1,2,3", "--workers", "2"],
    }


def _killed(command: list[str], cache: Path, random: Random) -> Iterator[str]:
    """Kill a command some time after it has started another process."""
    mark = uuid.uuid4().hex
    # What it compiles and indexes is not there yet, so that it does both.
    variables = {"XDG_CACHE_HOME": str(cache), "LIOR_EMBEDDER": "", "MARK": mark, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "lior_cli.main", *command]
    with (cache.parent / "printed").open("w+") as printed:
        process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=printed, stderr=printed, env=os.environ | variables
        )
        until = time.monotonic() + _PATIENCE
        while len(running(mark)) < 2 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(random.random() / 2)
        others = len(running(mark)) - 1
        process.kill()
        process.communicate()
        if others < 1:
            printed.seek(0)
            yield f"it started no process (code {process.returncode}): {printed.read()[-300:]}"
    until = time.monotonic() + _WITHIN
    while (left := running(mark)) and time.monotonic() < until:
        time.sleep(0.01)
    for each in left:
        yield f"{_WITHIN:.0f} s later: {Path(f'/proc/{each}/cmdline').read_text()[:200]!r}"
        os.kill(each, 9)


def running(mark: str) -> list[int]:
    """The processes that have the variable MARK of this value."""
    return [int(each.parent.name) for each in Path("/proc").glob("[0-9]*/environ") if mark in _read(each)]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it has ended, or is another user's
        return ""
