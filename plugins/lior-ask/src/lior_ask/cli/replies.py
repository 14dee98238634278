"""The replies of a chat to messages: answers, further passages, and continuations by the model of a run."""

from __future__ import annotations

import contextlib
import itertools
import signal
import time
from collections.abc import Iterator
from typing import Any

import click

from lior.errors import EndpointError, UsageError
from lior_ask.cli.passages import echo_answer, echo_passages
from lior_ask.cli.session import Session, say
from lior_ask.cli.wording import echo_reply
from lior_ask.conversation.composing import Material, prepare
from lior_ask.conversation.dialogue import Turn
from lior_ask.conversation.endpoint import Endpoint
from lior_cli.terminal import columns, printable_text, wrap

PAGE = 3
"""Number of passages that ``/more`` shows."""


class Replies:
    """The replies to the messages of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._replying = self._stopped = False

    def reply(self, line: str) -> None:
        """Answer a message; the word "more" shows further passages."""
        if line.strip().lower() == "more" and self._session.talk.last:
            self.more()
            return
        self._session.message, self._session.continued = line, False
        self._session.refresh()
        try:
            turn = (
                self._session.run_chat.find(line) if self._session.run_chat else self._session.talk.ask(line)
            )
        except UsageError as error:  # it has no word to look for
            self._session.talk.last = None
            hint = "; /go continues it as a text" if self._session.run_chat else ""
            say(f"{error}{hint}")
        else:
            if turn:
                self._answer(turn)
            else:
                say("no passage answers that; the model is sure of how it goes on:")
                self.go_on(line)
        if self._session.remember and not line.rstrip().endswith("?"):  # a question would answer itself
            self._remember(line)

    def _answer(self, turn: Turn) -> None:
        """Print the answer, or the reply of a model."""
        if turn.inherited:
            say(f"(with {', '.join(turn.inherited)} from before)")
        given = None
        if self._session.endpoint:
            turn, given = prepare(turn, self._session.index)
        if self._session.endpoint and given:
            try:
                self._hand_over(self._session.endpoint, turn, given)
                return
            except EndpointError as error:
                self._session.fault(error)
        shown = PAGE if turn.answer.said else 1
        self._session.shown = shown if turn.passages else self._session.shown
        echo_answer(self._session.index, turn.answer, turn.passages[:shown], alone=True)
        left = len(turn.passages) - shown
        if self._session.live and left > 0:
            say(f"(/more shows {left} further passage{'s' * (left > 1)})")

    def _hand_over(self, endpoint: Endpoint, turn: Turn, given: Material) -> None:
        if not turn.answer.found and not turn.answer.said:
            say(f"nothing in the documents seems to speak of it: {turn.answer.note}")
        self._session.shown = 0
        echo_reply(self._session.index, endpoint, given, live=self._session.live)

    def go_on(self, text: str) -> None:
        """Print a continuation; Ctrl-C at a terminal ends it after its token."""
        self._replying, self._stopped, self._session.continued = True, False, True
        last = ""
        try:
            pieces = map(printable_text, self._until_stopped(self._session.chat.reply(text)))
            for piece in wrap(pieces, columns()) if self._session.live else pieces:
                click.echo(piece, nl=False)
                last = piece or last
        finally:
            self._replying = False
        if self._stopped:
            say(" (stopped)")
        elif not last.endswith("\n"):
            click.echo()

    def _until_stopped(self, pieces: Iterator[str]) -> Iterator[str]:
        for piece in pieces:
            yield piece
            if self._stopped:
                return

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C at a terminal end a reply after the current token, so that nothing is left half done.

        The handler stays for the whole chat, without gaps. It also replaces an ignored SIGINT, which shells
        set for background jobs; otherwise a reply could not be stopped.
        """
        if not self._session.live:
            yield
            return
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupted(self, *_: Any) -> None:
        if not self._replying:
            raise KeyboardInterrupt
        self._stopped = True

    def _remember(self, line: str) -> None:
        name = time.strftime("said-%Y%m%d-%H%M%S")
        taken = {document.name for document in self._session.chat.run.documents()}
        unique = name
        for number in itertools.count(2):
            if unique not in taken:
                break
            unique = f"{name}-{number}"
        self._session.chat.run.learn({unique: line + "\n"})
        say(f"remembered as {unique}; /save keeps it, /forget {unique} undoes it")

    def more(self) -> None:
        """Print the next passages of the last answer. Raises ``UsageError`` if there is none."""
        turn = self._session.talk.last
        if turn is None:
            raise UsageError("/more shows further passages, and nothing was asked yet; ask something first")
        listed = turn.passages[self._session.shown : self._session.shown + PAGE]
        if not listed:
            say("there are no further passages")
            return
        echo_passages(self._session.index, turn.answer, listed, first=self._session.shown + 1)
        self._session.shown += len(listed)
