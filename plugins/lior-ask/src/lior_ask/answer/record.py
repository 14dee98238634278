"""The record of an answer. Nothing here imports numpy: a command line that asks a server starts at once."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from lior.interfaces import Block, Passage, Result


@attrs.frozen(kw_only=True)
class Answer:
    """An answer to a question."""

    question: str
    found: bool
    """Whether a passage answers the question or a calculation succeeded."""
    confidence: float
    """The probability in [0, 1] that the quoted sentence or its block answers the question. The judge learned
    it from questions with and without an answer."""
    answer: Passage | None
    """The sentence to quote, or two adjacent ones; ``None`` if ``found`` is false."""
    block: Block | None = None
    """The block that contains the quoted sentence."""
    passages: tuple[tuple[Passage, float], ...]
    """The best passages, best first, each text once. The first score is the confidence; the others are scaled
    by their likelihood relative to the best candidate."""
    evidence: tuple[Mapping[str, float], ...] = ()
    """The evidence for each of ``passages``, by name."""
    dates: tuple[str, ...] = ()
    """In an overview, the date of each of ``passages``, ISO 8601, or an empty string. All of them are quoted,
    the dated ones first, in the order of their dates. Empty in other answers."""
    method: str
    """The ranking method."""
    words: tuple[str, ...] = ()
    """The words of the text that the question was matched to."""
    missing: tuple[str, ...] = ()
    """The words of the question that the text lacks, without question words and light words."""
    language: str = "english"
    """The language of the question, in which replies are: English, French, German or Spanish."""
    note: str = ""
    """The reason why nothing was found, in one sentence."""
    said: str = ""
    """A reply in one line instead of a quotation: a greeting, a task that is not supported, a calculation in
    words, or the reason why it is refused. Empty if a passage is quoted or nothing was found."""
    result: Result | None = None
    """The calculation, if the question asks for one."""

    def _repr_html_(self) -> str:
        from lior_ask.answer.notebook import as_html

        return as_html(self)
