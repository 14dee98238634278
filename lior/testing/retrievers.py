"""The laws that every :class:`~lior.interfaces.Retriever` obeys."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from lior.ask.collection import Collection
from lior.interfaces import Ranking, Retriever
from lior.testing.strategies import law

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
"""Passages that the suite asks about: three languages, one of stop words, an empty one."""
QUESTIONS = (
    "how do I reset the boiler?",
    "boiler",
    "Wo hängt der Schlüssel?",
    "東京の天気",
    "tomatoe botton cellrs",
    "zyzzyva of the quixotry",
)


def retriever_contract(make: Callable[[], Retriever]) -> type:
    """A new class whose ``test_*`` methods check the retriever that ``make()`` returns for each test."""

    class RetrieverContract:
        def test_declares_what_the_interface_asks_for(self) -> None:
            assert isinstance(make(), Retriever)

        def test_an_empty_collection_has_no_passages(self) -> None:
            for question in ("", *QUESTIONS):
                assert not len(_ranked(make(), Collection.empty(), question).passages)

        def test_a_question_without_words_finds_nothing(self) -> None:
            for question in ("", "the of and to in?", "!?.,;", "\0\n"):
                assert not len(_ranked(make(), _collection(), question).passages), question

        def test_words_that_no_passage_has_are_missing(self) -> None:
            ranking = _ranked(make(), _collection(), "zyzzyva boiler")
            assert ranking.missing == ("zyzzyva",)
            assert "boiler" in ranking.words
            assert (ranking.covered < 1).all()
            assert len(ranking.passages)

        def test_a_passage_is_found_by_its_own_words(self) -> None:
            collection = _collection()
            for row, text in enumerate(TEXTS[:6]):
                ranking = _ranked(make(), collection, text)
                assert ranking.passages[0] == collection.rows(f"{row} x")[0], text
                assert ranking.covered[0] > 0.999
                assert not ranking.missing

        @law(texts=st.lists(st.sampled_from(TEXTS), max_size=12), question=st.sampled_from(QUESTIONS))
        def test_passages_are_in_order_with_ties_by_row(self, texts: list[str], question: str) -> None:
            collection = _collection(texts)
            ranking = _ranked(make(), collection, question)
            assert len(set(ranking.passages.tolist())) == len(ranking.passages)
            pairs = list(zip(-ranking.scores, ranking.passages, strict=True))
            assert pairs == sorted(pairs)

        @law(question=st.text(max_size=60), top=st.integers(0, 5))
        def test_any_question_is_ranked(self, question: str, top: int) -> None:
            ranking = _ranked(make(), _collection(), question, top)
            assert len(ranking.passages) <= top

        @law(question=st.sampled_from(QUESTIONS), top=st.integers(1, 6))
        def test_fewer_passages_are_the_first_of_more(self, question: str, top: int) -> None:
            few, many = (_ranked(make(), _collection(), question, size) for size in (top, 100))
            assert few.passages.tolist() == many.passages[:top].tolist()
            assert few.scores.tolist() == many.scores[:top].tolist()

        @law(order=st.permutations(range(len(TEXTS))), gone=st.sets(st.sampled_from(range(len(TEXTS)))))
        def test_a_forgotten_passage_leaves_no_trace(self, order: list[int], gone: set[int]) -> None:
            retriever, collection = make(), Collection.empty()
            for row in order:
                collection.add(f"{row} x", [(TEXTS[row], "")])
            _ranked(retriever, collection, QUESTIONS[0])  # a retriever that keeps results shows it now
            for row in gone:
                collection.remove(f"{row} x")
            never = Collection.empty()
            for row in range(len(TEXTS)):
                if row not in gone:
                    never.add(f"{row} x", [(TEXTS[row], "")])
            for question in QUESTIONS:
                _assert_same(_ranked(retriever, collection, question), _ranked(make(), never, question))

        @law(question=st.sampled_from(QUESTIONS))
        def test_the_ranking_is_deterministic(self, question: str) -> None:
            _assert_same(*(_ranked(make(), _collection(), question) for _ in range(2)))

        def test_asking_changes_nothing(self) -> None:
            collection = _collection()
            before = {name: array.copy() for name, array in collection.arrays().items()}
            for question in QUESTIONS:
                _ranked(make(), collection, question)
            for name, array in collection.arrays().items():
                np.testing.assert_array_equal(array, before[name], name)

        def test_a_very_long_question_is_ranked(self) -> None:
            words = " ".join(f"word{number}" for number in range(10_000))
            ranking = _ranked(make(), _collection(), f"boiler {words} boiler")
            assert len(ranking.passages)
            assert len(_ranked(make(), _collection(), "x" * 300_000).passages) == 0

        def test_words_of_the_context_find_a_passage(self) -> None:
            collection = Collection.empty()
            collection.add("a", [("Press the button.", "Heating"), ("Turn the key.", "Car")])
            assert _ranked(make(), collection, "heating").passages.tolist() == [0]

    return RetrieverContract


def _collection(texts: list[str] | tuple[str, ...] = TEXTS) -> Collection:
    collection = Collection.empty()
    for row, text in enumerate(texts):
        collection.add(f"{row} x", [(text, "")])
    return collection


def _ranked(retriever: Retriever, collection: Collection, question: str, top: int = 100) -> Ranking:
    """The ranking, with what holds of all of them checked."""
    ranking = retriever.rank(collection, question, top)
    size = len(ranking.passages)
    assert ranking.passages.dtype == np.int64
    assert ((ranking.passages >= 0) & (ranking.passages < len(collection))).all()
    for values in (ranking.scores, ranking.covered):
        assert values.dtype == np.float64
        assert values.shape == (size,)
        assert np.isfinite(values).all()
    assert (np.diff(ranking.scores) <= 0).all()
    assert ((ranking.covered >= 0) & (ranking.covered <= 1)).all()
    assert ranking.method
    return ranking


def _assert_same(a: Ranking, b: Ranking) -> None:
    assert (a.method, a.words, a.missing) == (b.method, b.words, b.missing)
    for name in ("passages", "scores", "covered"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
