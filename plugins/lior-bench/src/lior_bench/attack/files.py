"""Ask a folder with a good note and a hard file, and check time, memory, answer and messages.

The cases are in :mod:`~lior_bench.attack.packed` and :mod:`~lior_bench.attack.plain`.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lior.process import python
from lior_bench.attack.cases import CASES, Case

NOTE = "The spare key of the greenhouse hangs behind the rain barrel.\n"
QUESTION = "Where is the spare key of the greenhouse?"
SECONDS, BYTES = 12.0, 700 << 20
"""Maximum CPU seconds, and maximum bytes of memory, of all processes of the command."""
_PATIENCE = 120
"""Seconds after which a command that hangs is ended."""


def every_case() -> dict[str, Case]:
    """Return the cases of all modules that define some, by the name of the file."""
    from lior_bench.attack import packed, plain  # noqa: F401

    return CASES


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """Yield a line for each file that spoils an answer, and print a line of figures for each file.

    Nothing is drawn at random: ``seed`` and ``count`` are those of the other attacks and change nothing.
    """
    for each in every_case().values():
        if (sample and not each.sample) or only not in each.file:
            continue
        if faults := attack(each):
            yield f"{each.file}: {'; '.join(faults)}"


def attack(case: Case) -> list[str]:
    """Ask beside the file of a case, in a folder and with a cache of its own; return the faults."""
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place, "folder"), Path(place, "cache")
        folder.mkdir()
        (folder / "garden.md").write_text(NOTE)
        files = {case.file: made} if isinstance(made := case.make(), bytes) else made
        for name, data in files.items():
            if isinstance(data, str):
                (folder / name).symlink_to(data)
            else:
                (folder / name).write_bytes(data)
        del made
        command = python("-m", "lior_cli.main", "ask", str(folder), QUESTION, "--verbose")
        environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
        begin, memory, end = _seconds(), 0, time.monotonic() + _PATIENCE
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )
        told = None
        while told is None:
            try:
                told = process.communicate(timeout=0.02)
            except subprocess.TimeoutExpired:
                memory = max(memory, _memory(process.pid))
                if time.monotonic() > end:
                    os.killpg(process.pid, 9)
        seconds = _seconds() - begin
    print(f"{case.file:40} {seconds:6.1f} s {memory >> 20:6} MB", flush=True)
    output, errors = (each.decode("utf-8", "replace") for each in told)
    faults = [*_faults(case, len(files), process.returncode, output, errors)]
    faults += [f"{seconds:.1f} s"] * (seconds > SECONDS) + [f"{memory >> 20} MB"] * (memory > BYTES)
    return faults


def _seconds() -> float:
    """Return the CPU seconds of the ended children of this process, and of their children."""
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


def _memory(session: int) -> int:
    """Return the resident memory of all processes of a session, in bytes."""
    used = 0
    for each in (path for path in Path("/proc").iterdir() if path.name.isdigit()):
        with suppress(OSError):  # it has ended
            fields = (each / "stat").read_text(errors="replace").rpartition(")")[2].split()
            used += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") * (int(fields[3]) == session)
    return used
