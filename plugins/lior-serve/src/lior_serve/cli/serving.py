"""The run of a server: its sockets, its signals, and its end within five seconds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, NoReturn

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lior.errors import LiorError, UsageError
from lior_ask import make_private, socket_file
from lior_cli import run_among
from lior_serve import editing
from lior_serve.agents import Agents
from lior_serve.app import build
from lior_serve.limits import LEAST_TOKEN, LOOPBACK, Settings
from lior_serve.server import Server

_FILES = "a folder is served as it is: change the files of the folder instead"
_SAVING = 1.5
"""The time for saving a document in progress when the server stops, in seconds."""
_END = 4.7
"""The time after a signal at which the process ends in any case, in seconds."""


class _Runner(uvicorn.Server):
    """A server that ends in time even on a busy machine: the run on the disk is always consistent."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        timer = threading.Timer(_END, os._exit, [0])
        timer.daemon = True
        timer.start()
        super().handle_exit(sig, frame)


def open_server(settings: Settings) -> Server:
    """Return a server of the run or folders at the paths; torch is imported for a run only.

    Raises
    ------
    LiorError
        When it cannot be read, or the settings are not safe.
    """
    if settings.host not in LOOPBACK and not settings.token:
        message = f"--host {settings.host}: others can reach it, so it needs a token"
        raise UsageError(f"{message}; put one into LIOR_TOKEN or a file and give --token-file")
    if settings.token and len(settings.token) < LEAST_TOKEN:
        raise UsageError(f"the token has {len(settings.token)} characters; at least {LEAST_TOKEN} are needed")
    run = run_among(settings.paths)
    if settings.index:
        from lior_serve.shared import SharedSource

        shared = Server(settings, SharedSource(settings.index, settings.paths, editable=settings.editable))
        shared.operations, shared.tools = editing.OPERATIONS, editing.tools_of(shared)
        return shared
    if run is None:
        from lior_serve.folder import FolderSource

        server = Server(settings, FolderSource(settings.paths))
        server.absent = {**server.absent, "/api/document": _FILES}
        return server
    from lior_serve import completions, inspection
    from lior_serve.run import RunSource
    from lior_serve.run_server import RunServer

    source = RunSource(run, device=settings.device, editable=settings.editable, folders=settings.folders)
    server = RunServer(settings, source)
    server.operations = (*inspection.OPERATIONS, *editing.OPERATIONS, editing.SYNC, *completions.OPERATIONS)
    server.tools = editing.tools_of(server)
    return server


def serve(settings: Settings, ready: Callable[[Server, str], object]) -> NoReturn:
    """Serve until a signal comes, then end the process; ``ready`` is called with the server and its address.

    Raises
    ------
    LiorError
        When the address is not available, or like :func:`open_server`.
    """
    log_to_stderr()
    with _listening(settings) as (address, port):
        server = open_server(settings)
        run = run_among(settings.paths)
        with _local_socket(run) if run else contextlib.nullcontext() as local:
            runner = _Runner(configure(server))
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            sockets = [address, local] if local else [address]
            for each in sockets:  # clients that learn the address may connect at once
                each.listen(settings.limits.connections)
            # For a signal before uvicorn handles them, and at the end, when uvicorn raises it again.
            signal.signal(signal.SIGTERM, runner.handle_exit)
            ready(server, f"http://{host}:{port}/")
            with contextlib.suppress(KeyboardInterrupt):
                runner.run(sockets=sockets)
            done = server.close(_SAVING)
    if not done:  # the thread cannot be ended; a note in the run, which is unchanged, has its work
        logging.getLogger("lior_serve").warning("stopped while documents were learned; they were not")
    sys.stderr.flush()
    os._exit(0)  # skip the shutdown of libraries, which takes a second or more


def configure(server: Server) -> uvicorn.Config:
    """Return the configuration of uvicorn for the application of a server."""
    limits = server.limits
    return uvicorn.Config(
        build(server),
        http=protocol(limits.read_timeout),
        loop="asyncio",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=limits.connections,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=int(limits.shutdown_timeout),
        timeout_keep_alive=30,
    )


def serve_stdio(settings: Settings) -> int:
    """Serve agents over standard input and output, until the input ends."""
    log_to_stderr()
    server = open_server(settings)
    asyncio.run(Agents(server).talk(*_standard_streams()))
    return 0 if server.close(_SAVING) else 1


def _standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return standard input and output for messages only; output of libraries goes to standard error."""
    streams = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return streams


def log_to_stderr() -> None:
    """Log JSON lines to standard error; libraries log only critical errors, since they quote requests."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("lior_serve")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns about each client that left


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[tuple[socket.socket, int]]:
    """Context manager: bind the address before the run is read, so that a used port is reported at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY; without it each reply but the first waits 40 ms.
    address = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        address.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            address.bind((settings.host, settings.port))
        except OSError as error:
            reason = error.strerror or error
            raise LiorError(f"{settings.host}:{settings.port}: {reason}; give another --port") from None
        yield address, address.getsockname()[1]
    finally:
        address.close()


@contextlib.contextmanager
def _local_socket(run: Path) -> Iterator[socket.socket | None]:
    """Context manager: the socket file by which this user's commands find the server; ``None`` if it cannot
    be made.
    """
    place = socket_file(run)
    local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        make_private(place.parent)
        if _answers(place):  # another server of this run
            yield None
            return
        with contextlib.suppress(FileNotFoundError):
            place.unlink()
        local.bind(str(place))
        place.chmod(0o600)
    except (OSError, LiorError):
        yield None
        return
    try:
        yield local
    finally:
        with contextlib.suppress(OSError):
            place.unlink()
        local.close()


def _answers(place: Path) -> bool:
    """Return whether a server listens at a socket file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(place))
        except OSError:
            return False
        return True


def protocol(seconds: float) -> type[H11Protocol]:
    """Return HTTP/1.1 that closes a connection when no complete request head comes within ``seconds``."""

    class Patient(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self._late:
                self._late.cancel()

        def _watch(self) -> None:
            """Wait for a head, unless a request is being answered."""
            if self._idle and self._late is None:
                self._late = self.loop.call_later(seconds, self._over)
            elif not self._idle and self._late is not None:
                self._late.cancel()
                self._late = None

        @property
        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _over(self) -> None:
            self._late = None
            if self._idle:
                self.transport.close()

    return Patient


class JsonLines(logging.Formatter):
    """A formatter that writes a log record as a JSON object in a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the time, level and message, or the fields of a request."""
        fields = getattr(record, "fields", None) or {"message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["at"] = _place(record.exc_info[1])
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return json.dumps({"time": f"{moment}Z", "level": record.levelname.lower(), **fields})


def _place(error: BaseException) -> list[str]:
    """Return the traceback of an error without its message, which may have the text of a user."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{each.filename}:{each.lineno} {each.name}" for each in frames]
