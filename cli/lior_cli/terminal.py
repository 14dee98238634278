"""Output in a terminal or a pipe: text of unknown origin, and tables."""

from __future__ import annotations

import codecs
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from unicodedata import combining, east_asian_width

import click

from lior.files import CONTROLS
from lior_cli.output import escape_controls

_CONTROLS = re.compile(rf"[\r{CONTROLS}]")
_MARKS = str.maketrans("", "", "\u061c\u200e\u200f")
"""Direction marks, which occur in exports of phones and affect no other text; they are removed."""
WIDEST = 100
"""The maximum width of tables and text, in columns."""


def printable(pieces: Iterable[bytes]) -> Iterator[str]:
    """Decode UTF-8 piece by piece, like :func:`printable_text`."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield printable_text(decoder.decode(piece))
    yield decoder.decode(b"", final=True)


def printable_text(text: bytes | str) -> str:
    """Return the text (UTF-8) with a replacement for each character that could control the terminal."""
    decoded = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", decoded.translate(_MARKS))


def terminal_columns() -> int:
    """Return the width of tables and text on the terminal, or in a pipe."""
    return min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else WIDEST


def prompt_bytes(prompt: str) -> bytes:
    """Return the text of ``--prompt``, where ``-`` stands for standard input."""
    return sys.stdin.buffer.read() if prompt == "-" else prompt.encode("utf-8", "surrogateescape")


def wrap_text(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Yield the text word by word, in lines of at most ``width`` columns; a longer word gets its own line.

    >>> "".join(wrap_text(["to be or", " not to be"], 8))
    'to be or\\nnot to\\nbe'
    """
    column, gap, word = 0, "", ""
    for character in chain.from_iterable(pieces):
        if not character.isspace():
            word += character
            continue
        if word:
            text, column = _place(gap, word, column, width)
            yield text
            gap = word = ""
        if character == "\n":
            yield character
            column, gap = 0, ""
        else:
            gap += character
    yield _place(gap, word, column, width)[0] if word else gap


def _place(gap: str, word: str, column: int, width: int) -> tuple[str, int]:
    """Return a word after a gap or on a new line, and the column behind it."""
    if column and column + len(gap) + columns_of(word) > width:
        return f"\n{word}", columns_of(word)
    return gap + word, column + len(gap) + columns_of(word)


def columns_of(text: str) -> int:
    """Return the width of a text on a terminal, in columns."""
    return sum(2 if east_asian_width(each) in "WF" else not combining(each) for each in text)


def echo_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; in a pipe there is one line per row. On a terminal wide cells continue below."""
    live = sys.stdout.isatty()
    lines = [headers, *([*map(escape_controls, row)] for row in rows)] if live else [headers, *rows]
    widths = [max(map(columns_of, column)) for column in zip(*lines, strict=True)]
    widths = _shrink(widths) if live else widths
    for number, line in enumerate(lines):
        folded = [_fold(cell, width) if live else [cell] for cell, width in zip(line, widths, strict=True)]
        for cells in zip_longest(*folded, fillvalue=""):
            padded = (
                cell + " " * (width - columns_of(cell)) for cell, width in zip(cells, widths, strict=True)
            )
            text = "  ".join(padded).rstrip()
            click.echo(click.style(text, bold=True) if live and not number else text)


def _shrink(widths: list[int]) -> list[int]:
    """Return the widths of columns that fit on the terminal; the widest ones lose first."""
    room = shutil.get_terminal_size().columns - 2 * (len(widths) - 1)
    widths = [*widths]
    while sum(widths) > room and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return widths


def _fold(cell: str, width: int) -> list[str]:
    """Return the lines of a cell, each at most ``width`` columns wide; a longer word is cut."""
    lines = list[str]()
    for line in "".join(wrap_text([cell], width)).split("\n"):
        lines.append("")
        for each in line:
            if columns_of(lines[-1] + each) > max(width, 2):
                lines.append("")
            lines[-1] += each
    return lines
