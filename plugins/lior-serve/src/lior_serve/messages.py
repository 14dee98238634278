"""MCP at the edge: each message is checked before the SDK sees it, so that each request has a reply.

At standard input the SDK drops lines that are not messages of JSON-RPC, and reads lines of any length. The
same check serves both transports; a refused message is answered with the protocol's error.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

import anyio
from anyio.to_thread import run_sync
from mcp_types import INVALID_REQUEST, PARSE_ERROR, JSONRPCRequest, jsonrpc_message_adapter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATIENCE = 5.0
"""The time for answering requests after the end of the input, in seconds."""
_SEVERAL = "a message is one object; an array of them is no longer a part of MCP"
_FORM = (
    'a message is an object with "jsonrpc": "2.0" and a method; params are an object, the id of a request '
    "is a text or a whole number"
)


def refusal(data: bytes) -> dict[str, Any] | None:
    """Return the reply to data that are not a JSON-RPC message of MCP, or ``None`` for a message.

    >>> refusal(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}')
    >>> refusal(b"{")["error"]
    {'code': -32700, 'message': 'not JSON in UTF-8'}
    """
    try:
        message = jsonrpc_message_adapter.validate_json(data, by_name=False)
    except ValidationError as error:
        if error.errors(include_url=False, include_context=False)[0]["type"] == "json_invalid":
            return _error(PARSE_ERROR, "not JSON in UTF-8")
    else:  # an object with both is a request or invalid
        if isinstance(message, JSONRPCRequest) or not {"id", "method"} <= json.loads(data).keys():
            return None
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):  # a number of thousands of digits
        record = None
    number = record.get("id") if isinstance(record, dict) else None
    known = number if isinstance(number, str | int) and not isinstance(number, bool) else None
    return _error(INVALID_REQUEST, _SEVERAL if isinstance(record, list) else _FORM, known)


def too_long(most: int) -> dict[str, Any]:
    """Return the reply to a message of more than ``most`` bytes."""
    return _error(INVALID_REQUEST, f"a message has at most {most:,} bytes")


def _error(code: int, message: str, number: str | int | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


class Checked:
    """A wrapper of an ASGI application that passes on bodies with messages and refuses others with 400."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        if told := refusal(body):
            await JSONResponse(told, 400)(scope, receive, send)
            return
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return parts.pop() if parts else await receive()

        await self._app(scope, again, send)


class Replies:
    """Standard output for the SDK's transport: a line for each message."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._turn = stream, anyio.Lock()
        self.written = 0
        """The number of replies to requests so far."""

    async def write(self, line: str) -> None:
        """Write and flush a line."""
        async with self._turn:
            await run_sync(self._stream.write, line.encode("utf-8", "replace"))
            await run_sync(self._stream.flush)
        self.written += '"method"' not in line or "method" not in json.loads(line)

    async def flush(self) -> None:
        """Do nothing: lines are flushed."""


class Messages:
    """Standard input for the SDK's transport: the lines that are messages.

    Other lines are answered here. At most ``most`` bytes of a line are read, which bounds the memory.
    """

    def __init__(self, stream: BinaryIO, replies: Replies, most: int) -> None:
        self._stream, self._replies, self._most = stream, replies, most

    async def __aiter__(self) -> AsyncIterator[str]:
        asked = 0
        while line := await run_sync(self._stream.readline, self._most + 1):
            told = None
            if len(line) > self._most and not line.endswith(b"\n"):
                await run_sync(self._skip)
                told = too_long(self._most)
            elif not line.strip():
                continue
            if told := told or refusal(line):
                asked += 1
                await self._replies.write(json.dumps(told) + "\n")
                continue
            record = json.loads(line)
            asked += "method" in record and "id" in record
            asked -= record.get("method") == "notifications/cancelled"  # one of them may have no reply
            yield line.decode()
        end = time.monotonic() + _PATIENCE
        while self._replies.written < asked and time.monotonic() < end:  # the SDK cancels what is unanswered
            await anyio.sleep(0.01)

    def _skip(self) -> None:
        """Read to the end of a line."""
        while (part := self._stream.readline(self._most)) and not part.endswith(b"\n"):
            pass
