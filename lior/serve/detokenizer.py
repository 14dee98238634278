"""From tokens of the model's thread to pieces of text for a client, with stop texts."""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from lior.interfaces import Tokenizer
from lior.serve.streams import Drawn, ModelThread, Stream

PACE = 0.03
"""Seconds between two pieces of a stream: what is drawn meanwhile is sent together."""

Placed = tuple[Drawn, int]
"""A token, and the character of the completion at which its text begins."""


class Drawing:
    """A completion: its tokens become text, of which nothing is told that could be part of a stop text."""

    def __init__(self, stream: Stream, stops: Sequence[str]) -> None:
        self.stream, self._stops = stream, stops
        self.reason = ""
        """``stop`` once a stop text came."""
        self.count = 0
        """Tokens drawn."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decode = stream.version.run.model.tokenizer.decode
        self._held, self._told = "", 0
        self._waiting: deque[Placed] = deque()

    def add(self, drawn: Sequence[Drawn], *, last: bool) -> tuple[str, list[Placed]]:
        """The text that can be told now, and its tokens."""
        for each in drawn:
            if self.reason:
                break
            self.count += 1
            self._waiting.append((each, self._told + len(self._held)))
            self._held += self._decoder.decode(self._decode([each.token]))
            self._look()
        if last and not self.reason:
            self._held += self._decoder.decode(b"", final=True)
            self._look()
        safe = len(self._held) if last or self.reason else len(self._held) - self._open()
        text, self._held = self._held[:safe], self._held[safe:]
        self._told += len(text)
        tokens = []
        while self._waiting and (self._waiting[0][1] < self._told or last):
            tokens.append(self._waiting.popleft())
        return text, tokens

    def _look(self) -> None:
        """End before a stop text, if there is one."""
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            self.reason, self._held = "stop", self._held[: min(places)]
            self.stream.cancelled = True
            end = self._told + len(self._held)
            self._waiting = deque(each for each in self._waiting if each[1] < end)

    def _open(self) -> int:
        """Characters at the end that may begin a stop text."""
        sizes = (
            size
            for stop in self._stops
            for size in range(min(len(stop) - 1, len(self._held)), 0, -1)
            if self._held.endswith(stop[:size])
        )
        return max(sizes, default=0)


async def drawn_together(
    model: ModelThread, drawings: Sequence[Drawing]
) -> AsyncIterator[tuple[int, str, list[Placed]]]:
    """Number, text and tokens of the pieces of several completions, as they come.

    Whoever stops listening cancels them.
    """
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    boxes: list[deque[Drawn | Exception | None]] = [deque() for _ in drawings]
    try:
        for drawing, box in zip(drawings, boxes, strict=True):
            drawing.stream.sink = _sink(box, loop, there)
            model.start(drawing.stream)
        open_ = set(range(len(drawings)))
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
                text, tokens = drawings[number].add(drawn, last=over)
                if over or drawings[number].reason:
                    open_.discard(number)
                if text or tokens:
                    yield number, text, tokens
            if open_:
                await asyncio.sleep(PACE)
    finally:
        for drawing in drawings:
            drawing.stream.cancelled = True


def _sink(box: deque[Drawn | Exception | None], loop: asyncio.AbstractEventLoop, there: asyncio.Event) -> Any:
    """Puts items into a box, and wakes the loop unless it knows."""

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
    """A token as text; bytes that are no character of their own as the protocol writes them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)
