"""Words that limit the rows of a question: a value that no table has makes a calculation improbable."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior_ask import Index
from lior_ask.embedders import e5, four_bits
from lior_ask.embedders.layers import NumpyLayers
from lior_ask.question.question import Question
from lior_ask.tables.asked import asked
from lior_ask.tables.choosing import choose
from lior_ask.tables.learned import LOWEST, learned, read_words
from lior_ask.tables.limits import limiting, words_in

DAY = date(2026, 11, 28)
QUESTIONS = st.lists(
    st.sampled_from(
        ["how", "much", "did", "we", "pay", "Edeka", "Edeka's", "in", "May", "l'eau", "(net)?", "Ada"]
    ),
    max_size=12,
).map(" ".join)


@given(QUESTIONS)
def test_every_token_is_in_its_word(text):
    said = asked(text, DAY)
    places, words = words_in(text, said), text.lower().split()
    assert [n for n in places if n >= 0] == sorted(n for n in places if n >= 0)
    for token, n in zip(said.tokens, places, strict=True):
        assert token.word in words[n] if n >= 0 else token.kind


@given(QUESTIONS, st.integers(0, 3))
def test_words_that_are_not_read_do_not_limit(text, left_out):
    said = asked(text, DAY)
    states = np.ones((max(len(text.split()) - left_out, 0), 2), np.float32)
    told = limiting(text, said, states, np.array([0.0, 1.0, 1.0]))
    read = np.array([0 <= n < len(states) for n in words_in(text, said)], bool)
    np.testing.assert_allclose(told, np.where(read, 1 / (1 + np.exp(-2)), 0), rtol=1e-6)


def test_the_states_of_words_are_means_of_those_of_their_pieces():
    text = "How much did Schneidermeister  Hagenbeck\tcharge us?"
    pieces = e5._pieces([" ".join(text.split())], "query: ")
    states = NumpyLayers(four_bits.read(e5.Path(e5.__file__).with_name(e5.WEIGHTS))).states(pieces, LOWEST)[0]
    words = e5.read_words([text], LOWEST)[0]
    assert len(words) == len(text.split())
    count = np.array([len(each) for each in e5.open_file().pieces.divide(text.split())])
    inner = states[-1 - count.sum() : -1]
    # ONNX Runtime rounds otherwise
    np.testing.assert_allclose((words * count[:, None]).sum(0), inner.sum(0), atol=0.5)
    assert e5.read_words([""], LOWEST)[0].shape == (0, 384)
    assert len(e5.read_words(["x " * 2000], LOWEST)[0]) < 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("How much did we spend at Hornbach in May?", "hornbach"),
        ("Wie viele Stunden hat Wiebke im Juni gearbeitet?", "wiebke"),
        ("Combien avons-nous payé à Castorama ?", "castorama"),
        ("¿Cuánto hemos gastado en Mercadona?", "mercadona"),
    ],
)
def test_a_value_limits_the_rows_in_any_language(text, value):
    said = asked(text, DAY)
    told = limiting(text, said, read_words(text), learned().limits)
    words = [token.word for token in said.tokens]
    assert words[int(told.argmax())] == value
    assert told.max() > 0.5


def test_a_value_that_no_table_has_makes_a_query_improbable():
    index = Index()
    rows = ["2026-05-02,Lidl,bread,4.20", "2026-05-09,Aldi,milk,2.10", "2026-06-09,Lidl,jam,3.10"]
    index.learn("costs.csv", "\n".join(["day,shop,what,amount", *rows]) + "\n")

    def probability(text):
        return choose(Question(text), index.asker.known, DAY).probability

    with_it, without = map(probability, ("How much did we spend at Lidl?", "How much did we spend in all?"))
    assert min(with_it, without) > 0.7
    for text in ("How much did we spend at Hornbach?", "How much did we spend at Lidl for the canteen?"):
        assert probability(text) < 0.5, text
