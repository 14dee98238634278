"""Server-sent events, as OpenAI's protocol streams them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from lior.serve.server import fault_of


async def events(parts: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    """Each part as an event, then the mark of the end; an error is an event too, for the status is sent."""
    try:
        async for part in parts:
            yield _event(part)
    except Exception as error:
        yield _event(fault_of(error).record)
    yield b"data: [DONE]\n\n"


def _event(part: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(part, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"
