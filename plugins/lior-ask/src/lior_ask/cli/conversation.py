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

from lior.config import RawText, check_table, typed_fields
from lior.errors import EndpointError, LiorError, UsageError, did_you_mean, quantity, sentences
from lior.files import narrow_rights
from lior_ask.cli.passages import echo_answer, echo_document, echo_passages, echo_reasons, where
from lior_ask.cli.wording import echo_reply
from lior_ask.conversation.composing import Material, prepare_material
from lior_ask.conversation.dialogue import Dialogue, Turn, confirm_turn
from lior_ask.conversation.endpoint import Endpoint
from lior_ask.languages.replies import in_words_of
from lior_cli import printable_line, printable_text, terminal_columns, wrap_text

if TYPE_CHECKING:
    from lior.interfaces import Passage
    from lior_ask.api import Index
    from lior_ask.conversation.run_chat import Chat

PROMPT, MORE = "> ", "… "
_HISTORY = 1000
_AROUND = 8
"""Number of lines shown before and after a passage whose document is opened."""
_PAGE = 3
"""Number of passages that ``/more`` shows."""
_OF_RUNS = ("/go", "/learn", "/forget", "/save", "/set")
"""Commands that need a run."""


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
            _say(f"{_changes(self.changes)} not saved")


class _Replies:
    """The replies to the messages of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._replying = self._stopped = self._replied = False

    def _begin(self) -> None:
        """Print an empty line between two replies in a pipe, where the messages are not seen."""
        if self._replied and not self._session.live:
            click.echo()
        self._replied = True

    def reply(self, line: str) -> None:
        """Answer a message; the word "more" shows further passages, and "quit" ends the chat."""
        word = line.strip().lower()
        if word == "more" and self._session.talk.last:
            self.more()
            return
        if word in ("quit", "exit"):
            self._session.leave()
            return
        self._begin()
        self._session.message, self._session.continued = line, False
        self._session.refresh()
        try:
            turn = (
                self._session.run_chat.find(line) if self._session.run_chat else self._session.talk.ask(line)
            )
        except UsageError as error:  # it has no word to look for
            self._session.talk.last = None
            hint = "; /go continues it as a text" if self._session.run_chat else ""
            _say(f"{error}{hint}")
        else:
            if turn:
                self._answer(turn)
            else:
                _say("no passage answers that; the model is sure of how it goes on:")
                self.go_on(line)
        if self._session.remember and not line.rstrip().endswith("?"):  # a question would answer itself
            self._remember(line)

    def _answer(self, turn: Turn) -> None:
        """Print the answer, or the reply of a model."""
        if turn.inherited:
            _say(in_words_of(f"(with {', '.join(turn.inherited)} from before)", turn.answer.language))
        if turn.opens:
            self._open(turn.passages[0])
            return
        given = None
        if self._session.endpoint:
            turn, given = prepare_material(turn, self._session.index)
        if self._session.endpoint and given:
            try:
                self._hand_over(self._session.endpoint, turn, given)
                return
            except EndpointError as error:
                self._session.fault(error)
        shown = max(_PAGE, len(turn.answer.dates)) if turn.answer.said else 1
        self._session.shown = shown if turn.passages else self._session.shown
        echo_answer(self._session.index, turn.answer, turn.passages[:shown], alone=True)
        left = len(turn.passages) - shown
        if self._session.live and left > 0:
            _say(in_words_of(f"(/more shows {quantity(left, 'further passage')})", turn.answer.language))

    def _open(self, passage: Passage) -> None:
        from lior_ask.index.context_lines import around, file_texts

        path, lines = self._session.index.path(passage.document), None
        if path is not None:
            with contextlib.suppress(OSError, LiorError):  # it was deleted or damaged meanwhile
                lines = around(file_texts(path), passage, _AROUND)
        echo_document(self._session.index, passage, lines)

    def _hand_over(self, endpoint: Endpoint, turn: Turn, given: Material) -> None:
        language = turn.answer.language
        if not turn.answer.found and not turn.answer.said:
            told = f"nothing in the documents seems to speak of it: {turn.answer.note}"
            _say(in_words_of(told, language))
        self._session.shown = 0
        echo_reply(self._session.index, endpoint, given, language, live=self._session.live)

    def go_on(self, text: str) -> None:
        """Print a continuation; Ctrl-C at a terminal ends it after its token."""
        self._replying, self._stopped, self._session.continued = True, False, True
        last = ""
        try:
            pieces = map(printable_text, self._until_stopped(self._session.chat.reply(text)))
            for piece in wrap_text(pieces, terminal_columns()) if self._session.live else pieces:
                click.echo(piece, nl=False)
                last = piece or last
        finally:
            self._replying = False
        if self._stopped:
            _say(" (stopped)")
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
        _say(f"remembered as {unique}; /save keeps it, /forget {unique} undoes it")

    def more(self) -> None:
        """Print the next passages of the last answer. Raises ``UsageError`` if there is none."""
        turn = self._session.talk.last
        if turn is None:
            raise UsageError("/more shows further passages, and nothing was asked yet; ask something first")
        listed = turn.passages[self._session.shown : self._session.shown + _PAGE]
        if not listed:
            _say(in_words_of("there are no further passages", turn.answer.language))
            return
        self._begin()
        echo_passages(self._session.index, turn.answer, listed, first=self._session.shown + 1)
        self._session.shown += len(listed)


class _Command(NamedTuple):
    run: Callable[[str], None]
    usage: str
    help: str


class _Commands:
    """The commands of a session."""

    def __init__(self, session: Session, replies: _Replies) -> None:
        self._session, self._replies = session, replies
        self._warned = False
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
        self._every = {command.usage.split()[0]: command for command in every}

    def obey(self, line: str) -> None:
        """Run the command in a line. Raises ``UsageError`` if there is none of its name."""
        name, _, rest = line.partition(" ")
        if name not in self._every:
            hint = did_you_mean(name, self._every) or "/help lists them."
            raise UsageError(sentences(f"no command {name!r}.", hint))
        if name != "/quit":
            self._warned = False
        self._every[name].run(rest.strip())

    def _more(self, rest: str) -> None:
        _none("/more", rest)
        self._replies.more()

    def _why(self, rest: str) -> None:
        _none("/why", rest)
        if self._session.continued:
            from lior_cli import show_why

            show_why(self._session.chat.why())
        elif self._session.talk.last:
            turn = self._session.talk.last
            echo_reasons(
                self._session.index,
                turn.answer,
                turn.passages[: max(self._session.shown, _PAGE)],
                turn.inherited,
            )
        else:
            raise UsageError("/why explains the last reply, and there is none yet; say something first")

    def _good(self, rest: str) -> None:
        turn = self._session.talk.last
        if turn is None or not turn.passages:
            raise UsageError(
                "/good confirms a passage of the last reply, and there is none; ask something first"
            )
        shown = min(max(self._session.shown, 1), len(turn.passages))
        if rest not in ("", *map(str, range(1, shown + 1))):
            there = "only passage 1 is shown" if shown == 1 else f"passages 1 to {shown} are shown"
            further = "; /more shows further ones" * (shown < len(turn.passages))
            raise UsageError(f"/good {rest}: {there}, and /good 1 confirms the first one{further}")
        passage = turn.passages[int(rest or 1) - 1]
        question = confirm_turn(turn, passage)
        counts = (self._session.run_chat.run if self._session.run_chat else self._session.index).confirm(
            question, passage
        )
        what = "counts as" if counts else "no longer counts as"
        again = f"/good {rest or 1} again {'takes that back' if counts else 'confirms it'}"
        told = f"{where(self._session.index, passage)} {what} an answer to {question!r}; {again}"
        _say(in_words_of(told, turn.answer.language))

    def _go(self, rest: str) -> None:
        text = rest or ("" if self._session.continued else self._session.message)
        if not text and not self._session.continued:
            raise UsageError("/go TEXT: what is missing; nothing was said that could be continued")
        self._replies.go_on(text)

    def _learn(self, rest: str) -> None:
        began = time.perf_counter()
        for document in self._session.chat.run.learn(_one("/learn FILE", rest)):
            _say(f"learned {document.name}: {document.bytes:,} bytes")
        _say(f"in {time.perf_counter() - began:.2f} s; /save keeps it")

    def _forget(self, rest: str) -> None:
        began, name = time.perf_counter(), _one("/forget NAME", rest)
        if self._session.live:
            _say(f"forgetting {name} …")
        document = self._session.chat.run.forget(name)
        _say(
            f"forgot {document.name}: {document.bytes:,} bytes in {time.perf_counter() - began:.2f} s; "
            "/save makes it last"
        )

    def _docs(self, rest: str) -> None:
        _none("/docs", rest)
        if self._session.run_chat is None:
            click.echo("\n".join(map(printable_line, self._session.index.documents)))
            return
        from lior_cli import list_documents

        list_documents(self._session.chat.run.documents())

    def _save(self, rest: str) -> None:
        _none("/save", rest)
        changes = self._session.chat.run.changes
        if not changes:
            raise UsageError("nothing was learned or forgotten since the run was opened or saved")
        self._session.chat.run.save()
        _say(f"saved {_changes(changes)}")

    def _set(self, rest: str) -> None:
        now = self._session.chat.sampling
        fields = typed_fields(type(now))
        name, _, value = rest.partition(" ")
        if not name:
            for key, typed in fields.items():
                _say(f"{key} {getattr(now, key)}    {typed.field.metadata['help']}")
            return
        values, faults = check_table(type(now), {name: RawText(value.strip())})
        if faults:
            raise UsageError(f"/set {name} {value}: {faults[0].message}")
        self._session.chat.sampling = attrs.evolve(now, **values)

    def _reset(self, rest: str) -> None:
        _none("/reset", rest)
        self._session.message, self._session.continued = "", False
        (self._session.run_chat or self._session.talk).reset()

    def _help(self, rest: str) -> None:
        _none("/help", rest)
        for name, command in self._every.items():
            if name in _OF_RUNS and self._session.run_chat is None:
                continue
            _say(f"{command.usage:<16} {command.help}")

    def _quit(self, rest: str) -> None:
        _none("/quit", rest)
        changes = self._session.changes
        if changes and self._session.live and not self._warned:
            self._warned = True
            _say(f"{_changes(changes)} not saved: /save keeps them, /quit again leaves them")
        else:
            self._session.leave()


class Conversation:
    """A loop that reads the messages and commands of a session until the end of the input."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._replies = _Replies(self._session)
        self._commands = _Commands(self._session, self._replies)

    def run(self) -> int:
        """Run the chat, and return the exit code: 0, or 1 if a line in a pipe failed."""
        if self._session.live:
            _say("/help lists the commands, /quit ends the chat")
        with _history(self._session.live), self._replies.interruptible():
            while not self._session.over:
                try:
                    line = self._read()
                except KeyboardInterrupt:
                    _say("\n/quit or Ctrl-D ends the chat")
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
            _say(" (stopped)")


def _say(text: str) -> None:
    """Print text that is not part of a reply to standard error, so that a pipe gets only replies."""
    click.echo(printable_text(text), err=True)


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
