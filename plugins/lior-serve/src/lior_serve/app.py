"""The application: all transports behind one middleware."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version as installed

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from lior_serve import composing, openai, page, rest
from lior_serve import schema as schemas
from lior_serve.agents import Agents
from lior_serve.errors import Json
from lior_serve.middleware import PUBLIC, Middleware
from lior_serve.schema import Operation
from lior_serve.server import Server

Endpoint = Callable[[Request], Awaitable[Response]]


def build(server: Server) -> Middleware:
    """Return the ASGI application of a server; the middleware answers exceptions raised in it."""
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
    async def running(app: object) -> AsyncIterator[None]:
        async with agents.running():
            yield

    paths = {
        each.app if isinstance(each, Mount) else each.endpoint: each.path
        for each in routes
        if isinstance(each, Mount | Route)
    }
    middleware = Middleware(Router(routes, lifespan=running), server, paths)
    return middleware


def _endpoint(server: Server, operation: Operation) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        found = await operation.run(server, request, await operation.parse(request))
        return found if isinstance(found, Response) else Json(found)

    return endpoint
