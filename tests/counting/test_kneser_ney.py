"""Count tables against :class:`collections.Counter`, smoothing against its formula number by number."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.counting import kneser_ney
from lior.counting.kneser_ney import CountTable, estimated_discounts, unseen_share
from lior.counting.locations import TOKEN_BITS
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


def after(values, discounts, locations, tokens, base):
    given = [torch.tensor(each, dtype=torch.int64) for each in (locations, tokens)]
    return kneser_ney.smooth(table(values), discounts, *given, torch.tensor(base, dtype=torch.float64))


def slow(values, discounts, location, token, base):
    """The formula, number by number."""
    counts = Counter(key & ((1 << TOKEN_BITS) - 1) for key in values if key >> TOKEN_BITS == location)
    taken = {y: discounts[min(c, len(discounts)) - 1] for y, c in counts.items()}
    if not counts:
        return base
    return (counts[token] - taken.get(token, 0.0) + sum(taken.values()) * base) / sum(counts.values())


@LAW
@given(
    values=keys,
    discounts=st.sampled_from((DISCOUNTS, (0.5,), (1.0, 2.0, 3.0, 4.0))),
    asked=st.lists(
        st.tuples(st.sampled_from((*range(LOCATIONS + 1), FAR)), st.integers(0, TOKENS), st.floats(0, 1)),
        max_size=8,
    ),
)
def test_smoothing_is_the_formula(values, discounts, asked):
    locations, tokens, base = zip(*asked, strict=True) if asked else ((), (), ())
    expected = [slow(values, discounts, *each) for each in asked]
    found = after(values, discounts, locations, tokens, base)
    assert_close(found, torch.tensor(expected, dtype=torch.float64))


@LAW
@given(values=keys, location=st.sampled_from((*range(LOCATIONS + 1), FAR)))
def test_probabilities_of_all_tokens_sum_to_one(values, location):
    known = sorted({key & ((1 << TOKEN_BITS) - 1) for key in values} | {0, 1})
    base = [1 / len(known)] * len(known)
    p = after(values, DISCOUNTS, [location] * len(known), known, base)
    assert (p >= 0).all()
    assert_close(p.sum(), torch.tensor(1.0, dtype=torch.float64))


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
