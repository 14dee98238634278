"""Count tables against :class:`collections.Counter`, smoothing against its formula number by number."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.model.kneser_ney import estimated_discounts, unseen_share
from lior.testing.strategies import LAW

# --- discounting ---


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
