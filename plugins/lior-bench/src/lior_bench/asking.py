"""Questions whose answers are known, and what an index makes of them: shared by all sets.

An answer is right when the sentence that is quoted, or the block that it is shown in, has the words expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import attrs

import lior_ask
from lior.interfaces import Block, Passage

SURE = 0.9
"""From this confidence on, a wrong answer is counted as one that misleads."""


@attrs.frozen(kw_only=True)
class Question:
    """What is asked, and what the answer must hold."""

    text: str
    kind: str
    """``plain``, ``paraphrased``, ``unanswerable`` or another name of a kind."""
    words: tuple[str, ...] = ()
    """Any of them is enough, whatever white space is between words; none for a question without an answer."""
    document: str = ""
    """Path of the file that the answer must be of; any if empty."""
    lines: tuple[int, ...] = ()
    """Lines of that file, from 1, any of which is right whatever its words."""
    language: str = "en"
    of: str = ""
    """Name of the set."""

    def answered_by(self, passage: Passage | None, text: str = "") -> bool:
        """Whether a passage is right, or has the words in the ``text`` that it is shown in."""
        if passage is None or (self.document and not is_document(passage.document, self.document)):
            return False
        last = passage.line + passage.text.rstrip("\n").count("\n")
        if any(passage.line <= line <= last for line in self.lines):
            return True
        shown = squeezed(text or passage.text)
        return any(squeezed(words) in shown for words in self.words)


def squeezed(text: str) -> str:
    """With one space between words."""
    return " ".join(text.split())


def is_document(name: str, path: str) -> bool:
    """Whether a passage's document is the file ``path`` of the folder, or a part of it such as a message."""
    parts = f"/{name}".replace("\\", "/").rpartition(f"/{path}")
    return bool(parts[1]) and not parts[2][:1].isalnum()


class Answer(Protocol):
    """What is read of the answer of an index."""

    @property
    def found(self) -> bool: ...
    @property
    def confidence(self) -> float: ...
    @property
    def answer(self) -> Passage | None: ...
    @property
    def block(self) -> Block | None: ...
    @property
    def passages(self) -> Sequence[tuple[Passage, float]]: ...


@attrs.frozen(kw_only=True)
class Judged:
    """A question with what was answered."""

    question: Question
    confidence: float
    refused: bool
    passages: tuple[bool, ...]
    """Whether each of the best passages, at most three, is right by itself."""
    blocks: tuple[bool, ...]
    """The same of the blocks that they are in."""
    quoted: bool
    """Whether the quoted sentence is right; false where the question is refused."""
    right: bool
    """Whether the quoted sentence or its block is right; where the question is refused, whether the best
    passage or its block would have been."""
    shown: str
    """The sentence that is quoted, or the best passage."""

    @property
    def misleads(self) -> bool:
        """Whether a wrong answer is given with much confidence."""
        return not self.refused and not self.right and self.confidence >= SURE


def judge(question: Question, answer: Answer, block: Callable[[Passage], str]) -> Judged:
    """Compare an answer with what is expected; ``block`` gives the text around a passage."""
    best = [passage for passage, _ in answer.passages[:3]]
    shown = answer.answer if answer.found else best[0] if best else None
    around = answer.block.text if answer.found and answer.block else block(shown) if shown else ""
    return Judged(
        question=question,
        confidence=answer.confidence,
        refused=not answer.found,
        passages=tuple(question.answered_by(each) for each in best),
        blocks=tuple(question.answered_by(each, block(each)) for each in best),
        quoted=answer.found and question.answered_by(shown),
        right=question.answered_by(shown) or question.answered_by(shown, around),
        shown=squeezed(shown.text) if shown else "",
    )


def blocks(index: lior_ask.Index) -> Callable[[Passage], str]:
    """The text of the block that a passage of ``index`` is in."""
    texts: dict[tuple[str, int], list[str]] = {}
    for passage in map(index.passage, range(len(index))):
        texts.setdefault((passage.document, passage.block), []).append(passage.text)
    return lambda passage: "\n".join(texts.get((passage.document, passage.block), [passage.text]))


def ask_all(index: lior_ask.Index, questions: Iterable[Question]) -> list[Judged]:
    """Ask an index everything."""
    block = blocks(index)
    return [judge(question, index.ask(question.text, top=3), block) for question in questions]


COLUMNS = ("questions", "first", "three", "block", "block 3", "quoted", "refused", "misled")


def counts(judged: Sequence[Judged]) -> tuple[int, ...]:
    """Questions; the right passage first and among three; the answer in the block that is shown first, and in
    it or that of one of three; the right sentence quoted; refused; wrong at a confidence of :data:`SURE` or
    more."""
    return (
        len(judged),
        sum(any(each.passages[:1]) for each in judged),
        sum(any(each.passages) for each in judged),
        sum(each.right for each in judged),
        sum(each.right or any(each.blocks) for each in judged),
        sum(each.quoted for each in judged),
        sum(each.refused for each in judged),
        sum(each.misleads for each in judged),
    )
