"""Changes of a run or a shared index by clients: learn, forget and sync as JSON, two also by MCP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from starlette.requests import Request

from lior.files import in_line
from lior.reading import RawDocument, documents_in
from lior_serve.agents import tool_errors
from lior_serve.errors import HTTPError
from lior_serve.schema import ForgetRequest, LearnRequest, Operation
from lior_serve.server import Server

if TYPE_CHECKING:
    from lior_serve.run_server import RunServer


async def _learn(server: Server, form: LearnRequest, texts: Sequence[RawDocument]) -> list[dict[str, Any]]:
    """Learn the texts sent under a name, and return the new record of each document."""
    source = server.editable()
    if in_line(form.name) != form.name:
        raise HTTPError(400, "name: only characters that can be printed are allowed", code="invalid")
    if not any(text.data.strip() for text in texts):
        raise HTTPError(400, "no text in there", code="invalid")
    return list(map(attrs.asdict, await server.change(source.learn(texts, replace=form.replace))))


async def _forget(server: Server, name: str) -> dict[str, Any]:
    return attrs.asdict(await server.change(server.editable().forget(name)))


async def learn(server: Server, request: Request, form: LearnRequest) -> Any:
    """Learn the body as a document; its name tells its format."""
    server.editable()
    if form.name in (await server.latest()).names and not form.replace:
        message = "there is a document of this name; forget it, or add &replace=true to the address"
        raise HTTPError(409, message, code="exists")
    data = await request.body()
    texts = await server.in_executor(lambda: documents_in(data, form.name, limit=8 * server.limits.upload))
    return {"learned": await _learn(server, form, texts), "version": server.version.number}


async def forget(server: Server, request: Request, form: ForgetRequest) -> Any:
    """Forget a document, exactly."""
    server.editable()
    if form.name not in (await server.latest()).names:
        raise HTTPError(404, "no document of this name", code="not_found")
    return {"forgotten": await _forget(server, form.name), "version": server.version.number}


async def sync(server: RunServer, request: Request, form: None) -> Any:
    """Learn what is new in the folders that the server was given, and forget what is gone."""
    server.editable()
    if not server.settings.folders:
        message = "the server was given no folder; start it with --sync FOLDER"
        raise HTTPError(403, message, code="no_folder")
    done = await server.change(server.source.sync())
    found = attrs.asdict(done, filter=attrs.filters.include("learned", "changed", "forgotten", "unchanged"))
    return found | {"skipped": len(done.skipped), "version": server.version.number}


OPERATIONS = (
    Operation(method="PUT", path="/api/document", run=learn, form=LearnRequest, upload=True),
    Operation(method="DELETE", path="/api/document", run=forget, form=ForgetRequest),
)
SYNC = Operation(method="POST", path="/api/sync", run=sync)
"""The operation that only a run has."""


class Tools:
    """The tools of MCP by which an agent changes documents; agents read their docstrings."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def learn(self, name: str, text: str, replace: bool = False) -> dict[str, Any]:
        """Learn a text as a document of this name; `replace` takes the place of one that is there."""
        with tool_errors():
            form = LearnRequest(name=name, replace=replace)
            document = RawDocument(form.name, text.encode("utf-8", "replace"))
            return {"learned": await _learn(self._server, form, [document])}

    async def forget(self, name: str) -> dict[str, Any]:
        """Forget a document, exactly: nothing of it stays."""
        with tool_errors():
            return {"forgotten": await _forget(self._server, name)}


def tools_of(server: Server) -> tuple[Callable[..., Any], ...]:
    """Return the tools of a server; none if it is read-only."""
    tools = Tools(server)
    return (tools.learn, tools.forget) if server.settings.editable else ()
