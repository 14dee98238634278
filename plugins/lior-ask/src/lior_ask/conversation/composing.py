"""What is handed to a language model for a message: the passages found, each in its block, or the documents
that the message names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from lior.interfaces import Passage
from lior_ask.answer.intents import Documents, named, task
from lior_ask.chunking.blocks import blocks_of
from lior_ask.conversation.dialogue import Turn
from lior_ask.question.question import Question

HANDED = 8
"""Passages that are handed over where no document is named."""
_NO_SOURCE = "Your documents say nothing of it, so the model is not asked; name a document, or ask first."
BUDGET = 24_000
"""Characters that are handed over, at most."""


@attrs.frozen
class Material:
    """A question for a model, and the numbered passages that it may cite."""

    question: str
    passages: tuple[Passage, ...]
    """From 1; those of a conversation's turn with the text around them."""


def material(turn: Turn, index: Documents) -> Material | None:
    """What a model needs for a reply; ``None`` where none is needed, or nothing was found.

    Small talk and calculations need none. A task such as "summarise the minutes" gets the whole text of the
    documents that it names, as far as the budget goes; others and questions get what was found for them.
    """
    wanted = task(turn.message)
    answer = turn.answer
    if not turn.passages or answer.result or (answer.said and not (wanted and wanted.composed)):
        return None
    documents = named(index.documents, Question(wanted.about)) if wanted else []
    if documents:
        passages = [passage for name in documents for passage in _whole(index, name)]
    else:
        passages = [_around(index, passage) for passage in turn.passages[:HANDED]]
    about = f" (about: {', '.join(turn.inherited)})" if turn.inherited else ""
    return Material(turn.message + about, _limit(passages))


def prepare(turn: Turn, index: Documents) -> tuple[Turn, Material | None]:
    """:func:`material` for a turn, which says so where a task for a model has no sources."""
    given, wanted = material(turn, index), task(turn.message)
    if given is None and wanted and wanted.composed and turn.answer.said:
        turn = attrs.evolve(turn, answer=attrs.evolve(turn.answer, said=_NO_SOURCE))
    return turn, given


def _whole(index: Documents, document: str) -> Iterator[Passage]:
    """A document, block by block."""
    for block in blocks_of(index.of_document(document)):
        yield Passage(document=document, line=block.line, text=block.text)


def _around(index: Documents, passage: Passage) -> Passage:
    """A passage with the text of its block."""
    for block in blocks_of(index.of_document(passage.document)):
        if block.line <= passage.line <= block.end_line and passage.text in block.text:
            return attrs.evolve(passage, text=block.text)
    return passage


def _limit(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """The first passages of different text, as many as the budget allows."""
    kept, left = dict[tuple[str, str], Passage](), BUDGET
    for passage in passages:
        key = passage.document, passage.text
        if key in kept or (kept and len(passage.text) > left):
            continue
        kept[key] = passage if len(passage.text) <= left else attrs.evolve(passage, text=passage.text[:left])
        left -= len(passage.text)
    return tuple(kept.values())
