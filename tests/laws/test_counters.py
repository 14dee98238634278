"""The table of counters against :class:`collections.Counter`."""

from __future__ import annotations

from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.counting import counters
from lior.counting.counters import TOKEN_BITS, Counters
from lior.testing.strategies import LAW

LOCATIONS, TOKENS = 5, 4
FAR = (1 << 46) - 1
"""The largest location that an address of 64 patterns and 41 bits reaches, about."""

keys = st.lists(
    st.builds(
        lambda location, token: location << TOKEN_BITS | token,
        st.sampled_from((*range(LOCATIONS), FAR)),
        st.integers(0, TOKENS - 1) | st.just((1 << TOKEN_BITS) - 1),
    ),
    max_size=30,
)


def table(values):
    return counters.tally(torch.tensor(values, dtype=torch.int64))


def content(counted: Counters) -> dict[int, int]:
    return dict(zip(counted.keys.tolist(), counted.counts.tolist(), strict=True))


def assert_canonical(counted: Counters) -> None:
    assert (counted.keys.dtype, counted.counts.dtype) == (torch.int64, torch.int32)
    assert (counted.keys[1:] > counted.keys[:-1]).all(), "ascending and distinct"
    assert (counted.counts != 0).all()


def assert_equal(actual: Counters, expected: Counters) -> None:
    assert torch.equal(actual.keys, expected.keys)
    assert torch.equal(actual.counts, expected.counts)


@LAW
@given(values=keys)
def test_tally_counts(values):
    assert content(table(values)) == Counter(values)
    assert_canonical(table(values))


@LAW
@given(a=keys, b=keys)
def test_add_is_the_sum(a, b):
    total = counters.add(table(a), table(b))
    assert content(total) == Counter(a) + Counter(b)
    assert_canonical(total)


@LAW
@given(a=keys, b=keys)
def test_subtraction_can_go_below_zero(a, b):
    left, right = Counter(a), Counter(b)
    difference = counters.add(table(a), table(b), sign=-1)
    expected = {key: left[key] - right[key] for key in left | right if left[key] != right[key]}
    assert content(difference) == expected
    assert_canonical(difference)


@LAW
@given(a=keys, b=keys, c=keys)
def test_add_commutes_and_associates(a, b, c):
    a, b, c = table(a), table(b), table(c)
    assert_equal(counters.add(a, b), counters.add(b, a))
    assert_equal(counters.add(counters.add(a, b), c), counters.add(a, counters.add(c, b)))


@LAW
@given(a=keys, b=keys)
def test_subtraction_takes_back_an_addition(a, b):
    a, b = table(a), table(b)
    assert_equal(counters.add(counters.add(a, b), b, sign=-1), a)
    assert_equal(counters.add(a, a, sign=-1), counters.empty())


@LAW
@given(a=keys, b=keys)
def test_inputs_are_not_mutated(a, b):
    a, b = table(a), table(b)
    kept = [Counters(*(t.clone() for t in each)) for each in (a, b)]
    counters.add(a, b)
    counters.add(a, b, sign=-1)
    for each, copy in zip((a, b), kept, strict=True):
        assert_equal(each, copy)


@LAW
@given(data=st.data(), values=keys)
def test_accumulate_reads_rows(data, values):
    alphabet = sorted(data.draw(st.sets(st.integers(0, TOKENS - 1), min_size=1)))
    asked = data.draw(st.lists(st.sampled_from((*range(LOCATIONS + 1), FAR)), max_size=8))
    column_of = torch.full((1 << TOKEN_BITS,), -1)
    column_of[alphabet] = torch.arange(len(alphabet))
    out = torch.ones(len(asked), len(alphabet))
    counters.accumulate(table(values), torch.tensor(asked, dtype=torch.int64), column_of, out)
    known = Counter(values)
    expected = [[1 + known[location << TOKEN_BITS | y] for y in alphabet] for location in asked]
    assert_close(out, torch.tensor(expected).reshape(out.shape).float(), atol=0, rtol=0)


def test_accumulate_from_an_empty_table():
    out = torch.zeros(2, 3)
    counters.accumulate(counters.empty(), torch.tensor([0, 1]), torch.arange(3), out)
    assert not out.any()


@LAW
@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_continuations_count_distinct_longer_contexts(pairs):
    """A position has (oldest, middle, token): the key is (middle, token), the longer key all three."""
    short = [middle << TOKEN_BITS | y for _, middle, y in pairs]
    longer = [(oldest << 3 | middle) << TOKEN_BITS | y for oldest, middle, y in pairs]
    counted = counters.continuations(*(torch.tensor(k, dtype=torch.int64) for k in (short, longer)))
    assert content(counted) == Counter(middle << TOKEN_BITS | y for _, middle, y in set(pairs))
    assert_canonical(counted)


@LAW
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)
)
def test_tally_locations_counts_every_pattern(rows):
    """Two patterns, whose locations do not overlap; the positions in blocks."""
    located = torch.tensor([(a, 10 + b) for a, b, _ in rows]).T
    tokens = torch.tensor([y for *_, y in rows])
    expected = Counter(p << TOKEN_BITS | y for a, b, y in rows for p in (a, 10 + b))
    blocks = located.split(7, dim=1)
    counted = counters.tally_locations(blocks, tokens)
    assert content(counted) == expected
    assert_canonical(counted)
