"""A text under the model of a run: the stored places that predict each word, and its surprisal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from starlette.requests import Request

from lior.errors import DataError
from lior.interfaces import Passage
from lior.model import build_corpus, explain, score_documents
from lior.reading import RawDocument
from lior_serve.documents import passage_lines
from lior_serve.run import RunVersion
from lior_serve.run_server import RunServer
from lior_serve.schema import Operation, ScoreRequest, WhyRequest
from lior_serve.server import unless_gone

_BEFORE = 400
"""The number of bytes before a passage that serve as context for its words."""
SHADES = (1.0, 2.0, 4.0, 8.0)
"""The thresholds, in bits per byte, from which on a word is shown as more surprising."""


async def why(server: RunServer, request: Request, form: WhyRequest) -> Any:
    """The stored places that predict each word of a text."""
    version = server.version
    if form.passage:
        server.document(version, form.passage.document)
        prompt = await server.in_executor(_text_before, version, form.passage.passage)
    else:
        prompt = form.prompt.encode("utf-8", "replace")
    text = form.text.encode("utf-8", "replace")
    work = server.read(lambda between: _sources(version, prompt, text))
    return {"words": await unless_gone(request, work), "version": version.number}


async def score(server: RunServer, request: Request, form: ScoreRequest) -> Any:
    """The surprisal of a text and of each of its words under the model, in bits."""
    version, text = server.version, form.text.encode("utf-8", "replace")
    return await unless_gone(request, server.read(lambda between: _surprisal(version, text, between)))


OPERATIONS = (
    Operation(method="POST", path="/api/why", run=why, form=WhyRequest),
    Operation(method="POST", path="/api/score", run=score, form=ScoreRequest),
)


def _sources(version: RunVersion, prompt: bytes, text: bytes) -> list[dict[str, Any]]:
    """Return each word of ``text`` with the stored places that predict it; runs in the model's thread."""
    encode, run = version.tokenizer.encode, version.run
    before, tokens = encode(prompt).tolist(), encode(text).tolist()
    explained = explain(run.model, run.checkpoint.corpus, before, tokens, most=3, words=True)
    return [
        {
            "text": each.text.decode("utf-8", "replace"),
            "probability": each.probability,
            "sources": [
                {**attrs.asdict(place), "share": round(each.share(place.weight), 4)} for place in each.sources
            ],
        }
        for each in explained
    ]


def _text_before(version: RunVersion, passage: Passage) -> bytes:
    """Return the last bytes of the text before a passage in its document."""
    found = passage_lines(version, passage, around=8)
    lines, line = found["lines"], passage.line - found["first"]
    if not 0 <= line < len(lines):
        return b""
    text = "\n".join([*lines[:line], lines[line][: passage.column - 1]])
    return text.encode()[-_BEFORE:]


def _surprisal(version: RunVersion, text: bytes, between: Callable[..., Any]) -> dict[str, Any]:
    """Return the bits of a text and of each of its words under the model; runs in the model's thread."""
    if not text:
        raise DataError("the text is empty; give some to score")
    model = version.run.model
    other = build_corpus([RawDocument("text", text)], model.tokenizer).to(model.device)
    (scored,) = score_documents(model, other, progress=between)
    words = [
        {
            "text": text[part.begin : part.end].decode("utf-8", "replace"),
            "line": part.line,
            "bits": round(part.bits, 3),
            "shade": int(np.searchsorted(SHADES, part.bits_per_byte, side="right")),
        }
        for part in scored.words()
    ]
    bits = float(scored.bits.sum())
    return {"bytes": len(text), "bits": bits, "bits_per_byte": bits / len(text), "words": words}
