"""The state that all transports share: the served documents, threads for questions, and metrics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request

from lior.errors import DataError
from lior_ask import Answer, Filters
from lior_serve.errors import HTTPError
from lior_serve.limits import Settings
from lior_serve.metrics import Metrics
from lior_serve.schema import Operation
from lior_serve.sources import EditableSource, Source, Version

T = TypeVar("T")
_OF_A_MODEL = ("/v1/completions", "/tokenize", "/detokenize", "/tokenizer_info", "/api/why", "/api/score")
_NO_WRITER = "no language model writes answers here: start the server with --with URL MODEL"
_NO_MODEL = "a folder is served, which has no language model: serve a run made by lior train"


class Server:
    """A server of documents."""

    operations: tuple[Operation, ...] = ()
    """The operations of the JSON interface, besides those that only query the index."""
    tools: tuple[Callable[..., Any], ...] = ()
    """The tools of MCP, besides those that only query the index."""
    absent: Mapping[str, str] = dict.fromkeys(_OF_A_MODEL, _NO_MODEL)
    """The reasons why paths, or some of their methods, do not exist, by path."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self.settings, self.limits, self.source = settings, settings.limits, source
        if not settings.endpoint:
            self.absent = {**self.absent, "/api/compose": _NO_WRITER}
        self.metrics = Metrics()
        self.replies = threading.BoundedSemaphore(self.limits.replies)
        """A semaphore held by each reply of a language model at another address."""
        self.reading = CapacityLimiter(self.limits.replies)
        """The limit of threads that wait for such replies, including those of clients that left."""
        # Separate threads, so that reading a large file delays no question; more would only take turns in
        # Python.
        self._questions = ThreadPoolExecutor(2, thread_name_prefix="lior-ask")
        self._others = ThreadPoolExecutor(2, thread_name_prefix="lior-other")

    @property
    def version(self) -> Version:
        """The version that a request uses to its end."""
        return self.source.current

    async def latest(self) -> Version:
        """Return the version after changes of the files have been read."""
        await self.in_question_executor(self.source.refresh)
        return self.version

    def state(self) -> dict[str, Any]:
        """Return a description of the source and of the work in progress, ready for JSON."""
        endpoint = self.settings.endpoint
        return self.source.state() | {"composer": endpoint.model if endpoint else ""}

    async def in_executor(self, work: Callable[..., T], *args: Any) -> T:
        """Call ``work``, which takes milliseconds, in another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._others, work, *args)

    async def in_question_executor(self, work: Callable[..., T], *args: Any) -> T:
        """Call ``work``, which queries the index, in another thread; calls begin in order."""
        return await asyncio.get_running_loop().run_in_executor(self._questions, work, *args)

    async def ask(self, version: Version, question: str, top: int, filters: Filters | None = None) -> Answer:
        """Answer a question."""
        return await self.in_question_executor(version.ask, question, top, filters)

    async def change(self, future: Future[Any]) -> Any:
        """Wait for a change; a client that leaves does not undo it."""
        return await asyncio.shield(asyncio.wrap_future(future))

    def editable(self) -> EditableSource:
        """Return the documents for a change; raise :class:`HTTPError` if the server is read-only."""
        if not self.settings.editable:
            raise HTTPError(403, "the server is read-only; start it with --allow-edit", code="read_only")
        return cast(EditableSource, self.source)

    def document(self, version: Version, name: str) -> str:
        """Return the name of the document that is, or contains, ``name``; raise a 404 error if
        there is none.
        """
        try:
            return version.file_of(name)
        except DataError:
            raise HTTPError(404, "no document of this name", code="not_found") from None

    def gauges(self) -> dict[str, float]:
        """Return the present values, for the metrics."""
        version = self.version
        return {
            "version": version.number,
            "documents": len(version.documents),
            "passages": len(version.index),
        }

    def close(self, seconds: float) -> bool:
        """Finish the write in progress; return whether that took at most ``seconds``."""
        for pool in (self._questions, self._others):
            pool.shutdown(wait=False, cancel_futures=True)
        return self.source.close(seconds)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``work``, which is cancelled when the client leaves."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return await task
    finally:
        gone.cancel()
        task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
