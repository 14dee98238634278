"""Files that are read by a process of their own, so that none hangs, fills or ends this one.

The process (:mod:`lior.reading.worker`) is started for the first file that needs it, reads one file after the
other, and ends with this one. It gets bytes and gives documents as JSON; nothing that it sends is executed.
After a failure the next file gets a new one. Threads that read at once have one each.

It is started as a program of its own: a fork would take with it the locks that other threads hold.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import logging
import math
import os
import re
import signal
import sys
import time
import warnings
from typing import IO, Any, cast

import attrs

from lior.errors import DataError, MissingPackage
from lior.plugins.trust import import_path_statement
from lior.process import python
from lior.reading.limits import Limits, current_account, current_limits
from lior.reading.skipping import SkipReason, UnreadableFile

_PATIENCE = 6
"""The limit of wall-clock time for a file, as a multiple of the limit of CPU time. A reader that waits for
ever must end; one that shares the processor with other programs must not.
"""
_TO_START = 120.0
"""The wall-clock limit for the start of the process, in seconds; it takes 0.2."""
_TO_END = 10.0
"""The wall-clock limit for the end of a process that closed its pipe, in seconds; milliseconds are usual."""
_TICK = 0.25
"""The maximum interval between two checks of the clock and the memory, in seconds."""
_BLOCK = 1 << 20
_PRINTED = 1000
"""The maximum number of bytes of libraries' output that are kept."""
_NO_MEMORY = re.compile(rb"bad_alloc|MemoryError|out of memory|cannot allocate", re.IGNORECASE)
_FRUGAL = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 24)}
"""Environment variables of the process. Reserved memory counts, also that of threads and heaps; with these
settings recognition takes half as much.
"""
_OBEYED = sys.platform == "linux"
"""Whether the system enforces ``RLIMIT_DATA``; otherwise the memory is checked at intervals."""
_LOG = logging.getLogger("lior")

_idle: list[_Worker] = []
_inside = False


def is_inside() -> bool:
    """Return whether this is a process that reads for another one: it reads all formats itself."""
    return _inside


def read_in_this_process() -> None:
    """Mark this process as one that reads for another."""
    global _inside
    _inside = True


def read_apart(data: bytes, name: str, chosen: Limits | None = None, **task: Any) -> tuple[Any, bytes]:
    """Return the result of another process for the bytes of the file ``name``, as a value and as bytes.

    ``task`` is the task, as :mod:`lior.reading.worker` describes; ``chosen`` are the limits, by default those
    in force. Log messages, warnings and output of libraries in that process are forwarded to this one.

    Raises
    ------
    DataError
        When it cannot be read, takes more than the limits, or crashes its reader.
    MissingPackage
        When a package that it needs is not installed.
    OSError
        When the process cannot be started.
    """
    chosen, paid = chosen or current_limits(), current_account()
    if paid:
        chosen = attrs.evolve(chosen, seconds=paid.allowed(chosen.seconds))
    worker = _idle.pop() if _idle else _Worker()
    if not worker.is_alive():  # it was ended meanwhile
        worker.end()
        worker = _Worker()
    began = time.monotonic()
    try:
        answer, content = worker.ask(data, chosen, {"name": name, **task})
    except BaseException as error:
        worker.end()
        if paid:
            paid.spend(min(time.monotonic() - began, chosen.seconds))
            if paid.shortened and isinstance(error, UnreadableFile) and error.reason is SkipReason.TOO_SLOW:
                raise UnreadableFile(SkipReason.NOT_YET) from error
        raise
    if paid:
        paid.spend(answer["spent"])
    if answer["last"]:
        worker.end()
    else:
        _idle.append(worker)
    for logger, level, message in answer["logged"]:
        logging.getLogger(logger).log(level, "%s: %s", name, one_line(message))
    for message in answer["warned"]:
        warnings.warn(f"{name}: {one_line(message)}", stacklevel=2)
    match answer["failed"]:
        case None:
            return answer["value"], content
        case "missing", message:
            raise MissingPackage(message)
        case "refused", message:
            raise DataError(message)
        case reason, detail:
            raise UnreadableFile(SkipReason(reason), detail)
    raise AssertionError(answer["failed"])


def one_line(text: str) -> str:
    """Return a library's text without line breaks and control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))


def mebibytes(number: float) -> str:
    """Return an amount of memory in words for messages, in MiB."""
    return f"{number / (1 << 20):,.0f} MiB"


class _Worker:
    """The process, and the pipes to it."""

    def __init__(self) -> None:
        from selectors import EVENT_READ, DefaultSelector
        from subprocess import PIPE, Popen

        theirs, ours = os.pipe()  # so that it ends with this process
        alive, program = os.fdopen(ours, "wb"), f"\nfrom lior.reading.worker import main; main({theirs})"
        start = python("-c", import_path_statement() + program)
        with os.fdopen(theirs, "rb"):
            self._process = Popen(
                start, stdin=PIPE, stdout=PIPE, stderr=PIPE, pass_fds=(theirs,), env=_FRUGAL | os.environ
            )
        pipes = self._process.stdin, self._process.stdout, self._process.stderr, alive
        self._requests, answers, errors, _ = self._pipes = cast("tuple[IO[bytes], ...]", pipes)
        self._answers, self._errors = answers.fileno(), errors.fileno()
        self._buffer, self._printed = bytearray(), bytearray()
        self._selector = DefaultSelector()
        for stream in (self._answers, self._errors):
            os.set_blocking(stream, False)
            self._selector.register(stream, EVENT_READ)
        try:
            self._answer(Limits(seconds=_TO_START / _PATIENCE, memory=math.inf))
        except BaseException as error:
            self.end()
            if not isinstance(error, UnreadableFile):
                raise
            cause = one_line(self._printed.decode("utf-8", "replace"))[-200:] or str(error)
            raise OSError(errno.ECHILD, f"the process that reads files does not start: {cause}") from error

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._selector.close()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):  # a request that nobody reads
                pipe.close()

    def ask(self, data: bytes, chosen: Limits, task: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Return the answer to a task, and the bytes that belong to it.

        Raises ``UnreadableFile`` when the process ends, or has to be ended.
        """
        self._printed.clear()
        head = {**task, "limits": attrs.asdict(chosen), "size": len(data)}
        with contextlib.suppress(BrokenPipeError):  # the end of the process is noticed below
            self._requests.write(json.dumps(head).encode() + b"\n")
            self._requests.write(data)
            self._requests.flush()
        try:
            return self._answer(chosen)
        finally:
            self._look(0)  # collect the output printed before the answer
            if self._printed.strip():
                printed = one_line(self._printed.decode("utf-8", "replace"))
                _LOG.debug("%s: its reader printed: %s", task["name"], printed)

    def _answer(self, chosen: Limits) -> tuple[dict[str, Any], bytes]:
        """Return the next answer."""
        before = 0 if _OBEYED else _resident(self._process.pid)
        left = patience = _PATIENCE * chosen.seconds
        head: dict[str, Any] = {}
        looked = last = time.monotonic()
        while True:
            if not head and (end := self._buffer.find(b"\n")) >= 0:
                head = json.loads(self._buffer[:end])
                del self._buffer[: end + 1]
            if head and len(self._buffer) >= head["size"]:
                content = bytes(self._buffer)
                self._buffer.clear()
                return head, content
            if not self._look(_TICK):
                raise UnreadableFile(*self._end(chosen))
            now = time.monotonic()
            left -= min(now - last, 2 * _TICK)  # a stopped process continues where it was
            last = now
            if left < 0:
                raise UnreadableFile(SkipReason.TOO_SLOW, f"{patience:.0f} s by the clock")
            if not _OBEYED and now - looked > _TICK:
                looked = now
                if _resident(self._process.pid) - before > chosen.memory:
                    raise UnreadableFile(SkipReason.TOO_MUCH_MEMORY, mebibytes(chosen.memory))

    def _look(self, seconds: float) -> bool:
        """Receive output of the process for some seconds; return whether its answer pipe is still open."""
        for key, _ in self._selector.select(seconds):
            block = os.read(key.fd, _BLOCK)
            if key.fd == self._answers:
                if not block:
                    return False
                self._buffer += block
            elif block:
                self._printed += block[: _PRINTED - len(self._printed)]
            else:
                self._selector.unregister(key.fd)
        return True

    def _end(self, chosen: Limits) -> tuple[SkipReason, str]:
        """Return the reason why the process has ended or closed its pipe, and the detail."""
        with contextlib.suppress(Exception):
            self._process.wait(_TO_END)
        self._look(0)
        code = self._process.poll()
        if code == -signal.SIGPROF:
            return SkipReason.TOO_SLOW, f"{chosen.seconds:g} s"
        if _NO_MEMORY.search(self._printed):
            return SkipReason.TOO_MUCH_MEMORY, mebibytes(chosen.memory)
        if code == -signal.SIGABRT and not self._printed.strip() and chosen.memory < math.inf:
            return SkipReason.READER_CRASHED, (
                "aborted without a message, as PDFium does when it gets no more memory"
                f" (limit: {mebibytes(chosen.memory)}); --limits off lifts the limit"
            )
        ended = code is not None and code < 0
        return SkipReason.READER_CRASHED, (
            (signal.strsignal(-code) or f"signal {-code}").lower() if code and ended else f"exit code {code}"
        )


def _resident(process: int) -> int:
    """Return the resident memory of a process in bytes, or 0 if unknown."""
    from subprocess import run

    found = run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, check=False).stdout
    return 1024 * int(found) if found.strip().isdigit() else 0


def end_idle_workers() -> None:
    """End the processes that wait for a file; the next file starts one."""
    while _idle:
        _idle.pop().end()


atexit.register(end_idle_workers)
os.register_at_fork(after_in_child=_idle.clear)
