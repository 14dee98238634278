"""Changes of a run or a shared index by clients: learn, forget and sync as JSON, two also by MCP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request

from lior.names import in_line
from lior.reading.documents import RawDocument, documents_in
from lior_serve.agents import tool_errors
from lior_serve.errors import HTTPError
from lior_serve.schema import ForgetRequest, LearnRequest, Operation
from lior_serve.server import Server


async def learn(server: Server, request: Request, form: LearnRequest) -> Any:
    """Learn the body as a document; its name tells its format."""
    source = server.editable()
    if in_line(form.name) != form.name:
        raise HTTPError(400, "name: only characters that can be printed are allowed", code="invalid")
    if form.name in (await server.latest()).names and not form.replace:
        message = "there is a document of this name; forget it, or say replace=true"
        raise HTTPError(409, message, code="exists")
    data = await request.body()
    texts = await server.in_executor(lambda: documents_in(data, form.name, limit=8 * server.limits.upload))
    if not any(text.data.strip() for text in texts):
        raise HTTPError(400, "no text in there", code="invalid")
    learned = await server.change(source.learn(texts, replace=form.replace))
    return {"learned": list(map(attrs.asdict, learned)), "version": server.version.number}


async def forget(server: Server, request: Request, form: ForgetRequest) -> Any:
    """Forget a document, exactly."""
    source = server.editable()
    if form.name not in (await server.latest()).names:
        raise HTTPError(404, "no document of this name", code="not_found")
    forgotten = await server.change(source.forget(form.name))
    return {"forgotten": attrs.asdict(forgotten), "version": server.version.number}


async def sync(server: Server, request: Request, form: None) -> Any:
    """Learn what is new in the folders that the server was given, and forget what is gone."""
    source = server.editable()
    if not server.settings.folders:
        message = "the server was given no folder; start it with --sync FOLDER"
        raise HTTPError(403, message, code="no_folder")
    done = await server.change(source.sync())
    found = attrs.asdict(done, filter=attrs.filters.include("learned", "changed", "forgotten", "unchanged"))
    return found | {"skipped": len(done.skipped), "version": server.version.number}


OPERATIONS = (
    Operation(method="PUT", path="/api/document", run=learn, form=LearnRequest, upload=True),
    Operation(method="DELETE", path="/api/document", run=forget, form=ForgetRequest),
    Operation(method="POST", path="/api/sync", run=sync),
)


class Tools:
    """The tools of MCP by which an agent changes documents; what it reads of them is their docstring."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def learn(self, name: str, text: str, replace: bool = False) -> dict[str, Any]:
        """Learn a text as a document of this name; `replace` takes the place of one that is there."""
        with tool_errors():
            form = LearnRequest(name=name, replace=replace)
            if in_line(form.name) != form.name or not text.strip():
                raise ToolError("give a name that can be printed, and a text")
            document = RawDocument(form.name, text.encode("utf-8", "replace"))
            learned = await self._server.change(
                self._server.editable().learn([document], replace=form.replace)
            )
        return {"learned": list(map(attrs.asdict, learned))}

    async def forget(self, name: str) -> dict[str, Any]:
        """Forget a document, exactly: nothing of it stays."""
        with tool_errors():
            forgotten = await self._server.change(self._server.editable().forget(name))
        return {"forgotten": attrs.asdict(forgotten)}


def tools_of(server: Server) -> tuple[Callable[..., Any], ...]:
    """The tools of a server: none where it is read-only."""
    tools = Tools(server)
    return (tools.learn, tools.forget) if server.settings.editable else ()
