"""Errors as replies to clients, in the form of OpenAI's protocol."""

from __future__ import annotations

import logging
from typing import Any

from lior.errors import DataError, EndpointError, IndexUnavailable, LiorError, MissingPackage, UsageError

LOG = logging.getLogger("lior_serve")


class HTTPError(Exception):
    """A refused request: the status, one line of text, and a code for programs.

    Parameters
    ----------
    retry_after
        Seconds after which the request may succeed; 0 where later is no better.
    """

    def __init__(self, status: int, message: str, *, code: str = "", retry_after: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The reply as a JSON object."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code or None}}

    @property
    def headers(self) -> dict[str, str]:
        """``Retry-After``, where the request may succeed later."""
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}


class Busy(LiorError):
    """The server computes as many completions as its limits allow."""

    def __init__(self) -> None:
        super().__init__("the server computes as many completions as it may; ask again in a moment")


def http_error(error: Exception) -> HTTPError:
    """An exception as a reply; files and code of this machine are logged, not sent."""
    match error:
        case HTTPError():
            return error
        case Busy():
            return HTTPError(429, str(error), code="busy", retry_after=1)
        case MissingPackage():
            return HTTPError(415, "the server lacks the package that reads this format", code="unsupported")
        case EndpointError():
            return HTTPError(502, f"the language model: {error.reason}", code="endpoint", retry_after=5)
        case UsageError() | DataError():
            return HTTPError(400, str(error), code="invalid")
        case IndexUnavailable():
            LOG.error("%s", error)
            return HTTPError(
                503, "the index cannot be reached now; the log of the server says why", retry_after=5
            )
        case LiorError():
            LOG.error("%s: %s", type(error).__name__, error)
            message = "the run cannot be changed now; the log of the server says why"
            return HTTPError(503, message, retry_after=5)
    LOG.error("a defect: %s", type(error).__name__, exc_info=error)
    return HTTPError(500, "a defect of the server; its log says more", code="internal")
