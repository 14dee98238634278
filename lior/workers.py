"""Workers: one function on many tasks, by processes of this machine or by a cluster.

Both are a :class:`concurrent.futures.Executor`: a pool of processes here, or whatever runs a Dask scheduler.
A task is a pure function of its arguments. If its worker is lost, another worker repeats it. The results do
not depend on the number of workers.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.context import SpawnContext, SpawnProcess
from types import TracebackType
from typing import Any, Self

from lior.errors import LiorError, UsageError, install_hint
from lior.process import end_with_parent, shielded_children

__all__ = [
    "Given",
    "Task",
    "Where",
    "Workers",
    "WorkersLost",
    "check",
    "installed_version",
]


_AHEAD = 2
"""The number of tasks given out for each worker: one in progress, one waiting."""
_LOSSES = 3
"""The number of lost workers after which a task fails."""
_CONNECT = 10.0
"""The timeout for connecting to a scheduler, in seconds."""


Where = int | str | Executor
"""A number of processes, the address of a Dask scheduler, or an executor."""


Task = tuple[Any, ...]
"""The arguments of a function."""
Given = dict[Future[Any], tuple[int, Task]]
"""The tasks that are given out, with their numbers."""


class WorkersLost(LiorError):
    """Workers ended while they worked on a task, again and again."""


def check(value: str) -> int | str:
    """Return the value of ``--workers``: a number of processes, or the address of a scheduler.

    Raises
    ------
    UsageError
        When it is neither.
    """
    with contextlib.suppress(ValueError):
        if int(value) >= 1:
            return int(value)
    if "://" in value:
        return value
    raise UsageError(
        f"workers = {value!r}: allowed is a number of processes from 1, or the address of a Dask scheduler"
        " such as tcp://host:8786"
    )


class _Process(SpawnProcess):
    """A fresh interpreter: a copy of this one would have its locks without the threads that hold them."""

    def start(self) -> None:
        """Start it, and multiprocessing's resource tracker before the first one."""
        with shielded_children():
            super().start()


class _Context(SpawnContext):
    Process = _Process


class Workers:
    """Context manager: workers that take tasks.

    Parameters
    ----------
    where
        A number of processes of this machine, each on one thread; the address of a Dask scheduler
        (``tcp://host:8786``); or an executor, which is left open.

    Raises
    ------
    UsageError
        When the address names no scheduler, or its workers have no lior or another version of it.
    """

    def __init__(self, where: Where) -> None:
        self._where = check(where) if isinstance(where, str) else where
        self._executor: Executor | None = None
        self._client: Any = None

    def __enter__(self) -> Self:
        if isinstance(self._where, str):
            self._client = _connect(self._where)
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(wait=kind is None)
        if self._client is not None:
            self._client.close()

    def _start(self) -> None:
        if isinstance(self._where, int):
            with shielded_children():  # its locks start the resource tracker
                self._executor = ProcessPoolExecutor(self._where, mp_context=_Context(), initializer=_begin)
        elif isinstance(self._where, Executor):
            self._executor = self._where
        else:
            self._executor = _Cluster(self._client)

    def _stop(self, *, wait: bool) -> None:
        executor, self._executor = self._executor, None
        if not isinstance(executor, ProcessPoolExecutor) or executor is self._where:
            return  # the caller's; or the client's, whose tasks end with it
        for process in () if wait else list((executor._processes or {}).values()):
            process.terminate()
        executor.shutdown(cancel_futures=True)  # its threads end with its processes

    @property
    def _width(self) -> int:
        """The number of tasks that are given out at once."""
        if self._client is not None:
            cores = sum(self._client.nthreads().values())
        else:
            cores = self._where if isinstance(self._where, int) else os.cpu_count() or 1
        return _AHEAD * max(cores, 1)

    def map(self, function: Callable[..., Any], tasks: Iterable[Task]) -> Iterator[tuple[int, Any]]:
        """Yield the number and the result of each task as it finishes; ``tasks`` are arguments of
        ``function``.

        Function, arguments and results are pickled, so the function must belong to a module. Tasks are taken
        from the iterable when workers are free.

        Raises
        ------
        WorkersLost
            When a task lost its worker three times.
        """
        waiting, given = enumerate(tasks), Given()
        losses: dict[int, int] = {}
        while True:
            for number, task in itertools.islice(waiting, max(self._width - len(given), 0)):
                self._give(function, number, task, given)
            if not given:
                return
            done, _ = wait(given, return_when=FIRST_COMPLETED)
            lost = []
            for future in done:
                number, task = given.pop(future)
                try:
                    result = future.result()
                except BrokenExecutor:
                    lost.append((number, task))
                    continue
                except Exception as error:
                    if type(error).__name__ == "KilledWorker":  # of distributed
                        raise WorkersLost(_lost(number)) from error
                    raise
                yield number, result
            if lost:
                self._again(function, lost, given, losses)

    def _give(self, function: Callable[..., Any], number: int, task: Task, given: Given) -> None:
        assert self._executor is not None
        try:
            future = self._executor.submit(function, *task)
        except BrokenExecutor as error:  # noticed before any result was requested
            future = Future()
            future.set_exception(error)
        given[future] = number, task

    def _again(
        self, function: Callable[..., Any], lost: list[tuple[int, Task]], given: Given, losses: dict[int, int]
    ) -> None:
        """Give out lost tasks again; a pool that lost a process is restarted."""
        if isinstance(self._executor, ProcessPoolExecutor):
            lost = sorted([*lost, *given.values()], key=lambda each: each[0])
            given.clear()
            self._stop(wait=False)
            self._start()
        for number, task in lost:
            losses[number] = losses.get(number, 0) + 1
            if losses[number] >= _LOSSES:
                raise WorkersLost(_lost(number))
            self._give(function, number, task, given)


def _lost(number: int) -> str:
    return (
        f"workers ended {_LOSSES} times while task {number + 1} was given out: killed, or out of memory?"
        " Fewer workers need less memory"
    )


def _begin() -> None:
    """Prepare a process: it computes with one thread, ends with its parent and leaves Ctrl-C to it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    end_with_parent(parent.sentinel)
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:  # imported by the main program: too late for the variable
        sys.modules["torch"].set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# --- a cluster ---


class _Cluster(Executor):
    """The workers of a Dask scheduler.

    distributed has an executor of its own, but its futures never end if a result is lost with its worker.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Give out a task."""
        if self._client.status != "running":
            raise WorkersLost("the scheduler is gone; what was kept of the parts that are done stays")
        future: Future[Any] = Future()
        remote = self._client.submit(function, *arguments, **named, pure=False)
        remote.add_done_callback(lambda done: self._settle(done, future))
        return future

    def _settle(self, remote: Any, future: Future[Any]) -> None:
        try:
            future.set_result(remote.result())
        except CancelledError as error:  # the result was lost with its worker, or the scheduler is gone
            future.set_exception(BrokenExecutor(str(error)))
        except BaseException as error:
            future.set_exception(error)


def installed_version() -> str:
    """Return the installed version of lior; workers are asked for theirs."""
    try:
        return version("lior")
    except PackageNotFoundError:
        return "unknown"


def _connect(address: str) -> Any:
    """Return a client of the scheduler at ``address``, whose workers have the local version of lior."""
    try:
        from distributed import Client, Security
    except ImportError:
        hint = install_hint("cluster")
        raise UsageError(f"workers = {address}: a cluster needs Dask: {hint}") from None
    try:
        security = _secure(address, Security())
        client = Client(address, timeout=_CONNECT, security=security, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"workers = {address}: no Dask scheduler answers there ({error})") from None
    try:
        _check_versions(client, address)
    except BaseException:
        client.close()
        raise
    return client


def _secure(address: str, security: Any) -> Any:
    """Return Dask's security settings, or raise ``UsageError`` if they do not fit the address: the client
    would wait long.
    """
    encrypted = address.startswith("tls://")
    if encrypted and not security.get_connection_args("client")["ssl_context"]:
        lacks = "names no certificates (distributed.comm.tls)"
    elif not encrypted and security.require_encryption:
        lacks = "wants encryption (distributed.comm.require-encryption), so that an address is tls://"
    else:
        return security
    raise UsageError(f"workers = {address}: Dask's configuration {lacks}; docs/security.md shows how")


def _check_versions(client: Any, address: str) -> None:
    if not client.nthreads():
        raise UsageError(
            f"workers = {address}: the scheduler has no worker; start one: dask worker {address}"
        )
    here = installed_version()
    found = client.run(installed_version, on_error="return")
    for worker, theirs in sorted(found.items()):
        if theirs != here:
            what = f"cannot import lior ({theirs})" if isinstance(theirs, Exception) else f"has lior {theirs}"
            raise UsageError(
                f"workers = {address}: the worker {worker} {what}, and here is {here}; install it there"
            )
