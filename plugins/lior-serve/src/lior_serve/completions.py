"""OpenAI's completions by the language model of a run, and its tokens, for evaluation harnesses."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import attrs
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import StreamingResponse

from lior_serve.choices import Choice, logprobs, place_tokens, stream_choices
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
"""The text that stands for the begin of a document if it is tokenised alone: the token after the last."""


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
    known = server.version.tokenizer
    return {
        **dict.fromkeys(("bos_token", "eos_token"), BEGIN),
        **dict.fromkeys(("pad_token", "chat_template")),
        "tokenizer_class": type(known).__name__,
        "model_max_length": server.limits.prompt,
        "vocab_size": known.vocab + 1,
    }


def _encode(server: RunServer, text: str) -> list[int]:
    found: list[int] = server.version.tokenizer.encode(text.encode("utf-8", "replace")).tolist()
    return found


# --- completions ---


@attrs.frozen
class _Prompt:
    """A text to continue."""

    tokens: list[int]
    begins: bool
    """Whether the token of a document's begin, which no model has, precedes the first token."""

    def __len__(self) -> int:
        return len(self.tokens) + self.begins


def _prompts(server: RunServer, form: CompletionRequest) -> list[_Prompt]:
    """Return the tokens of each prompt; the token of a document's begin may only come first."""
    several = form.prompt if isinstance(form.prompt, list) else [form.prompt]
    if several and isinstance(several[0], int):
        several = [several]
    vocab, found = server.version.tokenizer.vocab, list[_Prompt]()
    for prompt in several or [""]:
        part = _encode(server, prompt) if isinstance(prompt, str) else list(prompt)  # type: ignore[arg-type]
        begins = part[:1] == [vocab]
        found.append(_Prompt(part[begins:], begins))
        if any(not 0 <= token < vocab for token in found[-1].tokens):
            raise HTTPError(400, f"prompt: tokens from 0 to {vocab - 1} are allowed", code="invalid")
    if sum(map(len, found)) > server.limits.prompt:
        raise HTTPError(413, f"the prompt has more than {server.limits.prompt:,} tokens", code="too_large")
    if len(found) * (form.n or 1) > server.limits.choices:
        message = f"at most {server.limits.choices} completions at once are allowed"
        raise HTTPError(400, message, code="invalid")
    return found


class _Job:
    """A request for completions: its choices and how they are drawn."""

    def __init__(self, server: RunServer, form: CompletionRequest) -> None:
        self.server, self.form, self.version = server, form, server.version
        self.prompts, self.copies = _prompts(server, form), form.n or 1
        self.count = 16 if form.max_tokens is None else form.max_tokens
        self.id, self.created = f"cmpl-{secrets.token_hex(12)}", int(time.time())
        seed = secrets.randbits(62) if form.seed is None else form.seed % 2**63
        stops = [form.stop] if isinstance(form.stop, str) else form.stop or []
        draw = partial(
            Stream,
            self.version,
            count=self.count,
            sampling=form.sampling,
            tops=form.logprobs,
            until=time.monotonic() + server.limits.completion_seconds,
        )
        self.choices = [
            Choice(draw(prompt.tokens, seed=(seed + copy) % 2**63), stops)
            for prompt in self.prompts
            for copy in range(self.copies)
        ]

    async def echoes(self) -> list[tuple[str, list[tuple[Drawn | None, int]]]]:
        """Return the text of each choice's prompt and its scored tokens; ``None`` is the begin
        of a document.
        """
        found: list[tuple[str, list[tuple[Drawn | None, int]]]] = []
        for prompt in self.prompts:
            if self.form.logprobs is None:
                scored = [Drawn(token, 0.0, []) for token in prompt.tokens]
            else:
                score = partial(of_prompt, self.version, prompt.tokens, self.form.logprobs)
                scored = await self.server.read(score)
            text, placed = place_tokens(self.version.tokenizer, scored)
            found += [(text, [*[(None, 0)] * prompt.begins, *placed])] * self.copies
        return found

    def record(self, choices: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Return a reply, or a part of one."""
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.server.source.name,
            "system_fingerprint": f"version-{self.version.number}",
            "choices": list(choices),
            **more,
        }

    def choice(
        self, index: int, text: str, drawn: Sequence[tuple[Drawn | None, int]], *, last: bool
    ) -> dict[str, Any]:
        """Return a choice, or a part of one, with the probabilities of its tokens if they were requested."""
        told = None if self.form.logprobs is None or not drawn else logprobs(self.version.tokenizer, drawn)
        reason = (self.choices[index].reason or "length") if last else None
        return {"index": index, "text": text, "logprobs": told, "finish_reason": reason}

    def usage(self) -> dict[str, int]:
        """Return the token counts of OpenAI's protocol."""
        read, written = sum(map(len, self.prompts)), sum(each.count for each in self.choices)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


async def completions(server: RunServer, request: Request, form: CompletionRequest) -> Any:
    """Continue a text with the language model."""
    check_supported(form)
    job = _Job(server, form)
    if server.model.streams + len(job.choices) > server.limits.streams:
        raise Busy
    if form.stream:
        return StreamingResponse(events(_parts(job)), media_type="text/event-stream")
    return await unless_gone(request, _whole(job))


async def _pieces(job: _Job) -> AsyncIterator[tuple[int, str, list[tuple[Drawn | None, int]]]]:
    """Yield the choice, text and tokens of each piece: first the echoed prompts, then the completions."""
    shift = [0] * len(job.choices)
    if job.form.echo:
        for place, (text, records) in enumerate(await job.echoes()):
            shift[place] = len(text)
            yield place, text, records
    if job.count:
        async for place, text, new in stream_choices(job.server.model, job.choices):
            yield place, text, [(each, at + shift[place]) for each, at in new]


async def _whole(job: _Job) -> dict[str, Any]:
    texts = [""] * len(job.choices)
    drawn: list[list[tuple[Drawn | None, int]]] = [[] for _ in texts]
    async for place, text, new in _pieces(job):
        texts[place] += text
        drawn[place] += new
    choices = [job.choice(place, text, drawn[place], last=True) for place, text in enumerate(texts)]
    return job.record(choices, usage=job.usage())


async def _parts(job: _Job) -> AsyncIterator[dict[str, Any]]:
    async for place, text, new in _pieces(job):
        yield job.record([job.choice(place, text, new, last=False)])
    for place in range(len(job.choices)):
        yield job.record([job.choice(place, "", [], last=True)])
    if job.form.stream_options and job.form.stream_options.include_usage:
        yield job.record([], usage=job.usage())


def _post(path: str, run: Any, form: type[BaseModel]) -> Operation:
    return Operation(method="POST", path=path, run=run, form=form)


OPERATIONS = (
    _post("/v1/completions", completions, SAMPLED_REQUEST),
    _post("/tokenize", tokenize, TokenizeRequest),
    _post("/detokenize", detokenize, DetokenizeRequest),
    Operation(method="GET", path="/tokenizer_info", run=tokenizer_info),
)
