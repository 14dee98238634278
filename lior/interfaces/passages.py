"""The interface of retrievers, and what they read: the counts of an index by a view of it, and a question.

A view is whatever has the members of :class:`PassageView`: the index of a database, or lists in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

import attrs

if TYPE_CHECKING:
    import re
    from concurrent.futures import Future

    import numpy as np

    from lior.interfaces.retrieval import Embedder, Passage

T = TypeVar("T")
Units = Literal["", "passage_", "context_"]
"""Documents, with the words of their contexts; passages; contexts."""


@attrs.frozen
class Date:
    """A date in a text."""

    begin: int
    """Offset of its first character."""
    end: int
    """Offset after its last character."""
    words: tuple[str, ...]
    """What is counted: ``d:02-18`` for the day, ``d:2025-02`` for month and year; of "3/4" both readings."""
    year: str = ""
    """The year as it is written."""


class Question(Protocol):
    """A question, and what it says by itself."""

    @property
    def text(self) -> str: ...

    @property
    def tokens(self) -> Sequence[str]:
        """Runs of two or more letters and digits in lower case, and pairs of CJK characters."""
        ...

    @property
    def language(self) -> str:
        """Its language, such as ``english``."""
        ...

    @property
    def names(self) -> Collection[str]:
        """Words with a capital inside it, in lower case."""
        ...

    @property
    def dates(self) -> Sequence[Date]: ...

    @property
    def expected(self) -> re.Pattern[str] | None:
        """What a sentence that answers has, such as a time; ``None`` where the question does not tell."""
        ...

    def suits(self, text: str) -> bool:
        """Whether a passage has what the question asks for."""
        ...

    def among(self, languages: Sequence[str]) -> str:
        """Its language, one of those of a text; the first where it does not tell."""
        ...


@attrs.frozen
class Term:
    """A stem and how often it is used."""

    id: int
    """Key of its postings; it has no other meaning."""
    stem: str
    text: int
    """Passages whose text has it."""
    context: int
    """Contexts that have it."""
    confirmed: int
    """Passages with a confirmed question that has it."""


@attrs.frozen(eq=False)
class TermQuery:
    """A question as weighted terms of a view; a word may stand for several terms."""

    terms: np.ndarray
    """Keys of the terms, int64 ``(K,)``."""
    weights: np.ndarray
    """How often the term is meant, float64 ``(K,)``, positive."""
    idf: np.ndarray
    """idf of each term, float64 ``(K,)``."""
    owners: np.ndarray
    """Number of the question's word that the term is for, int64 ``(K,)``; −1 where it only resembles a
    missing word, which it does not cover."""
    word_idf: np.ndarray
    """idf of each word of the question, float64 ``(W,)``; of a missing word that of a term no passage has."""
    words: tuple[str, ...]
    """Words of the text that it was understood as."""
    missing: tuple[str, ...]
    """Words that the text does not have, nor a misspelling of."""
    asked: tuple[str, ...] = ()
    """The words of the question, ``W``."""
    taken: tuple[str, ...] = ()
    """The word of the text that each of them was taken for, ``W``; empty for a missing one."""


@attrs.frozen(eq=False)
class Forward:
    """The terms of units in their order: entries ``starts[u]`` to ``starts[u + 1] - 1`` are of unit ``u``."""

    starts: np.ndarray
    """int64 ``(U + 1,)``."""
    terms: np.ndarray
    """Keys of terms, in the order of the stems, int32 ``(P,)``."""
    counts: np.ndarray
    """uint16 ``(P,)``, positive."""


@attrs.frozen(eq=False)
class Layout:
    """Where passages, paragraphs, contexts and documents lie. All are numbered by the documents' names."""

    names: tuple[str, ...]
    """Of the documents, ascending."""
    ids: tuple[int, ...]
    """Keys of the documents."""
    languages: np.ndarray
    """Number of each document's language, int64 ``(D,)``."""
    starts: np.ndarray
    """First passage of each document, and the number of passages, int64 ``(D + 1,)``."""
    paragraph_starts: np.ndarray
    """First paragraph of each document, and their number, int64 ``(D + 1,)``."""
    document_of: np.ndarray
    """Document of each passage, int64 ``(N,)``."""
    paragraph_of: np.ndarray
    """Paragraph of each passage, int64 ``(N,)``."""
    block_of: np.ndarray
    """Block of each passage, int64 ``(N,)``, ascending."""
    title: np.ndarray
    """Whether a passage is a title, bool ``(N,)``."""
    context_of: np.ndarray
    """Context of each passage, int64 ``(N,)``."""
    lengths: np.ndarray
    """Words of each passage without stop words, int64 ``(N,)``."""
    distinct: np.ndarray
    """Different terms of each passage, int64 ``(N,)``."""
    context_lengths: np.ndarray
    """Words of each context, int64 ``(C,)``."""


class PassageVectors(Protocol):
    """Vectors of the passages of a view, by an embedder."""

    @property
    def embedder(self) -> Embedder: ...

    def question(self, text: str) -> Future[np.ndarray]:
        """The unit vector of a question, float32 ``(width,)``, read by another thread."""
        ...

    def cosines(self, rows: np.ndarray, question: np.ndarray) -> np.ndarray:
        """Cosine of a question with passages, float32 ``(n,)``."""
        ...

    def lacking(self, rows: np.ndarray) -> np.ndarray:
        """Those of some passages that are not read yet, one of each text, int64."""
        ...

    def beginnings(self, question: np.ndarray) -> np.ndarray | None:
        """Cosine of a question with the beginning of each document, float32 ``(D,)``.

        ``None`` where some are not read yet, and in a small index.
        """
        ...

    def documents(self, numbers: np.ndarray) -> np.ndarray:
        """Unit vectors of the beginnings of documents, by their numbers, float32 ``(n, width)``."""
        ...


class PassageView(Protocol):
    """The passages of an index, numbered from 0 in the order of their documents, and their counts."""

    allowed: np.ndarray | None
    """The passages that a retriever may find, bool ``(N,)``; ``None``: all."""

    def __len__(self) -> int:
        """Number of passages."""
        ...

    @property
    def layout(self) -> Layout:
        """Lengths of passages and contexts, and where all lie."""
        ...

    @property
    def finer(self) -> PassageView | None:
        """The view of the passages whose documents are the rows of this one, or ``None``."""
        ...

    @property
    def vectors(self) -> PassageVectors | None:
        """Vectors of the passages; ``None`` where no embedder is given, and for documents."""
        ...

    def by_document(self) -> PassageView:
        """The same text with each document as one passage, its contexts counted as text."""
        ...

    def passages(self, rows: range) -> list[Passage]:
        """The passages at adjacent rows of a document, with their texts."""
        ...

    def postings(self, term: int, field: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The passages whose text (field 0) or context (1) has a term, and how often.

        Rows, int64 ``(n,)``, in any order, and counts, uint16 ``(n,)``, positive. For contexts the row is
        that of the first passage that has the context.
        """
        ...

    def confirmed(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`postings`, of the questions that passages were confirmed to answer."""
        ...

    @property
    def all_confirmed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Passage and term, int64 ``(n,)``, and count, uint16, of the words of all confirmed questions."""
        ...

    def forward(self, of: Units) -> Forward:
        """The terms of all documents, passages or contexts."""
        ...

    def term(self, stem: str) -> Term | None:
        """The term of a stem; ``None`` where nothing has it."""
        ...

    def terms(self) -> list[Term]:
        """All terms, in the order of their stems."""
        ...

    def stems(self, word: str) -> list[str]:
        """The stems of a word of the text as it is written there, in alphabetical order."""
        ...

    def vocabulary(self) -> tuple[str, np.ndarray]:
        """All words of the text, a line each, in alphabetical order, and their keys, int64 ``(V,)``."""
        ...

    def words_by_id(self, ids: Sequence[int]) -> list[tuple[str, str, int]]:
        """The words of some keys in their order, each with its stem and the number of documents with it."""
        ...

    def word_counts(self) -> list[tuple[str, int, int]]:
        """All words in alphabetical order, the key of the term of each, and how many documents have it."""
        ...

    def derived(self, key: Hashable, compute: Callable[[], T]) -> T:
        """``compute()``, a function of the counts alone, kept in memory until the next change."""
        ...

    def kept(self, key: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Arrays as with :meth:`derived`, which may be kept longer."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class Ranking:
    """Passages in the order of their scores, and the analysed question."""

    passages: np.ndarray
    """Rows of the index, int64 ``(K,)``, best first, ties by row."""
    scores: np.ndarray
    """float64 ``(K,)``, descending."""
    recall: np.ndarray
    """Weighted query-term recall: the share of the question's idf whose terms each passage has, together with
    its context and its paragraph, float64 ``(K,)`` in [0, 1]."""
    method: str
    """How they were ranked, in a few words, such as "words" or "words, feedback and smoothing"."""
    query: TermQuery
    """The question as terms of the index, after spelling correction."""
    evidence: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    """What the score was made of, by name, float64 ``(K,)`` each: shown by ``lior ask --explain``."""


@attrs.frozen(kw_only=True, eq=False)
class Candidates:
    """Passages that may answer a question, in the order of their rows, and what tells of each."""

    rows: np.ndarray
    """Rows of the index, int64 ``(C,)``, ascending."""
    blocks: np.ndarray
    """Block of each, int64 ``(C,)``."""
    passages: tuple[Passage, ...]
    """Their texts, each with its context."""
    features: np.ndarray
    """What tells of each, float64 ``(C, F)``; the columns are those of ``lior_ask.judging.features``."""
    folder: np.ndarray
    """What tells of the question in the folder, float64 ``(G,)``."""
    level: str
    """The best evidence that there is: ``words``, or an ``encoder`` too."""


@runtime_checkable
class Retriever(Protocol):
    """Ranks passages for a question. Group ``lior.retrievers``.

    A retriever has options but no state: all it uses is a function of the counts of the view, and of the
    ``vectors`` of its passages, so that learning and forgetting are exact. The vectors are read in idle time
    for one with the attribute ``embeds = True``.
    """

    api_version: ClassVar[int]

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """The ``top`` best passages; fewer when fewer share a word with the question."""
        ...


@runtime_checkable
class Judge(Protocol):
    """Says which candidate answers a question, and how likely it does. Group ``lior.judges``.

    It has no state; what it says does not depend on the order of the candidates.
    """

    api_version: ClassVar[int]

    def scores(self, question: Question, candidates: Candidates) -> np.ndarray:
        """How well each candidate answers, float64 ``(C,)``; their exponentials are relative chances."""
        ...

    def confidence(self, question: Question, candidates: Candidates, scores: np.ndarray) -> float:
        """The probability that the candidate with the highest score, or its block, answers, in [0, 1]."""
        ...

    def least(self, candidates: Candidates) -> float:
        """The confidence from which on it is given as the answer."""
        ...
