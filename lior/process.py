"""Processes: the memory of this one, its end with its parent, and children that import no found code."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Lock, Thread

__all__ = [
    "available_bytes",
    "end_with_parent",
    "environment_of_user",
    "peak_bytes",
    "python",
    "shield_children",
    "shielded_children",
]


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far, in bytes.

    Without ``/proc`` it is the value of ``getrusage``, which may include that of the parent process.
    """
    with contextlib.suppress(OSError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_bytes() -> int:
    """Return the bytes of memory that the system can provide, including its disk cache."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def python(*arguments: str) -> list[str]:
    """Return the command of a Python child that imports nothing from the working directory.

    Without ``-P``, Python puts that directory before its own modules for ``-c`` and ``-m``.
    """
    return [sys.executable, "-P", *arguments]


def shield_children() -> None:
    """Keep the working directory out of the imports of all Python processes below this one.

    The variable also reaches the children that libraries start, which no option of :func:`python` does.
    """
    os.environ[_SAFE_PATH] = "1"


@contextlib.contextmanager
def shielded_children() -> Iterator[None]:
    """Context manager: do the same for processes that start in this block, then restore the environment."""
    with _shielding:
        before = os.environ.get(_SAFE_PATH)
        shield_children()
        try:
            yield
        finally:
            if before is None:
                del os.environ[_SAFE_PATH]
            else:
                os.environ[_SAFE_PATH] = before


def environment_of_user() -> dict[str, str]:
    """Return the environment for a program of the user's choice, whose Python keeps its own rule."""
    return {name: value for name, value in os.environ.items() if name != _SAFE_PATH} | _GIVEN


_SAFE_PATH = "PYTHONSAFEPATH"
"""An environment variable of Python; any value but the empty one has the effect of ``-P``."""
_GIVEN = {name: value for name, value in os.environ.items() if name == _SAFE_PATH}
_shielding = Lock()


def end_with_parent(pipe: int) -> None:
    """End this process, and its group where it leads one, as soon as the one that started it ends.

    Parameters
    ----------
    pipe
        The reading end of a pipe whose other end only the parent has, and to which the parent writes nothing
        more. The
        system closes that end however the parent ends, also by a signal that no program can catch.
    """
    process = os.getpid()
    target = -process if os.getpgrp() == process else process
    if sys.platform == "linux":
        # The system itself ends this process, also while a library holds the interpreter. The signal that
        # prctl(PR_SET_PDEATHSIG) gives would come when the thread that started it ends.
        fcntl.fcntl(pipe, fcntl.F_SETOWN, target)
        fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    # Elsewhere, and where the parent ended before this line.
    Thread(target=_end_after, args=(pipe, target), daemon=True).start()


def _end_after(pipe: int, target: int) -> None:
    waiting = select.poll()
    waiting.register(pipe, 0)  # only wait for the end of the pipe's last writer
    waiting.poll()
    if target < 0:
        os.killpg(-target, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
