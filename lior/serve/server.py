"""What all doors share: the run, the thread of its model, a few threads for questions, and faults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request

from lior.ask.answering import Answer
from lior.errors import DataError, LiorError, MissingPackage, UsageError
from lior.serve.limits import Settings
from lior.serve.metrics import Metrics
from lior.serve.streams import Busy, ModelThread
from lior.serve.versions import Resident, Version

T = TypeVar("T")
LOG = logging.getLogger("lior.serve")


class Fault(Exception):
    """A refusal that the client is told, in the form of OpenAI's protocol."""

    def __init__(self, status: int, message: str, *, code: str = "", again: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.again = status, code, again

    @property
    def record(self) -> dict[str, Any]:
        """The body of the reply."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code or None}}

    @property
    def headers(self) -> dict[str, str]:
        """When to come again, if later may be better."""
        return {"Retry-After": str(self.again)} if self.again else {}


class ClientGone(Exception):
    """Nobody waits for the reply any more."""


def fault_of(error: Exception) -> Fault:
    """What a client is told of an error: nothing of files and code of this machine."""
    match error:
        case Fault():
            return error
        case Busy():
            return Fault(429, str(error), code="busy", again=1)
        case MissingPackage():
            return Fault(415, "the server lacks the package that reads this format", code="unsupported")
        case UsageError() | DataError():
            return Fault(400, str(error), code="invalid")
        case LiorError():
            LOG.error("%s: %s", type(error).__name__, error)
            return Fault(503, "the run cannot be changed now; the log of the server says why", again=5)
    LOG.error("a defect: %s", type(error).__name__, exc_info=error)
    return Fault(500, "a defect of the server; its log says more", code="internal")


class Server:
    """A run that is served."""

    def __init__(self, settings: Settings, resident: Resident) -> None:
        self.settings, self.limits, self.resident = settings, settings.limits, resident
        self.model = ModelThread(settings.limits.streams)
        self.metrics = Metrics()
        # Of their own, so that a large file being read holds no question up; more only take turns in Python.
        self._asking = ThreadPoolExecutor(2, thread_name_prefix="lior-ask")
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="lior-aside")

    @property
    def version(self) -> Version:
        """The version that a request begins with, and ends with."""
        return self.resident.current

    async def aside(self, work: Callable[..., T], *given: Any) -> T:
        """Do what takes milliseconds in another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    async def in_turn(self, work: Callable[..., T], *given: Any) -> T:
        """Do what asks the index; those that came before are begun first."""
        return await asyncio.get_running_loop().run_in_executor(self._asking, work, *given)

    async def ask(self, version: Version, question: str, top: int) -> Answer:
        """Answer a question."""
        return await self.in_turn(version.index.ask, question, top)

    async def read(self, work: Callable[[Callable[..., object]], T]) -> T:
        """Have the thread of the model do something; see :meth:`ModelThread.run`."""
        return await asyncio.wrap_future(self.model.run(work))

    async def change(self, future: Future[T]) -> T:
        """Wait for a change; a client that leaves does not undo it."""
        return await asyncio.shield(asyncio.wrap_future(future))

    def editable(self) -> None:
        """Refuse a change where the server is read-only."""
        if not self.settings.editable:
            raise Fault(403, "the server is read-only; start it with --allow-edit", code="read_only")

    def document(self, version: Version, name: str) -> None:
        """Refuse a name that no document has."""
        if name not in version.names:
            raise Fault(404, "no document of this name", code="not_found")

    def close(self, seconds: float) -> bool:
        """End streams, finish what is being learned; whether all was done in time."""
        self.model.close()
        for pool in (self._asking, self._pool):
            pool.shutdown(wait=False, cancel_futures=True)
        return self.resident.close(seconds)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of ``work``, which is cancelled when the client leaves."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return await task
    finally:
        gone.cancel()
        task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
