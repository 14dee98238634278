"""Output in a terminal or a pipe: text of unknown origin, and tables."""

from __future__ import annotations

import codecs
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import click

from lior.files import CONTROLS
from lior_cli.output import escape_controls, unescape

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
    from rich.cells import cell_len

    if column and column + len(gap) + cell_len(word) > width:
        return f"\n{word}", cell_len(word)
    return gap + word, column + len(gap) + cell_len(word)


def echo_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; in a pipe there is one line per row, and nothing is cut off."""
    if sys.stdout.isatty():
        _draw(headers, rows)
        return
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _draw(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(escape_controls(cell)) for cell in row)
        )  # Text: brackets in a message must not be markup
    Console(file=unescape(sys.stdout)).print(table)
