"""The language of the page: the one that the browser prefers, if lior has its words."""

from __future__ import annotations

import re

from starlette.requests import Request

from lior_ask import preferred

_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")
"""A pattern of a part of ``Accept-Language``, by RFC 9110."""
_MOST = 32
"""The maximum number of parts that are read."""


def preferred_by(request: Request) -> str:
    """Return the language with labels that a browser prefers, or English."""
    parts = request.headers.get("accept-language", "").split(",", _MOST)[:_MOST]
    found = [match.groups() for part in parts if (match := _RANGE.fullmatch(part))]
    wanted = sorted(((float(q or 1), name) for name, q in found), key=lambda pair: -pair[0])
    return preferred(name for q, name in wanted if q)
