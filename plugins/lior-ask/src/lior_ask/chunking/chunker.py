"""Chunking: a parsed document as passages (sentences, list items, lines, rows, messages), each with context.

The chunker depends on the kind of the text. All chunkers yield offsets into the parsed text. Line, column and
text of a passage are derived from these offsets in one place, so that a quotation stands in the file at the
line named.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import inf
from pathlib import PurePath

from lior.files import original
from lior.interfaces import ParsedDocument, Passage
from lior.reading import TAKES_ALL, is_late
from lior_ask.chunking.blocks import number_blocks
from lior_ask.chunking.code import code
from lior_ask.chunking.messages import chat, log, mail, rows
from lior_ask.chunking.page import LONG, LONGEST, Page, Part
from lior_ask.chunking.prose import prose


def chunk_file(
    documents: Iterable[tuple[str, ParsedDocument]], label: str, most: float
) -> Iterator[tuple[str, ParsedDocument, list[Passage], str]]:
    """Yield each document of a file, given by name, with its passages and a note on what is left out.

    ``most`` is the maximum number of passages of all documents together. It also stops when the time limit is
    reached. Only the last document that is yielded may have a note; the others have an empty string."""
    count, note = 0, ""
    for document, parsed in documents:
        found = list[Passage]()
        for passage in _passages(parsed, document, label):
            if count >= most:
                note = _PART.format(most)
            elif count and not count % _TOGETHER and is_late(_SPARE):
                note = _LATE.format(count)
            if note:
                break
            found.append(passage)
            count += 1
        yield document, parsed, found, note
        if note:
            return


def chunk(
    parsed: ParsedDocument, document: str, label: str | None = None, most: float = inf
) -> list[Passage]:
    """Return the passages of a parsed document, in their order.

    Parameters
    ----------
    parsed
        The text, its kind and the way back to the file.
    document
        Name of the document in the passages.
    label
        Name whose words are context; ``document`` if not given. The last two parts of a path count.
    most
        Maximum number of passages; later ones are dropped.

    Returns
    -------
    list
        For a plain file, ``file_lines[p.line - 1][p.column - 1:]`` begins with the first line of ``p.text``.
        The context has one heading per line, the outermost first, and the words of the name as its last line.
    """
    passages = _passages(parsed, document, label)
    return [*passages] if most == inf else [*islice(passages, int(most))]


def _passages(parsed: ParsedDocument, document: str, label: str | None) -> Iterator[Passage]:
    places = [first for first, _ in parsed.places]
    page = Page(parsed.text, places, frozenset(parsed.wrapped), frozenset(parsed.titles))
    # Records of a collection have a title. The words of the file name would be common to all records.
    words = "" if parsed.name else name_words(document if label is None else label)
    title: tuple[str, ...] = (parsed.title[:LONG],) if parsed.title else ()
    found, headings, context = False, title, "\n".join((*title, words))
    parts = number_blocks(_CHUNKERS[parsed.kind](page, title), merged=parsed.kind in _MERGED)
    for part, block in parts:
        if part.headings != headings:  # most have the same context as the part before; the string is shared
            headings = part.headings
            context = "\n".join((*(each[:_HEADING] for each in headings), words))
        number = bisect_right(page.starts, part.begin) - 1
        place = bisect_right(places, number) - 1
        found = True
        yield Passage(
            document=document,
            line=parsed.lines[number] if parsed.lines else number + 1,
            column=part.begin - page.starts[number] + 1,
            text=page.text[part.begin : part.end],
            context=context,
            place=parsed.places[place][1] if place >= 0 else "",
            group=part.group,
            block=block,
            title=part.title,
        )
    if not found and parsed.title:  # a record may have a title only
        line = parsed.lines[0] if parsed.lines else 1
        yield Passage(document=document, line=line, text=parsed.title[:LONGEST], context=words)


def name_words(name: str) -> str:
    """Return the words of a path's last two parts, without the file extension.

    >>> name_words("house/heatPump_manual-2024.pdf")
    'house heat Pump manual 2024'
    >>> name_words(r"notes/caf\\xe9.txt")
    'notes caf'
    """
    parts = PurePath(original(name)).parts[-2:]
    stem = " ".join([*parts[:-1], PurePath(parts[-1]).stem]) if parts else ""
    return " ".join(re.findall(r"[^\W\d_]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+", stem))


_SPARE = 0.65
"""Share of the indexing time that must be left; chunking stops below it, since the later steps take longer.
Chosen by hand."""
_TOGETHER = 256
"""Number of passages between two checks of the time limit."""
_PART = f"only its first {{:,}} passages can be found; {TAKES_ALL}"
_LATE = f"only its first {{:,}} passages can be found, reading more takes too long; {TAKES_ALL}"
_CHUNKERS: dict[str, Callable[[Page, tuple[str, ...]], Iterator[Part]]] = {
    "prose": prose,
    "markdown": prose,
    "mail": mail,
    "chat": chat,
    "log": log,
    "rows": rows,
    "code": code,
}
_HEADING = 10_000
"""Maximum number of characters of a heading in the context, such as the names of columns."""
_MERGED = ("prose", "markdown", "mail")
"""Kinds of text in which short paragraphs below one heading share a block."""
