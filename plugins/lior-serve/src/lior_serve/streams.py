"""One thread that evaluates the model for all streams, in rounds in which each stream progresses.

The memories have working buffers that two readers must not share. A stream without log-probabilities draws
several tokens in one compiled call a round, if the model supports it. One batch gives the next token of each
of the other streams. Each stream draws the same tokens as it would alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Generator, Tensor

from lior import Sampling
from lior.interfaces import Text
from lior.model import Asked, Session, draw, is_plain
from lior_serve.errors import Busy
from lior_serve.run import RunVersion

T = TypeVar("T")
_BLOCK = 1024
"""The number of prompt tokens that are scored between two rounds of the streams."""
_AHEAD, _LEAST, _ROUND = 32, 8, 512
"""The maximum and minimum number of tokens that a stream draws in one call, and the number for all streams in
a round. A round takes some milliseconds: a new stream waits for it, and a cancelled one continues during it.
"""


class Drawn(NamedTuple):
    """A sampled token with its log-probability."""

    token: int
    logprob: float
    """The natural logarithm of its probability under the model, whatever the temperature; 0 if
    not requested.
    """
    tops: list[tuple[int, float]]
    """The likeliest tokens with their log-probabilities."""


class Stream:
    """A completion in progress.

    Parameters
    ----------
    tops
        The number of likeliest tokens that come with each token; ``None``: no log-probabilities are
        requested.
    until
        The time of ``time.monotonic`` at which it ends in any case.
    """

    def __init__(
        self,
        version: RunVersion,
        prompt: Sequence[int],
        count: int,
        *,
        sampling: Sampling,
        seed: int,
        tops: int | None,
        until: float,
    ) -> None:
        self.version, self.left, self.sampling = version, count, sampling
        self.sink: Callable[[Drawn | Exception | None], object] = lambda item: None
        """The function that the model's thread calls with each token, and at the end with ``None`` or the
        error.
        """
        self.tops, self.until = tops, until
        self.cancelled = False
        self._prompt = prompt
        self._session: Session | None = None
        self._generator = Generator().manual_seed(seed)

    @property
    def session(self) -> Session:
        """The session with the prompt as context, which is evaluated at its first use."""
        if self._session is None:
            self._session = Session(self.version.run.model, self._prompt)
        return self._session

    @property
    def over(self) -> bool:
        """Whether the completion is finished."""
        return self.cancelled or self.left <= 0 or time.monotonic() > self.until

    def take(self, log_p: Tensor) -> None:
        """Sample a token from ``log_p (V,)`` and pass it to the sink."""
        token = draw(
            self.session.log_probs_with(self.sampling, log_p), self.sampling, generator=self._generator
        )
        self.session.feed([token])
        self.left -= 1
        self.sink(Drawn(token, float(log_p[token]), likeliest(log_p, self.tops or 0)))

    @property
    def ahead(self) -> bool:
        """Whether several tokens may be drawn in one call, if the model supports it."""
        return self.tops is None and is_plain(self.sampling)

    def asked(self, most: int) -> Asked:
        """Return the request for up to ``most`` tokens."""
        return Asked(self.session, self.sampling, self._generator, min(most, self.left))

    def pass_on(self, tokens: Sequence[int]) -> None:
        """Pass tokens without log-probabilities to the sink."""
        self.left -= len(tokens)
        for token in tokens:
            self.sink(Drawn(token, 0.0, []))


class ModelThread:
    """The thread that evaluates the models of all versions."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._fresh: deque[Stream] = deque()
        self._streams: list[Stream] = []
        self._closed = False
        self.tokens = 0
        """The number of tokens drawn since the start."""
        self._thread = threading.Thread(target=self._loop, name="lior-model", daemon=True)
        self._thread.start()

    @property
    def streams(self) -> int:
        """The number of completions in progress."""
        return len(self._streams) + len(self._fresh)

    def start(self, stream: Stream) -> None:
        """Begin a stream; raise ``Busy`` when there are too many."""
        if self.streams >= self._most:
            raise Busy
        self._fresh.append(stream)
        self._work.put(None)

    def run(self, work: Callable[[Callable[..., object]], T]) -> Future[T]:
        """Call ``work`` in the thread; it calls its argument between its parts, so that streams progress."""
        future: Future[T] = Future()

        def done() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work(lambda *_: self._step()))
            except Exception as error:
                future.set_exception(error)

        self._work.put(done)
        return future

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        self._work.put(None)

    def _loop(self) -> None:
        while not self._closed:
            try:
                work = self._work.get(block=not self._streams)
            except Empty:
                work = None
            if work is not None:
                work()
            self._step()
        for stream in [*self._streams, *self._fresh]:
            stream.sink(None)

    def _step(self) -> None:
        """Advance each stream by one token or several."""
        while self._fresh:
            self._streams.append(self._fresh.popleft())
        going = []
        for stream in self._streams:
            if stream.over:
                stream.sink(None)
            else:
                going.append(stream)
        self._streams = going
        most = min(_AHEAD, max(_LEAST, _ROUND // max(len(going), 1)))
        ahead: dict[tuple[int, bool], list[Stream]] = {}
        for stream in going:  # the CPU draws for each stream apart, a device for all together
            own = stream if stream.version.run.model.device.type == "cpu" else stream.version
            ahead.setdefault((id(own), stream.ahead), []).append(stream)
        groups: dict[int, list[Stream]] = {}
        for some in ahead.values():
            if not self._advance(some, partial(_take_ahead, some, most)):
                groups.setdefault(id(some[0].version), []).extend(some)
        for group in groups.values():
            self._advance(group, partial(_take, group))

    def _advance(self, streams: Sequence[Stream], draw_some: Callable[[], int]) -> bool:
        """Return whether ``draw_some`` drew tokens, or an error ended the streams."""
        try:
            drawn = draw_some()
        except Exception as error:  # an error of a plugin ends the streams, not the thread
            for stream in streams:
                stream.left = 0
                stream.sink(error)
            return True
        self.tokens += drawn
        return drawn > 0


def _take_ahead(streams: Sequence[Stream], most: int) -> int:
    """Draw up to ``most`` tokens for each stream of a model in one call; return 0 if :func:`_take` must
    draw.
    """
    if not all(stream.ahead for stream in streams):
        return 0
    found = Session.draw_all([stream.asked(most) for stream in streams]) or []
    for stream, tokens in zip(streams, found, strict=False):
        stream.pass_on(tokens)
    return sum(map(len, found))


def _take(streams: Sequence[Stream]) -> int:
    """Sample a token for each stream of a model, with one read of its memories."""
    rows = Session.together([stream.session for stream in streams])
    for stream, row in zip(streams, rows, strict=True):
        stream.take(row)
    return len(streams)


def likeliest(log_p: Tensor, count: int) -> list[tuple[int, float]]:
    """Return the ``count`` most probable tokens and their ``log_p (V,)``."""
    if not count:
        return []
    values, tokens = log_p.topk(min(count, len(log_p)))
    return list(zip(tokens.tolist(), values.tolist(), strict=True))


@torch.no_grad()
def of_prompt(
    version: RunVersion, tokens: Sequence[int], tops: int, between: Callable[[], Any]
) -> list[Drawn]:
    """Return each token of a prompt with its log-probability given the tokens before it."""
    model, found = version.run.model, list[Drawn]()
    for begin in range(0, len(tokens), _BLOCK):
        first = max(begin - model.context, 0)
        part = torch.tensor(tokens[first : begin + _BLOCK], device=model.device)
        depth = torch.arange(first, first + len(part), device=model.device)
        places = torch.arange(begin - first, len(part), device=model.device)
        rows = model.log_probs(Text(part, depth, torch.zeros_like(depth)), places)
        chosen = rows.gather(1, part[places][:, None])[:, 0].tolist()
        values, best = (each.tolist() for each in rows.topk(min(tops, rows.shape[1])))
        for place, token in enumerate(tokens[begin : begin + _BLOCK]):
            found.append(Drawn(token, chosen[place], list(zip(best[place], values[place], strict=True))))
        between()
    return found
