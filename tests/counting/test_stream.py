"""Reading and learning window by window: the same as by hand, in segments and row by row; causal; bounded."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.testing.strategies import LAW, seeds
from lior_plugins.counting import layout, locations, stream
from lior_plugins.counting.engine import Engine, Prediction, Schedule, Segment
from lior_plugins.counting.layout import Rates
from tests.cases import cases

PATTERNS = ("", "1", "1-2", "1-3", "1-4", "word", "2-3", "word-1 word", "above 1")
PLAN = layout.plan(
    PATTERNS,
    nested=5,
    base=2,
    joint=((1, 2, 3, 4, 5, 6),),
    cells=1,
    gates=("longest", "previous", "words", "position", "layout", "pair"),
    discounts=(0.7, 0.95, 1.1),
    novel_discounts=(0.6, 1.0, 1.2),
    recent=0.3,
    slowest=0.05,
)
ALPHABET = np.array(sorted({*b"abc. \nQ"}))
RATES = Rates(weight=0.003, token=0.003, table=0.01, logit=0.02, bias=0.005, secondary=0.005)
STILL = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
LENGTH = 150


def text(seed, count=LENGTH, letters=b"abc. Qab abcab\n"):
    generator = np.random.default_rng(seed)
    return np.frombuffer(letters, np.uint8).astype(np.int64)[generator.integers(0, len(letters), count)]


def segment(tokens, start=0, end=None):
    return Segment(tokens[:end], np.arange(len(tokens))[:end], start)


def engine(window=1, budget=0):
    return Engine(PLAN, PATTERNS, window=window, budget=budget)


def learned():
    return layout.fresh(PLAN, 256)


def assert_same(one, other):
    """Stores, or anything that is made of arrays, equal in every bit."""
    one, other = (locations.pack(x) if isinstance(x, locations.Store) else x for x in (one, other))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def both(it):
    """The same for both sets."""
    return it, it


def fit_part(it, part, numbers, *, rates=RATES, alphabet=ALPHABET, write=True):
    """The rows of a part that an engine fits with one weight set."""
    return it.partial_fit(part, alphabet, both(numbers), both(rates), write=write).p


def read(it, tokens, numbers, positions=None, *, alphabet=ALPHABET):
    """The rows at ``positions`` of one document, at all of them without."""
    everywhere = np.arange(len(tokens))
    chosen = everywhere if positions is None else positions
    return it.read(tokens, everywhere, chosen, alphabet, both(numbers), ahead=0).p


def fit(seed, window, *, rates=RATES, write=True, tokens=None):
    """A fresh engine that has fitted a text: the rows, the engine, what was learned."""
    it, numbers = engine(window), learned()
    rows = fit_part(it, segment(text(seed) if tokens is None else tokens), numbers, rates=rates, write=write)
    return rows, it, numbers


# --- windows ---


def by_hand(tokens, window):
    """Each window is read and learned by one call, and counted by another."""
    it, numbers = engine(window), learned()
    it._expect(it.block(tokens, np.arange(len(tokens)), 0, 0))
    columns, buffers = it.columns(ALPHABET), layout.buffers(PLAN, window, len(ALPHABET))
    learner, rows = layout.Learner(both(numbers), both(RATES)), []
    for begin in range(0, len(tokens), window):
        end = min(begin + window, len(tokens))
        here = it.block(tokens[:end], np.arange(end), begin, None)
        if not locations.fits.py_func(it.store, window, len(PATTERNS), it.memory.vocab):
            it.grow()
        out = Prediction.empty(end - begin, len(ALPHABET))
        alone = stream.BOTH, stream.signs()
        stream.run(it.memory, learner, here, 0, columns, buffers, buffers, out, False, 0, *alone)
        assert stream.write(it.memory, here, 0) == end - begin
        it.clock += end - begin
        rows.append(out.p)
    return np.concatenate(rows), it, numbers


@cases("window", [1, 7])
def test_fitting_is_reading_then_learning_then_counting(window):
    rows, it, numbers = fit(0, window)
    expected, other, theirs = by_hand(text(0), window)
    assert_same(rows, expected)
    assert_same(it.store, other.store)
    assert_same(numbers, theirs)
    assert it.clock == other.clock == LENGTH


@LAW
@given(seed=seeds(), window=st.sampled_from((1, 3, 16)))
def test_within_a_window_nothing_is_learned(seed, window):
    """What a window says is what its beginning knew."""
    tokens = text(seed)
    rows, _, _ = fit(seed, window)
    begin = LENGTH // 2 // window * window
    it, numbers = engine(window), learned()
    it.partial_fit(segment(tokens, 0, begin), ALPHABET, both(numbers), both(RATES), write=True)
    still = copy.deepcopy(numbers)
    alone = fit_part(it, segment(tokens, begin, begin + window), still, rates=STILL)
    assert_same(rows[begin : begin + window], alone)


@cases("window", [1, 4, 16])
def test_fitting_goes_on_where_it_stopped(window):
    tokens, (rows, it, numbers) = text(1), fit(1, window)
    other, theirs = engine(window), learned()
    middle = 5 * 16
    parts = [fit_part(other, part, theirs) for part in (segment(tokens, 0, middle), segment(tokens, middle))]
    assert_same(rows, np.concatenate(parts))
    assert_same(it.store, other.store)
    assert_same(numbers, theirs)


def test_a_window_changes_what_is_learned():
    assert (fit(2, 1)[0] != fit(2, 16)[0]).any()


# --- what may change, and what not ---


@LAW
@given(seed=seeds())
def test_fitting_without_writing_leaves_the_store(seed):
    it, numbers = engine(4), learned()
    it.write(segment(text(seed)))
    before, clock = locations.pack(it.store), it.clock
    fresh = learned()
    rates = Schedule((1e-3, 1e-4), (1e-3, 1e-4), (1e-3, 1e-4)).at(0.3)
    it.partial_fit(segment(text(seed + 1)), ALPHABET, both(numbers), both(rates), write=False)
    assert_same(it.store, before)
    assert it.clock == clock
    assert all((getattr(fresh, k) != v).any() for k, v in numbers._asdict().items() if k != "bias" or v.any())


# --- distributions ---


def test_positions_far_apart_are_read_as_they_are():
    tokens = text(3, 5000)
    it, numbers = engine(), learned()
    it.write(segment(tokens))
    chosen = np.array([4999, 3, 2500, 2047, 2048])
    whole = read(it, tokens, numbers)
    assert_same(read(it, tokens, numbers, chosen), whole[chosen])
    assert read(it, tokens, numbers, np.arange(0)).shape == (0, len(ALPHABET))


def test_an_empty_memory_and_a_small_alphabet():
    rows = read(engine(), text(0), learned())
    assert rows == pytest.approx(np.full_like(rows, 1 / len(ALPHABET)), rel=1e-6)
    for window in (1, 16):
        it = engine(window)
        only = fit_part(it, segment(text(0)), learned(), alphabet=np.array([97]))
        assert only == pytest.approx(np.ones((LENGTH, 1)), abs=1e-5)


def test_an_empty_alphabet_gives_empty_rows():
    it = engine(4)
    nothing = np.zeros(0, np.int64)
    assert fit_part(it, segment(text(0)), learned(), alphabet=nothing).shape == (LENGTH, 0)
    assert read(it, text(0), learned(), alphabet=nothing).shape == (LENGTH, 0)
    other = engine(4)
    other.write(segment(text(0)))
    assert_same(it.store, other.store)


@LAW
@given(seed=seeds(), window=st.sampled_from((1, 5)))
def test_tokens_outside_of_the_alphabet_are_counted_but_not_learned(seed, window):
    tokens = text(seed)
    tokens[::9] = 250
    tokens[40] = 65535
    rows, it, numbers = fit(seed, window, tokens=tokens)
    assert abs(rows.astype(np.float64).sum(1) - 1).max() < 1e-5
    other = engine(window)
    other.write(segment(tokens))
    packed = locations.pack(it.store)
    assert_same(packed.addresses, locations.pack(other.store).addresses)
    assert all(np.isfinite(values).all() for values in numbers)
    only = text(seed)
    only[:] = 250
    assert_same(fit(seed, window, tokens=only)[2][:5:2], learned()[:5:2])


# --- large alphabets ---

LAGS = ("", "1", "1-2", "1-3", "1-4", "2", "2-3")
LARGE = np.arange(700)


def large(window=4):
    """An engine whose patterns see nothing but lags."""
    plan = layout.plan(
        LAGS,
        nested=5,
        base=2,
        joint=(),
        cells=1,
        gates=("longest", "pair"),
        discounts=(0.7, 0.95, 1.1),
        novel_discounts=(0.6, 1.0, 1.2),
        recent=0.3,
        slowest=0.05,
    )
    return Engine(plan, LAGS, window=window, budget=0), layout.fresh(plan, 700)


@LAW
@given(seed=seeds())
def test_rows_over_a_large_alphabet_are_distributions_and_causal(seed):
    tokens = np.random.default_rng(seed).integers(0, 30, LENGTH) ** 2 % 700
    (it, numbers), (same, theirs) = large(), large()
    rows = fit_part(it, segment(tokens), numbers, alphabet=LARGE)
    assert (rows > 0).all()
    assert abs(rows.astype(np.float64).sum(1) - 1).max() < 1e-5
    other = tokens.copy()
    other[100:] = 650
    assert_same(rows[:101], fit_part(same, segment(other), theirs, alphabet=LARGE)[:101])
    whole = read(it, tokens, numbers, alphabet=LARGE)
    alone = read(it, tokens[:91], numbers, np.array([90]), alphabet=LARGE)
    assert_same(alone, whole[[90]])


def test_tokens_without_a_column_share_the_rest_by_how_often_they_were_seen():
    it, numbers = large()
    it.write(segment(np.array([600, 601] * 5 + [1, 2, 3] * 30 + [1])))
    (p,) = read(it, np.array([3, 1, 0]), numbers, np.array([2]), alphabet=LARGE).astype(np.float64)
    assert p.argmax() == 2
    least = min(stream.FLOOR, 5e-4 / 700)
    assert p[600] == pytest.approx(p[601])
    assert (p[600] - least) / (p[602] - least) == pytest.approx(5.5 / 0.5, rel=1e-3)
    assert (p[3] - least) / (p[600] - least) == pytest.approx(30.5 / 5.5, rel=1e-3)
    assert np.ptp(p[10:600]) == 0


# --- writing ---


def test_a_long_text_is_written_in_blocks():
    tokens, whole, parts = text(4, 9000), engine(), engine(16)
    whole.write(segment(tokens))
    for lo in range(0, 9000, 1234):
        parts.write(segment(tokens, lo, min(lo + 1234, 9000)))
    assert_same(whole.store, parts.store)
    silent = engine(16)
    silent.partial_fit(segment(tokens), ALPHABET, both(learned()), both(STILL), write=True)
    assert_same(whole.store, silent.store)


@cases("fitted", [False, True])
def test_a_budget_holds_while_a_text_streams_by(fitted):
    budget, tokens = 300_000, np.random.default_rng(0).integers(97, 123, 40_000)
    it, free, numbers = engine(16, budget), engine(16), learned()
    alphabet = np.arange(97, 123)
    for lo in range(0, len(tokens), 4000):
        here = segment(tokens, lo, lo + 4000)
        if fitted:
            it.partial_fit(here, alphabet, both(numbers), both(RATES), write=True)
        else:
            it.write(here)
        assert locations.size(it.store) <= budget
    free.write(segment(tokens))
    assert locations.size(free.store) > 2 * budget, "otherwise nothing was tested"
    assert locations.size(it.store) > 0.5 * budget
    known = read(it, tokens, numbers, np.array([39_999]), alphabet=alphabet)
    assert np.isfinite(known).all()


# --- schedules ---


def test_step_sizes_go_from_the_first_to_the_last_geometrically():
    schedule = Schedule((1e-2, 1e-4), (1e-1, 1e-1), (1.0, 0.25), (8e-3, 2e-3))
    assert schedule.at(0.0)[:4] == pytest.approx((1e-2, 1e-1, 1.0, 8e-3))
    assert schedule.at(0.5)[:4] == pytest.approx((1e-3, 1e-1, 0.5, 4e-3))
    assert schedule.at(1.0)[:4] == pytest.approx((1e-4, 1e-1, 0.25, 2e-3))
    assert Schedule((1e-2, 1e-4), (1e-1, 1e-1), (1.0, 0.25)).at(0.5).logit == 0
