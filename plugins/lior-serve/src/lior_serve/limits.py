"""Settings of a server, and the limits that protect clients from one another."""

from __future__ import annotations

from pathlib import Path

import attrs

from lior_ask import Endpoint

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LEAST_TOKEN = 16
"""The minimum length of an access token, in characters; a shorter one could be guessed."""


@attrs.frozen(kw_only=True)
class Limits:
    """The maximum sizes, numbers and times of requests."""

    upload: int = 32 << 20
    """The maximum size of a document to learn, in bytes."""
    body: int = 4 << 20
    """The maximum size of any other body, in bytes."""
    prompt: int = 1 << 18
    """The maximum number of tokens of a prompt."""
    tokens: int = 4096
    """The maximum number of tokens of a completion."""
    choices: int = 16
    """The maximum number of completions of a request."""
    tops: int = 20
    """The maximum number of likeliest tokens that are listed for each token."""
    score: int = 1 << 18
    """The maximum number of characters of a text to score."""
    words: int = 4096
    """The maximum number of characters of a text whose sources are requested."""
    top: int = 50
    """The maximum number of passages of an answer."""
    history: int = 8
    """The maximum number of messages before a question."""
    lines: int = 2000
    """The maximum number of lines of a document in one reply."""
    name: int = 500
    """The maximum number of characters of a document's name."""
    replies: int = 8
    """The maximum number of simultaneous replies by a language model at another address; more are refused for
    now.
    """
    streams: int = 32
    """The maximum number of simultaneous completions of all clients; more are refused for now."""
    requests: int = 64
    """The maximum number of simultaneous requests of all clients; more are refused for now."""
    connections: int = 256
    completion_seconds: float = 300.0
    """The maximum time of a completion, in seconds."""
    read_timeout: float = 15.0
    """The timeout for sending a request's head or the next part of its body, in seconds."""
    shutdown_timeout: float = 3.0
    """The time that requests have to end when the server stops, in seconds."""


@attrs.frozen(kw_only=True)
class Settings:
    """The options with which the server was started."""

    paths: tuple[Path, ...]
    """The directory of a run, or folders, files and patterns; with :attr:`index` there may be none."""
    host: str = "127.0.0.1"
    port: int = 8765
    hosts: tuple[str, ...] = ()
    """Further host names under which the server is reached."""
    token: str = attrs.field(default="", repr=False)
    """The secret that a client must send; empty: none."""
    editable: bool = False
    folders: tuple[Path, ...] = ()
    """The folders that may be synced."""
    index: str = attrs.field(default="", repr=False)
    """The address of the database with the index; empty: the index is in the user's cache."""
    device: str = "cpu"
    endpoint: Endpoint | None = None
    """A language model at another address that formulates answers, or ``None``."""
    logged: bool = False
    """Whether each request is logged."""
    limits: Limits = attrs.field(factory=Limits)
