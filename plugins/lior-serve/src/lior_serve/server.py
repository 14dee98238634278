"""What all transports share: the documents that are served, threads for questions, and metrics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request

from lior.errors import DataError
from lior_ask.answer.selection import Answer
from lior_ask.question.filters import Filters
from lior_serve.errors import HTTPError
from lior_serve.limits import Settings
from lior_serve.metrics import Metrics
from lior_serve.schema import Operation
from lior_serve.sources import EditableSource, Source, Version

T = TypeVar("T")
_OF_A_MODEL = ("/v1/completions", "/tokenize", "/detokenize", "/tokenizer_info", "/api/why", "/api/score")
_NO_MODEL = "a folder is served, which has no language model: serve a run made by lior train"


class Server:
    """Documents that are served."""

    operations: tuple[Operation, ...] = ()
    """Of the JSON interface, besides those that only ask the index."""
    tools: tuple[Callable[..., Any], ...] = ()
    """Of MCP, besides those that only ask the index."""
    absent: Mapping[str, str] = dict.fromkeys(_OF_A_MODEL, _NO_MODEL)
    """Path -> why it, or one of its methods, is not there."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self.settings, self.limits, self.source = settings, settings.limits, source
        self.metrics = Metrics()
        self.replies = threading.BoundedSemaphore(self.limits.replies)
        """Held by each reply of a language model at another address."""
        self.reading = CapacityLimiter(self.limits.replies)
        """Of the threads that wait for such replies, those of clients that left among them."""
        # Of their own, so that a large file being read holds no question up; more only take turns in Python.
        self._questions = ThreadPoolExecutor(2, thread_name_prefix="lior-ask")
        self._others = ThreadPoolExecutor(2, thread_name_prefix="lior-other")

    @property
    def version(self) -> Version:
        """The version that a request uses to its end."""
        return self.source.current

    async def latest(self) -> Version:
        """The version after changes of the files have been read."""
        await self.in_question_executor(self.source.refresh)
        return self.version

    def state(self) -> dict[str, Any]:
        """What is served and what is being done, ready for JSON."""
        endpoint = self.settings.endpoint
        return self.source.state() | {"composer": endpoint.model if endpoint else ""}

    async def in_executor(self, work: Callable[..., T], *args: Any) -> T:
        """Call ``work``, which takes milliseconds, in another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._others, work, *args)

    async def in_question_executor(self, work: Callable[..., T], *args: Any) -> T:
        """Call ``work``, which asks the index, in another thread; calls are begun in their order."""
        return await asyncio.get_running_loop().run_in_executor(self._questions, work, *args)

    async def ask(self, version: Version, question: str, top: int, filters: Filters | None = None) -> Answer:
        """Answer a question."""
        return await self.in_question_executor(version.ask, question, top, filters)

    async def change(self, future: Future[Any]) -> Any:
        """Wait for a change; a client that leaves does not undo it."""
        return await asyncio.shield(asyncio.wrap_future(future))

    def editable(self) -> EditableSource:
        """The documents, to be changed; raises :class:`HTTPError` where the server is read-only."""
        if not self.settings.editable:
            raise HTTPError(403, "the server is read-only; start it with --allow-edit", code="read_only")
        return cast(EditableSource, self.source)

    def document(self, version: Version, name: str) -> str:
        """The document of a name, or that a document of the index is part of; 404 where there is none."""
        try:
            return version.file_of(name)
        except DataError:
            raise HTTPError(404, "no document of this name", code="not_found") from None

    def gauges(self) -> dict[str, float]:
        """Values of this moment, for the metrics."""
        version = self.version
        return {
            "version": version.number,
            "documents": len(version.documents),
            "passages": len(version.index),
        }

    def close(self, seconds: float) -> bool:
        """Finish what is being written; whether that was done in so many seconds."""
        for pool in (self._questions, self._others):
            pool.shutdown(wait=False, cancel_futures=True)
        return self.source.close(seconds)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of ``work``, which is cancelled when the client leaves."""
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
