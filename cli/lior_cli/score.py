"""``lior score``: the surprisal of each line or word of a text under a model."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lior.errors import UsageError
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, TextPath, WholeNumber, device_option
from lior_cli.sources import colored as stdout_colored
from lior_cli.terminal import printable_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lior.model.scoring import ScoredDocument, ScoredPart

_SHADES = {1: 230, 2: 222, 4: 215, 8: 203}
"""The background of text, one of 256 terminal colours, by the bits per byte from which on it is used."""

_BLACK = 16


@click.command()
@click.argument("run", type=RunPath())
@click.argument("text", metavar="FILE...", nargs=-1, type=TextPath(), required=True)
@click.option(
    "--by",
    type=click.Choice(["line", "word"]),
    default="line",
    show_default=True,
    help="Unit of the list, and of the colours.",
)
@click.option("--sort", is_flag=True, help="List the most surprising first.")
@click.option("--top", type=WholeNumber(min=1), help="List only the N most surprising.")
@click.option("--online", is_flag=True, help="Keep learning while reading; RUN is not changed.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colour the text by surprise; auto: on a terminal, unless NO_COLOR is set.",
)
@click.option("--field", default="text", show_default=True, help="Key of the text in JSON Lines.")
@click.option("--quiet", is_flag=True, help="Print no progress and no legend.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each line or word.")
@device_option
def score(
    run: Path,
    text: tuple[str, ...],
    by: str,
    sort: bool,
    top: int | None,
    online: bool,
    color: str,
    field: str,
    quiet: bool,
    as_json: bool,
    device: str,
) -> None:
    """Show where FILE surprises a model.

    FILE is as TEXT for `lior train`, but taken byte for byte, whatever its format. Each line has its
    standard score z among all bytes, that of its words that stand neither in RUN nor in another line
    (new), bits per byte and bits; --sort and --top go by the larger of z and new. On a terminal the text
    is coloured, the more bits the redder.
    """
    if as_json and color == "always":
        raise UsageError("--color always colours text, and --json prints none; leave one of them out")
    import_torch(quiet=quiet)
    from lior.model import scoring
    from lior.plugins.devices import pick_device
    from lior.reading.documents import read_documents
    from lior.runs import directory as rundir
    from lior_cli.progress import Progress

    loaded = rundir.open_run(run, device=pick_device(device))
    raw = read_documents(text, field=field, raw=True)  # keep the lines of the file
    corpus, _, size = loaded.other_text(raw)
    with Progress(quiet=quiet) as progress:
        progress.lior_train_stage("score", f"scoring {size:,} tokens{' online' if online else ''}")
        documents = scoring.score_documents(
            loaded.model, corpus, online=online, progress=progress.lior_train_step
        )
    colored = not as_json and _colored(color)
    words = by == "word"
    running = colored and not (sort or top)
    tokens = loaded.corpus.tokens.cpu().tensor_split(loaded.corpus.starts[1:].cpu())
    held = (loaded.model.tokenizer.decode(each.tolist()) for each in tokens)
    rows = _choose(_rows(documents, None if words and not running else held), sort=sort, top=top)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row.record(words=words)))
        return
    if colored and not quiet:
        _legend()
    _print(rows, words=words, running=running, colored=colored)


class _Row(NamedTuple):
    """A line or word of a document, its standard score, and that of a line's new words."""

    document: ScoredDocument
    part: ScoredPart
    z: float
    new: float | None

    @property
    def rank(self) -> float:
        """The key of the sort order."""
        return self.z if self.new is None else max(self.z, self.new)

    def record(self, *, words: bool) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        part = self.part
        column = {"column": part.column} if words else {}
        new = {} if words else {"new": self.new}
        return {
            "file": part.document,
            "line": part.line,
            **column,
            "z": self.z,
            **new,
            "bits_per_byte": part.bits_per_byte,
            "bits": part.bits,
            "bytes": part.end - part.begin,
            "text": self.text.decode("utf-8", "replace"),
        }

    @property
    def text(self) -> bytes:
        """The text without its line end."""
        return self.document.data[self.part.begin : self.part.end].rstrip(b"\r\n")

    def where(self, *, words: bool) -> str:
        """Return the place in the form that compilers use: file, line, column."""
        name = printable_text(self.part.document)
        return f"{name}:{self.part.line}" + (f":{self.part.column}" if words else "")


def _rows(documents: Sequence[ScoredDocument], held: Iterable[bytes] | None) -> list[_Row]:
    """Return the lines of documents, given the texts that the run holds; without these, the words."""
    from lior_cli.surprise import SurpriseScale, new_words

    z = SurpriseScale.of(documents).z
    if held is None:
        return [_Row(document, part, z(part), None) for document in documents for part in document.words()]
    return [
        _Row(document, part, z(part), z(new[part.line]) if part.line in new else None)
        for document, new in zip(documents, new_words(documents, held), strict=True)
        for part in document.lines()
    ]


def _choose(rows: list[_Row], *, sort: bool, top: int | None) -> list[_Row]:
    """Return the rows to print: all or the highest ranks, in the order of the text unless sorted."""
    if not sort and top is None:
        return rows
    order = sorted(range(len(rows)), key=lambda i: -rows[i].rank)[:top]
    return [rows[i] for i in (order if sort else sorted(order))]


def _print(rows: Sequence[_Row], *, words: bool, running: bool, colored: bool) -> None:
    """Print a table; the column of places is as wide as the longest place."""
    places = [row.where(words=words and not running) for row in rows]
    width = max(map(len, places))
    means = functools.cache(lambda document: document.means(words=words))
    lines = running or not words
    new = f" {'new':>6}" * lines
    click.echo(f"{'z':>6} {'bits/byte':>9} {'bits':>9}{new}  {'where':<{width}}  text")
    for row, place in zip(rows, places, strict=True):
        part, text = row.part, row.text
        if colored:
            shown = _paint(text, means(row.document)[part.begin : part.begin + len(text)])
        else:
            shown = printable_text(text)
        new = f" {'-' if row.new is None else f'{row.new:.2f}':>6}" * lines
        line = f"{row.z:6.2f} {part.bits_per_byte:9.3f} {part.bits:9.1f}{new}  {place:<{width}}  {shown}"
        click.echo(line.rstrip(), color=colored)


def _paint(text: bytes, means: NDArray[np.float64]) -> str:
    """Return ``text`` on a background by ``means (len(text),)``, bits per byte."""
    import numpy as np

    levels = np.searchsorted(list(_SHADES), means, side="right")
    cuts = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(text)]
    return "".join(
        _shade(printable_text(text[begin:end]), int(levels[begin]))
        for begin, end in pairwise(cuts)
        if end > begin
    )


def _shade(text: str, level: int) -> str:
    return click.style(text, fg=_BLACK, bg=list(_SHADES.values())[level - 1]) if level else text


def _legend() -> None:
    shades = (_shade(f" {bits}+ ", level) for level, bits in enumerate(_SHADES, 1))
    click.echo(f"bits per byte: {' '.join(shades)}", err=True)


def _colored(color: str) -> bool:
    return stdout_colored() if color == "auto" else color == "always"
