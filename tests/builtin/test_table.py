"""The batched engine's memory is that of the streaming one: written, read, kept, and pruned."""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.counting import layout, locations
from lior.testing.strategies import LAW, seeds
from lior_plugins.batched.table import Table
from tests.builtin.test_batched import (
    ALPHABET,
    CLOSE,
    CPU,
    LENGTH,
    RATES,
    assert_close,
    assert_same_store,
    contents,
    fit,
    fit_both,
    pair,
    read,
    segment,
    text,
)  # fmt: skip

# --- writing and reading ---


@LAW
@given(seed=seeds(), cuts=st.sets(st.integers(1, 399), max_size=4))
def test_writing_is_the_same_in_any_pieces(seed, cuts):
    tokens = text(seed, 400)
    (one, _), (other, _) = pair()
    one.write(segment(tokens))
    bounds = [0, *sorted(cuts), len(tokens)]
    for lo, hi in pairwise(bounds):
        other.write(segment(tokens, lo, hi))
    assert_same_store(one, other)


def test_a_long_text_is_written_in_blocks():
    (one, _), (other, _) = pair()
    for engine in (one, other):
        engine.write(segment(text(9, 9000)))
    assert_same_store(one, other)


@pytest.mark.parametrize("clock", [1 << 18, 0x123_4567, (1 << 26) - 70])
def test_times_far_from_the_beginning(clock):
    """They are kept in 24 bits, as quarters."""
    both = pair()
    for engine, _ in both:
        engine.write(segment(text(28)))
        engine.clock = clock
        engine.write(segment(text(29)))
    assert_same_store(both[0][0], both[1][0])
    both[1][0].load(both[0][0].store, both[0][0].clock)
    rows = [read(e, text(30), np.arange(LENGTH), np.arange(LENGTH), ALPHABET, n, ahead=9) for e, n in both]
    assert_close(*rows)
    assert_same_store(both[0][0], both[1][0])


def test_counts_end_where_their_bits_do():
    tokens = np.full(70_000, 97)
    tokens[::1000] = 98
    few = ("", "1")
    plan = layout.plan(
        few, nested=2, base=1, joint=(), gates=(), cells=1, discounts=(0.7, 0.95, 1.1),
        novel_discounts=(0.6, 1.0, 1.2), recent=0.3, slowest=0.05,
    )  # fmt: skip
    (one, numbers), (other, theirs) = pair(plan=plan, patterns=few)
    for engine in (one, other):
        engine.write(segment(tokens))
    assert_same_store(one, other)
    counters = contents(one.packed())[-1]
    assert counters["count"].max() == 65535
    at = np.arange(5)
    rows = [
        read(e, tokens, np.arange(len(tokens)), at, np.array([97, 98, 99]), n, ahead=0)
        for e, n in ((one, numbers), (other, theirs))
    ]
    assert_close(*rows)


def test_novel_occurrences_end_where_their_bits_do():
    """A token that follows 300 others, each for the first time."""
    tokens = np.array([(1000 + k, 65) for k in range(300)]).flatten()
    (one, _), (other, _) = pair()
    for engine in (one, other):
        engine.write(segment(tokens))
    assert contents(one.packed())[-1]["novel"].max() == 255
    assert_same_store(one, other)


def test_blocks_may_have_any_size():
    tokens, cells = text(15, 3000), segment(text(15, 3000), cells=True)
    found = []
    for size in (512, 8192):
        engine, numbers = pair(7)[1]
        engine._block = size
        engine.write(segment(tokens))
        rows = fit(engine, cells, ALPHABET, numbers, RATES, write=True)
        found.append((rows, engine))
    for rows, engine in found[1:]:
        assert_close(rows, found[0][0], CLOSE)
        assert_same_store(engine, found[0][1], logits=2)


@LAW
@given(seed=seeds(), ahead=st.sampled_from((0, 3, 40_000)), chosen=st.lists(st.integers(0, 99), max_size=9))
def test_reading_is_the_same_and_leaves_everything(seed, ahead, chosen):
    both = fit_both([segment(text(seed))])
    tokens, kept = text(seed + 1, 100), copy.deepcopy(both[1][1])
    positions = np.array(chosen, np.int64)
    cell = np.arange(len(chosen)) % 3
    before = both[1][0].packed()
    rows = [
        read(engine, tokens, np.arange(100), positions, ALPHABET, numbers, ahead=ahead, cell=cell)
        for engine, numbers in both
    ]
    assert_close(*rows, CLOSE)
    after = both[1][0].packed()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(kept, both[1][1], strict=True))


def test_positions_far_apart():
    both, tokens = pair(), text(10, 5000)
    for engine, _ in both:
        engine.write(segment(tokens))
    chosen = np.array([4999, 3, 2500, 2047, 2048])
    rows = [read(e, tokens, np.arange(5000), chosen, ALPHABET, n, ahead=0) for e, n in both]
    assert_close(*rows)


def test_an_empty_memory():
    rows = [read(e, text(0), np.arange(LENGTH), np.arange(LENGTH), ALPHABET, n, ahead=0) for e, n in pair()]
    assert_close(*rows)
    assert rows[1] == pytest.approx(np.full_like(rows[1], 1 / len(ALPHABET)), rel=1e-6)


@LAW
@given(seed=seeds(), share=st.floats(0, 1))
def test_the_future_does_not_change_the_past(seed, share):
    tokens, at = text(seed), int(share * (LENGTH - 1))
    other = tokens.copy()
    other[at:] = text(seed + 1)[at:]
    rows = []
    for each in (tokens, other):
        engine, numbers = pair(16)[1]
        rows.append(fit(engine, segment(each), ALPHABET, numbers, RATES, write=True)[: at + 1])
    assert_close(*rows)


# --- keeping ---


def test_each_goes_on_where_the_other_stopped():
    (one, numbers), (other, theirs) = fit_both([segment(text(11, 300))], 16)
    swapped = pair(16)
    swapped[0][0].load(other.store, other.clock)
    swapped[1][0].load(one.store, one.clock)
    assert_same_store(swapped[0][0], other)
    assert_same_store(swapped[1][0], one)
    more = segment(text(12, 300))
    rows = [
        fit(engine, more, ALPHABET, learned, RATES, write=True)
        for engine, learned in ((swapped[0][0], theirs), (swapped[1][0], numbers))
    ]
    assert_close(*rows, CLOSE)
    assert_same_store(swapped[0][0], swapped[1][0], logits=2)


@LAW
@given(seed=seeds())
def test_packing_loses_nothing(seed):
    engine, numbers = pair(16)[1]
    fit(engine, segment(text(seed)), ALPHABET, numbers, RATES, write=True)
    packed = engine.packed()
    again = Table.of(packed, CPU).packed()
    assert all(np.array_equal(a, b) for a, b in zip(packed, again, strict=True))
    through = locations.pack(locations.unpack(packed))
    assert all(np.array_equal(a, b) for a, b in zip(packed, through, strict=True))


def test_forgetting_all():
    (engine, numbers), fresh = pair(16)[1], pair(16)[1]
    fit(engine, segment(text(13)), ALPHABET, numbers, RATES, write=True)
    engine.clear()
    assert engine.clock == 0
    assert_same_store(engine, fresh[0])


# --- a budget ---


def test_a_budget_is_kept_as_the_streaming_engine_keeps_it():
    budget, letters = 200_000, np.arange(97, 123)
    tokens = np.random.default_rng(0).choice(letters, 12_000)
    (one, _), (other, _) = pair(16, budget=budget)
    for lo in range(0, len(tokens), 2048):
        here = segment(tokens, lo, lo + 2048)
        for engine in (one, other):
            engine.write(here)
        assert locations.size(other.store) == other._table.size() <= budget
    mine, theirs = ({*map(int, e.packed().addresses)} for e in (one, other))
    assert len(mine & theirs) > 0.9 * len(mine | theirs), "only those of the least worth go by another order"
    assert 0.5 * budget < other._table.size()


def test_a_budget_holds_while_a_text_is_fitted():
    budget, tokens = 200_000, np.random.default_rng(1).choice(np.arange(97, 123), 9000)
    engine, numbers = pair(64, budget=budget)[1]
    rows = fit(engine, segment(tokens), np.arange(97, 123), numbers, RATES)
    assert np.abs(rows.sum(1) - 1).max() < 1e-5
    assert 0.5 * budget < engine._table.size() <= budget
    assert engine.clock == 9000
    assert (contents(engine.packed())[-1]["count"] > 0).all()


def test_what_is_worth_more_is_kept():
    """The locations that one pruning keeps are those of the streaming engine, but for a share of one age."""
    tokens = text(14, 6000, bytes(range(97, 123)))
    (one, _), (other, _) = pair()
    for engine in (one, other):
        engine.write(segment(tokens))
    keep = locations.size(one.store) // 3
    pruned = locations.prune(one.store, keep, one.clock)
    other._table.prune(keep, other.clock)
    mine, theirs = (
        dict(zip(p.addresses.tolist(), p.sizes, strict=True))
        for p in (locations.pack(pruned), other.packed())
    )
    shared = mine.keys() & theirs.keys()
    assert all(mine[address] == theirs[address] for address in shared)
    assert len(shared) > 0.97 * len(mine.keys() | theirs.keys())
    assert 0.95 * keep < other._table.size() < 1.01 * keep, "a slot is counted as whole bytes"
