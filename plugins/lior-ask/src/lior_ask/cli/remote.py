"""Questions to a running server of this user, so that `lior ask` need not read the run.

It imports neither numpy nor a package of lior-serve.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lior.errors import LiorError, UsageError
from lior_ask.answer.record import Answer
from lior_ask.answer.serialise import answer_from
from lior_ask.cli.transport import make_private, socket_file

_SECONDS = 30.0
_HOST = "localhost"


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(_HOST, timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def request(run: Path, method: str, path: str, given: Mapping[str, Any] | None = None) -> Any:
    """Return the reply of the server of a run, or ``None`` if there is no server.

    Raises
    ------
    UsageError
        When the server refuses the request.
    """
    place = socket_file(run)
    try:
        make_private(place.parent)
        if not place.is_socket():
            return None
        connection = _Connection(place, _SECONDS)
        body = None if given is None else json.dumps(given)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        found = json.loads(reply.read())
        connection.close()
    except (OSError, http.client.HTTPException, ValueError, LiorError):
        return None  # the run is read instead
    if reply.status == 400:
        raise UsageError(found["error"]["message"])
    return found if reply.status == 200 else None


class RemoteIndex:
    """The printed fields of the index of a server."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.retriever: str = state["retriever"]
        self.files: int = state["documents"]
        self.notes: list[str] = []
        self.skipped: list[Any] = []
        self._passages: int = state["passages"]

    def __len__(self) -> int:
        return self._passages

    def path(self, document: str) -> None:
        """Return ``None``: documents of a run are not files."""


def ask(
    run: Path, question: str, top: int, filters: Mapping[str, str] = MappingProxyType({})
) -> tuple[RemoteIndex, Answer] | None:
    """Return the index of a run's server and its answer.

    ``filters`` are fields of :class:`lior_ask.question.filters.Filters`.

    Returns ``None`` if there is no server.

    Raises
    ------
    UsageError
        When the question has no word to look for, or is too long.
    """
    found = request(run, "POST", "/api/ask", {"question": question, "top": top, "state": True, **filters})
    if found is None:
        return None
    return RemoteIndex(found["state"]), answer_from(found)
