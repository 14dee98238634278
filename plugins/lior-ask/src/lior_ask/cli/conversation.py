"""The lines of a chat: messages, and commands, which begin with a slash."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from lior.errors import LiorError
from lior.files import narrow_rights
from lior_ask.cli.commands import Commands
from lior_ask.cli.replies import Replies
from lior_ask.cli.session import Session, say

PROMPT, MORE = "> ", "… "
_HISTORY = 1000


class Conversation:
    """A loop that reads the messages and commands of a session until the end of the input."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._replies = Replies(self._session)
        self._commands = Commands(self._session, self._replies)

    def run(self) -> int:
        """Run the chat, and return the exit code: 0, or 1 if a line in a pipe failed."""
        if self._session.live:
            say("/help lists the commands, /quit ends the chat")
        with _history(self._session.live), self._replies.interruptible():
            while not self._session.over:
                try:
                    line = self._read()
                except KeyboardInterrupt:
                    say("\n/quit or Ctrl-D ends the chat")
                    continue
                if line is None:
                    self._session.leave()
                elif line.strip():
                    self._take(line)
        return int(self._session.failed)

    def _read(self) -> str | None:
        """Return a message of one or more lines, or ``None`` at the end of the input."""
        lines: list[str] = []
        while True:
            line = self._line(MORE if lines else PROMPT)
            if line is None:
                return "\n".join(lines) if lines else None
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])

    def _line(self, prompt: str) -> str | None:
        if self._session.live:
            try:
                return input(prompt)
            except EOFError:
                click.echo()
                return None
        data = sys.stdin.buffer.readline()
        return data.decode("utf-8", "surrogateescape").rstrip("\r\n") if data else None

    def _take(self, line: str) -> None:
        try:
            if line.startswith("/"):
                self._commands.obey(line)
            else:
                self._replies.reply(line)
        except LiorError as error:
            self._session.fault(error)
        except KeyboardInterrupt:
            if not self._session.live:
                raise
            say(" (stopped)")


@contextlib.contextmanager
def _history(live: bool) -> Iterator[None]:
    """Keep the input history between chats if there is a terminal with readline."""
    try:
        import readline
    except ImportError:
        live = False
    if not live:
        yield
        return
    base = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    file = base / "lior" / "history"
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(_HISTORY)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            narrow_rights(file.parent)
            file.touch(0o600)
            readline.write_history_file(file)
            file.chmod(0o600)
