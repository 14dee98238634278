"""MCP: the tools and resources by which agents use the documents of a run, with the official SDK."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version as installed
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import attrs
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import Resource
from pydantic import ValidationError
from starlette.routing import BaseRoute, Route

from lior.errors import LiorError
from lior.reading.documents import RawDocument
from lior.serve import answers
from lior.serve.schema import Ask, Learn, Lines, Listing, told
from lior.serve.server import Fault, Server, fault_of

T = TypeVar("T")
SCHEME = "lior://documents/"
"""Of the addresses of documents, their names percent-encoded."""
_LISTED = 5000
"""Documents in the list of resources; the tool ``docs`` finds all."""
_ABOUT = (
    "The user's own documents. `ask` finds passages that answer a question and says whether there are any; "
    "`get` reads lines, `docs` lists documents. Quote passages as they stand, with document and line."
)


class Agents(MCPServer[Any]):
    """The MCP server of a run, over standard input and output or HTTP."""

    def __init__(self, server: Server) -> None:
        super().__init__("lior", instructions=_ABOUT, version=installed("lior"), log_level="CRITICAL")
        logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it logs what is asked
        self._server = server
        tools: list[Callable[..., Any]] = [self.ask, self.get, self.docs]
        if server.settings.editable:
            tools += [self.learn, self.forget]
        for tool in tools:
            self.add_tool(tool)

    def routes(self) -> list[BaseRoute]:
        """The address ``/mcp``; host and origin are checked by the guard before it."""
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        app = self.streamable_http_app(
            stateless_http=True, json_response=True, transport_security=security,
            max_request_body_size=self._server.limits.body,
        )  # fmt: skip
        # Nothing is told without being asked, so there is no stream to be opened by GET and held for ever.
        return [
            Route(each.path, each.endpoint, methods=["POST"]) for each in app.routes if type(each) is Route
        ]

    def running(self) -> AbstractAsyncContextManager[None]:
        """What must be entered while :meth:`routes` are served."""
        return self.session_manager.run()

    # --- tools: what agents read of them is their docstring ---

    async def ask(self, question: str, top: int = 3) -> dict[str, Any]:
        """Find the passages of the user's documents that answer a question, with document and line.

        `found`: whether they speak of it; `answer`: the passage to quote; `passages`: the nearest.
        """
        given = _checked(lambda: Ask(question=question, top=top))
        version = self._server.version
        try:
            answer = await self._server.ask(version, given.question, given.top)
        except LiorError as error:
            raise ToolError(str(fault_of(error))) from None
        return answers.answered(version, answer)

    async def get(self, document: str, line: int = 1, count: int = 200) -> dict[str, Any]:
        """Read `count` lines of a document from `line` on, which counts from 1."""
        given = _checked(lambda: Lines(name=document, line=line, count=count))
        version = self._server.version
        try:
            name = version.owner(given.name)
        except LiorError:
            raise ToolError("no document of this name; `docs` lists them") from None
        return await self._server.aside(answers.lines_of, version, name, given.line, given.count)

    async def docs(self, search: str = "", offset: int = 0, count: int = 100) -> dict[str, Any]:
        """List the documents with their sizes; `search` is a part of the name."""
        given = _checked(lambda: Listing(search=search, offset=offset, count=count))
        return answers.listed(self._server.version, given)

    async def learn(self, name: str, text: str, replace: bool = False) -> dict[str, Any]:
        """Learn a text as a document of this name; `replace` takes the place of one that is there."""
        given = _checked(lambda: Learn(name=name, replace=replace))
        if not given.name.isprintable() or not text.strip():
            raise ToolError("give a name that can be printed, and a text")
        document = RawDocument(given.name, text.encode("utf-8", "replace"))
        try:
            learned = await self._server.change(
                self._server.resident.learn([document], replace=given.replace)
            )
        except LiorError as error:
            raise ToolError(str(fault_of(error))) from None
        return {"learned": list(map(attrs.asdict, learned))}

    async def forget(self, name: str) -> dict[str, Any]:
        """Forget a document, exactly: nothing of it stays."""
        try:
            self._server.document(self._server.version, name)
            gone = await self._server.change(self._server.resident.forget(name))
        except (LiorError, Fault) as error:
            raise ToolError(str(fault_of(error))) from None
        return {"forgotten": attrs.asdict(gone)}

    # --- resources: the documents as they are now ---

    async def list_resources(self) -> list[Resource]:
        """The documents."""
        found = self._server.version.documents[:_LISTED]
        return [
            Resource(uri=SCHEME + quote(each.name, safe=""), name=each.name, size=each.bytes,
                     mime_type="text/plain")
            for each in found
        ]  # fmt: skip

    async def read_resource(self, uri: Any, context: Any = None) -> Iterable[ReadResourceContents]:
        """The text of a document."""
        name = unquote(str(uri).removeprefix(SCHEME))
        try:
            texts = await self._server.aside(self._server.version.run.text, name)
        except LiorError:
            raise ResourceNotFoundError("no document of this name") from None
        text = b"\n".join(texts).decode("utf-8", "replace")
        return [ReadResourceContents(content=text, mime_type="text/plain")]


def _checked(made: Callable[[], T]) -> T:
    """A form of the HTTP operations, or what is wrong with it."""
    try:
        return made()
    except ValidationError as error:
        raise ToolError(told(error)) from None
