"""MCP: tools and resources by which agents use the documents, with the official SDK.

:mod:`lior_serve.messages` checks its messages first.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version as installed
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
    Resource,
    ToolAnnotations,
)
from pydantic import ValidationError
from starlette.routing import BaseRoute, Route

from lior.errors import LiorError
from lior_ask import answer_record
from lior_serve import documents
from lior_serve.errors import http_error
from lior_serve.messages import Checked, Messages, Replies
from lior_serve.schema import AskRequest, LinesRequest, ListRequest
from lior_serve.server import Server

SCHEME = "lior://documents/"
"""The beginning of documents' addresses; their names follow percent-encoded."""
_LISTED = 5000
"""The maximum number of documents in the list of resources; the tool ``docs`` finds all."""
_ABOUT = (
    "The user's own documents. `ask` finds passages that answer a question and says whether there are any; "
    "`get` reads lines, `docs` lists documents. Quote passages as they stand, with document and line."
)


class Agents(MCPServer[Any]):
    """The MCP server, over standard input and output or HTTP."""

    def __init__(self, server: Server) -> None:
        about = _ABOUT
        if collections := server.source.state()["collections"]:
            about += f" Folders, as `path`: {', '.join(each['name'] for each in collections)}."
        super().__init__(
            "lior",
            instructions=about,
            version=installed("lior"),
            log_level="CRITICAL",
            middleware=[_refuse],
            subscriptions=False,  # the server only replies to requests: no stream stays open
        )
        logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it logs questions
        self._server = server
        for tool in (self.ask, self.get, self.docs):
            self.add_tool(tool, annotations=ToolAnnotations(read_only_hint=True))
        for tool in server.tools:
            self.add_tool(tool)
        for each in self._tool_manager.list_tools():
            form = each.fn_metadata.arg_model
            form.model_config["extra"] = "forbid"  # the SDK drops arguments that it does not know
            form.model_rebuild(force=True)
            each.parameters = form.model_json_schema(by_alias=True)

    def routes(self) -> list[BaseRoute]:
        """Return the route ``/mcp``; the middleware checks host and origin."""
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        app = self.streamable_http_app(
            stateless_http=True,
            json_response=True,
            transport_security=security,
            max_request_body_size=self._server.limits.body,
        )
        # The server only replies to requests, so there is no stream to open by GET and to hold for ever.
        return [
            Route(each.path, Checked(each.endpoint), methods=["POST"])
            for each in app.routes
            if type(each) is Route
        ]

    def running(self) -> AbstractAsyncContextManager[None]:
        """Return the context in which :meth:`routes` are served."""
        return self.session_manager.run()

    async def talk(self, requests: BinaryIO, replies: BinaryIO) -> None:
        """Serve over standard input and output, until the input ends."""
        written = Replies(replies)
        read = Messages(requests, written, self._server.limits.body)
        # They have the methods of files that the transport uses: iteration over lines, write and flush.
        files = cast("Any", read), cast("Any", written)
        async with stdio_server(*files) as (received, sent):
            options = self._lowlevel_server.create_initialization_options()
            await self._lowlevel_server.run(received, sent, options)

    # --- tools: agents read their docstrings ---

    async def ask(
        self,
        question: str,
        top: int = 3,
        sender: str = "",
        after: str = "",
        before: str = "",
        kind: str = "",
        path: str = "",
    ) -> dict[str, Any]:
        """Find the passages of the user's documents that answer a question, with document and line; count,
        list or add up rows of their tables, mails, messages and entries of logs, exactly.

        `found`: whether they speak of it; `answer`: the passage to quote; `block`: what it stands in;
        `passages`: the nearest, or with `dates`, all to quote; `result`: a calculation, with its rows;
        `said`: it in words, or why it is refused. Filters: words of a `sender`; `after` (the first day) and
        `before` (the day after the last), ISO dates; a `kind`: mail, chat, log, table, calendar, contacts,
        code, note, or an ending as pdf; a folder, document or pattern as `path`.
        """
        with tool_errors():
            form = AskRequest(
                question=question, top=top, sender=sender, after=after, before=before, kind=kind, path=path
            )
            version = await self._server.latest()
            return answer_record(await self._server.ask(version, form.question, form.top, form.filters))

    async def get(self, document: str, line: int = 1, count: int = 200) -> dict[str, Any]:
        """Read `count` lines of a document from `line` on, which counts from 1."""
        with tool_errors():
            form = LinesRequest(name=document, line=line, count=count)
            version = await self._server.latest()
            name = self._server.document(version, form.name)
            read = documents.document_lines
            return await self._server.in_executor(read, version, name, form.line, form.count)

    async def docs(self, search: str = "", offset: int = 0, count: int = 100) -> dict[str, Any]:
        """List the documents with their sizes; `search` is a part of the name."""
        with tool_errors():
            form = ListRequest(search=search, offset=offset, count=count)
            return documents.list_documents(await self._server.latest(), form)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Raises :class:`ToolError`, with one line about an argument that is wrong."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(str(http_error(error.__cause__))) from None
            if isinstance(error.__cause__, ToolError):  # the SDK puts the name of the tool before it
                raise error.__cause__ from None
            raise

    async def get_prompt(self, name: str, arguments: Any = None, context: Any = None) -> GetPromptResult:
        """Raise :class:`MCPError`: there are none, and the SDK would call it a defect."""
        raise MCPError(INVALID_PARAMS, "no prompt of this name")

    # --- resources: the documents as they are now ---

    async def list_resources(self) -> list[Resource]:
        """Return the documents as resources."""
        found = (await self._server.latest()).documents[:_LISTED]
        return [
            Resource(
                uri=SCHEME + quote(each.name, safe=""),
                name=each.name,
                size=each.bytes,
                mime_type="text/plain",
            )
            for each in found
        ]

    async def read_resource(self, uri: Any, context: Any = None) -> Iterable[ReadResourceContents]:
        """Return the text of a document."""
        name = unquote(str(uri).removeprefix(SCHEME))
        try:
            version = await self._server.latest()
            texts = await self._server.in_executor(version.text, name)
        except LiorError:
            raise ResourceNotFoundError("no document of this name") from None
        text = b"\n".join(texts).decode("utf-8", "replace")
        return [ReadResourceContents(content=text, mime_type="text/plain")]


@contextlib.contextmanager
def tool_errors() -> Iterator[None]:
    """Raise errors as :class:`ToolError`, which an agent reads as the result of its call."""
    try:
        yield
    except ToolError:
        raise
    except Exception as error:
        raise ToolError(str(http_error(error))) from None


async def _refuse(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Raise errors of requests in the protocol's form, each as one line that says what is wrong."""
    try:
        return await call_next(ctx)
    except MCPError:
        raise
    except Exception as error:
        code = INVALID_PARAMS if isinstance(error, ValidationError) else INTERNAL_ERROR
        raise MCPError(code, str(http_error(error))) from None
