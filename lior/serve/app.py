"""The application: all doors behind one guard."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version as installed
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lior.serve import completions, own, page
from lior.serve.agents import Agents
from lior.serve.guard import PUBLIC, Guard
from lior.serve.schema import Operation, described
from lior.serve.server import ClientGone, Fault, Server, fault_of

OPERATIONS = (*own.OPERATIONS, *completions.OPERATIONS)
Endpoint = Callable[[Request], Awaitable[Response]]


class Json(Response):
    """An object; names of files that are not UTF-8 have a mark for each byte that is no character."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The object as UTF-8."""
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


def build(server: Server) -> Guard:
    """The application that serves a run."""
    agents, api = Agents(server), described(OPERATIONS, installed("lior"))

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(server.metrics.text(_gauges(server, guard)))

    async def openapi(request: Request) -> Response:
        return Json(api)

    routes: list[BaseRoute] = [
        *(Route(each.path, _endpoint(server, each), methods=[each.method]) for each in OPERATIONS),
        Route(PUBLIC, health),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi),
        *page.routes(server, api),
        *agents.routes(),
    ]

    @contextlib.asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        async with agents.running():
            yield

    app = Starlette(
        routes=routes, lifespan=running, exception_handlers={HTTPException: _refused, Fault: _refused}
    )
    guard = Guard(app, server, {each.endpoint: each.path for each in routes if isinstance(each, Route)})
    return guard


def _endpoint(server: Server, operation: Operation) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            found = await operation.run(server, request, await operation.given(request))
        except ClientGone:
            return Response(status_code=499)
        except Exception as error:
            fault = fault_of(error)
            return Json(fault.record, fault.status, headers=fault.headers)
        return found if isinstance(found, Response) else Json(found)

    return endpoint


async def _refused(request: Request, error: Exception) -> Response:
    """No such address, or not by this method."""
    fault = error if isinstance(error, Fault) else Fault(404, "no such address", code="not_found")
    if isinstance(error, HTTPException) and error.status_code != 404:
        fault = Fault(error.status_code, str(error.detail), code="method")
    return Json(fault.record, fault.status, headers=fault.headers)


def _gauges(server: Server, guard: Guard) -> dict[str, float]:
    version = server.version
    return {
        "requests_active": guard.asked, "streams_active": server.model.streams,
        "tokens_drawn_total": server.model.tokens, "version": version.number,
        "documents": len(version.documents), "passages": len(version.index),
        "changes_waiting": server.resident.state()["waiting"],
    }  # fmt: skip
