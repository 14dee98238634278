"""Settings of a server, and the limits that protect clients from one another."""

from __future__ import annotations

from pathlib import Path

import attrs

from lior_ask.conversation.endpoint import Endpoint

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LEAST_TOKEN = 16
"""Characters of a token; a shorter one could be guessed."""


@attrs.frozen(kw_only=True)
class Limits:
    """The largest sizes, numbers and times."""

    upload: int = 32 << 20
    """Bytes of a document that is learned."""
    body: int = 4 << 20
    """Bytes of any other body."""
    prompt: int = 1 << 18
    """Tokens of a prompt."""
    tokens: int = 4096
    """Tokens of a completion."""
    choices: int = 16
    """Completions of a request."""
    tops: int = 20
    """Likeliest tokens that are listed for each token."""
    score: int = 1 << 18
    """Characters of a text that is scored."""
    words: int = 4096
    """Characters of a text whose sources are looked for."""
    top: int = 50
    """Passages of an answer."""
    history: int = 8
    """Messages before a question."""
    lines: int = 2000
    """Lines of a document at once."""
    name: int = 500
    """Characters of a document's name."""
    replies: int = 8
    """Replies by a language model at another address at a time; more are refused for the moment."""
    streams: int = 32
    """Completions at a time, of all clients; more are refused for the moment."""
    requests: int = 64
    """Requests at a time, of all clients; more are refused for the moment."""
    connections: int = 256
    completion_seconds: float = 300.0
    """Of a completion."""
    read_timeout: float = 15.0
    """Seconds to send a request's head, or the next part of its body."""
    shutdown_timeout: float = 3.0
    """Seconds that requests have to end when the server stops."""


@attrs.frozen(kw_only=True)
class Settings:
    """The options with which the server was started."""

    paths: tuple[Path, ...]
    """Directory of a run, or folders, files and patterns; with :attr:`index` there may be none."""
    host: str = "127.0.0.1"
    port: int = 8765
    hosts: tuple[str, ...] = ()
    """Further names under which it is reached."""
    token: str = attrs.field(default="", repr=False)
    """What a client must know; empty: nothing."""
    editable: bool = False
    folders: tuple[Path, ...] = ()
    """What may be synced."""
    index: str = attrs.field(default="", repr=False)
    """Address of the database where the index is; empty: in the user's cache."""
    device: str = "cpu"
    endpoint: Endpoint | None = None
    """A language model at another address, which words answers."""
    logged: bool = False
    """Whether each request is logged."""
    limits: Limits = attrs.field(factory=Limits)
