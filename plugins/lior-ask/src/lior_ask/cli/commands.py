"""The commands of a chat, which begin with a slash."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import attrs
import click

from lior.config.options import RawText, check_table, typed_fields
from lior.errors import UsageError, did_you_mean, sentences
from lior_ask.cli.passages import echo_reasons, where
from lior_ask.cli.replies import PAGE, Replies
from lior_ask.cli.session import Session, changes_of, say
from lior_ask.conversation.dialogue import confirm_turn
from lior_cli.output import unescape
from lior_cli.sources import plain

_OF_RUNS = ("/go", "/learn", "/forget", "/save", "/set")
"""Commands that need a run."""


class _Command(NamedTuple):
    run: Callable[[str], None]
    usage: str
    help: str


class Commands:
    """The commands of a session."""

    def __init__(self, session: Session, replies: Replies) -> None:
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
            from lior_cli.why import show

            show(self._session.chat.why())
        elif self._session.talk.last:
            turn = self._session.talk.last
            echo_reasons(
                self._session.index,
                turn.answer,
                turn.passages[: max(self._session.shown, PAGE)],
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
        if rest not in ("", *map(str, range(1, len(turn.passages) + 1))):
            raise UsageError(
                f"/good {rest}: a number from 1 to {len(turn.passages)} is allowed, that of a passage"
            )
        passage = turn.passages[int(rest or 1) - 1]
        question = confirm_turn(turn, passage)
        counts = (self._session.run_chat.run if self._session.run_chat else self._session.index).confirm(
            question, passage
        )
        what = "counts as" if counts else "no longer counts as"
        again = f"/good {rest or 1} again {'takes that back' if counts else 'confirms it'}"
        say(f"{where(self._session.index, passage)} {what} an answer to {question!r}; {again}")

    def _go(self, rest: str) -> None:
        text = rest or ("" if self._session.continued else self._session.message)
        if not text and not self._session.continued:
            raise UsageError("/go TEXT: what is missing; nothing was said that could be continued")
        self._replies.go_on(text)

    def _learn(self, rest: str) -> None:
        began = time.perf_counter()
        for document in self._session.chat.run.learn(_one("/learn FILE", rest)):
            say(f"learned {document.name}: {document.bytes:,} bytes")
        say(f"in {time.perf_counter() - began:.2f} s; /save keeps it")

    def _forget(self, rest: str) -> None:
        began, name = time.perf_counter(), _one("/forget NAME", rest)
        with _working(f"forgetting {name}", shown=self._session.live):
            document = self._session.chat.run.forget(name)
        say(
            f"forgot {document.name}: {document.bytes:,} bytes in {time.perf_counter() - began:.2f} s; "
            "/save makes it last"
        )

    def _docs(self, rest: str) -> None:
        _none("/docs", rest)
        if self._session.run_chat is None:
            click.echo("\n".join(map(plain, self._session.index.documents)))
            return
        from lior_cli.documents import list_documents

        list_documents(self._session.chat.run.documents())

    def _save(self, rest: str) -> None:
        _none("/save", rest)
        changes = self._session.chat.run.changes
        if not changes:
            raise UsageError("nothing was learned or forgotten since the run was opened or saved")
        self._session.chat.run.save()
        say(f"saved {changes_of(changes)}")

    def _set(self, rest: str) -> None:
        now = self._session.chat.sampling
        fields = typed_fields(type(now))
        name, _, value = rest.partition(" ")
        if not name:
            for key, typed in fields.items():
                say(f"{key} {getattr(now, key)}    {typed.field.metadata['help']}")
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
            say(f"{command.usage:<16} {command.help}")

    def _quit(self, rest: str) -> None:
        _none("/quit", rest)
        changes = self._session.changes
        if changes and self._session.live and not self._warned:
            self._warned = True
            say(f"{changes_of(changes)} not saved: /save keeps them, /quit again leaves them")
        else:
            self._session.leave()


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


def _one(usage: str, rest: str) -> str:
    if not rest:
        raise UsageError(f"{usage}: what is missing")
    return rest


def _none(command: str, rest: str) -> None:
    if rest:
        raise UsageError(f"{command} takes nothing, and {rest!r} was given")
