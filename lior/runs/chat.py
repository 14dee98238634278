"""A conversation with a run: all messages and replies so far are the context of the next reply.

A reply continues this text, and ends at :attr:`Chat.stop` or after a number of tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import torch
from torch import Generator

from lior.config.sampling import ChatSampling, Sampling
from lior.model.generation import Session, proceed
from lior.model.provenance import Explained, explain
from lior.runs.run import Run


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
        self._said, self._reply = [], 0
        self._session = Session(self.run.model)
        self._generator = Generator(self.run.model.device).manual_seed(self.seed)

    def _feed(self, text: bytes) -> None:
        tokens = self.run.model.tokenizer.encode(text).tolist()
        self._session.feed(tokens)
        self._said += tokens

    @torch.no_grad()
    def reply(self, text: str) -> Iterator[bytes]:
        """Say ``text`` and yield the reply piece by piece; whoever stops listening stops the reply."""
        decode = self.run.model.tokenizer.decode
        if self._said and not decode(self._said[-1:]).endswith(b"\n"):
            self._feed(b"\n")
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

    def why(self, *, most: int = 3, words: bool = True) -> list[Explained]:
        """Where the words of the last reply come from, with the memories as they are now."""
        said = self._said
        corpus, (prompt, reply) = self.run.checkpoint.corpus, (said[: self._reply], said[self._reply :])
        return explain(self.run.model, corpus, prompt, reply, most=most, words=words)
