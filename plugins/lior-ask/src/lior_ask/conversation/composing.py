"""The material for a language model: the passages found, in their blocks, or the documents that are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from lior.interfaces import Passage
from lior_ask.answer.intents import Documents, named, task
from lior_ask.chunking.blocks import blocks_of
from lior_ask.conversation.dialogue import Turn
from lior_ask.question.question import Question

HANDED = 8
"""Maximum number of passages for the model if no document is named."""
_NO_SOURCE = "Your documents say nothing of it, so the model is not asked; name a document, or ask first."
BUDGET = 24_000
"""Maximum number of characters of passages for the model."""


@attrs.frozen
class Material:
    """A question for a model, and the numbered passages that it may cite."""

    question: str
    passages: tuple[Passage, ...]
    """The passages, numbered from 1; those of a turn of the conversation have the text of their block."""


def material(turn: Turn, index: Documents) -> Material | None:
    """Return the material for a reply, or ``None`` if none is needed or nothing was found.

    Small talk and calculations need none. A task such as "summarise the minutes" gets the whole text of the
    documents that it names, up to the budget. Other tasks and questions get the passages found for them.
    """
    wanted = task(turn.message)
    answer = turn.answer
    if turn.opens or not turn.passages or answer.result or (answer.said and not (wanted or answer.dates)):
        return None
    documents = named(index.documents, Question(wanted.about)) if wanted else []
    if documents:
        passages = [passage for name in documents for passage in _whole(index, name)]
    else:
        passages = [_around(index, passage) for passage in turn.passages[:HANDED]]
    about = f" (about: {', '.join(turn.inherited)})" if turn.inherited else ""
    return Material(turn.message + about, _limit(passages))


def prepare_material(turn: Turn, index: Documents) -> tuple[Turn, Material | None]:
    """Return the turn and its :func:`material`; the turn's reply says so if a task has no sources."""
    given, wanted = material(turn, index), task(turn.message)
    if given is None and wanted and turn.answer.said:
        turn = attrs.evolve(turn, answer=attrs.evolve(turn.answer, said=_NO_SOURCE))
    return turn, given


def _whole(index: Documents, document: str) -> Iterator[Passage]:
    """Yield the blocks of a document as passages."""
    for block in blocks_of(index.of_document(document)):
        yield Passage(document=document, line=block.line, text=block.text)


def _around(index: Documents, passage: Passage) -> Passage:
    """Return a passage with the text of its block."""
    for block in blocks_of(index.of_document(passage.document)):
        if block.line <= passage.line <= block.end_line and passage.text in block.text:
            return attrs.evolve(passage, text=block.text)
    return passage


def _limit(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Return the first passages with different texts, up to the budget."""
    kept, left = dict[tuple[str, str], Passage](), BUDGET
    for passage in passages:
        key = passage.document, passage.text
        if key in kept or (kept and len(passage.text) > left):
            continue
        kept[key] = passage if len(passage.text) <= left else attrs.evolve(passage, text=passage.text[:left])
        left -= len(passage.text)
    return tuple(kept.values())
