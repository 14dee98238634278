"""Count tables against :class:`collections.Counter`, discounting against its formula number by number."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.counting import kneser_ney
from lior.counting.kneser_ney import CountTable, discount, estimated_discounts, unseen_share
from lior.counting.locations import TOKEN_BITS
from lior.testing.strategies import LAW, dtypes, seeds

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
    return kneser_ney.tally(torch.tensor(values, dtype=torch.int64))


def content(counted: CountTable) -> dict[int, int]:
    return dict(zip(counted.keys.tolist(), counted.counts.tolist(), strict=True))


def assert_canonical(counted: CountTable) -> None:
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
    kneser_ney.accumulate(table(values), torch.tensor(asked, dtype=torch.int64), column_of, out)
    known = Counter(values)
    expected = [[1 + known[location << TOKEN_BITS | y] for y in alphabet] for location in asked]
    assert_close(out, torch.tensor(expected).reshape(out.shape).float(), atol=0, rtol=0)


def test_accumulate_from_an_empty_table():
    out = torch.zeros(2, 3)
    kneser_ney.accumulate(table([]), torch.tensor([0, 1]), torch.arange(3), out)
    assert not out.any()


@LAW
@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_continuations_count_distinct_longer_contexts(pairs):
    """A position has (oldest, middle, token): the key is (middle, token), the longer key all three."""
    short = [middle << TOKEN_BITS | y for _, middle, y in pairs]
    longer = [(oldest << 3 | middle) << TOKEN_BITS | y for oldest, middle, y in pairs]
    counted = kneser_ney.continuations(*(torch.tensor(k, dtype=torch.int64) for k in (short, longer)))
    assert content(counted) == Counter(middle << TOKEN_BITS | y for _, middle, y in set(pairs))
    assert_canonical(counted)


# --- discounting ---

DISCOUNTS = (0.7, 0.95, 1.1)
A = 6


def counts_of(seed, *shape, dtype=torch.float64, high=6):
    """Random counts; a third of the rows were never written."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(high, (*shape, A), generator=generator)
    counts *= torch.rand(*shape, A, generator=generator) < 0.5
    counts *= torch.rand(*shape, 1, generator=generator) < 0.67
    return counts.to(dtype)


def base_of(seed, rows, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.softmax(torch.randn(rows, A, generator=generator, dtype=torch.float64), 1).to(dtype)


def slow(counts, base, discounts):
    """One row of the formula, number by number."""
    total = sum(counts)
    if not total:
        return base
    taken = [discounts[min(int(c), len(discounts)) - 1] if c else 0.0 for c in counts]
    return [(c - t) / total + sum(taken) / total * b for c, t, b in zip(counts, taken, base, strict=True)]


@LAW
@given(seed=seeds(), discounts=st.sampled_from((DISCOUNTS, (0.5,), (1.0, 2.0, 3.0, 4.0))))
def test_discount_is_the_formula(seed, discounts):
    counts, base = counts_of(seed, 7), base_of(seed, 7)
    expected = [slow(c, b, discounts) for c, b in zip(counts.tolist(), base.tolist(), strict=True)]
    assert_close(discount(counts, base, discounts), torch.tensor(expected, dtype=torch.float64))


@LAW
@given(seed=seeds(), dtype=dtypes(), high=st.sampled_from((2, 6, 100000)))
def test_distributions_sum_to_one(seed, dtype, high):
    counts = counts_of(seed, 5, 7, dtype=dtype, high=high)
    p = discount(counts, base_of(seed, 7, dtype), DISCOUNTS)
    assert p.dtype == dtype
    assert (p >= 0).all()
    assert_close(p.sum(-1), torch.ones(5, 7, dtype=dtype))


@LAW
@given(numbers=st.lists(st.integers(0, 50), min_size=5, max_size=5))
def test_estimated_discounts_are_in_range(numbers):
    """Whatever the numbers of counts 1 to 5; the formula itself leaves the range."""
    counts = torch.arange(1, 6, dtype=torch.int32).repeat_interleave(torch.tensor(numbers))
    found = estimated_discounts(counts)
    assert len(found) == 3
    assert all(0 < d < k for k, d in enumerate(found, 1)), found


def test_estimated_discounts_are_those_of_chen_and_goodman():
    counts = torch.tensor([1] * 40 + [2] * 15 + [3] * 8 + [4] * 5)
    y = 40 / (40 + 2 * 15)
    expected = (1 - 2 * y * 15 / 40, 2 - 3 * y * 8 / 15, 3 - 4 * y * 5 / 8)
    assert estimated_discounts(counts) == pytest.approx(expected)


@LAW
@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_the_share_of_unseen_tokens_is_good_and_turings(counts):
    share = unseen_share(torch.tensor(counts))
    expected = (counts.count(1) + 1) / (sum(counts) + 2) if sum(counts) else 1.0
    assert share.dtype == torch.float64
    assert share == (expected if 0 in counts else 0.0)
