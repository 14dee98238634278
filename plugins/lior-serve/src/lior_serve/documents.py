"""Documents, their lines and follow-up questions as records ready for JSON, for all transports alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import attrs

from lior.errors import DataError, UsageError
from lior.interfaces import Passage
from lior_ask import SEARCH_DEPTH, Dialogue, Filters, Turn, block_around, lines_of, suggestions
from lior_ask import around as _around
from lior_serve.schema import ListRequest, PassageRequest
from lior_serve.sources import Version
from lior_serve.views import view

AROUND = 20
"""The number of lines before and after a passage that are shown with it."""


def converse(
    version: Version, messages: Sequence[str], filters: Filters | None = None, top: int = SEARCH_DEPTH
) -> Turn:
    """Return the answer to the last message, which may be a follow-up of those before.

    ``top`` is the maximum number of passages for a message without earlier ones.

    Raises ``UsageError`` like :meth:`lior_ask.conversation.dialogue.Dialogue.ask`.
    """
    alone = len(messages) == 1
    dialogue = Dialogue(lambda question, depth: version.ask(question, top if alone else depth, filters))
    for message in messages[:-1]:
        try:
            dialogue.ask(message)
        except UsageError:  # the message was refused at its time, too
            continue
    turn = dialogue.ask(messages[-1])
    quoted = turn.answer.answer
    if quoted is None or turn.answer.block:
        return turn
    block = block_around(quoted, version.index.of_document(quoted.document))  # quoted by the dialogue
    return attrs.evolve(turn, answer=attrs.evolve(turn.answer, block=block))


@lru_cache(maxsize=1)
def suggested(version: Version) -> list[str]:
    """Return questions that the documents of a version answer."""
    return suggestions(version.index)


def passage_of(turn: Turn, wanted: PassageRequest) -> Passage:
    """Return the passage of an answer that a client names.

    Raises ``UsageError`` when there is no such passage, since the documents may have changed.
    """
    told = wanted.document, wanted.line, wanted.text
    found = (p for p in turn.passages if (p.document, p.line, p.text) == told)
    if passage := next(found, None):
        return passage
    raise UsageError(f"{wanted.document} has no such passage for this question; ask again")


def list_documents(version: Version, form: ListRequest) -> dict[str, Any]:
    """Return a page of the documents whose names contain a text, with their sizes, and the total number."""
    wanted = form.search.casefold()
    found = [each for each in version.documents if wanted in each.name.casefold()]
    part = found[form.offset : form.offset + form.count]
    return {"documents": list(map(attrs.asdict, part)), "total": len(found)}


def document_lines(version: Version, name: str, begin: int, count: int) -> dict[str, Any]:
    """Return ``count`` lines of a document from line ``begin`` on, which counts from 1."""
    lines = lines_of(b"\n".join(version.text(name)))
    first = max(min(begin, len(lines)), 1)
    return {"name": name, "first": first, "lines": lines[first - 1 : first - 1 + count], "total": len(lines)}


def lines_if_readable(version: Version, passage: Passage, language: str = "english") -> dict[str, Any] | None:
    """Return :func:`passage_lines`, or ``None`` if the document is gone or cannot be read now."""
    try:
        return passage_lines(version, passage, language=language)
    except DataError:
        return None


def passage_lines(
    version: Version, passage: Passage, around: int = AROUND, language: str = "english"
) -> dict[str, Any]:
    """Return the lines of a document around a passage, and the passage's position in them.

    ``mark`` has the first and last line of the passage, and the columns of its begin and of the character
    after its end. All count from 1. There are no columns if the text differs from the document. ``view`` is
    the document as :func:`~lior_serve.views.view` returns it in ``language``.
    """
    name = version.file_of(passage.document)
    found = _around(version.text(name), passage, around)
    mark = {"line": found.line, "end_line": found.end_line}
    if found.column and found.end_column:
        mark |= {"column": found.column, "end_column": found.end_column}
    lines = {"name": name, "first": found.first, "lines": list(found.lines), "total": found.total}
    lines["mark"] = mark
    return lines | {"view": view(version, passage, lines, language)}
