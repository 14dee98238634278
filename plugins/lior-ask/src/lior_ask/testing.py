"""The laws that every :class:`~lior.interfaces.Retriever` obeys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

import attrs
import numpy as np
from hypothesis import strategies as st

from lior.interfaces import (
    Candidates,
    Forward,
    Judge,
    Layout,
    Passage,
    PassageView,
    Ranking,
    Retriever,
    Term,
    Units,
)
from lior.testing import Contract, law
from lior_ask.answer import selection as answering
from lior_ask.index.inverted import CONTEXT, TEXT, InvertedIndex
from lior_ask.index.passage_store import PassageStore
from lior_ask.index.writing import starts_of
from lior_ask.judging.features import gather
from lior_ask.judging.linear import Linear
from lior_ask.languages.dates import counted_words
from lior_ask.languages.words import IDENTIFIER, LANGUAGES, LONGEST, SAMPLE, language_of, stem, stop_words
from lior_ask.question.question import Question
from lior_ask.retrievers.bm25 import Bm25

__all__ = [
    "JudgeContract",
    "MemoryView",
    "RetrieverContract",
    "content",
    "indexed",
    "judge_contract",
    "retriever_contract",
]

T = TypeVar("T")

TEXTS = (
    "Press the red button for ten seconds to reset the boiler.",
    "The boiler is in the cellar, behind the shelf with the jam.",
    "Water the tomatoes in the morning, never at noon.",
    "Der Schlüssel für das Gartenhaus hängt neben der Tür.",
    "東京都の天気は晴れです。",
    "backup finished in 12 s; the boiler log was rotated",
    "the of and to in",
    "",
)
"""Passages of the test suite: in three languages, with one of stop words and an empty one."""
SPOKEN = (
    "Mamie Odile a 87 ans, et elle habite avec son chat à Lyon.",
    "The boiler is serviced in October, and the key is with Mr. Olsen.",
    "Die Heizung wird im Oktober gewartet, und der Schlüssel ist beim Nachbarn.",
    "La abuela tiene un perro que se llama Trufa, y el coche está en el garaje.",
)
"""Documents in four languages, any of which may be the most common one of an index."""
ASKED = (
    "Quel âge a Mamie Odile ?",
    "How old is Mamie Odile?",
    "Wie alt ist Oma Odile am 18. Februar 2024?",
    "¿Cómo se llama el perro de la abuela?",
    "a key y die",
)
"""Questions with stop words of one of these languages that are content words of another."""
QUESTIONS = (
    "how do I reset the boiler?",
    "boiler",
    "Wo hängt der Schlüssel?",
    "東京の天気",
    "tomatoe botton cellrs",
    "zyzzyva of the quixotry",
)


Documents = Mapping[str, Sequence[tuple[str, str]]]
"""Name of a document -> text and context of each passage."""


def indexed(documents: Documents) -> InvertedIndex:
    """Return an index of these documents, with their passages."""
    index = InvertedIndex()
    for name, passages in documents.items():
        key = index.add(name, passages)
        PassageStore(index.database).add(key, _passages(name, passages))
    return index


def _passages(document: str, passages: Sequence[tuple[str, str]]) -> list[Passage]:
    return [
        Passage(document=document, line=line, text=text, context=context, group=line, block=line)
        for line, (text, context) in enumerate(passages, 1)
    ]


class MemoryView:
    """The simplest :class:`~lior.interfaces.PassageView`: words are counted again, in dictionaries.

    Each passage is its own paragraph and block; there are no vectors and no confirmed questions.
    """

    allowed: np.ndarray | None = None
    vectors = None

    def __init__(self, documents: Documents, finer: MemoryView | None = None) -> None:
        self.finer = finer
        self._known: dict[Hashable, Any] = {}
        self._documents = {name: documents[name] for name in sorted(documents)}
        self._spelled = list[set[tuple[str, str]]]()
        self._texts, self._contexts, self._whole = (
            list[Counter[str]](),
            list[Counter[str]](),
            list[Counter[str]](),
        )
        self._context_of = list[int]()
        languages = [self._count(passages) for passages in self._documents.values()]
        self._stems = sorted({each for counts in self._whole for each in counts})
        self._ids = {each: number for number, each in enumerate(self._stems)}
        self._words = sorted({pair for pairs in self._spelled for pair in pairs})
        sizes = [*map(len, self._documents.values())]
        self._layout = _layout([*self._documents], sizes, languages)

    def _count(self, passages: Sequence[tuple[str, str]]) -> int:
        """Count the words of the next document, and return the number of its language."""
        texts = [counted_words(text) for text, _ in passages]
        language = language_of(islice(chain.from_iterable(texts), SAMPLE))
        contexts = dict.fromkeys(context for _, context in passages)
        place = {context: len(self._contexts) + n for n, context in enumerate(contexts)}
        self._context_of += [place[context] for _, context in passages]
        own = [_words(text, language) for text in texts]
        above = [_words(counted_words(context), language) for context in contexts]
        self._spelled.append({pair for pairs in own + above for pair in pairs})
        for units, found in ((self._texts, own), (self._contexts, above)):
            units += [Counter(each for _, each in pairs) for pairs in found]
        self._whole.append(Counter(each for pairs in own + above for _, each in pairs))
        return LANGUAGES.index(language)

    @property
    def layout(self) -> Layout:
        if self.finer:
            each, whole = len(self._documents), _layout([*self._documents], [1] * len(self._documents), [])
            lengths = np.array([counts.total() for counts in self._whole], np.int64)
            return attrs.evolve(
                whole,
                languages=self._layout.languages,
                context_of=np.arange(each),
                lengths=lengths,
                distinct=self.finer.layout.distinct,
                context_lengths=np.zeros(each, np.int64),
            )
        return attrs.evolve(
            self._layout,
            context_of=np.array(self._context_of, np.int64),
            lengths=np.array([counts.total() for counts in self._texts], np.int64),
            distinct=np.array([len(counts) for counts in self._texts], np.int64),
            context_lengths=np.array([counts.total() for counts in self._contexts], np.int64),
        )

    def __len__(self) -> int:
        return len(self._documents) if self.finer else len(self._texts)

    def by_document(self) -> MemoryView:
        return self.derived("by document", lambda: MemoryView(self._documents, self))

    def passages(self, rows: range) -> list[Passage]:
        every = [each for name, passages in self._documents.items() for each in _passages(name, passages)]
        return every[rows.start : rows.stop]

    def postings(self, term: int, field: int = TEXT) -> tuple[np.ndarray, np.ndarray]:
        units = self._texts if field == TEXT else self._contexts
        if self.finer:
            units = self._whole if field == TEXT else []
        stem = self._stems[term]
        found = [(unit, counts[stem]) for unit, counts in enumerate(units) if stem in counts]
        rows, counts = np.array(found, np.int64).reshape(-1, 2).T
        if field == CONTEXT:
            rows = np.array([self._context_of.index(unit) for unit in rows.tolist()], np.int64)
        return rows, counts.astype(np.uint16)

    def confirmed(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        return np.empty(0, np.int64), np.empty(0, np.uint16)

    @property
    def all_confirmed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint16)

    def forward(self, of: Units) -> Forward:
        units = {"": self._whole, "passage_": self._texts, "context_": self._contexts}[of]
        pairs = [(self._ids[each], counts[each]) for counts in units for each in sorted(counts)]
        terms, numbers = np.array(pairs, np.int64).reshape(-1, 2).T
        return Forward(starts_of(map(len, units)), terms.astype(np.int32), numbers.astype(np.uint16))

    def term(self, stem: str) -> Term | None:
        if stem not in self._ids:
            return None
        texts, contexts = (self._whole, []) if self.finer else (self._texts, self._contexts)
        text, context = (sum(stem in counts for counts in units) for units in (texts, contexts))
        return Term(self._ids[stem], stem, text, context, 0)

    def terms(self) -> list[Term]:
        return [term for stem in self._stems if (term := self.term(stem))]

    def stems(self, word: str) -> list[str]:
        return [stem for each, stem in self._words if each == word]

    def vocabulary(self) -> tuple[str, np.ndarray]:
        plain = [at for at, (word, _) in enumerate(self._words) if not word.startswith(IDENTIFIER)]
        return "\n".join(self._words[at][0] for at in plain), np.array(plain, np.int64)

    def words_by_id(self, ids: Sequence[int]) -> list[tuple[str, str, int]]:
        counts = [
            (pair, sum(pair in each for each in self._spelled)) for pair in (self._words[i] for i in ids)
        ]
        return [(*pair, count) for pair, count in counts]

    def word_counts(self) -> list[tuple[str, int, int]]:
        found = self.words_by_id(range(len(self._words)))
        return [(word, self._ids[stem], documents) for word, stem, documents in found]

    def derived(self, key: Hashable, compute: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = compute()
        found: T = self._known[key]
        return found

    def kept(self, key: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return self.derived(("kept", key), compute)


def _words(words: Sequence[str], language: str) -> list[tuple[str, str]]:
    """Return the words that are counted, each with its stem."""
    stop = stop_words(language)
    pairs = [(word[:LONGEST], stem(word[:LONGEST], language)) for word in words if word not in stop]
    return [pair for pair in pairs if pair[1]]


def _layout(names: Sequence[str], sizes: Sequence[int], languages: Sequence[int]) -> Layout:
    """Return a layout in which each passage is a paragraph and a block, without contexts and words."""
    starts, each, none = starts_of(sizes), np.arange(sum(sizes)), np.zeros(0, np.int64)
    return Layout(
        names=tuple(names),
        ids=tuple(range(len(names))),
        languages=np.array(languages, np.int64),
        starts=starts,
        paragraph_starts=starts,
        document_of=np.repeat(np.arange(len(names)), sizes),
        paragraph_of=each,
        block_of=each,
        title=np.zeros(len(each), bool),
        context_of=none,
        lengths=none,
        distinct=none,
        context_lengths=none,
    )


class RetrieverContract(Contract[Retriever]):
    """The laws of a retriever, on an index in a database."""

    def test_declares_what_the_interface_asks_for(self) -> None:
        assert isinstance(self.make(), Retriever)

    def test_an_empty_index_has_no_passages(self) -> None:
        for question in ("", *QUESTIONS):
            assert not len(_rank(self.make(), indexed({}), question).passages)

    def test_a_question_without_words_finds_nothing(self) -> None:
        for question in ("", "the of and to in?", "!?.,;", "\0\n"):
            assert not len(_rank(self.make(), indexed(_documents()), question).passages), question

    def test_words_that_no_passage_has_are_missing(self) -> None:
        ranking = _rank(self.make(), indexed(_documents()), "zyzzyva boiler")
        assert ranking.query.missing == ("zyzzyva",)
        assert "boiler" in ranking.query.words
        assert (ranking.recall < 1).all()
        assert len(ranking.passages)

    def test_a_passage_is_found_by_its_own_words(self) -> None:
        index = indexed(_documents())
        for row, text in enumerate(TEXTS[:6]):
            ranking = _rank(self.make(), index, text)
            assert ranking.passages[0] == index.layout.names.index(f"{row} x"), text
            assert ranking.recall[0] > 0.999
            assert not ranking.query.missing

    @law(texts=st.lists(st.sampled_from(TEXTS), max_size=12), question=st.sampled_from(QUESTIONS))
    def test_passages_are_in_order_with_ties_by_row(self, texts: list[str], question: str) -> None:
        index = indexed(_documents(texts))
        ranking = _rank(self.make(), index, question)
        assert len(set(ranking.passages.tolist())) == len(ranking.passages)
        pairs = list(zip(-ranking.scores, ranking.passages, strict=True))
        assert pairs == sorted(pairs)

    @law(texts=st.lists(st.sampled_from(SPOKEN), max_size=5), question=st.sampled_from(ASKED))
    def test_a_question_in_any_language_is_decided(self, texts: list[str], question: str) -> None:
        index, retriever = indexed(_documents(texts)), self.make()
        ranking = _rank(retriever, index, question)
        decided = answering.answer(Question(question), ranking, index, 3, Linear())
        assert 0 <= decided.confidence <= 1

    @law(question=st.text(max_size=60), top=st.integers(0, 5))
    def test_any_question_is_ranked(self, question: str, top: int) -> None:
        ranking = _rank(self.make(), indexed(_documents()), question, top)
        assert len(ranking.passages) <= top

    @law(question=st.sampled_from(QUESTIONS), top=st.integers(1, 6))
    def test_fewer_passages_are_the_first_of_more(self, question: str, top: int) -> None:
        few, many = (_rank(self.make(), indexed(_documents()), question, size) for size in (top, 100))
        assert few.passages.tolist() == many.passages[:top].tolist()
        assert few.scores.tolist() == many.scores[:top].tolist()

    @law(order=st.permutations(range(len(TEXTS))), gone=st.sets(st.sampled_from(range(len(TEXTS)))))
    def test_a_forgotten_passage_leaves_no_trace(self, order: list[int], gone: set[int]) -> None:
        every, retriever = _documents(), self.make()
        index = indexed({f"{row} x": every[f"{row} x"] for row in order})
        _rank(retriever, index, QUESTIONS[0])  # so that a retriever that caches results fails
        for row in gone:
            index.delete(f"{row} x")
            del every[f"{row} x"]
        never = indexed(every)
        for question in QUESTIONS:
            _assert_same(_rank(retriever, index, question), _rank(self.make(), never, question))

    @law(question=st.sampled_from(QUESTIONS))
    def test_the_ranking_is_deterministic(self, question: str) -> None:
        _assert_same(*(_rank(self.make(), indexed(_documents()), question) for _ in range(2)))

    def test_asking_changes_nothing(self) -> None:
        index = indexed(_documents())
        before = content(index)
        for question in QUESTIONS:
            _rank(self.make(), index, question)
        assert content(index) == before

    def test_a_very_long_question_is_ranked(self) -> None:
        words = " ".join(f"word{number}" for number in range(10_000))
        ranking = _rank(self.make(), indexed(_documents()), f"boiler {words} boiler")
        assert len(ranking.passages)
        assert len(_rank(self.make(), indexed(_documents()), "x" * 300_000).passages) == 0

    def test_words_of_the_context_find_a_passage(self) -> None:
        index = indexed({"a": [("Press the button.", "Heating"), ("Turn the key.", "Car")]})
        assert _rank(self.make(), index, "heating").passages.tolist() == [0]

    @law(texts=st.lists(st.sampled_from(TEXTS), max_size=12), question=st.sampled_from(QUESTIONS))
    def test_the_ranking_is_that_of_another_view(self, texts: list[str], question: str) -> None:
        documents = _documents(texts)
        _assert_same(*(_rank(self.make(), each(documents), question) for each in (indexed, MemoryView)))


def retriever_contract(make: Callable[[], Retriever]) -> type[RetrieverContract]:
    """Return a new class whose ``test_*`` methods check the retriever that ``make()`` returns for each test.

    The laws are checked on an index in a database; one of them is that a :class:`MemoryView` is ranked alike.
    """
    return RetrieverContract.of(make)


def content(index: PassageView) -> dict[str, Any]:
    """Return the content of an index in an order that depends only on its documents, for comparison."""
    layout = attrs.asdict(index.layout, filter=attrs.filters.exclude("ids"))
    found: dict[str, Any] = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in layout.items()}
    terms = {each.id: each for each in index.terms()}
    for of in ("", "passage_", "context_"):
        forward = index.forward(of)
        found[f"{of}starts"], found[f"{of}counts"] = forward.starts.tolist(), forward.counts.tolist()
        found[f"{of}terms"] = [terms[key].stem for key in forward.terms.tolist()]
    for key, term in terms.items():
        rows = [[each.tolist() for each in index.postings(key, field)] for field in (TEXT, CONTEXT)]
        found[term.stem] = (attrs.astuple(term)[1:], [sorted(zip(*each, strict=True)) for each in rows])
    rows, keys, counts = (each.tolist() for each in index.all_confirmed)
    found["confirmed"] = [*zip(rows, [terms[key].stem for key in keys], counts, strict=True)]
    found["words"] = [(word, terms[key].stem, documents) for word, key, documents in index.word_counts()]
    return found


def _documents(texts: Sequence[str] = TEXTS) -> dict[str, list[tuple[str, str]]]:
    return {f"{row} x": [(text, "")] for row, text in enumerate(texts)}


def _rank(retriever: Retriever, index: PassageView, question: str, top: int = 100) -> Ranking:
    """Return the ranking, and check the properties of all rankings."""
    ranking = retriever.rank(index, Question(question), top)
    size = len(ranking.passages)
    assert ranking.passages.dtype == np.int64
    assert ((ranking.passages >= 0) & (ranking.passages < len(index))).all()
    for values in (ranking.scores, ranking.recall):
        assert values.dtype == np.float64
        assert values.shape == (size,)
        assert np.isfinite(values).all()
    assert (np.diff(ranking.scores) <= 0).all()
    assert ((ranking.recall >= 0) & (ranking.recall <= 1)).all()
    assert ranking.method
    return ranking


def _assert_same(a: Ranking, *others: Ranking) -> None:
    for b in others:
        _assert_equal(a, b)


def _assert_equal(a: Ranking, b: Ranking) -> None:
    assert (a.method, a.query.words, a.query.missing) == (b.method, b.query.words, b.query.missing)
    for name in ("passages", "scores", "recall"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)


class JudgeContract(Contract[Judge]):
    """The laws of a judge."""

    def judged(self, question: Question, found: Candidates) -> tuple[np.ndarray, float]:
        """Return the scores of candidates and the probability of the best."""
        judge = self.make()
        scores = judge.scores(question, found)
        return scores, judge.confidence(question, found, scores)

    def test_declares_what_the_interface_asks_for(self) -> None:
        assert isinstance(self.make(), Judge)

    @law(texts=st.lists(st.sampled_from(TEXTS), min_size=1), question=st.sampled_from(QUESTIONS))
    def test_each_candidate_has_a_score_and_the_best_a_probability(
        self, texts: list[str], question: str
    ) -> None:
        asked = Question(question)
        if found := _candidates(texts, asked):
            scores, confidence = self.judged(asked, found)
            assert scores.shape == found.rows.shape
            assert np.isfinite(scores).all()
            assert 0 <= confidence <= 1
            assert 0 <= self.make().least(found) <= 1

    @law(question=st.sampled_from(QUESTIONS), seed=st.integers(0, 9))
    def test_the_order_of_candidates_does_not_matter(self, question: str, seed: int) -> None:
        asked = Question(question)
        if found := _candidates(TEXTS, asked):
            order = np.random.RandomState(seed).permutation(len(found.rows))
            turned = attrs.evolve(
                found,
                rows=found.rows[order],
                blocks=found.blocks[order],
                passages=tuple(found.passages[i] for i in order),
                features=found.features[order],
            )
            (scores, confidence), (others, other) = self.judged(asked, found), self.judged(asked, turned)
            np.testing.assert_allclose(others, scores[order], rtol=1e-9, atol=1e-9)
            assert abs(confidence - other) < 1e-9

    def test_equal_candidates_have_equal_scores(self) -> None:
        asked = Question(QUESTIONS[0])
        if found := _candidates([TEXTS[0]] * 3, asked):
            scores, _ = self.judged(asked, found)
            assert len({*scores.round(9).tolist()}) == len(np.unique(found.features, axis=0))


judge_contract = JudgeContract.of


def _candidates(texts: Sequence[str], question: Question) -> Candidates | None:
    view = MemoryView(_documents(texts))
    ranking = Bm25().rank(view, question, 40)
    return gather(question, ranking, view) if len(ranking.passages) else None
