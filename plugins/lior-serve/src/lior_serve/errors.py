"""Errors as replies to clients, in the form of OpenAI's protocol."""

from __future__ import annotations

import json
import logging
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lior.errors import DataError, EndpointError, IndexUnavailable, LiorError, MissingPackage, UsageError

LOG = logging.getLogger("lior_serve")


class Json(Response):
    """A JSON reply; bytes of file names that are not UTF-8 become U+FFFD."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the object as JSON in UTF-8."""
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


class HTTPError(Exception):
    """A refused request: the status, one line of text, and a code for programs.

    Parameters
    ----------
    retry_after
        The seconds after which the request may succeed; 0 if a later attempt is no better.
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
    def reply(self) -> Response:
        """The reply, with ``Retry-After`` if the request may succeed later."""
        later = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        return Json(self.body, self.status, headers=later)


class Busy(HTTPError):
    """The server already computes as many completions as its limits allow."""

    def __init__(self) -> None:
        message = "the server computes as many completions as it may; ask again in a moment"
        super().__init__(429, message, code="busy", retry_after=1)


def http_error(error: Exception, absent: str = "") -> HTTPError:
    """Return an exception as a reply; files and code of this machine are logged, not sent.

    ``absent`` is the reason why the operation does not exist, if it is known.
    """
    match error:
        case HTTPError():
            return error
        case HTTPException(status_code=404):
            return HTTPError(404, absent or "no such address", code="not_found")
        case HTTPException():
            return HTTPError(error.status_code, absent or str(error.detail), code="method")
        case ValidationError():
            return HTTPError(400, _innermost(error), code="invalid")
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


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no field of this request",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_too_long": "may have at most {max_length:,} characters",
    "too_long": "may have at most {max_length:,} entries",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "may be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "json_invalid": "is not JSON in UTF-8: {error}",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "must be an object"),
    **dict.fromkeys(("string_type", "string_unicode"), "must be a text"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(
        ("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"
    ),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "must be a number"),
    "list_type": "must be a list",
}
"""The types of pydantic's errors -> what is wrong with a field; the minimum length of fields is 1."""


def _innermost(error: ValidationError) -> str:
    """Return the innermost error of a request in one line, without the value.

    If a field may have several forms, the innermost error belongs to the intended one.
    """
    found = error.errors(include_url=False, include_input=False)
    told = max(found, key=lambda each: len(each["loc"]))
    forms = "list[", "function-", "constrained-", "literal["
    where = ".".join(str(part) for part in told["loc"] if not str(part).startswith(forms))
    wrong = _WORDS[told["type"]].format_map(told.get("ctx", {})) if told["type"] in _WORDS else told["msg"]
    return f"{where or 'body'}: {wrong[:200]}"
