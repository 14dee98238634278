"""The parts of OpenAI's protocol that need no language model: models, chats, embeddings.

A chat is answered from the documents: the message says what is quoted, the field ``citations`` where it
stands, and ``answer`` is the object of ``/api/ask``.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import StreamingResponse

from lior.errors import MissingPackage
from lior_ask.answer.serialise import answer_record, passage_record
from lior_ask.conversation.dialogue import Turn
from lior_ask.index.embedding import HINT, WORDS, embedder
from lior_ask.languages.words import tokens as words_of
from lior_ask.question.filters import Filters
from lior_serve.documents import converse
from lior_serve.errors import HTTPError, http_error
from lior_serve.schema import ChatRequest, EmbeddingsRequest, OpenAIRequest, Operation
from lior_serve.server import Server

_ROWS = 40
"""Rows of a calculation that a reply cites."""
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0, None), "presence_penalty": (0, None), "logit_bias": ({}, None),
    "best_of": (1, None), "suffix": ("", None), "tools": ([], None), "functions": ([], None),
    "response_format": ({"type": "text"}, None), "logprobs": (False, None), "top_logprobs": (0, None),
}  # fmt: skip
"""Fields that are not supported, and the values with which they ask for nothing."""


def check_supported(server: Server, form: OpenAIRequest) -> None:
    """Refuse the name of another model, and fields that are not supported."""
    if form.model not in ("", "lior", *(names := _names(server))):
        message = f"no model of this name; there is {' and '.join(map(repr, names))}"
        raise HTTPError(404, message, code="model_not_found")
    for name, value in (form.model_extra or {}).items():
        if name in _NEUTRAL and value not in _NEUTRAL[name]:
            raise HTTPError(400, f"{name} is not supported; leave it out", code="unsupported")


async def events(parts: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    """Each part as a server-sent event, then the mark of the end; an error is an event too."""
    try:
        async for part in parts:
            yield _event(part)
    except Exception as error:  # the status has been sent
        yield _event(http_error(error).body)
    yield b"data: [DONE]\n\n"


def _event(part: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(part, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


# --- models ---


def _names(server: Server) -> list[str]:
    """What is served, as a model, and each collection in it."""
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


# --- chat ---


async def chat(server: Server, request: Request, form: ChatRequest) -> Any:
    """Answer the last message from the documents, with citations."""
    check_supported(server, form)
    messages = [message.text for message in form.messages if message.role == "user"]
    if not messages or form.messages[-1].role != "user":
        raise HTTPError(400, "messages: the last must be of the user", code="invalid")
    version = await server.latest()
    one = form.model if form.model in _names(server)[1:] else ""
    turn = await server.in_question_executor(converse, version, messages[-8:], Filters(path=one))
    text, cited = _reply(turn)
    found = {"citations": cited, "answer": answer_record(turn.answer)}
    head = {
        "id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()),
        "model": one or server.source.name, "system_fingerprint": f"version-{version.number}",
    }  # fmt: skip
    read = sum(len(message.text) for message in form.messages)
    usage = {"prompt_tokens": read, "completion_tokens": len(text), "total_tokens": read + len(text)}
    if not form.stream:
        message = {"role": "assistant", "content": text, "refusal": None, **found}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}

    async def parts() -> AsyncIterator[dict[str, Any]]:
        common = {**head, "object": "chat.completion.chunk"}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": piece} for piece in text.splitlines(keepends=True)]
        deltas += [found]
        for delta in deltas:
            yield {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        if form.stream_options and form.stream_options.include_usage:
            yield {**common, "choices": [], "usage": usage}

    return StreamingResponse(events(parts()), media_type="text/event-stream")


def _reply(turn: Turn) -> tuple[str, list[dict[str, Any]]]:
    """The text of a chat's reply, and the passages that it cites."""
    answer = turn.answer
    if answer.found and answer.answer and not answer.result:
        cited = [turn.passages[0]]
        text = f"{cited[0].text} [1]\n"
    else:
        result, nearest = answer.result, "" if answer.said else "The nearest:\n"
        cited = list(result.rows[:_ROWS] if result else turn.passages[:3])
        text = f"{answer.said or f'Nothing in the documents speaks of it: {answer.note}.'}\n"
        text += f"{result.arithmetic}\n" if result and result.arithmetic else ""
        text += f"\n{nearest}" if cited else ""
        text += "".join(f"{each.text} [{number}]\n" for number, each in enumerate(cited, 1))
    places = "".join(f"[{number}] {p.document}:{p.line}\n" for number, p in enumerate(cited, 1))
    return f"{text}\n{places}".strip(), list(map(passage_record, cited))


# --- embeddings ---


async def embeddings(server: Server, request: Request, form: EmbeddingsRequest) -> Any:
    """Unit vectors of texts by the embedder of the index, or sums of word vectors where there is none."""
    check_supported(server, form)
    try:
        source = embedder(server.version.index.embedder or WORDS)
    except MissingPackage:
        message = f"embeddings need a package: {HINT} and start again"
        raise HTTPError(501, message, code="not_implemented") from None
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
    Operation(method="POST", path="/v1/embeddings", run=embeddings, form=EmbeddingsRequest),
)
