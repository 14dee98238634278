"""Texts followed token by token: the addresses of whole texts, and code words that come back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.counting import cursor, layout
from lior.counting.coder import RangeCoder
from lior.counting.coding import Coding
from lior.counting.engine import Engine, Segment, prepare
from lior.counting.layout import Rates
from lior.testing.strategies import LAW
from tests.cases import cases

PATTERNS = ("", "1", "1-2", "1-3", "word-1 word", "column 1", "after next next-2", "heading ~1-3", "above 1")
RATES = Rates(1e-3, 1e-3, 3e-3, 8e-3, 2e-3, 2e-3)
NUMBERS = np.random.default_rng(0)


def engine(window: int) -> Engine:
    plan = layout.plan(
        PATTERNS,
        nested=4,
        base=1,
        joint=[[0, 1, 2, 3, 4, 5]],
        gates=("longest", "pair", "always"),
        cells=1,
        discounts=(0.7, 0.95, 1.1),
        novel_discounts=(0.7, 1.0, 1.2),
        recent=0.35,
        slowest=0.075,
    )
    return Engine(plan, PATTERNS, window=window, budget=0)


def prose(size: int) -> np.ndarray:
    """Words, lines, headings and empty lines, drawn at random."""
    words = [b"the", b"cat", b"sat", b"Mat.", b"on", b"a", b"\n", b"\n\n", b"NAME:\n", b"x" * 40]
    drawn = NUMBERS.integers(len(words), size=size)
    return np.frombuffer(b" ".join(words[i] for i in drawn), np.uint8)[:size].astype(np.int64)


@cases("parts", [(1,), (700, 1, 30), (1300,), (5000, 1)])
def test_a_cursor_finds_what_a_whole_text_says(parts):
    text, memory = prose(6000), engine(1)
    place, end = memory.cursor(), 0
    while end < len(text):
        for part in parts:
            place.feed(text[end : end + part])
            end = min(end + part, len(text))
            tokens = np.append(text[:end], 0)
            if end % 11 == 0 or part > 1:
                whole = prepare(memory.plan, PATTERNS, tokens, np.arange(end + 1), end, 0, still=True)
                for name in ("where", "fields", "before", "trail"):
                    assert np.array_equal(getattr(whole, name), getattr(place.block, name)), (name, end)


def coded(text, alphabet, *, window, rows, calls, words=None):
    """The words or tokens of a chunk, its distributions and what the memory holds afterwards."""
    memory = engine(window)
    learned = layout.fresh(memory.plan, int(alphabet[-1]) + 1)
    coder, others = RangeCoder(words), np.array([alphabet[-1] + 1, alphabet[-1] + 2])
    learner = layout.Learner((learned, learned), (RATES, RATES))
    chunk = Coding(memory, memory.cursor(), alphabet, learner, rows=rows, others=others, unseen=0.01)
    chunk.arrays.given[:] = text if words is None else 0
    while not chunk.run(min(chunk.done + calls, rows), np.linspace(0.8, 1.2, 16, dtype=np.float32), coder):
        pass
    memory.advance(chunk.done)
    return coder, chunk, memory, learned


@settings(LAW, max_examples=15)
@given(
    seed=st.integers(0, 99),
    window=st.integers(1, 9),
    calls=st.sampled_from([1, 64, 200]),
    vocab=st.sampled_from([2, 30, 600]),
)
def test_windows_are_decoded_as_tokens_and_as_partial_fit(seed, window, calls, vocab):
    """The number of tokens in a call changes nothing, and what was learned is what partial_fit learns."""
    numbers = np.random.default_rng(seed)
    text, alphabet = numbers.integers(vocab, size=200), np.arange(vocab)
    options = {"window": window, "rows": len(text), "calls": calls}
    coder, chunk, memory, learned = coded(text, alphabet, **options)
    bits, words = coder.bits, coder.finish()
    assert len(words) * 8 <= bits + 64
    decoder, again, other, _ = coded(text, alphabet, **(options | {"calls": 1}), words=words)
    assert np.array_equal(again.tokens, text)
    assert not decoder.overdrawn
    assert decoder.bits == bits
    assert np.array_equal(again.arrays.log_p, chunk.arrays.log_p)
    reference = engine(window)
    fresh = layout.fresh(reference.plan, vocab)
    segment = Segment(text, np.arange(len(text)), 0)
    found = reference.partial_fit(segment, alphabet, (fresh, fresh), (RATES, RATES), write=True)
    np.testing.assert_allclose(np.log(found.p), chunk.arrays.log_p, atol=1e-3)
    np.testing.assert_allclose(fresh.bias, learned.bias, atol=1e-4)
    for one, two in zip(memory.packed()[:2], other.packed()[:2], strict=True):
        assert np.array_equal(one, two)
    assert np.array_equal(memory.packed().addresses, reference.packed().addresses)


def test_a_token_outside_of_the_alphabet_ends_the_chunk():
    text, alphabet = np.array([0, 1, 0, 3, 1]), np.arange(2)
    options = {"window": 4, "rows": 5, "calls": 5}
    coder, chunk, _, _ = coded(text, alphabet, **options)
    assert chunk.done == 4
    _, again, _, _ = coded(text, alphabet, **options, words=coder.finish())
    assert again.tokens.tolist() == [0, 1, 0, 3, -1]


CHANCES = st.lists(st.floats(1e-12, 1), min_size=1, max_size=40)


@settings(LAW, max_examples=15)
@given(st.lists(st.tuples(CHANCES, st.integers(0, 39)), max_size=60))
def test_choices_come_back(drawn):
    choices = [(np.array(chances), which % len(chances)) for chances, which in drawn]
    encoder = RangeCoder()
    for chances, which in choices:
        encoder.choose(chances, which)
    bits, words = encoder.bits, encoder.finish()
    assert len(words) * 8 <= bits * 1.001 + 33
    decoder = RangeCoder(words)
    assert [decoder.choose(chances) for chances, _ in choices] == [which for _, which in choices]
    assert not decoder.overdrawn


def test_a_carry_runs_through_words_of_ones():
    """The last of two choices, again and again with a first one that is almost certain."""
    rare = np.array([2.0**-20, 1.0])
    for count in range(1, 200):
        encoder, choices = RangeCoder(), [1] * count + [0, 1, 1, 0]
        for choice in choices:
            encoder.choose(rare, choice)
        decoder = RangeCoder(encoder.finish())
        assert [decoder.choose(rare) for _ in choices] == choices


def test_a_decoder_notices_that_there_are_no_more_words():
    decoder = RangeCoder(b"")
    for _ in range(40):
        decoder.choose(np.ones(4))
    assert decoder.overdrawn
    assert decoder.bits == pytest.approx(80)
    assert math.isfinite(decoder.bits)


def test_a_long_feed_keeps_the_place():
    place = engine(1).cursor()
    place.feed(prose(3 * cursor._CAPACITY))
    assert int(place.route.depth[place.route.used[0]]) == 3 * cursor._CAPACITY
