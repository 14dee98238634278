"""Applications called in this process: any bytes reach them, and thousands of requests take seconds."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple

import anyio

from lior_serve.agents import Agents
from lior_serve.app import build
from lior_serve.server import Server

HOST = (b"host", b"localhost")
JSON = (b"content-type", b"application/json"), (b"accept", b"application/json, text/event-stream")


def message(method: str, number: int | str = 1, **params: Any) -> dict[str, Any]:
    """A request of JSON-RPC, as MCP has them."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


CLIENT = {"name": "x", "version": "1"}
BEGIN = message("initialize", "begun", protocolVersion="2025-06-18", capabilities={}, clientInfo=CLIENT)
"""The request with which a client of MCP begins."""
_KEY = "io.modelcontextprotocol/"
MODERN = {
    f"{_KEY}protocolVersion": "2026-07-28",
    f"{_KEY}clientInfo": CLIENT,
    f"{_KEY}clientCapabilities": {},
}
"""What each request has instead, of a client of the protocol without a handshake."""


class Reply(NamedTuple):
    """What an application answered."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


@contextlib.asynccontextmanager
async def application(server: Server) -> AsyncIterator[Any]:
    """The application of a server, begun and in the end stopped."""
    app = build(server)
    async with app._app.lifespan_context(app):
        yield app


async def call(
    app: Any,
    method: str,
    path: str,
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (HOST,),
    body: bytes = b"",
) -> Reply:
    """One request, from a client of this machine."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "state": {},
        "headers": [*headers],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8765),
    }
    found: list[Any] = [0, {}, b""]
    parts = [{"type": "http.request", "body": body, "more_body": False}]
    done = anyio.Event()

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            found[:2] = message["status"], dict(message["headers"])
        else:
            found[2] += message.get("body", b"")
            if not message.get("more_body"):
                done.set()

    with anyio.fail_after(60):
        await app(scope, receive, send)
    return Reply(*found)


def talk(server: Server, lines: bytes) -> Iterator[bytes]:
    """What an agent reads at standard output after it wrote ``lines`` and closed its side."""
    (theirs, mine), (out, replies) = os.pipe(), os.pipe()

    def write() -> None:
        with os.fdopen(mine, "wb") as stream:
            stream.write(lines)

    def run() -> None:
        with os.fdopen(theirs, "rb") as requests, os.fdopen(replies, "wb") as written:
            anyio.run(Agents(server).talk, requests, written)

    threads = [threading.Thread(target=each) for each in (write, run)]
    for thread in threads:
        thread.start()
    with os.fdopen(out, "rb") as stream:
        yield from stream
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
