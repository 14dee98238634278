"""What is handed to a language model for a message: the passages found, each in its block, or the document
that the message names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from lior.ask.blocks import blocks_of
from lior.ask.dialogue import Turn
from lior.interfaces import Passage

HANDED = 8
"""Passages that are handed over where no document is named."""
BUDGET = 24_000
"""Characters that are handed over, at most."""


@attrs.frozen
class Material:
    """A question for a model, and the numbered passages that it may cite."""

    question: str
    passages: tuple[Passage, ...]
    """From 1; those of a conversation's turn with the text around them."""


def material(turn: Turn, of_document: Callable[[str], Sequence[Passage]]) -> Material | None:
    """What a model needs for a reply; ``None`` where none is needed, or nothing was found.

    Parameters
    ----------
    of_document
        The passages of a document, such as :meth:`lior.ask.index.Index.of_document`.
    """
    if turn.answer.said or not turn.passages:
        return None
    about = f" (about: {', '.join(turn.inherited)})" if turn.inherited else ""
    return Material(turn.message + about, _limited([_around(p, of_document) for p in turn.passages[:HANDED]]))


def _around(passage: Passage, of_document: Callable[[str], Sequence[Passage]]) -> Passage:
    """A passage with the text of its block."""
    for block in blocks_of(of_document(passage.document)):
        if block.line <= passage.line <= block.end_line and passage.text in block.text:
            return attrs.evolve(passage, text=block.text)
    return passage


def _limited(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """The first passages of different text, as many as the budget allows."""
    kept, left = dict[tuple[str, str], Passage](), BUDGET
    for passage in passages:
        key = passage.document, passage.text
        if key in kept or (kept and len(passage.text) > left):
            continue
        kept[key] = passage if len(passage.text) <= left else attrs.evolve(passage, text=passage.text[:left])
        left -= len(passage.text)
    return tuple(kept.values())
