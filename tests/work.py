"""The amount of work of a call, counted and not timed: the same number on a busy machine."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType, SimpleNamespace
from typing import Any

_HANGS = 900
"""The timeout after which a process counts as hanging, in seconds: normally it takes one or two."""


def work(function: Callable[[], object]) -> int:
    """Count the calls of Python and C functions while a function runs in this thread.

    Parameters
    ----------
    function
        A function without arguments; its result is dropped.

    Returns
    -------
    int
        The number of calls; those of other threads and processes are not counted.
    """
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


def count_lines(function: Callable[[], object]) -> int:
    """Count the lines of Python that a function executes in this thread; lines of loops count each time."""
    lines = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines


_listening: list[list[str]] = []
"""Lists of :func:`opened` that are being filled; an audit hook of Python cannot be removed."""


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        for listening in _listening:
            listening.append(str(arguments[0]))


sys.addaudithook(_note)


def opened(function: Callable[[], object]) -> list[str]:
    """Return the paths of the files that a function opens in this process."""
    found: list[str] = []
    _listening.append(found)
    try:
        function()
    finally:
        _listening.remove(found)
    return found


def ticking(step: float = 1.0) -> SimpleNamespace:
    """Return a module ``time`` whose clock advances by ``step`` seconds at every reading."""
    clock: Iterator[float] = count(0.0, step)
    return SimpleNamespace(perf_counter=lambda: next(clock), monotonic=lambda: next(clock))


def finish(code: str, *arguments: str) -> str:
    """Run Python code in a process of its own, which may take long but must end; return what it prints.

    It is for regular expressions, whose work cannot be counted: one with heavy backtracking takes for ever.
    """
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=_HANGS)
    return done.stdout
