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


@LAW
@given(values=keys)
def test_tally_counts(values):
    assert content(table(values)) == Counter(values)
    assert_canonical(table(values))


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
    counters.accumulate(table([]), torch.tensor([0, 1]), torch.arange(3), out)
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
