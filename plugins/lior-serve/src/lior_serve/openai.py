"""The parts of OpenAI's protocol that need no language model: models, chats, responses, embeddings.

A chat or response is answered from the documents. The message has the quotation, the field ``citations`` has
its place, and ``answer`` is the object of ``/api/ask``.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import attrs
import numpy as np
from starlette.requests import Request
from starlette.responses import StreamingResponse

from lior_ask import (
    Filters,
    Turn,
    answer_record,
    embedder,
    in_words_of,
    passage_record,
    refusal,
    shown,
)
from lior_ask import tokens as words_of
from lior_serve.documents import converse
from lior_serve.errors import HTTPError, http_error
from lior_serve.schema import (
    ChatRequest,
    EmbeddingsRequest,
    Message,
    OpenAIRequest,
    Operation,
    ResponsesRequest,
)
from lior_serve.server import Server

DONE = b"data: [DONE]\n\n"
"""The event at the end of a stream."""
_ROWS = 40
"""The maximum number of rows of a calculation that a reply cites."""
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0, None),
    "presence_penalty": (0, None),
    "logit_bias": ({}, None),
    "best_of": (1, None),
    "suffix": ("", None),
    "tools": ([], None),
    "functions": ([], None),
    "response_format": ({"type": "text"}, None),
    "logprobs": (False, None),
    "top_logprobs": (0, None),
    "background": (False, None),
    "conversation": (None,),
    "prompt": (None,),
}
"""Unsupported fields, with the values that request nothing."""
_UNKEPT = "previous_response_id is not supported, for no reply is kept; send the messages before as input"


def check_supported(form: OpenAIRequest) -> None:
    """Refuse unsupported fields; the name of any other model stands for the served one."""
    for name, value in (form.model_extra or {}).items():
        if name in _NEUTRAL and value not in _NEUTRAL[name]:
            raise HTTPError(400, f"{name} is not supported; leave it out", code="unsupported")


async def events(parts: AsyncIterator[dict[str, Any]], end: bytes = DONE) -> AsyncIterator[bytes]:
    """Yield each part as a server-sent event, then the end mark; an error is an event too."""
    try:
        async for part in parts:
            yield _event(part)
    except Exception as error:  # the status has been sent
        yield _event(http_error(error).body)
    yield end


def _event(part: dict[str, Any]) -> bytes:
    """Return an event, with a name if its object has a type."""
    name = f"event: {part['type']}\n" if "type" in part else ""
    return f"{name}data: {json.dumps(part, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


# --- models ---


def _names(server: Server) -> list[str]:
    """Return the name of the source, as a model, and of each collection in it."""
    return [server.source.name, *(each["name"] for each in server.source.state()["collections"])]


def _model(server: Server, name: str) -> dict[str, Any]:
    created = int(server.metrics.started)
    return {"id": name, "object": "model", "created": created, "owned_by": "lior"}


async def models(server: Server, request: Request, form: None) -> Any:
    """The models that are served: the run, or the folders, together and each."""
    return {"object": "list", "data": [_model(server, name) for name in _names(server)]}


async def model(server: Server, request: Request, form: None) -> Any:
    """The model of a name."""
    if (name := request.path_params["name"]) not in _names(server):
        raise HTTPError(404, "no model of this name", code="model_not_found")
    return _model(server, name)


# --- chats and responses ---


@attrs.frozen
class Reply:
    """The reply to the last message of a conversation."""

    text: str
    citations: list[dict[str, Any]]
    """The passages that the text cites, in the order of their numbers."""
    answer: dict[str, Any]
    """The object of ``/api/ask``."""
    model: str
    """The name of the model that answered: the whole source, or the requested collection."""
    version: int
    read: int
    """The number of characters of the conversation, which are counted as tokens."""

    @property
    def pieces(self) -> list[str]:
        """The text as it is streamed."""
        return self.text.splitlines(keepends=True)

    @property
    def found(self) -> dict[str, Any]:
        """The fields that only this server has."""
        return {"citations": self.citations, "answer": self.answer}


async def _answer(server: Server, form: OpenAIRequest, messages: Sequence[Message]) -> Reply:
    """Answer the last of some messages from the documents."""
    check_supported(form)
    asked = [message.text for message in messages if message.role == "user"]
    if not asked or messages[-1].role != "user":
        raise HTTPError(400, "messages: the last must be of the user", code="invalid")
    version = await server.latest()
    one = form.model if form.model in _names(server)[1:] else ""
    turn = await server.in_question_executor(converse, version, asked[-8:], Filters(path=one))
    return Reply(
        *_reply(turn),
        answer=answer_record(turn.answer),
        model=one or server.source.name,
        version=version.number,
        read=sum(len(message.text) for message in messages),
    )


async def chat(server: Server, request: Request, form: ChatRequest) -> Any:
    """Answer the last message from the documents, with citations."""
    reply = await _answer(server, form, form.messages)
    head = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "created": int(time.time()),
        "model": reply.model,
        "system_fingerprint": f"version-{reply.version}",
    }
    read, written = reply.read, len(reply.text)
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    if not form.stream:
        message = {"role": "assistant", "content": reply.text, "refusal": None, **reply.found}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}

    async def parts() -> AsyncIterator[dict[str, Any]]:
        common = {**head, "object": "chat.completion.chunk"}
        pieces = [{"content": piece} for piece in reply.pieces]
        for delta in ({"role": "assistant", "content": ""}, *pieces, reply.found):
            yield {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        if form.stream_options and form.stream_options.include_usage:
            yield {**common, "choices": [], "usage": usage}

    return StreamingResponse(events(parts()), media_type="text/event-stream")


async def responses(server: Server, request: Request, form: ResponsesRequest) -> Any:
    """Answer the last message from the documents, with citations, as an object of OpenAI's Responses."""
    if (form.model_extra or {}).get("previous_response_id"):
        raise HTTPError(400, _UNKEPT, code="unsupported")
    messages = [Message(role="user", content=form.input)] if isinstance(form.input, str) else form.input
    if form.instructions:
        messages = [Message(role="system", content=form.instructions), *messages]
    reply = await _answer(server, form, messages)
    whole = _response(form, reply)
    if not form.stream:
        return whole
    return StreamingResponse(events(_steps(reply, whole), end=b""), media_type="text/event-stream")


def _response(form: ResponsesRequest, reply: Reply) -> dict[str, Any]:
    """Return a finished response; the documents cited are its annotations."""
    now, read, written = int(time.time()), reply.read, len(reply.text)
    marks = [
        {"type": "file_citation", "file_id": name, "filename": name, "index": place}
        for place, name in enumerate(passage["document"] for passage in reply.citations)
    ]
    part = {"type": "output_text", "text": reply.text, "annotations": marks, "logprobs": []}
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": f"resp_{secrets.token_hex(12)}",
        "object": "response",
        "created_at": now,
        "completed_at": now,
        "status": "completed",
        "model": reply.model,
        "instructions": form.instructions,
        "output": [{"id": f"msg_{secrets.token_hex(12)}", **message}],
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        },
        **_SETTINGS,
        **reply.found,
    }


_SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("error", "incomplete_details", "previous_response_id", "temperature", "top_p")),
    "text": {"format": {"type": "text"}},
    "tools": [],
    "tool_choice": "none",
    "parallel_tool_calls": False,
    "store": False,
    "metadata": {},
}
"""Fields that are the same in every response."""


async def _steps(reply: Reply, whole: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a streamed response, numbered."""
    [item] = whole["output"]
    [part] = item["content"]
    begun = whole | {"status": "in_progress", "completed_at": None, "output": [], "usage": None}
    opened = item | {"status": "in_progress", "content": []}
    there = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("created", {"response": begun}),
        ("in_progress", {"response": begun}),
        ("output_item.added", {"output_index": 0, "item": opened}),
        ("content_part.added", there | {"part": part | {"text": "", "annotations": []}}),
        *(("output_text.delta", there | {"delta": piece, "logprobs": []}) for piece in reply.pieces),
        ("output_text.done", there | {"text": reply.text, "logprobs": []}),
        ("content_part.done", there | {"part": part}),
        ("output_item.done", {"output_index": 0, "item": item}),
        ("completed", {"response": whole}),
    ]
    for number, (name, fields) in enumerate(steps):
        yield {"type": f"response.{name}", "sequence_number": number, **fields}


def _reply(turn: Turn) -> tuple[str, list[dict[str, Any]]]:
    """Return the text of a chat's reply, and the passages that it cites."""
    answer = turn.answer
    if answer.found and answer.answer and not answer.result:
        cited = [turn.passages[0]]
        text = f"{cited[0].text} [1]\n"
    else:
        result = answer.result and shown(answer.result, answer.language)
        nearest = "" if answer.said else f"{in_words_of('The nearest:', answer.language)}\n"
        cited = list(result.rows[:_ROWS] if result else turn.passages[: len(answer.dates) or 3])
        text = f"{answer.said or refusal(answer)}\n"
        if result:
            text += f"{result.arithmetic}\n" if result.arithmetic else ""
            groups = (f"- {name}: {value} {result.unit}".rstrip() for name, value in result.groups)
            text += "".join(f"{line}\n" for line in groups)
        text += f"\n{nearest}" if cited else ""
        text += "".join(f"{each.text} [{number}]\n" for number, each in enumerate(cited, 1))
    places = "".join(f"[{number}] {p.document}:{p.line}\n" for number, p in enumerate(cited, 1))
    return f"{text}\n{places}".strip(), list(map(passage_record, cited))


# --- embeddings ---


async def embeddings(server: Server, request: Request, form: EmbeddingsRequest) -> Any:
    """Unit vectors of texts by the embedder of the index."""
    check_supported(form)
    if not (name := server.version.index.embedder):
        message = "embeddings need a sentence encoder: unset LIOR_EMBEDDER and start again"
        raise HTTPError(501, message, code="not_implemented")
    source = embedder(name)
    texts = [form.input] if isinstance(form.input, str) else form.input
    vectors = await server.in_executor(source.embed, texts)
    if form.dimensions not in (None, vectors.shape[1]):
        raise HTTPError(400, f"dimensions: {vectors.shape[1]} is the only number allowed", code="invalid")

    def coded(row: np.ndarray) -> Any:
        return base64.b64encode(row.tobytes()).decode() if form.encoding_format == "base64" else row.tolist()

    data = [{"object": "embedding", "index": i, "embedding": coded(row)} for i, row in enumerate(vectors)]
    used = sum(len(words_of(text)) for text in texts)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "data": data, "model": server.source.name, "usage": usage}


OPERATIONS = (
    Operation(method="GET", path="/v1/models", run=models),
    Operation(method="GET", path="/v1/models/{name}", run=model),
    Operation(method="POST", path="/v1/chat/completions", run=chat, form=ChatRequest),
    Operation(method="POST", path="/v1/responses", run=responses, form=ResponsesRequest),
    Operation(method="POST", path="/v1/embeddings", run=embeddings, form=EmbeddingsRequest),
)
