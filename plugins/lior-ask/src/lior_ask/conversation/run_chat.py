"""A conversation with a run: passages that answer a message, or its continuation by the language model.

Each continued message has its own context, so that a bad reply does not spoil the next. A continuation ends
at :attr:`Chat.stop` or after a number of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Generator

from lior import Sampling
from lior.config import ChatSampling
from lior.errors import UsageError
from lior.model import Detokenizer, Explained, Session, explain, proceed
from lior_ask.conversation.dialogue import Dialogue, Turn

if TYPE_CHECKING:
    from lior import Run

SURE = 0.8
"""Minimum confidence to continue a message without a request."""
_AHEAD = 16
"""Number of tokens in the confidence."""


@attrs.frozen
class Reply:
    """The reply to a message. ``str()`` gives the text."""

    text: str
    """The sentence that answers, the model's continuation, or the reason why there is neither."""
    turn: Turn | None
    """The turn with the answer and its passages; ``None`` if the model continues the message."""

    def __str__(self) -> str:
        return self.text


@attrs.define
class Chat:
    """A conversation; the run may learn and forget between two replies. See :meth:`lior.Run.chat`."""

    run: Run
    sampling: Sampling = attrs.field(factory=ChatSampling)
    tokens: int = 300
    """The maximum number of tokens of a reply."""
    stop: str = "\n\n"
    """The text that ends a reply; empty for none."""
    seed: int = 0
    talk: Dialogue = attrs.field(init=False)
    """The questions so far."""
    _session: Session = attrs.field(init=False)
    _generator: Generator = attrs.field(init=False)
    _said: list[int] = attrs.field(factory=list, init=False)
    """All tokens of the conversation."""
    _reply: int = attrs.field(default=0, init=False)
    """Index of the first token of the last reply."""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.tokens, int) or self.tokens < 1:
            raise UsageError(f"tokens = {self.tokens!r}: give the largest number of a reply, 1 or more")
        self.talk = Dialogue(lambda question, top: self.run.index.ask(question, top))
        self.reset()

    def reset(self) -> None:
        """Start over: without earlier questions, with an empty context and a newly seeded generator."""
        self.talk.reset()
        self._clear()
        self._generator = Generator().manual_seed(self.seed)

    def _clear(self) -> None:
        self._said, self._reply = [], 0
        self._session = Session(self.run.model)

    def _feed(self, text: bytes) -> None:
        tokens = self.run.model.tokenizer.encode(text).tolist()
        self._session.feed(tokens)
        self._said += tokens

    def say(self, message: str) -> Reply:
        """Reply to ``message`` as ``lior chat`` does, without what the terminal adds.

        Raises
        ------
        UsageError
            As :meth:`find`.
        """
        turn = self.find(message)
        if turn is None:
            return Reply("".join(self.reply(message)), None)
        answer = turn.answer
        if answer.dates:
            return Reply("\n".join([answer.said, *(passage.text for passage in turn.passages)]), turn)
        return Reply(answer.answer.text if answer.answer else answer.said or answer.note, turn)

    def find(self, message: str) -> Turn | None:
        """Return the passages for ``message``, or ``None`` if there are none and the model is sure.

        Raises
        ------
        UsageError
            When there is nothing to look for and the model is not sure; when ``message`` is too long, or no
            text.
        """
        if not isinstance(message, str):
            raise UsageError(f"message is of type {type(message).__name__}; give a text (str)")
        try:
            turn = self.talk.ask(message)
        except UsageError:  # it has no word to look for
            self.talk.last = None
            if self._sure(message):
                return None
            raise
        answer = turn.answer
        return turn if answer.found or answer.said or not self._sure(message) else None

    def _sure(self, message: str) -> bool:
        return not message.rstrip().endswith("?") and self.confidence(message) >= SURE

    @torch.no_grad()
    def reply(self, text: str) -> Iterator[str]:
        """Yield the continuation of ``text``, a piece for each token; closing the iterator stops the reply.

        An empty ``text`` continues the last reply.
        """
        if text:
            self._clear()
            self._feed(text.encode("utf-8", "surrogateescape"))
        self._reply = len(self._said)
        drawn = proceed(self._session, self.sampling, generator=self._generator)
        text_of = Detokenizer(self.run.model.tokenizer, [self.stop], keep_stop=True)
        yield from text_of.pieces(self._noted(islice(drawn, self.tokens)))

    def _noted(self, tokens: Iterable[int]) -> Iterator[int]:
        for token in tokens:
            self._said.append(token)
            yield token

    def confidence(self, text: str) -> float:
        """Return the smallest probability of the next likeliest tokens after ``text``, in (0, 1].

        The mean is of little use: any passage is certain after its first words.
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
        """Return the sources of the words of the last reply, from the present memories."""
        said = self._said
        corpus, (prompt, reply) = self.run.checkpoint.corpus, (said[: self._reply], said[self._reply :])
        return explain(self.run.model, corpus, prompt, reply, most=most, words=words)
