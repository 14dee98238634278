"""A question to a folder with a good note and a hard file: time, memory, answer and messages."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from threading import Event, Thread

import attrs

from lior.process import python
from lior_bench.attack.cases import CASES, Case

NOTE = "The spare key of the greenhouse hangs behind the rain barrel.\n"
QUESTION = "Where is the spare key of the greenhouse?"
SECONDS, BYTES = 12.0, 700 << 20
"""The limits for each case: CPU seconds, and memory of all processes of the command in bytes."""
_PATIENCE = 120
"""The timeout of a command, in seconds."""


@attrs.frozen
class Outcome:
    """The outcome of a question beside one file."""

    file: str
    seconds: float
    """The CPU time in seconds."""
    memory: int
    """The largest sum of the resident memory of the processes, in bytes, sampled every 20 ms."""
    faults: tuple[str, ...]
    """The faults, a line each."""


def every_case() -> dict[str, Case]:
    """Return the cases of all modules that define some."""
    for module in ("packed", "plain"):
        import_module(f"lior_bench.attack.{module}")
    return CASES


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """Yield a line for each file that spoils an answer, after a printed line of figures for each.

    Nothing is random: ``seed`` and ``count`` have no effect.
    """
    for each in every_case().values():
        if (sample and not each.sample) or only not in each.file:
            continue
        outcome = attack(each)
        print(f"{outcome.file:40} {outcome.seconds:6.1f} s {outcome.memory >> 20:6} MB", flush=True)
        if outcome.faults:
            yield f"{outcome.file}: {'; '.join(outcome.faults)}"


def attack(case: Case) -> Outcome:
    """Ask beside the file of a case, in a folder and with a cache of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place, "folder"), Path(place, "cache")
        folder.mkdir()
        (folder / "garden.md").write_text(NOTE)
        made = case.make()
        files = made if isinstance(made, Mapping) else {case.file: made}
        for name, data in files.items():
            if isinstance(data, str):
                (folder / name).symlink_to(data)
            else:
                (folder / name).write_bytes(data)
        del made
        command = python("-m", "lior_cli.main", "ask", str(folder), QUESTION, "--verbose")
        environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
        begin = _seconds()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )
        ended, largest = Event(), [0]
        watch = Thread(target=_watch, args=(process.pid, ended, largest))
        watch.start()
        try:
            output, errors = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, errors = process.communicate()
        ended.set()
        watch.join()
        seconds = _seconds() - begin
    told = (each.decode("utf-8", "replace") for each in (output, errors))
    faults = [*_faults(case, len(files), process.returncode, *told)]
    faults += [f"{seconds:.1f} s"] * (seconds > SECONDS) + [f"{largest[0] >> 20} MB"] * (largest[0] > BYTES)
    return Outcome(case.file, seconds, largest[0], tuple(faults))


def _seconds() -> float:
    """Return the CPU seconds of this process's ended children and of their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _faults(case: Case, files: int, code: int, output: str, errors: str) -> Iterable[str]:
    if code:
        yield f"exit code {code}: {' '.join(errors.split())[-200:]}"
    if "Traceback" in errors:
        yield "a traceback"
    if NOTE.strip() not in output:
        yield "the good note is not found"
    left_out = errors.count("\nskipped ")
    if case.read and left_out:
        yield "an ordinary file is left out"
    read = re.search(r"^([\d,]+) files?, ", errors, re.MULTILINE)
    if not read or int(read[1].replace(",", "")) + left_out != files + 1:
        yield "neither read nor named"


def _watch(group: int, ended: Event, most: list[int]) -> None:
    """Record the largest total memory of the processes in a group."""
    page = os.sysconf("SC_PAGE_SIZE")
    while not ended.wait(0.02):
        used = 0
        for each in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = each.read_text(errors="replace").rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if int(fields[3]) == group:  # the session
                used += int(fields[21]) * page
        most[0] = max(most[0], used)
