"""Plain text in any encoding: prose, Markdown, code, logs, chats and tables."""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import PurePath
from typing import ClassVar

import attrs

from lior.interfaces import ParsedDocument, Table
from lior.reading.decoding import decode_text
from lior.reading.limits import TAKES_ALL, is_late
from lior_plugins.readers.notes import titles_of
from lior_plugins.readers.tables import UNNAMED, barred, delimited, paired

_MARKUP = ".md .markdown .mdown .mkd .rst .rest .qmd .rmd .adoc .asciidoc"
_CODE = (
    ".py .pyi .pyx .js .mjs .cjs .ts .tsx .jsx .vue .c .h .cc .cpp .cxx .hh .hpp .cs .java .kt .scala "
    ".go .rs .zig .swift .m .mm .rb .php .pl .pm .tcl .lua .r .jl .f .f90 .for .hs .ml .mli .ex .exs .erl "
    ".clj .groovy .el .lisp .scm .vim .sh .bash .zsh .fish .ps1 .bat .cmd .awk .sed .sql .css .scss .sass "
    ".less .s .asm .nix .mk .cmake .gradle .tf .proto .graphql .dockerfile .diff .patch .xml .xsd .xsl .svg "
    ".toml .yaml .yml .ini .cfg .conf .properties .desktop .service"
)
_OTHER = ".txt .text .tex .org .log .out .err"
_KINDS = dict.fromkeys(_MARKUP.split(), "markdown") | dict.fromkeys(_CODE.split(), "code") | {".log": "log"}
_CODE_NAMES = {
    "makefile",
    "dockerfile",
    "cmakelists.txt",
    "jenkinsfile",
    "vagrantfile",
    "gemfile",
    "rakefile",
}

_LEVELS = {"trace", "debug", "info", "notice", "warn", "warning", "error", "critical", "fatal"}
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_TIME = r"\d{1,2}:\d\d(:\d\d)?([.,]\d+)?(\s?[AaPp]\.?\s?[Mm]\.?)?"
_MONTH = r"([A-Za-z]{3} )?[A-Za-z]{3} +\d{1,2} +"
_STAMP = re.compile(rf"[\[<(]?(({_DATE}[T ,]+|{_MONTH})?{_TIME}|{_DATE}\b|\d{{10,13}}(\.\d+)?\b)")
"""The time stamp at the beginning of log lines: ISO 8601, syslog, seconds since 1970."""
_SPARE = 0.75
"""The share of a chat's time limit that remains when reading ends; indexing many messages takes longer."""
_TOGETHER = 4096
"""The number of chat lines between two checks of the remaining time."""
_MARKS = r"[\u200e\u200f]*"
"""Direction marks, which phones put before lines and names."""
_BLANK = " \t\r\u00a0\u200e\u200f"
_WHEN = rf"{_MARKS}\[?(?P<when>(?P<day>{_DATE},? +)?{_TIME})\]?(?P<dash> [-\u2013])? *{_MARKS}"
_MESSAGE = re.compile(_WHEN + r"(?P<open><)?(?:~\s?)?(?P<who>[^:<>]{1,40}?)(?(open)>|:) ")
"""The first line of a message: ``[date, time] name:``, ``date, time - name:``, ``time <name>``. WhatsApp
writes ``~`` before the name of a stranger."""
_EVENT = re.compile(rf"{_MARKS}(?:\[{_DATE},? +{_TIME}\]|{_DATE},? +{_TIME} [-\u2013]) ")
"""The beginning of a line without a sender, such as on a new member of a group."""


@attrs.frozen(kw_only=True)
class PlainText:
    """Reader of plain text: lines as they are. The kind follows from the suffix or the beginnings of most
    lines.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = tuple(f"{_OTHER} {_MARKUP} {_CODE}".split())
    in_process: ClassVar[bool] = True
    divisible: ClassVar[bool] = True

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document, whose lines are those of the file."""
        text, notes = decode_text(data)
        path = PurePath(name.lower())
        kind = _KINDS.get(path.suffix, "")
        if not kind and (text.startswith("#!") or path.name in _CODE_NAMES):
            kind = "code"
        head = [line for line in text[: 1 << 16].split("\n")[:200] if line.strip()]
        if kind in ("", "markdown") and _messages(head)[0] and (found := _chat(text, notes)):
            return [found]
        if not kind and _is_delimited(head):
            return Rows().read(data, name)
        kind = kind or ("log" if _is_log(head) else "prose")
        title, titles = titles_of(text) if kind == "markdown" else ("", ())
        lines = text.split("\n") if kind in ("markdown", "prose") else []
        tables = (*barred(lines, named=True), *paired(lines))
        return [ParsedDocument(text=text, kind=kind, title=title, titles=titles, notes=notes, tables=tables)]


def _chat(text: str, notes: tuple[str, ...]) -> ParsedDocument | None:
    """Return a chat with its messages as a table, or ``None`` if the text is not a chat.

    Lines without a sender continue the message before."""
    lines = text.split("\n")
    found, end = _messages(lines)
    if not found:
        return None
    if end < len(lines):
        del lines[end:]
        text = "\n".join(lines)
        notes = (*notes, f"what follows line {end:,} is left out, reading it takes too long; {TAKES_ALL}")
    rows = list[tuple[str, str, str]]()
    for (number, when, who, begin), last in zip(found, [*(each[0] for each in found[1:]), end], strict=True):
        parts = (
            lines[number][begin:],
            *takewhile(lambda line: not _EVENT.match(line), lines[number + 1 : last]),
        )
        rows.append((when, who, " ".join(part for each in parts if (part := each.strip(_BLANK)))))
    starts = tuple(each[0] for each in found)
    table = Table(kind="chat", columns=("date", "from", "text"), rows=tuple(rows), lines=starts)
    places = tuple((number, f"{who}, {when}") for number, when, who, _ in found)
    return ParsedDocument(text=text, kind="chat", places=places, notes=notes, tables=(table,))


def _messages(lines: list[str]) -> tuple[list[tuple[int, str, str, int]], int]:
    """Return the first line, time, sender and beginning of text of each message, and the number of lines read
    in time. There are no messages if the lines are not a chat.
    """
    found, names = list[tuple[int, str, str, int]](), dict[str, str]()
    written, phone, marked, end = 0, True, True, len(lines)
    for number, line in enumerate(lines):
        if number and not number % _TOGETHER and is_late(_SPARE):
            end = number
            break
        written += bool(line) and not line.isspace()
        if match := _MESSAGE.match(line):
            day, who = match["day"], match["who"]
            found.append((number, match["when"], names.setdefault(who, who), match.end()))
            phone = phone and day is not None and not day[:4].isdigit()  # logs begin with a year
            marked = marked and bool(match["dash"] or match["open"] or "]" in match[0])
    few = len(found) < 2 if phone else len(found) < 3 or 3 * len(names) > 2 * len(found)
    level = not _LEVELS.isdisjoint(name.lower() for name in names)
    return ([] if level or few or 2 * len(found) < written or not marked else found), end


def _is_delimited(lines: list[str]) -> bool:
    """Return whether all lines have the same number of tabs or semicolons."""
    counts = [{line.count(mark) for line in lines} for mark in "\t;"]
    return len(lines) >= 3 and any(len(count) == 1 and 0 not in count for count in counts)


def _is_log(lines: list[str]) -> bool:
    """Return whether most lines begin with a time stamp."""
    return len(lines) >= 3 and 5 * sum(1 for line in lines if _STAMP.match(line)) >= 3 * len(lines)


# --- tables ---

_SEEN = 50
"""The number of lines used to detect a table's layout."""


@attrs.frozen(kw_only=True)
class Rows:
    """Reader of tables: rows as they are in the file; line breaks inside a quoted cell become spaces."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".psv")
    divisible: ClassVar[bool] = True

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "rows"; a row has the number of its first line."""
        text, notes = decode_text(data)
        source = text.split("\n")
        first, delimiter = _layout(source)
        if '"' not in text:
            tables = delimited(source, delimiter, first)
            notes = (*notes, *_note(tables, source))
            return [ParsedDocument(text=text, kind="rows", notes=notes, tables=tables)]
        try:
            starts = _starts(source, delimiter)
        except csv.Error:
            notes = (*notes, "quotes that do not match; each line is taken for a row")
            return [ParsedDocument(text=text, kind="rows", notes=notes)]
        ends = [*starts[1:], len(source)]
        rows = [" ".join(source[a:b]) for a, b in zip(starts, ends, strict=True)]
        tables = delimited(rows, delimiter, bisect_right(starts, first) - 1)
        return [
            ParsedDocument(
                text="\n".join(rows),
                kind="rows",
                lines=tuple(a + 1 for a in starts),
                notes=(*notes, *_note(tables, rows)),
                tables=tables,
            )
        ]


def _note(tables: tuple[Table, ...], rows: list[str]) -> Iterator[str]:
    """Yield what is missing for calculations: the table of several rows, or its header row."""
    if not tables and sum(map(bool, map(str.strip, rows))) > 1:
        yield "no table: rows with the same number of cells, separated by comma, semicolon, tab or |, are one"
    elif tables and tables[0].columns[0] == UNNAMED.format(1):
        yield f"no header row was found; the columns are called {UNNAMED.format(1)}, {UNNAMED.format(2)}, …"


def _layout(source: list[str]) -> tuple[int, str]:
    """Return the header row of a table, from 0, and the delimiter between the cells of a row.

    All rows have the same number of cells; lines above the table, such as comments or a bank's lines on the
    account, have another. Among several delimiters the one with the largest share of rows of equal width is
    chosen.
    """
    lines = [number for number in range(len(source)) if source[number].strip()][:_SEEN]
    best = (0.0, 0, 0, max(",;\t|", key=source[0].count))
    for delimiter in ",;\t|":
        rows = csv.reader((source[number] for number in lines), delimiter=delimiter)
        starts = dict[int, int]()  # the first line of the first row of each width
        counts, begin = Counter[int](), 0
        with suppress(csv.Error):  # a line break inside a line, or a cell that is too long
            for row in rows:
                starts.setdefault(len(row), lines[begin])
                counts[len(row)] += 1
                begin = min(rows.line_num, len(lines) - 1)
        width = max(counts, key=lambda width: width * counts[width], default=0)
        count = counts[width]
        if count > 2 and width > 1:
            best = max(best, (count / counts.total(), width, -starts[width], delimiter))
    return -best[2], best[3]


def _starts(source: list[str], delimiter: str) -> list[int]:
    """Return the first line of each row, from 0."""
    rows = csv.reader((line + "\n" for line in source), delimiter=delimiter, strict=True)
    starts = [0]
    for _ in rows:
        starts.append(rows.line_num)
    return starts[:-1]
