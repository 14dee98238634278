"""The choices of a completion: tokens of the model's thread become pieces of text for a client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from lior.interfaces import Tokenizer
from lior.model.detokenizer import Detokenizer
from lior_serve.streams import Drawn, ModelThread, Stream

PACE = 0.03
"""Seconds between two pieces of a stream: what is drawn meanwhile is sent together."""

Placed = tuple[Drawn, int]
"""A token, and the character of the completion at which its text begins."""


class Choice:
    """One continuation of a prompt: its tokens become text, up to a stop text."""

    def __init__(self, stream: Stream, stops: Sequence[str]) -> None:
        self.stream = stream
        self.count = 0
        """Tokens drawn."""
        self._text = Detokenizer(stream.version.tokenizer, stops)
        self._waiting: deque[Placed] = deque()

    @property
    def reason(self) -> str:
        """``stop`` after a stop text, else empty."""
        return "stop" if self._text.stopped else ""

    def add(self, drawn: Sequence[Drawn], *, last: bool) -> tuple[str, list[Placed]]:
        """The text that can be sent now, and its tokens."""
        text, parts = self._text, []
        for each in drawn:
            if text.stopped:
                break
            self.count += 1
            self._waiting.append((each, text.position))
            parts.append(text.add(each.token))
        if last:
            parts.append(text.end())
        if text.stopped:
            self.stream.cancelled = True
            self._waiting = deque(each for each in self._waiting if each[1] < text.told)
        tokens = []
        while self._waiting and (self._waiting[0][1] < text.told or last):
            tokens.append(self._waiting.popleft())
        return "".join(parts), tokens


async def stream_choices(
    model: ModelThread, choices: Sequence[Choice]
) -> AsyncIterator[tuple[int, str, list[Placed]]]:
    """Yield the pieces of several choices as they come: the choice's number, text and tokens.

    Whoever stops listening cancels them.
    """
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    boxes: list[deque[Drawn | Exception | None]] = [deque() for _ in choices]
    try:
        for choice, box in zip(choices, boxes, strict=True):
            choice.stream.sink = _sink(box, loop, there)
            model.start(choice.stream)
        open_ = set(range(len(choices)))
        while open_:
            await there.wait()
            there.clear()
            for number in sorted(open_):
                items = list(_emptied(boxes[number]))
                for error in items:
                    if isinstance(error, Exception):
                        raise error
                over = bool(items) and items[-1] is None
                drawn = [item for item in items if isinstance(item, Drawn)]
                text, tokens = choices[number].add(drawn, last=over)
                if over or choices[number].reason:
                    open_.discard(number)
                if text or tokens:
                    yield number, text, tokens
            if open_:
                await asyncio.sleep(PACE)
    finally:
        for choice in choices:
            choice.stream.cancelled = True


def _sink(box: deque[Drawn | Exception | None], loop: asyncio.AbstractEventLoop, there: asyncio.Event) -> Any:
    """A function for another thread that appends to ``box`` and wakes the event loop."""

    def put(item: Drawn | Exception | None) -> None:
        box.append(item)
        if not there.is_set() and not loop.is_closed():
            loop.call_soon_threadsafe(there.set)

    return put


def _emptied(box: deque[Any]) -> Any:
    while box:
        yield box.popleft()


def logprobs(tokenizer: Tokenizer, drawn: Sequence[tuple[Drawn | None, int]]) -> dict[str, Any]:
    """The object ``logprobs`` of OpenAI's completions; ``None`` for the begin of a document."""
    names: dict[int, str] = {}

    def name(token: int) -> str:
        if token not in names:
            names[token] = _name(tokenizer.decode([token]))
        return names[token]

    return {
        "tokens": [name(each.token) if each else "" for each, _ in drawn],
        "token_logprobs": [each.logprob if each else None for each, _ in drawn],
        "top_logprobs": [{name(t): p for t, p in each.tops} if each else None for each, _ in drawn],
        "text_offset": [place for _, place in drawn],
    }


def _name(data: bytes) -> str:
    """A token as text; incomplete characters as ``bytes:\\x..``, as the protocol writes them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)
