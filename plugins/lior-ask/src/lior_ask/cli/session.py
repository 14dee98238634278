"""The state of a chat, which its messages and commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import click

from lior.errors import LiorError, UsageError
from lior_ask.conversation.dialogue import Dialogue
from lior_ask.conversation.endpoint import Endpoint
from lior_cli.terminal import printable_text

if TYPE_CHECKING:
    from lior_ask.api import Index
    from lior_ask.conversation.run_chat import Chat


@attrs.define(kw_only=True)
class Session:
    """A chat of a run or a folder."""

    opened: Callable[[], Index]
    """Returns the current index of the documents."""
    live: bool
    """Whether the chat is interactive: then there is a prompt, and an error does not set the exit code."""
    run_chat: Chat | None = None
    """The chat of a run, which continues messages, learns and forgets; ``None`` for folders."""
    endpoint: Endpoint | None = None
    """A model that words the answers from the passages."""
    remember: bool = False
    """Whether the run learns each message."""
    refresh: Callable[[], object] = lambda: None
    """Called before each message to bring the index up to date."""
    talk: Dialogue = attrs.field(init=False)
    """The questions so far."""
    over: bool = attrs.field(default=False, init=False)
    failed: bool = attrs.field(default=False, init=False)
    """Whether a line in a pipe failed."""
    message: str = attrs.field(default="", init=False)
    """The last message."""
    continued: bool = attrs.field(default=False, init=False)
    """Whether the last reply is a continuation."""
    shown: int = attrs.field(default=0, init=False)
    """Number of passages of the last answer shown so far."""

    @talk.default
    def _talk(self) -> Dialogue:
        if self.run_chat:
            return self.run_chat.talk
        return Dialogue(lambda question, top: self.opened().ask(question, top))

    @property
    def index(self) -> Index:
        """The current index of the documents."""
        return self.opened()

    @property
    def chat(self) -> Chat:
        """The chat of the run. Raises ``UsageError`` if there is no run."""
        if self.run_chat is None:
            raise UsageError("that needs a run, and a folder is only asked; `lior train FOLDER` makes a run")
        return self.run_chat

    @property
    def changes(self) -> int:
        """The number of changes of the run that are not saved."""
        return self.run_chat.run.changes if self.run_chat else 0

    def fault(self, error: LiorError) -> None:
        """Print an error, which sets the exit code in a pipe."""
        self.failed = not self.live
        click.echo(f"lior: error: {error}", err=True)

    def leave(self) -> None:
        """End the chat, and say what is not saved."""
        self.over = True
        if self.changes:
            say(f"{changes_of(self.changes)} not saved")


def say(text: str) -> None:
    """Print text that is not part of a reply to standard error, so that a pipe gets only replies."""
    click.echo(printable_text(text), err=True)


def changes_of(count: int) -> str:
    """Return a number of changes in words."""
    return f"{count} change{'s' if count > 1 else ''}"
