"""The origin of words, on a terminal and in JSON, for ``lior why``, ``generate`` and ``chat``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from lior.errors import quantity
from lior_cli.terminal import WIDEST, printable_text, terminal_columns

if TYPE_CHECKING:
    from lior.model.provenance import Explained, Place
    from lior_cli.origins import Account

_WORD, _PLACE = 14, 28
_DOCUMENTS, _LINES = 8, 5
"""The maximum number of documents in a table, and of lines for each."""
_LEAST = 0.001
"""The minimum share of a document that has a line of its own."""
_NOWHERE = "no single place"
_SHADES = {0.1: "yellow", 0.3: "cyan", 0.6: "green"}
"""The colours of text, by the share from which on they are used."""
_MARKS = {" ": "␣", "\n": "⏎", "\t": "⇥"}


# --- names and text ---


def printable_line(text: bytes | str) -> str:
    """Return the text as one line without control characters."""
    return printable_text(text).replace("\t", " ").replace("\n", " ")


def visible(text: bytes) -> str:
    """Return a text like :func:`plain`, with visible signs if it consists of white space."""
    if not text.isspace():
        return printable_line(text)
    return "".join(_MARKS.get(c, c) for c in printable_text(text))


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return for each path the shortest end that is distinct from the others."""
    short, waiting, depth = {}, dict.fromkeys(names), 1
    while waiting:
        tails = {name: str(PurePath(*PurePath(name).parts[-depth:])) for name in names}
        times = Counter(tails.values())
        for name in list(waiting):
            if times[tails[name]] == 1 or depth >= len(PurePath(name).parts):
                short[name] = tails[name] if times[tails[name]] == 1 else name
                del waiting[name]
        depth += 1
    return short


def numbers(lines: Sequence[int], total: int) -> str:
    """Return ``lines``, some of ``total``, as text."""
    listed = ", ".join(map(str, lines)) + (", …" if total > len(lines) else "")
    return f"line{'s' * (total > 1)} {listed}" if lines else ""


def colored() -> bool:
    """Return whether standard output is a terminal with colours; see https://no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def shade(text: str, share: float) -> str:
    """Return ``text`` in the colour of a share."""
    color = next((color for least, color in reversed(_SHADES.items()) if share >= least), None)
    return click.style(text, fg=color) if color else text


# --- JSON ---


def word_record(word: Explained, top: int) -> dict[str, Any]:
    """Return the JSON object of a word; its weights sum to the probability."""
    listed, others = word.sources[:top], word.sources[top:]
    return {
        "text": word.text.decode("utf-8", "replace"),
        "probability": word.probability,
        "experts": word.experts,
        "sources": [
            {
                "document": s.document,
                "line": s.line,
                "column": s.column,
                "before": s.before,
                "text": s.text,
                "after": s.after,
                "weight": s.weight,
            }
            for s in listed
        ],
        "elsewhere": word.elsewhere + sum(place.weight for place in others),
        "unplaced": word.unplaced,
    }


def account_record(account: Account) -> dict[str, Any]:
    """Return the JSON object of the documents and experts behind a text; all numbers are shares."""
    documents = [
        {
            "document": behind.document,
            "share": behind.share,
            "lines": [{"line": line, "share": share} for line, share in behind.lines.items()],
        }
        for behind in account.documents
    ]
    return {
        "documents": documents,
        "common": account.common,
        "unplaced": account.unplaced,
        "experts": account.experts,
    }


# --- tables ---


def echo_account(account: Account, names: Mapping[str, str], *, err: bool = False) -> None:
    """Print the documents and experts behind a text; ``err``: on standard error."""
    shown = [behind for behind in account.documents if behind.share >= _LEAST][:_DOCUMENTS]
    titles = [printable_line(names.get(behind.document, behind.document)) for behind in shown]
    width = max(map(len, titles), default=0)
    rows = [
        (behind.share, f"{title:<{width}}  {numbers(list(behind.lines)[:_LINES], len(behind.lines))}")
        for behind, title in zip(shown, titles, strict=True)
    ]
    if rest := account.documents[len(shown) :]:
        name = f"{len(rest)} {'other ' * bool(shown)}document{'s' * (len(rest) > 1)}"
        rows.append((sum(behind.share for behind in rest), name))
    rows.append((account.common, "contexts too common to name a place"))
    rows.append((account.unplaced, "no stored text"))
    click.echo("documents", err=err)
    for share, text in rows:
        click.echo(_crop(f"{_percent(share)}  {text}".rstrip(), WIDEST), err=err)
    click.echo("experts", err=err)
    for expert, share in account.experts.items():
        click.echo(f"{_percent(share)}  {expert}", err=err)


def echo_words(words: Sequence[Explained], names: Mapping[str, str], top: int, *, blanks: bool) -> None:
    """Print a line with an excerpt for each of the ``top`` places of each word.

    Without ``blanks``, words of white space have no lines. Stop words beside other words have none either,
    since their places are everywhere.
    """
    every = [word for word in words if blanks or not word.blank]
    rows = every if blanks else _telling(every)
    width = terminal_columns()
    places = [printable_line(_place(place, names)) for word in rows for place in word.sources[:top]]
    places += [_NOWHERE for word in rows if not word.sources]
    word_width = min(max([4, *(_cells(visible(word.text)) for word in rows)]), _WORD)
    place_width = min(max([5, *map(_cells, places)]), _PLACE)
    head = f"{'word':<{word_width}}  {'prob.':>7}  {'share':>5}  {'place':<{place_width}}  excerpt"
    click.echo(head if rows else "nothing but blanks; --by token lists them")
    for word in rows:
        begin = f"{_fit(visible(word.text), word_width)}  {_probability(word.probability):>7}"
        for line in _lines(word, names, top, place_width, width - word_width - place_width - 20):
            click.echo(f"{begin}  {line}".rstrip(), color=colored())
            begin = " " * (word_width + 9)
    if left := len(every) - len(rows):
        click.echo(f"{quantity(left, 'stop word')} left out; --json has all")


def _telling(words: Sequence[Explained]) -> list[Explained]:
    """Return the words that are not among lior-ask's stop words, or all words if there are no others.

    A capitalised word counts as a name: May, Will.
    """
    from lior.runs.indexes import indexes, installed

    said = [word.text.decode("utf-8", "replace").strip() for word in words]
    said = [text.lower() if before in (".", "!", "?") else text for before, text in pairwise([".", *said])]
    stop = indexes("lior why").stop_words(" ".join(said)) if installed() else ()
    return [word for word, text in zip(words, said, strict=True) if text not in stop] or [*words]


def _lines(word: Explained, names: Mapping[str, str], top: int, place_width: int, room: int) -> Iterator[str]:
    """Yield the share, place and excerpt of each place of a word."""
    for place in word.sources[:top]:
        share, placed = (
            word.share(place.weight),
            _fit(printable_line(_place(place, names)), place_width, left=True),
        )
        text = f"{_percent(share, 3)}  {placed}"
        yield f"{shade(text, share) if colored() else text}  {_excerpt(place, room)}"
    if not word.sources:
        yield f"{'-':>5}  {_NOWHERE}"


def _place(place: Place, names: Mapping[str, str]) -> str:
    return f"{names.get(place.document, place.document)}:{place.line}"


def _excerpt(place: Place, room: int) -> str:
    """Return the line around a place in ``room`` columns, with the place marked."""
    word = visible(place.text.encode("utf-8", "surrogateescape"))
    cut = "…" if place.column > len(place.before) + 1 else ""
    before, after = cut + printable_line(place.before).lstrip(), printable_line(place.after).rstrip()
    marked = _crop(word, max(room - 2, 3))
    left = room - _cells(marked) - 2
    behind = min(_cells(after), max(left - _cells(before), left // 2))
    first = _fit(before, min(left - behind, _cells(before)), left=True)
    word = click.style(marked, bold=True, underline=True) if colored() else f"[{marked}]"
    return f"{first}{word}{_crop(after, behind)}"


def _percent(share: float, digits: int = 5) -> str:
    return f"{100 * share:{digits}.{1 if digits > 3 else 0}f} %"


def _probability(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 or p == 0 else f"{p:.0e}"


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _crop(text: str, width: int) -> str:
    return text if _cells(text) <= width else _fit(text, width)


def _fit(text: str, width: int, *, left: bool = False) -> str:
    """Return ``text`` in exactly ``width`` columns, cut at the end or at the ``left``."""
    from rich.cells import set_cell_size

    if _cells(text) <= width:
        return set_cell_size(text, width)
    if left:
        return "…"[:width] + set_cell_size(text[::-1], max(width - 1, 0))[::-1]
    return set_cell_size(text, max(width - 1, 0)) + "…"[:width]
