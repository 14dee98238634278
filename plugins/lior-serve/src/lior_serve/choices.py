"""The choices of a completion: tokens of the model's thread become pieces of text for a client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any

from lior.interfaces import Tokenizer
from lior.model import Detokenizer
from lior_serve.streams import Drawn, ModelThread, Stream

PACE = 0.03
"""The interval between two pieces of a stream, in seconds; tokens drawn meanwhile are sent together."""

Placed = tuple[Drawn, int]
"""A token, and the character of the completion at which its text begins."""


class Choice:
    """One continuation of a prompt: its tokens become text, up to a stop text."""

    def __init__(self, stream: Stream, stops: Sequence[str]) -> None:
        self.stream = stream
        self.count = 0
        """The number of tokens drawn."""
        self._text = Detokenizer(stream.version.tokenizer, stops)
        self._waiting: deque[Placed] = deque()

    @property
    def reason(self) -> str:
        """``stop`` after a stop text, else empty."""
        return "stop" if self._text.stopped else ""

    def add(self, drawn: Sequence[Drawn], *, last: bool) -> tuple[str, list[Placed]]:
        """Return the text that can be sent now, and its tokens."""
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


def place_tokens(tokenizer: Tokenizer, drawn: Iterable[Drawn]) -> tuple[str, list[Placed]]:
    """Return the text of a complete sequence of tokens, and the tokens with their places in it."""
    text, parts, placed = Detokenizer(tokenizer), list[str](), list[Placed]()
    for each in drawn:
        placed.append((each, text.position))
        parts.append(text.add(each.token))
    return "".join([*parts, text.end()]), placed


async def stream_choices(
    model: ModelThread, choices: Sequence[Choice]
) -> AsyncIterator[tuple[int, str, list[Placed]]]:
    """Yield the pieces of several choices as they come: the choice's number, text and tokens.

    The caller cancels them when it stops the iteration.
    """
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    box: deque[tuple[int, Drawn | Exception | None]] = deque()

    def put(number: int, item: Drawn | Exception | None) -> None:
        """Pass on an item; the model's thread calls this function."""
        box.append((number, item))
        if not there.is_set() and not loop.is_closed():
            loop.call_soon_threadsafe(there.set)

    try:
        for number, choice in enumerate(choices):
            choice.stream.sink = partial(put, number)
            model.start(choice.stream)
        open_ = set(range(len(choices)))
        while open_:
            await there.wait()
            there.clear()
            new: dict[int, list[Drawn | None]] = {}
            while box:
                number, item = box.popleft()
                if isinstance(item, Exception):
                    raise item
                new.setdefault(number, []).append(item)
            for number in sorted(open_ & new.keys()):
                over = new[number][-1] is None
                text, tokens = choices[number].add([*filter(None, new[number])], last=over)
                if over or choices[number].reason:
                    open_.discard(number)
                if text or tokens:
                    yield number, text, tokens
            if open_:
                await asyncio.sleep(PACE)
    finally:
        for choice in choices:
            choice.stream.cancelled = True


def logprobs(tokenizer: Tokenizer, drawn: Sequence[tuple[Drawn | None, int]]) -> dict[str, Any]:
    """Return the object ``logprobs`` of OpenAI's completions; ``None`` for the begin of a document."""
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
    """Return a token as text; incomplete characters as ``bytes:\\x..``, as the protocol writes them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)
