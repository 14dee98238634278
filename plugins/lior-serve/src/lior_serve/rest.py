"""Questions and documents as JSON."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import attrs
from starlette.requests import Request

from lior_ask import answer_record, confirm_turn
from lior_serve import documents as found
from lior_serve.errors import HTTPError
from lior_serve.labels import preferred_by
from lior_serve.schema import AskRequest, ConfirmRequest, LinesRequest, ListRequest, Operation, PassageRequest
from lior_serve.server import Server


async def state(server: Server, request: Request, form: None) -> Any:
    """What is served, what is being learned, and which model words answers (``composer``)."""
    return server.state()


async def ask(server: Server, request: Request, form: AskRequest) -> Any:
    """Find the passages that answer a question, and decide whether any does."""
    version = await server.latest()
    turn = await server.in_question_executor(found.converse, version, form.messages, form.filters, form.top)
    answer, count = turn.answer, form.top
    answer = attrs.evolve(answer, passages=answer.passages[:count], evidence=answer.evidence[:count])
    record = answer_record(answer)
    if form.history:
        record["inherited"] = list(turn.inherited)
    if form.lines and answer.answer:
        lines = partial(found.lines_if_readable, language=preferred_by(request))
        record["shown"] = await server.in_executor(lines, version, answer.answer)
    if form.state:
        record["state"] = server.state()
    return record


async def suggestions(server: Server, request: Request, form: None) -> Any:
    """Questions that the documents answer with a confidence of at least 90 %; each was asked before."""
    version = await server.latest()
    return {"questions": await server.in_question_executor(found.suggested, version)}


async def confirm(server: Server, request: Request, form: ConfirmRequest) -> Any:
    """Count that a passage answers a question, or no longer."""
    if not server.source.state()["confirms"]:
        raise HTTPError(403, "the server is read-only; start it with --allow-edit", code="read_only")
    version = await server.latest()
    turn = await server.in_question_executor(found.converse, version, form.messages, form.filters)
    passage = found.passage_of(turn, form.passage)
    question = confirm_turn(turn, passage)
    changed = await asyncio.to_thread(server.source.confirm, question, passage, form.good)  # a run is saved
    return {"question": question, "good": form.good, "changed": changed}


async def show(server: Server, request: Request, form: PassageRequest) -> Any:
    """The lines of a document around a passage."""
    version = await server.latest()
    server.document(version, form.document)
    lines = partial(found.passage_lines, language=preferred_by(request))
    return await server.in_executor(lines, version, form.passage)


async def documents(server: Server, request: Request, form: ListRequest) -> Any:
    """The documents, with their sizes."""
    return found.list_documents(await server.latest(), form)


async def document(server: Server, request: Request, form: LinesRequest) -> Any:
    """Lines of a document."""
    version = await server.latest()
    name = server.document(version, form.name)
    return await server.in_executor(found.document_lines, version, name, form.line, form.count)


OPERATIONS = (
    Operation(method="GET", path="/api/state", run=state),
    Operation(method="POST", path="/api/ask", run=ask, form=AskRequest),
    Operation(method="GET", path="/api/suggestions", run=suggestions),
    Operation(method="POST", path="/api/show", run=show, form=PassageRequest),
    Operation(method="POST", path="/api/confirm", run=confirm, form=ConfirmRequest),
    Operation(method="GET", path="/api/documents", run=documents, form=ListRequest),
    Operation(method="GET", path="/api/document", run=document, form=LinesRequest),
)
