"""The two phases of retrieval: the statistic against autograd, limits of the nudge, numbers of any size."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.geometry.phases import FreePhase, loss_of
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


def free_phase(scores, same, blocks=1):
    """The free phase of items that come in blocks."""
    free = FreePhase.start(len(scores), scores)
    for some, mates in zip(scores.tensor_split(blocks, 1), same.tensor_split(blocks, 1), strict=True):
        free = free.add(some, mates)
    return free


def statistic(scores, same, nudge, blocks=1):
    """Derivatives with respect to the scores, and the mean loss."""
    free, law = free_phase(scores, same, blocks), {"smoothing": SMOOTHING, "vocab": VOCAB}
    difference = free.difference(nudge, queries=len(scores), **law)
    return difference.of(scores, same), loss_of(free.hits, **law)


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
@given(seed=seeds(), blocks=st.integers(1, 13))
def test_clamped_is_the_gradient_of_the_loss(seed, blocks):
    scores, same = case(seed)
    d_scores, loss = statistic(scores, same, math.inf, blocks)
    assert_close(loss, slow_loss(scores, same), rtol=1e-12, atol=0)
    assert_close(d_scores, autograd(lambda s: slow_loss(s, same), scores), atol=1e-13, rtol=0)
    assert (d_scores[2:] != 0).any()


@LAW
@given(seed=seeds(), nudge=st.sampled_from((-20.0, -0.5, 1e-3, 0.5, 20.0)), blocks=st.integers(1, 13))
def test_a_finite_nudge_is_the_difference_of_two_softmaxes(seed, nudge, blocks):
    scores, same = case(seed)
    expected = torch.softmax(scores, 1) - torch.softmax(scores + nudge * same.double(), 1)
    expected = expected.nan_to_num(0) / (nudge * len(scores))
    assert_close(statistic(scores, same, nudge, blocks)[0], expected, atol=1e-12, rtol=0)


@LAW
@given(
    seed=seeds(),
    dtype=dtypes(),
    edge=st.sampled_from((*FINITE_SQUARES, "huge")),
    nudge=st.sampled_from((math.inf, 1.0, -1.0, 1e4, -1e4)),
    blocks=st.integers(1, 13),
)
def test_numbers_of_any_size_stay_finite(seed, dtype, edge, nudge, blocks):
    scores, same = case(seed, dtype, edge)
    d_scores, loss = statistic(scores, same, nudge, blocks)
    assert d_scores.dtype == dtype
    assert d_scores.isfinite().all()
    assert loss.isfinite()
    assert (free_phase(scores, same, blocks).hits <= 1).all()
    assert_close(d_scores.sum(1), torch.zeros(5, dtype=dtype), atol=1e-6, rtol=0)


@LAW
@given(seed=seeds(), nudge=st.sampled_from((math.inf, 1.0)), blocks=st.integers(1, 13))
def test_excluded_items_take_no_part(seed, nudge, blocks):
    scores, same = case(seed)
    excluded = scores == -torch.inf
    d_scores, loss = statistic(scores, same, nudge, blocks)
    assert (d_scores[excluded] == 0).all()
    assert (free_phase(scores, same, blocks).hits[0] == 0).all()
    other = statistic(scores, same ^ excluded, nudge, blocks)
    assert torch.equal(other[0], d_scores)
    assert other[1] == loss


@LAW
@given(seed=seeds())
def test_inputs_are_not_mutated(seed):
    scores, same = case(seed)
    kept = scores.clone(), same.clone()
    for nudge in (1.0, math.inf):
        statistic(scores, same, nudge, 3)
    assert torch.equal(scores, kept[0])
    assert torch.equal(same, kept[1])
