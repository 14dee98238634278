"""Answers and passages on a terminal, for ``lior ask`` and ``lior chat``."""

from __future__ import annotations

import math
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from lior.errors import quantity
from lior.files import printable
from lior_ask.answer.figures import EVENT, bars, event_time, headline, in_words, refusal, shown
from lior_ask.languages.replies import in_words_of
from lior_cli import colored, echo_table, printable_line, terminal_columns, wrap_text

if TYPE_CHECKING:
    from lior.interfaces import Block, Passage, Result
    from lior.reading import SkippedFile
    from lior_ask.answer.record import Answer
    from lior_ask.index.context_lines import Lines

_BEFORE, _SHOWN = 2, 6
"""Maximum number of lines of a block before the answer, and in total."""
_ROWS, _GROUPS = 8, 36
"""Maximum number of rows and of groups of a calculation that are shown."""
_CELL, _BAR = 40, 30
"""Maximum number of characters of a cell on a terminal, and of a bar."""
_CODE = re.compile(r"[(){}\[\]=;]")


class Searched(Protocol):
    """The part of an index that is printed; another process may have it."""

    retriever: str

    @property
    def files(self) -> int: ...

    @property
    def notes(self) -> list[str]: ...

    @property
    def skipped(self) -> Sequence[SkippedFile]: ...

    def __len__(self) -> int: ...

    def path(self, document: str) -> Path | None: ...


def listed(answer: Answer) -> list[Passage]:
    """Return the passages in the order of their numbers: the quoted one first."""
    first, block = [answer.answer] if answer.answer else [], answer.block
    return first + [p for p, _ in answer.passages if p not in first and not (block and _inside(p, block))]


def echo_answer(
    index: Searched,
    answer: Answer,
    passages: Sequence[Passage],
    *,
    alone: bool = False,
    lines: Lines | None = None,
) -> None:
    """Print an answer, then the other passages with their numbers.

    The quoted passage is printed in its block, ``alone``, or in ``lines`` of its document."""
    if answer.said:
        _echo_said(index, answer)
        if passages and not answer.result:
            click.echo()
            echo_passages(index, answer, passages)
        return
    if not answer.found:
        click.echo(printable_line(refusal(answer, "documents" if alone else "text")))
        if passages:
            click.echo(in_words_of("The nearest:", answer.language) + "\n")
        echo_passages(index, answer, passages)
        return
    sure = f"  ({in_words(answer.confidence, answer.language)}, {answer.confidence:.0%})"
    if lines:
        _echo_lines(lines, _marker(answer))
    _echo(index, passages[0], _marker(answer), "", sure, None if alone else answer.block, quiet=bool(lines))
    if passages[1:]:
        click.echo()
    echo_passages(index, answer, passages[1:], first=2)


def echo_document(index: Searched, passage: Passage, lines: Lines | None) -> None:
    """Print the place of a passage in its document, and the lines around it."""
    path = index.path(passage.document)
    click.echo(
        style(f"{printable(str(path or passage.document))}:{passage.line}", fg="cyan"), color=colored()
    )
    if lines:
        _echo_lines(lines, str)
    else:
        click.echo(printable_line(passage.text))


def _echo_said(index: Searched, answer: Answer) -> None:
    """Print the reply line of an answer; of a calculation the number, its arithmetic, groups and rows."""
    exact = answer.result
    if exact is None:
        click.echo("".join(wrap_text([answer.said], terminal_columns())))
        return
    value, sentence = map(printable_line, headline(answer))
    if value:
        click.echo(style(value, bold=True), color=colored())
    result = shown(exact, answer.language)
    sure = f"  ({in_words(answer.confidence, answer.language)}, {answer.confidence:.0%})"
    click.echo((sentence if value else style(sentence, bold=True)) + sure, color=colored())
    if result.arithmetic:
        click.echo(f"  {printable_line(result.arithmetic)}")
    if (about := printable_line(result.about)) != sentence:
        click.echo(style(f"  {about}", dim=True), color=colored())
    _echo_groups(result, exact, answer.language)
    _echo_rows(index, result, answer.language, events=exact.columns == EVENT)


def _echo_groups(result: Result, exact: Result, language: str) -> None:
    """Print the groups of a calculation with their values and the bars of the ``exact`` ones."""
    groups = [
        (printable_line(name), printable_line(f"{value} {result.unit}").strip())
        for name, value in result.groups
    ]
    some, chart = groups[:_GROUPS], bars(exact.groups[:_GROUPS])
    zero, lengths = chart or (0, [0] * len(some))
    names, values = (max((len(each[n]) for each in some), default=0) for n in (0, 1))
    for (name, value), length in zip(some, lengths, strict=True):
        size = max(round(abs(length) * _BAR), 1) if length else 0
        bar = " " * (math.ceil(zero * _BAR) - size * (length < 0)) + "█" * size
        click.echo(f"  {name:<{names}}  {value:>{values}}  {bar}".rstrip())
    if more := len(groups) - len(some):
        click.echo("  " + in_words_of(f"and {quantity(more, 'more group')}; --json has all", language))


def _echo_rows(index: Searched, result: Result, language: str, *, events: bool) -> None:
    """Print the rows of a calculation: cells as a table, events as in a diary, texts one below the other."""
    rows, cells = result.rows[:_ROWS], [[*map(printable_line, row)] for row in result.cells[:_ROWS]]
    if cells and events:
        for row, (begin, end, summary, place) in zip(rows, cells, strict=True):
            told = f"{event_time(begin, end, language)}  {summary}" + f"  ({place})" * bool(place)
            click.echo(f"  {told}  " + style(where(index, row), fg="cyan"), color=colored())
    elif cells:
        if sys.stdout.isatty():
            cells = [[textwrap.shorten(cell, _CELL, placeholder="…") for cell in row] for row in cells]
        table = [[*row, where(index, at)] for row, at in zip(cells, rows, strict=True)]
        echo_table([*map(printable_line, result.columns), ""], table)
    else:
        for row in rows:
            _echo(index, row, str, "  ")
    if more := len(result.rows) - len(rows):
        click.echo("  " + in_words_of(f"and {quantity(more, 'more row')}; --json has all", language))


def echo_passages(index: Searched, answer: Answer, passages: Sequence[Passage], *, first: int = 1) -> None:
    """Print passages with their numbers and places, the words of the question emphasised."""
    mark, dates = _marker(answer), dict(zip((p for p, _ in answer.passages), answer.dates, strict=False))
    for number, passage in enumerate(passages, first):
        if number > first and not dates:
            click.echo()
        when = dates.get(passage, "")
        time = f"  {event_time(when[:16], '', answer.language)}" * bool(when)
        _echo(index, passage, mark, f"{number}  ", time)


def echo_reasons(
    index: Searched, answer: Answer, passages: Sequence[Passage], inherited: Sequence[str] = ()
) -> None:
    """Print how a question was interpreted and ranked, and which of its words each passage has."""
    from lior_ask.languages.words import language_of, stem, tokens

    rows = [("understood as", answer.words), ("from before", inherited), ("nowhere", answer.missing)]
    for name, words in rows:
        if words:
            click.echo(f"{name:<14} {printable_line(' '.join(words))}")
    click.echo(f"{'ranked by':<14} {index.retriever}: {answer.method}")
    click.echo(f"{'confidence':<14} {answer.confidence:.0%} ({in_words(answer.confidence)})")
    language, scores = language_of(tokens(answer.question)), dict(answer.passages)
    parts = {p: evidence for (p, _), evidence in zip(answer.passages, answer.evidence, strict=True)}
    for number, passage in enumerate(passages, 1):
        has = {stem(word, language) for word in tokens(f"{passage.text} {passage.context}")}
        words = [word for word in answer.words if stem(word, language) in has]
        score = f"{scores[passage]:.3f}" if passage in scores else "    -"
        click.echo(f"{number:<2} {score}  {where(index, passage)}  {' '.join(words) or 'by its paragraph'}")
        if told := ", ".join(f"{name} {part:.2f}" for name, part in parts.get(passage, {}).items()):
            click.echo(f"          {told}")


def _echo(
    index: Searched,
    passage: Passage,
    mark: Callable[[str], str],
    head: str,
    beside: str = "",
    block: Block | None = None,
    *,
    quiet: bool = False,
) -> None:
    """Print a passage, alone or in its block, unless ``quiet``, and its place with a text ``beside``."""
    lines = [*map(mark, _lines(passage, terminal_columns() - len(head) - 2 * bool(block)))]
    before, after = _around(passage, block, terminal_columns() - 2) if block else ([], [])
    if before or after:
        before, after = before[-_BEFORE:], after[: max(_SHOWN - len(lines) - len(before[-_BEFORE:]), 1)]
        lines = [*before, *(f"> {line}" for line in lines), *after]
    if not quiet:
        click.echo(head + f"\n{' ' * len(head)}".join(lines), color=colored())
    headings = passage.context.split("\n")[:-1]
    above = passage.place or " › ".join(dict.fromkeys(h.strip("*_ ") for h in headings))
    detail = (
        style(where(index, passage), fg="cyan") + (f"  {printable_line(above)}" if above else "") + beside
    )
    click.echo(" " * len(head) + detail, color=colored())


def _echo_lines(lines: Lines, mark: Callable[[str], str]) -> None:
    """Print lines with their numbers as grep does: a colon after the numbers of the passage's lines."""
    last = lines.first + len(lines.lines) - 1
    for number, line in enumerate(lines.lines, lines.first):
        quoted = lines.line <= number <= lines.end_line
        head = f"{number:>{len(str(last))}}{':' if quoted else '-'} "
        click.echo(
            head + mark(printable_line(line)) if quoted else style(head + printable_line(line), dim=True),
            color=colored(),
        )


def _inside(passage: Passage, block: Block) -> bool:
    """Return whether a passage is part of a block."""
    here = passage.document == block.document and block.line <= passage.line <= block.end_line
    return here and passage.text in block.text


def _around(passage: Passage, block: Block, width: int) -> tuple[list[str], list[str]]:
    """Return the lines of a block before and after the quotation, without its heading, shown elsewhere."""
    text = block.text
    heading = passage.context.split("\n")[-2:-1]
    first = len(heading[0]) + 1 if heading and text.startswith(f"{heading[0]}\n") else 0
    parts = text[first : block.begin].rstrip(), text[block.end :].lstrip("\n")
    lines = "\n".join(parts).split("\n")
    deep = min((len(line) - len(line.lstrip()) for line in lines if line[:1].isspace()), default=0)
    before, after = (
        [
            style(f"  {shown}", dim=True)
            for line in part.split("\n")
            for shown in textwrap.wrap(
                printable_line(line[deep:] if line[:deep].isspace() else line.strip()), width
            )
        ]
        for part in parts
    )
    return before, after


def _lines(passage: Passage, width: int) -> list[str]:
    """Return the text wrapped at ``width`` characters; lines of code stay as they are."""
    lines = (" " * (passage.column - 1) + passage.text).split("\n")
    if len(lines) > 1 and 2 * sum(bool(_CODE.search(line)) for line in lines) > len(lines):
        return [printable_line(line) for line in textwrap.dedent("\n".join(lines)).split("\n")]
    return textwrap.wrap(" ".join(printable_line(passage.text).split()), width) or [""]


def _marker(answer: Answer) -> Callable[[str], str]:
    """Return a function that emphasises the words of the question in a line."""
    from lior_ask.languages.words import language_of, stem, tokens

    if not colored():
        return str
    language = language_of(tokens(answer.question))
    wanted = {stem(word, language) for word in answer.words}

    def emphasised(match: re.Match[str]) -> str:
        word = match[0]
        return click.style(word, bold=True) if {stem(t, language) for t in tokens(word)} & wanted else word

    return lambda line: re.sub(r"[^\W_]+", emphasised, line)


def style(text: str, **style: Any) -> str:
    """Return ``text`` styled by :func:`click.style` if colours are enabled."""
    return click.style(text, **style) if colored() else text


def where(index: Searched, passage: Passage) -> str:
    """Return ``file:line`` for an editor or terminal, relative to the working directory if it is below it."""
    path = index.path(passage.document)
    if path is None:
        return f"{printable_line(passage.document)}:{passage.line}"
    here = Path.cwd()
    return f"{printable(str(path.relative_to(here) if path.is_relative_to(here) else path))}:{passage.line}"
