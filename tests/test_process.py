"""A child process ends with its parent, however the parent ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

_WITHIN = 60.0
"""The time in seconds in which all processes must end, on a machine however busy."""

WORKERS = """
from lior.workers import Workers
begun = "print('begun', flush=True)\\nwhile True: pass"
with Workers(2) as team:
    for _ in team.map(exec, [(begun,), (begun,)]):
        pass
"""
READER = """
import threading, time
from lior.reading import isolation
def start():
    isolation._idle.append(isolation._Worker())
thread = threading.Thread(target=start)
thread.start()
thread.join()
time.sleep(0.1)
assert isolation._idle[0].is_alive()  # it does not end with the thread that started it
print("begun", flush=True)
time.sleep(100)
"""
COMPILER = """
import time
from lior.compiling import compiled
compiled._PROGRAM = compiled._PROGRAM.partition("from importlib")[0] + (
    "import os, time; os.fork(); os.write(1, bytes([*b'begun', 10])); time.sleep(100)"
)
compiled.subprocess.DEVNULL = None
assert compiled._start()
time.sleep(100)
"""
HOLDER = """
import os, subprocess, sys, time
theirs, ours = os.pipe()
child = f'''
import sys
sys.platform = {sys.argv[1]!r}
from lior.process import end_with_parent
end_with_parent({theirs})
print("begun", flush=True)
{sys.argv[2]}
'''
subprocess.Popen([sys.executable, "-c", child], pass_fds=(theirs,))
time.sleep(100)
"""
HOLDS = "import re; re.match('(a+)+b', 'a' * 40)"
"""Code with a match that takes days and never lets another thread run."""


def running(mark: str) -> list[int]:
    """Return the ids of processes whose variable MARK has this value."""
    return [int(each.parent.name) for each in Path("/proc").glob("[0-9]*/environ") if mark in _read(each)]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it has ended, or is another user's
        return ""


@pytest.fixture
def mark() -> Iterator[str]:
    value = uuid.uuid4().hex
    yield value
    for process in running(value):
        os.kill(process, 9)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize(
    ("program", "arguments", "begun", "children"),
    [
        pytest.param(WORKERS, (), 2, 3, id="workers, and multiprocessing's resource tracker"),
        pytest.param(READER, (), 1, 1, id="a process that reads"),
        pytest.param(COMPILER, (), 2, 2, id="a process that compiles, and its copy"),
        pytest.param(HOLDER, ("linux", HOLDS), 1, 1, id="a library that holds the interpreter"),
        pytest.param(HOLDER, ("darwin", "import time; time.sleep(100)"), 1, 1, id="another system"),
    ],
)
def test_no_process_outlives_the_one_that_started_it(program, arguments, begun, children, mark):
    environment = os.environ | {"MARK": mark}
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert [parent.stdout.readline() for _ in range(begun)] == ["begun\n"] * begun
        assert len(running(mark)) == 1 + children
        parent.kill()
        parent.wait()
        end = time.monotonic() + _WITHIN
        while running(mark) and time.monotonic() < end:
            time.sleep(0.01)
        assert running(mark) == []
