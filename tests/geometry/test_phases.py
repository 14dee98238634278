"""The two phases of retrieval: the statistic against autograd, limits of the nudge, numbers of any size."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.geometry.phases import free_weights, hit_rate, phases
from lior.testing.strategies import FINITE_SQUARES, LAW, dtypes, fill, seeds

SMOOTHING, VOCAB = 0.02, 11


def case(seed, dtype=torch.float64, edge="normal", rows=5, items=13):
    """Scores, tokens in common and exclusions; row 0 sees nothing, row 1 has no item of its token."""
    scores = -fill((rows, items), edge, seed, dtype).abs()
    generator = torch.Generator().manual_seed(seed)
    same = torch.rand(rows, items, generator=generator) < 0.3
    hidden = torch.rand(rows, items, generator=generator) < 0.2
    hidden[0] = True
    same[1] = False
    return scores.masked_fill(hidden, -torch.inf), same


def statistic(scores, same, nudge):
    return phases(scores, same, nudge, smoothing=SMOOTHING, vocab=VOCAB)


def slow_loss(scores, same):
    """Mean of -log((1 - ε) p + ε/V), the rows that see nothing with p = 0."""
    total = 0.0
    for row, mates in zip(scores, same, strict=True):
        seen = row > -torch.inf
        p = torch.softmax(row[seen], 0)[mates[seen]].sum() if seen.any() else scores.new_zeros(())
        total = total - ((1 - SMOOTHING) * p + SMOOTHING / VOCAB).log()
    return total / len(scores)


def autograd(function, scores):
    leaf = scores.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(leaf), leaf)
    return gradient


@LAW
@given(seed=seeds())
def test_clamped_is_the_gradient_of_the_loss(seed):
    scores, same = case(seed)
    result = statistic(scores, same, math.inf)
    assert_close(result.loss, slow_loss(scores, same), rtol=1e-12, atol=0)
    assert_close(result.d_scores, autograd(lambda s: slow_loss(s, same), scores), atol=1e-13, rtol=0)
    assert (result.d_scores[2:] != 0).any()


@LAW
@given(seed=seeds(), dtype=dtypes())
def test_without_a_nudge_there_is_no_statistic(seed, dtype):
    scores, same = case(seed, dtype)
    result = statistic(scores, same, 0)
    assert torch.equal(result.d_scores, torch.zeros_like(scores))
    assert result.loss == statistic(scores, same, math.inf).loss


@LAW
@given(seed=seeds(), nudge=st.sampled_from((-20.0, -0.5, 1e-3, 0.5, 20.0)))
def test_a_finite_nudge_is_the_difference_of_two_softmaxes(seed, nudge):
    scores, same = case(seed)
    expected = torch.softmax(scores, 1) - torch.softmax(scores + nudge * same, 1)
    expected = expected.nan_to_num(0) / (nudge * len(scores))
    assert_close(statistic(scores, same, nudge).d_scores, expected, atol=1e-12, rtol=0)


@LAW
@given(
    seed=seeds(),
    dtype=dtypes(),
    edge=st.sampled_from((*FINITE_SQUARES, "huge")),
    nudge=st.sampled_from((math.inf, 1.0, -1.0, 1e4)),
)
def test_numbers_of_any_size_stay_finite(seed, dtype, edge, nudge):
    scores, same = case(seed, dtype, edge)
    weights, result = free_weights(scores), statistic(scores, same, nudge)
    assert result.d_scores.dtype == dtype
    assert result.d_scores.isfinite().all()
    assert result.loss.isfinite()
    assert_close(weights[1:].sum(1), torch.ones(4, dtype=dtype))
    assert_close(result.d_scores.sum(1), torch.zeros(5, dtype=dtype), atol=1e-6, rtol=0)


@LAW
@given(seed=seeds(), nudge=st.sampled_from((math.inf, 1.0)))
def test_excluded_items_take_no_part(seed, nudge):
    scores, same = case(seed)
    excluded = scores == -torch.inf
    result = statistic(scores, same, nudge)
    assert (result.d_scores[excluded] == 0).all()
    assert (free_weights(scores)[0] == 0).all()
    other = statistic(scores, same ^ excluded, nudge)
    assert torch.equal(other.d_scores, result.d_scores)
    assert other.loss == result.loss


@LAW
@given(seed=seeds())
def test_inputs_are_not_mutated(seed):
    scores, same = case(seed)
    kept = scores.clone(), same.clone()
    for nudge in (0, 1.0, math.inf):
        statistic(scores, same, nudge)
    hit_rate(free_weights(scores), same)
    assert torch.equal(scores, kept[0])
    assert torch.equal(same, kept[1])
