"""Checks before every request (who, from where, how much), and the headers of every reply.

A page of another site must not reach the server through its user's browser. It cannot read replies, since
none has a CORS header. It cannot pose as the server under its own name (DNS rebinding), since the host must
be known. It cannot send requests, since the origin must be the host, and documents are learned and forgotten
by methods that no form has.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lior_serve.errors import HTTPError, http_error
from lior_serve.limits import LOOPBACK
from lior_serve.server import Server

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PUBLIC = "/healthz"
"""The path that is answered without a token, to test whether the server is running."""
_OPEN = (PUBLIC, "/metrics")
"""Paths that are answered even when there are too many requests."""
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::[0-9]*)?")
"""A name or address, and a port."""
_LOG = logging.getLogger("lior_serve")
_STOPPING = HTTPError(
    503, "the server is stopping; look whether it was done before you repeat it", code="stopping"
)


class Middleware:
    """A wrapper that checks, counts and logs the requests of an ASGI application.

    Parameters
    ----------
    routes
        The path of each endpoint, to name requests in the metrics.
    """

    def __init__(self, app: ASGIApp, server: Server, routes: Mapping[Any, str]) -> None:
        self._app, self._server, self._routes = app, server, routes
        self._limits, self._settings = server.limits, server.settings
        self.active = 0
        """The number of requests in progress."""
        names = {*LOOPBACK, self._settings.host, *self._settings.hosts}
        self._hosts = {name.strip("[]").lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:  # a WebSocket; the server has none
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 0
        headers, sizes = Headers(scope=scope), [0, 0]

        async def send_checked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found[name] = value
                found.setdefault("Cache-Control", "no-cache" if "ETag" in found else "no-store")
            sizes[1] += len(message.get("body", b""))
            await send(message)

        self.active += 1
        try:
            self._check(scope, headers)
            scope["app"] = self  # so that the router raises an error for unknown paths
            await self._app(scope, self._counted(scope, headers, receive, sizes), send_checked)
        except ClientDisconnect:  # there is nobody to reply to, and no error here
            _LOG.debug("a client went away")
        except (Exception, asyncio.CancelledError) as error:
            absent = self._server.absent.get(scope["path"], "")
            refusal = http_error(error, absent) if isinstance(error, Exception) else _STOPPING
            if status == 0:
                reply = refusal.reply
                if refusal.status == 401:
                    reply.headers["WWW-Authenticate"] = 'Basic realm="lior", charset="UTF-8"'
                await reply(scope, receive, send_checked)
        finally:
            self.active -= 1
            self._note(scope, status, time.perf_counter() - began, sizes)

    # --- who ---

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raise :class:`HTTPError` for a foreign host or origin, a missing token, or too many requests."""
        here = scope.get("client") is None  # through the socket file, which only this user can open
        hosts = [host.lower() for host in headers.getlist("host")]
        name = _name(hosts[0]) if len(hosts) == 1 else ""
        if not name or not (here or name in self._hosts):
            message = "this host name is not served; name it with --allow-host"
            raise HTTPError(421, message, code="host")
        if not scope["query_string"].isascii():
            raise HTTPError(400, "in an address, other bytes than ASCII are written as %XX", code="invalid")
        own = {f"http://{hosts[0]}", f"https://{hosts[0]}"}
        foreign = not own.issuperset(map(str.lower, headers.getlist("origin")))
        site = headers.get("sec-fetch-site", "none")
        if foreign or (site not in ("none", "same-origin") and not _visit(scope, headers)):
            raise HTTPError(403, "requests of other sites are refused", code="origin")
        if self._settings.token and not here and scope["path"] != PUBLIC:
            self._known(headers.get("authorization", ""))
        if self.active > self._limits.requests and scope["path"] not in _OPEN:
            message = "too much is asked at once; ask again in a moment"
            raise HTTPError(503, message, code="busy", retry_after=1)

    def _known(self, given: str) -> None:
        """Raise :class:`HTTPError` without the token, as ``Bearer`` or as password of ``Basic``."""
        kind, _, value = given.partition(" ")
        if kind.lower() == "basic":
            try:
                value = base64.b64decode(value, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError, ValueError):
                value = ""
        elif kind.lower() != "bearer":
            value = ""
        if not hmac.compare_digest(value.strip().encode(), self._settings.token.encode()):
            raise HTTPError(401, "the token of this server is needed", code="token")

    # --- how much ---

    def _counted(self, scope: Scope, headers: Headers, receive: Receive, sizes: list[int]) -> Receive:
        """Return ``receive`` with limits on the size of the body and on the time between its parts."""
        upload = scope["method"] == "PUT" and scope["path"] == "/api/document"
        most = self._limits.upload if upload else self._limits.body
        too_large = HTTPError(413, f"the body has more than {most:,} bytes", code="too_large")
        declared = headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            raise HTTPError(400, "Content-Length must be a number", code="invalid")
        if int(declared[:20]) > most:
            raise too_large
        whole = False

        async def counted() -> Message:
            nonlocal whole
            if whole:  # from here on the application waits for the client to leave
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._limits.read_timeout)
            except TimeoutError:
                raise HTTPError(408, "the body did not come in time", code="timeout") from None
            sizes[0] += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if sizes[0] > most:
                raise too_large
            return message

        return counted

    def _note(self, scope: Scope, status: int, seconds: float, sizes: list[int]) -> None:
        """Count a request and, if logging is on, log it without its content."""
        route = self._routes.get(scope.get("endpoint"), "other")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
        self._server.metrics.count(route, method, status or 499, seconds)
        if self._settings.logged:
            fields = {
                "message": "request",
                "route": route,
                "method": method,
                "status": status or 499,
                "ms": round(seconds * 1000, 1),
                "read": sizes[0],
                "written": sizes[1],
            }
            _LOG.info("request", extra={"fields": fields})


def _name(host: str) -> str:
    """Return the name in a Host header, without port and brackets; empty if the header is malformed."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]) if found else ""


def _visit(scope: Scope, headers: Headers) -> bool:
    """Return whether a browser navigates to a page, as by a link."""
    return (
        scope["method"] == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
