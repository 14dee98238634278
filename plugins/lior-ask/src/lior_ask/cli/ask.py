"""``lior ask``: the passages of folders that answer a question, with file and line."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from platformdirs import user_cache_path

from lior.errors import DataError, EndpointError, LiorError, UsageError, quantity
from lior.files import narrow_rights, replacing
from lior.process import environment_of_user
from lior.reading import names_path
from lior_ask.answer.serialise import answer_record
from lior_ask.cli.options import endpoint_of, endpoint_option, index_option
from lior_ask.cli.passages import Searched, echo_answer, echo_reasons, listed, style
from lior_ask.cli.wording import echo_reply
from lior_ask.languages.replies import in_marks, in_words_of
from lior_cli import (
    PluginName,
    TextPath,
    WholeNumber,
    is_run,
    limits_option,
    printable_line,
    redraw,
    run_among,
)

if TYPE_CHECKING:
    from lior.interfaces import Passage
    from lior_ask.answer.record import Answer
    from lior_ask.api import Index
    from lior_ask.conversation.endpoint import Endpoint
    from lior_ask.index.context_lines import Lines
    from lior_ask.question.filters import Filters

NOT_FOUND, FAILED = 1, 2
"""Exit codes as in grep: 0 if something was found."""
_EVERY = 0.2
"""Minimum number of seconds between two progress lines."""
_NAMED = 3
"""Maximum number of files cut by a limit that get their own line."""
_DEEPEST = 1000
"""Maximum number of documents per question in a run file, as is usual for judged collections."""


def _errors_exit_with_2(run: Callable[..., int]) -> Callable[..., int]:
    """Make errors exit with 2, not with the code for "nothing found"."""

    @functools.wraps(run)
    def inner(*args: Any, **kwargs: Any) -> int:
        try:
            return run(*args, **kwargs)
        except (LiorError, OSError) as error:
            error.exit_code = FAILED  # type: ignore[union-attr]
            raise

    return inner


@click.command()
@click.argument("words", metavar="[WHERE]... QUESTION", nargs=-1, type=TextPath())
@click.option("--top", type=WholeNumber(min=1), default=3, show_default=True, help="Most passages.")
@click.option(
    "--retriever",
    type=PluginName("retriever"),
    help="What ranks passages: if not given, meaning where a sentence encoder is installed, or settle.",
)
@click.option("--from", "sender", metavar="NAME", default="", help="Only messages from NAME.")
@click.option(
    "--after", metavar="DATE", default="", help="Only what is dated DATE or later: 2025-03-01, March 2025."
)
@click.option("--before", metavar="DATE", default="", help="Only what is dated before DATE.")
@click.option(
    "--kind",
    metavar="KIND",
    default="",
    help="Only mail, chat, log, table, calendar, contacts, code, note, or files ending in KIND, as pdf.",
)
@click.option("--in", "path", metavar="PATH", default="", help="Only a folder, a document or a pattern.")
@click.option(
    "--context", "context", type=WholeNumber(0, 1000), metavar="N", help="Show N lines around the quoted one."
)
@click.option("--open", "opened", type=WholeNumber(min=1), metavar="N", help="Open passage N in $EDITOR.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@click.option(
    "--batch",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="QUERIES.jsonl",
    help="Rank documents for each line with _id and text; every argument is a WHERE.",
)
@click.option(
    "--trec", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Run file of --batch."
)
@endpoint_option
@click.option("--explain", is_flag=True, help="Say what each passage was ranked by.")
@limits_option
@index_option
@click.option("--no-cache", is_flag=True, help="Index anew, and keep nothing on the disk.")
@click.option("--verbose", is_flag=True, help="Say what was read and skipped, and how it was ranked.")
@_errors_exit_with_2
def ask(
    words: tuple[str, ...],
    top: int,
    retriever: str | None,
    sender: str,
    after: str,
    before: str,
    kind: str,
    path: str,
    context: int | None,
    opened: int | None,
    as_json: bool,
    batch: Path | None,
    trec: Path | None,
    endpoint: tuple[str, str] | None,
    explain: bool,
    database: str,
    no_cache: bool,
    verbose: bool,
) -> int:
    """Find the answer to QUESTION in folders and files.

    WHERE is a run, or folders, files and patterns; without any, those of the last time. They are indexed
    when first asked, and later what changed is read. The quoted text stands in the file at the line named.
    A folder without a question gets some that it answers.
    The exit code is 0 if the text speaks of it, 1 if it does not, and 2 on errors.
    """
    filters = {"sender": sender, "after": after, "before": before, "kind": kind, "path": path}
    judged = _judged(batch, trec, filters)
    where, question = _divide(words, asks=not judged)
    model = _model(endpoint, alone=not any((as_json, opened, batch)))
    here = any((database, retriever, no_cache, batch, opened, context is not None, model))
    served = None if here or not question else _serve(where, question, top, filters)
    show = functools.partial(_print, as_json=as_json, explain=explain, verbose=verbose)
    if served:
        return show(*served, listed(served[1]), None)
    index = _open(where, retriever, database, cache=not no_cache)
    _name_limited(() if verbose else index.opened.limited)
    if not judged and not question:
        return _suggest(index, where, as_json=as_json)
    if judged:
        return _batch(index, *judged)
    answer = index.ask(question, max(top, opened or 0, 8 if model else 0), _filters(filters))
    if model:
        answer, worded = _word(index, model, answer)
        if worded:
            return _code_of(answer)
    passages = listed(answer)[: top if model else None]
    if opened:
        return _edit(index, passages, opened)
    lines = _around(index, where, answer.answer, context, shared=bool(database))
    reads_on = "" if no_cache or database else _read_on(index)
    return show(index, answer, passages, lines, reads_on=reads_on, context=context is not None)


def _suggest(index: Index, where: Sequence[str], *, as_json: bool) -> int:
    """Print what was read, and questions that it answers."""
    from lior_ask.suggesting import language_of, suggestions

    if _is_piped():
        chat = shlex.join(["lior", "chat", *where])
        click.echo(f"note: standard input is not read; to ask each of its lines: {chat}", err=True)
    found, say = suggestions(index), functools.partial(_worded, language=language_of(index))
    if as_json:
        click.echo(json.dumps({"questions": found}, ensure_ascii=False))
        return 0
    click.echo(say(f"{quantity(index.files, 'file')} with {quantity(len(index), 'passage')} were read."))
    command = shlex.join(["lior", "ask", *where])
    click.echo(say("They answer, for example:" if found else f'Ask as: {command} "…?"'))
    for question in found:
        click.echo(f"  {command} {shlex.quote(question)}")
    return 0


def _is_piped() -> bool:
    """Return whether standard input is a pipe or a file."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or no stream of the system
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _code_of(answer: Answer) -> int:
    return 0 if answer.found else NOT_FOUND


def _judged(batch: Path | None, trec: Path | None, filters: Mapping[str, str]) -> tuple[Path, Path] | None:
    """Return the files of --batch and --trec, or ``None``. Raises ``UsageError`` if options do not fit."""
    if bool(batch) != bool(trec):
        raise UsageError("--batch and --trec belong together: questions in, a run file out")
    if batch and any(filters.values()):
        raise UsageError(
            "--batch ranks all documents: --from, --after, --before, --kind and --in do not apply"
        )
    return (batch, trec) if batch and trec else None


def _model(endpoint: tuple[str, str] | None, *, alone: bool) -> Endpoint | None:
    """Return the model of --with. Raises ``UsageError`` if it is not ``alone``."""
    if endpoint and not alone:
        raise UsageError("--with prints a reply: --json, --open and --batch do not apply")
    return endpoint_of(endpoint)


# --- where ---


def _divide(words: Sequence[str], *, asks: bool) -> tuple[Sequence[str], str]:
    """Split the arguments into folders and, if one ``asks``, the question behind them, if there is one."""
    if not asks:
        return words, ""
    if not words or not words[-1].strip():
        raise UsageError('no question; ask as: lior ask ~/notes "When is the boiler serviced?"')
    if len(words) > 1 or " " in words[-1] or not names_path(words[-1]):
        return words[:-1], words[-1]
    return words, ""


def _last() -> Path:
    """Return the file with the folders of the last question, next to the cached indexes."""
    return user_cache_path("lior", appauthor=False) / "ask" / "last.json"


def _where(given: Sequence[str]) -> Sequence[str]:
    """Return ``given``, or the folders of the last question."""
    if given:
        return given
    try:
        found: list[str] = json.loads(_last().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError('no folder was asked before; name one: lior ask ~/notes "…?"') from None
    return found


def _filters(given: Mapping[str, Any]) -> Filters:
    from lior_ask.question.filters import Filters

    return Filters(**given)


def _serve(
    where: Sequence[str], question: str, top: int, filters: Mapping[str, str]
) -> tuple[Searched, Answer] | None:
    """Return the answer of a running server of the run, or ``None``, without heavy imports."""
    where = _where(where)
    if len(where) != 1 or not is_run(run := Path(where[0])):
        return None
    from lior_ask.cli import remote

    found = remote.ask(run, question, top, filters)
    if found is not None:
        with contextlib.suppress(OSError):  # then the next question must name it
            _remember([str(run.absolute())])
    return found


def _remember(paths: Sequence[str]) -> None:
    """Store the folders that were asked for the next question."""
    narrow_rights(_last().parent.parent)
    narrow_rights(_last().parent)
    with replacing(_last(), private=True) as stream:
        stream.write(json.dumps(paths).encode())


def _open(where: Sequence[str], retriever: str | None, database: str, *, cache: bool) -> Index:
    """Return the index of ``where``, at an address, or of the last question, brought up to date."""
    from lior_ask.api import Index

    if database:
        if not cache:
            raise UsageError("--index names where the index is kept: --no-cache does not apply")
        return _share(where, retriever, database)

    where, last = _where(where), _last()
    progress = Reading() if sys.stderr.isatty() else None
    run = run_among([Path(path) for path in where])
    if run:
        from lior_ask.runs import open_index

        index = open_index(run, retriever=retriever, cache=cache)
    else:
        index = Index(*where, retriever=retriever, cache=cache, progress=progress)
    if cache:
        try:
            _remember([str(run.absolute())] if run else index.paths)
        except OSError as error:
            index.notes.append(f"{last}: cannot be kept for the next time ({error.strerror or error})")
    return index


def _share(where: Sequence[str], retriever: str | None, database: str) -> Index:
    """Return the index at an address, updated with new files in ``where``."""
    from lior_ask.api import Index

    if run_among([Path(path) for path in where]):
        raise UsageError("--index is of folders and files; a run has an index of its own")
    progress = Reading() if sys.stderr.isatty() else None
    return Index(*where, retriever=retriever, progress=progress, database=database)


class Reading:
    """A progress line for reading files, which is overwritten; the index calls it."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._shown = -_EVERY

    def __call__(self, done: int, files: int) -> None:
        """Show the progress, with the seconds left after the first file, at most five times a second."""
        now = time.monotonic()
        first, begun = self._first = self._first or (done, now)
        if done == files:
            redraw("")
        elif now - self._shown >= _EVERY:
            seconds = (now - begun) / (done - first) * (files - done) if done > first else 0
            redraw(
                f"reading file {done + 1:,} of {files:,}" + f", {seconds:,.0f} s left" * (seconds >= 1) + " "
            )
            self._shown = now


# --- what is printed ---


def _print(
    index: Searched,
    answer: Answer,
    passages: list[Passage],
    lines: Lines | None,
    *,
    as_json: bool,
    explain: bool,
    verbose: bool,
    reads_on: str = "",
    context: bool = False,
) -> int:
    """Print an answer, and its evidence if ``explain``; return the exit code."""
    if as_json:
        extra = {"lines": lines and attrs.asdict(lines)} if context else {}
        click.echo(json.dumps(answer_record(answer) | extra, ensure_ascii=False))
        return _code_of(answer)
    echo_answer(index, answer, passages, lines=lines)
    if explain:
        click.echo()
        echo_reasons(index, answer, passages)
    _report(index, answer, verbose=verbose, reads_on=reads_on)
    return _code_of(answer)


def _report(index: Searched, answer: Answer, *, verbose: bool, reads_on: str) -> None:
    """Print to standard error what was read and how it was ranked."""
    skipped = len(index.skipped)
    say = functools.partial(_worded, language=answer.language)
    parts = [quantity(index.files, "file"), quantity(len(index), "passage")]
    told = ", ".join(map(say, parts + [f"{skipped:,} skipped"] * bool(skipped)))
    told += f"; {say(f'the rest is read in the background: {reads_on}')}" if reads_on else ""
    if not verbose:
        if skipped or index.notes or reads_on:
            click.echo(style("\n" + say(f"{told}; --verbose tells more"), dim=True), err=True)
        return
    click.echo(f"\n{told}; ranked by {index.retriever}: {answer.method}", err=True)
    if answer.words:
        click.echo(f"understood as: {' '.join(answer.words)}", err=True)
    if answer.missing:
        click.echo(f"nowhere in the text: {' '.join(answer.missing)}", err=True)
    for line in [*index.notes, *(f"skipped {each.name}: {each}" for each in index.skipped)]:
        click.echo(printable_line(line), err=True)


def _worded(text: str, language: str) -> str:
    return in_words_of(in_marks(text, language), language)


def _name_limited(lines: Sequence[str]) -> None:
    """Print the files that limits cut while they were read; only the first few are named."""
    for line in lines[:_NAMED]:
        click.echo(printable_line(line), err=True)
    if len(lines) > _NAMED:
        click.echo(f"and {len(lines) - _NAMED:,} more", err=True)


def _read_on(index: Index) -> str:
    """Return which files and passages, not needed by this question, a background process reads."""
    from lior_ask.idle import read_on

    return read_on(index) if index.paths else ""


def _around(
    index: Index, where: Sequence[str], passage: Passage | None, count: int | None, *, shared: bool
) -> Lines | None:
    """Return the lines around a passage from its file, run or shared index; ``None`` if not requested."""
    from lior_ask.index.context_lines import around, file_texts

    if passage is None or count is None:
        return None
    if shared:
        return around(index.content.texts(index.content.file_of(passage.document)), passage, count)
    path = index.path(passage.document)
    if path is None:
        from lior.runs import texts_of

        return around(texts_of(Path(_where(where)[0]), passage.document), passage, count)
    try:
        return around(file_texts(path), passage, count)
    except OSError as error:
        raise DataError(f"{path}: cannot be read now ({error.strerror or error})") from error


def _word(index: Index, model: Endpoint, answer: Answer) -> tuple[Answer, bool]:
    """Print a model's reply if there is material; return the answer, and whether that succeeded."""
    from lior_ask.conversation.composing import prepare_material
    from lior_ask.conversation.dialogue import turn_of

    turn, given = prepare_material(turn_of(answer.question, answer), index)
    if not given:
        return turn.answer, False
    try:
        echo_reply(index, model, given, answer.language, live=sys.stdout.isatty())
    except EndpointError as error:
        click.echo(f"lior: error: {error}; what was found:", err=True)
        return turn.answer, False
    return turn.answer, True


# --- editor and run files ---


def _edit(index: Searched, listed: Sequence[Passage], number: int) -> int:
    """Open the file of a passage in the user's editor, at its line."""
    if number > len(listed):
        raise UsageError(f"--open {number}: there are only {len(listed)} passages")
    passage = listed[number - 1]
    path = index.path(passage.document) or Path(passage.document)
    if not path.is_file():
        raise UsageError(f"--open {number}: {passage.document} is a document of the run and no file here")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UsageError("--open: no editor is set; set EDITOR, for instance to vim, nano or 'code --wait'")
    program = shlex.split(editor)
    at = f"{path}:{passage.line}"
    match Path(program[0]).stem:
        case "code" | "codium" | "cursor":
            place = ["--goto", at]
        case "subl" | "hx" | "zed" | "micro":
            place = [at]
        case _:
            place = [f"+{passage.line}", str(path)]
    return subprocess.call([*program, *place], env=environment_of_user())


def _batch(index: Index, batch: Path, trec: Path) -> int:
    """Write the ranking of documents for each question in the form of trec_eval."""
    while index.update().waiting:  # a collection is ranked as a whole
        pass
    count = 0
    with trec.open("w", encoding="utf-8") as out:
        for name, question in _questions(batch):
            count += 1
            try:
                ranked = index.asker.rank_documents(question, _DEEPEST)
            except UsageError as error:
                click.echo(f"note: question {name}: {error}", err=True)
                continue
            for rank, (document, score) in enumerate(ranked, 1):
                out.write(f"{name} Q0 {_id(document)} {rank} {score:.9g} lior-{index.retriever}\n")
    click.echo(
        f"{trec}: {quantity(count, 'question')}, {quantity(len(index.documents), 'document')}", err=True
    )
    return 0


def _questions(batch: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(batch.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            yield _id(str(record["_id"])), str(record["text"])
        except (ValueError, LookupError, TypeError) as error:
            raise DataError(f"{batch}, line {number}: not an object with _id and text") from error


def _id(document: str) -> str:
    """Return the name of a document inside its file as one word."""
    return re.sub(r"\s+", "_", document.rpartition("#")[2])
