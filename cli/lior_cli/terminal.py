"""Output in a terminal or a pipe: text of unknown origin, and tables."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable, Iterator, Sequence

import click


def printable(pieces: Iterable[bytes]) -> Iterator[str]:
    """Decode UTF-8 piece by piece; characters that could control the terminal are replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield "".join(
            c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}"
            for c in decoder.decode(piece)
        )
    yield decoder.decode(b"", final=True)


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
        table.add_row(*map(Text, row))  # Text: brackets in a message are not markup
    Console().print(table)
