"""Answers in the words of a language model at another address, streamed and checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import StreamingResponse

from lior_ask import Endpoint, Material, Turn, answer_record, check_reply, passage_record, prepare_material
from lior_serve.documents import converse
from lior_serve.errors import Busy
from lior_serve.openai import events
from lior_serve.schema import ComposeRequest, Operation
from lior_serve.server import Server
from lior_serve.sources import Version


async def compose(server: Server, request: Request, form: ComposeRequest) -> Any:
    """Answer a message in a language model's words, as server-sent events: sources, pieces, checked reply."""
    version = await server.latest()
    turn, given = await server.in_question_executor(_found, version, form)
    return StreamingResponse(events(_parts(server, turn, given)), media_type="text/event-stream")


def _found(version: Version, form: ComposeRequest) -> tuple[Turn, Material | None]:
    return prepare_material(converse(version, form.messages, form.filters), version.index)


async def _parts(server: Server, turn: Turn, given: Material | None) -> AsyncIterator[dict[str, Any]]:
    """Yield the answer with the given sources, then the pieces of the reply, then the whole reply with its
    marks.
    """
    passages = given.passages if given else ()
    sources = [{"number": number, **passage_record(each)} for number, each in enumerate(passages, 1)]
    yield {"answer": answer_record(turn.answer), "inherited": list(turn.inherited), "sources": sources}
    if given is None or server.settings.endpoint is None:
        return
    text = ""
    async for piece in _pieces(server, server.settings.endpoint, given):
        text += piece
        yield {"text": piece}
    reply = check_reply(text.strip(), given.passages)
    yield {
        "reply": {
            "text": reply.text,
            "cited": list(reply.cited),
            "wrong": reply.wrong,
            "unfounded": list(reply.unfounded),
        }
    }


async def _pieces(server: Server, endpoint: Endpoint, given: Material) -> AsyncIterator[str]:
    """Yield the pieces of a reply; a thread waits for each, so that a slow address delays no question."""
    if not server.replies.acquire(blocking=False):
        raise Busy
    pieces = endpoint.pieces(given.question, given.passages)
    following = partial(run_sync, next, pieces, None, abandon_on_cancel=True, limiter=server.reading)
    try:
        while (piece := await following()) is not None:
            if piece:
                yield piece
    finally:
        server.replies.release()


OPERATIONS = (Operation(method="POST", path="/api/compose", run=compose, form=ComposeRequest),)
