"""Questions and documents as JSON."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from lior.ask.serialise import answer_record
from lior.serve import documents as found
from lior.serve.schema import AskRequest, LinesRequest, ListRequest, Operation, PassageRequest
from lior.serve.server import Server


async def state(server: Server, request: Request, form: None) -> Any:
    """What is served, what is being learned, and which model words answers (``composer``)."""
    return server.state()


async def ask(server: Server, request: Request, form: AskRequest) -> Any:
    """Find the passages that answer a question, and decide whether any does."""
    version = await server.latest()
    answer = await server.ask(version, form.question, form.top, form.filters)
    record = answer_record(answer)
    if form.lines and answer.answer:
        record["shown"] = await server.in_executor(found.passage_lines, version, answer.answer)
    if form.state:
        record["state"] = server.state()
    return record


async def show(server: Server, request: Request, form: PassageRequest) -> Any:
    """The lines of a document around a passage."""
    version = server.version
    server.document(version, form.document)
    return await server.in_executor(found.passage_lines, version, form.passage)


async def documents(server: Server, request: Request, form: ListRequest) -> Any:
    """The documents, with their sizes."""
    return found.list_documents(await server.latest(), form)


async def document(server: Server, request: Request, form: LinesRequest) -> Any:
    """Lines of a document."""
    version = server.version
    name = server.document(version, form.name)
    return await server.in_executor(found.document_lines, version, name, form.line, form.count)


OPERATIONS = (
    Operation(method="GET", path="/api/state", run=state),
    Operation(method="POST", path="/api/ask", run=ask, form=AskRequest),
    Operation(method="POST", path="/api/show", run=show, form=PassageRequest),
    Operation(method="GET", path="/api/documents", run=documents, form=ListRequest),
    Operation(method="GET", path="/api/document", run=document, form=LinesRequest),
)
