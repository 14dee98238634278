"""Continuations of messages by the language model of a run, for a conversation.

Each message is a context of its own, so that a bad reply does not spoil the next. A reply continues the
message, and ends at :attr:`Chat.stop` or after a number of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import torch
from torch import Generator

from lior.config.sampling import ChatSampling, Sampling
from lior.model.generation import Session, proceed
from lior.model.provenance import Explained, explain
from lior.runs.run import Run

SURE = 0.8
"""Confidence from which on a message is continued without being asked for."""
_AHEAD = 16
"""Tokens that the confidence looks at."""


@attrs.define
class Chat:
    """A conversation; the run may learn and forget between two replies."""

    run: Run
    sampling: Sampling = attrs.field(factory=ChatSampling)
    tokens: int = 300
    """Largest number of tokens of a reply."""
    stop: bytes = b"\n\n"
    """Text that ends a reply; empty: none does."""
    seed: int = 0
    _session: Session = attrs.field(init=False)
    _generator: Generator = attrs.field(init=False)
    _said: list[int] = attrs.field(factory=list, init=False)
    """All tokens of the conversation."""
    _reply: int = attrs.field(default=0, init=False)
    """Index of the first token of the last reply."""

    def __attrs_post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, with an empty context and the draws of the seed."""
        self._clear()
        self._generator = Generator(self.run.model.device).manual_seed(self.seed)

    def _clear(self) -> None:
        self._said, self._reply = [], 0
        self._session = Session(self.run.model)

    def _feed(self, text: bytes) -> None:
        tokens = self.run.model.tokenizer.encode(text).tolist()
        self._session.feed(tokens)
        self._said += tokens

    @torch.no_grad()
    def reply(self, text: str) -> Iterator[bytes]:
        """Yield the continuation of ``text`` piece by piece; whoever stops listening stops the reply.

        An empty ``text`` goes on with the last reply.
        """
        decode = self.run.model.tokenizer.decode
        if text:
            self._clear()
            self._feed(text.encode("utf-8", "surrogateescape"))
        self._reply = len(self._said)
        end = b""
        for _, token in zip(
            range(self.tokens), proceed(self._session, self.sampling, generator=self._generator), strict=False
        ):
            self._said.append(token)
            piece = decode([token])
            end = (end + piece)[-len(self.stop) - len(piece) :]
            yield piece
            if self.stop and self.stop in end:
                return

    def confidence(self, text: str) -> float:
        """The smallest probability among the next likeliest tokens after ``text``, in (0, 1].

        The mean says little: any passage is certain once its first words were chosen.
        """
        encoded = self.run.model.tokenizer.encode(text.encode("utf-8", "surrogateescape")).tolist()
        session, least = Session(self.run.model, encoded), 0.0
        for _ in range(_AHEAD):
            log_p = session.log_probs()
            token = int(log_p.argmax())
            least = min(least, float(log_p[token]))
            session.feed([token])
        return math.exp(least)

    def why(self, *, most: int = 3, words: bool = True) -> list[Explained]:
        """Where the words of the last reply come from, with the memories as they are now."""
        said = self._said
        corpus, (prompt, reply) = self.run.checkpoint.corpus, (said[: self._reply], said[self._reply :])
        return explain(self.run.model, corpus, prompt, reply, most=most, words=words)
