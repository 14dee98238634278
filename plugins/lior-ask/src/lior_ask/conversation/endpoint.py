"""Questions and passages for a language model behind an OpenAI-compatible address, and a check of its reply.

The reply is the model's own text. Its citations and quotations are compared with the passages; those without
a source are marked in the text.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import attrs

from lior.errors import EndpointError, UsageError
from lior.interfaces import Passage

KEY = "OPENAI_API_KEY"
"""Environment variable with the API key, which is sent if it is set."""
_LARGEST = 4 << 20
_LOCAL = ("localhost", "127.0.0.1", "::1")
_EVENT = (b"data:", b":", b"event:", b"id:", b"retry:")
"""Prefixes of lines of server-sent events."""
_NO_STREAM = (400, 405, 415, 422, 501)
"""HTTP status codes of servers that refuse to stream."""
_TASK = (
    "Answer the question, or do what is asked, from the numbered passages alone. After each statement cite "
    "the number of its passage, as in [1]. Put words that you repeat from a passage in double quotes, "
    "exactly as they stand there. If the passages do not answer the question, say so."
)
_NUMBERS = re.compile(r"\[(\d{1,6}(?:\s?[,;]\s?\d{1,6})*)\]")
_QUOTES = re.compile(r'"([^"\n]*)"|“([^”\n]+)”|„([^“”\n]+)[“”]|«([^»\n]+)»')
_PLACES = re.compile(r"(?<![\w/.-])([\w/.-]*[A-Za-z_]\.\w+):(\d+)")


class Reply(NamedTuple):
    """The model's reply, compared with the passages."""

    text: str
    """The text, with a mark after each citation and quotation that is not in the passages."""
    cited: tuple[int, ...]
    """The numbers of the cited passages, from 1, ascending."""
    unfounded: tuple[str, ...] = ()
    """The marked citations and quotations as in the text, each once."""

    @property
    def wrong(self) -> int:
        """The number of different citations and quotations that are not in the passages."""
        return len(self.unfounded)


@attrs.frozen
class Endpoint:
    """A model at an address.

    Raises ``UsageError`` when the address does not begin with http:// or https://.
    """

    url: str = attrs.field()
    """The address without ``/chat/completions``, such as ``http://localhost:11434/v1``."""
    model: str
    timeout: float = 120.0
    """The time limit without a byte of the reply, in seconds."""
    longest: float = 600.0
    """The time limit for the whole reply, in seconds."""

    @url.validator
    def _check_url(self, _: Any, url: str) -> None:
        if not re.match(r"https?://[\w.:-]|https?://\[[\w:.%]+\]", url):
            raise UsageError(f"{url}: not an address; give one such as http://localhost:11434/v1")

    @property
    def address(self) -> str:
        """The address of chat completions."""
        return self.url.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"

    def reply(self, question: str, passages: Sequence[Passage]) -> Reply:
        """Send a question with its passages, and check the reply.

        Raises ``EndpointError`` when the address cannot be reached, refuses, takes too long or sends
        something else.
        """
        return check_reply("".join(self.pieces(question, passages)).strip(), passages)

    def pieces(self, question: str, passages: Sequence[Passage]) -> Iterator[str]:
        """Yield the model's text as it arrives; a server that does not stream gives one piece.

        Raises ``EndpointError`` as :meth:`reply`, also after some pieces.
        """
        listed = [f"[{i}] {p.document}:{p.line}\n{p.text}" for i, p in enumerate(passages, 1)]
        asked = "\n\n".join(["Passages:", *listed, f"Question: {question}"])
        messages = [{"role": "system", "content": _TASK}, {"role": "user", "content": asked}]
        body = {"model": self.model, "messages": messages, "temperature": 0}
        came = False
        for piece in self._sent(body):
            came = came or bool(piece.strip())
            yield piece
        if not came:
            raise EndpointError(self.address, "no reply of the form choices[0].message.content came back")

    def _sent(self, body: dict[str, Any]) -> Iterator[str]:
        try:
            with self._opened(body) as response:
                yield from self._read(response)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            late = isinstance(reason, TimeoutError)
            reason = f"no reply within {self.timeout:g} s" if late else f"cannot be reached ({reason})"
            raise EndpointError(self.address, f"{reason}; is the server running?") from error

    def _opened(self, body: dict[str, Any]) -> http.client.HTTPResponse:
        """Return the response after its headers: streamed, or whole if the server does not stream."""
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.address, json.dumps({"stream": True, **body}).encode(), headers)
        none = [urllib.request.ProxyHandler({})] if urlsplit(self.address).hostname in _LOCAL else []
        opener = urllib.request.build_opener(_Direct, *none)
        try:
            return cast("http.client.HTTPResponse", opener.open(request, timeout=self.timeout))
        except urllib.error.HTTPError as error:
            with error:
                data = error.read(_LARGEST)
            if error.code in _NO_STREAM and b"stream" in data and "stream" not in body:
                return self._opened({**body, "stream": False})
            fault = f"refused with {error.code} {error.reason}" + _cause(data)
            raise EndpointError(
                self.address, f"{fault}; check the address and the model {self.model!r}"
            ) from error

    def _read(self, response: http.client.HTTPResponse) -> Iterator[str]:
        """Yield the text of a reply from server-sent events or from one JSON object."""
        until, size, whole = time.monotonic() + self.longest, 0, b""
        streamed = ended = False
        while line := response.readline(_LARGEST + 1):
            size += len(line)
            if size > _LARGEST:
                raise EndpointError(self.address, f"the reply is larger than {_LARGEST:,} bytes")
            if time.monotonic() > until:
                raise EndpointError(self.address, f"the reply was not complete after {self.longest:g} s")
            streamed = streamed or line.startswith(_EVENT)
            name, _, data = line.partition(b":")
            if not streamed:
                whole += line
            elif name == b"data" and data.strip() == b"[DONE]":
                return
            elif name == b"data":
                yield _text(_found(data, "choices", 0, "delta", "content"))
                if not isinstance(_found(data, "choices"), list):
                    raise EndpointError(self.address, f"broke the reply off{_cause(data)}")
                ended = ended or bool(_found(data, "choices", 0, "finish_reason"))
        if streamed and not ended:
            raise EndpointError(self.address, "broke the reply off before its end")
        yield _text(_found(whole, "choices", 0, "message", "content"))


class _Direct(urllib.request.HTTPRedirectHandler):
    """A handler that follows no redirection: key and passages go only to the address that the user gave."""

    def redirect_request(self, *_: Any) -> None:
        """Return ``None``: the status is treated as an error."""


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""


def _cause(data: bytes) -> str:
    """Return the error message of a server in brackets, without the key."""
    told = _found(data, "error", "message") or _found(data, "error") or ""
    cause = " ".join(str(told).split()).replace(os.environ.get(KEY) or "\0", "…")[:200]
    return f" ({cause})" if cause else ""


def _found(data: bytes, *keys: str | int) -> Any:
    """Return the value at ``keys`` in JSON, or ``None`` if there is none."""
    try:
        found = json.loads(data)
        for key in keys:
            found = found[key]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found


# --- what is cited and quoted ---


def check_reply(text: str, passages: Sequence[Passage]) -> Reply:
    """Return a model's reply, with marks at citations and quotations that are not in the passages.

    A quotation is valid if its words are in one passage in the same order. Case, white space and punctuation
    at its ends do not matter, and "…" or "..." stands for omitted words.

    >>> from lior.interfaces import Passage
    >>> found = [Passage(document="a.md", line=3, text="The key is under the mat.")]
    >>> check_reply('"Under the mat" [1], or "in the shed" [2].', found).text
    '"Under the mat" [1], or "in the shed" (not in the passages) [2] (no such passage).'
    """
    cited: set[int] = set()
    marks: list[tuple[int, str, str]] = []
    known = {*range(1, len(passages) + 1)}
    for match in _NUMBERS.finditer(text):
        numbers = {*map(int, re.findall(r"\d+", match[1]))}
        cited |= numbers & known
        if numbers - known:
            marks.append((match.end(), "(no such passage)", match[0]))
    for match in _QUOTES.finditer(text):
        quoted = next((group for group in match.groups() if group), "")
        if not any(_stands_in(quoted, passage.text) for passage in passages):
            marks.append((match.end(), "(not in the passages)", match[0]))
    for match in _PLACES.finditer(text):
        named = _named(match[1], int(match[2]), passages)
        cited.update(named[:1])
        if not named:
            marks.append((match.end(), "(not a passage given)", match[0]))
    for at, mark, _ in sorted(marks, reverse=True):
        text = f"{text[:at]} {mark}{text[at:]}"
    return Reply(text, tuple(sorted(cited)), tuple(dict.fromkeys(told for *_, told in sorted(marks))))


def _named(document: str, line: int, passages: Sequence[Passage]) -> list[int]:
    """Return the numbers of the passages at a line of a document, which may be named without its folders."""
    at = [number for number, p in enumerate(passages, 1) if p.line == line]
    return [number for number in at if f"/{passages[number - 1].document}".endswith(f"/{document}")]


def _stands_in(quoted: str, text: str) -> bool:
    """Return whether the parts of a quotation follow each other in ``text``, at word boundaries."""
    whole, at = _plain(text), 0
    for part in map(_plain, re.split(r"…|\.\.\.", quoted)):
        found = re.compile(rf"(?<!\w){re.escape(part)}(?!\w)").search(whole, at) if part else None
        if part and not found:
            return False
        at = found.end() if found else at
    return True


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().strip(" .,;:!?'")
