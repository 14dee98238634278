"""The laws that every :class:`~lior.interfaces.Retriever` obeys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st

from lior.interfaces import Judging, Passage, Ranking, Retriever
from lior.testing.strategies import law
from lior_ask.answer import selection as answering
from lior_ask.index.inverted import CONTEXT, TEXT, InvertedIndex

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
SPOKEN = (
    "Mamie Odile a 87 ans, et elle habite avec son chat à Lyon.",
    "The boiler is serviced in October, and the key is with Mr. Olsen.",
    "Die Heizung wird im Oktober gewartet, und der Schlüssel ist beim Nachbarn.",
    "La abuela tiene un perro que se llama Trufa, y el coche está en el garaje.",
)
"""Documents of four languages, any of which may be the commonest of an index."""
ASKED = (
    "Quel âge a Mamie Odile ?",
    "How old is Mamie Odile?",
    "Wie alt ist Oma Odile am 18. Februar 2024?",
    "¿Cómo se llama el perro de la abuela?",
    "a key y die",
)
"""Words that are stop words of one of these languages are content words of another."""
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

        def test_an_empty_index_has_no_passages(self) -> None:
            for question in ("", *QUESTIONS):
                assert not len(_ranked(make(), InvertedIndex(), question).passages)

        def test_a_question_without_words_finds_nothing(self) -> None:
            for question in ("", "the of and to in?", "!?.,;", "\0\n"):
                assert not len(_ranked(make(), _index(), question).passages), question

        def test_words_that_no_passage_has_are_missing(self) -> None:
            ranking = _ranked(make(), _index(), "zyzzyva boiler")
            assert ranking.query.missing == ("zyzzyva",)
            assert "boiler" in ranking.query.words
            assert (ranking.recall < 1).all()
            assert len(ranking.passages)

        def test_a_passage_is_found_by_its_own_words(self) -> None:
            index = _index()
            for row, text in enumerate(TEXTS[:6]):
                ranking = _ranked(make(), index, text)
                assert ranking.passages[0] == index.rows(f"{row} x")[0], text
                assert ranking.recall[0] > 0.999
                assert not ranking.query.missing

        @law(texts=st.lists(st.sampled_from(TEXTS), max_size=12), question=st.sampled_from(QUESTIONS))
        def test_passages_are_in_order_with_ties_by_row(self, texts: list[str], question: str) -> None:
            index = _index(texts)
            ranking = _ranked(make(), index, question)
            assert len(set(ranking.passages.tolist())) == len(ranking.passages)
            pairs = list(zip(-ranking.scores, ranking.passages, strict=True))
            assert pairs == sorted(pairs)

        @law(texts=st.lists(st.sampled_from(SPOKEN), max_size=5), question=st.sampled_from(ASKED))
        def test_a_question_in_any_language_is_decided(self, texts: list[str], question: str) -> None:
            index, retriever = _index(texts), make()
            ranking, judge = _ranked(retriever, index, question), retriever
            decided = answering.answer(
                question, ranking, index, lambda rows: [_passage(texts, row) for row in rows],
                3, judge if isinstance(judge, Judging) else None,
            )  # fmt: skip
            assert 0 <= decided.confidence <= 1

        @law(question=st.text(max_size=60), top=st.integers(0, 5))
        def test_any_question_is_ranked(self, question: str, top: int) -> None:
            ranking = _ranked(make(), _index(), question, top)
            assert len(ranking.passages) <= top

        @law(question=st.sampled_from(QUESTIONS), top=st.integers(1, 6))
        def test_fewer_passages_are_the_first_of_more(self, question: str, top: int) -> None:
            few, many = (_ranked(make(), _index(), question, size) for size in (top, 100))
            assert few.passages.tolist() == many.passages[:top].tolist()
            assert few.scores.tolist() == many.scores[:top].tolist()

        @law(order=st.permutations(range(len(TEXTS))), gone=st.sets(st.sampled_from(range(len(TEXTS)))))
        def test_a_forgotten_passage_leaves_no_trace(self, order: list[int], gone: set[int]) -> None:
            retriever, index = make(), InvertedIndex()
            for row in order:
                index.add(f"{row} x", [(TEXTS[row], "")])
            _ranked(retriever, index, QUESTIONS[0])  # a retriever that keeps results shows it now
            for row in gone:
                index.delete(f"{row} x")
            never = InvertedIndex()
            for row in range(len(TEXTS)):
                if row not in gone:
                    never.add(f"{row} x", [(TEXTS[row], "")])
            for question in QUESTIONS:
                _assert_same(_ranked(retriever, index, question), _ranked(make(), never, question))

        @law(question=st.sampled_from(QUESTIONS))
        def test_the_ranking_is_deterministic(self, question: str) -> None:
            _assert_same(*(_ranked(make(), _index(), question) for _ in range(2)))

        def test_asking_changes_nothing(self) -> None:
            index = _index()
            before = content(index)
            for question in QUESTIONS:
                _ranked(make(), index, question)
            assert content(index) == before

        def test_a_very_long_question_is_ranked(self) -> None:
            words = " ".join(f"word{number}" for number in range(10_000))
            ranking = _ranked(make(), _index(), f"boiler {words} boiler")
            assert len(ranking.passages)
            assert len(_ranked(make(), _index(), "x" * 300_000).passages) == 0

        def test_words_of_the_context_find_a_passage(self) -> None:
            index = InvertedIndex()
            index.add("a", [("Press the button.", "Heating"), ("Turn the key.", "Car")])
            assert _ranked(make(), index, "heating").passages.tolist() == [0]

    return RetrieverContract


def content(index: InvertedIndex) -> dict[str, Any]:
    """All that an index holds, in an order that only its documents decide: equal content is equal."""
    layout = attrs.asdict(index.layout, filter=attrs.filters.exclude("ids"))
    found: dict[str, Any] = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in layout.items()}
    terms = {each.id: each for each in index.terms_by_id(index.running_totals()[0].tolist())}
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


def _passage(texts: list[str], row: int) -> Passage:
    return Passage(document=f"{row} x", line=1, text=texts[row])


def _index(texts: list[str] | tuple[str, ...] = TEXTS) -> InvertedIndex:
    index = InvertedIndex()
    for row, text in enumerate(texts):
        index.add(f"{row} x", [(text, "")])
    return index


def _ranked(retriever: Retriever, index: InvertedIndex, question: str, top: int = 100) -> Ranking:
    """The ranking, with what holds of all of them checked."""
    ranking = retriever.rank(index, question, top)
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


def _assert_same(a: Ranking, b: Ranking) -> None:
    assert (a.method, a.query.words, a.query.missing) == (b.method, b.query.words, b.query.missing)
    for name in ("passages", "scores", "recall"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
