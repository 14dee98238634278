"""Measurements in processes of their own: the result as JSON, the peak memory from the kernel.

Limits of time and memory are those of the shell: each process inherits what ``ulimit -t`` and ``ulimit -v``
set.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import attrs

from lior.errors import LiorError, MissingPackage
from lior.plugins import ALLOW
from lior.process import python

GRACE_SECONDS = 2.0
"""The time for an interrupted child to end its own children, in seconds."""


class Unmeasured(LiorError):
    """A measurement failed; the message is the reason, in one line."""

    status = "failed"


class Unavailable(Unmeasured):
    """A system cannot be measured here, because a package is not installed; this is not a failure."""

    status = "skipped"


@attrs.frozen
class Ended:
    """The result of a command that ended without an error."""

    output: str
    """The standard output of the command."""
    cpu_seconds: float
    """The CPU seconds of the command and of the processes that it waited for."""
    peak_rss_bytes: int
    """The largest resident memory of the same processes, in bytes."""


@attrs.frozen
class Reply:
    """The result of a child process."""

    answer: dict[str, Any]
    """The JSON object on the last line of its standard output."""
    peak_rss_bytes: int
    """The largest resident memory of the child and of the processes that it waited for, in bytes."""


def call(work: str, *given: object) -> Reply:
    """Call the function ``work``, ``module:name``, in a child process; arguments and result are JSON.

    Raises
    ------
    Unavailable, Unmeasured
        As :func:`run`; a missing package makes a system unavailable.
    """
    code = "import sys; from lior_bench.children import tell; tell(*sys.argv[1:])"
    return run(["-c", code, work, json.dumps(given)])


def tell(work: str, given: str) -> None:
    """Print the result of :func:`call` in the child, or the reason why a system cannot be measured."""
    module, _, name = work.partition(":")
    try:
        print(json.dumps(getattr(import_module(module), name)(*json.loads(given))))
    except (Unavailable, MissingPackage) as reason:
        print(json.dumps({"skipped": str(reason)}))
    except LiorError as error:
        sys.exit(f"lior: error: {error}")


def run(arguments: Sequence[str]) -> Reply:
    """Run Python with ``arguments`` in a child process and return the JSON that it prints.

    Raises
    ------
    Unavailable
        When the answer is ``{"skipped": reason}``.
    Unmeasured
        When the child fails or prints no JSON object.
    """
    ended = finish(python(*arguments), _environment())
    return Reply(read_answer(ended.output), ended.peak_rss_bytes)


def finish(command: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run a command to its end; an interrupt also ends the command.

    Raises
    ------
    Unmeasured
        When it fails.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            _stop(child)
            raise
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said, complaint = (stream.read().decode("utf-8", "replace") for stream in (out, err))
    if child.returncode:
        raise Unmeasured(_reason(child.returncode, complaint))
    peak = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    return Ended(said, usage.ru_utime + usage.ru_stime, peak)


def _environment() -> dict[str, str]:
    """Return the environment without the variables ``LIOR_*``: they must not change a recipe."""
    return {name: v for name, v in os.environ.items() if not name.startswith("LIOR_") or name == ALLOW}


def read_answer(said: str) -> dict[str, Any]:
    """Return the JSON object on the last line of a command's output."""
    lines = said.splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        answer = None
    if not isinstance(answer, dict):
        raise Unmeasured("it printed no result")
    if "skipped" in answer:
        raise Unavailable(answer["skipped"])
    return answer


def _reason(code: int, complaint: str) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}; out of memory or time?"
    lines = complaint.strip().splitlines()
    return lines[-1].removeprefix("lior: error: ") if lines else f"exit status {code}"


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End ``child``; by an interrupt first, so that it can end the programs that it started."""
    try:
        child.send_signal(signal.SIGINT)
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        child.kill()
        child.wait()
