"""The lines of a chat: messages, and commands, which begin with a slash."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
import click

from lior.config.options import RawText, check_table, typed_fields
from lior.errors import EndpointError, LiorError, UsageError, did_you_mean, sentences
from lior.files import narrow_rights
from lior_ask.cli.passages import echo_answer, echo_passages, echo_reasons, where
from lior_ask.cli.wording import echo_reply
from lior_ask.conversation.composing import Material, prepare
from lior_ask.conversation.dialogue import Dialogue, Turn, confirm_turn
from lior_ask.conversation.endpoint import Endpoint
from lior_cli.output import unescape
from lior_cli.sources import plain
from lior_cli.terminal import columns, printable_text, wrap

if TYPE_CHECKING:
    from lior_ask.api import Index
    from lior_ask.conversation.run_chat import Chat

PROMPT, MORE = "> ", "… "
_HISTORY = 1000
_PAGE = 3
"""Number of passages that ``/more`` shows."""
_OF_RUNS = ("/go", "/learn", "/forget", "/save", "/set")
"""Commands that need a run."""


class _Command(NamedTuple):
    run: Callable[[str], None]
    usage: str
    help: str


class Conversation:
    """A loop that reads messages and commands until the end of the input.

    Parameters
    ----------
    index
        Returns the current index of the documents.
    chat
        The chat of a run, which continues messages, learns and forgets; ``None`` for folders.
    endpoint
        A model that words the answers from the passages.
    remember
        Whether the run learns each message.
    refresh
        Called before each message to bring the index up to date.
    live
        Whether the chat is interactive: then there is a prompt, and an error does not set the exit code.
    """

    def __init__(
        self,
        index: Callable[[], Index],
        chat: Chat | None,
        *,
        endpoint: Endpoint | None = None,
        remember: bool = False,
        refresh: Callable[[], object] = lambda: None,
        live: bool,
    ) -> None:
        self.index, self.endpoint, self.remember, self.live = index, endpoint, remember, live
        self.talk = chat.talk if chat else Dialogue(lambda question, top: index().ask(question, top))
        self._chat, self._refresh = chat, refresh
        self._over = self._warned = False
        self._failed = False
        self._replying = self._stopped = False
        self._message = ""
        """The last message."""
        self._continued = False
        """Whether the last reply is a continuation."""
        self._shown = 0
        """Number of passages of the last answer shown so far."""
        every = (
            _Command(self._more, "/more", "the next passages"),
            _Command(self._why, "/why", "how the last reply was found, or where its words come from"),
            _Command(
                self._good, "/good [N]", "passage N of the reply (1) is the right one; again: it is not"
            ),
            _Command(self._go, "/go [TEXT]", "let the model continue a text, the last message, or its reply"),
            _Command(self._learn, "/learn FILE", "learn a file or folder"),
            _Command(self._forget, "/forget NAME", "forget a document, exactly"),
            _Command(self._docs, "/docs", "list the documents"),
            _Command(self._save, "/save", "keep what was learned and forgotten"),
            _Command(self._set, "/set NAME VALUE", "change how words are drawn; /set alone shows it"),
            _Command(self._reset, "/reset", "begin anew"),
            _Command(self._help, "/help", "this list"),
            _Command(self._quit, "/quit", "end the chat"),
        )
        self._commands = {command.usage.split()[0]: command for command in every}

    @property
    def chat(self) -> Chat:
        """The chat of the run. Raises ``UsageError`` if there is no run."""
        if self._chat is None:
            raise UsageError("that needs a run, and a folder is only asked; `lior train FOLDER` makes a run")
        return self._chat

    @property
    def _changes(self) -> int:
        return self._chat.run.changes if self._chat else 0

    def run(self) -> int:
        """Run the chat, and return the exit code: 0, or 1 if a line in a pipe failed."""
        if self.live:
            self._say("/help lists the commands, /quit ends the chat")
        with _history(self.live), self._interruptible():
            while not self._over:
                try:
                    line = self._read()
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
        if self._changes:
            self._say(f"{_changes(self._changes)} not saved")

    def _take(self, line: str) -> None:
        try:
            if line.startswith("/"):
                self._obey(line)
            else:
                self._reply(line)
        except LiorError as error:
            self._fault(error)
        except KeyboardInterrupt:
            if not self.live:
                raise
            self._say(" (stopped)")

    def _fault(self, error: LiorError) -> None:
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
        if line.strip().lower() == "more" and self.talk.last:
            self._more("")
            return
        self._message, self._continued = line, False
        self._refresh()
        try:
            turn = self._chat.find(line) if self._chat else self.talk.ask(line)
        except UsageError as error:  # it has no word to look for
            self.talk.last = None
            hint = "; /go continues it as a text" if self._chat else ""
            self._say(f"{error}{hint}")
        else:
            if turn:
                self._answer(turn)
            else:
                self._say("no passage answers that; the model is sure of how it goes on:")
                self._continue(line)
        if self.remember and not line.rstrip().endswith("?"):  # a question would answer itself
            self._remember(line)

    def _answer(self, turn: Turn) -> None:
        """Print the answer, or the reply of a model."""
        if turn.inherited:
            self._say(f"(with {', '.join(turn.inherited)} from before)")
        given = None
        if self.endpoint:
            turn, given = prepare(turn, self.index())
        if self.endpoint and given:
            try:
                self._hand_over(self.endpoint, turn, given)
                return
            except EndpointError as error:
                self._fault(error)
        shown = _PAGE if turn.answer.said else 1
        self._shown = shown if turn.passages else self._shown
        echo_answer(self.index(), turn.answer, turn.passages[:shown], alone=True)
        left = len(turn.passages) - shown
        if self.live and left > 0:
            self._say(f"(/more shows {left} further passage{'s' * (left > 1)})")

    def _hand_over(self, endpoint: Endpoint, turn: Turn, given: Material) -> None:
        if not turn.answer.found and not turn.answer.said:
            self._say(f"nothing in the documents seems to speak of it: {turn.answer.note}")
        self._shown = 0
        echo_reply(self.index(), endpoint, given, live=self.live)

    def _continue(self, text: str) -> None:
        """Print a continuation; Ctrl-C at a terminal ends it after its token."""
        self._replying, self._stopped, self._continued = True, False, True
        last = ""
        try:
            pieces = map(printable_text, self._until_stopped(self.chat.reply(text)))
            for piece in wrap(pieces, columns()) if self.live else pieces:
                click.echo(piece, nl=False)
                last = piece or last
        finally:
            self._replying = False
        if self._stopped:
            self._say(" (stopped)")
        elif not last.endswith("\n"):
            click.echo()

    def _until_stopped(self, pieces: Iterator[str]) -> Iterator[str]:
        for piece in pieces:
            yield piece
            if self._stopped:
                return

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C at a terminal end a reply after the current token, so that nothing is left half done.

        The handler stays for the whole chat, without gaps. It also replaces an ignored SIGINT, which shells
        set for background jobs; otherwise a reply could not be stopped.
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

    def _more(self, rest: str) -> None:
        _none("/more", rest)
        turn = self.talk.last
        if turn is None:
            raise UsageError("/more shows further passages, and nothing was asked yet; ask something first")
        listed = turn.passages[self._shown : self._shown + _PAGE]
        if not listed:
            self._say("there are no further passages")
            return
        echo_passages(self.index(), turn.answer, listed, first=self._shown + 1)
        self._shown += len(listed)

    def _why(self, rest: str) -> None:
        _none("/why", rest)
        if self._continued:
            from lior_cli.why import show

            show(self.chat.why())
        elif self.talk.last:
            turn = self.talk.last
            echo_reasons(self.index(), turn.answer, turn.passages[: max(self._shown, _PAGE)], turn.inherited)
        else:
            raise UsageError("/why explains the last reply, and there is none yet; say something first")

    def _good(self, rest: str) -> None:
        turn = self.talk.last
        if turn is None or not turn.passages:
            raise UsageError(
                "/good confirms a passage of the last reply, and there is none; ask something first"
            )
        if rest not in ("", *map(str, range(1, len(turn.passages) + 1))):
            raise UsageError(
                f"/good {rest}: a number from 1 to {len(turn.passages)} is allowed, that of a passage"
            )
        passage = turn.passages[int(rest or 1) - 1]
        question = confirm_turn(turn, passage)
        counts = (self._chat.run if self._chat else self.index()).confirm(question, passage)
        what = "counts as" if counts else "no longer counts as"
        again = f"/good {rest or 1} again {'takes that back' if counts else 'confirms it'}"
        self._say(f"{where(self.index(), passage)} {what} an answer to {question!r}; {again}")

    def _go(self, rest: str) -> None:
        text = rest or ("" if self._continued else self._message)
        if not text and not self._continued:
            raise UsageError("/go TEXT: what is missing; nothing was said that could be continued")
        self._continue(text)

    def _learn(self, rest: str) -> None:
        began = time.perf_counter()
        for document in self.chat.run.learn(_one("/learn FILE", rest)):
            self._say(f"learned {document.name}: {document.bytes:,} bytes")
        self._say(f"in {time.perf_counter() - began:.2f} s; /save keeps it")

    def _forget(self, rest: str) -> None:
        began, name = time.perf_counter(), _one("/forget NAME", rest)
        with _working(f"forgetting {name}", shown=self.live):
            document = self.chat.run.forget(name)
        self._say(
            f"forgot {document.name}: {document.bytes:,} bytes in {time.perf_counter() - began:.2f} s; "
            "/save makes it last"
        )

    def _docs(self, rest: str) -> None:
        _none("/docs", rest)
        if self._chat is None:
            click.echo("\n".join(map(plain, self.index().documents)))
            return
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
        self._message, self._continued = "", False
        (self._chat or self.talk).reset()

    def _help(self, rest: str) -> None:
        _none("/help", rest)
        for name, command in self._commands.items():
            if name in _OF_RUNS and self._chat is None:
                continue
            self._say(f"{command.usage:<16} {command.help}")

    def _quit(self, rest: str) -> None:
        _none("/quit", rest)
        changes = self._changes
        if changes and self.live and not self._warned:
            self._warned = True
            self._say(f"{_changes(changes)} not saved: /save keeps them, /quit again leaves them")
        else:
            self._end_of_input()

    def _say(self, text: str) -> None:
        """Print text that is not part of a reply to standard error, so that a pipe gets only replies."""
        click.echo(printable_text(text), err=True)


@contextlib.contextmanager
def _working(what: str, *, shown: bool) -> Iterator[None]:
    """Show a spinner and the time elapsed."""
    if not shown:
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(file=unescape(sys.stderr))
    if console.is_dumb_terminal:
        click.echo(f"{plain(what)} …", err=True)
        yield
        return
    parts = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*parts, console=console, transient=True) as progress:
        progress.add_task(plain(what), total=None)
        yield


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
