"""The process that reads files for another one (:mod:`lior.reading.isolation`).

A request is a line of JSON, then ``size`` bytes: the content of a file. The line has the ``name`` of the file
and the ``limits``. It also has either ``reader``, the name of an installed reader, or ``limit``, the maximum
size of the decompressed file in bytes. An answer is of the same form.

- Time is that of the processor, by a timer of the process: the result does not depend on how busy the machine
  is. The signal ends the process, also inside a library.
- Memory is ``RLIMIT_DATA``: all that the process may write to. A library that gets none fails or aborts.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lior.errors import LiorError, MissingPackage
from lior.plugins.registry import registry
from lior.process import end_with_parent
from lior.reading import isolation
from lior.reading.compression import decompress
from lior.reading.limits import Limits, limit_by
from lior.reading.parsing import parse_with
from lior.reading.skipping import SkipReason, UnreadableFile
from lior.reading.structure import as_json

_MOST = 20
"""The maximum numbers of libraries' log lines and warnings that are kept for a file."""
_LEFT = 0.5
"""The share of the memory limit that may stay in use after a file; above it the next file gets
a new process.
"""
_TIMES = 4
"""The maximum size of an answer, in bytes for each allowed character: it has cells, places and lines, too."""


def main(alive: int) -> None:
    """Answer requests at standard input until it ends, or the pipe ``alive`` does."""
    end_with_parent(alive)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # output of a library is not an answer
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it belongs to the file that is read
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process decides
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    isolation.read_in_this_process()
    held, (logged, warned), spent = _Held(), _listen(), 0.0
    _send(answers, {})
    while line := requests.readline():
        task, before = json.loads(line), _data_bytes()
        data, chosen = requests.read(task["size"]), Limits(**task["limits"])
        with limit_by(chosen), held.to(chosen, before):
            answer, content = _answer(data, task, chosen)
        data = b""
        answer["logged"], answer["warned"] = logged, warned[:_MOST]
        answer["last"] |= held.keeps_much(len(content))
        answer["spent"], spent = time.process_time() - spent, time.process_time()
        _send(answers, answer, content)
        logged.clear()
        warned.clear()


def _answer(data: bytes, task: dict[str, Any], chosen: Limits) -> tuple[dict[str, Any], bytes]:
    """Return the answer for a file, as JSON values and bytes."""
    value, content, failed = None, b"", None
    try:
        if "reader" in task:
            reader = registry.get("reader", task["reader"])()
            documents = parse_with(reader, data, task["name"])
            if sum(len(each.text) for each in documents) > chosen.characters:
                raise _too_much_text(chosen)
            content = as_json(documents)
            if len(content) > _TIMES * chosen.characters:
                raise _too_much_text(chosen)
        else:
            content, value = decompress(data, task["name"], limit=task["limit"])
    except (LiorError, MemoryError) as error:
        content = b""
        failed = _failure(error, chosen)
    last = failed is not None and failed[0] == SkipReason.TOO_MUCH_MEMORY
    return {"value": value, "failed": failed, "last": last}, content


def _failure(error: BaseException, chosen: Limits) -> tuple[str, str]:
    """Return an error as its reason and detail, in the form of an answer."""
    cause: BaseException | None = error
    while cause:  # readers report every library's exception as damage of the file
        if isinstance(cause, MemoryError):
            return SkipReason.TOO_MUCH_MEMORY, isolation.mebibytes(chosen.memory)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, UnreadableFile):
        return error.reason, error.detail
    return "missing" if isinstance(error, MissingPackage) else "refused", str(error)


def _too_much_text(chosen: Limits) -> UnreadableFile:
    return UnreadableFile(SkipReason.TOO_MUCH_TEXT, f"{chosen.characters / 1e6:,.0f} million characters")


# --- limits ---


class _Held:
    """The limits of this process while it reads a file."""

    def __init__(self) -> None:
        self._usual = resource.getrlimit(resource.RLIMIT_DATA)
        self._first = _data_bytes()
        self._memory = math.inf

    @contextlib.contextmanager
    def to(self, chosen: Limits, before: int) -> Iterator[None]:
        """Context manager: put limits in force; ``before`` is the memory of the process before the file, in
        bytes.
        """
        self._memory = chosen.memory
        if self._memory < math.inf:
            hard = self._usual[1]
            most = int(before + self._memory)
            soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        if chosen.seconds < math.inf:
            signal.setitimer(signal.ITIMER_PROF, chosen.seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            resource.setrlimit(resource.RLIMIT_DATA, self._usual)

    def keeps_much(self, sent: int) -> bool:
        """Return whether much memory stays in use, not counting the ``sent`` bytes of the answer."""
        return _data_bytes() - sent - self._first > _LEFT * self._memory


def _data_bytes() -> int:
    """Return the bytes that count for ``RLIMIT_DATA``, or 0 on systems that neither report nor enforce it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return 1024 * int(status.partition("VmData:")[2].split()[0])


# --- pipes ---


def _send(answers: BinaryIO, answer: dict[str, Any], content: bytes = b"") -> None:
    answers.write(json.dumps({**answer, "size": len(content)}).encode() + b"\n")
    answers.write(content)
    answers.flush()


def _listen() -> tuple[list[tuple[str, int, str]], list[str]]:
    """Return two lists to which log messages and warnings of libraries are added from now on."""
    logged, warned = list[tuple[str, int, str]](), list[str]()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if len(logged) < _MOST:
                logged.append((record.name, record.levelno, record.getMessage()))

    logging.getLogger().addHandler(Listener())
    warnings.showwarning = lambda message, *_: warned.append(str(message))
    return logged, warned
