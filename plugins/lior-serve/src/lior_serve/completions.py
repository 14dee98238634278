"""OpenAI's completions by the language model of a run, and its tokens, as evaluation harnesses ask."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import StreamingResponse

from lior_serve.choices import Choice, logprobs, stream_choices
from lior_serve.errors import Busy, HTTPError
from lior_serve.openai import check_supported, events
from lior_serve.run_server import RunServer
from lior_serve.schema import (
    SAMPLED_REQUEST,
    CompletionRequest,
    DetokenizeRequest,
    Operation,
    TokenizeRequest,
)
from lior_serve.server import unless_gone
from lior_serve.streams import Drawn, Stream, of_prompt

BEGIN = "<|begin|>"
"""Text that stands for the begin of a document, if it is all that is tokenised: the token after the last."""


# --- tokens ---


async def tokenize(server: RunServer, request: Request, form: TokenizeRequest) -> Any:
    """The tokens of a text."""
    encoder = server.version.tokenizer
    found = [encoder.vocab] if form.prompt == BEGIN else _encode(server, form.prompt)
    return {"tokens": found, "count": len(found), "max_model_len": server.limits.prompt}


async def detokenize(server: RunServer, request: Request, form: DetokenizeRequest) -> Any:
    """The text of tokens."""
    decoder = server.version.tokenizer
    known = [token for token in form.tokens if token < decoder.vocab]
    return {"prompt": decoder.decode(known).decode("utf-8", "replace")}


async def tokenizer_info(server: RunServer, request: Request, form: None) -> Any:
    """What an evaluation harness asks of a tokenizer."""
    return {
        "tokenizer_class": type(server.version.tokenizer).__name__, "chat_template": None,
        "bos_token": BEGIN, "eos_token": BEGIN, "pad_token": None,
        "model_max_length": server.limits.prompt, "vocab_size": server.version.tokenizer.vocab + 1,
    }  # fmt: skip


def _encode(server: RunServer, text: str) -> list[int]:
    found: list[int] = server.version.tokenizer.encode(text.encode("utf-8", "replace")).tolist()
    return found


# --- completions ---


def _prompts(server: RunServer, form: CompletionRequest) -> list[list[int]]:
    """The tokens of each prompt; the token of a document's begin may only come first."""
    several = form.prompt if isinstance(form.prompt, list) else [form.prompt]
    if several and isinstance(several[0], int):
        several = [several]
    vocab, found = server.version.tokenizer.vocab, list[list[int]]()
    for prompt in several or [""]:
        part = _encode(server, prompt) if isinstance(prompt, str) else list(prompt)  # type: ignore[arg-type]
        if any(not 0 <= token < vocab + (place == 0) for place, token in enumerate(part)):
            raise HTTPError(400, f"prompt: tokens from 0 to {vocab - 1} are allowed", code="invalid")
        found.append(part)
    if sum(map(len, found)) > server.limits.prompt:
        raise HTTPError(413, f"the prompt has more than {server.limits.prompt:,} tokens", code="too_large")
    if len(found) * (form.n or 1) > server.limits.choices:
        message = f"at most {server.limits.choices} completions at once are allowed"
        raise HTTPError(400, message, code="invalid")
    return found


class _Request:
    """A request for completions: its choices and how they are drawn."""

    def __init__(self, server: RunServer, form: CompletionRequest) -> None:
        self.server, self.form, self.version = server, form, server.version
        self.prompts = _prompts(server, form)
        stops = [form.stop] if isinstance(form.stop, str) else form.stop or []
        self.count = 16 if form.max_tokens is None else form.max_tokens
        seed = secrets.randbits(62) if form.seed is None else form.seed % 2**63
        self.id, self.created = f"cmpl-{secrets.token_hex(12)}", int(time.time())
        sampling, until = form.sampling, time.monotonic() + server.limits.completion_seconds
        copies = form.n or 1
        vocab = self.version.tokenizer.vocab
        self.choices = [
            Choice(
                Stream(
                    self.version, [token for token in prompt if token < vocab], self.count, sampling=sampling,
                    seed=(seed + copy) % 2**63, tops=form.logprobs, until=until,
                ),
                stops,
            )
            for prompt in self.prompts
            for copy in range(copies)
        ]  # fmt: skip

    async def echoes(self) -> list[list[Drawn | None]]:
        """The scored tokens of each choice's prompt; ``None`` for the begin of a document."""
        found: list[list[Drawn | None]] = []
        for prompt in self.prompts:
            vocab = self.version.tokenizer.vocab
            begins, real = bool(prompt) and prompt[0] == vocab, [token for token in prompt if token < vocab]
            if self.form.logprobs is None:
                scored = [Drawn(token, 0.0, []) for token in real]
            else:
                tops, version = self.form.logprobs, self.version
                scored = await self.server.read(lambda step: of_prompt(version, real, tops, step))  # noqa: B023
            first: list[Drawn | None] = [None] if begins else []
            found += [[*first, *scored]] * (self.form.n or 1)
        return found

    def record(self, choices: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """A reply, or a part of one."""
        return {
            "id": self.id, "object": "text_completion", "created": self.created,
            "model": self.server.source.name, "system_fingerprint": f"version-{self.version.number}",
            "choices": list(choices), **more,
        }  # fmt: skip

    def usage(self) -> dict[str, int]:
        """The token counts of OpenAI's protocol."""
        read, written = sum(map(len, self.prompts)), sum(each.count for each in self.choices)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def record_of(self, index: int, text: str, records: Any, reason: str | None) -> dict[str, Any]:
        """A choice, or a part of one."""
        return {"index": index, "text": text, "logprobs": records, "finish_reason": reason}

    def logprobs(self, drawn: Sequence[tuple[Drawn | None, int]]) -> Any:
        """The probabilities of tokens, where they were asked for."""
        if self.form.logprobs is None:
            return None
        return logprobs(self.version.tokenizer, drawn)


async def completions(server: RunServer, request: Request, form: CompletionRequest) -> Any:
    """Continue a text with the language model."""
    check_supported(form)
    job = _Request(server, form)
    if server.model.streams + len(job.choices) > server.limits.streams:
        raise Busy
    if form.stream:
        return StreamingResponse(_stream(job), media_type="text/event-stream")
    return await unless_gone(request, _whole(job))


async def _pieces(job: _Request) -> AsyncIterator[tuple[int, str, list[tuple[Drawn | None, int]]]]:
    """Yield the choice, text and tokens of each piece: of the echoed prompts, then of the completions."""
    shift = [0] * len(job.choices)
    if job.form.echo:
        for place, prompt in enumerate(await job.echoes()):
            text, records = _echo(job, prompt)
            shift[place] = len(text)
            yield place, text, records
    if job.count:
        async for place, text, new in stream_choices(job.server.model, job.choices):
            yield place, text, [(each, at + shift[place]) for each, at in new]


async def _whole(job: _Request) -> dict[str, Any]:
    texts = [""] * len(job.choices)
    drawn: list[list[tuple[Drawn | None, int]]] = [[] for _ in texts]
    async for place, text, new in _pieces(job):
        texts[place] += text
        drawn[place] += new
    choices = [
        job.record_of(place, texts[place], job.logprobs(drawn[place]), choice.reason or "length")
        for place, choice in enumerate(job.choices)
    ]
    return job.record(choices, usage=job.usage())


def _echo(job: _Request, prompt: Iterable[Drawn | None]) -> tuple[str, list[tuple[Drawn | None, int]]]:
    """The text of a prompt, and its tokens with their character offsets."""
    decode, parts = job.version.tokenizer.decode, list(prompt)
    data = [decode([each.token]) if each else b"" for each in parts]
    begins = np.cumsum([0, *map(len, data)])[:-1].tolist()
    whole = b"".join(data)
    if whole.isascii():
        return whole.decode(), list(zip(parts, begins, strict=True))
    places = [len(whole[:begin].decode("utf-8", "replace")) for begin in begins[:4096]]
    places += [places[-1]] * (len(begins) - len(places))  # of a long text, to count them takes too long
    return whole.decode("utf-8", "replace"), list(zip(parts, places, strict=True))


async def _stream(job: _Request) -> AsyncIterator[bytes]:
    async def parts() -> AsyncIterator[dict[str, Any]]:
        async for place, text, new in _pieces(job):
            yield job.record([job.record_of(place, text, job.logprobs(new), None)])
        for place, choice in enumerate(job.choices):
            yield job.record([job.record_of(place, "", None, choice.reason or "length")])
        if job.form.stream_options and job.form.stream_options.include_usage:
            yield job.record([], usage=job.usage())

    async for event in events(parts()):
        yield event


def _post(path: str, run: Any, form: type[BaseModel]) -> Operation:
    return Operation(method="POST", path=path, run=run, form=form)


OPERATIONS = (
    _post("/v1/completions", completions, SAMPLED_REQUEST),
    _post("/tokenize", tokenize, TokenizeRequest),
    _post("/detokenize", detokenize, DetokenizeRequest),
    Operation(method="GET", path="/tokenizer_info", run=tokenizer_info),
)
