"""The lines of a chat: messages, and commands that begin with a slash."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import click

from lior.config.options import RawText, check_table, typed_fields
from lior.errors import LiorError, UsageError, did_you_mean, sentences
from lior.runs.chat import Chat
from lior_cli.terminal import printable

PROMPT, MORE = "> ", "… "
_HISTORY = 1000


class _Command(NamedTuple):
    run: Callable[[str], None]
    usage: str
    help: str


class Conversation:
    """Reads lines until there are no more.

    Parameters
    ----------
    remember
        Whether the run learns what is said.
    live
        Whether a person sits at a terminal: then there is a prompt, and an error does not end the chat.
    """

    def __init__(self, chat: Chat, *, remember: bool, live: bool) -> None:
        self.chat, self.remember, self.live = chat, remember, live
        self._over = self._warned = False
        self._failed = False
        self._replying = self._stopped = False
        self._commands = {
            "/why": _Command(self._why, "/why", "where the words of the last reply come from"),
            "/learn": _Command(self._learn, "/learn FILE", "learn a file or folder"),
            "/forget": _Command(self._forget, "/forget NAME", "forget a document, exactly"),
            "/docs": _Command(self._docs, "/docs", "list the documents"),
            "/save": _Command(self._save, "/save", "keep what was learned and forgotten"),
            "/set": _Command(self._set, "/set NAME VALUE", "change how words are drawn; /set alone shows it"),
            "/reset": _Command(self._reset, "/reset", "begin anew"),
            "/help": _Command(self._help, "/help", "this list"),
            "/quit": _Command(self._quit, "/quit", "end the chat"),
        }

    def run(self) -> int:
        """The exit code: 0, or 1 when a command in a pipe failed."""
        if self.live:
            self._say("/help lists the commands, /quit ends the chat")
        with _history(self.live), self._interruptible():
            while not self._over:
                self._replying = self._stopped = False
                try:
                    line = self._read()
                    self._replying = line is not None and not line.startswith("/")
                except KeyboardInterrupt:
                    self._say("\n/quit or Ctrl-D ends the chat")
                    continue
                if line is None:
                    self._end_of_input()
                elif line.strip():
                    self._take(line)
        return int(self._failed)

    # --- lines ---

    def _read(self) -> str | None:
        """A message of one or more lines; ``None`` at the end of the input."""
        lines: list[str] = []
        while True:
            line = self._line(MORE if lines else PROMPT)
            if line is None:
                return "\n".join(lines) if lines else None
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])

    def _line(self, prompt: str) -> str | None:
        if self.live:
            try:
                return input(prompt)
            except EOFError:
                click.echo()
                return None
        data = sys.stdin.buffer.readline()
        return data.decode("utf-8", "surrogateescape").rstrip("\r\n") if data else None

    def _end_of_input(self) -> None:
        self._over = True
        if self.chat.run.changes:
            self._say(f"{_changes(self.chat.run.changes)} not saved")

    def _take(self, line: str) -> None:
        try:
            if line.startswith("/"):
                self._obey(line)
            else:
                self._reply(line)
        except LiorError as error:
            self._failed = not self.live
            click.echo(f"lior: error: {error}", err=True)

    def _obey(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        if name not in self._commands:
            hint = did_you_mean(name, self._commands) or "/help lists them."
            raise UsageError(sentences(f"no command {name!r}.", hint))
        if name != "/quit":
            self._warned = False
        self._commands[name].run(rest.strip())

    # --- replies ---

    def _reply(self, line: str) -> None:
        last = ""
        for text in printable(self._until_stopped(self.chat.reply(line))):
            click.echo(text, nl=False)
            last = text or last
        if not last.endswith("\n"):
            click.echo()
        if self.remember:
            self._remember(line)

    def _until_stopped(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            if self._stopped:
                self._say(" (stopped)")
                return

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C at a terminal end a reply after its token, so that nothing is left half done.

        The handler stays for the whole chat, so that no moment is without it. It also replaces a SIGINT that
        the parent process had ignored, as shells do for background jobs: a reply could not be stopped then.
        """
        if not self.live:
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
        taken = {document.name for document in self.chat.run.documents()}
        unique = name
        for number in itertools.count(2):
            if unique not in taken:
                break
            unique = f"{name}-{number}"
        self.chat.run.learn({unique: line + "\n"})
        self._say(f"remembered as {unique}; /save keeps it, /forget {unique} undoes it")

    # --- commands ---

    def _why(self, rest: str) -> None:
        _none("/why", rest)
        from lior_cli.why import show

        explained = self.chat.why()
        if not explained:
            raise UsageError("/why explains the last reply, and there is none yet; say something first")
        show(explained)

    def _learn(self, rest: str) -> None:
        began = time.perf_counter()
        for document in self.chat.run.learn(_one("/learn FILE", rest)):
            self._say(f"learned {document.name}: {document.bytes:,} bytes")
        self._say(f"in {time.perf_counter() - began:.2f} s; /save keeps it")

    def _forget(self, rest: str) -> None:
        began = time.perf_counter()
        document = self.chat.run.forget(_one("/forget NAME", rest))
        self._say(
            f"forgot {document.name}: {document.bytes:,} bytes in {time.perf_counter() - began:.2f} s; "
            "/save makes it last"
        )

    def _docs(self, rest: str) -> None:
        _none("/docs", rest)
        from lior_cli.documents import list_documents

        list_documents(self.chat.run.documents())

    def _save(self, rest: str) -> None:
        _none("/save", rest)
        changes = self.chat.run.changes
        if not changes:
            raise UsageError("nothing was learned or forgotten since the run was opened or saved")
        self.chat.run.save()
        self._say(f"saved {_changes(changes)}")

    def _set(self, rest: str) -> None:
        now = self.chat.sampling
        fields = typed_fields(type(now))
        name, _, value = rest.partition(" ")
        if not name:
            for key, typed in fields.items():
                self._say(f"{key} {getattr(now, key)}    {typed.field.metadata['help']}")
            return
        values, faults = check_table(type(now), {name: RawText(value.strip())})
        if faults:
            raise UsageError(f"/set {name} {value}: {faults[0].message}")
        self.chat.sampling = attrs.evolve(now, **values)

    def _reset(self, rest: str) -> None:
        _none("/reset", rest)
        self.chat.reset()

    def _help(self, rest: str) -> None:
        _none("/help", rest)
        for command in self._commands.values():
            self._say(f"{command.usage:<16} {command.help}")

    def _quit(self, rest: str) -> None:
        _none("/quit", rest)
        changes = self.chat.run.changes
        if changes and self.live and not self._warned:
            self._warned = True
            self._say(f"{_changes(changes)} not saved: /save keeps them, /quit again leaves them")
        else:
            self._end_of_input()

    def _say(self, text: str) -> None:
        """What is not part of a reply: on standard error, so that a pipe gets replies alone."""
        click.echo("".join(printable([text.encode("utf-8", "surrogateescape")])), err=True)


def _changes(count: int) -> str:
    return f"{count} change{'s' if count > 1 else ''}"


def _one(usage: str, rest: str) -> str:
    if not rest:
        raise UsageError(f"{usage}: what is missing")
    return rest


def _none(command: str, rest: str) -> None:
    if rest:
        raise UsageError(f"{command} takes nothing, and {rest!r} was given")


@contextlib.contextmanager
def _history(live: bool) -> Iterator[None]:
    """Lines of earlier chats with the arrow keys, where there is a terminal with readline."""
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
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(file)
            file.chmod(0o600)
