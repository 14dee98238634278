"""The interface of retrievers, and their inputs: the counts of an index through a view, and a question.

A view is any object with the members of :class:`PassageView`: the index of a database, or lists in memory.
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
"""Units of an index: documents, with the words of their contexts; passages; contexts."""


@attrs.frozen
class Date:
    """A date in a text."""

    begin: int
    """Offset of its first character."""
    end: int
    """Offset after its last character."""
    words: tuple[str, ...]
    """Counted terms: ``d:02-18`` for the day, ``d:2025-02`` for month and year; for "3/4" both readings."""
    year: str = ""
    """The year as it is written."""


class Question(Protocol):
    """A question, and the facts that follow from its text alone."""

    @property
    def text(self) -> str: ...

    @property
    def tokens(self) -> Sequence[str]:
        """Runs of two or more letters and digits in lower case, and pairs of CJK characters."""
        ...

    @property
    def language(self) -> str:
        """The question's language, such as ``english``."""
        ...

    @property
    def names(self) -> Collection[str]:
        """Words with a capital inside it, in lower case."""
        ...

    @property
    def dates(self) -> Sequence[Date]: ...

    @property
    def closed(self) -> bool:
        """Whether it can be answered by yes or no."""
        ...

    @property
    def identifies(self) -> bool:
        """Whether it asks who or what something is."""
        ...

    @property
    def expected(self) -> re.Pattern[str] | None:
        """A pattern of answering sentences, such as a time; ``None`` if the question does not determine
        one."""
        ...

    def suits(self, text: str) -> bool:
        """Return whether a passage has the kind of content that the question asks for."""
        ...

    def among(self, languages: Sequence[str]) -> str:
        """Return the question's language, one of a text's; the first if the question does not decide."""
        ...


@attrs.frozen
class Term:
    """A stem and its frequencies."""

    id: int
    """Key of its postings, without any other meaning."""
    stem: str
    text: int
    """Number of passages whose text has it."""
    context: int
    """Number of contexts that have it."""
    confirmed: int
    """Number of passages with a confirmed question that has it."""


@attrs.frozen(eq=False)
class TermQuery:
    """A question as weighted terms of a view; a word may stand for several terms."""

    terms: np.ndarray
    """Keys of the terms, int64 ``(K,)``."""
    weights: np.ndarray
    """Weight of the term: how often the question has it, float64 ``(K,)``, positive."""
    idf: np.ndarray
    """idf of each term, float64 ``(K,)``."""
    owners: np.ndarray
    """Index of the question's word that each term represents, int64 ``(K,)``; −1 for a term that only
    resembles a missing word, which it does not cover."""
    word_idf: np.ndarray
    """idf of each word of the question, float64 ``(W,)``; a missing word counts as a term in no passage."""
    words: tuple[str, ...]
    """Words of the text as which the question was understood."""
    missing: tuple[str, ...]
    """Words of the question that the text does not have, nor a misspelling of them."""
    asked: tuple[str, ...] = ()
    """The words of the question, ``W``."""
    taken: tuple[str, ...] = ()
    """The word of the text that each word of the question was taken for, ``W``; empty for a missing one."""


@attrs.frozen(eq=False)
class Forward:
    """The terms of units in order: entries ``starts[u]`` to ``starts[u + 1] - 1`` belong to unit ``u``."""

    starts: np.ndarray
    """First entry of each unit, int64 ``(U + 1,)``."""
    terms: np.ndarray
    """Keys of terms, in the order of the stems, int32 ``(P,)``."""
    counts: np.ndarray
    """Frequencies of the terms, uint16 ``(P,)``, positive."""


@attrs.frozen(eq=False)
class Layout:
    """The positions of passages, paragraphs, contexts and documents, numbered by the documents' names."""

    names: tuple[str, ...]
    """Names of the documents, ascending."""
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
    """Number of words of each passage without stop words, int64 ``(N,)``."""
    distinct: np.ndarray
    """Number of different terms of each passage, int64 ``(N,)``."""
    context_lengths: np.ndarray
    """Number of words of each context, int64 ``(C,)``."""


class PassageVectors(Protocol):
    """Vectors of the passages of a view, by an embedder."""

    hurried: bool
    """Whether reading files took the time of the next question, which should then encode less."""

    @property
    def embedder(self) -> Embedder: ...

    def question(self, text: str) -> Future[np.ndarray]:
        """Return the unit vector of a question, float32 ``(width,)``, computed by another thread."""
        ...

    def cosines(self, rows: np.ndarray, question: np.ndarray) -> np.ndarray:
        """Return the cosine of a question with passages, float32 ``(n,)``."""
        ...

    def lacking(self, rows: np.ndarray) -> np.ndarray:
        """Those of some passages that are not read yet, one of each text, int64."""
        ...

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return unit vectors of passages, float32 ``(n, width)``."""
        ...

    def sample(self, *, read: bool = False) -> np.ndarray:
        """Return a sample of a large index, int64; none in a small one, and if it is not encoded.

        ``read`` encodes it.
        """
        ...

    def beginnings(self, question: np.ndarray) -> np.ndarray | None:
        """Return the cosine of a question with the beginning of each document, float32 ``(D,)``.

        It is ``None`` while some are not embedded yet, and in a small index.
        """
        ...

    def documents(self, numbers: np.ndarray) -> np.ndarray:
        """Return unit vectors of the beginnings of documents, by their numbers, float32 ``(n, width)``."""
        ...


class PassageView(Protocol):
    """The passages of an index, numbered from 0 in the order of their documents, and their counts."""

    allowed: np.ndarray | None
    """The passages that a retriever may find, bool ``(N,)``; ``None``: all."""

    def __len__(self) -> int:
        """Return the number of passages."""
        ...

    @property
    def layout(self) -> Layout:
        """Lengths of passages and contexts, and all positions."""
        ...

    @property
    def finer(self) -> PassageView | None:
        """The view of the passages whose documents are the rows of this one, or ``None``."""
        ...

    @property
    def vectors(self) -> PassageVectors | None:
        """Vectors of the passages; ``None`` without an embedder, and for documents."""
        ...

    def by_document(self) -> PassageView:
        """Return the same text with each document as one passage, its contexts counted as text."""
        ...

    def passages(self, rows: range) -> list[Passage]:
        """Return the passages at adjacent rows of a document, with their texts."""
        ...

    def postings(self, term: int, field: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the passages whose text (field 0) or context (1) has a term, and how often.

        These are rows, int64 ``(n,)``, in any order, and counts, uint16 ``(n,)``, positive. A context is
        represented by the row of its first passage.
        """
        ...

    def confirmed(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        """Return :meth:`postings` of the questions that passages were confirmed to answer."""
        ...

    @property
    def all_confirmed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return passage and term, int64 ``(n,)``, and count, uint16, of words in all confirmed questions."""
        ...

    def forward(self, of: Units) -> Forward:
        """Return the terms of all documents, passages or contexts."""
        ...

    def term(self, stem: str) -> Term | None:
        """Return the term of a stem; ``None`` if no text has it."""
        ...

    def terms(self) -> list[Term]:
        """Return all terms, in the order of their stems."""
        ...

    def stems(self, word: str) -> list[str]:
        """Return the stems of a word, spelled as in the text, in alphabetical order."""
        ...

    def vocabulary(self) -> tuple[str, np.ndarray]:
        """Return all words but identifiers, one a line, alphabetically, and their keys, int64 ``(V,)``."""
        ...

    def words_by_id(self, ids: Sequence[int]) -> list[tuple[str, str, int]]:
        """Return the words of some keys in order, each with its stem and the number of documents with it."""
        ...

    def word_counts(self) -> list[tuple[str, int, int]]:
        """Return all words in alphabetical order, the key of each word's term, and the number of its
        documents."""
        ...

    def derived(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return ``compute()``, a function of the counts alone, cached in memory until the next change."""
        ...

    def kept(self, key: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return arrays as :meth:`derived` does; they may be cached longer."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class Ranking:
    """Passages in the order of their scores, and the analysed question."""

    passages: np.ndarray
    """Rows of the index, int64 ``(K,)``, best first, ties by row."""
    scores: np.ndarray
    """Scores, float64 ``(K,)``, descending."""
    recall: np.ndarray
    """Weighted query-term recall, float64 ``(K,)`` in [0, 1]: the share of the question's idf whose terms are
    in each passage, its context or its paragraph."""
    method: str
    """The ranking method in a few words, such as "words" or "words, feedback and smoothing"."""
    query: TermQuery
    """The question as terms of the index, after spelling correction."""
    evidence: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    """Parts of the score by name, float64 ``(K,)`` each: shown by ``lior ask --explain``."""


@attrs.frozen(kw_only=True, eq=False)
class Candidates:
    """Passages that may answer a question, in the order of their rows, and their features."""

    rows: np.ndarray
    """Rows of the index, int64 ``(C,)``, ascending."""
    blocks: np.ndarray
    """Block of each, int64 ``(C,)``."""
    passages: tuple[Passage, ...]
    """Their texts, each with its context."""
    features: np.ndarray
    """Features of each candidate, float64 ``(C, F)``; the columns are ``lior_ask.judging.features``."""
    folder: np.ndarray
    """Features of the question in the folder, float64 ``(G,)``."""
    level: str
    """The best available evidence: ``words``, an ``encoder`` too, or an ``estimate`` of it."""


@runtime_checkable
class Retriever(Protocol):
    """A ranking of passages for a question. Group ``lior.retrievers``.

    A retriever has options but no state. It uses only functions of the view's counts, and the ``vectors``
    of its passages, so that learning and forgetting are exact. A retriever with the attribute ``embeds =
    True`` has the vectors computed in idle time.
    """

    api_version: ClassVar[int]

    def rank(self, view: PassageView, question: Question, top: int) -> Ranking:
        """Return the ``top`` best passages; fewer if fewer share a word with the question."""
        ...


@runtime_checkable
class Judge(Protocol):
    """A judge of which candidate answers a question, and how likely. Group ``lior.judges``.

    It has no state; its results do not depend on the order of the candidates.
    """

    api_version: ClassVar[int]

    def scores(self, question: Question, candidates: Candidates) -> np.ndarray:
        """Return a score of each candidate, float64 ``(C,)``; exponentials are relative probabilities."""
        ...

    def confidence(self, question: Question, candidates: Candidates, scores: np.ndarray) -> float:
        """Return the probability, in [0, 1], that the best-scored candidate, or its block, answers."""
        ...

    def least(self, candidates: Candidates) -> float:
        """Return the threshold of the confidence: from it on a candidate is given as the answer."""
        ...
