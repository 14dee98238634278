"""The application: all transports behind one middleware."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version as installed
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lior_serve import composing, openai, page, rest
from lior_serve import schema as schemas
from lior_serve.agents import Agents
from lior_serve.errors import HTTPError, http_error
from lior_serve.middleware import PUBLIC, Middleware
from lior_serve.schema import Operation
from lior_serve.server import Server

Endpoint = Callable[[Request], Awaitable[Response]]


class Json(Response):
    """A JSON reply; bytes of file names that are not UTF-8 become U+FFFD."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The object as JSON in UTF-8."""
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


def build(server: Server) -> Middleware:
    """The ASGI application of a server."""
    operations = (*rest.OPERATIONS, *openai.OPERATIONS, *server.operations)
    operations += composing.OPERATIONS if server.settings.endpoint else ()
    agents, api = Agents(server), schemas.openapi(operations, installed("lior"))

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(
            server.metrics.text({"requests_active": middleware.active, **server.gauges()})
        )

    async def openapi(request: Request) -> Response:
        return Json(api)

    routes: list[BaseRoute] = [
        *(Route(each.path, _endpoint(server, each), methods=[each.method]) for each in operations),
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
        routes=routes, lifespan=running, exception_handlers={HTTPException: _refuse, HTTPError: _refuse}
    )
    paths = {each.endpoint: each.path for each in routes if isinstance(each, Route)}
    middleware = Middleware(app, server, paths)
    return middleware


def _endpoint(server: Server, operation: Operation) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            found = await operation.run(server, request, await operation.parse(request))
        except ClientDisconnect:
            raise
        except Exception as error:
            refusal = http_error(error)
            return Json(refusal.body, refusal.status, headers=refusal.headers)
        return found if isinstance(found, Response) else Json(found)

    return endpoint


async def _refuse(request: Request, error: Exception) -> Response:
    """The reply for an unknown address or method."""
    refusal = error if isinstance(error, HTTPError) else HTTPError(404, "no such address", code="not_found")
    if isinstance(error, HTTPException) and error.status_code != 404:
        refusal = HTTPError(error.status_code, str(error.detail), code="method")
    return Json(refusal.body, refusal.status, headers=refusal.headers)
